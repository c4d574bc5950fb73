"""What every check and every gather must have."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from verdicts import of_canary, verdict_of_any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep import checks
from upkeep.judging.canaries import SUFFIX, canary_of, prove
from upkeep.judging.check import CONNECTION, Check, SelfCheck, every, load
from upkeep.judging.entries import make_limits
from upkeep.model.verdicts import Status

TESTS = Path(__file__).parents[2]
MODULES = TESTS.parent / "plugins" / "modules"
FRAGMENTS = TESTS.parent / "plugins" / "doc_fragments"
CHECKS = sorted(load().items())
GATHERS = sorted(payload.gathers())
TOLD = [one for one in every().values() if isinstance(one, SelfCheck)]
CHECK_FILES = TESTS.parent / "python" / "upkeep" / "checks"


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _check in CHECKS])
def test_a_check_has_what_every_check_must_have(name: str, check: Check) -> None:
    assert check.title
    assert check.source
    assert check.remedy
    assert check.description
    assert check.gather in {CONNECTION, *payload.gathers()}
    assert dataclasses.is_dataclass(check.limits)
    for field in dataclasses.fields(check.limits):
        assert field.name in (type(check.limits).__doc__ or ""), f"{field.name} is not explained"
    family = check.judge.__module__.split(".")[-2]
    assert (TESTS / "unit" / "checks" / family / f"test_{name}.py").is_file()


@pytest.mark.parametrize("rule", TOLD, ids=[one.id for one in TOLD])
def test_what_upkeep_tells_itself_is_documented_as_a_check_is(rule: SelfCheck) -> None:
    assert rule.title
    assert rule.remedy
    assert rule.description
    assert (TESTS.parent / rule.source).is_file()
    assert rule.id not in load()
    (path,) = CHECK_FILES.glob(f"*/{rule.id}.py")
    told = importlib.import_module(f"upkeep.checks.{path.parent.name}.{rule.id}")
    assert rule.id == told.ID, "ID is the file's name"


def test_what_upkeep_tells_itself_and_what_is_told_in_the_code_are_the_same() -> None:
    """A name is imported from its file; and a file of which nothing tells is dead."""
    told = set()
    for path in (TESTS.parent / "python" / "upkeep").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and any(one.name == "ID" for one in node.names):
                told.add((node.module or "").rpartition(".")[2])

    missing = sorted({rule.id for rule in TOLD} - told)
    assert missing == [], "whoever tells of it imports ID from its file"


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _check in CHECKS])
def test_a_checks_limits_do_not_share_names_with_its_gathers_parameters(
    name: str, check: Check
) -> None:
    limits = {field.name for field in dataclasses.fields(check.limits)}

    if check.gather != CONNECTION:
        assert not limits & set(payload.gathers()[check.gather].ARGUMENTS)
    assert "check" not in limits


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _check in CHECKS])
def test_a_check_says_what_each_of_its_measures_is_like(name: str, check: Check) -> None:
    source = inspect.getsource(sys.modules[check.judge.__module__])
    given = [
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Measure"
        if isinstance(node.args[0], ast.Constant)
    ]

    assert set(given) <= set(check.measures)
    assert bool(given) == bool(check.measures)


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _check in CHECKS])
def test_a_check_fails_its_canary(name: str, check: Check) -> None:
    canary = canary_of(check)
    assert canary is not None, "each check has a bad input that it must fail, beside it"
    assert canary.origin, (
        f"the canary of {name} is empty: put a bad input that was seen into {name}{SUFFIX}, and into `origin` where it is from"
    )

    verdict = of_canary(check, canary)

    assert verdict is not None
    assert {one.name for one in verdict.measures} <= set(check.measures)
    assert (verdict.status, verdict.severity) == (Status.FAIL, canary.severity)
    assert prove(check, canary).fails


ODD: list[Any] = [{}, {"unexpected": None}]


@pytest.mark.parametrize("data", ODD, ids=["nothing", "something else"])
@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _check in CHECKS])
def test_a_check_never_passes_what_it_did_not_see(name: str, check: Check, data: Any) -> None:
    now = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
    try:
        verdict = verdict_of_any(check, Observation("subject", data), make_limits(check, {}), now)
    except (LookupError, TypeError, ValueError, AttributeError):
        return  # the engine makes it unknown

    assert verdict is None or verdict.status is not Status.PASS


@pytest.mark.parametrize("name", GATHERS)
def test_a_gather_is_a_module_too_with_the_same_parameters(name: str) -> None:
    source = (MODULES / f"{name}_info.py").read_text(encoding="utf-8")
    documentation = yaml.safe_load(source.split('DOCUMENTATION = r"""')[1].split('"""')[0])

    options = set(documentation.get("options", {}))
    for fragment in documentation.get("extends_documentation_fragment", ()):
        text = (FRAGMENTS / f"{fragment.rpartition('.')[2]}.py").read_text(encoding="utf-8")
        shared = yaml.safe_load(text.split('DOCUMENTATION = r"""')[1].split('"""')[0])
        options |= set(shared["options"])

    assert options == set(payload.gathers()[name].ARGUMENTS)


def test_no_canary_is_of_no_check() -> None:
    folder = Path(checks.__file__).parent
    canaries = {path.name.removesuffix(SUFFIX) for path in folder.rglob(f"*{SUFFIX}")}

    assert canaries == set(load())
