"""More files than can be looked at are never left out without a word."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from recorded_host import RecordedHost
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins import auth_log
from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import access_log
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.log import window
from upkeep.checks.logins import failed_logins
from upkeep.checks.web import site_errors
from upkeep.model import remedies
from upkeep.model.verdicts import Severity, Status


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four logs, of which three are read."""
    monkeypatch.setattr(window, "LOGS_LIMIT", 3)
    for name in "abcd":
        (tmp_path / f"{name}.log").write_text("")
    return tmp_path


def test_a_list_that_is_cut_is_an_error(folder: Path) -> None:
    with pytest.raises(HostError, match="more than 3 files have such a name"):
        Host().glob(f"{folder}/*.log", 3)
    assert len(Host().glob(f"{folder}/*.log", 4)) == 4


@pytest.mark.parametrize(
    ("pattern", "names", "problem"),
    [
        ("*.log", "abc", "4 logs have such a name, at most 3 are read"),
        ("[abc].log", "abc", ""),
        ("a.log", "a", ""),
        ("x.log", "x", ""),
        ("x*", "", "no log has this name"),
    ],
)
def test_the_logs_of_a_pattern(folder: Path, pattern: str, names: str, problem: str) -> None:
    found, said = window.logs_of(f"{folder}/{pattern}", Host())

    assert found == [f"{folder}/{name}.log" for name in names]
    assert said.endswith(problem)
    assert bool(said) == bool(problem)


@pytest.mark.parametrize("gather", [access_log, auth_log])
def test_the_pattern_itself_is_unknown_where_not_all_are_read(folder: Path, gather: object) -> None:
    pattern = f"{folder}/*.log"
    params = {
        name: spec.get("default")
        for name, spec in gather.ARGUMENTS.items()  # type: ignore[attr-defined]
    }

    seen = gather.gather(params | {"paths": [pattern]}, Host())  # type: ignore[attr-defined]

    assert {one.subject for one in seen} == {pattern, *(f"{folder}/{n}.log" for n in "abc")}
    assert [one.error for one in seen if one.subject == pattern] == [
        "4 logs have such a name, at most 3 are read"
    ]


LINE = '198.51.100.7 - - [23/Nov/2026:08:{}:00 +0000] "GET /{} HTTP/1.1" {} 5 "-" "x"\n'
NOW = calendar.timegm((2026, 11, 23, 8, 32, 0))
FLOOD = LINE.format(29, "x" * 900, 200) * 4_000


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (LINE.format(28, "a", 500) * 150 + FLOOD, (Status.FAIL, Severity.CRITICAL)),
        (FLOOD + LINE.format(30, "a", 500) * 30, (Status.FAIL, Severity.MEDIUM)),
        (FLOOD, (Status.FAIL, Severity.MEDIUM)),
    ],
    ids=["errors before the flood", "after it", "none"],
)
def test_who_makes_a_log_too_long_to_read_blinds_neither_it_nor_the_others(
    text: str, verdict: tuple[Status, Severity]
) -> None:
    quiet = LINE.format(30, "b", 200) * 2_000
    host = RecordedHost({"/flooded.log": text, "/quiet.log": quiet}, clock=NOW)
    host.seconds_a_look = 3.0  # each quarter of a megabyte takes so long
    defaults = {name: spec.get("default") for name, spec in access_log.ARGUMENTS.items()}

    flooded, other = access_log.gather(
        defaults | {"paths": ["/flooded.log", "/quiet.log"], "window_seconds": 300}, host
    )

    now = datetime.fromtimestamp(NOW, UTC)
    found = verdict_of(site_errors.CHECK, flooded, site_errors.Limits(), now)
    assert found is not None
    assert (found.status, found.severity) == verdict
    found = verdict_of(site_errors.CHECK, other, site_errors.Limits(), now)
    assert found is not None
    assert (found.status, other.data["requests"]) == (Status.PASS, 2_000)


def test_failed_logins_before_a_flood_are_counted_though_it_cannot_be_read() -> None:
    line = "Nov 23 08:{}:00 h sshd[{}]: {} from 198.51.100.7 port 22 ssh2\n"
    failed = "".join(line.format(10, one, "Failed password for root") for one in range(40))
    flood = line.format(20, 7, "Failed none for invalid user " + "x" * 200) * 20_000
    host = RecordedHost({"/a.log": failed + flood}, clock=NOW)
    host.seconds_a_look = 3.0
    defaults = {name: spec.get("default") for name, spec in auth_log.ARGUMENTS.items()}

    (seen,) = auth_log.gather(defaults | {"paths": ["/a.log"]}, host)

    assert seen.error == ""
    found = verdict_of(
        failed_logins.CHECK, seen, failed_logins.Limits(), datetime.fromtimestamp(NOW, UTC)
    )
    assert found is not None
    assert found.severity is not None
    assert found.severity.rank <= Severity.HIGH.rank


@pytest.mark.parametrize("gather", [access_log, auth_log], ids=["access", "auth"])
@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("no/such.log", "ls -ld {}/no/such.log"),
        ("*.none", "ls -ld {}"),
        ("no/*/x.log", "ls -ld {}/no"),
    ],
    ids=["path", "pattern", "pattern in the middle"],
)
def test_a_log_that_is_not_there_has_its_own_step(
    tmp_path: Path, gather: ModuleType, name: str, begins: str
) -> None:
    params = {one: spec["default"] for one, spec in gather.ARGUMENTS.items()}
    (seen,) = gather.gather({**params, "paths": [f"{tmp_path}/{name}"]}, Host())
    assert seen.error
    assert remedies.step(seen.data["cannot"]).startswith(begins.format(tmp_path) + remedies.COMMENT)
