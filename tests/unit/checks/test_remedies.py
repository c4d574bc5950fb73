"""What is told to do next can be pasted as it stands, or is words."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from pasted import changes, placeholders, problems, told_in
from verdicts import of_canary, verdict_of

import upkeep
from ansible_collections.astral.upkeep.plugins.module_utils.host import host
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    not_seen,
)
from upkeep.judging.canaries import canary_of
from upkeep.judging.check import Check, Rule, every, load
from upkeep.judging.entries import make_limits
from upkeep.judging.judge import judge
from upkeep.model import remedies
from upkeep.model.answer import Due, Seen
from upkeep.model.verdicts import Status

CHECKS = sorted(every().items())
UPKEEP = Path(upkeep.__file__).parent
NOW = datetime.fromisoformat("2030-06-01T06:00:00+00:00")


@pytest.mark.parametrize(
    ("remedy", "number"),
    [
        ("du -x /srv | sort -n  # what grows", 0),
        ("decide: keep the backup before it, or make a new one", 0),
        ("fix what backup_fresh says first", 0),
        ("keep the backup before it", 1),
        ("zypper refresh  # refresh the lists", 1),
        ("du -x /srv  # see what grows; then upkeep show NUMBER", 1),
        ("du -x /srv", 1),
        ("see what grows: du -x  # so", 1),
        ("du -x MOUNT_POINT  # what grows", 1),
        ("du -x <folder>  # what grows", 2),
        ("du -x '/srv  # what grows", 1),
    ],
)
def test_the_test_itself_sees_what_cannot_be_pasted(remedy: str, number: int) -> None:
    assert len(problems(remedy)) == number, problems(remedy)


def test_each_next_step_of_the_checks_can_be_pasted() -> None:
    """All that stands in their files, whatever must be wrong for it to be told."""
    told = {
        f"{file.name}:{line}: {text}": problems(remedies.about(text, "/srv/x"))
        for file in (*sorted((UPKEEP / "checks").rglob("*.py")), UPKEEP / "judging/log_verdicts.py")
        for line, text in told_in(file)
    }

    assert len(told) > 150
    assert {text: wrong for text, wrong in told.items() if wrong} == {}


def test_no_next_step_of_the_program_has_a_word_that_stands_for_another() -> None:
    told = [
        f"{file.relative_to(UPKEEP)}:{line}: {text}"
        for file in sorted(UPKEEP.rglob("*.py"))
        for line, text in told_in(file)
        if placeholders(text.replace(remedies.SUBJECT, "x")) and not text.startswith("x")
    ]

    assert told == []


@pytest.mark.parametrize(
    ("remedy", "changed"),
    [
        ("du -x /srv | sort  # see", False),
        ("ip route replace blackhole 192.0.2.7  # decide: block it", True),
        ("apt-get -s dist-upgrade | grep -i security  # see them", False),
        ("apt-get update  # refresh them", True),
        ("logrotate --debug /etc/logrotate.conf  # see", False),
        ("nginx -t && nginx -s reload  # load it", True),
        ("decide: do it", False),
    ],
)
def test_what_changes_something_is_told_from_what_looks(remedy: str, changed: bool) -> None:
    assert changes(remedy) is changed


@pytest.mark.parametrize(
    ("remedy", "host", "placed"),
    [
        ("du -x /srv  # see", "web1", "du -x /srv  # on the host: see"),
        ("less x  # see", "register/people", "less x  # on the host that looks at it: see"),
        ("upkeep doctor  # see why", "web1", "upkeep doctor  # on the controller: see why"),
        ("/opt/bin/upkeep run list  # see", "", "/opt/bin/upkeep run list  # on the controller: see"),
        ("lsof +L1 | wc  # see", "web1", "lsof +L1 | wc  # on the host: see; if lsof is missing: apt-get install lsof"),
        ("runuser -u x -- psql  # see", "w", "runuser -u x -- psql  # on the host: see; if psql is missing: apt-get install postgresql-client"),
        ("decide: block it", "web1", "decide: block it"),
    ],
)  # fmt: skip
def test_words_say_where_a_command_is_run_and_what_has_its_programs(
    remedy: str, host: str, placed: str
) -> None:
    assert remedies.placed(remedy, host) == placed
    assert remedies.placed(placed, host) == placed


@pytest.mark.parametrize(
    ("line", "programs"),
    [
        ("cd /srv && sha256sum --check x", ["cd", "sha256sum"]),
        ("ss -ltnp 'sport = :80 | x'; a", ["ss", "a"]),
        ("openssl s_client </dev/null 2>/dev/null | openssl x509", ["openssl", "openssl"]),
        ("runuser -u postgres -- psql -c 'select 1'", ["runuser", "psql"]),
        ("no 'end", []),
        ("", []),
    ],
)
def test_programs_of_a_line(line: str, programs: list[str]) -> None:
    assert remedies.programs_of(line) == programs


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _check in CHECKS])
@pytest.mark.parametrize("subject", ["/", "/srv/a b", "https://shop.example.org/x?a=1&b=2"])
def test_each_checks_first_step_can_be_pasted(name: str, check: Rule, subject: str) -> None:
    assert problems(remedies.about(check.remedy, subject)) == []


JUDGED = sorted(load().items())


@pytest.mark.parametrize(("name", "check"), JUDGED, ids=[name for name, _check in JUDGED])
def test_what_is_told_of_a_canary_can_be_pasted(name: str, check: Check) -> None:
    canary = canary_of(check)
    assert canary is not None
    seen = canary.observation
    verdict = of_canary(check, canary)

    assert verdict is not None
    assert problems(remedies.about(verdict.remedy or check.remedy, seen.subject)) == []


NAMED = {
    "backup_manifest": "cd /",
    "brute_force": "ip route replace blackhole ",
    "external_service": "nc -vz -w 5 ",
    "failed_units": "systemctl status --no-pager ",
    "password_spraying": "grep -aiE ",
    "disk_space": "du -xh --max-depth=3 /",
    "http_health": "curl -isS http",
}


@pytest.mark.parametrize(("name", "begins"), NAMED.items())
def test_what_is_known_stands_in_the_command(name: str, begins: str) -> None:
    check = load()[name]
    canary = canary_of(check)
    assert canary is not None
    seen = canary.observation
    verdict = verdict_of(check, seen, make_limits(check, canary.limits), NOW)

    assert verdict is not None
    command = remedies.command_of(remedies.about(verdict.remedy or check.remedy, seen.subject))
    assert command.startswith(begins)
    assert len(command) > len(begins)


@pytest.mark.parametrize(
    "subject",
    ["", "-rf", "a\nb", "a\x1b[2J", "x" * 201, "\u202eevil", "https://a/?token=*"],
)
def test_what_is_nothing_to_paste_leaves_the_words(subject: str) -> None:
    assert remedies.about("du {subject}  # what grows", subject) == "what grows"


@pytest.mark.parametrize(
    "subject", ["$(reboot)", "`reboot`", "a; reboot", "a'b", "{subject}", "*", "~", "#"]
)
def test_a_subject_is_one_word_of_the_shell(subject: str) -> None:
    command = remedies.about("printf %s {subject}  # what", subject)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == subject


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("192.0.2.7", "ip route replace blackhole 192.0.2.7"),
        ("2001:db8::1", "ip route replace blackhole 2001:db8::1"),
        ("192.0.2.7; reboot", ""),
        ("evil.example.org", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_only_an_address_is_blocked(source: object, command: str) -> None:
    if source == 7:  # ipaddress would take a number for an address
        source = "7"
    assert remedies.command_of(remedies.block(source)) == command


@pytest.mark.parametrize(
    ("cannot", "command"),
    [
        (["denied", "/var/log/auth.log"], "namei -l /var/log/auth.log"),
        (["missing", "/srv/a b"], "ls -ld '/srv/a b'"),
        (["no program", "openssl"], "command -v openssl"),
        (["no name", "db.example.org"], "getent ahosts db.example.org"),
        (["broken", "/srv"], "dmesg -T --level=emerg,alert,crit,err | tail -n 20"),
        (["gone", "/srv"], "findmnt -T /srv"),
        (["refused", "127.0.0.1:5432"], "ss -ltnp 'sport = :5432'"),
        (["refused", "localhost:5432"], "ss -ltnp 'sport = :5432'"),
        (["no answer", "db.example.org:5432"], "nc -vz -w 5 db.example.org 5432"),
        (["refused", "/run/postgresql/.s.PGSQL.5432"], "ss -xl src /run/postgresql/.s.PGSQL.5432"),
        (["refused", "no port"], ""),
        (["denied", "/a\nreboot"], ""),
        (["another", "/a"], ""),
        (["denied"], ""),
        ("denied", ""),
        (None, ""),
        ([["denied"], "/a"], ""),
    ],
)
def test_what_could_not_be_seen_has_its_own_step(cannot: object, command: str) -> None:
    step = remedies.step(cannot)
    assert remedies.command_of(step) == command
    assert not step or problems(step) == []


def test_the_hosts_words_are_those_that_steps_are_known_for() -> None:
    words = {host.NO_PROGRAM, host.NO_NAME, host.NO_ANSWER, *host.WHY.values()}
    assert words == {*remedies.STEPS, remedies.REFUSED, remedies.NO_ANSWER}


@pytest.mark.parametrize(
    ("look", "why", "at"),
    [
        (lambda one: one.read("/nowhere/at all"), "missing", "/nowhere/at all"),
        (lambda one: one.read("/etc/passwd/x"), "missing", "/etc/passwd/x"),
        (lambda one: one.run(["no-such-program"]), "no program", "no-such-program"),
        (lambda one: one.connect("127.0.0.1", 1), "refused", "127.0.0.1:1"),
        (lambda one: one.resolve("no-such-name.invalid"), "no name", "no-such-name.invalid"),
    ],
    ids=["a file", "below a file", "a program", "a port", "a name"],
)
def test_a_real_trouble_says_why_and_of_what(look: object, why: str, at: str) -> None:
    with pytest.raises(HostError) as caught:
        look(Host())  # type: ignore[operator]
    assert (caught.value.why, caught.value.at) == (why, at)


def test_an_unknown_is_told_with_the_step_of_what_could_not_be_seen() -> None:
    seen = not_seen(
        "/var/log/x", HostError("/var/log/x: permission denied", "denied", "/var/log/x")
    )
    (result,) = judge(
        "web1",
        [Due("disk_space", 0, {})],
        [Seen(0, seen, "")],
        {},
        load(),
        NOW,
    )

    assert result.status is Status.UNKNOWN
    assert result.message == "/var/log/x: permission denied"
    assert result.remedy.startswith("namei -l /var/log/x  # ")
