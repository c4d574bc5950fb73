"""The command `upkeep`: parse, call, print. What is heavy is imported inside the command that needs it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from upkeep.cli.actions import does
from upkeep.model.errors import INTERRUPTED, UpkeepError, UsageError
from upkeep.rules.actions import Action
from upkeep.system import child

HELP = """Run a maintenance schedule on every host, and prove that it was done.

Results go to standard output, all else to standard error. Exit status: 0 all is well; 1 something of medium or low
severity failed; 2 something high or critical failed; 3 something could not be seen; 64 wrong usage; 78 wrong
configuration; 130 interrupted.
"""

cli = typer.Typer(
    name="upkeep",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
database = typer.Typer(
    help="The database of runs and results.", no_args_is_help=True, rich_markup_mode=None
)
cli.add_typer(database, name="db")
schedule = typer.Typer(
    help="What is due when, and what a year of it brings.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(schedule, name="schedule")
user = typer.Typer(help="Who may sign in to the page.", no_args_is_help=True, rich_markup_mode=None)
cli.add_typer(user, name="user")

alerts = typer.Typer(
    help="What people are told of; lists the open alerts.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
cli.add_typer(alerts, name="alerts")
silence = typer.Typer(
    help="Keep findings quiet for a time; a silence always ends.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(silence, name="silence")
oncall = typer.Typer(
    help="Who is called; lists each team's.", invoke_without_command=True, rich_markup_mode=None
)
cli.add_typer(oncall, name="oncall")
hosts = typer.Typer(
    help="Hosts that have left the inventory; lists them.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
cli.add_typer(hosts, name="hosts")

SiteOption = Annotated[
    str,
    typer.Option(
        "-i",
        "--inventory",
        metavar="SITE",
        help="The site's folder, or an Ansible inventory. This machine, if not given.",
    ),
]
Limit = Annotated[
    str, typer.Option("--limit", "-l", metavar="PATTERN", help="Only hosts of this pattern.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def main() -> NoReturn:
    """Run the command; every error ends as two lines and an exit status."""
    # Closed by whoever started us, their numbers would be given to the next files: what is printed would go there.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    child.adopt()
    try:
        _refuse_empty(sys.argv[1:])
        status = cli(standalone_mode=False) or 0  # what a command's Exit says
    except UpkeepError as exc:
        if debug:
            raise
        status = _complain(exc, exc.exit_status)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`upkeep show 1 | head`).
        sys.stderr.close()
        status = 0
    except Exception as exc:
        status = _unexpected(exc, debug=debug)
    if status == INTERRUPTED:
        # At once: threads that wait for a host are not waited for. What they have started ends with us.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


def _refuse_empty(arguments: list[str]) -> None:
    """Raise UsageError if a value is given and empty: an unset variable of a shell shall not mean `all` or `here`."""
    for before, one in pairwise(["", *arguments]):
        name = one.removesuffix("=") if one.startswith("--") and one.endswith("=") else ""
        if name or not one:
            name = name or (before if before.startswith("-") else "an argument")
            raise UsageError(
                f"{name}: found an empty value; expected one, or nothing at all",
                remedy='look whether a shell variable is unset: echo "$NAME"',
            )


def _unexpected(exc: Exception, *, debug: bool) -> int:
    """Complain about wrong usage, which Typer's parser raises, or about a fault of ours."""
    if type(exc).__name__ == "Abort":  # Ctrl-C, or the end of what was asked for
        return INTERRUPTED
    if type(exc).__name__ == "NoArgsIsHelpError":  # a group's name alone; its message is its help
        sys.stderr.write(f"{exc.format_message()}\n")  # type: ignore[attr-defined]
        return UsageError.exit_status
    if hasattr(exc, "format_message"):  # the parser's own errors; typer hides their class
        error = UsageError(exc.format_message(), remedy="upkeep --help")
        return _complain(error, UsageError.exit_status)
    if debug:
        raise exc
    remedy = "this is a fault of Upkeep; run it again with --debug and report it"
    return _complain(UpkeepError(f"{type(exc).__name__}: {exc}", remedy=remedy), 70)


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
        from upkeep.store.runs import version

        sys.stdout.write(f"upkeep {version()}\n")
        raise typer.Exit


@cli.callback(help=HELP)
def upkeep_(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version."),
    ] = False,
) -> None:
    """Take what stands before the command."""


@cli.command()
@does(Action.OBSERVE, Action.CHANGE_HOSTS)
def run(
    procedure: Annotated[str, typer.Argument(help="Id of a procedure of the schedule.")],
    inventory: SiteOption = "",
    limit: Limit = "",
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; show what would be.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what changes, or would.")] = False,
    fulfils: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="DUE",
            help="The due time of the occurrence that this run stands for; a run by hand stands for none otherwise.",
        ),
    ] = "",
    occurrence: Annotated[str, typer.Option(hidden=True)] = "",
    request: Annotated[int | None, typer.Option(hidden=True)] = None,
    as_json: Json = False,
) -> None:
    """Run a procedure on its hosts now."""
    from upkeep.cli.runs import StandsFor, run_procedure

    stands_for = StandsFor(occurrence, fulfils, request)
    raise typer.Exit(
        run_procedure(
            procedure,
            inventory,
            limit,
            check=check,
            diff=diff,
            as_json=as_json,
            stands_for=stands_for,
        )
    )


@cli.command("check")
@does(Action.OBSERVE)
def check_now(
    check: Annotated[str, typer.Argument(help="Id of a check; `upkeep checks` lists them.")],
    inventory: SiteOption = "",
    limit: Limit = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", metavar="NAME=VALUE", help="A parameter, as in the site."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run one check now: as the hosts ask for it or, with -p, with these parameters."""
    from upkeep.cli.runs import run_check

    raise typer.Exit(run_check(check, inventory, limit, parameter or [], as_json=as_json))


@cli.command()
@does(Action.LOOK)
def checks(
    check: Annotated[str, typer.Argument(help="Show all of this one.")] = "",
    as_json: Json = False,
) -> None:
    """List the checks there are, or one with its parameters, limits and source."""
    from upkeep.cli.runs import list_checks

    list_checks(check, as_json=as_json)


@cli.command()
@does(Action.LOOK)
def procedures(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the procedures of the site's schedule."""
    from upkeep.cli.runs import list_procedures

    list_procedures(inventory, as_json=as_json)


@cli.command()
@does(Action.LOOK)
def runs(
    inventory: SiteOption = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="So many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest runs."""
    from upkeep.cli.runs import list_runs

    list_runs(inventory, count, as_json=as_json)


@cli.command()
@does(Action.LOOK)
def show(
    run_id: Annotated[int, typer.Argument(metavar="RUN", min=1, help="Number of a run.")],
    inventory: SiteOption = "",
    limit: Annotated[
        str, typer.Option("--limit", "-l", metavar="HOST", help="Only this host.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="What passed, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show a run: what did not pass, worst first."""
    from upkeep.cli.runs import show_run

    raise typer.Exit(show_run(run_id, inventory, limit, everything=everything, as_json=as_json))


@cli.command()
@does(Action.LOOK)
def findings(
    inventory: SiteOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones, too.")] = False,
    as_json: Json = False,
) -> None:
    """List what is wrong now, worst first, and since when."""
    from upkeep.cli.runs import list_findings

    raise typer.Exit(list_findings(inventory, everything=everything, as_json=as_json))


@cli.command()
@does(Action.LOOK)
def judge(
    run_id: Annotated[int, typer.Argument(metavar="RUN", min=1, help="Number of a run.")],
    inventory: SiteOption = "",
    as_json: Json = False,
) -> None:
    """Judge a run's stored observations again, with today's checks and limits."""
    from upkeep.cli.runs import judge_run

    raise typer.Exit(judge_run(run_id, inventory, as_json=as_json))


@cli.command()
@does(Action.LOOK, Action.ACCEPT_CLOCK)
def doctor(
    inventory: SiteOption = "",
    limit: Limit = "",
    as_json: Json = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-clock",
            help="Only say that this machine's clock is right, after a step that is held; look at timedatectl first.",
        ),
    ] = False,
) -> None:
    """Find out, for all hosts side by side, what stands in the way; say what to do.

    With --accept-clock nothing is examined: the time of day of this machine is believed from now on, also by the
    driver that runs here, and things become due, are missed and removed by it again.
    """
    from upkeep.cli.clock import accept_clock
    from upkeep.cli.runs import run_doctor

    if accept:
        accept_clock(inventory)
        return
    raise typer.Exit(run_doctor(inventory, limit, as_json=as_json))


@cli.command()
@does(Action.MAINTAIN)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")],
) -> None:
    """Write a small, commented site to start from."""
    from upkeep.cli.runs import init_site

    init_site(folder)


@cli.command()
@does(Action.MAINTAIN)
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; FILE.json beside it.")],
    inventory: SiteOption = "",
) -> None:
    """Write a signed copy of the database of runs and results, while others go on writing to it."""
    from upkeep.cli.backup import back_up

    back_up(file, inventory)


@cli.command()
@does(Action.MAINTAIN)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `upkeep backup` wrote.")],
    inventory: SiteOption = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Lose what is in the database now.")
    ] = False,
    trust_key: Annotated[
        str,
        typer.Option(
            "--trust-key",
            metavar="FINGERPRINT",
            help="Take a backup that another installation's key has signed; `upkeep backup` says which.",
        ),
    ] = "",
) -> None:
    """Put a backup's content into the database; stop `upkeep serve` first."""
    from upkeep.cli.backup import restore as put_back

    put_back(file, inventory, trust_key=trust_key, replace=replace)


@database.command("upgrade")
@does(Action.MAINTAIN)
def upgrade(
    inventory: SiteOption = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Try it on a copy, and say what it would change."),
    ] = False,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Make no backup of the database first.")
    ] = False,
) -> None:
    """Bring the database to this program's version, after a backup."""
    from upkeep.cli import upgrade

    if dry_run:
        upgrade.try_upgrade(inventory)
    else:
        upgrade.upgrade(inventory, backed_up=not no_backup)


@database.command("prune")
@does(Action.MAINTAIN)
def prune(inventory: SiteOption = "") -> None:
    """Remove what the site's retention no longer asks for."""
    from upkeep.cli.runs import prune_database

    prune_database(inventory)


@cli.command("occurrences")
@does(Action.LOOK)
def occurrences_(
    inventory: SiteOption = "",
    days: Annotated[int, typer.Option("--days", min=1, help="How far back.")] = 7,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List what was due, what became of it and why, and what hosts still owe."""
    from upkeep.cli.occurrences import list_occurrences

    list_occurrences(inventory, days, count, as_json=as_json)


@schedule.command("list")
@does(Action.LOOK)
def schedule_list(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the procedures: when each is due, in plain words, and when next."""
    from upkeep.cli.schedule import list_schedule

    list_schedule(inventory, as_json=as_json)


@schedule.command("next")
@does(Action.LOOK)
def schedule_next(
    inventory: SiteOption = "",
    begins: Annotated[
        str, typer.Option("--from", metavar="TIME", help="From then on; now, if not given.")
    ] = "",
    ends: Annotated[
        str, typer.Option("--to", metavar="TIME", help="All that is due until then.")
    ] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List when each procedure is due next or, with --to, all that is due between two times."""
    from upkeep.cli.schedule import list_next

    list_next(inventory, begins, ends, count, as_json=as_json)


@schedule.command("simulate")
@does(Action.LOOK)
def schedule_simulate(
    year: Annotated[int, typer.Argument(min=1970, max=9000, help="A year, such as 2027.")],
    inventory: SiteOption = "",
    as_json: Json = False,
) -> None:
    """Go through a year: what overlaps, what a blackout stops, when nobody is on call, the load of its weeks."""
    from upkeep.cli.schedule import simulate_year

    simulate_year(inventory, year, as_json=as_json)


@schedule.command("lint")
@does(Action.LOOK)
def schedule_lint(inventory: SiteOption = "", as_json: Json = False) -> None:
    """Find what is valid and cannot be meant; exit status 2 for an error, 1 for anything else."""
    from upkeep.cli.schedule import lint_schedule

    raise typer.Exit(lint_schedule(inventory, as_json=as_json))


@schedule.command("ics")
@does(Action.LOOK)
def schedule_ics(
    inventory: SiteOption = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Standard output, if not given.")
    ] = None,
) -> None:
    """Write the schedule as an iCalendar feed."""
    from upkeep.cli.schedule import write_feed

    write_feed(inventory, out)


@cli.command()
@does(Action.MAINTAIN)
def serve(
    inventory: SiteOption = "",
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Where the page is.")
    ] = "127.0.0.1:8470",
    web_only: Annotated[
        bool, typer.Option("--web-only", help="Only the page: no keys to hosts, no schedule.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, PEM.")
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--behind-proxy", metavar="CIDR", help="A proxy that does TLS comes from here."
        ),
    ] = None,
) -> None:
    """Run the schedule by itself, tell people, and give the page; until it is stopped."""
    from upkeep.serve.serve import listening
    from upkeep.serve.serve import serve as serve_page

    place = listening(listen, certificate, key, proxy or [])
    raise typer.Exit(serve_page(inventory, place, web_only=web_only))


UserName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@user.command("add")
@does(Action.ADD_USER)
def user_add(
    name: UserName,
    role: Annotated[
        str, typer.Option("--role", help="viewer, operator, approver, admin or auditor.")
    ] = "viewer",
    person: Annotated[str, typer.Option("--person", help="Their id in schedule.yml.")] = "",
    shared: Annotated[bool, typer.Option("--shared", help="Several people use it.")] = False,
    inventory: SiteOption = "",
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a user; the password is asked for."""
    from upkeep.cli import users

    users.add(inventory, name, role, person, shared=shared, password_stdin=password_stdin)


@user.command("list")
@does(Action.LOOK)
def user_list(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the users."""
    from upkeep.cli import users

    users.show(inventory, as_json=as_json)


@user.command("off")
@does(Action.TURN_USER_OFF)
def user_off(name: UserName, inventory: SiteOption = "") -> None:
    """Let a user sign in no more; their sessions end at once."""
    from upkeep.cli import users

    users.turn(inventory, name, on=False)


@user.command("on")
@does(Action.TURN_USER_ON)
def user_on(name: UserName, inventory: SiteOption = "") -> None:
    """Let a user sign in again."""
    from upkeep.cli import users

    users.turn(inventory, name, on=True)


@user.command("role")
@does(Action.SET_ROLE)
def user_role(
    name: UserName,
    role: Annotated[str, typer.Argument(help="viewer, operator, approver, admin or auditor.")],
    inventory: SiteOption = "",
) -> None:
    """Give a user another role."""
    from upkeep.cli import users

    users.set_role(inventory, name, role)


@user.command("person")
@does(Action.SET_PERSON)
def user_person(
    name: UserName,
    person: Annotated[str, typer.Argument(help="Id of a person in schedule.yml.")],
    inventory: SiteOption = "",
) -> None:
    """Say which person of the schedule a user is; two users of one person are one."""
    from upkeep.cli import users

    users.set_person(inventory, name, person)


@user.command("password")
@does(Action.SET_PASSWORD)
def user_password(
    name: UserName, inventory: SiteOption = "", password_stdin: PasswordStdin = False
) -> None:
    """Give a user another password; their sessions end at once."""
    from upkeep.cli import users

    users.set_password(inventory, name, password_stdin=password_stdin)


# --- alerts ----------------------------------------------------------------------------------------------------------
@alerts.callback()
@does(Action.LOOK)
def alerts_(
    context: typer.Context,
    inventory: SiteOption = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Closed ones too, newest first.")
    ] = False,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="With --all: at most so many.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List the open alerts, worst first; exit status 2 if one is of severity 1 or 2, 1 if of 3 or 4."""
    if context.invoked_subcommand:
        return
    from upkeep.cli.alerts import list_alerts

    raise typer.Exit(list_alerts(inventory, count, everything=everything, as_json=as_json))


AlertNumber = Annotated[int, typer.Argument(metavar="ALERT", help="Its number.")]


@alerts.command("show")
@does(Action.LOOK)
def alerts_show(alert: AlertNumber, inventory: SiteOption = "", as_json: Json = False) -> None:
    """Show an alert: its findings, what happened to it, who was told over which channel."""
    from upkeep.cli.alerts import show_alert

    show_alert(inventory, alert, as_json=as_json)


@alerts.command("test")
@does(Action.TEST_CHANNEL)
def alerts_test(
    channel: Annotated[str, typer.Argument(help="Id of a channel of the schedule.")],
    inventory: SiteOption = "",
) -> None:
    """Send a message over a channel now, and say what became of it."""
    from upkeep.cli.alerts import test_channel

    test_channel(inventory, channel)


@cli.command()
@does(Action.ACKNOWLEDGE)
def ack(
    alert: Annotated[list[int], typer.Argument(metavar="ALERT...", help="Their numbers.")],
    inventory: SiteOption = "",
    note: Annotated[str, typer.Option("--note", help="What others should know.")] = "",
    lasts: Annotated[
        str,
        typer.Option(
            "--for", metavar="TIME", help="Then it lapses; as the schedule says, if not given."
        ),
    ] = "",
) -> None:
    """Say that you have an alert: nobody is told again, unless it gets worse or you do not come back to it."""
    from upkeep.cli.alerts import acknowledge

    acknowledge(inventory, alert, note, lasts)


@silence.command("add")
@does(Action.SILENCE)
def silence_add(
    check: Annotated[str, typer.Argument(help="A check's id, or a pattern such as 'log_*'.")],
    host: Annotated[str, typer.Argument(help="A host, or a pattern such as 'web*'.")],
    reason: Annotated[str, typer.Option("--reason", help="For those who wonder.")],
    inventory: SiteOption = "",
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="Such as '2 h'.")] = "",
    ends: Annotated[str, typer.Option("--until", metavar="TIME", help="Local time.")] = "",
    severity: Annotated[
        int, typer.Option("--severity", min=1, max=4, help="The worst that it keeps quiet.")
    ] = 2,
) -> None:
    """Keep findings quiet; when it ends, what still fails is told once.

    It ends within 7 days, unless the site allows more. What detects intruders takes its exact name and host. A silence
    of more than a fifth of what is watched waits until somebody else approves it.
    """
    from upkeep.cli.alerts import add_silence

    add_silence(inventory, check, host, lasts, ends, reason, severity)


@silence.command("list")
@does(Action.LOOK)
def silence_list(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List what is quiet, until when and why."""
    from upkeep.cli.alerts import list_silences

    list_silences(inventory, as_json=as_json)


@silence.command("approve")
@does(Action.APPROVE_SILENCE)
def silence_approve(
    number: Annotated[int, typer.Argument(metavar="SILENCE", help="Its number.")],
    inventory: SiteOption = "",
) -> None:
    """Say yes to a silence of much that somebody else has made."""
    from upkeep.cli.alerts import approve_silence

    approve_silence(inventory, number)


@silence.command("end")
@does(Action.END_SILENCE)
def silence_end(
    number: Annotated[int, typer.Argument(metavar="SILENCE", help="Its number.")],
    inventory: SiteOption = "",
) -> None:
    """End a silence before its time."""
    from upkeep.cli.alerts import end_silence

    end_silence(inventory, number)


@hosts.callback()
@does(Action.LOOK)
def hosts_(context: typer.Context, inventory: SiteOption = "", as_json: Json = False) -> None:
    """List hosts that have left the inventory, too many at once for what was found on them to end."""
    if context.invoked_subcommand:
        return
    from upkeep.cli.hosts import list_absent

    list_absent(inventory, as_json=as_json)


@hosts.command("accept")
@does(Action.ACCEPT_HOSTS)
def hosts_accept(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[HOST]…", help="All that are absent, if not given."),
    ] = None,
    inventory: SiteOption = "",
) -> None:
    """Say that absent hosts have left for good: what was found on them is retired."""
    from upkeep.cli.hosts import accept

    accept(inventory, names or [])


@oncall.callback()
@does(Action.LOOK)
def oncall_(
    context: typer.Context,
    inventory: SiteOption = "",
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="Now, if not given.")] = "",
    as_json: Json = False,
) -> None:
    """List who is called for each team, then who is next."""
    if context.invoked_subcommand:
        return
    from upkeep.cli.alerts import list_on_call

    list_on_call(inventory, at, as_json=as_json)


@oncall.command("set")
@does(Action.OVERRIDE_ROTA)
def oncall_set(
    team: Annotated[str, typer.Argument(help="Id of a team.")],
    person: Annotated[str, typer.Argument(help="Id of who takes its calls.")],
    ends: Annotated[str, typer.Option("--to", metavar="TIME", help="The team's local time.")],
    inventory: SiteOption = "",
    begins: Annotated[str, typer.Option("--from", metavar="TIME", help="Now, if not given.")] = "",
) -> None:
    """Let somebody take a team's calls for a time, instead of who the rota says."""
    from upkeep.cli.alerts import set_on_call

    set_on_call(inventory, team, person, begins, ends)


@oncall.command("end")
@does(Action.END_OVERRIDE)
def oncall_end(
    number: Annotated[int, typer.Argument(metavar="OVERRIDE", help="Its number.")],
    inventory: SiteOption = "",
) -> None:
    """End such an override before its time."""
    from upkeep.cli.alerts import end_on_call

    end_on_call(inventory, number)


# --- what people sign ------------------------------------------------------------------------------------------------
review = typer.Typer(help="One review.", no_args_is_help=True, rich_markup_mode=None)
cli.add_typer(review, name="review")
ReviewNumber = Annotated[int, typer.Argument(metavar="REVIEW", min=1, help="Its number.")]


@cli.command("reviews")
@does(Action.LOOK)
def reviews_(
    inventory: SiteOption = "",
    team: Annotated[
        str, typer.Option("--team", metavar="TEAM", help="Only what this team signs.")
    ] = "",
    due: Annotated[bool, typer.Option("--due", help="Only what is due within a week.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="The newest, signed or not.")] = False,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="With --all: at most so many.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List what people must sign, the soonest due first; exit status 1 if anything is overdue."""
    from upkeep.cli.reviews import list_reviews

    raise typer.Exit(
        list_reviews(inventory, team, count, due=due, everything=everything, as_json=as_json)
    )


@review.command("show")
@does(Action.LOOK)
def review_show(number: ReviewNumber, inventory: SiteOption = "", as_json: Json = False) -> None:
    """Show a review: what it asks, what was collected for it, how it stands, who has signed."""
    from upkeep.cli.reviews import show_review

    show_review(inventory, number, as_json=as_json)


@review.command("renew")
@does(Action.RENEW_REVIEW)
def review_renew(number: ReviewNumber, inventory: SiteOption = "") -> None:
    """Collect what there is now for a review that is not signed."""
    from upkeep.cli.reviews import renew

    renew(inventory, number)


@review.command("hand-over")
@does(Action.HAND_OVER)
def review_hand_over(
    number: ReviewNumber,
    owner: Annotated[str, typer.Argument(help="Id of a team or a person.")],
    reason: Annotated[str, typer.Option("--reason", help="For those who wonder.")],
    inventory: SiteOption = "",
) -> None:
    """Give a review to another team or person; until when it is due stays. Asks for your password."""
    from upkeep.cli.reviews import hand_over

    hand_over(inventory, number, owner, reason)


@review.command("attachment")
@does(Action.LOOK)
def review_attachment(
    number: ReviewNumber,
    sha256: Annotated[str, typer.Argument(help="Its hash, or how that begins.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file.")],
    inventory: SiteOption = "",
) -> None:
    """Write a file that was attached to a signature to a new file."""
    from upkeep.cli.reviews import save_attachment

    save_attachment(inventory, number, sha256, out)


@review.command("verify")
@does(Action.LOOK)
def review_verify(
    inventory: SiteOption = "",
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            metavar="DIR",
            help="Write the records, and what they name, to a new folder.",
        ),
    ] = None,
) -> None:
    """Verify all signatures and their chain; exit status 2, and the records, if any does not hold."""
    from upkeep.cli.reviews import verify

    raise typer.Exit(verify(inventory, export))


@cli.command()
@does(Action.SIGN_REVIEW)
def sign(
    number: ReviewNumber,
    verdict: Annotated[str, typer.Option("--verdict", help="pass, fail or not-applicable.")],
    inventory: SiteOption = "",
    note: Annotated[str, typer.Option("--note", help="What you have found.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why it is not applicable.")] = "",
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", metavar="FILE", help="At most 20 MB each.")
    ] = None,
    follow_up: Annotated[
        list[str] | None,
        typer.Option(
            "--follow-up", metavar="'OWNER DATE TEXT'", help="What follows; a review of its own."
        ),
    ] = None,
    on_behalf_of: Annotated[
        str,
        typer.Option(
            "--on-behalf-of", metavar="FIRM", help="Whose findings these are; with its report."
        ),
    ] = "",
    alone: Annotated[
        str, typer.Option("--alone", metavar="WHY", help="Why nobody else signs it.")
    ] = "",
    corrects: Annotated[
        int | None,
        typer.Option("--corrects", metavar="SIGNATURE", help="The signature that was wrong."),
    ] = None,
    evidence: Annotated[
        str, typer.Option("--evidence", metavar="HASH", help="What you were shown.")
    ] = "",
    name: Annotated[
        str, typer.Option("--user", metavar="NAME", help="The same as --as.", hidden=True)
    ] = "",
) -> None:
    """Say with your name what a review has found. Asks for your password."""
    from upkeep.cli import reviews

    words = reviews.Words(
        verdict, note, reason, alone, on_behalf_of, attach or [], follow_up or [], corrects, evidence, name
    )  # fmt: skip
    reviews.sign(inventory, number, words)


@cli.command()
@does(Action.LOOK)
def completion(
    inventory: SiteOption = "",
    month: Annotated[
        str,
        typer.Option(
            "--month", metavar="MONTH", help="Such as 2027-01; the last one, if not given."
        ),
    ] = "",
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for a spreadsheet.")] = False,
) -> None:
    """Say how much of what was due in a month was done in its time: per procedure and team."""
    from upkeep.cli.completion import show_completion

    show_completion(inventory, month, as_json=as_json, as_csv=as_csv)


# --- what is accepted for a time -------------------------------------------------------------------------------------
waive = typer.Typer(
    help="Accept a failure for a time: one asks for it, another says yes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(waive, name="waive")
WaiverNumber = Annotated[int, typer.Argument(metavar="WAIVER", min=1, help="Its number.")]


@cli.command("waivers")
@does(Action.LOOK)
def waivers_(
    inventory: SiteOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    unused: Annotated[
        bool, typer.Option("--unused", help="Only those that have covered nothing for 30 days.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the waivers that hold or wait for approval, and how many findings each covers."""
    from upkeep.cli.waivers import list_waivers

    list_waivers(inventory, everything=everything, unused=unused, as_json=as_json)


@waive.command("request")
@does(Action.REQUEST_WAIVER)
def waive_request(
    check: Annotated[str, typer.Argument(help="Id of the check that fails.")],
    host: Annotated[str, typer.Argument(help="A host, or a pattern such as 'web*'.")],
    subject: Annotated[str, typer.Argument(help="A subject, or a glob such as '/var/log/*'.")],
    severity: Annotated[
        str, typer.Option("--severity", help="The worst that is accepted: critical to info.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why it is acceptable.")],
    inventory: SiteOption = "",
    lasts: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as '30 d'; at most 90 days.")
    ] = "",
    ends: Annotated[str, typer.Option("--until", metavar="TIME", help="Local time.")] = "",
) -> None:
    """Ask for a waiver; it holds when somebody else approves it."""
    from upkeep.cli.waivers import request

    request(inventory, (check, host, subject, severity), reason, lasts, ends)


@waive.command("approve")
@does(Action.APPROVE_WAIVER)
def waive_approve(number: WaiverNumber, inventory: SiteOption = "") -> None:
    """Approve a waiver that somebody else has asked for."""
    from upkeep.cli.waivers import approve

    approve(inventory, number)


@waive.command("revoke")
@does(Action.REVOKE_WAIVER)
def waive_revoke(
    number: WaiverNumber,
    reason: Annotated[str, typer.Option("--reason", help="Why it does not hold any more.")],
    inventory: SiteOption = "",
) -> None:
    """End a waiver before its time, or withdraw its request; what it covered alerts as new."""
    from upkeep.cli.waivers import revoke

    revoke(inventory, number, reason)


# --- what is normal --------------------------------------------------------------------------------------------------
baseline = typer.Typer(
    help="What is normal for a measure: proposed from its values, accepted by a person.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(baseline, name="baseline")
MeasuredCheck = Annotated[str, typer.Argument(metavar="CHECK", help="Id of the check.")]
MeasuredHost = Annotated[str, typer.Argument(metavar="HOST", help="A host.")]
MeasuredSubject = Annotated[str, typer.Argument(metavar="SUBJECT", help="As results name it.")]
MeasureName = Annotated[str, typer.Argument(metavar="MEASURE", help="As the check calls it.")]
BetterWay = Annotated[
    str,
    typer.Option("--better", help="lower or higher; as accepted before, else lower."),
]


@cli.command("baselines")
@does(Action.LOOK)
def baselines_(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the accepted baselines, each with its newest value and whether a better one is proposed."""
    from upkeep.cli.baselines import list_baselines

    list_baselines(inventory, as_json=as_json)


@baseline.command("propose")
@does(Action.LOOK)
def baseline_propose(
    check: MeasuredCheck,
    host: MeasuredHost,
    subject: MeasuredSubject,
    measure: MeasureName,
    better: BetterWay = "",
    inventory: SiteOption = "",
    as_json: Json = False,
) -> None:
    """Say what the last 28 days propose, and from what; exit status 1 if nothing."""
    from upkeep.cli.baselines import propose

    names = (check, host, subject, measure)
    raise typer.Exit(propose(inventory, names, better, as_json=as_json))


@baseline.command("accept")
@does(Action.ACCEPT_BASELINE)
def baseline_accept(
    check: MeasuredCheck,
    host: MeasuredHost,
    subject: MeasuredSubject,
    measure: MeasureName,
    reason: Annotated[str, typer.Option("--reason", help="Why this is normal from now on.")],
    better: BetterWay = "",
    inventory: SiteOption = "",
) -> None:
    """Accept what is proposed. Asks for your password on the terminal, and is signed."""
    from upkeep.cli.baselines import accept

    accept(inventory, (check, host, subject, measure), better, reason)


if __name__ == "__main__":
    main()
