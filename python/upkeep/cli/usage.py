"""How a command shows its usage: what the reader fills in stands in capitals, as in manuals, without its type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand

from upkeep.model.errors import UsageError


class Plain(TyperCommand):
    """A command whose help names its arguments as a manual does: `upkeep alert ack [OPTIONS] ALERT...`."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for param in self.params:
            if not getattr(param, "is_flag", False):
                param.metavar = param.metavar or (param.name or "").upper().replace("_", "-")

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what stands in the usage line behind the command's name."""
        pieces = [self.options_metavar] if self.options_metavar else []
        for param in _arguments(self, ctx):
            word = _repeated(param)
            pieces.append(word if param.required else f"[{word}]")
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options for the help."""
        arguments = [(_repeated(one), one.help or "") for one in _arguments(self, ctx)]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        records = [
            one.get_help_record(ctx)
            for one in self.get_params(ctx)
            if one.param_type_name == "option"
        ]
        with formatter.section("Options"):
            formatter.write_dl([one for one in records if one])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed.

        Raises: UsageError, which shows the command's own help if there is no better next step.
        """
        with _with_own_help(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises: UsageError, which shows the command's own help if there is no better next step.
        """
        with _with_own_help(ctx):
            return super().invoke(ctx)


def help_of(ctx: Any) -> str:
    """Return the command that shows the help of that very command."""
    words: list[str] = []
    while ctx is not None and ctx.parent is not None:
        words.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(["upkeep", *words, "--help"])


@contextmanager
def _with_own_help(ctx: Any) -> Iterator[None]:
    try:
        yield
    except UsageError as exc:
        exc.remedy = exc.remedy or help_of(ctx)
        raise


def _arguments(command: TyperCommand, ctx: Any) -> Sequence[Any]:
    return [
        one
        for one in command.get_params(ctx)
        if one.param_type_name == "argument" and not getattr(one, "hidden", False)
    ]


def _repeated(param: Any) -> str:
    return f"{param.metavar}{'...' if param.nargs != 1 else ''}"
