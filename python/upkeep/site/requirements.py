"""The rows that a site must cover: of its own maintenance schedule, a contract, or the controls of an audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, model_validator

from upkeep.model.nearest import nearest
from upkeep.site.fields import CheckId
from upkeep.site.schedule_part import Part

CoverKind = Literal["check", "command", "page", "setting"]
RowId = Annotated[str, Field(pattern=r"^[^\s,]+$", max_length=100)]
"""An id as the site's own document has it, such as D1 or 164.308(a)(1)."""


class Cover(Part):
    """One thing that covers a requirement, beside the procedures and reviews whose `covers` name it."""

    check: CheckId | None = Field(default=None, description="A check that a procedure asks for.")
    command: str | None = Field(
        default=None,
        pattern=r"^upkeep \S",
        max_length=200,
        description="A command that people type, such as `upkeep run daily-health`.",
    )
    page: str | None = Field(
        default=None, pattern="^/", max_length=200, description="A web page, such as /completion."
    )
    setting: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="What this file says at a path, such as alerts.policy.1.",
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> Cover:
        if sum(value is not None for value in self.model_dump().values()) != 1:
            raise ValueError("one of check, command, page and setting")
        return self

    @property
    def kind(self) -> CoverKind:
        """What kind of thing it is."""
        kinds: tuple[CoverKind, ...] = get_args(CoverKind)
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @property
    def name(self) -> str:
        """Which check, command, page or setting it is."""
        return str(getattr(self, self.kind))


class Requirement(Part):
    """A row that the site must cover."""

    title: str = Field(min_length=1, description="For people.")
    heading: str = Field(default="", description="Under which heading of your document it stands.")
    covered_by: tuple[Cover, ...] = Field(
        default=(), description="What covers it beside procedures and reviews that name it."
    )
    lacks: tuple[str, ...] = Field(
        default=(),
        description="What it asks for and nothing does yet; `schedule coverage` says so.",
    )


def why_not_set(found: Any, path: str) -> str:
    """Return why a file says nothing at a path such as `alerts.policy.1`; empty if it does."""
    for word in path.split("."):
        inner: Mapping[str, Any] = {}
        if isinstance(found, BaseModel):
            fields: Iterable[tuple[str, Any]] = type(found).model_fields.items()
            named = {field.alias or name: name for name, field in fields}
            inner = {
                key: getattr(found, name)
                for key, name in named.items()
                if name in found.model_fields_set
            }
        elif isinstance(found, Mapping):
            inner = {str(key): value for key, value in found.items()}
        if word not in inner:
            return f"this file says nothing at {path!r}: there is no {word!r}{nearest(word, inner)}"
        found = inner[word]
    return ""
