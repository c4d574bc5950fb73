"""A host made of recorded files and command outputs, for tests of gathers."""

from __future__ import annotations

import fnmatch
import io
from typing import IO

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    MISSING,
    Host,
    HostError,
    Ran,
)


class RecordedHost(Host):
    """Answers from `files` (path → text or bytes), `commands` (command line → Ran) and `clock`.

    What was not recorded is not there. Calls that need a real file system (stat, statvfs, connect) are the real
    ones: give them a tmp_path or a real service.
    """

    def __init__(
        self,
        files: dict[str, str | bytes] | None = None,
        commands: dict[str, Ran] | None = None,
        clock: float = 0.0,
    ) -> None:
        self.files = {
            path: text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
            for path, text in (files or {}).items()
        }
        self.commands = commands or {}
        self.clock = clock
        self.ticks = self.seconds_a_look = 0.0

    def now(self) -> float:
        return self.clock

    def monotonic(self) -> float:
        self.ticks += self.seconds_a_look
        return self.ticks

    def open(self, path: str, follow_links: bool = True) -> IO[bytes]:
        if path not in self.files:
            raise HostError(f"{path}: no such file or directory", MISSING, path)
        return io.BytesIO(self.files[path])

    def exists(self, path: str) -> bool:
        return path in self.files or any(
            name.startswith(path.rstrip("/") + "/") for name in self.files
        )

    def realpath(self, path: str) -> str:
        return path

    def names(self, path: str) -> list[str]:
        start = path.rstrip("/") + "/"
        names = {name[len(start) :].split("/")[0] for name in self.files if name.startswith(start)}
        if not names:
            raise HostError(f"{path}: no such file or directory")
        return sorted(names)

    def glob(self, pattern: str, limit: int = 10_000) -> list[str]:
        found = sorted(fnmatch.filter(self.files, pattern))
        if len(found) > limit:
            raise HostError(f"{pattern}: more than {limit} files have such a name")
        return found

    def which(self, program: str) -> str | None:
        return (
            f"/usr/bin/{program}" if any(c.split()[0] == program for c in self.commands) else None
        )

    def run(self, command: list[str], *args: object, **kwargs: object) -> Ran:
        line = " ".join(command)
        if line not in self.commands:
            raise HostError(f"{command[0]}: no such program")
        return self.commands[line]
