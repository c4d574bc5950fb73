"""What every mapping of schedule.yml has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A mapping of the file: no other keys, and never changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
