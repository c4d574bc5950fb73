"""Which folder acts as a site: one a machine. Whoever acts claims the site first; a copy of it is refused."""

from __future__ import annotations

import contextlib
import threading
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from upkeep.model.errors import UpkeepError, UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.stored_text import name
from upkeep.rules.actions import Action
from upkeep.rules.review_chain import RENAMED
from upkeep.services import chain_end
from upkeep.services.signing_key import Installation
from upkeep.site.init import id_for
from upkeep.site.revision import revision_of
from upkeep.site.settings import FILE, ID, is_id, load_settings
from upkeep.site.site import Identity, Site
from upkeep.store import Connection, Store, acts, drivers, records, site_moves, sites
from upkeep.store.engine import engines
from upkeep.store.sites import SiteFolder

OTHER_TEXT = "make the files of both equal, or give the copy an id of its own in its upkeep.toml"
LATELY = timedelta(minutes=10)
"""So long after it has acted a folder of another machine counts as one that acts at the same time."""
CLAIM_SECONDS = 10.0


# --- what it is called -----------------------------------------------------------------------------------------------
def refuse_unknown_name(store: Store, site: Identity) -> None:
    """Raise UsageError as `refuse_strange` does, for who only reads."""
    if site.folder:  # the embedded one is this machine
        with store.read() as db:
            refuse_strange(db, site)


def refuse_strange(db: Connection, site: Identity) -> None:
    """Raise UsageError if the store knows the site by another name than its upkeep.toml says.

    Under the other name its history would begin anew, without a word.
    """
    key = name(site.key)
    now = sites.now_called(db, key)
    if not site.id and now == key:
        here = [one for one, folder in sites.from_folders(db) if is_same(folder, site.folder)]
        now = next(iter(here), now)
    if now != key:
        raise _called(site, now)
    if not site.id or sites.has_id(db, key):
        return
    for old in _before(db, site):
        raise UsageError(
            f"{site.folder}: {FILE} says {ID} = {site.id!r}; the database knows this folder as {old!r}",
            remedy=f"{command('db', 'sites', 'rename', old, site.id, site=site.folder)}  # its history goes on",
        )


def _called(site: Identity, now: str) -> UsageError:
    says = f"{ID} = {site.id!r}" if site.id else f"no {ID}"
    message = f"{site.folder}: {FILE} says {says}; the database knows this site as {now!r}"
    return UsageError(message, remedy=_line(site.folder, now))


def _line(folder: str, site_id: str) -> str:
    """Return how to give a folder an id."""
    return f'{ID} = "{site_id}"  # as a line of {Path(folder) / FILE}'


def how_to_name(site: Identity) -> str:
    """Return how to give a site an id that has none."""
    wanted = id_for(Path(site.folder))
    rename = command("db", "sites", "rename", site.folder, wanted, site=site.folder)
    return f"{_line(site.folder, wanted)}; then {rename}"


def _before(db: Connection, site: Identity) -> list[str]:
    """Return by which names the store knows a folder whose id is new to it: another id, or its path."""
    ids = [one for one, folder in sites.from_folders(db) if is_same(folder, site.folder)]
    paths = sorted(
        (one for one in sites.names(db) if one.startswith("/") and is_same(one, site.folder)),
        key=lambda one: one != site.folder,
    )
    return [*ids, *paths]


def is_same(one: str, other: str) -> bool:
    """Return whether two paths lead to one folder; a path that leads nowhere is that of no other."""
    if one == other:
        return True
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


# --- who acts --------------------------------------------------------------------------------------------------------
def claim(store: Store, site: Identity, now: datetime, revision: str = "") -> None:
    """Record that this folder acts as its site now.

    revision: of the site's text, as `upkeep.site.revision` gives it; empty if who asks has not read it, or acts for a
    driver.
    Raises: UsageError if another folder of this machine acts as the site, if the drivers of other machines have read
    another text of it, or if the store knows the folder by another name.
    """
    if not site.id:
        refuse_unknown_name(store, site)
        return
    with store.begin() as db:
        refuse_strange(db, site)
        holds = sites.claim(db, site.id, site.folder, revision, now)
        if not is_same(holds.folder, site.folder) and _says(holds.folder, site.id):
            raise _copy(site, holds)
        _refuse_other_text(db, site, revision, now)
        sites.add_id(db, site.id, now)
        # A link that leads to the same folder is no other folder.
        kept = holds.folder if is_same(holds.folder, site.folder) else site.folder
        sites.seen(db, site.id, kept, revision, now)


def refuse_copy(store: Store, site: Identity) -> None:
    """Raise UsageError as `claim` does if another folder of this machine acts as the site, for who only reads."""
    with store.read() as db:
        for one in sites.folders(db, site.id) if site.id else ():
            mine = one.machine == sites.machine()
            if mine and not is_same(one.folder, site.folder) and _says(one.folder, site.id):
                raise _copy(site, one)


def claim_read(store: Store, site: Site, now: datetime) -> None:
    """Record that a site acts now that has just been read. Raises as `claim` does."""
    claim(store, site.identity, now, revision_of(site) if site.identity.id else "")


def _says(folder: str, site_id: str) -> bool:
    """Return whether a folder is there and claims the id; one that cannot be read may."""
    path = Path(folder) / FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")).get(ID) == site_id
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True


def _copy(site: Identity, holds: SiteFolder) -> UsageError:
    message = (
        f"{site.folder}: {FILE} says {ID} = {site.id!r}, which belongs to {holds.folder} on "
        "this machine; each folder needs an id of its own"
    )
    return UsageError(message, remedy=_line(site.folder, f"{site.id[:60]}-2"))


def _refuse_other_text(db: Connection, site: Identity, revision: str, now: datetime) -> None:
    """Raise UsageError if drivers run the site on other machines only, and on another text than this one."""
    active = drivers.active_revision(db, site.id)
    if revision in ("", active):
        return
    running = [one for one in drivers.living(db, site.id, now) if one.revision == active]
    if running and not any(name(one.host, 255) == sites.machine() for one in running):
        where = ", ".join(sorted({one.host for one in running}))
        message = (
            f"{site.folder}: has other files of {site.id!r} than the driver on {where} has "
            "read; a copy may not act as the site"
        )
        line = _line(site.folder, f"{site.id[:60]}-2")
        remedy = f"copy the files from there to here; or, for a site of its own: {line}"
        raise UsageError(message, remedy=remedy)


def apart(db: Connection, site: str, revision: str, now: datetime) -> list[SiteFolder]:
    """Return the folders of other machines that have acted as a site lately, on another text than this one."""
    at = drivers.database_time(db, now)
    return [
        one
        for one in sites.folders(db, site)
        if one.machine != sites.machine()
        and one.revision not in ("", revision)
        and abs(at - one.seen_at) < LATELY
    ]


class Holder:
    """Claims a site again and again while a process acts as it. Threads may share it.

    Which text drivers have read, they tell each other themselves.
    """

    def __init__(self, store: Store, site: Identity) -> None:
        self.store = store
        self.site = site
        self._lock = threading.Lock()
        self._until = 0.0

    def hold(self, now: datetime) -> None:
        """Claim the site, unless that was done a moment ago. Raises as `claim` does."""
        with self._lock:
            if time.monotonic() >= self._until:
                claim(self.store, self.site, now)
                self._until = time.monotonic() + CLAIM_SECONDS


# --- another name ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Renamer:
    """Which installation signs that a site has another name, and whose act it is: of which account."""

    installation: Installation
    account: str


def rename(store: Store, old: str, new: str, by: Renamer, now: datetime) -> str:
    """Give a site another name: its id; return the name that it had.

    old: its id, its path, or another path to it.
    Raises: UsageError if there is none, the new name is none or another site's, or anything works for the site now.
    """
    if not is_id(new):
        message = f"{new!r}; expected a name of lower-case letters, digits and -, at most 63"
        raise UsageError(message)
    with store.begin() as db:
        was = _known(db, old)
        _refuse_other_id(db, was, new)
        if new != was and new in sites.names(db):
            join = command("db", "sites", "join", was, new)
            raise UsageError(
                f"there is a site {new!r} already", remedy=f"{join}  # if the two are one"
            )
        _refuse_busy(db, [was], now)
        if new != was:
            _move(db, was, new, by, now)
    chain_end.note(by.installation.folder, store)
    return was


def _refuse_other_id(db: Connection, was: str, new: str) -> None:
    """Raise UsageError if the site's folder here says another id: then none of its commands would act."""
    here = [one.folder for one in sites.folders(db, was) if one.machine == sites.machine()]
    for folder in {*here, was} if was.startswith("/") else here:
        try:
            said = load_settings(Path(folder)).id if Path(folder, FILE).is_file() else ""
        except UpkeepError:
            continue
        if said not in ("", was, new):
            message = f"{folder}/{FILE}: found {ID} = {said!r}; expected {new!r}, the new name"
            raise UsageError(message, remedy=_line(folder, new))


def join(store: Store, source: str, into: str, by: Renamer, now: datetime) -> str:
    """Give the history of a site to another one, for they are one; return the name that the first had.

    Raises: UsageError if either is not there, both have a review of one due time, or anything works for one of them.
    """
    with store.begin() as db:
        was, target = _known(db, source), _known(db, into)
        if was == target:
            raise UsageError(f"{source} and {into} are one site already: {target!r}")
        _refuse_busy(db, [was, target], now)
        twice = site_moves.twice_reviewed(db, was, target)
        if twice:
            some = ", ".join(twice[:3]) + (", …" if len(twice) > 3 else "")
            message = f"both have a review for the same due time, and none may be removed: {some}"
            raise UsageError(message, remedy="keep them as two sites")
        _move(db, was, target, by, now)
    chain_end.note(by.installation.folder, store)
    return was


def _move(db: Connection, old: str, new: str, by: Renamer, now: datetime) -> None:
    """Move all of a site, and record that, signed: the site of a review's row is compared with that of its records."""
    records.hold(db)
    site_moves.move(db, old, new, now)
    body = {"was": old, "now": new, "account": by.account, "at": now.isoformat()}
    records.append(db, by.installation.key, RENAMED, name(new, 200), body)
    said = f"site {old} is now {new}"
    act = acts.Act(now, "", Action.MAINTAIN.value, said, way=acts.CLI, account=by.account)
    acts.record(db, act)
    if is_id(new):
        sites.add_id(db, new, now)
        if old.startswith("/") and Path(old).is_dir() and not sites.folders(db, new):
            sites.claim(db, new, old, "", now)


def _known(db: Connection, given: str) -> str:
    """Return the name of a site in the store.

    Raises: UsageError with the nearest one.
    """
    names = sites.names(db) - {""}
    wanted = [name(given), sites.now_called(db, name(given))]
    path = str(Path(given).absolute())
    wanted += [one for one in sorted(names) if one.startswith("/") and is_same(one, path)]
    wanted += [one for one, folder in sites.from_folders(db) if is_same(folder, path)]
    found = next((one for one in wanted if one in names), None)
    if found is None:
        message = f"there is no site {given!r}{nearest(given, sorted(names))}"
        raise UsageError(message, remedy="upkeep db sites  # lists them")
    return found


def _refuse_busy(db: Connection, those: Sequence[str], now: datetime) -> None:
    for one in those:
        busy = site_moves.under_way(db, one, now)
        if busy:
            message = f"{one}: {', '.join(busy[:3])} works for it; nothing was changed"
            raise UsageError(message, remedy="systemctl stop upkeep  # or wait for the run's end")


def free_id(folder: Path, wanted: str) -> str:
    """Return an id for a new site that none has in the database that it will use, as far as that can be seen now.

    Nothing is made or upgraded for it: what is not there, or is older, knows no ids.
    """
    taken: set[str] = set()
    with contextlib.suppress(UpkeepError):
        url = load_settings(folder).database_url
        if not engines.is_missing(url):
            with contextlib.closing(Store(*engines.connect(url))) as store, store.read() as db:
                taken = sites.ids(db)
    number, found = 1, wanted
    while found in taken:
        number += 1
        found = f"{wanted[:58]}-{number}"
    return found
