"""`upkeep schedule coverage`, and what `upkeep schedule lint` says of requirements."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from called import called

from upkeep.cli.schedule import lint_schedule, show_coverage
from upkeep.model.errors import ConfigurationError
from upkeep.rules.coverage import coverage
from upkeep.site.site import load_site
from upkeep.view.coverage import print_coverage
from upkeep.view.json import schema
from upkeep.view.screen import Screen

PROCEDURES = """\
procedures:
  daily:
    title: Daily
    rule: daily 03:00
    owner: ops
    covers: [D1, D2]
    checks: [disk_space]
    reviews: [{id: look, title: Look, covers: [R1]}]
people: {ann: {name: Ann, channels: [mail]}}
teams: {ops: {title: Operations, members: [ann], channels: [mail]}}
channels: {mail: {url_from: UPKEEP_CHANNEL_MAIL}}
alerts: {team: ops}
requirements:
"""
ROWS = """\
  D1: {title: Disks, heading: Daily}
  D2: {title: Memory, lacks: [a check of the memory]}
  R1: {title: A look}
"""
LINE = PROCEDURES.count("\n") + ROWS.count("\n") + 1
"""Where a fourth row stands."""


def folder(path: Path, rows: str, procedures: str = PROCEDURES) -> Path:
    (path / "inventory").mkdir(parents=True)
    (path / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}}}\n")
    (path / "schedule.yml").write_text(procedures + rows)
    return path


def remarks(capsys: pytest.CaptureFixture[str], site: Path) -> list[tuple[str, str, str, str]]:
    called(lint_schedule, str(site), as_json=True)
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("schedule_lint"))
    return [
        (one["place"].rpartition(":")[2], one["level"], one["about"], one["text"])
        for one in document["remarks"]
    ]


def test_the_document_has_each_row_and_how_many_are_covered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = folder(tmp_path, ROWS + "  X1: {title: Nothing yet, lacks: [all of it]}\n")

    assert called(show_coverage, str(site), as_json=True) == 0

    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("schedule_coverage"))
    assert (document["covered"], document["partly"], document["not_covered"]) == (2, 1, 1)
    assert [(one["id"], one["state"]) for one in document["requirements"]] == [
        ("D1", "covered"),
        ("D2", "partly"),
        ("R1", "covered"),
        ("X1", "not_covered"),
    ]
    assert document["requirements"][2]["by"] == [
        {"kind": "review", "name": "daily look", "title": "Look"}
    ]


def test_in_a_pipe_each_row_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(show_coverage, str(folder(tmp_path, ROWS))) == 0

    assert capsys.readouterr().out.splitlines() == [
        "covered\tD1\tDisks\tprocedure daily",
        "partly\tD2\tMemory\tprocedure daily\ta check of the memory",
        "covered\tR1\tA look\treview daily look",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_what_is_not_covered_comes_first_and_nothing_is_too_wide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "word " * 30
    rows = f'  X1: {{title: "{long}", lacks: ["{long}"]}}\n'
    out = Terminal()

    site = load_site(str(folder(tmp_path, ROWS + rows)))
    print_coverage(Screen(out, {"TERM": "xterm", "NO_COLOR": "1"}), coverage(site.schedule), "s")

    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in out.getvalue().splitlines()]
    assert lines[0] == "2 of 4 requirements covered, 1 partly, 1 not yet."
    assert [line for line in lines if line[:1] in "✓▲✗" and line] == [
        "✗ X1  " + ("word " * 15).rstrip(),
        "▲ D2  Memory  by procedure daily",
        "✓ D1  Disks  by procedure daily",
        "✓ R1  A look  by review daily look",
    ]
    assert "      missing: a check of the memory" in lines
    assert max(map(len, lines)) <= 80


def test_a_site_without_requirements_says_where_to_list_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = folder(tmp_path, "", PROCEDURES.replace("requirements:\n", ""))

    assert called(show_coverage, str(site)) == 0
    assert "The schedule has no requirements" in capsys.readouterr().err
    assert remarks(capsys, site) == []


def test_what_is_right_is_no_remark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = (
        "  K1: {title: More, covered_by: [{check: disk_space}, {command: upkeep run daily -i SITE},"
    )
    row += " {command: upkeep check disk_space}, {command: upkeep schedule list}, {command: upkeep runs}, {page: /completion}, {setting: alerts.team}]}\n"

    assert remarks(capsys, folder(tmp_path, ROWS + row)) == []


@pytest.mark.parametrize(
    ("row", "level", "about", "text"),
    [
        ("K1: {title: More}", "warn", "requirement K1", "nothing covers it, and it does not say what is missing"),
        ("K1: {title: Disks, heading: Daily, lacks: [x]}", "warn", "requirement K1", "has the same title as D1: Disks"),
        ("K1: {title: More, covered_by: [{command: upkeep run dayly}]}", "error", "requirement K1", "there is no procedure 'dayly'; did you mean 'daily'?"),
        ("K1: {title: More, covered_by: [{command: upkeep check disk_spac}]}", "error", "requirement K1", "there is no check 'disk_spac'; did you mean 'disk_space'?"),
        ("K1: {title: More, covered_by: [{command: upkeep docter}]}", "error", "requirement K1", "there is no command 'upkeep docter'; did you mean 'doctor'?"),
        ("K1: {title: More, covered_by: [{command: upkeep schedule lits}]}", "error", "requirement K1", "there is no command 'upkeep schedule lits'; did you mean 'list'?"),
        ("K1: {title: More, covered_by: [{page: /completions}]}", "error", "requirement K1", "there is no page '/completions'; did you mean '/completion'?"),
        ("K1: {title: More, covered_by: [{check: swap_used}]}", "warn", "requirement K1", "is covered by the check swap_used, for which no procedure with a `rule` asks"),
        ("K1: {title: More, covered_by: [{page: /runs}, {page: /runs}]}", "warn", "requirement K1", "is covered by page /runs twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, level: str, about: str, text: str
) -> None:
    found = remarks(capsys, folder(tmp_path, ROWS + f"  {row}\n"))

    assert found == [(str(LINE), level, about, text)]


@pytest.mark.parametrize(
    ("old", "new", "level", "about", "text"),
    [
        ("covers: [D1, D2]", "covers: [D1, D2, D11]", "error", "procedure daily", "covers 'D11', which is not in `requirements`; did you mean 'D1'?"),
        ("covers: [D1, D2]", "covers: [D1, D2, D1]", "warn", "procedure daily", "covers D1 twice"),
        ("covers: [R1]", "covers: [R1, R2]", "error", "review daily look", "covers 'R2', which is not in `requirements`; did you mean 'R1'?"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_requirement_is_told_where_it_is_covered(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    level: str,
    about: str,
    text: str,
) -> None:
    line = 6 if old.endswith("D2]") else 8

    found = remarks(capsys, folder(tmp_path, ROWS, PROCEDURES.replace(old, new)))

    assert found == [(str(line), level, about, text)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("D1: {title: Again}", f"schedule.yml:{LINE}: the key 'D1' is on line {LINE - 3} already; remove one of the two"),
        ("K1: {title: More, covered_by: [{setting: alerts.tema}]}", "K1.covered_by.0.setting: this file says nothing at 'alerts.tema': there is no 'tema'; did you mean 'team'?"),
        ("K1: {title: More, covered_by: [{setting: alerts.policy}]}", "K1.covered_by.0.setting: this file says nothing at 'alerts.policy': there is no 'policy'"),
        ("K1: {title: More, covered_by: [{check: disk_spac}]}", "K1.covered_by.0.check: found 'disk_spac'; expected the id of a check; did you mean 'disk_space'?"),
        ("K1: {title: More, covered_by: [{check: disk_space, page: /runs}]}", "expected one of check, command, page and setting"),
        ("K1: {title: More, covered_by: [{}]}", "expected one of check, command, page and setting"),
        ("K1: {titel: More}", "K1.titel: there is no key 'titel'; did you mean 'title'?"),
        ("K 1: {title: More}", "id 'K 1': found 'K 1'; expected no blank and no comma"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_when_the_site_is_loaded(
    tmp_path: Path, row: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_site(str(folder(tmp_path, ROWS + f"  {row}\n")))

    assert expected in str(caught.value)
    assert f"schedule.yml:{LINE}: " in str(caught.value)


@pytest.mark.parametrize("id_", ["164.308(a)(1)(ii)(A)", "CC6.1", "A.8.2", "§3", "1"])
def test_the_ids_of_other_documents_can_be_rows(tmp_path: Path, id_: str) -> None:
    site = load_site(str(folder(tmp_path, ROWS + f'  "{id_}": {{title: More, lacks: [all]}}\n')))

    assert id_ in site.schedule.requirements
