"""`upkeep review`: what people review, and sign with their name."""

from __future__ import annotations

import socket
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import HIGHEST_ID, Json, Quiet, SiteOption, counting, number_of, numbered
from upkeep.cli.output import print_json, say
from upkeep.model import clock
from upkeep.model.errors import UpkeepError, UsageError
from upkeep.model.nearest import nearest
from upkeep.model.text import counted
from upkeep.rules import reviews, signatures
from upkeep.rules.actions import Action
from upkeep.rules.reviews import FollowUp, Form, ReviewVerdict
from upkeep.schedule.calendars import calendars_of
from upkeep.services import actors, caller, chain_end, record_export, verification
from upkeep.services import reviews as reviewing
from upkeep.services.acts import Proved
from upkeep.services.reviews import Given
from upkeep.services.signing_key import SIGNING, load_installation, trusted_keys
from upkeep.site.site import Site
from upkeep.store import Store, acts, files, records, review_evidence
from upkeep.store import reviews as stored
from upkeep.store.reviews import KeptReview
from upkeep.view import reviews as view
from upkeep.view.json import review_document, whole_review_document
from upkeep.view.left_out import say_older
from upkeep.view.screen import Screen

SOON = timedelta(days=7)
EVERY = 1_000_000
"""Of a team's reviews nobody knows before they are read which they are."""


# --- looking ---------------------------------------------------------------------------------------------------------


# --- doing -----------------------------------------------------------------------------------------------------------
# --- verifying -------------------------------------------------------------------------------------------------------


def _say_written(folder: Path, done: record_export.Written) -> None:
    what = (
        f"{counted(done.records, 'record')} and all that they name, {counted(done.files, 'file')}"
    )
    say(f"wrote {what}, to {folder}; to check them: cd {folder} && sha256sum -c MANIFEST.sha256")
    if done.pruned or done.lost:
        say(
            f"not there: {done.pruned} pruned, {done.lost} lost; {folder / 'pruned.txt'} names them"
        )


# --- small things ----------------------------------------------------------------------------------------------------
def by_password(site: Site, store: Store, action: Action, what: str, *, user: str = "") -> Proved:
    """Return who signs, after asking for their password: who was named, or the account's user.

    Only who was named by `--as` may hand it in otherwise than on the terminal.
    Raises: UsageError, and writes that
    down, if the account belongs to no user, their role does not reach, or the password is another.
    """
    told = caller.told()
    named = told or user.strip().lower()
    with caller.acting_as(""):  # the password is asked for below, in any case
        known = actors.someone(store, site.schedule, action, what, free=bool(named), site=site)
    name = named or known.name
    password, where = caller.password_of(name, what, terminal_only=not told)
    proved = actors.prove(
        store, name, password, clock.now(), address=actors.TERMINAL, account=known.account
    )
    if told:
        actors.note_as(store, proved, known.account, what)
    shown = f"password on the {where} of {socket.gethostname()}, account {known.account}"
    return Proved(proved, acts.CLI, known.account, authenticated=shown)


def _review(found: KeptReview | None, number: int) -> KeptReview:
    if found is None:
        raise UsageError(f"there is no review {number}", remedy="upkeep review list")
    return found


def _known_team(site: Site, team: str) -> None:
    known = {**site.schedule.teams, **site.schedule.people}
    if team and team not in known:
        there = ", ".join(known) or "none"
        message = f"there is no team {team!r}{nearest(team, known)}"
        raise UsageError(message, remedy=f"the schedule has: {there}")


def _verdict(text: str) -> ReviewVerdict:
    known = {one.value.replace(" ", "-"): one for one in ReviewVerdict}
    plain = "-".join(text.lower().replace("-", " ").split())
    if plain not in known:
        raise UsageError(
            f"there is no verdict {text!r}{nearest(plain, known)}",
            remedy=f"one of {', '.join(known)}",
        )
    return known[plain]


def _follow_up(text: str) -> FollowUp:
    """Return what `owner date text` says."""
    parts = text.split(maxsplit=2)
    try:
        owner, day, what = parts
        return FollowUp(owner, date.fromisoformat(day), what)
    except ValueError:
        message = f"--follow-up {text!r:.60}; expected an owner, a day and a text"
        raise UsageError(message, remedy="--follow-up 'ops 2027-02-01 fix the lock'") from None


def _file(path: Path) -> Given:
    try:
        with path.open("rb") as stream:
            content = stream.read(reviewing.MOST_FILE_BYTES + 1)
    except OSError as exc:
        raise UsageError(f"{path}: {(exc.strerror or str(exc)).lower()}") from exc
    if len(content) > reviewing.MOST_FILE_BYTES:
        raise UsageError(f"{path}: more than {reviewing.MOST_FILE_BYTES // 1_000_000} MB")
    return Given(path.name, content)


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as stream:
            stream.write(content)
    except OSError as exc:
        raise UsageError(f"{path}: {(exc.strerror or str(exc)).lower()}") from exc


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
review_group = typer.Typer(
    help="What people must review and sign.", no_args_is_help=True, rich_markup_mode=None
)
cli.add_typer(review_group, name="review")
ReviewNumber = Annotated[int, numbered("review")]


@review_group.command("list")
@does(Action.LOOK)
def list_reviews(
    inventory: SiteOption = "",
    team: Annotated[
        str, typer.Option("--team", metavar="TEAM", help="Only what this team signs.")
    ] = "",
    due: Annotated[bool, typer.Option("--due", help="Only what is due within a week.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="The newest, signed or not.")] = False,
    count: Annotated[int, counting("With --all: show at most this many.")] = 50,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """List the reviews to sign, the soonest due first.

    Exit status: 1 if any is overdue.
    """
    with opened(inventory) as (site, store):
        _known_team(site, team)
        now = clock.now()
        with store.read() as db:
            found = (
                stored.newest(db, site.key, count + 1 if not team else EVERY)
                if everything
                else stored.open_ones(db, site.key, now + SOON if due else None)
            )
            found = [one for one in found if not team or team in (one.owner, *one.parties)]
            more = everything and len(found) > count
            found = found[:count] if more else found
            signed = stored.signatures(db, (one.id for one in found))
    rows = [(one, reviews.standing(one.asked, signed[one.id], now)) for one in found]
    if quiet:
        rows = [(one, standing) for one, standing in rows if standing.overdue]
        if not rows:
            return 0
    if as_json:
        documents = [review_document(one, standing) for one, standing in rows]
        print_json({"reviews": documents, "more": more})
    else:
        zone = ZoneInfo(site.schedule.time_zone)
        titles = {one: reviews.title_of(site.schedule, one) for one in site.schedule.teams}
        view.print_reviews(Screen(sys.stdout), rows, titles, zone, now, site.name)
    if more:
        say_older()
    return 1 if any(standing.overdue for _one, standing in rows) else 0


@review_group.command("show")
@does(Action.LOOK)
def show_review(number: ReviewNumber, inventory: SiteOption = "", as_json: Json = False) -> None:
    """Show a review: what it asks, its evidence and signatures."""
    with opened(inventory) as (site, store), store.read() as db:
        found = _review(stored.get(db, site.key, number), number)
        now = clock.now()
        shown = review_evidence.look(db, found, now)
    if as_json:
        print_json({"review": whole_review_document(shown)})
        return
    zone = ZoneInfo(site.schedule.time_zone)
    view.print_review(Screen(sys.stdout), shown, site.schedule, zone, now, site.name)


@review_group.command("renew")
@does(Action.RENEW_REVIEW)
def renew(number: ReviewNumber, inventory: SiteOption = "") -> None:
    """Collect the evidence of an unsigned review again."""
    with opened(inventory) as (site, store):
        with store.read() as db:
            found = _review(stored.get(db, site.key, number), number)
        actors.record(store, site.schedule, Action.RENEW_REVIEW, f"review {number}", site=site)
        sha256 = reviewing.renew(
            store, load_installation(site.settings), found, clock.now(), site.schedule
        )
    say(f"review {number} shows what there is now; its hash is {sha256}")


@review_group.command("hand-over")
@does(Action.HAND_OVER)
def hand_over(
    number: ReviewNumber,
    owner: Annotated[str, typer.Argument(help="Id of a team or a person.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    inventory: SiteOption = "",
) -> None:
    """Hand a review over to another team or person.

    Its due time does not change. Asks for your password.
    """
    with opened(inventory) as (site, store):
        by = by_password(site, store, Action.HAND_OVER, f"hand review {number} over")
        installation, to = load_installation(site.settings), reviewing.Handing(owner, reason)
        signing = reviewing.SigningContext(store, site.key, installation)
        reviewing.hand_over(signing, site.schedule, number, to, by, clock.now())
    say(f"review {number} is {reviews.title_of(site.schedule, owner)}'s")


@review_group.command("attachment")
@does(Action.LOOK)
def save_attachment(
    number: ReviewNumber,
    sha256: Annotated[str, typer.Argument(help="Its hash, or how that begins.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file.")],
    inventory: SiteOption = "",
) -> None:
    """Write an attachment of a signature to a new file."""
    with opened(inventory) as (site, store), store.read() as db:
        _review(stored.get(db, site.key, number), number)
        names = {
            file.sha256: file.name
            for one in stored.signatures_of(db, number)
            for file in one.attachments
        }
        whole = [one for one in names if sha256 and one.startswith(sha256)]
        if len(whole) != 1:
            there = ", ".join(f"{one[:12]} ({name})" for one, name in names.items()) or "none"
            raise UsageError(
                f"no one file of review {number} begins with {sha256!r}",
                remedy=f"there is: {there}",
            )
        content = files.content_of(db, whole[0])
    if content is None:
        raise UpkeepError(f"{whole[0]} is not kept", remedy="upkeep review verify")
    _write_new(out, content)
    say(f"wrote {out}: {names[whole[0]]}")


@review_group.command("verify")
@does(Action.LOOK)
def verify(
    inventory: SiteOption = "",
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            metavar="DIR",
            help="Write the records, and what they name, to a new folder.",
        ),
    ] = None,
) -> int:
    """Verify all signatures and their chain.

    Exit status: 2 if any record does not hold; it prints which.
    """
    with opened(inventory) as (site, store):
        trusted = trusted_keys(site.settings)
        with store.read() as db:
            end = chain_end.noted(site.settings.state.absolute() / SIGNING, store)
            problems = list(verification.problems_of(db, trusted, end))
            remarks = list(verification.remarks_of(db))
            signed = [one.signed for one in records.chain(db)]
            if export is not None:
                _say_written(export, record_export.export(db, export, signed, trusted))
    screen = Screen(sys.stdout)
    for problem in problems:
        screen.line((f"{screen.signs['fail']} ", "bold red"), screen.text(problem, 300))
    if not problems and signed:
        last = signed[-1]
        what = "1 record holds" if len(signed) == 1 else f"{len(signed)} records hold"
        screen.line(
            f"{what}; the last is number {last.number}, hash {signatures.digest(last.text)}"
        )
        if end is None:
            screen.line(
                "This installation has noted no end of them: what may be missing at the end is not known here."
            )
    elif not problems:
        screen.line("Nothing has been signed yet.")
    for remark in remarks:
        screen.line(screen.text(remark, 600))
    screen.flush()
    return 2 if problems else 0


@review_group.command("sign")
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
        typer.Option(
            "--corrects",
            metavar="SIGNATURE",
            parser=number_of("--corrects", 1, HIGHEST_ID),
            help="The signature that was wrong.",
        ),
    ] = None,
    evidence: Annotated[
        str, typer.Option("--evidence", metavar="HASH", help="What you were shown.")
    ] = "",
    name: Annotated[
        str, typer.Option("--user", metavar="NAME", help="The same as --as.", hidden=True)
    ] = "",
) -> None:
    """Sign a review: your verdict, with your name.

    Asks for your password.
    """
    form = Form(
        verdict=_verdict(verdict),
        note=note,
        reason=reason,
        alone=alone,
        on_behalf_of=on_behalf_of,
        follow_ups=tuple(_follow_up(text) for text in follow_up or []),
        corrects=corrects,
    )
    given = [_file(path) for path in attach or []]
    with opened(inventory) as (site, store):
        with store.read() as db:
            found = _review(stored.get(db, site.key, number), number)
            shown = review_evidence.look(db, found, clock.now())
        if not found.evidence_sha256.startswith(evidence or found.evidence_sha256):
            raise UsageError(
                "the evidence has changed since it was shown", remedy=f"upkeep review show {number}"
            )
        installation = load_installation(site.settings)
        screen = Screen(sys.stderr)
        zone = ZoneInfo(site.schedule.time_zone)
        view.print_before_signing(screen, shown, zone, clock.now())
        screen.flush()
        what = f"sign review {number}, {found.title}"
        by = by_password(site, store, Action.SIGN_REVIEW, what, user=name)
        signing = reviewing.SigningContext(store, site.key, installation)
        handed = reviewing.Submission(form, given, found.evidence_sha256)
        calendars = calendars_of(site.schedule, site.folder)
        made = reviewing.sign(signing, calendars, number, handed, by, clock.now())
        with store.read() as db:
            follow_ups = stored.follow_ups_of(db, [made.number])
            standing = reviews.standing(found.asked, stored.signatures_of(db, number), clock.now())
    waits = (
        f"; still to sign: {view.waits_words(site.schedule, standing)}" if standing.signed else ""
    )
    who, record = reviews.name_of(site.schedule, made), f"record {made.number}"
    say(f"review {number} signed by {who}: {made.verdict.value}, {record}{waits}")
    for one in follow_ups:
        owner = reviews.title_of(site.schedule, one.owner)
        say(f"follow-up: review {one.id}, {owner}: {one.title}")
