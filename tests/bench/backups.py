"""Measure how fast a backup is read to its end, beside the program that only unpacks it, and with how much memory."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

READ = """\
import resource, sys, time
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import _files
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import Budget
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
path = sys.argv[1]
started = time.monotonic()
found, _, _ = _files.reading(lambda: _files.read_file([path], _files.due_in(path), Budget(900, 1 << 40), Host()))
wall = time.monotonic() - started
assert (found["state"], found["proof"]) == ("whole", "all"), found
own = resource.getrusage(resource.RUSAGE_SELF)
print(wall, own.ru_maxrss // 1024)
"""
PROGRAMS = {"gz": ["gzip", "-dc"], "zst": ["zstd", "-dcq"]}
SMALL_MIB = 20


def write_dump(path: Path, mib: int) -> None:
    """Write a dump of SQL of that size, whose rows compress as rows do."""
    chance = random.Random(1)
    with path.open("wb") as stream:
        stream.write(b"--\n-- PostgreSQL database dump\n--\nCOPY public.a FROM stdin;\n")
        while stream.tell() < mib << 20:
            rows = (
                f"{number}\t{chance.randbytes(8).hex()}\t2026-11-{number % 28 + 1:02}\t{number % 977}\n"
                for number in range(20_000)
            )
            stream.write("".join(rows).encode())
        stream.write(b"\\.\n\n--\n-- PostgreSQL database dump complete\n--\n")


def backup_reading(folder: Path, mib: int, rounds: int) -> list[str]:
    """Compare reading a packed dump of that size to its end with unpacking it into nothing."""
    rows = [f"Backup of {mib} MiB, read to its end | speed | memory", "---|---|---"]
    for packer, command in PROGRAMS.items():
        times: dict[str, list[float]] = {"ours": [], "/dev/null": [], "a file": []}
        memory = {}
        for size in (SMALL_MIB, mib):
            path = folder / f"a-{size}.sql"
            write_dump(path, size)
            subprocess.run([command[0], "-q", "-f", path], check=True)
            path.unlink(missing_ok=True)
            packed = f"{path}.{packer}"
            for _round in range(rounds if size == mib else 1):
                theirs = {}
                for where, path in (("/dev/null", Path("/dev/null")), ("a file", folder / "out")):
                    started = time.monotonic()
                    with path.open("wb") as out:
                        subprocess.run([*command, packed], check=True, stdout=out)
                    theirs[where] = time.monotonic() - started
                done = subprocess.run(
                    [sys.executable, "-c", READ, packed],
                    check=True,
                    stdout=subprocess.PIPE,
                    env=dict(os.environ),
                )
                wall, peak = done.stdout.split()
                memory[size] = int(peak)
                if size == mib:
                    for where, took in {**theirs, "ours": float(wall)}.items():
                        times[where].append(took)
            Path(packed).unlink()
        ours, nothing, file = (statistics.median(one) for one in times.values())
        rows.append(f"{' '.join(command)} into a file | 1 × ({file:.2f} s) | -")
        rows.append(
            f"{' '.join(command)} into /dev/null | {file / nothing:.2f} × ({nothing:.2f} s) | -"
        )
        said = f"{memory[mib]} MiB; {memory[SMALL_MIB]} MiB for {SMALL_MIB} MiB"
        rows.append(f"{packer}, by Upkeep | {file / ours:.2f} × ({ours:.2f} s) | {said}")
    return rows
