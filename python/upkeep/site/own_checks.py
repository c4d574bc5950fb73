"""A site's own checks: files in its folder `checks/`, in the shape of the program's own; docs/write-a-check.md."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging import check as checks
from upkeep.judging.canaries import CanaryError, canary_of
from upkeep.judging.check import CONNECTION, SITE_SET, Absence, Check, History
from upkeep.model.errors import ConfigurationError
from upkeep.model.nearest import nearest
from upkeep.site.trust import trusted_tree

FOLDER = "checks"
ENVIRONMENT = "UPKEEP_SITE_CHECKS"
"""The variable that names the folder to Ansible, which reads it before it knows of any inventory."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
FAMILY = "site"
MODULE = f"upkeep.checks.{FAMILY}"
GUIDE = "docs/write-a-check.md"


def use_own_checks(site: Path | None) -> None:
    """Make the checks of a site's folder known in this process, and forget those of another site; None: of no site.

    Raises: ConfigurationError with each file that is not a check, and why; or if others can write one of them.
    """
    checks.use(own_checks(site / FOLDER) if site else {})


def own_checks(folder: Path) -> dict[str, Check]:
    """Return the checks in a folder, by id; none if there is no such folder. Raises as `use_own_checks`."""
    if not folder.is_dir():
        return {}
    trusted_tree(folder)
    found: dict[str, Check] = {}
    problems: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        if path.name.startswith("_"):
            continue
        try:
            _refuse_name(path, found)
            found[path.stem] = _read(path)
        except ConfigurationError as exc:
            problems.append(str(exc))
    if problems:
        raise ConfigurationError("\n".join(problems), remedy=f"see {GUIDE}")
    return found


def _refuse_name(path: Path, others: Mapping[str, Check]) -> None:
    if not NAME.fullmatch(path.stem):
        expected = "expected small letters, digits and _"
        raise ConfigurationError(f"{path}: its name is the check's id; {expected}")
    if path.stem in others:
        raise ConfigurationError(f"{path}: there is another file of this name in the folder")
    families = {one.family for one in checks.own_of_program().values()} | {FAMILY}
    if path.stem in families:
        raise ConfigurationError(f"{path}: {path.stem} is a family of checks; give it another name")
    if path.stem in checks.own_of_program():
        raise ConfigurationError(f"{path}: Upkeep has a check {path.stem}; give it another name")


def _read(path: Path) -> Check:
    """Return the file's check.

    Only the text is read, never what Python compiled before.

    Raises: ConfigurationError.
    """
    module = ModuleType(f"{MODULE}.{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look for their module there
    try:
        exec(compile(path.read_bytes(), path, "exec"), module.__dict__)  # noqa: S102 - trusted, as a playbook is
    except SyntaxError as exc:
        raise ConfigurationError(f"{path}:{exc.lineno}: {exc.msg}") from exc
    except (Exception, SystemExit) as exc:
        raise ConfigurationError(f"{_place(path, exc)}: {type(exc).__name__}: {exc}") from exc
    made = getattr(module, "CHECK", None)
    if not isinstance(made, Check):
        given = "none" if made is None else f"a {type(made).__name__}"
        raise ConfigurationError(f"{path}: CHECK: found {given}; expected CHECK = Check(…)")
    description = (module.__doc__ or "").strip()
    if not description:
        raise ConfigurationError(f"{path}: no docstring; it says what the check looks for")
    _refuse(path, made)
    _refuse_kind(path, made)
    try:
        canary_of(made)
    except CanaryError as exc:
        raise ConfigurationError(str(exc)) from exc
    return dataclasses.replace(made, id=path.stem, family=FAMILY, description=description)


def _refuse(path: Path, made: Check) -> None:
    """Raise ConfigurationError if the check asks for what there is not, or has something of another kind."""
    gathers = payload.gathers()
    for name in ("title", "trouble", "source", "remedy", "gather"):
        value = getattr(made, name)
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            found = f"{value!r:.60}"
            raise ConfigurationError(f"{path}: {name}: found {found}; expected one line of text")
    if made.absence is not None and not (
        isinstance(made.absence, Mapping)
        and all(isinstance(one, Absence) for one in made.absence.values())
    ):
        expected = "expected a mapping of sets, such as {'file systems': gone()}, or DECLARED"
        raise ConfigurationError(f"{path}: absence: found {made.absence!r:.60}; {expected}")
    if made.gather == CONNECTION or made.gather not in gathers:
        near = nearest(str(made.gather), gathers)
        raise ConfigurationError(f"{path}: gather: there is no gather {made.gather!r}{near}")
    if not dataclasses.is_dataclass(made.limits) or isinstance(made.limits, type):
        kind = type(made.limits).__name__
        raise ConfigurationError(
            f"{path}: limits: found {kind}; expected a dataclass, such as Limits()"
        )
    both = {one.name for one in dataclasses.fields(made.limits)} & set(
        gathers[made.gather].ARGUMENTS
    )
    if both:
        raise ConfigurationError(
            f"{path}: limits: the gather {made.gather} has a parameter {min(both)!r}; expected another name"
        )
    if not callable(made.judge):
        raise ConfigurationError(f"{path}: judge: found no function")


def _refuse_kind(path: Path, made: Check) -> None:
    """Raise ConfigurationError if what the judge is given is not said rightly: shape, history, or the whole site."""
    if not isinstance(made.of_site, bool):
        raise ConfigurationError(
            f"{path}: of_site: found {made.of_site!r:.60}; expected True or False"
        )
    if made.parts is not None and made.is_deferred:
        raise ConfigurationError(f"{path}: parts: one with history, or of the site, has none")
    if made.of_site and set(made.absence or ()) - {SITE_SET}:
        expected = f"expected {{{SITE_SET!r}: gone()}} for a check of the site"
        raise ConfigurationError(f"{path}: absence: found {made.absence!r:.60}; {expected}")
    past = made.history
    if past is not None and (made.of_site or not isinstance(past, History) or not _can_be(past)):
        expected = "expected History(days=…, at_most=…) with 1 to 3660 days and 1 to 1000 looks"
        raise ConfigurationError(
            f"{path}: history: found {past!r:.60}; {expected}, and none of the site"
        )
    if made.shape is not None and (why := _why_no_shape(made.shape)):
        raise ConfigurationError(f"{path}: shape: {why}")
    takes = 4 if made.history else 3
    try:
        inspect.signature(made.judge).bind(*range(takes))
    except TypeError as exc:
        raise ConfigurationError(f"{path}: judge: {exc}; it is given {takes} arguments") from exc
    except ValueError:  # one that Python cannot look into
        return


def _can_be(past: History) -> bool:
    """Return whether so much history can be looked for."""
    numbers = (past.days, past.at_most)
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in numbers):
        return False
    return (
        1 <= past.days <= 3660 and 1 <= past.at_most <= 1000 and past.at_most == int(past.at_most)
    )


def _why_no_shape(shape: Any) -> str:
    """Return why a class is no shape; empty if it is one."""
    if not isinstance(shape, type) or not dataclasses.is_dataclass(shape):
        return f"found {shape!r:.60}; expected a dataclass"
    if not isinstance(getattr(shape, "VERSION", None), int):
        return f"{shape.__name__} has no VERSION; expected VERSION: ClassVar[int] = 1"
    try:
        get_type_hints(shape)
    except Exception as exc:  # whatever stands there as a type
        return f"{shape.__name__}: {exc}"
    return ""


def _place(path: Path, exc: BaseException) -> str:
    """Return the file, and the line of it in which it went wrong."""
    lines = [
        one.lineno for one in traceback.extract_tb(exc.__traceback__) if one.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)
