"""Whether what is told to do next can be pasted into a shell as it stands."""

from __future__ import annotations

import re
import subprocess

from upkeep.model import remedies

PROGRAMS = frozenset(
    [
        "apt-get",
        "cd",
        "certbot",
        "chronyc",
        "curl",
        "diff",
        "dnf",
        "du",
        "findmnt",
        "getent",
        "grep",
        "journalctl",
        "less",
        "last",
        "logrotate",
        "ls",
        "lsof",
        "mount",
        "mv",
        "namei",
        "nc",
        "nft",
        "nginx",
        "openssl",
        "ps",
        "psql",
        "ss",
        "systemctl",
        "tail",
        "timedatectl",
        "upkeep",
        "vmstat",
        "sha256sum",
        "command",
        "ansible-doc",
    ]
)
PLACEHOLDER = re.compile(r"<\w+>|…|\b[A-Z]{4,}(?:_[A-Z]+)*\b|\{\w+\}")


def problems(remedy: str) -> list[str]:
    """Return what keeps a remedy from being pasted; nothing for words alone."""
    command, words = remedies.command_of(remedy), remedies.words_of(remedy)
    found = []
    if not words:
        found.append("no words")
    if not command:
        first = words.split()[0] if words else ""
        return found + (
            [f"{first} looks like a command, and no comment follows"] if first in PROGRAMS else []
        )
    if command.split()[0].strip(";") not in PROGRAMS:
        found.append(
            f"{command.split()[0]} is no program that is known: add it to PROGRAMS in pasted.py, if hosts have it"
        )
    if PLACEHOLDER.search(re.sub(r"'[^']*'|VmSwap|PGSQL|SHA256SUMS", "", command)):
        found.append("a word stands for another")
    done = subprocess.run(["bash", "-n"], input=remedy, text=True, capture_output=True, check=False)
    return found + ([done.stderr] if done.returncode else [])
