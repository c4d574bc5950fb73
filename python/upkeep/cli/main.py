"""The command `upkeep`: find the command, call it, end with its status. Each command stands in the file of its noun."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, NoReturn

import typer

from upkeep.cli.lazy import LazyGroup
from upkeep.cli.usage import help_of
from upkeep.model.errors import INTERRUPTED, PrintError, UpkeepError, UsageError
from upkeep.system import child
from upkeep.view.streams import lasting, lost

HELP = """Run a maintenance schedule on every host, and prove that it was done.

Results go to standard output, all else to standard error. Exit status: 0 all is well; 1 something of medium or low
severity failed; 2 something high or critical failed; 3 something could not be checked; 64 wrong usage; 78 wrong
configuration; 130 interrupted.
"""

FEW = ("PROCEDURE", "TEAM", "PERSON")
NAMED = 20
"""Where one of these is missing, at most this many of those there are are named."""
cli = typer.Typer(
    name="upkeep",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    cls=LazyGroup,
)


def main() -> NoReturn:
    """Run the command; every error ends as two lines and an exit status."""
    # Closed by whoever started us, their numbers would be given to the next files: what is printed would go there.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stdout, sys.stderr = lasting(sys.stdout), lasting(sys.stderr)
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    if os.environ.get("_UPKEEP_COMPLETE"):
        from upkeep.cli.complete import printed

        sys.stdout.write(printed(cli, sys.argv[1:]))
        sys.exit(0)
    child.adopt()
    try:
        _refuse_empty(sys.argv[1:])
        status = _call()
    except UpkeepError as exc:
        if debug:
            raise
        status = _complain(exc, exc.exit_status)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as exc:
        status = _unexpected(exc, debug=debug)
    if status == INTERRUPTED:
        # At once: threads that wait for a host are not waited for. What they have started ends with us.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


def _call() -> int:
    """Call the command; return its exit status.

    Raises: PrintError if what it has printed is lost, but for a reader that had seen enough.
    """
    status: int = cli(standalone_mode=False) or 0  # what a command's Exit says
    if why := lost(sys.stdout):
        raise PrintError(why, status, remedy="print to a place that has room")
    return status


def _refuse_empty(arguments: list[str]) -> None:
    """Raise UsageError if a value is given and empty: an unset variable of a shell must not mean `all` or `here`."""
    for before, one in pairwise(["", *arguments]):
        name = one.removesuffix("=") if one.startswith("--") and one.endswith("=") else ""
        if name or not one:
            name = name or (before if before.startswith("-") else "an argument")
            raise UsageError(
                f"{name}: found an empty text; give a value, or leave {name} out",
                remedy="see whether a shell variable in the command is unset",
            )


def _unexpected(exc: Exception, *, debug: bool) -> int:
    """Complain about wrong usage, which Typer's parser raises, or about a fault of ours."""
    if type(exc).__name__ == "Abort":  # Ctrl-C, or the end of what was asked for
        return INTERRUPTED
    if type(exc).__name__ == "NoArgsIsHelpError":  # a group's name alone; its message is its help
        sys.stderr.write(f"{exc.format_message()}\n")  # type: ignore[attr-defined]
        return UsageError.exit_status
    if hasattr(exc, "format_message"):  # the parser's own errors; typer hides their class
        return _complain(_wrong_usage(exc), UsageError.exit_status)
    if debug:
        raise exc
    remedy = "this is a fault of Upkeep; run it again with --debug and report it"
    return _complain(UpkeepError(f"{type(exc).__name__}: {exc}", remedy=remedy), 70)


def _wrong_usage(exc: Any) -> UsageError:
    """Return the parser's error as ours: what may stand where a word is missing, or else the command's own help."""
    from upkeep.cli.options import LISTS

    said: str = exc.format_message()
    word = getattr(getattr(exc, "param", None), "metavar", None) or ""
    if type(exc).__name__ != "MissingParameter":
        word = ""
    listed = LISTS.get(word.lower(), "")
    remedy = f"{listed}  # lists them" if listed else help_of(getattr(exc, "ctx", None))
    if word in FEW:
        from upkeep.cli.completion_values import VALUES

        # A site that cannot be read has no names to offer, and that is not what is wrong here.
        with contextlib.suppress(UpkeepError, OSError):
            names = [name for name, _title in VALUES[word]("", _site_given(sys.argv[1:]))]
            said += f" There are: {', '.join(names[:NAMED])}" if names else ""
    return UsageError(said, remedy=remedy)


def _complain(error: BaseException, status: int) -> int:
    """Print an error in two lines at most."""
    from upkeep.model.remedies import completed
    from upkeep.view.lists import print_error
    from upkeep.view.screen import Screen

    with contextlib.suppress(AttributeError):
        error.remedy = completed(error.remedy, _site_given(sys.argv[1:]), takes_site)  # type: ignore[attr-defined]
    print_error(Screen(sys.stderr), error)
    return status


def _site_given(arguments: Sequence[str]) -> str:
    """Return the site that the command was given, as it was typed; empty if none was."""
    for before, one in pairwise(["", *arguments]):
        if before in ("-i", "--inventory"):
            return one
        if one.startswith("--inventory="):
            return one.removeprefix("--inventory=")
        if one.startswith("-i") and one != "-i":
            return one.removeprefix("-i")
    return ""


def takes_site(words: Sequence[str]) -> bool:
    """Return whether a command of ours, given by its words, takes the option for a site."""
    found = typer.main.get_command(cli)
    for word in words:
        inner = getattr(found, "commands", {}).get(word)
        if inner is None:
            break
        found = inner
    return any("--inventory" in one.opts for one in found.params)


def _say_version(asked: bool) -> None:
    if asked:
        from upkeep.system.release import version

        sys.stdout.write(f"upkeep {version()}\n")
        raise typer.Exit


def _show_completion(shell: str) -> None:
    if not shell:
        return
    from upkeep.cli.complete import SCRIPTS, SHELLS

    if shell not in SHELLS:
        raise UsageError(
            f"--show-completion: found {shell!r:.80}; expected one of {', '.join(SHELLS)}",
            remedy="upkeep --show-completion bash",
        )
    sys.stdout.write((SCRIPTS / shell).read_text(encoding="utf-8"))
    raise typer.Exit


@cli.callback(help=HELP)
def upkeep_(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version."),
    ] = False,
    shell: Annotated[
        str,
        typer.Option(
            "--show-completion",
            metavar="SHELL",
            is_eager=True,
            callback=_show_completion,
            help="Print the completion for bash, zsh or fish.",
        ),
    ] = "",
) -> None:
    """Take what stands before the command."""


if __name__ == "__main__":
    main()
