# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel GRUB would start next: from its menu, or entries in files of their own, and the saved default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

MENUS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
MENU_BYTES = 1_000_000
ENTRIES = "/boot/loader/entries/*.conf"
ENTRY = re.compile(r"\s*(?:menuentry|submenu)\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))(.*)\{\s*$")
ENTRY_ID = re.compile(r"(?:--id|\$menuentry_id_option)[\s=]+['\"]?([^'\"\s{]+)")
LINUX = re.compile(r"\s*linux(?:16|efi)?\s+(\S+)")
DEFAULT = re.compile(r"^\s*set default=[\"']?([^\"'\n]*)[\"']?\s*$", re.MULTILINE)


@dataclass
class Entry:
    """An entry of a menu, or a menu in it."""

    title: str
    id: str = ""
    image: str = ""
    entries: list[Entry] = field(default_factory=list)


def next_kernel(host: Host) -> str | None:
    """Return the release of the kernel that the next boot starts; None where that cannot be read."""
    for path in MENUS:
        try:
            text = host.read(path, MENU_BYTES)
        except HostError:
            continue
        menu = parse_menu(text)
        try:
            saved = _saved(host, os.path.dirname(path))
            if re.search(r"^\s*blscfg\b", text, re.MULTILINE):
                menu += _entries(host)
        except HostError:
            return None  # one entry less, and the default is another
        image = chosen(menu, default_entry(text, saved))
        return release_of(image) if image else None
    return None


def release_of(image: str) -> str | None:
    """Return the release in an image's name."""
    name = os.path.basename(image)
    return name[len("vmlinuz-") :] if name.startswith("vmlinuz-") else None


def parse_menu(text: str) -> list[Entry]:
    """Return the entries of a grub.cfg."""
    top = Entry("")
    open_blocks: list[Entry | None] = []
    for line in text.splitlines():
        found = ENTRY.match(line)
        inner = next((one for one in reversed(open_blocks) if one), top)
        if found:
            named = ENTRY_ID.search(found.group(4))
            title = next(one for one in found.groups()[:3] if one is not None)
            entry = Entry(title, named.group(1) if named else "")
            inner.entries.append(entry)
            open_blocks.append(entry)
        elif line.rstrip().endswith("{"):
            open_blocks.append(None)
        elif line.strip() == "}" and open_blocks:
            open_blocks.pop()
        elif not inner.image:
            image = LINUX.match(line)
            inner.image = image.group(1) if image else ""
    return top.entries


def default_entry(text: str, saved: dict[str, str]) -> str:
    """Return what a grub.cfg takes as default: an entry for one boot, the saved one, or what it says itself."""
    if saved.get("next_entry"):
        return saved["next_entry"]
    said = [one for one in DEFAULT.findall(text) if "next_entry" not in one]
    default = said[-1] if said else "0"
    if default in ("${saved_entry}", "$saved_entry"):
        default = saved.get("saved_entry", "")
    return default or "0"


def chosen(menu: list[Entry], default: str) -> str:
    """Return the image of the default: a number, a title or an id, and `>` between menus; empty if it is not there."""
    entries, found = menu, Entry("")
    for part in default.split(">"):
        if part.isdigit():
            fitting = entries[int(part) : int(part) + 1]
        else:
            fitting = [one for one in entries if part in (one.id, one.title)]
        if not fitting:
            return ""
        found = fitting[0]
        entries = found.entries
    return "" if found.entries else found.image


def release_key(release: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts releases as rpm sorts versions: part by part, a number after a word."""
    return [
        (1, int(part), "") if part.isdigit() else (0, 0, part)
        for part in re.findall(r"\d+|[a-z]+", release.lower())
    ]


def _saved(host: Host, folder: str) -> dict[str, str]:
    """Return what GRUB's environment block holds.

    Raises: HostError if it is there and cannot be read.
    """
    path = f"{folder}/grubenv"
    lines = host.read(path, 64_000).splitlines() if host.exists(path) else []
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {name: value.strip() for name, value in pairs}


def _entries(host: Host) -> list[Entry]:
    """Return the entries that have a file each, newest first, as GRUB's blscfg sorts them by their names.

    Raises: HostError if one cannot be read.
    """
    found = []
    for path in host.glob(ENTRIES):
        fields = dict(
            line.split(None, 1)
            for line in host.read(path).splitlines()
            if len(line.split(None, 1)) == 2
        )
        name = os.path.basename(path)[: -len(".conf")]
        found.append(
            Entry(fields.get("title", "").strip(), name, fields.get("linux", "").split(" ")[0])
        )
    return sorted(found, key=lambda one: release_key(one.id), reverse=True)
