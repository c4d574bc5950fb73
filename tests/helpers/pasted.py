"""Whether what is told to do next can be pasted into a shell as it stands."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from upkeep.model import remedies

EVERYWHERE = frozenset(
    {"bsdutils", "coreutils", "debianutils", "diffutils", "dpkg", "findutils", "grep", "libc-bin", "mawk", "sed"}
    | {"apt", "bash", "iproute2", "less", "login", "mount", "procps", "systemd", "util-linux"}
)  # fmt: skip
"""Packages of every Debian host that Ansible reaches and systemd runs: essential, required or important ones."""
LOOKS = {
    "ansible-doc": "upkeep",
    "ansible-inventory": "upkeep",
    "apt-mark": "apt",
    "awk": "mawk",
    "cd": "bash",
    "chronyc": "chrony",
    "command": "bash",
    "curl": "curl",
    "date": "coreutils",
    "diff": "diffutils",
    "dmesg": "util-linux",
    "du": "coreutils",
    "echo": "bash",
    "findmnt": "util-linux",
    "getent": "libc-bin",
    "grep": "grep",
    "head": "coreutils",
    "journalctl": "systemd",
    "less": "less",
    "ls": "coreutils",
    "lsof": "lsof",
    "mariadb": "mariadb-client",
    "mariadb-dumpslow": "mariadb-client",
    "namei": "util-linux",
    "nc": "netcat-openbsd",
    "nft": "nftables",
    "ntpq": "ntpsec",
    "openssl": "openssl",
    "ps": "procps",
    "psql": "postgresql-client",
    "redis-cli": "redis-tools",
    "runuser": "util-linux",
    "sha256sum": "coreutils",
    "sort": "coreutils",
    "sqlite3": "sqlite3",
    "ss": "iproute2",
    "systemctl": "systemd",
    "tail": "coreutils",
    "timedatectl": "systemd",
    "uniq": "coreutils",
    "upkeep": "upkeep",
    "vmstat": "procps",
}
"""Programs that only look, as remedies call them, and the Debian package that has each."""
CHANGES = {"ip": "iproute2", "mount": "mount", "mv": "coreutils", "nginx": "nginx"}
"""Programs that change something."""
EITHER = {
    "apt-get": ("apt", re.compile(r"apt-get -s ")),
    "dnf": ("dnf", re.compile(r"dnf updateinfo list ")),
    "logrotate": ("logrotate", re.compile(r"logrotate --debug ")),
}
"""Programs that do both, with the form in which they only look."""
PACKAGES = {**LOOKS, **CHANGES, **{name: package for name, (package, _form) in EITHER.items()}}
STANDS_FOR_ANOTHER = (
    "ADDRESS|CHANNEL|CHECK|COMMAND|DATE|DIR|FILE|FOLDER|GROUP|HOST|ID|NAME|NUMBER|PATH|PATTERN|PLACE|PORT|PROCEDURE"
    "|REASON|RELEASE|ROLE|SITE|SOURCE|SUBJECT|TEAM|TIME|USER|(?<==)URL|VERSION"
)
PLACEHOLDER = re.compile(
    rf"<\w+>|…|\{{\w+\}}|\b\w*(?:[A-Z]_[A-Z]+_)*(?<![A-Z])(?:{STANDS_FOR_ANOTHER})\b(?!_)"
)
CAPITALS = re.compile(r"\b[A-Z]{4,}(?:_[A-Z]+)*\b")
PLACES = {"Diagnosis": 4, "LoginError": 2, "Remark": 3}
"""Calls that are given a next step by its place."""
FOLLOWS = re.compile(r"fix what \w+ says first")


def problems(remedy: str) -> list[str]:
    """Return what keeps a remedy from being pasted; nothing for words that say that a person must decide."""
    command, words = remedies.command_of(remedy), remedies.words_of(remedy)
    found = []
    if not words:
        found.append("no words")
    if placeholders(remedy):
        found.append("a word stands for another")
    if not command:
        if words and not words.startswith(remedies.DECIDE) and not FOLLOWS.fullmatch(words):
            found.append(f"no command, and the words do not begin with {remedies.DECIDE!r}")
        return found
    # What a file alone does not tell is an x: see told_in.
    unknown = [one for one in remedies.programs_of(command) if one not in {*PACKAGES, "x"}]
    if unknown:
        found.append(f"{', '.join(unknown)}: no program that is known; add it in pasted.py")
    if CAPITALS.search(re.sub(r"'[^']*'|VmSwap|PGSQL|SHA256SUMS", "", command)):
        found.append("a word in capitals")
    for one in remedies.programs_of(command):
        package = PACKAGES.get(one, "")
        if package and package not in {*EVERYWHERE, "upkeep", "dnf"} and (
            remedies.PACKAGES.get(one) != package
        ):  # fmt: skip
            found.append(
                f"{one}: nothing says that {package} has it; add it to PACKAGES in remedies.py"
            )
    done = subprocess.run(["bash", "-n"], input=remedy, text=True, capture_output=True, check=False)
    return found + ([done.stderr] if done.returncode else [])


def placeholders(remedy: str) -> list[str]:
    """Return the words that stand for another; in quotes are none, for a shell and a host may have any."""
    return PLACEHOLDER.findall(re.sub(r"'[^']*'", "", remedy))


def changes(remedy: str) -> bool:
    """Return whether its command changes something."""
    command = remedies.command_of(remedy)
    either = [one for one in remedies.programs_of(command) if one in EITHER]
    return any(one in CHANGES for one in remedies.programs_of(command)) or any(
        not EITHER[one][1].search(command) for one in either
    )


def told_in(file: Path) -> list[tuple[int, str]]:
    """Return line and text of each next step that stands in a Python file; what is put into one is an x.

    It is what is given as `remedy`, followed through the file's names and functions.
    """
    tree = ast.parse(file.read_text("utf-8"))
    named: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for one in node.targets:
                if isinstance(one, ast.Name):
                    named.setdefault(one.id, []).append(node.value)
        elif isinstance(node, ast.FunctionDef):
            returned = (one for one in ast.walk(node) if isinstance(one, ast.Return) and one.value)
            named.setdefault(f"{node.name}()", []).extend(
                one.value for one in returned if one.value
            )
    given = [
        one.value for one in ast.walk(tree) if isinstance(one, ast.keyword) and one.arg == "remedy"
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = PLACES.get(node.func.id, len(node.args))
            given += node.args[place : place + 1]
    found = [(one.lineno, text) for one in given for text in _texts(one, named, 6)]
    found += [
        (one.lineno, text) for one in named.get("remedy", ()) for text in _texts(one, named, 6)
    ]
    return sorted(set(found))


def _texts(node: ast.AST, named: dict[str, list[ast.expr]], depth: int) -> Iterator[str]:
    """Yield the texts that an expression may be, as far as its file tells."""
    if not depth:
        return
    within: list[ast.expr] = []
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [
            str(one.value)
            if isinstance(one, ast.Constant)
            else next(_texts(one.value, named, depth - 1), "x")
            for one in node.values
            if isinstance(one, ast.Constant | ast.FormattedValue)
        ]
        yield "".join(parts)
    elif isinstance(node, ast.IfExp):
        within = [node.body, node.orelse]
    elif isinstance(node, ast.BoolOp):
        within = node.values
    elif isinstance(node, ast.Name):
        within = named.get(node.id, [])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("look", "first", "log_lines"):
            words = [next(_texts(one, named, depth - 1), "x") for one in node.args]
            line = "grep -aiE x x | tail -n 20" if node.func.id == "log_lines" else words[0]
            yield remedies.look(line, words[-1])
        elif node.func.id == "about":
            within = node.args[:1]
        else:
            within = named.get(f"{node.func.id}()", [])
    for one in within:
        yield from _texts(one, named, depth - 1)
