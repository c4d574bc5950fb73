"""Logins that many programs write, under many heads: counted, or possibly failures, but never read over."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from recorded_host import RecordedHost
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins.auth_log import (
    ARGUMENTS,
    WORDS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logins import brute_force, failed_logins, login_after_failures, password_spraying
from upkeep.model.verdicts import Status

NOW = calendar.timegm((2026, 11, 23, 8, 30, 0))
SOURCE = "203.0.113.5"
SSHD = f"sshd[9]: Failed password for root from {SOURCE} port 4000 ssh2"


def observe(*lines: str, **given: Any) -> Observation:
    params = {name: spec["default"] for name, spec in ARGUMENTS.items()}
    host = RecordedHost({"/x.log": "".join(f"{line}\n" for line in lines)}, clock=NOW)
    (seen,) = gather({**params, "utc_offset": "Z", "paths": ["/x.log"], **given}, host)
    return seen


def stamped(form: str, at: float) -> str:
    return time.strftime(form, time.gmtime(at))


def rfc3164(at: float) -> str:
    return stamped("%b %e %H:%M:%S", at)


def status(seen: Observation) -> Status:
    return verdict_of(
        failed_logins.CHECK, seen, failed_logins.Limits(), datetime.fromtimestamp(NOW, UTC)
    ).status


HEADS: dict[str, Callable[[float, str], str]] = {
    "BusyBox's facility": lambda at, said: f"{rfc3164(at)} h1 auth.info {said}",
    "rsyslog's facility, RFC 3339": lambda at, said: (
        f"{stamped('%Y-%m-%dT%H:%M:%S+00:00', at)} h1 authpriv.info {said}"
    ),
    "FreeBSD, -v": lambda at, said: f"{rfc3164(at)} <4.6> h1 {said}",
    "FreeBSD, -vv": lambda at, said: f"{rfc3164(at)} <auth.info> h1 {said}",
    "facility behind the host in brackets": lambda at, said: f"{rfc3164(at)} h1 [auth.info] {said}",
    "two words": lambda at, said: f"{rfc3164(at)} h1 authpriv info {said}",
    "AIX": lambda at, said: f"{rfc3164(at)} h1 auth|security:info {said}",
    "no host": lambda at, said: f"{rfc3164(at)} {said}",
    "no host, facility": lambda at, said: f"{rfc3164(at)} auth.info {said}",
    "OpenWrt's logread": lambda at, said: (
        f"{stamped('%a %b %e %H:%M:%S %Y', at)} authpriv.warn {said}"
    ),
    "weekday and year before": lambda at, said: (
        f"{stamped('%a %Y-%m-%d %H:%M:%S', at)} UTC h1 {said}"
    ),
    "no colon behind the pid": lambda at, said: f"{rfc3164(at)} h1 {said.replace(']: ', '] ', 1)}",
    "a path": lambda at, said: f"{rfc3164(at)} h1 /usr/sbin/{said}",
    "a word behind the pid": lambda at, said: (
        f"{rfc3164(at)} h1 {said.replace(']: ', '](info): ', 1)}"
    ),
    "carriage return": lambda at, said: f"{rfc3164(at)} h1 {said}#015",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_of_another_kind_hides_no_failure(head: Callable[[float, str], str]) -> None:
    seen = observe(*(head(NOW - 1500 + 60 * n, SSHD) for n in range(12)))

    assert (seen.data["failures"], seen.data["sources"][0]["source"]) == (12, SOURCE)
    assert seen.data["unparsed"] == 0


RFC5424 = "sshd 9 - - Failed password for root from 203.0.113.5 port 4000 ssh2"


@pytest.mark.parametrize(
    "line",
    [
        f"1 2026-11-23T08:29:00.5Z h1 {RFC5424}",
        f"2026-11-23T08:29:00.5Z h1 {RFC5424}",
        '{"timestamp":"2026-11-23T08:29:00Z","host":"h1","syslogtag":"sshd[9]:","message":" Failed password for root'
        ' from 203.0.113.5 port 4000 ssh2"}',
        '{"PROGRAM":"sshd","PID":"9","MESSAGE":"Failed password for root from 203.0.113.5 port 4000 ssh2",'
        '"HOST":"h1","DATE":"Nov 23 08:29:00"}',
        "Nov 23 08:29:00 h1 sshd(pam_unix)[9]: authentication failure; logname= uid=0 euid=0 tty=ssh ruser="
        " rhost=203.0.113.5  user=root",
        'type=USER_AUTH msg=audit(1795422540.1:7): pid=9 uid=0 msg=\'op=PAM:authentication grantors=? acct="root"'
        ' exe="/usr/sbin/sshd" hostname=? addr=203.0.113.5 terminal=ssh res=failed\'',
    ],
    ids=[
        "RFC 5424, no priority",
        "RFC 5424, no version",
        "rsyslog JSON",
        "syslog-ng JSON",
        "pam_unix",
        "audit",
    ],
)
def test_a_line_of_another_form_is_read(line: str) -> None:
    data = observe(line).data

    assert (data["failures"], data["sources"][0]["source"], data["unparsed"]) == (1, SOURCE, 0)


# What programs write of one failed login: program and message, account, and whether the address is told.
SAID = {
    "dropbear": (
        "dropbear[9]",
        f"Bad password attempt for 'root' from {SOURCE}:4000",
        "root",
        SOURCE,
    ),
    "dropbear, no such user": (
        "dropbear[9]",
        f"Login attempt for nonexistent user from {SOURCE}:4000",
        "",
        SOURCE,
    ),
    "dropbear, its own stamp": (
        "dropbear[9]",
        f"[9] Jul 10 23:53:52 Bad password attempt for 'root' from {SOURCE}:4000",
        "root",
        SOURCE,
    ),
    "dropbear, IPv6": (
        "dropbear[9]",
        "Bad password attempt for 'root' from 2001:db8::1:4000",
        "root",
        "2001:db8::1",
    ),
    "dovecot": (
        "dovecot",
        "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, method=PLAIN,"
        f" rip={SOURCE}, lip=10.0.0.1, TLS, session=<x>",
        "bob",
        SOURCE,
    ),
    "dovecot's auth": (
        "dovecot",
        f"auth-worker(7): pam(bob,{SOURCE}): unknown user",
        "bob",
        SOURCE,
    ),
    "vsftpd": ("vsftpd[9]", f'[bob] FAIL LOGIN: Client "{SOURCE}"', "bob", SOURCE),
    "proftpd": (
        "proftpd[9]",
        f"h1.example (x.example[{SOURCE}]): USER bob (Login failed): Incorrect password.",
        "bob",
        SOURCE,
    ),
    "pure-ftpd": (
        "pure-ftpd",
        f"(?@{SOURCE}) [WARNING] Authentication failed for user [bob]",
        "bob",
        SOURCE,
    ),
    "su, util-linux": ("su[9]", "FAILED SU (to root) bob on pts/0", "root", ""),
    "su, shadow": ("su[9]", "FAILED su for root by bob", "root", ""),
    "su, BSD": ("su[9]", "BAD SU bob to root on /dev/ttyp0", "root", ""),
    "su, BusyBox": ("su[9]", "- pts/0 bob:root", "root", ""),
    "sudo": (
        "sudo",
        "  bob : 1 incorrect password attempt ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id",
        "bob",
        "",
    ),
    "doas": ("doas", "failed auth for bob", "bob", ""),
    "login": (
        "login[9]",
        "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
        "root",
        "",
    ),
    "login, BusyBox": ("login[9]", "invalid password for 'root' on 'tty1'", "root", ""),
    "login, BSD": ("login[9]", f"1 LOGIN FAILURE FROM {SOURCE}, root", "root", SOURCE),
    "gdm": (
        "gdm-password][9]",
        "pam_unix(gdm-password:auth): authentication failure; logname= uid=0 euid=0 tty=/dev/tty1 ruser= rhost=  user=bob",
        "bob",
        "",
    ),
    "polkit": (
        "polkitd(authority=local)[9]",
        "Operator of unix-session:1 FAILED to authenticate to gain authorization for action a.b for unix-process:1:2",
        "",
        "",
    ),
    "sendmail": (
        "sm-mta[9]",
        "14NNwa: AUTH failure (LOGIN): authentication failure (-13) SASL(-13): authentication failure: checkpass failed,"
        f" user=bob, relay=x.example [{SOURCE}] (may be forged)",
        "bob",
        SOURCE,
    ),
    "postfix": (
        "postfix/submission/smtpd[9]",
        f"warning: unknown[{SOURCE}]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=bob",
        "bob",
        SOURCE,
    ),
    "cyrus": (
        "cyrus/imaps[9]",
        f"badlogin: x.example [{SOURCE}] plaintext bob SASL(-13): authentication failure: checkpass failed",
        "bob",
        SOURCE,
    ),
    "courier": ("imapd", f"LOGIN FAILED, user=bob, ip=[::ffff:{SOURCE}]", "bob", SOURCE),
    "uwimap": (
        "imapd[9]",
        f"Login failed user=bob auth=bob host=x.example [{SOURCE}]",
        "bob",
        SOURCE,
    ),
    "openvpn": (
        "ovpn-server[9]",
        f"{SOURCE}:4000 TLS Auth Error: Auth Username/Password verification failed for peer",
        "",
        SOURCE,
    ),
    "webmin": ("webmin[9]", f"Invalid login as root from {SOURCE}", "root", SOURCE),
    "proxmox": (
        "pvedaemon[9]",
        f"authentication failure; rhost=::ffff:{SOURCE} user=root@pam msg=Authentication failure",
        "root@pam",
        SOURCE,
    ),
    "screensharingd": (
        "screensharingd[9]",
        f"Authentication: FAILED :: User Name: bob :: Viewer Address: {SOURCE} :: Type: DH",
        "bob",
        SOURCE,
    ),
    "slapd": ("slapd[9]", "conn=7 op=1 RESULT tag=97 err=49 text=", "", ""),
    "mysqld": (
        "mysqld[9]",
        f"2026-11-23  8:29:00 7 [Warning] Access denied for user 'bob'@'{SOURCE}' (using password: YES)",
        "bob",
        SOURCE,
    ),
    "krb5kdc": (
        "krb5kdc[9](info)",
        f"AS_REQ (8 etypes 18) {SOURCE}: PREAUTH_FAILED: bob@R for krbtgt/R@R, Preauthentication failed",
        "bob@R",
        SOURCE,
    ),
    "xrdp": (
        "xrdp-sesman[9]",
        f"[INFO ] AUTHFAIL: user=bob ip={SOURCE} port=7 time=1",
        "bob",
        SOURCE,
    ),
    "pam_sss alone": (
        "sshd[9]",
        "pam_sss(sshd:auth): received for user bob: 7 (Authentication failure)",
        "bob",
        "",
    ),
}


@pytest.mark.parametrize(("program", "said", "account", "source"), SAID.values(), ids=SAID)
def test_each_program_tells_of_a_failed_login(
    program: str, said: str, account: str, source: str
) -> None:
    line = f"Nov 23 08:29:00 h1 {program}: {said}"

    data = observe(line).data

    assert (data["failures"], data["possible_failures"], data["unparsed"]) == (1, 0, 0)
    assert (data["accounts"][0]["account"], data["sources"][0]["source"]) == (account, source)
    # Where a log is too large to be read, it is searched for these.
    assert any(word in line.encode() for word in WORDS), "the line would not be found by a search"


OWN = {
    "vsftpd": f'Mon Nov 23 08:29:00 2026 [pid 9] [bob] FAIL LOGIN: Client "{SOURCE}"',
    "openvpn": f"2026-11-23 08:29:00 {SOURCE}:4000 TLS Auth Error: Auth Username/Password verification failed for peer",
    "mysqld": f"2026-11-23T08:29:00.2Z 113 [Note] [MY-010926] [Server] Access denied for user 'bob'@'{SOURCE}'",
    "mongod": "2026-11-23T08:29:00.110+0000 I ACCESS   [conn1] SASL SCRAM-SHA-1 authentication failed for bob on admin"
    f" from client {SOURCE}:4000 ; AuthenticationFailed: storedKey mismatch",
    "mongod, JSON": '{"t":{"$date":"2026-11-23T08:29:00Z"},"c":"ACCESS","ctx":"conn1","msg":"Authentication failed",'
    '"attr":{"principalName":"bob","remote":"203.0.113.5:4000"}}',
    "nginx": '2026/11/23 08:29:00 [error] 9#0: *6 user "bob": password mismatch, client: 203.0.113.5, server: x',
    "apache": f"[Mon Nov 23 08:29:00.5 2026] [auth_basic:error] [pid 9:tid 7] [client {SOURCE}:4000] AH01617: user bob:"
    ' authentication failure for "/": Password Mismatch',
    "gitlab": f"2026-11-23T08:29:00.667Z: Failed Login: username=bob ip={SOURCE}",
    "grafana": 't=2026-11-23T08:29:00+0000 lvl=eror msg="Invalid username or password" logger=context uname=bob'
    f" remote_addr={SOURCE}",
}


# As real vsftpd 3.0.3 writes it, and in the same form what a user does then.
VSFTPD = """
Mon Nov 23 08:28:01 2026 [pid 25026] CONNECT: Client "127.0.0.1"
Mon Nov 23 08:28:01 2026 [pid 25026] FTP response: Client "127.0.0.1", "220 (vsFTPd 3.0.3)"
Mon Nov 23 08:28:02 2026 [pid 25025] [bob] OK LOGIN: Client "127.0.0.1"
Mon Nov 23 08:28:03 2026 [pid 25027] [bob] FTP command: Client "127.0.0.1", "STOR login failed"
Mon Nov 23 08:28:03 2026 [pid 25027] [bob] OK UPLOAD: Client "127.0.0.1", "/login failed", 7 bytes, 3.52Kbyte/sec
Mon Nov 23 08:28:04 2026 [pid 25027] [bob] FAIL DOWNLOAD: Client "127.0.0.1", "/nothing", 0.00Kbyte/sec
"""


def test_an_ordinary_day_of_vsftpd_passes() -> None:
    seen = observe(*VSFTPD.strip().splitlines())

    assert (seen.data["failures"], seen.data["unparsed"], seen.data["successes"]) == (0, 0, 1)
    assert status(seen) is Status.PASS


@pytest.mark.parametrize(
    "name", ["bob", "a b", '] OK UPLOAD: Client "9.9.9.9"', '] CONNECT: Client "']
)
def test_no_name_hides_a_failure_in_vsftpd(name: str) -> None:
    seen = observe(f'Mon Nov 23 08:28:02 2026 [pid 5] [{name}] FAIL LOGIN: Client "203.0.113.5"')

    assert seen.data["failures"] == 1


@pytest.mark.parametrize("name", ["a" * 3000, "x\ny", 'x" y'], ids=["cut", "a line break", "quote"])
@pytest.mark.parametrize("said", ['": password mismatch', '" was not found in "/etc/nginx/pw"'])
def test_no_name_hides_a_failure_in_nginx(name: str, said: str) -> None:
    line = f'2026/11/23 08:29:00 [error] 9#0: *6 user "{name}{said}, client: 203.0.113.5, server: x'

    assert observe(line[:2048]).data["failures"] == 1


@pytest.mark.parametrize("line", OWN.values(), ids=OWN)
def test_a_programs_own_log_is_read(line: str) -> None:
    data = observe(line).data

    assert (data["failures"], data["unparsed"]) == (1, 0)
    assert data["sources"][0]["source"] == SOURCE


TOGETHER = {
    "sudo": [
        "sudo: pam_unix(sudo:auth): authentication failure; logname=bob uid=1000 euid=0 tty=/dev/pts/0 ruser=bob rhost="
        "  user=bob",
        "sudo:      bob : 1 incorrect password attempt ; TTY=pts/0 ; USER=root ; COMMAND=/bin/id",
    ],
    "dovecot": [
        f"auth: pam_unix(dovecot:auth): authentication failure; tty=dovecot ruser=bob rhost={SOURCE}  user=bob",
        f"dovecot: auth-worker(7): pam(bob,{SOURCE}): pam_authenticate() failed: Authentication failure",
        f"dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<bob>, method=PLAIN, rip={SOURCE}, lip=::1",
    ],
    "postfix": [
        "saslauthd[3]: pam_unix(smtp:auth): authentication failure; tty= ruser= rhost=  user=bob",
        "saslauthd[3]: do_auth         : auth failure: [user=bob] [service=smtp] [realm=] [mech=pam] [reason=PAM]",
        f"postfix/smtpd[9]: warning: unknown[{SOURCE}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        f"postfix/smtpd[9]: disconnect from unknown[{SOURCE}] ehlo=1 auth=0/1 quit=1 commands=2/3",
    ],
    "su, of which PAM tells no process": [
        "su: pam_unix(su:auth): authentication failure; logname= uid=1002 euid=0 tty=/dev/pts/0 ruser=bob rhost=  user=root",
        "su[9]: FAILED SU (to root) bob on pts/0",
    ],
    "su, to nobody known": [
        "su: pam_unix(su:auth): check pass; user unknown",
        "su: pam_unix(su:auth): authentication failure; logname= uid=1002 euid=0 tty=/dev/pts/0 ruser=bob rhost= ",
        "su[9]: FAILED SU (to nosuch) bob on pts/0",
    ],
    "login": [
        "login[9]: pam_unix(login:auth): authentication failure; tty=/dev/tty1 ruser= rhost=  user=root",
        "login[9]: FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
    ],
    "dropbear 2022, an account that it does not have": [
        f"dropbear[9]: Child connection from {SOURCE}:4000",
        "dropbear[9]: Login attempt for nonexistent user",
        f"dropbear[9]: Exit before auth from <{SOURCE}:4000>: Exited normally",
    ],
    "dropbear": [
        f"dropbear[9]: Bad password attempt for 'root' from {SOURCE}:4000",
        f"dropbear[9]: Exit before auth from <{SOURCE}:4000>: (user 'root', 1 fails): Disconnect received",
    ],
    "sshd with sssd": [
        "sshd[9]: pam_sss(sshd:auth): authentication failure; tty=ssh ruser= rhost=203.0.113.5 user=bob",
        "sshd[9]: pam_sss(sshd:auth): received for user bob: 7 (Authentication failure)",
        f"sshd[9]: Failed password for bob from {SOURCE} port 4000 ssh2",
    ],
}


def test_dropbear_tells_the_address_of_an_account_that_it_does_not_have_before() -> None:
    data = observe(
        *(
            f"Nov 23 08:29:0{second} h1 dropbear[9{second}]: {said}"
            for second in range(4)
            for said in (
                f"Child connection from 203.0.113.{second}:400{second}",
                "Login attempt for nonexistent user",
            )
        )
    ).data

    assert {one["source"]: one["failures"] for one in data["sources"]} == {
        f"203.0.113.{second}": 1 for second in range(4)
    }


@pytest.mark.parametrize("lines", TOGETHER.values(), ids=TOGETHER)
def test_what_several_lines_tell_of_one_attempt_counts_once(lines: list[str]) -> None:
    for rounds in (1, 4):
        data = observe(
            *(f"{rfc3164(NOW - 1200 + 200 * n)} h1 {line}" for n in range(rounds) for line in lines)
        ).data

        assert (data["failures"], data["possible_failures"]) == (rounds, 0)


QUIET = "Nov 23 08:29:00 h1 CRON[7]: pam_unix(cron:session): session closed for user root"
# Lines that a client or a healthy host writes: nothing that may turn a verdict.
HARMLESS = [
    "systemd-logind[7]: Failed to abandon session scope: login denied",
    "useradd[7]: failed adding user 'bob', data deleted",
    "kernel: audit: login failed",
    "CRON[7]: pam_unix(cron:session): session opened for user failed by (uid=0)",
    f"sshd[9]: Accepted publickey for failed from {SOURCE} port 4000 ssh2: RSA SHA256:x",
    "sshd[9]: error: Failed to allocate internet-domain X11 display socket.",
    "sudo: pam_unix(sudo:auth): conversation failed",
    f"acmegate[7]: session opened for user login failed from {SOURCE}",
    "acmegate[7]: served 'login failed' to \"access denied\"",
    "acmegate[7]: session of account invalid from login.failed.example.com",
    "acmegate[7]: GET /login/failed?user=denied 200",
    "acmegate[7]: disk failed, rejected block 7",
    "postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[203.0.113.5]: 550 5.1.1 <login failed@x>: Recipient address"
    " rejected: User unknown; from=<auth failed@y> to=<z>",
    f"dovecot: imap-login: Disconnected (no auth attempts in 2 secs): user=<>, rip={SOURCE}, lip=::1, TLS: read() failed",
    'nginx: 7#0: *6 open() "/auth failed" failed (2: No such file), client: 203.0.113.5, request: "GET /login failed"',
    "apache2[7]: [core:error] [client 203.0.113.5:1] AH00126: Invalid URI in request GET /login failed denied",
    "proftpd[7]: h1 (h2[203.0.113.5]): failed to open wtmp /var/log/wtmp: No such file or directory",
    'proftpd[7]: h1 (h2[203.0.113.5]): bob chdir("/home/login failed") failed: No such file or directory',
    "proftpd[7]: h1 (h2[203.0.113.5]): notice: unable to bind to [::]:21: Connection refused",
    "pure-ftpd: (?@203.0.113.5) [ERROR] Can't open /pub/auth failed: Permission denied",
    "slapd[7]: conn=1 op=1 RESULT tag=101 err=32 text=user access denied",
    "-- MARK --",
]


@pytest.mark.parametrize("said", HARMLESS)
def test_what_a_client_or_a_healthy_host_writes_turns_no_verdict(said: str) -> None:
    seen = observe(*(f"{rfc3164(NOW - 1500 + 60 * n)} h1 {said}" for n in range(12)), QUIET)

    assert (seen.data["failures"], seen.data["possible_failures"]) == (0, 0)
    for check in (failed_logins, brute_force, password_spraying, login_after_failures):
        verdict = verdict_of(check.CHECK, seen, check.Limits(), datetime.fromtimestamp(NOW, UTC))
        assert verdict.status is Status.PASS


DOUBTFUL = [
    "acmegate[7]: login rejected for bob from 203.0.113.5",
    "acmegate[7]: Login failed.",
    "acmegate[7]: event=login result=failed user=bob",
    'acmegate[7]: level=warn msg="login failed" user=bob',
    "acmegate[7]: wrong password for bob",
    "doas: failed command for bob: ls",
    "smtpd-auth[7]: authentication unsuccessful",
    "login[7]: PAM Failure, aborting: Critical error",
    "dropbear[7]: Something new failed for 'root' from 203.0.113.5:4000",
]


@pytest.mark.parametrize("said", DOUBTFUL)
def test_a_failure_in_words_that_are_not_known_does_not_pass(said: str) -> None:
    seen = observe(*(f"{rfc3164(NOW - 1500 + 60 * n)} h1 {said}" for n in range(12)))

    verdict = verdict_of(
        failed_logins.CHECK, seen, failed_logins.Limits(), datetime.fromtimestamp(NOW, UTC)
    )

    assert verdict.status is Status.UNKNOWN
    assert said.split("[")[0].split(":")[0] in verdict.message


def test_possible_failures_are_added_to_those_that_count() -> None:
    lines = [f"{rfc3164(NOW - 1500 + 60 * n)} h1 {SSHD}" for n in range(9)]
    odd = [f"{rfc3164(NOW - 900 + 60 * n)} h1 acmegate[7]: login rejected" for n in range(9)]

    assert status(observe(*lines)) is Status.PASS
    assert status(observe(*odd)) is Status.PASS
    assert status(observe(*lines, *odd)) is Status.UNKNOWN
    assert status(observe(*lines, *lines[:2], *odd * 9)) is Status.FAIL


def test_lines_with_a_time_and_without_a_program_are_not_understood() -> None:
    seen = observe(*(f"2026-11-23 08:0{n}:00 status installed man-db:amd64 2.11" for n in range(9)))

    assert seen.data["unparsed"] == 9
    assert status(seen) is Status.UNKNOWN


@pytest.mark.parametrize(
    "said",
    [
        'nginx: 203.0.113.5 - - [23/Nov/2026:08:29:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-"',
        "kernel: Out of memory: Killed process 7",
        "dnsmasq[7]: query[A] x.example from 127.0.0.1",
    ],
)
def test_a_log_of_other_programs_alone_does_not_pass(said: str) -> None:
    line = f"Nov 23 08:29:00 h1 {said}"

    assert status(observe(line, line)) is Status.UNKNOWN
    assert status(observe(line, line, QUIET)) is Status.PASS


@pytest.mark.parametrize(
    "line",
    [
        '{"log":"Failed password for root from 203.0.113.5 port 4000 ssh2","time":"2026-11-23T08:29:00Z"}',
        '{"time":"2026-11-23T08:29:00Z","msg":"login rejected for bob"}',
    ],
)
def test_an_applications_message_that_begins_with_a_failure_does_not_pass(line: str) -> None:
    known = '{"time":"2026-11-23T08:29:00Z","outcome":"success","user":"bob"}'

    assert status(observe(known, *[line] * 12)) is Status.UNKNOWN


FORGED = {
    "dropbear": "dropbear[9]: Bad password attempt for 'x' from 192.0.2.66:1' from 203.0.113.5:4000",
    "vsftpd": 'vsftpd[9]: [x] FAIL LOGIN: Client "192.0.2.66", [y] FAIL LOGIN: Client "203.0.113.5"',
    "sendmail": "sm-mta[9]: 1: AUTH failure (LOGIN): x, user=a, relay=[192.0.2.66], relay=[203.0.113.5]",
    "nginx": 'nginx: 9#0: *6 user "x": password mismatch, client: 192.0.2.66, x": password mismatch, client: 203.0.113.5, s',
    "webmin": "webmin[9]: Invalid login as x from 192.0.2.66 from 203.0.113.5",
}


@pytest.mark.parametrize("said", FORGED.values(), ids=FORGED)
def test_no_account_name_blames_another_address(said: str) -> None:
    data = observe(f"Nov 23 08:29:00 h1 {said}").data

    assert data["failures"] == 1
    assert data["sources"][0]["source"] in ("", SOURCE)


def test_a_login_of_another_program_after_failures_is_told() -> None:
    lines = [
        f"{rfc3164(NOW - 600 + n)} h1 dropbear[{n}]: Bad password attempt for 'root' from {SOURCE}:{4000 + n}"
        for n in range(6)
    ]
    success = f"{rfc3164(NOW - 60)} h1 dropbear[99]: Password auth succeeded for 'root' from {SOURCE}:5000"

    seen = observe(*lines, success)

    verdict = verdict_of(
        login_after_failures.CHECK,
        seen,
        login_after_failures.Limits(),
        datetime.fromtimestamp(NOW, UTC),
    )
    assert verdict.status is Status.FAIL


def connection(source: str, port: int, order: str) -> list[str]:
    """Return what sshd's process 7 writes of one failed attempt; order: which lines, by letter."""
    said = {
        "p": f"pam_unix(sshd:auth): authentication failure; uid=0 tty=ssh ruser= rhost={source}  user=root",
        "e": f"error: PAM: Authentication failure for root from {source}",
        "f": f"Failed password for root from {source} port {port} ssh2",
        "c": f"Connection closed by authenticating user root {source} port {port} [preauth]",
        "m": f"PAM 1 more authentication failure; uid=0 tty=ssh ruser= rhost={source}  user=root",
    }
    return [f"Nov 23 08:29:00 h1 sshd[7]: {said[letter]}" for letter in order]


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("pfc", "pfc", 2),
        ("pf", "pf", 2),
        ("ef", "ef", 2),
        ("pffcm", "pfc", 3),
        ("pc", "pfc", 2),
    ],
)
@pytest.mark.parametrize("other", [SOURCE, "203.0.113.6"], ids=["the same client", "another"])
def test_a_reused_process_number_counts_each_attempt_once(
    first: str, second: str, count: int, other: str
) -> None:
    data = observe(*connection(SOURCE, 4000, first), *connection(other, 5000, second)).data

    assert data["failures"] == count
    blamed = {item["source"]: item["failures"] for item in data["sources"]}
    if other != SOURCE:
        assert blamed == {SOURCE: count - 1, other: 1}
