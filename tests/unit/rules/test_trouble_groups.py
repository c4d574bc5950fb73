"""What did not pass, by its cause: checks × hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from upkeep.model.remedies import after
from upkeep.model.verdicts import Severity, Status
from upkeep.rules import trouble_groups
from upkeep.rules.trouble_groups import Told, TroubleGroup, causes_first
from upkeep.view.model import Result, Trouble
from upkeep.view.troubles import Troubles

LOGINS = ("brute_force", "failed_logins", "login_after_failures", "password_spraying")
EMPTY = "the journal is empty"


def trouble(
    host: str = "db1",
    check: str = "disk_space",
    *,
    status: Status = Status.FAIL,
    message: str = "93 % used",
    **other: str,
) -> Trouble:
    severity = Severity.HIGH if status is Status.FAIL else None
    given = {"subject": "/", "remedy": "free space"} | other
    return Trouble(host, check, given["subject"], status, severity, message, given["remedy"])


def unseen(host: str, check: str = "brute_force", message: str = EMPTY) -> Trouble:
    remedy = f"upkeep doctor --limit {host}  # see why"
    return trouble(host, check, status=Status.UNKNOWN, message=message, subject="*", remedy=remedy)


def grouped(troubles: Iterable[Trouble]) -> list[TroubleGroup[Trouble]]:
    return trouble_groups.grouped(troubles, Trouble.tell)


def shape(troubles: list[Trouble]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The checks and the hosts of each group."""
    return [(one.checks, one.hosts) for one in grouped(troubles)]


def test_one_empty_journal_is_one_group_for_all_that_read_it() -> None:
    assert shape([unseen("db1", check) for check in LOGINS]) == [(LOGINS, ("db1",))]


def test_forty_unreachable_hosts_are_one_group_without_a_next_step_of_one_of_them() -> None:
    hosts = [f"web{number:02}" for number in range(40)]
    (group,) = grouped(unseen(host, check="") for host in hosts)

    assert group.hosts == tuple(hosts)
    assert (group.checks, group.remedy) == (("",), "")


def test_an_empty_journal_on_many_hosts_is_one_group() -> None:
    hosts = ("a", "b", "c", "d")

    assert shape([unseen(host, check) for host in hosts for check in LOGINS]) == [(LOGINS, hosts)]


DIFFERENT = {
    "message": replace(trouble("web4"), message="94 % used"),
    "subject": replace(trouble("web4"), subject="/var"),
    "check": replace(trouble("web4"), check="disk_inodes"),
    "severity": replace(trouble("web4"), severity=Severity.LOW),
    "status": replace(trouble("web4"), status=Status.UNKNOWN, severity=None),
    "next step": replace(trouble("web4"), remedy="another"),
    "waiver": replace(trouble("web4"), waiver=3),
}


@pytest.mark.parametrize("other", DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_in_more_than_the_host_stands_alone(other: Trouble) -> None:
    same = [trouble(f"web{number}") for number in range(4)]

    assert sorted(len(one.things) for one in grouped([*same, other])) == [1, 4]


@pytest.mark.parametrize(("hosts", "groups"), [(1, 1), (3, 3), (4, 1), (5, 1)])
def test_few_hosts_keep_their_own_lines(hosts: int, groups: int) -> None:
    assert len(grouped(trouble(f"web{number}") for number in range(hosts))) == groups


def test_what_fails_is_never_put_together_across_checks() -> None:
    both = [trouble(check="disk_space"), trouble(check="disk_inodes")]

    assert len(grouped(both)) == 2


def test_groups_come_in_the_order_of_the_first_of_each_and_lose_nothing() -> None:
    given = [trouble(), *(unseen("db1", check) for check in LOGINS), trouble("web1")]
    groups = grouped(given)

    assert [one.first for one in groups] == [given[0], given[1], given[-1]]
    assert [one for group in groups for one in group.things] == given


AWAY = "ssh: connect to host {} port 22: No route to host"
REACHED_BY = {
    "an address": lambda number: f"192.0.2.{number}",
    "an IPv6 address": lambda number: f"2001:db8::{number}",
    "its name": lambda number: f"web{number}",
    "its full name": lambda number: f"web{number}.example.org",
    "an account at an address": lambda number: f"root@192.0.2.{number}:",
}


@pytest.mark.parametrize("by", REACHED_BY.values(), ids=REACHED_BY)
def test_forty_hosts_of_which_ssh_names_each_are_one_group(by: Callable[[int], str]) -> None:
    """Both as hosts of a run and as findings, whose next steps name each host."""
    for check, status in (("", Status.UNKNOWN), ("host_unreachable", Status.FAIL)):
        away = [
            trouble(
                f"web{number}",
                check,
                status=status,
                message=AWAY.format(by(number)),
                subject="connection" if check else "",
                remedy=f"upkeep doctor --limit web{number}",
            )
            for number in range(40)
        ]
        (group,) = grouped(away)
        assert len(group.hosts) == 40
        assert group.message == f"such as {away[0].message}"
        assert group.remedy == ""


def test_hosts_that_are_away_for_another_reason_are_another_group() -> None:
    reasons = ("No route to host", "Permission denied (publickey)")
    away = [
        unseen(f"web{number}", "", f"ssh: connect to host 192.0.2.{number}: {reasons[number % 2]}")
        for number in range(10)
    ]

    assert [len(one.hosts) for one in grouped(away)] == [5, 5]


def test_what_fails_on_hosts_is_not_together_where_the_address_is_what_was_found() -> None:
    attacks = [
        trouble(f"web{number}", "brute_force", message=f"30 failed logins from 192.0.2.{number}")
        for number in range(5)
    ]

    assert len(grouped(attacks)) == 5


def test_the_message_of_a_group_is_the_one_that_all_have() -> None:
    assert (
        trouble_groups.grouped(
            ["a", "b", "c", "d"], lambda host: Told(host, "x", "/", Status.FAIL, "full")
        )[0].message
        == "full"
    )


def following(check: str, cause: str, host: str = "db1", subject: str = "/") -> Trouble:
    return trouble(host, check, status=Status.UNKNOWN, subject=subject, remedy=after(cause))


CAUSE = trouble(check="backup_restored", status=Status.UNKNOWN)
TIME = following("backup_restore_time", "backup_restored")


@pytest.mark.parametrize(
    ("troubles", "order"),
    [
        ([TIME, CAUSE], [1, 0]),
        ([CAUSE, TIME], [0, 1]),
        ([TIME, following("backup_a", "backup_restored"), trouble(), CAUSE], [2, 3, 0, 1]),
        ([TIME, trouble(check="backup_restored", subject="other"), CAUSE], [1, 2, 0]),
        ([TIME, trouble(check="backup_restored", subject="other"), trouble()], [1, 0, 2]),
        ([TIME, trouble("db2", "backup_restored"), trouble()], [0, 1, 2]),
        ([TIME], [0]),
        ([], []),
    ],
    ids=[
        *("its cause comes later", "its cause comes first", "two of one cause", "of its subject"),
        *("of another subject alone", "of another host", "alone", "none"),
    ],
)
def test_what_follows_from_another_trouble_comes_right_behind_it(
    troubles: list[Trouble], order: list[int]
) -> None:
    assert causes_first(troubles, Trouble.tell) == [troubles[number] for number in order]


def test_the_first_line_of_a_run_is_the_cause() -> None:
    troubles = Troubles()
    for one in (TIME, CAUSE, trouble(check="zoo")):
        told = (one.host, one.check, one.subject, one.status, one.severity, one.message)
        troubles.add_results([Result(*told, one.remedy)])

    shown = [one.check for one in troubles.worst()]
    assert shown == ["zoo", "backup_restored", "backup_restore_time"]


def refusal(subject: str, check: str = "database_connect", message: str = "refused") -> Trouble:
    """A database that lets nobody in, or what is not checked of it for that."""
    if check == "database_connect":
        return trouble(check=check, subject=subject, message=message)
    remedy = after("database_connect")
    return trouble(
        check=check, status=Status.UNKNOWN, subject=subject, message=message, remedy=remedy
    )


BLIND = [
    refusal("mariadb shop@10.0.0.5:3306", "database_pool", "not checked: refused"),
    refusal("mariadb 10.0.0.5:3306", "database_locks", "not checked: refused"),
    refusal("mariadb 10.0.0.5:3306", "database_purge", "not checked: refused"),
    refusal("mariadb shop@10.0.0.5:3306", "database_fragmentation", "not checked: late"),
]


def test_what_follows_from_a_refusal_is_one_group_behind_it() -> None:
    cause = refusal("mariadb shop@10.0.0.5:3306")

    groups = grouped(causes_first([*BLIND, cause], Trouble.tell))

    blind = tuple(one.check for one in BLIND)
    assert [one.checks for one in groups] == [("database_connect",), blind]
    assert groups[1].things == tuple(BLIND)


def test_what_follows_from_what_is_not_told_names_each_subject() -> None:
    groups = grouped(BLIND)

    assert [one.first.subject for one in groups] == [
        "mariadb shop@10.0.0.5:3306",
        "mariadb 10.0.0.5:3306",
        "mariadb shop@10.0.0.5:3306",
    ]
