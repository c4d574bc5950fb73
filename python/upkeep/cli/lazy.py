"""The commands there are, each loaded when it is called: to load all of them takes longer than most of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer.main
from typer.core import TyperGroup

from upkeep.cli.aliases import renamed, told
from upkeep.cli.usage import Plain

SECTIONS: Mapping[str, Sequence[str]] = {
    "Run and read": ("today", "run", "check", "show", "plan", "explain", "doctor"),
    "What is kept": (
        "finding",
        "alert",
        "incident",
        "silence",
        "review",
        "waiver",
        "baseline",
        "occurrence",
        "restore",
        "host",
    ),
    "Set up and keep running": ("init", "serve", "schedule", "oncall", "user", "whoami", "db"),
}
"""The help's headings, each with its commands."""
COMMANDS: Mapping[str, tuple[str, str]] = {
    "today": ("today", "Show what needs attention, what runs, what is coming up."),
    "run": ("run", "Run a procedure now; list, show or judge earlier runs."),
    "run list": ("runs", "List the newest runs."),
    "run show": ("runs", "Show a run: what did not pass, worst first."),
    "run judge": ("runs", "Judge a run's stored observations again."),
    "check": ("run", "Run one check now; list the checks there are."),
    "check list": ("checks", "List the checks there are."),
    "show": ("runs", "Show a run: what did not pass, worst first."),
    "plan": ("plan", "Show what a run would do, without running anything."),
    "explain": ("explain", "Explain what a host is checked for, or a check."),
    "doctor": ("doctor", "Find what stands in the way, and say what to do."),
    "finding": ("findings", "What is wrong now, and since when."),
    "alert": ("alerts", "What people were notified of; acknowledge it."),
    "incident": ("incidents", "Incidents: their clocks, steps and record."),
    "incident isolate": ("incident_acts", "Isolate hosts of an incident from the network."),
    "incident release": ("incident_acts", "Release hosts from their isolation."),
    "silence": ("alerts", "Silence findings for a time."),
    "review": ("reviews", "What people must review and sign."),
    "waiver": ("waivers", "Failures that are accepted for a time."),
    "baseline": ("baselines", "What is normal for a measure."),
    "occurrence": ("occurrences", "What was due, and what became of it."),
    "restore": ("restores", "Backups that were verified by restoring them."),
    "host": ("hosts", "Hosts that are no longer in the inventory."),
    "init": ("init", "Write a small, commented site to start from."),
    "serve": ("serve", "Run the schedule, send alerts, serve the web page."),
    "schedule": ("schedule", "The procedures: when each is due, and what is wrong."),
    "schedule completion": ("completion", "Show how much of a month was completed on time."),
    "oncall": ("alerts", "Who is on call for each team."),
    "user": ("users", "Who may sign in to the web page."),
    "whoami": ("whoami", "Show who you are to Upkeep, and what you may do."),
    "db": ("db", "The database: upgrade, back up, restore, prune."),
    "db backup": ("backup", "Write a signed backup of the database."),
    "db restore": ("backup", "Restore a backup; stop `upkeep serve` first."),
}
"""Each command or group by its words, the file in this folder that has it, and its help; a test compares them.

A command of two words is in a group, or belongs to a verb, that another file has.
"""


class Commands(Mapping[str, Any]):
    """The commands of a group by name; one of another file is loaded when it is looked up.

    words: the group's own, empty for all commands. own: the commands that its file has.
    """

    def __init__(self, words: str = "", own: Mapping[str, Any] | None = None) -> None:
        self._own = own or {}
        begins = f"{words} " if words else ""
        self._of = {
            name.removeprefix(begins): name
            for name in COMMANDS
            if name.startswith(begins) and " " not in name.removeprefix(begins)
        }

    def __getitem__(self, name: str) -> Any:
        if name in self._own:
            return self._own[name]
        words = self._of[name]
        app = importlib.import_module(f"upkeep.cli.{COMMANDS[words][0]}").cli
        found = commands_of(app)[name]
        if any(one.startswith(f"{words} ") for one in COMMANDS):
            found.commands = Commands(words, getattr(found, "commands", None))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own, *self._of])

    def __len__(self) -> int:
        return len(self._own) + len(self._of)


class Verb(Plain):
    """A verb that is a noun, too: `run daily` runs, `run list` lists.

    If the first word is one of its commands, that is meant; behind `--` it never is.
    """

    commands: Mapping[str, Any] = {}

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return the context of the command that is meant."""
        if args and args[0] in self.commands:
            below = self.commands[args[0]]
            return below.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the verb's options for the help, and the noun's commands."""
        super().format_options(ctx, formatter)
        TyperGroup(commands=dict(self.commands)).format_commands(ctx, formatter)


class LazyGroup(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()  # type: ignore[assignment]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was typed; an old name is the new one, and a person is told."""
        meant = renamed(args, tuple(self.commands))
        if meant is not None:
            if sys.stderr.isatty() and not ctx.resilient_parsing:
                sys.stderr.write(told(meant) + "\n")
            args = meant.arguments
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, without loading anything."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list for the help, heading by heading, without loading anything."""
        longest = max(map(len, self.commands))
        for heading, names in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(longest), COMMANDS[name][1]) for name in names])


def commands_of(app: typer.Typer) -> Mapping[str, Any]:
    """Return what a file of commands has, by name."""
    _show_plainly(app)
    group = typer.main.get_group(app)
    commands: Mapping[str, Any] = group.commands
    return commands


def _show_plainly(app: typer.Typer) -> None:
    for one in app.registered_commands:
        if not issubclass(one.cls or object, Plain):
            one.cls = Plain
    for group in app.registered_groups:
        if group.typer_instance:
            _show_plainly(group.typer_instance)
