"""tools/phrases.py: phrases that must not come back."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("phrases", ROOT / "tools" / "phrases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_phrase_is_named_with_its_line_and_what_to_write(tool: ModuleType) -> None:
    known = tool.phrases("# a comment\n\\bof late\\b => recently\n\\bmends?\\b => fix\n")

    assert list(tool.hits("It mends\nwhat was of Late open", known)) == [
        (1, "mends", "fix"),
        (2, "of Late", "recently"),
    ]


@pytest.mark.parametrize(
    "text",
    ['"all of "\n    "late"', '"all of "\n    f"late {this}"', "# all of\n# late", "all of\nlate"],
    ids=["literal", "f-string", "comment", "text"],
)
def test_a_phrase_is_found_across_a_line_break(tool: ModuleType, text: str) -> None:
    known = tool.phrases("\\bof late\\b => recently\n")

    assert [(line, instead) for line, _, instead in tool.hits(text, known)] == [(1, "recently")]


@pytest.mark.parametrize("line", ["no replacement", "( => open bracket", "word => "])
def test_a_wrong_line_of_the_list_is_named(tool: ModuleType, line: str) -> None:
    with pytest.raises(ValueError, match=r"phrases\.txt:2: "):
        tool.phrases(f"# first\n{line}\n")


def test_each_folder_that_is_left_out_exists(tool: ModuleType) -> None:
    assert [name for name in tool.NOT_READ if not (ROOT / name).exists()] == []


def test_the_command_exits_with_1_for_a_phrase(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "page.md").write_text("What is open of late\n", encoding="utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["phrases.py", str(tmp_path / "page.md")])

    assert tool.main() == 1
    assert capsys.readouterr().out == "page.md:1: 'of late': write recently\n"
