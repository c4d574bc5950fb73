"""What messages say, over channels that may carry everything and over the others; hostile text; lengths."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upkeep.judging.check import load
from upkeep.model.remedies import words_of
from upkeep.rules.alerts.model import (
    ACCEPTED,
    CLOSED,
    FIRST,
    INCIDENT,
    JUDGED,
    OPEN,
    RECOVERED,
    UNWATCHED,
    Alert,
    Member,
)
from upkeep.rules.sentences import HOSTS_SHOWN
from upkeep.services.alerts.messages import (
    SHOWN_ALERTS,
    SHOWN_FINDINGS,
    TEXT_CHARACTERS,
    About,
    Message,
    alert_message,
    digest_message,
    harmless,
    headline,
    judged_message,
    probe_message,
    recovery_message,
)

NOW = datetime(2030, 6, 3, 12, tzinfo=UTC)
SINCE = NOW - timedelta(hours=2)
REMEDY = words_of(load()["disk_space"].remedy)
SECRET = "/srv/patients/doe"
HOSTILE = "a\x1b[31m\r\nb\u202ec @everyone <!here> <@U1> <#C1>"
HARMLESS = r"a\x1b[31m\r\nb\u202ec @ everyone < !here> < @ U1> < #C1>"


def alert(**values: Any) -> Alert:
    made: dict[str, Any] = {
        "id": 17,
        "site": "/srv/site",
        "group_key": "0123456789abcdef01234567" + "9" * 40,
        "opening": 3,
        "kind": INCIDENT,
        "check_id": "disk_space",
        "cause": SECRET,
        "team": "ops",
        "severity": 2,
        "worst": 1,
        "status": OPEN,
        "opened_at": SINCE,
        "round": 1,
        "round_at": SINCE,
        "round_why": "opened",
    }
    return Alert(**{**made, **values})


def member(number: int = 1, **values: Any) -> Member:
    made: dict[str, Any] = {
        "alert_id": 17,
        "finding_id": number,
        "host": f"web{number}",
        "check": "disk_space",
        "subject": SECRET,
        "severity": 2,
        "message": "98 % used by doe",
        "remedy": "",
        "since": SINCE,
    }
    return Member(**{**made, **values})


def about(*members: Member, page: str = "https://upkeep.example.org/", **values: Any) -> About:
    return About(alert(**values), members or (member(),), "astral", page, "Europe/Berlin", NOW)


def test_a_message_over_a_channel_that_may_carry_everything() -> None:
    found = alert_message(about(), phi=True, answer_by=NOW)

    assert found == Message(
        "[2] Low disk space on web1, since 2030-06-03 12:00 +02:00",
        "High (severity 2), since 2030-06-03 12:00:00 +02:00 (2 h ago). Site: astral."
        " Acknowledge by 2030-06-03 14:00 +02:00 (Europe/Berlin).\n"
        "\n"
        "[2] Low disk space on web1, /srv/patients/doe: 98 % used by doe\n"
        "\n"
        f"First: {REMEDY}\n"
        "\n"
        "https://upkeep.example.org/alerts/17\n"
        "Acknowledge: upkeep alert ack 17\n"
        "\n"
        "ref 0123456789abcdef01234567-3",
    )


def test_a_message_over_any_other_channel() -> None:
    found = alert_message(about(page=""), phi=False)

    assert found == Message(
        "[2] Low disk space on web1, since 2030-06-03 12:00 +02:00",
        "High (severity 2), since 2030-06-03 12:00:00 +02:00 (2 h ago). Site: astral.\n"
        "\n"
        "[2] Low disk space on web1\n"
        "\n"
        f"First: {REMEDY}\n"
        "\n"
        "upkeep alert show 17\n"
        "\n"
        "ref 0123456789abcdef01234567-3",
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/srv/site", "-i /srv/site"),
        ("/srv/a site", "-i '/srv/a site'"),
        ("/srv/x;reboot", "-i '/srv/x;reboot'"),
    ],
)
@pytest.mark.parametrize("phi", [False, True])
def test_commands_in_messages_name_the_site(path: str, words: str, phi: bool) -> None:
    """Without `-i` a number means an alert of another site, or none."""
    unknown = replace(about(member(check="occurrence_missed"), page=""), path=path)
    away = replace(about(member(check="host_unreachable")), path=path)

    body = alert_message(unknown, phi=phi, answer_by=NOW).body
    assert f"\nFirst: upkeep finding list {words}\n" in body
    assert f"\nupkeep alert show 17 {words}\n" in body
    assert f"\nAcknowledge: upkeep alert ack 17 {words}\n" in body
    assert f"\nFirst: upkeep doctor {words}\n" in alert_message(away, phi=phi).body


def test_a_site_whose_path_cannot_be_shown_is_left_out() -> None:
    body = alert_message(replace(about(), path="/srv/a\nb"), phi=True, answer_by=NOW).body
    assert "\nAcknowledge: upkeep alert ack 17\n" in body


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (timedelta(0), "Acknowledge by "),
        (timedelta(seconds=1), "It should have been acknowledged by "),
    ],
)
def test_a_deadline_that_is_over_is_not_asked_for(later: timedelta, said: str) -> None:
    of = replace(about(), now=NOW + later)
    first = alert_message(of, phi=False, answer_by=NOW).body.partition("\n")[0]
    assert first.endswith(f" {said}2030-06-03 14:00 +02:00 (Europe/Berlin).")


@pytest.mark.parametrize("why", ["opened", "raised", "came back", "lapsed"])
@pytest.mark.parametrize(
    ("answer_by", "zone", "said"),
    [
        (None, "Europe/Berlin", "."),
        (
            NOW + timedelta(minutes=30),
            "Europe/Berlin",
            "; acknowledge by 2030-06-03 14:30 +02:00 (Europe/Berlin).",
        ),
        (NOW + timedelta(minutes=30), "UTC", "; acknowledge by 2030-06-03 12:30 UTC."),
        (NOW, "UTC", "; it should have been by 2030-06-03 12:00 UTC."),
    ],
    ids=["no deadline", "a deadline to come", "in UTC", "a deadline that is over"],
)
def test_a_repeated_message_says_that_nobody_has_acknowledged_and_by_when(
    why: str, answer_by: datetime | None, zone: str, said: str
) -> None:
    of = replace(about(round_why=why), zone=zone)
    found = alert_message(of, phi=False, answer_by=answer_by, again=True)
    assert found.body.startswith(f"Not acknowledged yet{said} High (severity 2), since")


@pytest.mark.parametrize(
    ("check", "named", "same"),
    [
        ("disk_space", "", True),
        ("security_updates", "CVE-2030-1", True),
        ("host_unreachable", "", False),
        ("forged_result", "", False),
        ("blind", "", False),
        ("login_after_failures", "", False),
        ("brute_force", "", False),
        ("host_key", "", False),
        ("login_after_failures", "doe", True),
    ],
)
def test_whether_another_host_is_another_cause(check: str, named: str, same: bool) -> None:
    keys = {member(n, check=check, named_cause=named).cause_key for n in (1, 2)}
    assert (len(keys) == 1) is same


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("opened", "High (severity 2)"),
        ("raised", "It got worse. High (severity 2)"),
        ("came back", "It came back. High (severity 2)"),
        ("joined", "More has failed. High (severity 2)"),
        ("lapsed", "The acknowledgement has expired, and it still fails. High (severity 2)"),
        ("withdrawn", "The acknowledgement was withdrawn, and it still fails. High (severity 2)"),
        ("still fails", "The silence has ended, and it still fails. High (severity 2)"),
        ("a reason of another release", "High (severity 2)"),
    ],
)
def test_a_message_begins_with_why_it_is_told(why: str, said: str) -> None:
    assert alert_message(about(round_why=why), phi=False).body.startswith(said)


@pytest.mark.parametrize(
    ("why", "again", "said"),
    [
        ("opened", False, ""),
        ("opened", True, "Not acknowledged yet: "),
        ("lapsed", True, "Not acknowledged yet: "),
        ("raised", False, "Got worse: "),
        ("came back", False, "Came back: "),
        ("joined", False, "More has failed: "),
        ("lapsed", False, "Acknowledgement expired: "),
        ("withdrawn", False, "Acknowledgement withdrawn: "),
        ("given", False, "New team: "),
        ("still fails", False, "Silence ended: "),
    ],
)
def test_a_title_says_why_people_are_notified_again(why: str, again: bool, said: str) -> None:
    title = alert_message(about(round_why=why), phi=False, again=again).title
    assert title == f"[2] {said}Low disk space on web1, since 2030-06-03 12:00 +02:00"


@pytest.mark.parametrize(
    ("how", "title", "first", "more"),
    [
        (
            RECOVERED,
            "recovered: [1] Low disk space on web1, since 2030-06-03 12:00 +02:00",
            "Recovered.",
            "",
        ),
        (
            "",
            "recovered: [1] Low disk space on web1, since 2030-06-03 12:00 +02:00",
            "Recovered.",
            "",
        ),
        (
            UNWATCHED,
            "no longer watched: [1] Low disk space on web1, since 2030-06-03 12:00 +02:00",
            "No longer watched.",
            "It was not seen to pass: it is no longer checked.",
        ),
        (
            ACCEPTED,
            "waived: [1] Low disk space on web1, since 2030-06-03 12:00 +02:00",
            "Waived.",
            "It was not seen to pass: a waiver accepts it. It is told again when the waiver ends or it gets worse.",
        ),
    ],
)
@pytest.mark.parametrize("phi", [False, True])
def test_an_end_says_what_it_was_about_and_whether_it_was_seen_to_pass(
    how: str, title: str, first: str, more: str, phi: bool
) -> None:
    ended = replace(about(status=CLOSED, closed_how=how), members=())

    found = recovery_message(ended, [member()], phi=phi)

    line = "[2] Low disk space on web1" + (f", {SECRET}: 98 % used by doe" if phi else "")
    body = [
        f"{first} High (severity 2), since 2030-06-03 12:00:00 +02:00 (2 h ago). Site: astral.",
        "",
        "What failed:",
        line,
        *(["", more] if more else []),
        "",
        "https://upkeep.example.org/alerts/17",
        "",
        "ref 0123456789abcdef01234567-3",
    ]
    assert found == Message(title, "\n".join(body))


def every_message(*, phi: bool, of: About) -> list[Message]:
    return [
        alert_message(of, phi=phi, answer_by=NOW),
        recovery_message(of, of.members, phi=phi),
        digest_message([of, of], phi=phi),
        judged_message(of.site, 5, 1, 2),
    ]


def test_subjects_values_and_a_findings_own_remedy_go_only_where_they_may() -> None:
    secret = about(member(remedy="see patient doe"), member(2))

    for phi in (False, True):
        *told, judged = every_message(phi=phi, of=secret)
        assert [("doe" in found.body) for found in told] == [phi] * len(told)
        assert not any("doe" in found.title for found in told)
        assert "doe" not in judged.title + judged.body
    assert "First: see patient doe\n" in alert_message(secret, phi=True).body
    assert f"First: {REMEDY}\n" in alert_message(secret, phi=False).body


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([member(remedy="a"), member(2, remedy="b")], "a"),
        ([member(remedy="a", severity=3), member(2, remedy="b")], "b"),
        ([member(remedy="a"), member(2, check="clock", remedy="b")], "b"),
        ([member(10, remedy="a"), member(9, remedy="b")], "b"),
        ([member(check="no_such_check")], "upkeep finding list"),
        ([member(remedy="x" * 600)], f"{'x' * 333} (… 100 characters left out …) {'x' * 167}"),
    ],
    ids=["the first of equals", "the worst", "by the check", "by the host", "of no check", "long"],
)
def test_the_first_step_is_that_of_the_first_line(members: list[Member], expected: str) -> None:
    found = alert_message(about(*members), phi=True).body
    assert f"\nFirst: {expected}\n" in found


@pytest.mark.parametrize("phi", [False, True])
def test_an_alert_that_nothing_is_left_in_can_be_told_too(phi: bool) -> None:
    found = alert_message(replace(about(), members=()), phi=phi)

    assert found == Message(
        "[2] Low disk space on no host, since 2030-06-03 12:00 +02:00",
        "High (severity 2), since 2030-06-03 12:00:00 +02:00 (2 h ago). Site: astral.\n"
        "\n"
        "\n"
        "https://upkeep.example.org/alerts/17\n"
        "\n"
        "ref 0123456789abcdef01234567-3",
    )


@pytest.mark.parametrize("phi", [False, True])
def test_what_hosts_say_is_one_line_without_control_characters_that_calls_nobody(
    phi: bool,
) -> None:
    bad = member(host=HOSTILE, subject=HOSTILE, message=HOSTILE, remedy=HOSTILE, check=HOSTILE)
    hostile = replace(about(bad, check_id=HOSTILE, cause=HOSTILE), site=HOSTILE)
    lines = len(alert_message(about(), phi=phi).body.splitlines())

    for found in every_message(phi=phi, of=hostile):
        for text in (found.title, found.body):
            assert all(line.isprintable() for line in text.split("\n"))
            assert "@everyone" not in text
            assert not any(word in text for word in ("<!", "<@", "<#"))
        assert "\n" not in found.title
        assert HARMLESS in found.title + found.body
    assert len(alert_message(hostile, phi=phi).body.splitlines()) == lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("me@example.org", "me@ example.org"),
        ("@ all, a@", "@ all, a@"),
        ("a < b, <b>", "a < b, <b>"),
        ("\udcff\x00\u200b\u2028", r"\xff\x00\u200b\u2028"),
        ("x" * 300, "x" * 300),
        ("x" * 301, f"{'x' * 200} (… 1 character left out …) {'x' * 100}"),
        ("<" * 301 + "@x", f"{'<' * 200} (… 3 characters left out …) {'<' * 97}< @ x"),
    ],
)
def test_harmless(text: str, expected: str) -> None:
    assert harmless(text) == expected


def test_a_message_is_bounded_whatever_hosts_say() -> None:
    # The worst is a character of which six bytes and more are told.
    long = "\U000e0001" * 20_000
    members = [
        member(number, host=f"{number}{long}", subject=long, message=long, remedy=long)
        for number in range(100)
    ]
    many = [about(*members)] * 100

    for phi in (False, True):
        for found in (*every_message(phi=phi, of=many[0]), digest_message(many, phi=phi)):
            assert len(found.title) < 1.2 * HOSTS_SHOWN * 10 * 150
            most = SHOWN_ALERTS * (HOSTS_SHOWN + 2 * 6)
            assert len(found.body) < most * 10 * (TEXT_CHARACTERS + 50)


@pytest.mark.parametrize("phi", [False, True])
@pytest.mark.parametrize(
    ("count", "more"), [(SHOWN_FINDINGS, []), (SHOWN_FINDINGS + 1, ["and 1 more"])]
)
def test_so_many_causes_are_named_the_worst_first(count: int, more: list[str], phi: bool) -> None:
    checks = sorted(load())
    members = [
        member(number, severity=4, check=checks[number], message=f"{number} %")
        for number in range(1, count)
    ]
    worst = member(0, severity=1)

    lines = alert_message(about(*members, worst), phi=phi).body.splitlines()

    assert lines[2].startswith("[1] Low disk space on web0")
    assert [line for line in lines if line.startswith("and ")] == more
    assert sum(" on web" in line for line in lines[2:]) == SHOWN_FINDINGS


def test_where_no_more_may_be_said_findings_of_a_check_are_one_line() -> None:
    members = [
        member(1, host="b"),
        member(2, host="a"),
        member(3, host="a", subject="/other"),
        member(4, host="a", severity=1),
        member(5, host="a", check="swap_used"),
    ]

    lines = alert_message(about(*members), phi=False).body.splitlines()

    assert lines[2:5] == [
        "[1] Low disk space on a",
        "[2] Low disk space on a, b, 3 findings",
        "[2] High swap usage on a",
    ]


@pytest.mark.parametrize(
    ("phi", "line"),
    [
        (True, "[2] Connection failure on {}: such as ssh: connect to host 192.0.2.0: No route"),
        (False, "[2] Connection failure on {}, 40 findings"),
    ],
)
def test_forty_hosts_that_are_away_are_one_line(phi: bool, line: str) -> None:
    members = [
        member(
            number,
            host=f"web{number:02}",
            check="host_unreachable",
            subject="connection",
            message=f"ssh: connect to host 192.0.2.{number}: No route",
            remedy=f"upkeep doctor --limit web{number:02}",
        )
        for number in range(40)
    ]

    lines = alert_message(about(*members), phi=phi).body.splitlines()

    assert lines[2:4] == [line.format("web00, web01, web02, web03, web04 and 35 more"), ""]


@pytest.mark.parametrize(
    ("members", "values", "expected"),
    [
        ([], {}, "Low disk space on no host"),
        ([member()], {}, "Low disk space on web1"),
        (
            [member(2), member(1)],
            {},
            "Low disk space on web1, web2, 2 findings",
        ),
        (
            [member(1), member(2, host="web1")],
            {},
            "Low disk space on web1, 2 findings",
        ),
        (
            [member(number) for number in range(1, 6)],
            {},
            "Low disk space on web1, web2, web3, web4, web5, 5 findings",
        ),
        (
            [member(number) for number in range(1, 7)],
            {},
            "Low disk space on web1, web2, web3, web4, web5 and 1 more, 6 findings",
        ),
        (
            [member(number) for number in range(1, 8)],
            {},
            "Low disk space on web1, web2, web3, web4, web5 and 2 more, 7 findings",
        ),
        (
            [member(1, severity=4), member(2, severity=2), member(3, severity=4)],
            {"kind": FIRST, "check_id": ""},
            "New on web1, web2, web3: 1 high, 2 low findings",
        ),
        ([], {"kind": FIRST, "check_id": ""}, "New on no host: no findings"),
        (
            [member(1)],
            {"kind": JUDGED, "cause": "run 5 judged again, 2"},
            "run 5 judged again: 1 high finding",
        ),
    ],
)
def test_the_headline(members: list[Member], values: dict[str, Any], expected: str) -> None:
    assert headline(alert(**values), members) == expected


def test_a_digest_is_as_bad_as_the_worst_in_it_and_names_hosts_once() -> None:
    abouts = [
        about(member(1), member(2), id=1, severity=4),
        about(member(2), id=2, severity=3),
    ]

    assert digest_message(abouts, phi=False) == Message(
        "[3] 2 alerts on 2 hosts",
        "1: Low disk space on web1, web2, 2 findings\n"
        "  https://upkeep.example.org/alerts/1\n"
        "2: Low disk space on web2\n"
        "  https://upkeep.example.org/alerts/2\n"
        "\n"
        "https://upkeep.example.org/alerts",
    )
    assert digest_message(abouts[1:], phi=True) == Message(
        "[3] 1 alert on 1 host",
        "2: Low disk space on web2\n"
        "  [2] Low disk space on web2, /srv/patients/doe: 98 % used by doe\n"
        "  https://upkeep.example.org/alerts/2\n"
        "\n"
        "https://upkeep.example.org/alerts",
    )


def test_a_digest_names_so_many_alerts_and_counts_all() -> None:
    many = [about(id=number, page="") for number in range(1, SHOWN_ALERTS + 3)]

    found = digest_message(many, phi=False)

    assert found.title == f"[2] {SHOWN_ALERTS + 2} alerts on 1 host"
    lines = found.body.splitlines()
    assert len(lines) == SHOWN_ALERTS + 1
    assert lines[-1] == "and 2 more: upkeep alert list"
    assert len(digest_message(many[:SHOWN_ALERTS], phi=False).body.splitlines()) == SHOWN_ALERTS


def test_what_judging_again_has_changed() -> None:
    text = "No host was checked again; checks or limits have changed. Site: astral\n\n"
    title = "run 5 was judged again: 0 now fail, 3 no longer fail"
    page = "https://upkeep.example.org/"

    assert judged_message("astral", 5, 0, 3, page=page) == Message(title, f"{text}{page}runs/5")
    assert judged_message("astral", 5, 0, 3, path="/srv/a site") == Message(
        title, f"{text}upkeep show 5 -i '/srv/a site'"
    )


def test_a_test_of_a_channel_says_who_asked() -> None:
    assert probe_message("chat", "astral", "ada <@U1>\n") == Message(
        "test of channel chat",
        r"Asked for by ada < @ U1>\n. If you can read this, the channel works. Site: astral",
    )


def test_a_message_without_a_site_names_none() -> None:
    assert "Site" not in alert_message(replace(about(), site=""), phi=True).body


@pytest.mark.parametrize(
    ("check", "subject", "headline"),
    [
        ("security_incident", "incident 7", "Security incident, incident 7"),
        ("incident_overdue", "incident 7 response", "Overdue phase of an incident, incident 7"),
        ("incident_follow_up", "incident 12 follow-up 3", "incident 12"),
        ("incident_drill", "drill 8", "drill 8"),
    ],
)
def test_any_channel_is_told_which_incident_it_is_and_its_first_step(
    check: str, subject: str, headline: str
) -> None:
    """Its number is ours; its title, which a person has written, stands where subjects may."""
    one = replace(
        member(1, check=check), host="controller", subject=subject, message="Alice's files"
    )
    of = replace(about(check_id=check), members=[one])

    made = alert_message(of, phi=False)

    assert headline in made.title
    assert "controller" not in made.title
    assert f"First: upkeep incident status {subject.split()[1]}" in made.body
    assert "Alice" not in made.title + made.body
