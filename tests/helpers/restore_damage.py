"""Damage to a backup: bits flipped, ends cut, blocks zeroed, at places that a seed chooses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import RestoredBackup

Damage = Callable[[bytearray], None]


def damages(size: int, seed: str, count: int = 60) -> Iterator[tuple[str, Damage]]:
    """Yield what to do to a file of that size, with a name: a bit flipped, the end cut, a block of zeros."""
    chance = random.Random(seed)
    for number in range(count):
        yield _damage(size, number, chance)


def damages_of_files(folder: Path, seed: str, count: int) -> Iterator[tuple[str, Path, Damage]]:
    """Yield what to do to which file below a folder, with a name. Each file is as likely as any other."""
    chance = random.Random(seed)
    files = sorted(one for one in folder.rglob("*") if one.is_file() and one.stat().st_size)
    for number in range(count):
        path = chance.choice(files)
        what, damage = _damage(path.stat().st_size, number, chance)
        yield f"{path.relative_to(folder)}: {what}", path.relative_to(folder), damage


def _damage(size: int, number: int, chance: random.Random) -> tuple[str, Damage]:
    at = chance.randrange(size)
    if number % 3 == 0:
        bit = 1 << chance.randrange(8)
        return f"bit {bit} of byte {at}", lambda data: flip(data, at, bit)
    if number % 3 == 1:
        return f"cut at {at}", lambda data: data.__delitem__(slice(at, None))
    return f"512 zeros at {at}", lambda data: zero(data, at)


def flip(data: bytearray, at: int, bit: int) -> None:
    """Flip one bit of a byte."""
    data[at] ^= bit


def zero(data: bytearray, at: int) -> None:
    """Write zeros over a block, as a disk gives it that has lost one."""
    end = min(len(data), at + 512)
    data[at:end] = bytes(end - at)


@dataclass(frozen=True)
class Seen:
    """A verification. row: of the ledger. content: a hash over what came out; empty if nothing did."""

    row: dict[str, Any]
    content: str

    @classmethod
    def of(
        cls,
        verify: Callable[[Callable[[RestoredBackup], None]], dict[str, Any]],
        content_of: Callable[[RestoredBackup], str],
    ) -> Seen:
        """Verify, and take the hash of what was restored while it is there."""
        hashes: list[str] = []

        def take(restored: RestoredBackup) -> None:
            try:
                hashes.append(content_of(restored))
            except Exception:
                hashes.append("cannot be read")

        row = verify(take)
        return cls(row, hashes[0] if hashes else "")


def refuse_false_proof(good: Seen, found: Seen, what: str) -> None:
    """Fail if something else came out than of the undamaged backup, and passes as proved by checksums."""
    row = found.row
    if row["outcome"] in ("restored", "part") and found.content != good.content:
        assert good.row["proof"] != "checksums", (what, row)
        assert row["proof"] in ("none", "figures"), (what, row)
        assert row["proof"] == "figures" or row["unproved"], (what, row)
    if row["outcome"] in ("failed", "unknown"):
        assert row["why"], what
