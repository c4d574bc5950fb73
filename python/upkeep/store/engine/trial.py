"""An upgrade that is tried on a copy of the database: what people would see changed.

The copy is what a backup would hold, in a SQLite file that is removed afterwards; the database itself is only read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, func, select

from upkeep.store import MIGRATIONS, Store, runs, tables, upgrade, versions
from upkeep.store.engine import archive, engines, layout

SEEN_BY_PEOPLE = (
    "finding", "alert", "silence", "waiver", "review", "occurrence", "blind_spot", "watched", "latest_result",
)  # fmt: skip
"""What is compared; the rest is the record of runs, which they are made of."""
WITHOUT_MEANING = ("fingerprint", "group_key")
EXAMPLES = 5


@dataclass(frozen=True)
class Changed:
    """A column whose values an upgrade changes, or fills where it is new. examples: key, before and after of a few."""

    table: str
    column: str
    rows: int
    examples: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Filled:
    """A new column, and how many rows have which value that is not the column's empty one."""

    table: str
    column: str
    values: Mapping[str, int]


PREFIX = ".trial-"

Rows = dict[str, dict[tuple[Any, ...], dict[str, Any]]]
"""By table and key, the columns."""


@contextlib.contextmanager
def copy_of(url: str, folder: Path) -> Iterator[tuple[Store, str]]:
    """Yield a copy of a database at its own revision, and that revision; it is gone afterwards.

    Raises: StoreError if the database cannot be read, is empty, or is none of ours.
    """
    source = Store(*engines.connect(url))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _place(folder) as place:
        part, path = place / "rows", place / "upkeep.db"
        with contextlib.closing(source), source.read() as db:
            current, _newest = versions(db, source.place)
            found = archive.kept(layout.layout_of(current).tables) if current else []
            if current:
                archive.write(db, found, part)
        address = URL.create("sqlite", database=str(path)).render_as_string()
        with contextlib.closing(Store(*engines.connect(address))) as copy:
            if current:
                with copy.begin() as db, part.open("rb") as stream:
                    upgrade(db, current)
                    archive.load(db, archive.Hashed(stream), source.place, found)
            yield copy, current


@contextlib.contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """Yield a private folder for a copy; it is gone afterwards, or with the next `forget`."""
    with contextlib.ExitStack() as kept:
        with _locked(folder):  # nobody forgets a folder that is about to be locked
            place = kept.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=PREFIX))
            kept.enter_context(_locked(Path(place)))
        yield Path(place)


def forget(folder: Path) -> None:
    """Remove the copies of those that were killed; the kernel has let go of their locks."""
    if not any(folder.glob(f"{PREFIX}*")):
        return
    with _locked(folder):
        for place in folder.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError), _locked(place, wait=False):
                shutil.rmtree(place)


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a folder's lock.

    Raises: BlockingIOError if another process has it and we do not wait.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(opened)


def said_of(revisions: Collection[str]) -> list[tuple[str, str]]:
    """Return what each revision does, in its own first sentence."""
    found = []
    for path in sorted((MIGRATIONS / "versions").glob("[0-9]*.py")):
        number = path.name.split("_")[0]
        if number in revisions:
            text = path.read_text(encoding="utf-8").split('"""')[1]
            found.append((number, " ".join(text.split("\n\n")[0].split())))
    return found


def rows_of(db: Connection, revision: str) -> Rows:
    """Return what people see, as the tables of a revision have it."""
    found: Rows = {}
    for table in layout.layout_of(revision).tables:
        if table.name not in SEEN_BY_PEOPLE:
            continue
        keys = [one.name for one in tables.metadata.tables[table.name].primary_key.columns]
        if table.name == "latest_result":
            keys = ["host", "check_id", "subject"]
        mine = found.setdefault(table.name, {})
        for row in db.execute(select(table)):
            values = dict(row._mapping)
            mine[tuple(values[one] for one in keys)] = values
    return found


def compare(before: Rows, after: Rows) -> tuple[list[Changed], list[Filled], list[str]]:
    """Return columns that change, new columns that have values, and lines for rows that are added or removed."""
    changed, filled, lines = [], [], []
    for table, rows in after.items():
        old = before.get(table)
        if old is None:
            continue
        common = rows.keys() & old.keys()
        more, fewer = len(rows.keys() - old), len(old.keys() - rows)
        if more == fewer > 0:
            lines.append(f"{table}: {more} by another name")
        elif more or fewer:
            lines.append(f"{table}: {more} more, {fewer} fewer")
        columns = set().union(*(one.keys() for one in rows.values())) if rows else set()
        known = set().union(*(one.keys() for one in old.values())) if old else set()
        for column in sorted(columns - set(WITHOUT_MEANING)):
            if column in known:
                moved = [
                    (_shown(key), str(old[key][column]), str(rows[key][column]))
                    for key in sorted(common, key=str)
                    if old[key][column] != rows[key][column]
                ]
                if moved:
                    changed.append(Changed(table, column, len(moved), tuple(moved[:EXAMPLES])))
            else:
                values = Counter(str(one[column]) for one in rows.values() if one[column])
                if values:
                    filled.append(Filled(table, column, dict(values.most_common())))
    return changed, filled, lines


def _shown(key: tuple[Any, ...]) -> str:
    return " ".join(str(one) for one in key)


def newest_runs(db: Connection) -> list[runs.Run]:
    """Return, for each site and procedure, the newest run that has ended."""
    run = tables.run
    newest = (
        select(func.max(run.c.id))
        .where(run.c.status != runs.RUNNING, run.c.observations_kept)
        .group_by(run.c.site, run.c.procedure)
    )
    return [runs.of_row(row) for row in db.execute(select(run).where(run.c.id.in_(newest)))]
