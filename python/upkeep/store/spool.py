"""Where results wait while the store cannot be written: one file per host's answer, loaded exactly once."""

from __future__ import annotations

import json
import os
from pathlib import Path

from upkeep.observed import Observed, from_json, to_json
from upkeep.store import Store
from upkeep.store.observed import add_host


class Spool:
    """A private folder. What is in it has been handed over, and not yet been written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, run_id: int, observed: Observed) -> None:
        """Keep the answer; raise OSError if not even that can be written."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = len(list(self.folder.iterdir()))
        part = self.folder / f"{number:08}.part"
        with part.open("w", encoding="ascii") as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump({"run_id": run_id, "observed": to_json(observed)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(part.with_suffix(".json"))

    def load(self, store: Store) -> int:
        """Write down all that waits, oldest first; return how much. Raises StoreError, and keeps the rest.

        The store knows an answer that it has already: a crash between writing and removing doubles nothing.
        """
        taken = 0
        for path in sorted(self.folder.glob("*.json")):
            kept = json.loads(path.read_text(encoding="ascii"))
            with store.begin() as db:
                taken += add_host(db, kept["run_id"], from_json(kept["observed"]))
            path.unlink()
        return taken
