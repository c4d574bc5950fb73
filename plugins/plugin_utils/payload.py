# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the one self-contained program that observes a host: sources, requests and their parameters."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host import program
from ansible_collections.astral.upkeep.plugins.plugin_utils import bounds

SHARED = "ansible_collections.astral.upkeep.plugins.module_utils"
PROGRAM = "host.program"
FOLDER = Path(program.__file__).parents[1]
GATHER_TIMEOUT_SECONDS = 30
"""Of a gather that has no TIMEOUT_SECONDS of its own."""
GATHER_LIMIT_BYTES = 600_000
"""Of a gather that has no LIMIT_BYTES of its own."""

IMPORT = re.compile(rf"^[ \t]*from {re.escape(SHARED)}\.(\S+) import ", re.MULTILINE)
# Python's own parser takes ten times as long, which each run of Ansible would wait for. That these read each of the
# files as it does is seen by a test.
PIECE = re.compile(
    r"""
    (?P<opens> \A (?:[ \t]* (?:\#[^\n]*)? \n)* | :[ \t]*\n\s*)  # a file, or what has a colon
    (?P<said> r? (?: \"{3} (?:[^"\\]|\\.|"(?!""))* \"{3} | "[^"\\\n]*")) [ \t]* (?:\#[^\n]*)? $
    | (?P<comment> ^[ \t]* \#[^\n]*)
    | (?P<indent> ^(?:[ ]{4})+)
    | \#[^\n]*
    | \"{3} (?:[^"\\]|\\.|"(?!""))* \"{3}
    | '{3} (?:[^'\\]|\\.|'(?!''))* '{3}
    | " (?:[^"\\\n]|\\.)* "
    | ' (?:[^'\\\n]|\\.)* '
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)

# Python 3.8 and later, nothing but the standard library; what is imported from the collection comes out of SOURCES.
BOOT = """\
import base64, json, sys, zlib
SOURCES, first = {{}}, b""
for bundle in {bundles}:
    text = zlib.decompressobj(zdict=first).decompress(base64.b64decode(bundle))
    parts = text.decode("utf-8").split("\\0")
    SOURCES.update(zip(parts[::2], parts[1::2]))
    first = first or text
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in SOURCES or any(other.startswith(name + ".") for other in SOURCES):
            return type(sys.__spec__)(name, self, is_package=name not in SOURCES)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        name = module.__name__
        if name in SOURCES:
            exec(compile(SOURCES[name], "upkeep:" + name, "exec", dont_inherit=True), module.__dict__)
sys.meta_path.insert(0, Finder())
from {shared}.host.program import main
main(json.loads({plan}))
"""


@cache
def gathers() -> dict[str, Any]:
    """Return the modules of all gathers there are, by name; their ARGUMENTS say what a site may ask.

    A gather is a file in a family's folder; what begins with _ helps its family.
    """
    found = {}
    for path in sorted(FOLDER.glob("gather/*/[!_]*.py")):
        if path.stem in found:
            raise ImportError(f"two gathers are called {path.stem}; one of them is {path}")
        found[path.stem] = import_module(f"{SHARED}.gather.{path.parent.name}.{path.stem}")
    return found


def _file(gather: str) -> str:
    """Return the gather's shared file, as a dotted name."""
    return str(gathers()[gather].__name__.removeprefix(f"{SHARED}."))


@cache
def _source(name: str) -> tuple[str, frozenset[str]]:
    """Return a shared file's source as it travels, and the shared files that it imports."""
    source = (FOLDER / (name.replace(".", "/") + ".py")).read_text("utf-8")
    return _bare(source), frozenset(IMPORT.findall(source))


@cache
def _bundles() -> Mapping[str, str]:
    """Return what travels, compressed, by the names of the files in it.

    Files that the same gathers import always travel together: so they are compressed together, which is a sixth less
    than file by file. The program's own files always travel, and first: the others are compressed by
    what stands in them.
    """
    own = _closure(frozenset({PROGRAM}))
    users: dict[str, set[str]] = {}
    for gather in gathers():
        for name in _closure(frozenset({_file(gather)})) - own:
            users.setdefault(name, set()).add(gather)
    parts: dict[frozenset[str], list[str]] = {}
    for name in sorted(users):
        parts.setdefault(frozenset(users[name]), []).append(name)
    first = _text(sorted(own))
    bundles = dict.fromkeys(own, _pack(first))
    for part in parts.values():
        bundles.update(dict.fromkeys(part, _pack(_text(part), first)))
    return bundles


def _text(names: list[str]) -> bytes:
    """Return these files' full names and sources in turns; a NUL ends each, which no source has."""
    parts = [part for name in names for part in (f"{SHARED}.{name}", _source(name)[0])]
    return "\0".join(parts).encode("utf-8")


def _pack(text: bytes, known: bytes = b"") -> str:
    """Return a text compressed. known: what has been unpacked before, of which much is in it again."""
    packer = zlib.compressobj(9, zdict=known) if known else zlib.compressobj(9)
    return base64.b64encode(packer.compress(text) + packer.flush()).decode("ascii")


def _bare(source: str) -> str:
    """Return the source without docstrings and lines of comments, indented by one: a third less travels.

    Every other line stays where it is, so that a traceback names the line of the file.
    """
    return PIECE.sub(_less, source)


def _less(piece: re.Match[str]) -> str:
    if piece["comment"] is not None:
        return ""
    if piece["indent"] is not None:
        return " " * (len(piece["indent"]) // 4)
    if piece["said"] is None:
        return piece[0]
    opens = piece["opens"]
    opens = opens.replace("    ", " ") if opens.startswith(":") else "\n" * opens.count("\n")
    return opens + "''" + "\n" * piece["said"].count("\n")


def prepare() -> None:
    """Read and pack all there is, so that processes forked later need not."""
    _bundles()


@cache
def _closure(names: frozenset[str]) -> frozenset[str]:
    """Return the names with all that they import, directly or not."""
    done: set[str] = set()
    todo = set(names)
    while todo:
        name = todo.pop()
        done.add(name)
        todo |= _source(name)[1] - done
    return frozenset(done)


def _shared(gathers: Set[str]) -> list[str]:
    """Return what more than one of the gathers imports, but for what the program imports itself."""
    times = Counter(name for one in gathers for name in _closure(frozenset({_file(one)})))
    own = _closure(frozenset({PROGRAM}))
    return sorted(
        f"{SHARED}.{name}" for name, count in times.items() if count > 1 and name not in own
    )


def limit_bytes(gather: str) -> int:
    """Return how much the gather may say, as JSON."""
    limit: int = getattr(gathers()[gather], "LIMIT_BYTES", GATHER_LIMIT_BYTES)
    return limit


def build(requests: list[tuple[str, dict[str, Any]]], deadline_seconds: float, nonce: str) -> bytes:
    """Return the program's text for these gathers and parameters.

    requests: (gather, params); the answers come in the same order. nonce: marks the answer, see `transport.carry`.
    """
    plan = {
        "nonce": nonce,
        "shared": _shared({name for name, _params in requests}),
        "deadline_seconds": deadline_seconds,
        "limit_bytes": bounds.ANSWER_LIMIT_BYTES,
        "requests": [
            {
                "module": f"{SHARED}.{_file(name)}",
                "params": params,
                "timeout_seconds": min(
                    getattr(gathers()[name], "TIMEOUT_SECONDS", GATHER_TIMEOUT_SECONDS),
                    deadline_seconds,
                ),
                "limit_bytes": limit_bytes(name),
            }
            for name, params in requests
        ],
    }
    needed = _closure(frozenset({PROGRAM, *(_file(name) for name, _params in requests)}))
    first = _bundles()[PROGRAM]
    bundles = [first, *sorted({_bundles()[name] for name in needed} - {first})]
    text = BOOT.format(
        bundles=json.dumps(bundles, indent=0), shared=SHARED, plan=repr(json.dumps(plan))
    )
    return text.encode("ascii")


def parse(answer: str, gathers: Sequence[str]) -> dict[str, Any]:
    """Return what the host answered: `python`, `clock`, and under `answers` one part for each of the gathers.

    A part that is too large or of another shape becomes one with an `error` that says so.
    Raises: BoundsError if the
    whole is.
    """
    head, *parts = answer.split("\n")
    if len(parts) != len(gathers):
        raise bounds.BoundsError(f"{len(parts)} parts; expected {len(gathers)}")
    read = [_part(part, limit_bytes(gather)) for part, gather in zip(parts, gathers, strict=True)]
    return {**bounds.head(head), "answers": read}


def _part(line: str, limit: int) -> dict[str, Any]:
    try:
        return bounds.part(line, limit)
    except bounds.BoundsError as exc:
        return {"observations": [], "error": f"its answer cannot be read: {exc}"}
