"""A site's own checks: read as the program's are, refused with file, line and what was expected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import own_check
import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging import check
from upkeep.judging.judge import judge
from upkeep.model.answer import Due, Seen
from upkeep.model.errors import ConfigurationError
from upkeep.model.verdicts import Status
from upkeep.site.own_checks import own_checks, use_own_checks
from upkeep.site.site import load_site

NOW = datetime(2030, 6, 1, tzinfo=UTC)
GOOD = own_check.sample()
LINES = GOOD.count("\n")


@pytest.fixture(autouse=True)
def _own_of_no_site() -> Iterator[None]:
    yield
    use_own_checks(None)


def write(site: Path, text: str, name: str = "unwanted_file_system.py") -> Path:
    """Return the file."""
    folder = site / "checks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_it_is_known_and_judges_as_one_of_the_programs(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    use_own_checks(tmp_path)
    found = check.load()["unwanted_file_system"]

    assert found.description == "No file system is of a kind that the site does not want."
    due = [Due("unwanted_file_system", 0, {"unwanted": ["vfat", "tmpfs"]})]
    seen = [
        Seen(0, Observation(path, {"type": kind}))
        for path, kind in (("/", "ext4"), ("/tmp", "tmpfs"))
    ]
    results = judge("web1", due, seen, {}, check.load(), NOW)

    assert [(one.subject, one.status) for one in results] == [
        ("/", Status.PASS),
        ("/tmp", Status.FAIL),
    ]
    assert results[1].remedy == "decide: mount another one"


def test_those_of_another_site_are_forgotten(tmp_path: Path) -> None:
    write(tmp_path / "a", GOOD)
    (tmp_path / "b").mkdir()
    use_own_checks(tmp_path / "a")
    before = set(check.load())
    use_own_checks(tmp_path / "b")

    assert before - set(check.load()) == {"unwanted_file_system"}
    assert check.load().keys() == check.own_of_program().keys() - {
        name for name, one in check.own_of_program().items() if not isinstance(one, check.Check)
    }


def test_what_helps_is_no_check_and_what_python_compiled_before_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    write(tmp_path, "1 / 0\n", "_notes.py")
    compiled = path.parent / "__pycache__"
    compiled.mkdir()
    (compiled / "unwanted_file_system.cpython-313.pyc").write_bytes(b"planted")

    assert list(own_checks(path.parent)) == ["unwanted_file_system"]
    assert [one.name for one in compiled.iterdir()] == ["unwanted_file_system.cpython-313.pyc"]


WRONG = {
    "syntax": ("def judge(:\n", "x.py:1: invalid syntax"),
    "raises": (GOOD + "\n\n1 / 0\n", f"x.py:{LINES + 3}: ZeroDivisionError: division by zero"),
    "exits": ('"""Text."""\nraise SystemExit(0)\n', "x.py:2: SystemExit: 0"),
    "no check": ('"""Text."""\n', "x.py: CHECK: found none; expected CHECK = Check(…)"),
    "another thing": (
        '"""Text."""\nCHECK = 7\n',
        "x.py: CHECK: found a int; expected CHECK = Check(…)",
    ),
    "one of Upkeep's own": (
        '"""Text."""\nfrom upkeep.judging.check import SelfCheck\nCHECK = SelfCheck(title="", trouble="", source="", remedy="")\n',
        "x.py: CHECK: found a SelfCheck; expected CHECK = Check(…)",
    ),
    "no docstring": (
        GOOD.partition("\n")[2],
        "x.py: no docstring; it says what the check looks for",
    ),
    "no such gather": (
        GOOD.replace('"file_systems"', '"file_system"', 1),
        "x.py: gather: there is no gather 'file_system'; did you mean 'file_systems'?",
    ),
    "the connection": (
        GOOD.replace('"file_systems"', '"connection"', 1),
        "x.py: gather: there is no gather 'connection'",
    ),
    "limits are a class": (
        GOOD.replace("Limits()", "Limits"),
        "x.py: limits: found type; expected a dataclass",
    ),
    "limits are a mapping": (
        GOOD.replace("Limits()", "{}"),
        "x.py: limits: found dict; expected a dataclass",
    ),
    "a limit with a parameter's name": (
        GOOD.replace("unwanted:", "ignore:").replace("limits.unwanted", "limits.ignore"),
        "x.py: limits: the gather file_systems has a parameter 'ignore'; expected another name",
    ),
    "a title that is no text": (
        GOOD.replace('title="No file system of an unwanted kind"', "title=3"),
        "x.py: title: found 3; expected one line of text",
    ),
    "no trouble": (
        GOOD.replace('trouble="Unwanted file system"', 'trouble=" "'),
        "x.py: trouble: found ' '; expected one line of text",
    ),
    "a remedy of two lines": (
        GOOD.replace('remedy="decide: mount another one"', 'remedy="a\\n\\x1b[31m"'),
        "x.py: remedy: found 'a\\n\\x1b[31m'; expected one line of text",
    ),
    "no remedy": (
        GOOD.replace('remedy="decide: mount another one"', "remedy=None"),
        "x.py: remedy: found None; expected one line of text",
    ),
    "a list of gathers": (
        GOOD.replace('gather="file_systems"', 'gather=["file_systems"]'),
        "x.py: gather: found ['file_systems']; expected one line of text",
    ),
    "an absence that is none": (
        GOOD.replace('absence={"file systems": gone()}', "absence=7"),
        "x.py: absence: found 7; expected a mapping of sets",
    ),
    "an absence of words": (
        GOOD.replace('{"file systems": gone()}', '{"file systems": "gone"}'),
        "x.py: absence: found {'file systems': 'gone'}; expected a mapping of sets",
    ),
    "no judge": (GOOD.replace("judge=judge", "judge=None"), "x.py: judge: found no function"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_check_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text, "x.py")

    with pytest.raises(ConfigurationError) as found:
        own_checks(path.parent)
    assert str(found.value).startswith(str(path.parent / said))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Unwanted.py", "its name is the check's id; expected small letters, digits and _"),
        ("no-hyphens.py", "its name is the check's id; expected small letters, digits and _"),
        ("disk_space.py", "Upkeep has a check disk_space; give it another name"),
        ("hosts.py", "hosts is a family of checks; give it another name"),
        ("site.py", "site is a family of checks; give it another name"),
        ("blind.py", "Upkeep has a check blind; give it another name"),
    ],
)
def test_a_name_that_cannot_be_an_id_is_refused(tmp_path: Path, name: str, said: str) -> None:
    path = write(tmp_path, GOOD, name)

    with pytest.raises(ConfigurationError) as found:
        own_checks(path.parent)
    assert str(found.value) == f"{path}: {said}"


def test_each_wrong_file_is_told_and_none_is_used(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "1 / 0\n", "a.py")
    write(tmp_path, "CHECK = 7\n", "b.py")
    write(tmp_path / "checks" / "deeper", "", "_notes.py")
    (tmp_path / "checks" / "deeper" / "unwanted_file_system.py").write_text(GOOD)

    with pytest.raises(ConfigurationError) as found:
        use_own_checks(tmp_path)
    assert [line.rpartition("/")[2] for line in str(found.value).splitlines()] == [
        "a.py:1: ZeroDivisionError: division by zero",
        "b.py: CHECK: found a int; expected CHECK = Check(…)",
        "unwanted_file_system.py: there is another file of this name in the folder",
    ]
    assert "unwanted_file_system" not in check.load()


def test_a_file_that_others_can_write_is_not_run(tmp_path: Path) -> None:
    path = write(tmp_path, f"open({str(tmp_path / 'run')!r}, 'w')\n")
    path.chmod(0o666)

    with pytest.raises(ConfigurationError, match=r"unwanted_file_system\.py"):
        use_own_checks(tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_site_asks_for_its_own_check(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    entry = "{check: unwanted_file_system, unwantd: [vfat]}"
    (tmp_path / "inventory" / "hosts.yml").write_text(
        f"all:\n  hosts: {{web1: }}\n  vars:\n    upkeep_checks_own:\n      - {entry}\n"
    )
    write(tmp_path, GOOD)

    with pytest.raises(ConfigurationError, match="did you mean 'unwanted'"):
        load_site(str(tmp_path))


RETURNED = {
    "a text": ("'bad'", "TypeError: judge returned str; expected a verdict"),
    "True": ("True", "TypeError: judge returned bool; expected a verdict"),
    "a severity that is a word": (
        "failed('high', 'x')",
        "TypeError: judge returned a verdict with str for its severity",
    ),
    "a number for a message": (
        "passed(3)",
        "TypeError: judge returned a verdict with int for its message",
    ),
    "a list of measures": (
        "dataclasses.replace(passed('x'), measures=[1])",
        "TypeError: judge returned a verdict with list for its measures",
    ),
    "no remedy": (
        "dataclasses.replace(failed(Severity.LOW, 'x'), remedy=None)",
        "TypeError: judge returned a verdict with NoneType for its remedy",
    ),
    "an exit": ("exit(5)", "SystemExit: 5"),
}


@pytest.mark.parametrize(("returned", "said"), RETURNED.values(), ids=RETURNED)
def test_a_judge_that_returns_no_verdict_is_unknown_and_takes_no_other_with_it(
    tmp_path: Path, returned: str, said: str
) -> None:
    text = GOOD.replace("    kind = seen", f"    return {returned}\n    kind = seen")
    write(
        tmp_path,
        text.replace(
            "from dataclasses import dataclass",
            "import dataclasses\nfrom dataclasses import dataclass",
        ),
    )
    use_own_checks(tmp_path)
    due = [Due("unwanted_file_system", 0, {}), Due("disk_inodes", 0, {})]
    seen = [Seen(0, Observation("/", {"type": "ext4"}))]
    first, other = judge("web1", due, seen, {}, check.load(), NOW)

    assert (first.status, first.message) == (Status.UNKNOWN, f"could not be judged: {said}")
    assert other.check == "disk_inodes"


def kind(**values: str) -> str:
    """Return a check's file with these fields of CHECK besides, each as it is written."""
    said = "".join(f"    {name}={value},\n" for name, value in values.items())
    return GOOD.replace("    limits=Limits(),\n", f"    limits=Limits(),\n{said}").replace(
        "from upkeep.judging.check import", "from upkeep.judging.check import History,"
    )


KINDS = {
    "of_site": (kind(of_site="'yes'"), "x.py: of_site: found 'yes'; expected True or False"),
    "absence of the site": (
        kind(of_site="True"),
        "x.py: absence: found {'file systems': Absence(",
    ),
    "days of text": (
        kind(history="History(days='x')"),
        "x.py: history: found History(days='x', at_most=60); expected History(days=…, at_most=…) with 1",
    ),
    "no days": (
        kind(history="History(days=0)"),
        "x.py: history: found History(days=0, at_most=60)",
    ),
    "nan": (kind(history="History(days=float('nan'))"), "x.py: history: found History(days=nan"),
    "endless": (
        kind(history="History(days=1e9)"),
        "x.py: history: found History(days=1000000000.0",
    ),
    "no looks": (kind(history="History(days=9, at_most=0)"), "x.py: history: found History(days=9"),
    "no history": (kind(history="9"), "x.py: history: found 9; expected History("),
    "a judge without it": (
        kind(history="History(days=9)"),
        "x.py: judge: too many positional arguments; it is given 4 arguments",
    ),
    "a judge of two": (
        GOOD.replace("def judge(seen, limits, now)", "def judge(seen, limits)"),
        "x.py: judge: too many positional arguments; it is given 3 arguments",
    ),
    "a shape that is none": (kind(shape="Check"), "x.py: shape: Check has no VERSION; expected"),
    "a shape that is no class": (kind(shape="7"), "x.py: shape: found 7; expected a dataclass"),
}


@pytest.mark.parametrize(("text", "said"), KINDS.values(), ids=KINDS)
def test_what_the_judge_cannot_be_given_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text, "x.py")

    with pytest.raises(ConfigurationError) as found:
        own_checks(path.parent)
    assert str(found.value).startswith(str(path.parent / said))


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "", "{}", '{"data": {}}', '{"origin": "x", "observation": {"subject": "a"}}'],
)
def test_a_canary_that_cannot_be_read_is_told_with_its_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, GOOD)
    canary = path.with_suffix(".canary.json")
    canary.write_text(text)

    with pytest.raises(ConfigurationError) as found:
        own_checks(path.parent)
    assert str(found.value).startswith(f"{canary}: ")
    assert "expected JSON with origin, now, limits, observation (subject, data)" in str(found.value)
