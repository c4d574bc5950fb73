"""Templates of HTML: text is escaped, and what cannot be seen in it is made visible."""

from __future__ import annotations

from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from upkeep.model.text import safe


def environment(loader: BaseLoader | None = None) -> Environment:
    """Return where templates are made, with the filters `short` and `remedy`."""
    made = Environment(
        loader=loader,
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["short"] = safe
    made.filters["remedy"] = remedy
    return made


def harmless(value: Any) -> Any:
    """Return what a template prints without characters that are not seen; markup is our own and stays."""
    return safe(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def remedy(text: str) -> Markup:
    """Return a next step with what stands between backticks as code."""
    pieces = safe(text, 1_000).split("`")
    if len(pieces) % 2 == 0:
        return escape(safe(text, 1_000))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(pieces)
    )
