"""Measure a verification of a dump of PostgreSQL beside `pg_restore --jobs` into a server with the same settings."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    SETS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import (
    Ledger,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    PostgresPrograms,
    at_least,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    our_settings,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.verify import verify

ROWS_OF_A_MIB = 7_300
USER = "postgres"
OTHER_STEPS = ("start", "count", "check")


def options_of(declared: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults of an option's parts."""
    return {name: one.get("default") for name, one in declared.items()}


def restores(folder: Path, mib: int, rounds: int) -> list[str]:
    """Compare restoring and judging a database of that size with restoring it."""
    if os.geteuid():
        return ["Restores are measured as root alone | -", "---|---"]
    folder.chmod(0o755)
    programs = at_least((0,), Host())
    verified = {**options_of(SETS["options"]["verify"]["options"]), "beside_live": "a benchmark"}
    dump = folder / "shop.dump"
    with server(folder / "made", programs, verified) as run:
        make_dump(run, programs, mib, dump)
    wanted = {
        **options_of(SETS["options"]),
        "name": "shop",
        "paths": [str(dump)],
        "verify": verified,
    }
    ours: dict[str, list[float]] = {}
    theirs = []
    for number in range(rounds):
        with server(folder / f"theirs-{number}", programs, verified) as run:
            began = time.monotonic()
            run(
                "pg_restore",
                "--create",
                "--jobs",
                str(verified["jobs"]),
                "-d",
                "template1",
                str(dump),
            )
            theirs.append(time.monotonic() - began)
        row = verify(wanted, Ledger(str(folder / "ledger")), Host(), str(folder / "scratch"))
        if row["outcome"] != "restored":
            sys.exit(f"not restored: {row['step']}: {row['why']}")
        for name in ("find", "stage", "restore", *OTHER_STEPS):
            ours.setdefault(name, []).append(row["seconds"].get(name, 0.0))
        ours.setdefault("pg_restore", []).append(row["restore_seconds"])
    return rows_of(
        mib, dump, statistics.median(theirs), {k: statistics.median(v) for k, v in ours.items()}
    )


def rows_of(mib: int, dump: Path, theirs: float, ours: dict[str, float]) -> list[str]:
    """Return the lines of the table."""
    both = ours["pg_restore"] + sum(ours[name] for name in OTHER_STEPS)
    return [
        f"Database of {mib} MiB, a dump of {dump.stat().st_size >> 20} MiB | beside pg_restore | seconds",
        "---|---|---",
        f"pg_restore by hand, same settings | 1 × | {theirs:.2f}",
        f"the restore alone, in the sandbox | {ours['pg_restore'] / theirs:.2f} × | {ours['pg_restore']:.2f}",
        f"with start and counts of all rows | {both / theirs:.2f} × | {both:.2f}",
        *(f"{name} | - | {ours[name]:.2f}" for name in ("find", "stage", *OTHER_STEPS)),
    ]


def make_dump(run: Any, programs: PostgresPrograms, mib: int, dump: Path) -> None:
    """Dump a database of that size, with indexes and a foreign key."""
    run("createdb", "shop")
    many = mib * ROWS_OF_A_MIB
    run(
        "psql", "-q", "-d", "shop", "-c",
        "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);"
        f"INSERT INTO customers SELECT i, md5(i::text) FROM generate_series(1, {many // 10}) i;"
        "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text, at timestamptz);"
        f"INSERT INTO orders SELECT i, i % {many // 10} + 1, md5(i::text), now() FROM generate_series(1, {many}) i;"
        "CREATE INDEX ON orders (customer, at)",
    )  # fmt: skip
    dump.touch()
    shutil.chown(dump, USER)
    run("pg_dump", "-Fc", "-Z1", "-d", "shop", "-f", str(dump))
    dump.chmod(0o644)


@contextmanager
def server(folder: Path, programs: PostgresPrograms, verified: dict[str, Any]) -> Iterator[Any]:
    """Give what runs a program beside a server of our settings, outside of any sandbox."""
    folder.mkdir()
    shutil.chown(folder, USER)
    settings = {
        **our_settings(SimpleNamespace(verify=verified), programs.version),  # type: ignore[arg-type]
        "unix_socket_directories": str(folder),
        "hba_file": f"{folder}/data/pg_hba.conf",
        "ident_file": f"{folder}/data/pg_ident.conf",
    }

    def command(name: str, *words: str) -> list[str]:
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        return [*user, programs.path(name), *words]

    environment = {**os.environ, "PGHOST": str(folder), "PGUSER": "bench", "HOME": str(folder)}

    def run(name: str, *words: str) -> None:
        subprocess.run(command(name, *words), check=True, env=environment, cwd=folder)

    made = command(
        "initdb",
        "-D",
        f"{folder}/data",
        "-U",
        "bench",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    )
    subprocess.run(made, check=True, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    with (folder / "data" / "postgresql.conf").open("w") as stream:
        stream.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    process = subprocess.Popen(
        command("postgres", "-D", f"{folder}/data"),
        env=environment,
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        while subprocess.run(command("pg_isready", "-q"), env=environment, cwd=folder).returncode:
            time.sleep(0.1)
        yield run
    finally:
        process.kill()
        process.wait()
        subprocess.run(["rm", "-rf", folder], check=True)
