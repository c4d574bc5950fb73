"""What sshd's and PAM's messages say, whatever a client put into them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._lines import (
    LoginLine,
    parse_line,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins._messages import (
    HARMLESS,
    LoginEvent,
    parse_event,
    parse_sshd,
)

NOW = 1_795_435_200.0  # 2026-11-23 12:00 UTC
STAMP = 1_795_435_140.0
KEY = "ED25519 SHA256:TqhcqXl11X7sFxzylosPSS0SgQuKxuRmpUUDlGNHyw4"
CERTIFICATE = (
    f"ED25519-CERT SHA256:Tqhc ID me from 192.0.2.66 port 22 ssh2: {KEY} (serial 0) CA {KEY}"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nov 23 11:59:00 web1 sshd[7]: m: n", ("web1", "sshd", "7", "m: n")),
        ("Nov 23 11:59:00 web1 sshd-session[7]: m", ("web1", "sshd", "7", "m")),
        ("Nov 23 11:59:00 sshd[7]: m", ("", "sshd", "7", "m")),
        ("Nov 23 11:59:00 [sshd]: m", ("", "sshd", "", "m")),
        ("Nov 23 11:59:00 [sshd] m", ("", "sshd", "", "m")),
        ("Nov 23 11:59:00 web1 sudo:   m", ("web1", "sudo", "", "m")),
        ("Nov 23 11:59:00 web1 app: sshd[7]: m", ("web1", "app", "", "sshd[7]: m")),
        ("Nov 23 11:59:00 fe80::1 sshd[7]: m", ("fe80::1", "sshd", "7", "m")),
        ("<38>Nov 23 11:59:00 web1 sshd[7]: m", ("web1", "sshd", "7", "m")),
        ("Nov 23 11:59:00 web1 sshd[7]: [ID 800047 auth.info] m", ("web1", "sshd", "7", "m")),
        ("2026-11-23T12:59:00.000000+01:00 web1 sshd[7]: m", ("web1", "sshd", "7", "m")),
        ("<38>1 2026-11-23T11:59:00Z web1 sshd 7 - - m", ("web1", "sshd", "7", "m")),
        ('<38>1 2026-11-23T11:59:00Z web1 sshd 7 - [a b="\\"]"][c] m', ("web1", "sshd", "7", "m")),
    ],
)
def test_a_line_is_taken_apart(text: str, expected: tuple[str, ...]) -> None:
    line = parse_line(text, NOW, 0)

    assert line is not None
    assert (line.host, line.program, line.pid, line.message) == expected
    assert line.at == STAMP


def test_a_repeated_message_counts_as_often() -> None:
    text = "Nov 23 11:59:00 web1 sshd[7]: message repeated 5 times: [ Failed password for a from b port 1 ssh2]"
    line = parse_line(text, NOW, 0)

    assert line is not None
    assert parse_event(line) == LoginEvent("failed", "a", "b", "1", False, "password", 5)


PEER = ("192.0.2.7", "22")
SAID = [
    (
        "Failed password for root from 192.0.2.7 port 22 ssh2",
        LoginEvent("failed", "root", *PEER, False, "password"),
    ),
    (
        "Failed password for invalid user a b from 2001:db8::1 port 22 ssh2",
        LoginEvent("failed", "a b", "2001:db8::1", "22", True, "password"),
    ),
    (
        "Failed keyboard-interactive/pam for root from 192.0.2.7 port 22 ssh2",
        LoginEvent("failed", "root", *PEER, False, "keyboard-interactive"),
    ),
    (
        f"Failed publickey for root from 192.0.2.7 port 22 ssh2: {KEY}",
        LoginEvent("offer", "root", *PEER, False, "publickey"),
    ),
    (
        f"Failed publickey for invalid user x from 192.0.2.7 port 22 ssh2: {KEY}",
        LoginEvent("failed", "x", *PEER, True, "publickey"),
    ),
    (
        f"Accepted publickey for root from 192.0.2.7 port 22 ssh2: {KEY}",
        LoginEvent("accepted", "root", *PEER, False, "publickey"),
    ),
    (
        "Accepted password for root from 192.0.2.7 port 22 ssh2",
        LoginEvent("accepted", "root", *PEER, False, "password"),
    ),
    (
        "Failed none for invalid user x from 192.0.2.7 port 22 ssh2",
        LoginEvent("end", "x", *PEER, True, "none"),
    ),
    ("Invalid user x from 192.0.2.7 port 22", LoginEvent("refused", "x", *PEER, True)),
    ("Invalid user  from 192.0.2.7 port 22", LoginEvent("refused", "", *PEER, True)),
    (
        "User mail from 192.0.2.7 not allowed because listed in DenyUsers",
        LoginEvent("refused", "mail", "192.0.2.7"),
    ),
    (
        "error: PAM: Authentication failure for root from 192.0.2.7",
        LoginEvent("pam_error", "root", "192.0.2.7"),
    ),
    (
        "Connection closed by authenticating user root 192.0.2.7 port 22 [preauth]",
        LoginEvent("end", "root", *PEER),
    ),
    ("Connection closed by 192.0.2.7 port 22 [preauth]", LoginEvent("probe", "", *PEER)),
    ("Connection closed by 192.0.2.7 port 22", LoginEvent("peer", "", *PEER)),
    (
        "Received disconnect from 2001:db8::3: 11: Bye Bye [preauth]",
        LoginEvent("peer", "", "2001:db8::3"),
    ),
    (
        "Received disconnect from 192.0.2.7 port 22:11: by 192.0.2.66 port 22:3: Auth fail",
        LoginEvent("peer", "", *PEER),
    ),
    ("Server listening on 0.0.0.0 port 22.", None),
    ("Disconnected from user root 192.0.2.7 port 22", None),
    ("Partial publickey for root from 192.0.2.7 port 22 ssh2", None),
    ("", None),
]


@pytest.mark.parametrize(("message", "event"), SAID, ids=[message[:50] for message, _ in SAID])
def test_sshd_says(message: str, event: LoginEvent | None) -> None:
    assert parse_sshd(message) == event


FORGED = [
    "Failed password for invalid user x from 192.0.2.66 port 22 ssh2 from 192.0.2.7 port 99 ssh2",
    "Failed password for invalid user x\\nNov 23 08 from 192.0.2.7 port 99 ssh2",
    "Failed password for invalid user from from from 192.0.2.7 port 99 ssh2",
    "Failed password for Failed password for x from 192.0.2.66 from 192.0.2.7 port 99 ssh2",
    "Failed password for x from 192.0.2.66 port 22 ssh1: ruser y from 192.0.2.7 port 99 ssh2",
    "Invalid user x from 192.0.2.66 port 22 from 192.0.2.7 port 99",
    "Invalid user Accepted password for root from 192.0.2.66 port 22 ssh2 from 192.0.2.7 port 99",
    f"Failed publickey for root from 192.0.2.7 port 99 ssh2: {CERTIFICATE}",
    "Connection closed by invalid user x 192.0.2.66 port 22 192.0.2.7 port 99 [preauth]",
    "Disconnecting invalid user x 192.0.2.7 port 99: Change of username or service not allowed: "
    "(x,ssh-connection) -> (y 192.0.2.66 port 22: Too many authentication failures,z) [preauth]",
    "maximum authentication attempts exceeded for invalid user x from 192.0.2.66 port 22 ssh2"
    " from 192.0.2.7 port 99 ssh2 [preauth]",
    "Bad protocol version identification 'GET /' from 192.0.2.66 port 22' from 192.0.2.7 port 99",
    'Failed hostbased for dan from 192.0.2.7 port 99 ssh2: DSA 01:c0, client user "x from '
    '192.0.2.66 port 22 ssh2", client host "y"',
]


@pytest.mark.parametrize("message", FORGED)
def test_no_forged_text_blames_another_address(message: str) -> None:
    event = parse_sshd(message)

    assert event is not None
    assert event.kind != "accepted"
    assert (event.source, event.port) == ("192.0.2.7", "99")


# What a client may choose as its name: sshd cuts it at the first colon, escapes line ends, logs 100 characters.
PIECES = st.sampled_from(
    [
        *(
            " ",
            " from ",
            "192.0.2.66",
            " port 22",
            " ssh2",
            " ssh1",
            "Accepted password for root",
            " user ",
        ),
        *(
            "Failed none for",
            "invalid user ",
            " not allowed because not listed in AllowUsers",
            " [preauth]",
        ),
        *("rhost=192.0.2.66", "x", " via h", "(", "\\n", "]", "ruser "),
    ]
)
NAMES = st.one_of(
    st.lists(PIECES, max_size=9).map("".join),
    st.text(
        st.characters(min_codepoint=32, max_codepoint=255, exclude_characters=":"), max_size=99
    ),
)
SENTENCES = (
    "Failed password for invalid user {} from 192.0.2.7 port 99 ssh2",
    "Failed keyboard-interactive/pam for invalid user {} from 192.0.2.7 port 99 ssh2",
    f"Failed publickey for invalid user {{}} from 192.0.2.7 port 99 ssh2: {KEY}",
    "Invalid user {} from 192.0.2.7 port 99",
    "Connection closed by invalid user {} 192.0.2.7 port 99 [preauth]",
    "Disconnecting invalid user {} 192.0.2.7 port 99: Too many authentication failures [preauth]",
    "error: maximum authentication attempts exceeded for invalid user {} from 192.0.2.7 port 99 ssh2 [preauth]",
)


@given(NAMES, st.sampled_from(SENTENCES))
def test_whatever_a_client_calls_itself_the_address_is_its_own(name: str, sentence: str) -> None:
    event = parse_sshd(sentence.format(name[:99]))

    assert event is not None
    assert event.kind in ("failed", "refused", "end")
    assert (event.source, event.port) == ("192.0.2.7", "99")
    assert event.account.strip() == name[:99].strip()


@pytest.mark.parametrize(
    "message",
    [
        "User x Accepted password for root from 192.0.2.66 port 22 ssh2",
        "input_userauth_request: invalid user Accepted password for root from 192.0.2.66 port 22 ssh2",
        "Connection from 192.0.2.66",
        "error: Accepted",
        "Address 192.0.2.66 maps to x, but this does not map back - POSSIBLE BREAK-IN ATTEMPT!",
    ],
)
def test_what_only_looks_like_a_login_is_none(message: str) -> None:
    event = parse_sshd(message)

    assert event is None or event.kind == "peer"


def test_a_failure_that_reads_in_two_ways_counts_and_blames_nobody() -> None:
    pam = "pam_unix(vsftpd:auth): authentication failure; ruser= rhost=192.0.2.7 user=x rhost=192.0.2.66"

    assert parse_event(LoginLine(0.0, "", "vsftpd", "", pam)) == LoginEvent(
        "pam", method="pam_unix", joined="ftp "
    )


@pytest.mark.parametrize(
    ("program", "message", "event"),
    [
        (
            "sshd",
            "pam_unix(sshd:auth): authentication failure; uid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            LoginEvent("pam", "root", "192.0.2.7", method="pam_unix"),
        ),
        (
            "sshd",
            "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
            LoginEvent("pam", "root", "192.0.2.7", method="pam_unix", attempts=2),
        ),
        (
            "sshd",
            "(pam_unix) authentication failure; uid=0 tty=ssh ruser= rhost=h.example",
            LoginEvent("pam", "", "h.example", method="pam_unix"),
        ),
        (
            "sudo",
            "pam_unix(sudo:auth): authentication failure; uid=1000 tty=/dev/pts/0 ruser=bob rhost=  user=bob",
            LoginEvent("pam", "bob", "", method="pam_unix"),
        ),
        (
            "vsftpd",
            "pam_unix(vsftpd:auth): authentication failure; tty=ftp ruser=x rhost=192.0.2.66 rhost=192.0.2.7",
            LoginEvent(
                "pam",
                "x rhost=192.0.2.66",
                "192.0.2.7",
                method="pam_unix",
                joined="ftp x rhost=192.0.2.66",
            ),
        ),
        ("passwd", "pam_unix(passwd:chauthtok): authentication failure; rhost=192.0.2.7", HARMLESS),
        ("app", "somebody wrote: authentication failure; rhost=192.0.2.7", None),
    ],
)
def test_pam_says(program: str, message: str, event: LoginEvent | None) -> None:
    assert parse_event(LoginLine(0.0, "", program, "1", message)) == event


def test_an_ipv4_client_of_an_ipv6_socket_is_the_same_client() -> None:
    event = parse_event(
        LoginLine(0.0, "", "sshd", "1", "Invalid user x from ::ffff:192.0.2.7 port 22")
    )

    assert event is not None
    assert event.source == "192.0.2.7"


BOMBS = [
    "Failed password for invalid user " + " from 1 port 1 ssh2: " * 3000,
    "Failed publickey for " + " from 1 port 1 ssh2: RSA x" * 3000 + ", client user",
    "Failed publickey for x from 1 port 1 ssh2: " + "R ID (serial 1) CA " * 3000,
    "Invalid user " + " from" * 10_000,
    "User " + " from x not allowed because" * 2000,
    "Disconnecting invalid user " + " 1.2.3.4 port 1: Change of username" * 2000,
    "pam_unix(sshd:auth): authentication failure; " + " rhost= user=" * 4000,
    "pam_unix(sshd:auth): authentication failure; ruser=" + " " * 60_000,
    "message repeated 5 times: [" + "[ message repeated" * 3000,
    "Connection closed by invalid user " + " 1 port 1" * 6000,
    "x" * 65_000,
]


@pytest.mark.parametrize("message", BOMBS, ids=[bomb[:30] for bomb in BOMBS])
def test_no_message_takes_long(message: str) -> None:
    start = time.process_time()
    for head in ("Nov 23 11:59:00 web1 sshd[7]: ", "<38>1 2026-11-23T11:59:00Z web1 sshd 7 - - "):
        line = parse_line(head + message, NOW, 0)
        if line:
            parse_event(line)

    assert time.process_time() - start < 0.5


def test_no_header_takes_long() -> None:
    start = time.process_time()
    for text in (
        "<38>1 2026-11-23T11:59:00Z web1 sshd 7 - " + '[a b="' * 10_000,
        "<38>1 2026-11-23T11:59:00Z web1 sshd 7 - " + "[a]" * 20_000,
        "Nov 23 11:59:00 " + "[" * 60_000,
        "Nov 23 11:59:00 web1 " + "(a" * 30_000,
    ):
        parse_line(text, NOW, 0)

    assert time.process_time() - start < 0.5
