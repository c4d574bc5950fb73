"""Where results wait while the store cannot be written: one file per host's answer, loaded exactly once."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from upkeep.model.answer import Observed, from_json, to_json
from upkeep.model.run_end import Reason
from upkeep.store import Store
from upkeep.store.answers import add_host


class Spool:
    """A private folder. What is in it has been handed over, and not yet been written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unreadable = 0

    def put(self, run_id: int, observed: Observed) -> None:
        """Keep the answer.

        Raises: OSError if not even that can be written.
        """
        last = max((path.stem for path in self.folder.glob("0*.json")), default="0")
        self._write(f"{int(last) + 1:08}", {"run_id": run_id, "observed": to_json(observed)})

    def put_end(
        self, status: str, cause: str, ended_at: datetime, reason: Reason | None = None
    ) -> None:
        """Keep how the run ended.

        Raises: OSError if not even that can be written.
        """
        end = {"status": status, "cause": cause, "ended_at": ended_at.isoformat()}
        self._write("end", end | ({"reason": reason.value} if reason else {}))

    def end(self) -> tuple[str, str, datetime, Reason | None] | None:
        """Return the status, cause, time and reason of an end that was kept, or None."""
        try:
            kept = json.loads((self.folder / "end.json").read_text(encoding="ascii"))
            reason = Reason(kept["reason"]) if "reason" in kept else None
            return kept["status"], kept["cause"], datetime.fromisoformat(kept["ended_at"]), reason
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _write(self, name: str, content: dict[str, Any]) -> None:
        """Write a file whole, or not at all."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.folder / f"{name}.part"
        with part.open("w", encoding="ascii") as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(part.with_suffix(".json"))
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def load(self, store: Store, run_id: int | None = None) -> list[str]:
        """Record all that waits, oldest first; return whose answers were new.

        run_id: whose spool it is, whatever its files say. The store knows an answer that it has already: a crash
        between writing and removing doubles nothing. What cannot be read is counted as `unreadable` and left.

        Raises: StoreError, keeps the rest.
        """
        taken = []
        for path in sorted(self.folder.glob("0*.json")):
            try:
                kept = json.loads(path.read_text(encoding="ascii"))
                of_run = int(kept["run_id"]) if run_id is None else run_id
                said = kept["observed"]
                observed = from_json(said, said["host"], str(said.get("seen_from", "")))
            except (ValueError, LookupError, TypeError, RecursionError):
                self.unreadable += 1
                path.rename(path.with_suffix(".unreadable"))
                continue
            with store.begin() as db:
                if add_host(db, of_run, observed):
                    taken.append(observed.host)
            path.unlink()
        return taken
