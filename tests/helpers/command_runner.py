"""Typer's runner of commands in one process, with the parser made once: to make it costs more than most commands do."""

from __future__ import annotations

import functools

import typer.main
import typer.testing
from typer.testing import CliRunner, Result

__all__ = ["CliRunner", "Result", "get_command"]

get_command = functools.cache(typer.main.get_command)
typer.main.get_command = typer.testing._get_command = get_command
