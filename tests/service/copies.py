"""Databases that are filled once for many tests, each of which has a copy of its own."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from service.postgres import Postgres
from sqlalchemy import make_url

from upkeep.store import Store, open_store

T = TypeVar("T")


class Copies(Generic[T]):
    """What `fill` makes of a fresh database, on each kind that is asked for; it is called once for each.

    fresh: gives the URL of a fresh database of a kind.
    """

    def __init__(
        self,
        fill: Callable[[Store], T],
        fresh: Callable[[str], str],
        postgres: Callable[[], Postgres],
        folder: Path,
    ) -> None:
        self.fill, self.fresh, self.postgres, self.folder = fill, fresh, postgres, folder
        self._filled: dict[str, tuple[T, str]] = {}

    @contextmanager
    def copy(self, kind: str) -> Iterator[tuple[T, Store]]:
        """Yield what `fill` has returned, and an open store with a copy of what it has filled."""
        made, url = self._copy(kind)
        with closing(open_store(url)) as store:
            yield made, store
        if kind == "postgresql":
            self.postgres().drop(url)

    def _copy(self, kind: str) -> tuple[T, str]:
        if kind not in self._filled:
            url = self.fresh(kind)
            store = open_store(url)
            made = self.fill(store)
            store.close()
            self._filled[kind] = made, url
        made, url = self._filled[kind]
        database = make_url(url).database or ""
        if kind == "postgresql":
            return made, self.postgres().fresh(database)
        path = self.folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(database, path)
        return made, f"sqlite:///{path}"
