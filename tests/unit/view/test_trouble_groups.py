"""What did not pass, by its cause: checks × hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from upkeep.model.verdicts import Severity, Status
from upkeep.view.model import Trouble
from upkeep.view.trouble_groups import grouped

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

    assert sorted(len(one.troubles) for one in grouped([*same, other])) == [1, 4]


@pytest.mark.parametrize(("hosts", "groups"), [(1, 1), (3, 3), (4, 1), (5, 1)])
def test_few_hosts_keep_their_own_lines(hosts: int, groups: int) -> None:
    assert len(grouped(trouble(f"web{number}") for number in range(hosts))) == groups


def test_what_fails_is_never_put_together_across_checks() -> None:
    both = [trouble(check="disk_space"), trouble(check="disk_inodes")]

    assert len(grouped(both)) == 2


def test_groups_come_in_the_order_of_the_worst_and_lose_nothing() -> None:
    given = [unseen("db1", check) for check in LOGINS] + [
        trouble(),
        trouble("web1", message="97 %"),
    ]
    groups = grouped(given)

    assert [one.first.status for one in groups] == [Status.FAIL, Status.FAIL, Status.UNKNOWN]
    assert sorted(one.order for group in groups for one in group.troubles) == sorted(
        one.order for one in given
    )
