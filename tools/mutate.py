"""Change a file of the driver, one small change at a time, and say which changes no test of it hears.

    tools/mutate.py python/upkeep/checks/hosts/disk_space.py [tests/unit/test_more.py …]

Without arguments for pytest the file's own unit test is run; a check's with its canary. Each change is tried in a
process forked from one that has the libraries; nothing on disk is touched. What survives is for a person to judge: it
may be equivalent, harmless, or a limit that no test stands at. Texts for people (f-strings, docstrings, CHECK) stay.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.machinery
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
QUIET = ("-qqx", "-p", "no:xdist", "-p", "no:unraisableexception")
WORKERS = 2
LIMIT_SECONDS = 60
"""Of a processor, for the tests of one change: a loop that does not end any more is heard, too.

No time of a clock: on a busy machine a change that no test hears would look like one that some test does. And the
alarm belongs to pytest-timeout.
"""
COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
REPLACED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
MEMBERS = {
    "PASS": "UNKNOWN",
    "FAIL": "PASS",
    "UNKNOWN": "PASS",
    "CRITICAL": "LOW",
    "HIGH": "LOW",
    "MEDIUM": "CRITICAL",
    "LOW": "CRITICAL",
    "INFO": "CRITICAL",
}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Return what a node may be changed into, one small change each."""
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                for other in COMPARED[type(operator)]:
                    yield changed(node, ops=put(node.ops, index, other()))
        case ast.BoolOp():
            yield changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for index in range(len(node.values)):
                left = node.values[:index] + node.values[index + 1 :]
                yield changed(node, values=left) if len(left) > 1 else left[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.BinOp() if type(node.op) in REPLACED:
            yield changed(node, op=REPLACED[type(node.op)]())
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.If():
            yield from (changed(node, test=ast.Constant(value)) for value in (True, False))
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield changed(node, value=ast.Constant(None))
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield from (ast.Constant(node.value + step) for step in (1, -1))
        case ast.Constant(value=str()):
            yield ast.Constant(f"{node.value}~")
        case ast.Name(id=name) if name in NAMES:
            yield ast.Name(NAMES[name], ast.Load())
        case ast.Attribute(attr=name) if name in MEMBERS:
            yield changed(node, attr=MEMBERS[name])
        case ast.Call() if node.keywords:
            for index, given in enumerate(node.keywords):
                if given.arg:
                    left = node.keywords[:index] + node.keywords[index + 1 :]
                    yield changed(node, keywords=left)
        case ast.comprehension() if node.ifs:
            for index in range(len(node.ifs)):
                yield changed(node, ifs=node.ifs[:index] + node.ifs[index + 1 :])
        case ast.Expr(value=ast.Call()) | ast.Continue() | ast.Break() | ast.AugAssign():
            yield ast.Pass()
        case ast.ExceptHandler(type=ast.Tuple(elts=kinds)):
            for index in range(len(kinds)):
                left = kinds[:index] + kinds[index + 1 :]
                yield changed(node, type=ast.Tuple(left, ast.Load()))


def changed(node: ast.AST, **fields: Any) -> ast.AST:
    """Return a copy of the node with other fields."""
    made = copy.copy(node)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def put(items: list[Any], index: int, item: Any) -> list[Any]:
    """Return the list with another item at an index."""
    return [*items[:index], item, *items[index + 1 :]]


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Return each node that may be changed, with its parent, field and index."""
    for name, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not for_people(node, name, child):
                yield node, name, index, child
                yield from places(child)


def for_people(parent: ast.AST, field: str, child: ast.AST) -> bool:
    """Return whether a node is a text for people, or a type."""
    if field in ("annotation", "returns", "decorator_list") or isinstance(child, ast.alias):
        return True
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True
    if isinstance(parent, ast.Slice):  # no more than so many are named, or so many characters
        return isinstance(child, ast.Constant)
    if isinstance(parent, ast.Call) and isinstance(child, ast.Constant):
        return ast.unparse(parent.func) in ("round", "short", "unknown", "passed", "failed")
    if isinstance(parent, ast.JoinedStr):
        return isinstance(child, ast.Constant)
    if isinstance(parent, ast.FormattedValue):
        return field != "value"
    if isinstance(child, ast.keyword):
        return child.arg in ("remedy", "source", "title", "controls")
    return isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "CHECK"


def changes(source: str) -> Iterator[tuple[str, ast.Module]]:
    """Return every changed tree of a file, with its description."""
    tree = ast.parse(source)
    for parent, name, index, child in list(places(tree)):
        for other in variants(child):
            before = getattr(parent, name)
            value = other if index is None else put(before, index, other)
            setattr(parent, name, value)
            made = ast.fix_missing_locations(copy.deepcopy(tree))
            setattr(parent, name, before)
            place = child if hasattr(child, "lineno") else parent
            at = f"{getattr(place, 'lineno', 0)}:{getattr(place, 'col_offset', 0) + 1}"
            yield f"{at}: {said(child)}  →  {said(other)}", made


def said(node: ast.AST) -> str:
    """Return a node's code in one line."""
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    if isinstance(node, ast.comprehension):
        return ast.unparse(node).strip()
    return " ".join(ast.unparse(node).split())[:110]


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from a tree instead of its file."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self.tree = tree

    def get_code(self, fullname: str) -> Any:
        """Return the code of the changed tree."""
        return compile(self.tree, self.path, "exec", dont_inherit=True)


class Finder:
    """Finds one module with the loader above."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the module's spec; None for every other one."""
        if name != self.name:
            return None
        loader = Loader(name, str(self.path), self.tree)
        return importlib.machinery.ModuleSpec(name, loader, origin=str(self.path))


class Trial:
    """A plugin of pytest: goes on with collecting in a process of its own for each change of a file."""

    def __init__(self, name: str, path: Path, trees: Mapping[str, ast.Module]) -> None:
        self.name, self.path, self.trees = name, path, trees
        self.survived: list[str] = []
        self.running: dict[int, str] = {}
        self.is_child = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        """Return None in a child, which then collects; nothing is left to do in the parent."""
        for what, tree in self.trees.items():
            if len(self.running) >= WORKERS:
                self._wait()
            child = os.fork()
            if child == 0:
                session.config.pluginmanager.unregister(name="terminalreporter")
                self._begin(tree)
                return None
            self.running[child] = what
        while self.running:
            self._wait()
        return True

    def _begin(self, tree: ast.Module) -> None:
        assert self.name not in sys.modules, f"{self.name} is loaded before its tests are"
        self.is_child = True
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_SECONDS, LIMIT_SECONDS))
        sys.meta_path.insert(0, Finder(self.name, self.path, tree))

    def _wait(self) -> None:
        child, status = os.wait()
        what = self.running.pop(child)
        if status == 0:
            self.survived.append(what)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """End the child; its status tells."""
        if self.is_child:
            os._exit(int(exitstatus) != 0)


def survivors(path: Path, tests: list[list[str]]) -> tuple[int, list[str]]:
    """Return how many changes were made, and those with which all these calls of pytest pass."""
    name = ".".join(path.relative_to(ROOT / "python").with_suffix("").parts)
    trees = dict(changes(path.read_text(encoding="utf-8")))
    left = list(trees)
    for arguments in tests:
        if pytest.main([*QUIET, *arguments]) != 0:
            sys.exit(f"the tests fail without any change: {' '.join(arguments)}")
        for loaded in list(sys.modules):  # libraries stay loaded
            file = getattr(sys.modules[loaded], "__file__", None) or ""
            if loaded.split(".")[0] == "upkeep" or file.startswith(str(ROOT / "tests")):
                del sys.modules[loaded]
        trial = Trial(name, path, {what: trees[what] for what in left})
        pytest.main([*QUIET, *arguments], plugins=[trial])
        left = trial.survived
    return len(trees), left


def default_tests(path: Path) -> list[list[str]]:
    """Return what tests a file: its own unit test; for a check, what holds for all of them too."""
    if not path.is_relative_to(ROOT / "python" / "upkeep"):
        sys.exit(f"{path}: which tests are its own? Name them behind the file.")
    folder = path.relative_to(ROOT / "python" / "upkeep").parent
    own = Path("tests/unit") / folder / f"test_{path.stem}.py"
    if not (ROOT / own).is_file():
        sys.exit(f"there is no {own}: name the tests behind the file")
    tests = [[str(own)]]
    if folder.parts[:1] == ("checks",):
        tests.append(["tests/unit/checks/test_every_check.py", "-k", f"[{path.stem}"])
    return tests


def main() -> int:
    """Try every change; print those that survive. Return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("tests", nargs="*", help="arguments for pytest")
    given = parser.parse_args()
    path = given.file.resolve()
    made, left = survivors(path, [given.tests] if given.tests else default_tests(path))
    shown = path.relative_to(ROOT)
    for what in left:
        print(f"{shown}:{what}")  # noqa: T201 - this program's answer
    print(f"# {shown}: {made} changes, {len(left)} survived")  # noqa: T201
    return bool(left)


if __name__ == "__main__":
    sys.exit(main())
