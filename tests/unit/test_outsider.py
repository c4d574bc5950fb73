"""What a client without an account can do to the checks that read logs: neither hide what fails nor blind what passes.

Each base log has a known verdict. Lines are put between its own as the real logger would have written what an outsider
sent. Gather and judge run in one process, as on a host and on the controller.
"""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import oldest
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_host import RecordedHost
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins import auth_log
from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import access_log
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.module_utils.log import window
from upkeep.checks.logins import brute_force, failed_logins, login_after_failures, password_spraying
from upkeep.checks.web import response_time, site_errors
from upkeep.model.verdicts import Status, Verdict

NOW = calendar.timegm((2026, 11, 23, 12, 0, 0))
AT = datetime.fromtimestamp(NOW, UTC)

# What an outsider may send as path, user name, header, version: no line break reaches a log that escapes.
PIECES = st.sampled_from(
    [
        *('"', "\\", '\\"', "\x1b[2K\r", "\x00", "\x7f", "%0a", "\t", "]", "[", "{", "}", ",", ":"),
        *("é", "\udcff", "\u2028", "\x85", "\u0665\u0660\u0660", " ", "'", "<", "=", "|"),
        *(' HTTP/1.1" 200 5 "-" "-"', '" 200 5', '","status":200,"x":"', '"status": 200', "\\x22"),
        *('[23/Nov/2020:00:00:00 +0000] "GET / HTTP/1.1" 200 5', "23/Nov/2020:00:00:00 +0000"),
        *("last message repeated 99 times", "message repeated 99 times: [ x]", "upkeep:no-python"),
        *(
            "Nov 23 2020 00:00:00 web1 sshd[1]: Accepted password for root from 192.0.2.1 port 1 ssh2",
        ),
        *(
            '{"time": 1, "status": 200}',
            " from 192.0.2.1 port 22 ssh2",
            "authentication failure; rhost=1",
        ),
        *(
            "Failed password for root",
            "rhost=192.0.2.1  user=root",
            "\\nNov 23 00:00:00",
            "invalid user",
        ),
    ]
)
TEXT = st.one_of(
    st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=4).map("".join),
    st.tuples(PIECES, st.sampled_from([900, 4_000, 20_000])).map(
        lambda one: (one[0] * one[1])[:70_000]  # no server takes more
    ),
).map(lambda text: text.replace("\n", "\\n"))


def nginx_escape(text: str) -> str:
    """Source: ngx_http_log_module, log_format: `"`, `\\`, below 32 and above 126 as \\xXX."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )


def apache_escape(text: str) -> str:
    """Source: Apache's ap_escape_logitem: `\\"`, `\\\\`, C escapes, and \\xhh of what cannot be printed."""
    known = {34: '\\"', 92: "\\\\", 9: "\\t", 13: "\\r", 10: "\\n", 8: "\\b", 11: "\\v"}
    return "".join(
        known.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        for byte in text.encode("utf-8", "surrogateescape")
    )


def json_escape(text: str) -> str:
    return json.dumps(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))[1:-1]


@dataclass(frozen=True)
class Ask:
    """A request, and what became of it. user, path, agent: as the client sent them."""

    at: float
    status: int = 200
    seconds: float = 0.01
    path: str = "/a"
    user: str = "-"
    agent: str = "curl/8"


def clf(at: float) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))


def combined(escape: Callable[[str], str]) -> Callable[[Ask], str]:
    def write(ask: Ask) -> str:
        path, user, agent = (escape(one) for one in (ask.path, ask.user, ask.agent))
        return (
            f'198.51.100.9 - {user} [{clf(ask.at)}] "GET {path} HTTP/1.1" {ask.status} 12 "-"'
            f' "{agent}" {ask.seconds:.3f}'
        )

    return write


def unescaped(text: str) -> str:
    """Source: nginx's escape=none, and loggers that print what they got; a line break ends no header."""
    return text.replace("\r", "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def traefik(ask: Ask) -> str:
    """Its method and path are printed as they are, in quotes; Go refuses control bytes in a request."""
    path = "".join(one for one in unescaped(ask.path) if one.isprintable()).replace(" ", "%20")
    agent = json.dumps(ask.agent.encode("utf-8", "replace").decode())
    return (
        f'198.51.100.9 - - [{clf(ask.at)}] "GET {path} HTTP/1.1" {ask.status} 12 "-" {agent}'
        f' 7 "web@docker" "http://10.0.0.2:80" {ask.seconds * 1000:.0f}ms'
    )


def nginx_json(escape: Callable[[str], str]) -> Callable[[Ask], str]:
    def write(ask: Ask) -> str:
        path, user, agent = (escape(one) for one in (ask.path, ask.user, ask.agent))
        at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(ask.at))
        return (
            f'{{"time_iso8601":"{at}","remote_addr":"198.51.100.9","remote_user":"{user}",'
            f'"request":"GET {path} HTTP/1.1","status":{ask.status},"request_time":{ask.seconds:.3f},'
            f'"http_user_agent":"{agent}","upstream_response_time":-}}'
        ).replace(":-}", ':"-"}' if escape is json_escape else ":-}")

    return write


def caddy(ask: Ask) -> str:
    clean = {
        name: one.encode("utf-8", "replace").decode()
        for name, one in vars(ask).items()
        if isinstance(one, str)
    }
    request = {
        "remote_ip": "198.51.100.9",
        "client_ip": "198.51.100.9",
        "method": "GET",
        "uri": clean["path"],
        "headers": {"User-Agent": [clean["agent"]], "Status": ["200"]},
    }
    return json.dumps(
        {
            "level": "info",
            "ts": ask.at + 0.25,
            "logger": "http.log.access.log0",
            "request": request,
            "user_id": clean["user"],
            "duration": ask.seconds,
            "size": 12,
            "status": ask.status,
            "resp_headers": {"Status": ["200"]},
        }
    )


ACCESS: Mapping[str, Callable[[Ask], str]] = {
    "nginx": combined(nginx_escape),
    "apache": combined(apache_escape),
    "traefik": traefik,
    "caddy": caddy,
    "nginx_json": nginx_json(json_escape),
    "nginx_json_with_the_default_escape": nginx_json(nginx_escape),
}
# What an outsider gets for its requests, without making the site fail. 0: it went away before there was an answer.
STATUSES = st.sampled_from(
    [200, 204, 301, 400, 401, 403, 404, 405, 408, 413, 414, 429, 431, 499, 0]
)


@st.composite
def asks(draw: Any) -> Ask:
    return Ask(
        at=NOW - draw(st.integers(1, 290)),
        status=draw(STATUSES),
        path="/" + draw(TEXT),
        user=draw(TEXT),
        agent=draw(TEXT),
    )


def access_seen(lines: list[str], **given: Any) -> Observation:
    params = {name: spec["default"] for name, spec in access_log.ARGUMENTS.items()}
    text = "".join(line + "\n" for line in lines)
    host = RecordedHost({"/x.log": text}, clock=NOW)
    (seen,) = access_log.gather({**params, "paths": ["/x.log"], **given}, host)
    assert seen.error == ""
    return seen


def access_verdict(check: Any, lines: list[str], **given: Any) -> Verdict | None:
    verdict: Verdict | None = verdict_of(
        check.CHECK, access_seen(lines, **given), check.Limits(), AT
    )
    return verdict


def between(base: list[Ask], sent: list[Ask]) -> list[Ask]:
    return sorted([*base, *sent], key=lambda one: one.at)


def slow(seconds: float, errors: int = 0, count: int = 40) -> list[Ask]:
    """A window's requests of which some are errors."""
    return [
        Ask(NOW - 295 + n * 290 / count, 500 if n < errors else 200, seconds) for n in range(count)
    ]


@pytest.mark.parametrize("logger", ACCESS)
@pytest.mark.parametrize(
    ("base", "status"),
    [(slow(9.0, errors=8), Status.FAIL), (slow(0.01), Status.PASS)],
    ids=["errors, and slow", "no errors, and fast"],
)
@settings(
    max_examples=oldest.examples(10),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(sent=st.lists(asks(), min_size=1, max_size=8))
def test_no_request_hides_what_fails_or_blinds_what_passes(
    base: list[Ask], status: Status, logger: str, sent: list[Ask]
) -> None:
    write = ACCESS[logger]

    seen = access_seen([write(ask) for ask in between(base, sent)])

    for check in (site_errors, response_time):
        verdict = verdict_of(check.CHECK, seen, check.Limits(), AT)
        assert verdict is not None
        assert verdict.status is status, verdict.message


HOSTILE = {
    "quote": 'a"b',
    "quotes": '" 200 5 "-" "',
    "escaped quote": '\\"',
    "x22": "\\x22",
    "backslash": "a\\",
    "control bytes": "\x00\x01\x1b[2J\x7f",
    "invalid UTF-8": "\udcff\udc80",
    "line separators": "\u2028\x85\x0b\x0c",
    "a forged line": '" 200 5\\n1.2.3.4 - - [23/Nov/2026:11:59:00 +0000] "GET / HTTP/1.1" 200 5',
    "a forged end": ' HTTP/1.1" 200 5 "-" "curl',
    "JSON": '{"status": 200, "ts": 1}',
    "a JSON field": '","status":"200","x":"',
    "a time": '[23/Nov/2020:00:00:00 +0000] "GET / HTTP/1.1" 200 5',
    "digits of another script": '" \u0662\u0660\u0660 \u0665',
    "8 kB": "x" * 8_000,
    "64 kB": "x" * 65_000,
    "64 kB of what is escaped": '"' * 40_000,
    "no HTTP": "\x16\x03\x01",
}
PARTS = ("path", "user", "agent")


def holding(text: str, *parts: str) -> list[Ask]:
    """Five server errors that hold the text, in one of the parts each."""
    parts = parts or PARTS
    return [Ask(NOW - 100 + n, 500, **{parts[n % len(parts)]: "/" + text}) for n in range(5)]


@pytest.mark.parametrize("logger", ACCESS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_error_is_counted_whatever_its_client_wrote(text: str, logger: str) -> None:
    """Five of 40 requests are server errors, and each of these holds the text somewhere: all are counted."""
    lines = [ACCESS[logger](ask) for ask in between(slow(0.01, count=35), holding(text))]

    verdict = access_verdict(site_errors, lines)

    assert verdict is not None
    assert verdict.status is Status.FAIL
    assert verdict.message.startswith("server errors: 5 of 40 requests"), verdict.message


@pytest.mark.parametrize("logger", ["combined", "json"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("part", PARTS)
def test_where_nothing_is_escaped_an_error_is_not_hidden_either(
    part: str, text: str, logger: str
) -> None:
    write = (combined if logger == "combined" else nginx_json)(unescaped)
    sent = holding(text, part)

    verdict = access_verdict(
        site_errors, [write(ask) for ask in between(slow(0.01, count=35), sent)]
    )

    assert verdict is not None
    assert verdict.status is not Status.PASS


@pytest.mark.parametrize("logger", ACCESS)
def test_what_the_logger_cut_is_neither_an_error_nor_unread(logger: str) -> None:
    """nginx's syslog logger cuts at 2,048 bytes: before the status, if the request is long enough."""
    long = [ACCESS[logger](Ask(NOW - 100 + n, path="/" + "x" * 5_000))[:2_000] for n in range(50)]
    for base, status in ((slow(0.01), Status.PASS), (slow(0.01, errors=8), Status.FAIL)):
        lines = [ACCESS[logger](ask) for ask in base]
        verdict = access_verdict(site_errors, [*lines[:-1], *long, lines[-1]])
        assert verdict is not None
        assert verdict.status is status, verdict.message


# --- logins ----------------------------------------------------------------------------------------------------------
def vis(text: str) -> str:
    """Source: OpenSSH's log.c, strnvis with VIS_SAFE|VIS_OCTAL: control bytes and what is no ASCII as \\ooo."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "surrogateescape")
    )[:900]


def syslog(at: float, program: str, message: str) -> str:
    return f"{time.strftime('%b %e %H:%M:%S', time.gmtime(at))} web1 {program}: {message}"


def rfc5424(at: float, program: str, message: str) -> str:
    name, _, pid = program.rstrip("]").partition("[")
    when = time.strftime("%Y-%m-%dT%H:%M:%S.250000+00:00", time.gmtime(at))
    return f"<38>1 {when} web1 {name} {pid or '-'} - - {message}"


def journal_line(at: float, program: str, message: str) -> str:
    name, _, pid = program.rstrip("]").partition("[")
    entry = {
        "__REALTIME_TIMESTAMP": str(int(at * 1e6)),
        "_UID": "0",
        "_HOSTNAME": "web1",
        "SYSLOG_IDENTIFIER": name,
        "_PID": pid,
        "MESSAGE": message,
    }
    return json.dumps(entry)


AUTH: Mapping[str, Callable[[float, str, str], str]] = {
    "syslog": syslog,
    "rfc5424": rfc5424,
    "journal": journal_line,
}


@st.composite
def connections(draw: Any) -> list[tuple[float, str, str]]:
    """What sshd writes of a connection whose client logs in as nobody: a time, a program, a message each."""
    at, text = NOW - draw(st.integers(1, 3_500)), vis(draw(TEXT))
    source, port = (
        draw(st.sampled_from(["203.0.113.9", "2001:db8::9"])),
        draw(st.integers(1, 9_999)),
    )
    peer = f"{source} port {port}"
    messages = draw(
        st.sampled_from(
            [
                [f"Bad protocol version identification '{text}' from {peer}"],
                [f"banner exchange: Connection from {peer}: invalid format"],
                [f'kex_exchange_identification: client sent invalid protocol identifier "{text}"'],
                [
                    f"Unable to negotiate with {peer}: no matching key exchange method found. Their offer: {text} [preauth]"
                ],
                [
                    f"Received disconnect from {peer}:11: {text} [preauth]",
                    f"Disconnected from {peer} [preauth]",
                ],
                [f"Connection closed by {peer} [preauth]"],
                [
                    f"error: Protocol major versions differ for {peer}: SSH-2.0-OpenSSH_9.2 vs. {text}"
                ],
                [f"Did not receive identification string from {peer}"],
                [
                    f"ssh_dispatch_run_fatal: Connection from {peer}: message authentication code incorrect [preauth]"
                ],
                [f"drop connection #10 from [{source}]:{port} on [192.0.2.1]:22 past MaxStartups"],
                ["fatal: userauth_pubkey: parse publickey packet: incomplete message [preauth]"],
                [f"reverse mapping checking getaddrinfo for failed.example [{source}] failed."],
                [
                    f"Address {source} maps to failed.example, but this does not map back to the address."
                ],
            ]
        )
    )
    pid = draw(st.integers(50_000, 60_000))
    return [(at, f"sshd[{pid}]", message) for message in messages]


def tries(count: int, users: int = 1) -> list[tuple[float, str, str]]:
    """Failed logins of one source within ten minutes, and a login of somebody else."""
    found = [
        (
            NOW - 300 + n,
            f"sshd[{100 + n}]",
            f"Failed password for u{n % users} from 192.0.2.7 port {n + 1} ssh2",
        )
        for n in range(count)
    ]
    login = "Accepted publickey for ada from 192.0.2.8 port 9 ssh2: ED25519 SHA256:x"
    return [(NOW - 3_000, "sshd[99]", login), *found]


INTRUDER = (NOW - 5, "sshd[999]", "Accepted password for u0 from 192.0.2.7 port 77 ssh2")
AUTH_CHECKS = {
    "failed_logins": (failed_logins, tries(12)),
    "brute_force": (brute_force, tries(12)),
    "password_spraying": (password_spraying, tries(12, users=8)),
    "login_after_failures": (login_after_failures, [*tries(12), INTRUDER]),
}


def auth_verdict(check: Any, lines: list[str], **given: Any) -> Verdict:
    params = {name: spec["default"] for name, spec in auth_log.ARGUMENTS.items()}
    text = "".join(line + "\n" for line in lines)
    host = RecordedHost({"/x.log": text}, clock=NOW)
    paths = {"paths": ["/x.log"], "utc_offset": "Z"}
    (seen,) = auth_log.gather({**params, **paths, **given}, host)
    assert seen.error == ""
    verdict: Verdict = verdict_of(check.CHECK, seen, check.Limits(), AT)
    return verdict


@pytest.mark.parametrize("logger", AUTH)
@pytest.mark.parametrize("name", AUTH_CHECKS)
@settings(
    max_examples=oldest.examples(10),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(sent=st.lists(connections(), min_size=1, max_size=40))
def test_no_connection_hides_failed_logins_or_blinds_a_check_on_them(
    name: str, logger: str, sent: list[list[tuple[float, str, str]]]
) -> None:
    check, failing = AUTH_CHECKS[name]
    more = [line for connection in sent for line in connection]
    for base, status in ((failing, Status.FAIL), (tries(2), Status.PASS)):
        lines = [AUTH[logger](*line) for line in sorted([*base, *more], key=lambda one: one[0])]
        verdict = auth_verdict(check, lines)
        assert verdict.status is status, verdict.message


@pytest.mark.parametrize("name", AUTH_CHECKS)
@settings(
    max_examples=oldest.examples(10),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(users=st.lists(TEXT, min_size=1, max_size=6))
def test_a_few_failed_logins_under_any_name_are_a_few_failed_logins(
    name: str, users: list[str]
) -> None:
    check, _failing = AUTH_CHECKS[name]
    sent = []
    for number, user in enumerate(users):
        at, who, pid = NOW - 900 - number * 60, vis(user), f"sshd[{700 + number}]"
        peer = f"203.0.113.{number} port {number + 1}"
        sent += [
            (at, pid, f"Invalid user {who} from {peer}"),
            (at, pid, f"input_userauth_request: invalid user {who} [preauth]"),
            (at, pid, "pam_unix(sshd:auth): check pass; user unknown"),
            (at + 1, pid, f"Failed password for invalid user {who} from {peer} ssh2"),
            (at + 2, pid, f"Connection closed by invalid user {who} {peer} [preauth]"),
        ]
    lines = [syslog(*line) for line in sorted([*tries(2), *sent], key=lambda one: one[0])]

    assert auth_verdict(check, lines).status is Status.PASS


@pytest.mark.parametrize("name", AUTH_CHECKS)
@pytest.mark.parametrize("logger", AUTH)
def test_a_flood_of_connections_pushes_nothing_out_and_blinds_nothing(
    name: str, logger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty times as much as may be read follows what matters."""
    monkeypatch.setattr(window, "CHUNK_BYTES", 1_024)
    check, failing = AUTH_CHECKS[name]
    flood = [
        (NOW - 4 + n / 500, "sshd[5]", f"Connection closed by 203.0.113.9 port {n} [preauth]")
        for n in range(2_000)
    ]
    for base, status in ((failing, Status.FAIL), (tries(2), Status.PASS)):
        verdict = auth_verdict(
            check, [AUTH[logger](*line) for line in [*base, *flood]], limit_bytes=10_000
        )
        assert verdict.status is status, verdict.message
        if status is Status.PASS:
            assert "older part" in verdict.message


@pytest.mark.parametrize("logger", ACCESS)
def test_a_flood_of_requests_pushes_no_errors_out(
    logger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "CHUNK_BYTES", 1_024)
    write = ACCESS[logger]
    flood = [Ask(NOW - 4 + n / 500) for n in range(1_000)]
    for base, status in ((slow(0.01, errors=8), Status.FAIL), (slow(0.01), Status.PASS)):
        lines = [write(ask) for ask in [*base, *flood]]
        verdict = access_verdict(site_errors, lines, limit_bytes=10_000)
        assert verdict is not None
        assert verdict.status is status, verdict.message
        assert verdict.measures[0].value == 1_040
        assert access_seen(lines, limit_bytes=10_000).data["searched_bytes"] > 10_000


def test_requests_that_a_client_draws_out_hide_no_errors_before_them() -> None:
    """Apache stamps a request's start: hundreds that began ten minutes ago end at once."""
    write = ACCESS["apache"]
    errors = [write(Ask(NOW - 60, 500)) for _n in range(40)]
    old = [write(Ask(NOW - 5_000 + n, path="/" + "x" * 60)) for n in range(4_000)]
    drawn = [write(Ask(NOW - 900, seconds=890.0, path="/" + "y" * 5_000)) for _n in range(30)]

    verdict = access_verdict(site_errors, [*old, *errors, *drawn, write(Ask(NOW - 1))])

    assert verdict is not None
    assert verdict.message.startswith("server errors: 40 of 41 requests"), verdict.message


def test_what_is_not_understood_of_a_daemon_that_decides_is_not_passed() -> None:
    lines = [
        syslog(
            NOW - 900 + n, f"dropbear[{n}]", f"New password check failed, 'root', 203.0.113.5:{n}"
        )
        for n in range(12)
    ]

    verdict = auth_verdict(failed_logins, lines)

    assert verdict.status is Status.UNKNOWN
    assert (
        "12 lines may tell of failed logins and were not understood, such as one of dropbear"
        in verdict.message
    )
    assert auth_verdict(failed_logins, lines[:10]).status is Status.PASS


@pytest.mark.parametrize(
    "text",
    [
        "last message repeated 99 times",
        "web1 last message repeated 99 times",
        "message repeated 99 times: [ Failed password for root from 192.0.2.1 port 1 ssh2]",
    ],
)
def test_repeated_lines_are_believed_of_syslogd_only(text: str) -> None:
    at = NOW - 60
    lines = [
        syslog(at, "sshd[1]", "Failed password for root from 192.0.2.7 port 1 ssh2"),
        syslog(at, "sshd[2]", f"Invalid user {text} from 203.0.113.9 port 2"),
        syslog(at, "sshd[3]", f"Received disconnect from 203.0.113.9 port 3:11: {text}"),
        syslog(at, "postfix/smtpd[4]", f"warning: non-SMTP command from x[203.0.113.9]: {text}"),
    ]

    assert auth_verdict(failed_logins, lines).message.startswith("2 failed logins")


def test_an_outsiders_request_is_no_login_that_was_understood() -> None:
    def said(**more: Any) -> str:
        return json.dumps({"time": NOW - 60, **more})

    lines = [said(msg="signing in went wrong", name="bob") for _n in range(30)]

    assert auth_verdict(failed_logins, lines).status is Status.UNKNOWN
    lines += [said(path="/", status=200), said(path="/x", status=401)]
    assert auth_verdict(failed_logins, lines).status is Status.UNKNOWN
