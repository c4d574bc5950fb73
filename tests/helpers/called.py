"""Calls a command as the parser does: with all its options, and with an exit status at the end."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer


def called(command: Callable[..., Any], *arguments: Any, **options: Any) -> int:
    """Return the command's exit status."""
    bound = inspect.signature(command).bind(*arguments, **options)
    bound.apply_defaults()
    try:
        command(**bound.arguments)
    except typer.Exit as exc:
        return exc.exit_code
    return 0
