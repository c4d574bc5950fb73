"""Failed logins as sshd, PAM, the journal and applications tell of them."""

from __future__ import annotations

import calendar
import json
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins import (
    _attempts as auth_attempts,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._attempts import (
    Attempts,
    hours,
    most_in_an_hour,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._lines import parse_line
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._messages import (
    parse_event,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins.auth_log import (
    ARGUMENTS,
    JOURNAL_FIELDS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, to_wire

RECORDED = Path(__file__).parents[2] / "recorded" / "logins" / "auth_log"
NOW = calendar.timegm((2026, 11, 23, 8, 30, 0))


def params(**given: Any) -> dict[str, Any]:
    defaults = {name: spec["default"] for name, spec in ARGUMENTS.items()}
    return {**defaults, "utc_offset": "Z", **given}


def observe(text: str | bytes, now: float = NOW, **given: Any) -> Observation:
    host = RecordedHost({"/x.log": text}, clock=now)
    (seen,) = gather(params(paths=["/x.log"], **given), host)
    return seen


def sshd(message: str, at: float = NOW - 60, pid: int = 7) -> str:
    return f"{time.strftime('%b %e %H:%M:%S', time.gmtime(at))} web1 sshd[{pid}]: {message}\n"


def wrong(user: str = "root", source: str = "192.0.2.7", port: int = 99) -> str:
    return f"Failed password for {user} from {source} port {port} ssh2"


@pytest.mark.parametrize("name", ["traditional", "precise", "rfc5424"])
def test_recorded_logs_of_a_real_sshd_count_each_attempt_once(name: str) -> None:
    seen = observe((RECORDED / f"{name}.log").read_bytes())
    data = seen.data

    assert data["failures"] == data["most_in_an_hour"] == 19
    assert data["invalid_account_failures"] == 7
    assert data["probes"] == 3
    assert data["key_offers"] == 2
    assert data["successes"] == 1
    assert [(item["source"], item["failures"]) for item in data["sources"]] == [("127.0.0.1", 19)]
    assert {item["account"]: item["failures"] for item in data["accounts"]} == {
        "root": 10,
        "admin": 2,
        "nobody": 1,
        "mail": 1,
        "": 1,
        "x from 192.0.2.66 port 22 ssh2": 1,
        "q from 192.0.2.66 port 22 ssh2": 1,
        "y\\nNov 23 08": 1,
        "z rhost=192.0.2.66  user=root": 1,
    }
    assert data["logins_after_failures"] == [
        {
            "source": "127.0.0.1",
            "account": "root",
            "method": "publickey",
            "at": "2026-11-23T08:28:29+00:00",
            "failures": 18,
            "account_failures": 9,
        }
    ]
    assert data["unparsed"] == 0


def test_sshd_and_pam_tell_of_the_same_attempts() -> None:
    pam = "pam_unix(sshd:auth): authentication failure; uid=0 tty=ssh ruser= rhost=192.0.2.7  user=root"
    more = "PAM 2 more authentication failures; uid=0 tty=ssh ruser= rhost=192.0.2.7  user=root"
    text = sshd(pam) + sshd(wrong()) * 3 + sshd(more)

    assert observe(text).data["failures"] == 3


def test_pam_alone_is_enough() -> None:
    pam = "pam_unix(sshd:auth): authentication failure; uid=0 tty=ssh ruser= rhost=192.0.2.7  user=root"
    text = sshd(pam) + sshd("PAM 4 more authentication failures; ruser= rhost=192.0.2.7  user=root")
    seen = observe(text).data

    assert (seen["failures"], seen["sources"][0]["source"]) == (5, "192.0.2.7")


@pytest.mark.parametrize(
    "repeated",
    [
        sshd("message repeated 5 times: [ " + wrong() + "]"),
        "Nov 23 08:29:00 web1 last message repeated 5 times\n",
    ],
)
def test_repeated_messages_are_expanded(repeated: str) -> None:
    assert observe(sshd(wrong()) + repeated).data["failures"] == 6


def test_a_pid_used_again_is_another_connection() -> None:
    text = sshd("Invalid user a from 192.0.2.7 port 1") + sshd(
        "Invalid user b from 192.0.2.8 port 2"
    )

    assert {item["source"] for item in observe(text).data["sources"]} == {"192.0.2.7", "192.0.2.8"}


def test_an_attempt_without_address_gets_the_connections() -> None:
    text = sshd("User root not allowed because account is locked") + sshd(
        "Received disconnect from 192.0.2.7 port 5:11: Bye Bye [preauth]"
    )

    assert observe(text).data["sources"][0]["source"] == "192.0.2.7"


def test_only_the_window_counts() -> None:
    text = "".join(sshd(wrong(), NOW - seconds, seconds) for seconds in (4000, 3601, 3599, 5))

    assert observe(text).data["failures"] == 2


def test_the_largest_burst_of_a_source_is_told() -> None:
    times = [*range(NOW - 3500, NOW - 2900, 100), *range(NOW - 900, NOW - 300, 50)]
    text = "".join(sshd(wrong(), at, at % 1000) for at in times)

    (source,) = observe(text).data["sources"]

    assert (source["failures"], source["most_in_burst"]) == (18, 12)
    assert (source["first_at"], source["last_at"]) == (
        "2026-11-23T07:31:40+00:00",
        "2026-11-23T08:24:10+00:00",
    )


def test_failures_without_an_address_are_not_put_on_anybody() -> None:
    text = (
        "Nov 23 08:29:00 web1 sudo: pam_unix(sudo:auth): authentication failure; "
        "ruser=bob rhost=  user=bob\n"
    )
    seen = observe(text).data

    assert seen["services"] == {"sudo": 1}
    assert (seen["sources"][0]["source"], seen["accounts"][0]["account"]) == ("", "bob")


def test_a_login_after_failures_is_told_and_one_before_them_is_not() -> None:
    accepted = "Accepted password for bob from 192.0.2.7 port {} ssh2"
    text = (
        sshd(accepted.format(1), NOW - 300, 1)
        + "".join(sshd(wrong(port=n), NOW - 200 + n, n) for n in range(10, 16))
        + sshd(accepted.format(2), NOW - 100, 2)
    )

    assert [
        (login["account"], login["failures"])
        for login in observe(text).data["logins_after_failures"]
    ] == [("bob", 6)]


def test_the_half_written_last_line_blames_nobody_yet() -> None:
    seen = observe(sshd(wrong()) + sshd("Failed password for root from 192.0.2.")[:-1]).data

    assert (seen["failures"], seen["half_line"]) == (1, True)


def test_a_line_end_smuggled_into_a_name_is_no_login() -> None:
    text = sshd(
        "Invalid user x\\nNov 23 08:29:00 web1 sshd[1]: Accepted password for root from 192.0.2.66"
    )

    seen = observe(text).data

    assert seen["successes"] == 0
    assert "192.0.2.66" not in {item["source"] for item in seen["sources"] if item["successes"]}


def test_junk_is_counted_and_survives_the_wire() -> None:
    text = (
        sshd(wrong()).encode()
        + b"\xff\xfe\0 junk\n\0\0\n"
        + sshd(wrong("\udcff\0\x1b[31m")).encode("utf-8", "surrogateescape")
    )
    seen = observe(text)

    assert (seen.data["failures"], seen.data["unparsed"]) == (2, 2)
    json.dumps(to_wire(seen)).encode("ascii")


def test_most_in_an_hour_rolls() -> None:
    assert most_in_an_hour({}) == (0, None)
    assert most_in_an_hour({0: 5, 59: 5, 60: 5, 200: 9})[0] == 10
    assert most_in_an_hour({0: 5, 60: 6}) == (6, 61 * 60.0)


def test_hours_hold_every_failure_once() -> None:
    counts = hours({0: 1, 59: 2, 60: 4, 119: 8}, since=0, until=7200)

    assert [hour["failures"] for hour in counts] == [12, 3]
    assert counts[0]["start"] == "1970-01-01T01:00:00+00:00"


# --- the journal ---

SELECT = "--no-pager --output=json --all SYSLOG_FACILITY=4 SYSLOG_FACILITY=10"
ASK = f"journalctl --reverse --since=@{NOW - 3600} {SELECT} --output-fields={JOURNAL_FIELDS}"


def entry(message: Any, seconds_ago: int = 60, **more: str) -> str:
    fields = {
        "__REALTIME_TIMESTAMP": str((NOW - seconds_ago) * 1_000_000),
        "SYSLOG_IDENTIFIER": "sshd",
        "_PID": "7",
        "_UID": "0",
        "MESSAGE": message,
    }
    return json.dumps({**fields, **more}) + "\n"


def journal(out: str, err: str = "", status: int = 0, truncated: bool = False) -> RecordedHost:
    commands = {
        ASK: Ran(status, out, err, truncated),
        f"journalctl --lines=1 {SELECT} --output-fields=_PID": Ran(0, out),
    }
    return RecordedHost(commands=commands, clock=NOW)


def test_the_journal_is_read_where_there_is_no_file() -> None:
    out = (
        entry("Accepted password for root from 192.0.2.7 port 9 ssh2", 5, _PID="8")
        + entry(list(wrong().encode()), 60)
        + entry("Invalid user x from 192.0.2.7 port 99", 61)
        + entry(None, 62)
    )

    (seen,) = gather(params(), journal(out))

    assert seen.subject == "journal"
    assert (seen.data["failures"], seen.data["successes"]) == (1, 1)
    assert seen.data["logins_after_failures"][0]["failures"] == 1


SUDO = (
    "  bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/usr/bin/id"
)
LONG = "imap-login: Disconnected (auth failed, 1 attempts): user=<%s>, method=PLAIN, rip=192.0.2.7, lip=::1"


@pytest.mark.parametrize(
    ("program", "message", "failures", "possible"),
    [
        pytest.param("sudo", SUDO, 3, 0, id="sudo's account is flush right"),
        pytest.param("dovecot", LONG % ("a" * 6000), 1, 0, id="a long name"),
        pytest.param("dovecot", LONG % ("a b " * 9000), 1, 0, id="a long name with blanks"),
        pytest.param("dovecot", None, 0, 1, id="too long for an export, of a program of logins"),
        pytest.param("sshd", None, 0, 1, id="too long for an export, of sshd"),
        pytest.param("systemd-logind", None, 0, 0, id="too long for an export, of another"),
        pytest.param("sshd", ["a", "b"], 0, 0, id="two messages"),
    ],
)
def test_what_the_journal_makes_of_a_message(
    program: str, message: Any, failures: int, possible: int
) -> None:
    (seen,) = gather(params(), journal(entry(message, SYSLOG_IDENTIFIER=program)))

    assert (seen.data["failures"], seen.data["possible_failures"]) == (failures, possible)


def test_a_recorded_journal_counts_each_attempt_once() -> None:
    recorded = (RECORDED / "journal.jsonl").read_text(encoding="utf-8")
    host = journal("")
    now = calendar.timegm((2026, 11, 23, 8, 56, 0))
    host.clock = now
    host.commands = {ASK.replace(str(NOW - 3600), str(now - 3600)): Ran(0, recorded)}

    (seen,) = gather(params(), host)

    assert seen.data["failures"] == 17
    assert seen.data["probes"] == 3
    assert seen.data["successes"] == 1
    assert seen.data["unparsed"] == 0
    assert {item["source"]: item["failures"] for item in seen.data["sources"]} == {
        "127.0.0.1": 15,
        "192.0.2.7": 2,
    }
    assert "\udcffx" in {item["account"] for item in seen.data["accounts"]}
    json.dumps(to_wire(seen)).encode("ascii")


def test_a_journal_that_may_not_be_read_is_an_error() -> None:
    said = "No journal files were opened due to insufficient permissions."

    (seen,) = gather(params(), journal("", said, status=1))

    assert seen.error.startswith("the journal: permission denied; observe with become")


def test_what_another_user_says_in_the_name_of_sshd_is_not_sshds() -> None:
    (seen,) = gather(params(), journal(entry(wrong(), _UID="1000")))

    assert seen.data["failures"] == 0


def test_a_journal_that_hides_entries_is_an_error() -> None:
    hint = "Hint: You are currently not seeing messages from other users and the system."

    (seen,) = gather(params(), journal("", hint))

    assert seen.error.startswith("the journal: permission denied; observe with become")


def test_a_journal_that_is_not_there_is_an_error() -> None:
    (seen,) = gather(params(), journal("", "No journal files were found."))

    assert "nothing logs logins" in seen.error


def test_a_journal_cut_off_is_truncated() -> None:
    (seen,) = gather(params(), journal(entry(wrong()) + '{"__REAL', truncated=True))

    assert seen.data["truncated"]
    assert seen.data["failures"] == 1


def test_an_exported_journal_is_a_file_like_others() -> None:
    assert observe(entry(wrong())).data["failures"] == 1


# --- applications ---


def test_an_applications_json_lines_count() -> None:
    lines = [
        {
            "@timestamp": "2026-11-23T08:29:00Z",
            "event": {"outcome": "failure"},
            "user": {"name": "bob"},
            "source": {"ip": "192.0.2.7"},
        },
        {"time": 1795422540, "outcome": "FAILED", "username": "eve", "ip": "192.0.2.7"},
        {"time": 1795422541, "success": True, "username": "eve", "ip": "192.0.2.7"},
        {"time": 1795422541, "event": "page_viewed", "username": "eve"},
    ]
    seen = observe("".join(json.dumps(line) + "\n" for line in lines)).data

    assert (seen["failures"], seen["successes"], seen["unparsed"]) == (2, 1, 0)
    assert seen["sources"][0]["accounts_tried"] == 2


@pytest.mark.parametrize(
    ("words", "given", "untold"),
    [
        (["bad_password", "bad_password"], {}, 2),
        (["page_viewed", "failure", "page_viewed"], {}, 0),
        (["page_viewed"], {"failure_values": ["bad_password"]}, 0),
        (["page_viewed"], {"fields": {"outcome": "event"}}, 0),
        ([], {}, 0),
    ],
    ids=["in unknown words", "a login among others", "values told", "fields told", "no line"],
)
def test_an_application_that_tells_of_logins_in_unknown_words_is_noticed(
    words: list[str], given: dict[str, Any], untold: int
) -> None:
    lines = [{"time": 1795422540, "event": word, "user": "bob"} for word in words]

    seen = observe("".join(json.dumps(line) + "\n" for line in lines), **given).data

    assert seen["untold"] == untold


def test_an_applications_fields_can_be_named() -> None:
    line = {"at": 1795422540, "what": "locked_out", "who": {"mail": "b@x"}, "from": "192.0.2.7"}

    seen = observe(
        json.dumps(line) + "\n",
        fields={"time": "at", "outcome": "what", "account": "who.mail", "source": "from"},
        failure_values=["locked_out"],
    ).data

    assert (seen["failures"], seen["accounts"][0]["account"]) == (1, "b@x")


def test_a_field_that_does_not_exist_is_an_error_with_the_right_names() -> None:
    seen = observe("{}\n", fields={"acount": "who"})

    assert seen.error == "fields: no 'acount'; there are time, outcome, account, source"


def test_json_of_any_depth_is_only_unparsed() -> None:
    seen = observe('{"a":' * 12_000 + "\n" + '{"time": NaN}\n' + sshd(wrong())).data

    assert (seen["failures"], seen["unparsed"]) == (1, 2)


# --- what is there ---


def test_the_logs_that_a_host_writes_are_found() -> None:
    files = {"/var/log/auth.log": sshd(wrong()), "/var/log/secure": ""}

    seen = gather(params(), RecordedHost(files, clock=NOW))

    assert [item.subject for item in seen] == ["/var/log/auth.log", "/var/log/secure"]
    assert gather(params(), RecordedHost()) == []


def test_a_file_left_behind_gives_way_to_the_journal() -> None:
    class Aged(RecordedHost):
        def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
            return os.stat_result((0,) * 8 + (NOW - 4 * 86400, 0))

    host = Aged({"/var/log/auth.log": sshd(wrong())}, clock=NOW)
    assert [item.subject for item in gather(params(), host)] == ["/var/log/auth.log"]

    host.commands = journal(entry(wrong())).commands
    assert [item.subject for item in gather(params(), host)] == ["journal"]


def test_a_log_that_cannot_be_read_is_an_error_with_advice() -> None:
    class Closed(RecordedHost):
        def exists(self, path: str) -> bool:
            return path == "/var/log/auth.log"

        def open(self, path: str, follow_links: bool = True) -> Any:
            raise HostError(f"{path}: permission denied")

    (seen,) = gather(params(), Closed())

    assert seen.error.startswith("/var/log/auth.log: permission denied; observe with become")


def test_very_many_lines_sources_and_accounts_stay_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fifth of what is kept: to follow each allocation takes several times as long as to read.
    monkeypatch.setattr(auth_attempts, "KEPT_KEYS", auth_attempts.KEPT_KEYS // 5)
    log = tmp_path / "auth.log"
    count = 2_400
    with log.open("w") as stream:
        for n in range(count):
            source = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
            stream.write(
                f"2026-11-23T08:{n * 25 // count:02}:00Z web1 sshd[{n}]: "
                f"Failed password for invalid user u{n} from {source} port 9 ssh2\n"
            )
        for n in range(50):
            stream.write(
                f"2026-11-23T08:29:00Z web1 sshd[{n}]: {wrong('root', '192.0.2.7', 9000 + n)}\n"
            )

    class Then(Host):
        def now(self) -> float:
            return NOW

        def monotonic(self) -> float:
            return 0.0  # a slow machine has as much time

    tracemalloc.start()
    try:
        (seen,) = gather(params(paths=[str(log)]), Then())
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert seen.data["failures"] == count + 50
    assert seen.data["forgotten"]
    assert seen.data["sources"][0]["source"] == "192.0.2.7"
    assert seen.data["sources"][0]["most_in_burst"] == 50
    assert len(json.dumps(to_wire(seen))) < 200_000
    assert peak < 6_000_000, peak


# --- oracles ---


def samples() -> Path:
    folder = os.environ.get("UPKEEP_SAMPLES")
    if not folder:
        pytest.skip("UPKEEP_SAMPLES names no folder with sample logs")
    return Path(folder) / "auth_logs"


def test_a_public_log_agrees_with_counts_made_apart() -> None:
    folder = samples()
    expected = json.loads((folder / "elastic_auth_first_half.expected.json").read_text())
    data = (folder / "elastic_auth_first_half.log").read_bytes()
    now = calendar.timegm((expected["assumed_year"], 4, 1, 0, 0, 0))

    seen = observe(data, now=now, window_seconds=86_400 * 7).data

    told = seen["methods"]["password"] + seen["key_offers"]
    assert told == expected["failed_auth_attempts_expanding_repeated"]
    assert seen["key_offers"] == expected["failed_by_method_lines"]["publickey"]
    assert seen["successes"] == expected["accepted"]["count"]
    # An address that only offered names to a server without passwords counts here and not there.
    busy = {
        item["source"]: item["most_in_an_hour"]
        for item in seen["sources"]
        if item["most_in_an_hour"] > 10
    }
    assert expected["over_10_in_rolling_60min_by_ip_expanded"].items() <= busy.items()


# Where we count otherwise than fail2ban, and why. Of each message: the start.
OTHERWISE = {
    # One blank before `user=`, where PAM writes two.
    "pam_unix: authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=192.168.10.3 user=mailuser",
    # It waits for the address, or for a login that may follow; we count at once, and get the address later.
    "User root not allowed because account is locked",
    "Received disconnect from 198.51.100.76",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.112",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser=root rhost=192.0.2.114",
    "Connection closed by 192.0.2.112 [preauth]",
    "error: kex_exchange_identification: Connection closed by remote host",
    "Connection closed by 192.0.2.15 port 35352",
    # It has no address to block, so it counts nothing; we do.
    "Disconnecting: Too many authentication failures for root",
    # It counts the end of a connection, and a second probe in it, again; we count attempts.
    "Connection closed by 192.0.2.111 [preauth]",
    "Bad protocol version identification 'dummy string' from 192.0.2.1'",
    "error: Received disconnect from 127.0.0.1: 14:",
    "fatal: Unable to negotiate a key exchange method [preauth]",
    "Connection closed by authenticating user test 127.0.0.1 port 12345",
    # A right password is no failed attempt, whatever went before it: that is `logins_after_failures`.
    "Accepted password for known",
    # Counted in its `aggressive` mode only; so are the others of this kind, which the oracle has as failures.
    "Disconnected from authenticating user admin 192.0.2.6",
}


def blocks(path: Path) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Yield fail2ban's cases: lines of one story with the verdict that stands before each."""
    block: list[tuple[str, dict[str, Any]]] = []
    verdict: dict[str, Any] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip():
            yield block
            block = []
        elif line.startswith("# failJSON:"):
            verdict = json.loads(line[len("# failJSON:") :])
        elif not line.startswith("#"):
            block.append((line, verdict))
            verdict = {}
    yield block


@pytest.mark.parametrize("name", ["sshd.part-A", "pam-generic"])
def test_fail2bans_verdicts_are_ours_but_where_we_say_why(name: str) -> None:
    now = calendar.timegm((2026, 1, 1, 0, 0, 0))
    differ = set()
    for block in blocks(samples() / "fail2ban" / name):
        attempts = Attempts(burst_seconds=600)
        addresses = set()
        for text, verdict in block:
            line = parse_line(text, now, 0)
            assert line is not None, text
            event = parse_event(line)
            probes = attempts.probes
            added = attempts.add(line, event) if event else 0
            if event and event.source:
                addresses.add(event.source)
            if bool(added or attempts.probes > probes) != verdict.get("match", False):
                differ.add(line.message)
        told = {verdict["host"] for _text, verdict in block if "host" in verdict}
        # Of two readings we blame none; HPN-SSH's own message is not read.
        assert told <= addresses | {"127.0.0.1", "192.0.2.2"}
        assert addresses <= told | {
            "192.0.2.5",
            "192.0.2.6",
            "61.0.0.1",
            "192.0.2.111",
            "192.168.10.3",
        }

    assert {message for message in differ if not message.startswith(tuple(OTHERWISE))} == set()


def test_no_sample_of_another_service_is_taken_for_a_login_of_sshd() -> None:
    now = calendar.timegm((2026, 1, 1, 0, 0, 0))
    for name in ("apache-auth", "dovecot", "postfix", "mysqld-auth", "proftpd"):
        for text in (samples() / "fail2ban" / name).read_text(encoding="utf-8").splitlines():
            line = parse_line(text, now, 0)
            event = parse_event(line) if line else None
            assert event is None or line is None or line.program != "sshd"


@pytest.mark.parametrize(
    ("message", "possible"),
    [
        pytest.param(
            '{"level":2,"message":"Login failed: bob (Remote IP: 203.0.113.9)"}', 12, id="message"
        ),
        pytest.param('{"event": "login failed", "user": "bob"}', 12, id="event"),
        pytest.param('{"message":"page served","user":"login failed"}', 0, id="words in a name"),
        pytest.param(
            '{"message":"page served","user":"x\\",\\"message\\":\\"login failed"}',
            0,
            id="escaped in a name",
        ),
        pytest.param('{"message":"Login of bob succeeded"}', 0, id="success"),
    ],
)
def test_an_unknown_programs_json_behind_a_syslog_head(message: str, possible: int) -> None:
    """Its words all stand in quotes; those of the program itself are still its own."""
    lines = "".join(
        time.strftime("%b %e %H:%M:%S", time.gmtime(NOW - 600 + n))
        + f" web1 portal[9]: {message}\n"
        for n in range(12)
    )
    seen = observe(lines + sshd("Accepted password for bob from 10.0.0.5 port 1 ssh2"))
    assert seen.data["possible_failures"] == possible
