"""The commands there are, each loaded when it is called: to load all of them takes longer than most of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import typer.main
from typer.core import TyperCommand, TyperGroup

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("run", "Run a procedure on its hosts now."),
    "check": (
        "run",
        "Run one check now: as the hosts ask for it or, with -p, with these parameters.",
    ),
    "checks": (
        "checks",
        "List the checks there are, or one with its parameters, limits and source; with a site, its own too.",
    ),
    "explain": (
        "explain",
        "Say what a host is looked at for: checks, limits, from which file and line, when due; or what a check is.",
    ),
    "plan": (
        "plan",
        "Say what a run of a procedure would do: which checks on which hosts, which jobs, for how long; run nothing.",
    ),
    "procedures": ("schedule", "List the procedures of the site's schedule."),
    "runs": ("runs", "List the newest runs."),
    "show": ("runs", "Show a run: what did not pass, worst first."),
    "findings": ("findings", "List what is wrong now, worst first, and since when."),
    "judge": ("runs", "Judge a run's stored observations again, with today's checks and limits."),
    "doctor": (
        "doctor",
        "Find out, for all hosts side by side, what stands in the way; say what to do.",
    ),
    "init": ("init", "Write a small, commented site to start from."),
    "backup": (
        "backup",
        "Write a signed copy of the database of runs and results, while others go on writing to it.",
    ),
    "restore": ("backup", "Put a backup's content into the database; stop `upkeep serve` first."),
    "occurrences": (
        "occurrences",
        "List what was due, what became of it and why, and what hosts still owe.",
    ),
    "serve": (
        "serve",
        "Run the schedule by itself, tell people, and give the page; until it is stopped.",
    ),
    "ack": (
        "alerts",
        "Say that you have an alert: nobody is told again, unless it gets worse or you do not come back to it.",
    ),
    "reviews": (
        "reviews",
        "List what people must sign, the soonest due first; exit status 1 if anything is overdue.",
    ),
    "sign": ("reviews", "Say with your name what a review has found. Asks for your password."),
    "completion": (
        "completion",
        "Say how much of what was due in a month was done in its time: per procedure and team.",
    ),
    "waivers": (
        "waivers",
        "List the waivers that hold or wait for approval, and how many findings each covers.",
    ),
    "baselines": (
        "baselines",
        "List the accepted baselines, each with its newest value and whether a better one is proposed.",
    ),
    "db": ("db", "The database of runs and results."),
    "schedule": ("schedule", "What is due when, and what a year of it brings."),
    "user": ("users", "Who may sign in to the page."),
    "alerts": ("alerts", "What people are told of; lists the open alerts."),
    "silence": ("alerts", "Keep findings quiet for a time; a silence always ends."),
    "oncall": ("alerts", "Who is called; lists each team's."),
    "hosts": ("hosts", "Hosts that have left the inventory; lists them."),
    "review": ("reviews", "One review."),
    "waive": ("waivers", "Accept a failure for a time: one asks for it, another says yes."),
    "baseline": (
        "baselines",
        "What is normal for a measure: proposed from its values, accepted by a person.",
    ),
}
"""Each command or group, the file in this folder that has it, and its help; a test compares them."""


class Commands(Mapping[str, Any]):
    """The commands by name; one is loaded when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        module, _help = COMMANDS[name]
        app = importlib.import_module(f"upkeep.cli.{module}").cli
        return commands_of(app)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, without loading anything."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list for the help, without loading anything."""
        listed: dict[str, Any] = {
            name: TyperCommand(name=name, help=text) for name, (_m, text) in COMMANDS.items()
        }
        TyperGroup(commands=listed).format_commands(ctx, formatter)


def commands_of(app: typer.Typer) -> Mapping[str, Any]:
    """Return what a file of commands has, by name."""
    group = typer.main.get_group(app)
    commands: Mapping[str, Any] = group.commands
    return commands
