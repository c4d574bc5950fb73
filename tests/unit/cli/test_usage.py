"""Wrong usage ends with 64, in our own words, and shows the help of that very command or what there is."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import command_runner
import pytest

from upkeep.cli import lazy, main, options, times
from upkeep.cli.main import cli
from upkeep.model.errors import UsageError

FOLDER = Path(main.__file__).parent
NOW = datetime(2030, 1, 1, tzinfo=UTC)
MANY = "99999999999999999999999"
Ran = Callable[[str], tuple[int, list[str]]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ran:
    """Return what runs a command line in this process; it returns the exit status and the lines of its error."""
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main.child, "adopt", lambda: None)

    def run(line: str) -> tuple[int, list[str]]:
        monkeypatch.setattr("sys.argv", ["upkeep", *shlex.split(line)])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return int(ended.value.code or 0), capsys.readouterr().err.splitlines()

    return run


@pytest.mark.parametrize(
    ("line", "said", "step"),
    [
        (f"show {MANY}", f"there is no run {MANY}", "upkeep run list  # lists them"),
        ("show 0", "there is no run 0", "upkeep run list  # lists them"),
        ("show 2147483648", "there is no run 2147483648", "upkeep run list  # lists them"),
        ("show -- -1", "there is no run -1", "upkeep run list  # lists them"),
        ("show abc", "RUN: found 'abc'; expected a number", "upkeep run list  # lists them"),
        ("show 1.5", "RUN: found '1.5'; expected a number", "upkeep run list  # lists them"),
        (f"run judge {MANY}", f"there is no run {MANY}", "upkeep run list  # lists them"),
        (f"finding show {MANY}", f"there is no finding {MANY}", "upkeep finding list --all  # lists them"),
        (f"alert show {MANY}", f"there is no alert {MANY}", "upkeep alert list --all  # lists them"),
        (f"alert ack 1 {MANY}", f"there is no alert {MANY}", "upkeep alert list --all  # lists them"),
        (f"silence end {MANY}", f"there is no silence {MANY}", "upkeep silence list  # lists them"),
        (f"review show {MANY}", f"there is no review {MANY}", "upkeep review list --all  # lists them"),
        (f"waiver approve {MANY}", f"there is no waiver {MANY}", "upkeep waiver list --all  # lists them"),
        (f"oncall end {MANY}", f"there is no override {MANY}", "upkeep oncall list  # lists them"),
        ("run list -n 0", "--count: found '0'; expected a number from 1 to 1000000", "upkeep run list --help"),
        (f"alert list -n {MANY}", f"--count: found '{MANY}'; expected a number from 1 to 1000000", "upkeep alert list --help"),
        (f"review list -n {MANY}", f"--count: found '{MANY}'; expected a number from 1 to 1000000", "upkeep review list --help"),
        ("occurrence list --days 99999999999", "--days: found '99999999999'; expected a number from 1 to 36500", "upkeep occurrence list --help"),
        ("schedule simulate foo", "YEAR: found 'foo'; expected a number from 1970 to 9000", "upkeep schedule simulate --help"),
        ("schedule simulate 9001", "YEAR: found '9001'; expected a number from 1970 to 9000", "upkeep schedule simulate --help"),
        ("schedule next --to 9999-12-31", "--to: found '9999-12-31'; expected a year from 1970 to 9000", "upkeep schedule next --help"),
        ("oncall list --at foo", "--at: found 'foo'; expected a date or a time such as '2026-12-24 18:00'", "upkeep oncall list --help"),
        ("silence add a b --reason x --until tomorrow", "--until: found 'tomorrow'; expected a date or a time such as '2026-12-24 18:00'", "upkeep silence add --help"),
        ("silence add a b --reason x --for '40000 d'", "--for: found '40000 d'; expected at most 36500 d", "upkeep silence add --help"),
        ("silence add a b --reason x --for '2 h' --severity 5", "--severity: found '5'; expected a number from 1 to 4", "upkeep silence add --help"),
        ("waiver ask a b c --severity low --reason x", "a waiver always ends; give --for or --until, such as --for '30 d'", "upkeep waiver ask --help"),
        ("waiver ask a b c --severity low --reason x --for '1 d' --until 2030-01-01", "--for and --until were both given; a waiver takes one of them", "upkeep waiver ask --help"),
        ("run", "Missing argument 'PROCEDURE'. There are: daily", "upkeep schedule list  # lists them"),
        ("check", "Missing argument 'CHECK'.", "upkeep check list  # lists them"),
        ("show", "Missing argument 'RUN'.", "upkeep run list  # lists them"),
        ("explain", "Missing argument 'HOST|CHECK'.", "upkeep explain --help"),
        ("run daily extra", "Got unexpected extra argument(s) (extra)", "upkeep run --help"),
        ("whoami --as ada", "No such option: --as", "upkeep whoami --help"),
        ("alert foo", "No such command 'foo'.", "upkeep alert --help"),
        ("schedule lst", "No such command 'lst'. Did you mean 'list'?", "upkeep schedule --help"),
        ("run list --foo", "No such option: --foo", "upkeep run list --help"),
        ("frobnicate", "No such command 'frobnicate'.", "upkeep --help"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_in_two_lines(ran: Ran, line: str, said: str, step: str) -> None:
    status, (first, second) = ran(line)

    assert status == 64
    assert first.removeprefix("upkeep: ").startswith(said)
    assert second[2:] == step


def numbers() -> Iterator[tuple[str, str]]:
    """Yield each parameter of a command that is a number, and how it is declared."""
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated":
                text = ast.unparse(node)
                if re.match(r"Annotated\[(list\[)?(int|float)\b", text):
                    yield path.stem, text


def test_every_number_has_limits() -> None:
    found = list(numbers())

    assert len(found) > 12
    for where, text in found:
        limited = re.search(r"\b(numbered|counting|number_of)\(", text)
        assert limited, f"{where}: {text}"


def every_usage() -> list[str]:
    def walk(command: Any, words: list[str]) -> Iterator[str]:
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, [*words, name])
        yield " ".join(words)

    return list(walk(command_runner.get_command(cli), []))


@pytest.mark.parametrize("words", every_usage(), ids=lambda words: words or "upkeep")
def test_a_usage_line_has_plain_words_in_capitals(words: str) -> None:
    done = command_runner.CliRunner().invoke(
        cli, [*words.split(), "--help"], prog_name="upkeep", env={"COLUMNS": "80"}
    )

    usage = done.output.splitlines()[0]
    assert usage.startswith(f"Usage: upkeep {words}".rstrip())
    own = usage.removeprefix(f"Usage: upkeep {words}".rstrip())
    assert re.fullmatch(
        r"( \[OPTIONS\])( \[?[A-Z0-9|-]+\]?(\.\.\.)?| \[[A-Z]+\.\.\.\]| \[ARGS\]\.\.\.)*", own
    )
    assert not re.search(r"<\w+( range)?>|<list\[|x>=|<=x|\{", done.output)


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("run", "Usage: upkeep run [OPTIONS] PROCEDURE"),
        ("alert ack", "Usage: upkeep alert ack [OPTIONS] ALERT..."),
        ("host accept", "Usage: upkeep host accept [OPTIONS] [HOST...]"),
        ("explain", "Usage: upkeep explain [OPTIONS] HOST|CHECK [CHECK]"),
        ("review attachment", "Usage: upkeep review attachment [OPTIONS] REVIEW SHA256"),
    ],
)
def test_the_usage_line(words: str, usage: str) -> None:
    done = command_runner.CliRunner().invoke(cli, [*words.split(), "--help"], prog_name="upkeep")

    assert done.output.splitlines()[0] == usage


def test_a_number_is_read_at_its_limits() -> None:
    read = options.number_of("--days", 1, 7)

    assert [read("1"), read(7), read(" 3 ")] == [1, 7, 3]
    for wrong in ("0", "8", "", "one", "1.0", "-1", "9" * 5_000):
        with pytest.raises(UsageError, match="expected a number from 1 to 7"):
            read(wrong)


def test_a_time_is_read_at_its_limits() -> None:
    zone = ZoneInfo("Europe/Berlin")

    assert times.time_of("1970-01-01T00:00", zone, "--at") == datetime(1969, 12, 31, 23, tzinfo=UTC)
    assert times.time_of("9000-12-31", zone, "--at").year == 9000
    for wrong in ("1969-12-31", "9001-01-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"):
        with pytest.raises(UsageError, match="expected a year from 1970 to 9000"):
            times.time_of(wrong, zone, "--at")


def test_a_duration_is_read_at_its_limits() -> None:
    assert times.later(NOW, "36500 d", "--for") - NOW == times.LONGEST
    for wrong in ("36501 d", "9" * 400 + " d", "0 d", "soon"):
        with pytest.raises(UsageError, match="--for: found"):
            times.later(NOW, wrong, "--for")


def test_each_list_of_what_there_is_is_a_command() -> None:
    for line in options.LISTS.values():
        noun, verb, *_options = line.split()[1:]
        assert verb in lazy.Commands()[noun].commands


@pytest.mark.parametrize("name", options.FILES_OF_A_SITE)
def test_a_file_of_a_site_is_no_site(ran: Ran, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "my site"
    folder.mkdir()
    (folder / name).write_text("", encoding="utf-8")

    status, (said, step) = ran(f"run daily -i 'my site/{name}'")

    assert status == 64
    assert said == (
        f"upkeep: -i: my site/{name} is a file of a site; give the site's folder: -i 'my site'"
    )
    assert step[2:] == "upkeep run --help"


def test_a_file_that_is_no_backup_is_wrong_usage(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root", encoding="utf-8")

    status, (said, step) = ran("db restore passwd")

    assert (status, step[2:]) == (64, "upkeep db restore --help")
    assert said.startswith("upkeep: passwd is not a backup: passwd.json")
    assert ran("db restore nothing")[1][0] == "upkeep: nothing: there is no such file"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--listen foo", "--listen: found 'foo'; expected ADDRESS:PORT, such as 127.0.0.1:8470"),
        ("--behind-proxy all", "--behind-proxy: found 'all'; expected an address or network, such as 10.0.0.5/32"),
        ("--tls-cert a", "--tls-cert and --tls-key are needed together"),
    ],
)  # fmt: skip
def test_serve_refuses_wrong_options(ran: Ran, given: str, said: str) -> None:
    status, (first, step) = ran(f"serve {given}")

    assert (status, first, step[2:]) == (64, f"upkeep: {said}", "upkeep serve --help")
