# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what logrotate's configuration, state file, debugging output and archive names say. Source: logrotate(8)."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Any

PERIOD_SECONDS = {
    "hourly": 3600,
    "daily": 86400,
    "weekly": 7 * 86400,
    "monthly": 31 * 86400,
    "yearly": 366 * 86400,
}
SCRIPTS = ("prerotate", "postrotate", "firstaction", "lastaction", "preremove")
SIZES = {"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".lzma")
# What `include FOLDER` passes over, from logrotate's config.c.
TABOO = (
    *("*,v", "*~", ".*", "*.bak", "*.cfsaved", "*.disabled", "*.dpkg-bak", "*.dpkg-del"),
    *("*.dpkg-dist", "*.dpkg-new", "*.dpkg-old", "*.dpkg-tmp", "*.rhn-cfg-tmp-*", "*.rpmnew"),
    *("*.rpmorig", "*.rpmsave", "*.swp", "*.ucf-dist", "*.ucf-new", "*.ucf-old"),
)
DEFAULTS: dict[str, Any] = {
    "period": "size",
    "size_bytes": 1 << 20,
    "rotate": 0,
    "ifempty": True,
    "missingok": False,
}
FLAGS = (
    *("compress", "delaycompress", "copytruncate", "copy", "create", "dateext", "ifempty"),
    *("missingok", "sharedscripts", "renamecopy"),
)
NUMBERS = {"rotate": "rotate", "maxage": "maxage_days", "minage": "minage_days", "start": "start"}
LIMITS = {"size": "size_bytes", "minsize": "minsize_bytes", "maxsize": "maxsize_bytes"}
TEXTS = ("dateformat", "extension", "addextension", "compressext", "olddir", "su")


@dataclass(frozen=True)
class Stanza:
    """One block of a configuration: the patterns it is for, and the policy with what it inherits.

    place: `file:line` of its first pattern.
    """

    patterns: tuple[str, ...]
    policy: dict[str, Any]
    place: str


@dataclass
class Config:
    """What has been read so far. includes: to be read where they stand, hence a callback in `parse_config`."""

    stanzas: list[Stanza] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    policy: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))
    taboo: tuple[str, ...] = TABOO


def parse_config(text: str, name: str, config: Config, include: Any) -> None:
    """Add the stanzas of a file to config; call include(path) for each `include`.

    name: the file's, for places. Options outside a stanza hold for those that follow, in included files too.
    """
    patterns: list[str] = []
    place = ""
    policy = config.policy
    script = ""
    for number, line in enumerate(text.splitlines(), 1):
        rest = line.strip()
        if script:
            if not re.match(r"endscript\b", rest):
                continue
            script, rest = "", rest[len("endscript") :].strip()
        while rest and not rest.startswith("#"):
            if rest[0] == "}":
                if policy is config.policy:
                    config.problems.append(f"{name}:{number}: a }} without its {{")
                else:
                    config.stanzas.append(Stanza(tuple(patterns), policy, place))
                patterns, policy, rest = [], config.policy, rest[1:].strip()
            elif rest[0] == "{":
                policy, rest = dict(config.policy), rest[1:].strip()
            elif policy is config.policy and rest[0] in "/\"'~":
                found, rest = _pattern(rest)
                if found.startswith(("/", "~/")):
                    place = place if patterns else f"{name}:{number}"
                    patterns.append(found)
                else:
                    config.problems.append(
                        f"{name}:{number}: {found[:80]!r} is not an absolute path"
                    )
            else:
                rest, after = _directive(rest)
                word, *values = re.split(r"[\s=]+", rest, maxsplit=1)
                value = "".join(values).strip()
                if word in SCRIPTS:
                    script = word
                elif word == "include" and policy is config.policy:
                    include(_unquoted(value))
                elif word in ("tabooext", "taboopat"):
                    _taboo(config, word, value)
                elif not _apply(policy, word, value):
                    config.problems.append(f"{name}:{number}: {rest[:80]!r} was not understood")
                rest = after
    if policy is not config.policy or script:
        config.problems.append(f"{name}: ends within a {script or 'stanza'}")


def _pattern(text: str) -> tuple[str, str]:
    """Return the first path of text without its quotes, and what follows."""
    match = re.match(
        r"\"([^\"]*)\"|'([^']*)'|((?:\\.|[^\s{\\])+(?:\{[^{}\s]*,[^{}\s]*\}[^\s{]*)*)", text
    )
    if match is None:
        return text, ""
    found = next((group for group in match.groups() if group is not None), "")
    return re.sub(r"\\(.)", r"\1", found), text[match.end() :].strip()


def _directive(text: str) -> tuple[str, str]:
    """Return the directive up to the end of its line or of its stanza, and what follows."""
    head, brace, rest = text.partition("}")
    return (head.strip(), brace + rest) if brace and "%" not in rest else (text, "")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _taboo(config: Config, word: str, value: str) -> None:
    """Set or, after a plus, add to what `include` passes over."""
    adds = value.startswith("+")
    found = [part for part in re.split(r"[,\s]+", value.lstrip("+")) if part]
    if word == "tabooext":
        found = ["*" + part for part in found]
    config.taboo = (*(config.taboo if adds else ()), *found)


def _apply(policy: dict[str, Any], word: str, value: str) -> bool:
    """Take the directive into the policy; say if it is one."""
    off = "ifempty" if word == "notifempty" else word[2:] if word.startswith("no") else ""
    if word in PERIOD_SECONDS or word == "annually":
        policy["period"] = "yearly" if word == "annually" else word
    elif word in FLAGS:
        policy[word] = True
    elif off in FLAGS or off == "olddir":
        policy[off] = False if off in FLAGS else ""
    elif word in NUMBERS:
        if not re.fullmatch(r"-?\d+", value):
            return False
        policy[NUMBERS[word]] = int(value)
    elif word in LIMITS:
        match = re.fullmatch(r"(\d+)\s*([kMG]?)", value)
        if match is None:
            return False
        policy[LIMITS[word]] = int(match.group(1)) * SIZES[match.group(2)]
        if word == "size":
            policy["period"] = "size"
    elif word in TEXTS:
        policy[word] = _unquoted(value)
    else:
        return bool(re.fullmatch(r"[a-z]+", word))  # one that does not matter here
    return True


def is_taboo(name: str, taboo: tuple[str, ...]) -> bool:
    """Return whether `include FOLDER` passes over the file."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in taboo)


def parse_state(text: str) -> tuple[dict[str, str], str]:
    """Return when each log was last rotated, as the state file claims (local time, ISO without a zone), and a problem.

    A problem blocks the rotation of every log: logrotate ends before the first. Empty is not one: it begins anew.
    """
    claimed: dict[str, str] = {}
    lines = text.split("\n")  # a name may hold what else ends a line to Python
    if not text:
        return claimed, ""
    if not re.match(r"logrotate state -- version [12]\s*$", lines[0]):
        return claimed, f"line 1: found {lines[0][:60]!r}; expected 'logrotate state -- version 2'"
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        match = re.match(
            r'"((?:\\.|[^"\\])*)" (\d{4})-(\d+)-(\d+)(?:-(\d+):(\d+):(\d+))?\s*$', line
        )
        if match is None:
            return claimed, f"line {number}: found {line[:80]!r}; expected a quoted path and a date"
        path, *numbers = match.groups(default="0")
        year, month, day, hour, minute, second = map(int, numbers)
        claimed[re.sub(r"\\(.)", r"\1", path)] = (
            f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    return claimed, ""


@dataclass(frozen=True)
class Debugged:
    """What `logrotate -d` or `-v` said.

    considered: each log with why it is not rotated; an empty text if it is.
    errors, warnings: its lines that begin so.
    """

    considered: dict[str, str]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def hard_links(self) -> list[str]:
        """The logs that it passes over because they have a second name."""
        return [path for path, why in self.considered.items() if "hard links" in why]


def parse_debug(text: str) -> Debugged:
    """Return what the output says; text is both streams of it."""
    considered: dict[str, str] = {}
    errors: list[str] = []
    warnings: list[str] = []
    current = ""
    for line in text.split("\n"):
        if line.startswith("considering log "):
            current = line[len("considering log ") :]
            considered[current] = "not decided"
        elif current and re.match(r"\s+log needs rotating", line):
            considered[current] = ""
        elif current and re.match(r"\s+log (does not need rotating|.* does not exist)", line):
            reason = re.search(r"\((.*)\)|(does not exist)", line)
            considered[current] = reason.group(0).strip("()") if reason else line.strip()
        elif current and line.endswith("-- skipping."):
            considered[current] = line.strip()
        elif line.startswith("error:"):
            errors.append(line[len("error:") :].strip())
        elif line.startswith("warning:") and "in debug mode does nothing" not in line:
            warnings.append(line[len("warning:") :].strip())
    return Debugged(considered, tuple(errors), tuple(warnings))


def date_format(policy: dict[str, Any]) -> str:
    """Return how an archive's name shows its date."""
    hourly = "-%Y%m%d%H" if policy.get("period") == "hourly" else "-%Y%m%d"
    return str(policy.get("dateformat") or hourly)


DATE_PARTS = {
    "%Y": r"(?P<Y>\d{4})",
    "%m": r"(?P<m>\d\d)",
    "%d": r"(?P<d>\d\d)",
    "%H": r"(?P<H>\d\d)",
    "%M": r"(?P<M>\d\d)",
    "%S": r"(?P<S>\d\d)",
    "%s": r"(?P<s>\d+)",
    "%V": r"\d\d",
    "%z": r"[+-]\d{4}",
    "%%": "%",
}


def archive_pattern(name: str, policy: dict[str, Any]) -> re.Pattern[str]:
    """Return what the names of a log's archives match; group `number` or the date's parts say which it is."""
    extension = policy.get("extension") or policy.get("addextension") or ""
    stem = name[: -len(extension)] if extension and name.endswith(extension) else name
    parts = re.split(r"(%.)", date_format(policy))
    date = "".join(DATE_PARTS.get(part, re.escape(part)) for part in parts)
    ends = "|".join(re.escape(end) for end in {*COMPRESSED, policy.get("compressext") or ".gz"})
    return re.compile(
        rf"{re.escape(stem)}(?:\.(?P<number>\d+)|{date})(?:{re.escape(extension)})?(?P<packed>{ends})?$"
    )


DATE_SAMPLE = {"%Y": "2026", "%s": "1795392000", "%z": "+0000", "%%": "%"}


def next_archives(name: str, policy: dict[str, Any]) -> list[str]:
    """Return names such as the log's next archives will have; none if it keeps no archive."""
    if not policy["rotate"]:
        return []
    extension = policy.get("extension") or policy.get("addextension") or ""
    stem = name[: -len(extension)] if extension and name.endswith(extension) else name
    mark = f".{policy.get('start', 1)}"
    if policy.get("dateext"):
        parts = re.split(r"(%.)", date_format(policy))
        mark = "".join(
            DATE_SAMPLE.get(part, "11" if part in DATE_PARTS else part) for part in parts
        )
    plain = f"{stem}{mark}{extension}"
    if not policy.get("compress"):
        return [plain]
    packed = plain + (policy.get("compressext") or ".gz")
    return [plain, packed] if policy.get("delaycompress") else [packed]


def takes(pattern: str, path: str) -> bool:
    """Return whether the pattern matches the path, as glob(7) has it: by parts, and no leading dot by a wildcard."""
    wanted, found = pattern.split("/"), path.split("/")
    return len(wanted) == len(found) and all(
        fnmatch.fnmatchcase(there, part) and (part[:1] == "." or there[:1] != ".")
        for part, there in zip(wanted, found)
    )
