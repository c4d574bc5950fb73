"""A host whose files lie below a folder, whose clock stands, and whose commands were recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran


class RootedHost(Host):
    """Reads `/a` as `ROOT/a`, with the real file system's answers.

    root: empty for the real one.
    clock: what `now` says; without one it is the real clock.
    commands: command line → what it gave. A command that is not there is no such program, unless `real` names it.
    real: programs that are run as they are. environment: what they are told.
    """

    def __init__(
        self,
        root: Path | str,
        clock: float | None = None,
        commands: dict[str, Ran] | None = None,
        real: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.root = str(root)
        self.clock = clock
        self.commands = commands or {}
        self.real = real
        self.environment = environment

    def below(self, path: str) -> str:
        """Return where the path of the host really is."""
        return path if path.startswith(self.root) else f"{self.root}/{path.lstrip('/')}"

    def outside(self, path: str) -> str:
        """Return the path as the host calls it."""
        return path[len(self.root) :] if path.startswith(self.root) else path

    def now(self) -> float:
        return super().now() if self.clock is None else self.clock

    def open(self, path: str, follow_links: bool = True) -> IO[bytes]:
        return super().open(self.below(path), follow_links)

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        return super().stat(self.below(path), follow_links)

    def exists(self, path: str) -> bool:
        return super().exists(self.below(path))

    def realpath(self, path: str) -> str:
        return self.outside(super().realpath(self.below(path)))

    def readlink(self, path: str) -> str:
        return super().readlink(self.below(path))

    def names(self, path: str) -> list[str]:
        return super().names(self.below(path))

    def glob(self, pattern: str, limit: int = 10_000) -> list[str]:
        return [self.outside(path) for path in super().glob(self.below(pattern), limit)]

    def statvfs(self, path: str) -> os.statvfs_result:
        return super().statvfs(self.below(path))

    def which(self, program: str) -> str | None:
        if program in self.real:
            return super().which(program)
        recorded = any(line.split()[0] == program for line in self.commands)
        return f"/usr/bin/{program}" if recorded else None

    def run(self, command: list[str], *args: object, **kwargs: object) -> Ran:
        if command[0] in self.real:
            given = {"environment": self.environment, **kwargs}
            return super().run(command, *args, **given)  # type: ignore[arg-type]
        line = " ".join(command)
        if line not in self.commands:
            raise HostError(f"{command[0]}: no such program")
        return self.commands[line]
