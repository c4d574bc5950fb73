# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch the tables of an isolated host, and put them back once. A program of its own that outlives its connection.

It imports nothing of the collection: the host has a copy of this file alone. usage: python3 -I -S watch.py FOLDER
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import Any, Dict, List

LOOK_SECONDS = 30
"""It looks so often also if the kernel told nothing: what it tells may be lost."""
CALM_SECONDS = 0.2
AGAIN_SECONDS = 2
NFT_SECONDS = 20


class TableWatch:
    """What is watched."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with open(os.path.join(folder, "state.json"), encoding="utf-8") as stream:
            state: Dict[str, Any] = json.load(stream)
        self.nft: str = state["nft"]
        self.listed: Dict[str, str] = state["listed"]

    def follow(self) -> None:
        """Follow what the kernel tells until the host is released."""
        while not self.is_released():
            # No AnsibleModule is here: this is a program of its own.
            with subprocess.Popen(  # pylint: disable=ansible-bad-function
                [self.nft, "monitor"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as monitor:
                try:
                    self._follow(monitor)
                finally:
                    monitor.kill()
            time.sleep(AGAIN_SECONDS)

    def _follow(self, monitor: Any) -> None:
        self.look()
        while True:
            ready, _writable, _failed = select.select([monitor.stdout], [], [], LOOK_SECONDS)
            if ready and not os.read(monitor.stdout.fileno(), 1 << 16):
                return
            time.sleep(CALM_SECONDS)
            if self.is_released():
                return
            self.look()

    def look(self) -> None:
        """Compare the tables with what was loaded."""
        changed = self.changed()
        if not changed or self.is_released():
            return
        kinds = [line.split(" ")[1] for line in self.events()]
        while "loaded_again" in kinds:  # somebody has put them back, and it begins anew
            kinds = kinds[kinds.index("loaded_again") + 1 :]
        if "put_back" in kinds:
            if "changed_again" not in kinds:
                self.tell("changed_again", changed)
            return
        self.tell("put_back", changed)
        if self.run("--file", os.path.join(self.folder, "rules.nft")) is None:
            self.tell("not_put_back", changed)
        if (
            self.is_released()
        ):  # meanwhile: what was just put back came after the release had looked
            self.run("delete", "table", "inet", "upkeep_isolation")
            for family in self.listed:
                self.run("delete", "table", family, "upkeep_isolation")

    def changed(self) -> str:
        """Return which tables are not as they were loaded; empty if all are."""
        found = []
        for family, text in self.listed.items():
            now = self.run("--stateless", "list", "table", family, "upkeep_isolation")
            if now != text:
                found.append(f"{family} {'is gone' if now is None else 'was changed'}")
        return ", ".join(found)

    def run(self, *words: str) -> str | None:
        """Return what nft prints; None if it fails."""
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                [self.nft, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=NFT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

    def events(self) -> List[str]:
        """Return what has happened."""
        try:
            with open(
                os.path.join(self.folder, "events"), encoding="utf-8", errors="replace"
            ) as stream:
                return [line for line in stream.read().splitlines() if len(line.split(" ")) > 1]
        except OSError:
            return []

    def is_released(self) -> bool:
        """Return whether the host is released, or is being so."""
        return any(line.split(" ")[1] in ("releasing", "released") for line in self.events())

    def tell(self, kind: str, words: str) -> None:
        """Append an event."""
        with open(os.path.join(self.folder, "events"), "a", encoding="utf-8") as stream:
            stream.write(f"{int(time.time())} {kind} {words}\n")


def main() -> None:
    """Watch, and write down as whom."""
    folder = sys.argv[1]
    with open(os.path.join(folder, "armed.watch"), "w", encoding="ascii") as stream:
        stream.write(f"{os.getpid()}\n")
    TableWatch(folder).follow()


if __name__ == "__main__":
    main()
