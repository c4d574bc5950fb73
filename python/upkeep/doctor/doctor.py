"""Find out what stands in the way, for all hosts side by side: each line says what to do.

Goes by paramiko and not by Ansible: it wants to know why a connection fails, step by step, for all hosts at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import paramiko

from ansible_collections.astral.upkeep.plugins.module_utils.host.program import mark
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload, transport
from upkeep.doctor.login import LoginError, SshSession, login, reason
from upkeep.judging.entries import ParameterError
from upkeep.judging.examine import examine_wanted
from upkeep.judging.log_verdicts import UNREAD_SHARE
from upkeep.model import clock
from upkeep.model.answer import OWN_HOST, why_no_host
from upkeep.model.errors import ConfigurationError, UpkeepError
from upkeep.model.remedies import command, program
from upkeep.model.text import ago
from upkeep.services import site_lint, sites
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.asked import asked_by
from upkeep.site.connections import Way, WayError, read_defaults, read_way
from upkeep.site.inventory import hosts_of, read_listing
from upkeep.site.machines import machines, twins
from upkeep.site.revision import revision_of
from upkeep.site.site import Site
from upkeep.store import Store, answers, open_store
from upkeep.system import account

COMMAND_SECONDS = 10.0
AT_ONCE = 100
CLOCK_LIMIT_SECONDS = 5.0
UNREAD_PERCENT = 0.1
"""Of a log's lines; as many errors as site_errors lets pass by default."""
CONTROLLER = OWN_HOST
NO_PYTHON, MAY = "no-python", "may"
PROBE = """\
import importlib.util as u, json, os, shutil, sys, time
p = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
def there(t):
    return u.find_spec(t[7:]) if t.startswith("python:") else shutil.which(t, path=p)
print("\\n%(mark)s" + json.dumps({"python": sys.version.split()[0], "path": sys.executable, "uid": os.geteuid(),
"clock": time.time(), "lacks": [t for t in %(tools)r if not any(map(there, t.split("|")))]}))
"""


@dataclass(frozen=True)
class Diagnosis:
    """What was found of one topic on one host. status: ok, warn, fail or unknown; remedy: what to do."""

    host: str
    topic: str
    status: str
    text: str
    remedy: str = ""


def examine(site: Site, limit: str = "") -> list[Diagnosis]:
    """Return what was found of the controller and of each host of the site, in this order.

    Takes seconds: all hosts side by side, each step with a time limit.
    Raises: ConfigurationError if Ansible cannot
    read the inventory.
    """
    with _side_by_side(2) as pool:  # each takes Ansible a second to start
        reading = pool.submit(read_defaults, site.environment)
        listing, unread = _listing(site, limit)
        lines = [*examine_controller(site), *unread]
        defaults = reading.result()
    hosts = hosts_of(listing)
    # What no pattern matches in a part of the inventory, one may match in the whole.
    lines += _remarks(site, None if limit or unread or not hosts else listing)
    if not hosts:
        text = (
            f"no host of the inventory matches {limit!r}" if limit else "the inventory has no host"
        )
        listed = shlex.join(["ansible-inventory", "-i", str(site.inventory), "--graph"])
        remedy = (
            f"{listed}  # lists hosts and groups" if limit else "name hosts in inventory/hosts.yml"
        )
        return [
            *lines,
            Diagnosis(CONTROLLER, "inventory", "fail", text, remedy),
        ]
    misnamed = {name: why for name in hosts if (why := why_no_host(name))}
    for name, why in misnamed.items():
        del hosts[name]
        remedy = "rename it in the inventory"
        lines.append(Diagnosis(CONTROLLER, "inventory", "fail", why, remedy))
    if not hosts:
        return lines
    found: dict[str, list[Diagnosis]] = {}
    with _side_by_side(min(AT_ONCE, len(hosts))) as pool:
        work = {pool.submit(examine_host, name, hosts[name], defaults): name for name in hosts}
        for done in as_completed(work):
            found[work[done]] = done.result()
    for host, other in twins(hosts, machines(hosts)).items():
        text = f"is the same machine as {other}; jobs run on the two names one after the other"
        found[host].append(Diagnosis(host, "machine", "warn", text, "use one name for it"))
    for line in _unread_lines(site):
        if line.host in found:
            found[line.host].append(line)
    return lines + [line for name in hosts for line in found[name]]


def _listing(site: Site, limit: str) -> tuple[dict[str, Any], list[Diagnosis]]:
    """Return the inventory as Ansible can read it, and a line if it goes on without the hosts of a source."""
    try:
        return read_listing(str(site.inventory), limit, site.environment, whole=True), []
    except ConfigurationError as exc:
        listing = read_listing(str(site.inventory), limit, site.environment)
        remedy = f"ansible-inventory -i {shlex.quote(str(site.inventory))} --list"
        text = f"runs continue without the hosts of one inventory source: {exc}"
        return listing, [Diagnosis(CONTROLLER, "inventory", "fail", text, remedy)]


def _remarks(site: Site, listing: dict[str, Any] | None) -> Iterator[Diagnosis]:
    """Yield who would not be told, and what the schedule and the inventory say that cannot both be meant."""
    for one in site_lint.examine(site, listing):
        text = ": ".join(part for part in (one.place, one.about, one.text) if part)
        yield Diagnosis(
            CONTROLLER, one.kind, "fail" if one.level == "error" else "warn", text, one.remedy
        )


@contextlib.contextmanager
def _side_by_side(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose work is waited for at the end, but not after Ctrl-C."""
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def examine_controller(site: Site) -> Iterator[Diagnosis]:
    """Yield what was found of this machine and of the site's settings."""
    for name in ("ansible-core", "ansible-runner"):
        yield Diagnosis(CONTROLLER, name, "ok", metadata.version(name))
    if shutil.which("ssh") is None:
        yield Diagnosis(
            CONTROLLER, "ssh", "fail", "ssh is not on PATH", "apt-get install openssh-client"
        )
    try:
        store = open_store(site.settings.database_url)
        yield Diagnosis(CONTROLLER, "database", "ok", store.place)
        yield from _own_clock(site, store)
        yield from _identity(site, store)
        store.close()
    except UpkeepError as exc:
        yield Diagnosis(CONTROLLER, "database", "fail", str(exc), exc.remedy)
    yield from _folders(site)
    encoding = (sys.stdout.encoding or "").lower()
    if "utf" not in encoding:
        text = f"the terminal's encoding is {encoding}; signs are shown in ASCII"
        yield Diagnosis(CONTROLLER, "terminal", "warn", text, "export LC_ALL=C.UTF-8")


def _unread_lines(site: Site) -> list[Diagnosis]:
    """Return, for each log, how much of it was not understood at the last look; nothing without a database."""
    try:
        store = open_store(site.settings.database_url)
        with contextlib.closing(store), store.read() as db:
            newest = answers.newest_values(db, site.key, UNREAD_SHARE)
    except UpkeepError:
        return []  # examine_controller tells
    shares = {(host, subject): (at, share) for host, subject, at, share in newest}
    lines = []
    for (host, subject), (at, share) in shares.items():
        text = (
            f"{subject}: {share:.3g} % of its lines were not understood at {at:%Y-%m-%d %H:%M} UTC"
        )
        many = share >= UNREAD_PERCENT
        remedy = "ansible-doc -t module astral.upkeep.access_log_info astral.upkeep.auth_log_info  # see what is read"
        lines.append(Diagnosis(host, "log", "warn" if many else "ok", text, remedy if many else ""))
    return lines


def _own_clock(site: Site, store: Store) -> Iterator[Diagnosis]:
    """Yield if this machine's clock has stepped, and is not believed."""
    trust = Timekeeper(store, site.key, site.name).look()
    if trust.step:
        text = f"it has stepped by {trust.step:+,.0f} s"
        if trust.held:
            text += "; until that is confirmed, nothing becomes due, is missed or is removed because of it"
        accept = command("doctor", "--accept-clock", site=site.name)
        yield Diagnosis(CONTROLLER, "clock", "warn", text, f"timedatectl; if it is right: {accept}")


def _identity(site: Site, store: Store) -> Iterator[Diagnosis]:
    """Yield what the site is called in the database, and who else acts as it."""
    identity, now = site.identity, clock.now()
    if not identity.folder:
        return
    try:
        sites.refuse_unknown_name(store, identity)
        sites.refuse_copy(store, identity)
    except UpkeepError as exc:
        yield Diagnosis(CONTROLLER, "site", "fail", str(exc), exc.remedy)
        return
    if not identity.id:
        text = (
            f"known by its path, {identity.folder}: if the folder is moved, its history starts "
            "again"
        )
        yield Diagnosis(CONTROLLER, "site", "ok", text, sites.how_to_name(identity))
        return
    yield Diagnosis(CONTROLLER, "site", "ok", f"known as {identity.id!r}, wherever its folder lies")
    with store.read() as db:
        others = sites.apart(db, identity.id, revision_of(site), now)
    for one in others:
        text = (
            f"{one.folder} on {one.machine} also acts as {identity.id!r}, with different files, "
            f"{ago(one.seen_at, now)}"
        )
        yield Diagnosis(CONTROLLER, "site", "warn", text, sites.OTHER_TEXT)


def _folders(site: Site) -> Iterator[Diagnosis]:
    """Yield what is wrong with the folders that a run writes to."""
    workspace = site.settings.workspace
    for name, path in (("state", site.settings.state), ("workspace", workspace)):
        there = next(one for one in (path, *path.absolute().parents) if one.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            text = f"{there} cannot be written by {account.own_name()}"
            remedy = f"set UPKEEP_{name.upper()}, or {name} in upkeep.toml, to a folder that it can write"
            yield Diagnosis(CONTROLLER, name, "fail", text, remedy)
        elif name == "workspace" and _file_system(there) not in ("tmpfs", "ramfs"):
            text = f"{path} is on a disk; what a run writes there may survive on it"
            yield Diagnosis(
                CONTROLLER, name, "warn", text, "set UPKEEP_WORKSPACE to a folder in memory"
            )


def examine_host(
    name: str, variables: Mapping[str, Any], defaults: Mapping[str, Any]
) -> list[Diagnosis]:
    """Return what was found of one host; whatever goes wrong is a line of it."""
    lines: list[Diagnosis] = []
    try:
        tools = _tools(name, variables)
        if isinstance(tools, Diagnosis):
            lines, tools = [tools], []
        way = read_way(name, variables, defaults)
        if way.kind == "local":
            lines.append(Diagnosis(name, "connection", "ok", "this machine"))
            return [*lines, *_examine_local(way, tools)]
        if way.kind != "ssh":
            text = f"is reached by {way.kind!r}; only ssh and local connections are checked"
            remedy = f"ansible -m ping {name}"
            return [*lines, Diagnosis(name, "connection", "unknown", text, remedy)]
        return [*lines, *_examine_remote(way, tools)]
    except WayError as exc:
        return [*lines, Diagnosis(name, "connection", "unknown", str(exc), exc.remedy)]
    except Exception as exc:
        text = f"{type(exc).__name__}: {exc}"
        return [*lines, Diagnosis(name, "doctor", "unknown", text, f"{program()} --debug doctor")]


def _tools(name: str, variables: Mapping[str, Any]) -> list[str] | Diagnosis:
    """Return what the host's due checks need of programs, or what is wrong with its entries.

    Of `a|b|python:c`, one is enough: a program, or a library of Python.
    """
    try:
        asked = asked_by(name, variables)
        for one in asked.wanted:
            examine_wanted(one)
    except ParameterError as exc:
        return Diagnosis(name, "checks", "fail", str(exc), "fix it in the inventory")
    if not asked.wanted and asked.is_all:
        remedy = f"{command('check', 'list')}  # shows them; list some in group_vars as upkeep_checks_web"
        return Diagnosis(name, "checks", "warn", "no check is listed for this host", remedy)
    gathers = [payload.gathers()[one.check.gather] for one in asked.wanted]
    return sorted({tool for gather in gathers for tool in getattr(gather, "TOOLS", ())})


def _examine_local(way: Way, tools: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield what this very machine lacks."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/local/sbin:/usr/sbin:/sbin"
    missing = [one for one in tools if not any(_is_there(name, path) for name in one.split("|"))]
    yield from _lacks(way, missing)
    if os.geteuid() != 0:
        text = f"runs as {account.own_name()}: what only root can read will be unknown"
        yield Diagnosis(
            way.host, "privilege", "warn", text, "run it as root, or accept the unknown results"
        )


def _examine_remote(way: Way, tools: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield what was found step by step; a step that fails ends it."""
    try:
        with login(way) as session:
            text = f"{way.user}@{way.place}"
            if session.key_known:
                yield Diagnosis(way.host, "connection", "ok", f"{text}, host key known")
            else:
                text += ": its host key is not known, and the site does not require it"
                remedy = (
                    "add the key to known_hosts, and remove StrictHostKeyChecking: without the "
                    "key, any machine could answer"
                )
                yield Diagnosis(way.host, "host key", "warn", text, remedy)
            yield from _examine_inside(session, way, tools)
    except LoginError as exc:
        yield Diagnosis(way.host, exc.topic, exc.status, str(exc), exc.remedy)


def _examine_inside(session: SshSession, way: Way, tools: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield what was found on the host, by one command."""
    nonce = transport.new_nonce()
    probe = PROBE % {"tools": list(tools), "mark": mark(nonce, "")}
    encoded = b64encode(probe.encode()).decode("ascii")
    interpreter = "" if way.interpreter.startswith("auto") else way.interpreter
    candidates = shlex.quote(interpreter) if interpreter else transport.CANDIDATES
    program = f"import base64; exec(base64.b64decode('{encoded}'))"
    script = (
        f'for p in {candidates}; do "$p" {transport.TRY} </dev/null >/dev/null 2>&1 &&'
        f' exec "$p" -c {shlex.quote(program)}; done; echo; echo {mark(nonce, NO_PYTHON)}'
    )
    before = time.time()
    try:
        said = session.run(f"/bin/sh -c {shlex.quote(script)}", COMMAND_SECONDS)
    except (OSError, EOFError, paramiko.SSHException) as exc:
        text = f"no answer to a command: {reason(exc)}"
        yield Diagnosis(way.host, "python", "unknown", text, f"{way.command} true")
        return
    told = _marked(said, nonce)
    answer = _parse(told)
    if answer is None and told != NO_PYTHON:
        text = f"the login does not start a shell, it answers: {said.strip()[:80]!r}"
        yield Diagnosis(way.host, "python", "unknown", text, f"{way.command} true")
        return
    if answer is None:
        text = "no Python 3.8 or later"
        if interpreter:
            text += f" at {interpreter} (ansible_python_interpreter)"
        yield Diagnosis(
            way.host, "python", "fail", text, "apt-get install python3-minimal  # on the host"
        )
        return
    yield Diagnosis(way.host, "python", "ok", f"{answer['python']} at {answer['path']}")
    yield from _lacks(way, answer["lacks"])
    yield from _clock(way, answer["clock"], before, time.time())
    yield from _privilege(session, way, answer["uid"])


def _lacks(way: Way, tools: Sequence[str]) -> Iterator[Diagnosis]:
    if tools:
        said = ", ".join(
            " or ".join(one.replace("python:", "Python's ").split("|")) for one in tools
        )
        text = f"its checks need {said}, which it does not have"
        yield Diagnosis(
            way.host,
            "tools",
            "warn",
            text,
            "install them, or the results of those checks are unknown",
        )


def _is_there(tool: str, path: str) -> bool:
    if tool.startswith("python:"):
        return find_spec(tool.removeprefix("python:")) is not None
    return shutil.which(tool, path=path) is not None


def _clock(way: Way, clock: float, before: float, after: float) -> Iterator[Diagnosis]:
    """Yield how far the host's clock is from this one's: at least so much, whatever the way took."""
    offset = max(before - clock, clock - after, 0.0)
    if offset > CLOCK_LIMIT_SECONDS:
        text = f"its clock differs by {offset:.0f} s, at most {CLOCK_LIMIT_SECONDS:.0f} s"
        yield Diagnosis(way.host, "clock", "fail", text, "timedatectl set-ntp true, on that host")


def _privilege(session: SshSession, way: Way, uid: int) -> Iterator[Diagnosis]:
    """Yield if what is looked at as this user is enough."""
    if uid == 0:
        yield Diagnosis(way.host, "privilege", "ok", "root")
    elif not way.become:
        text = f"{way.user} without become: what only root can read will be unknown"
        yield Diagnosis(
            way.host, "privilege", "warn", text, "ansible_become: true in the inventory"
        )
    elif way.become_method != "sudo":
        text = f"becomes root by {way.become_method!r}; only sudo is checked"
        yield Diagnosis(way.host, "privilege", "unknown", text, f"ansible -b -m ping {way.host}")
    elif way.become_password:
        yield Diagnosis(way.host, "privilege", "ok", f"{way.user} becomes root with a password")
    else:
        try:
            nonce = transport.new_nonce()
            ask = f"sudo -n true && echo && echo {mark(nonce, MAY)}"
            told = _marked(session.run(ask, COMMAND_SECONDS), nonce)
        except (OSError, EOFError, paramiko.SSHException):
            told = ""
        if told == MAY:
            yield Diagnosis(
                way.host, "privilege", "ok", f"{way.user} becomes root without a password"
            )
        else:
            text = f"{way.user} may not become root without a password, and none is given"
            remedy = "a rule in /etc/sudoers.d there, or ansible_become_password from the vault"
            yield Diagnosis(way.host, "privilege", "fail", text, remedy)


def _marked(said: str, nonce: str) -> str:
    """Return what stands behind the nonce, on the one line that begins with it; empty if there is not just one.

    Around it is whatever a login says there. The nonce is in the command, which others on the host may read: none of
    them can write into its answer.
    """
    start = mark(nonce, "")
    told = [line.removeprefix(start) for line in said.split("\n") if line.startswith(start)]
    return told[0].rstrip("\r") if len(told) == 1 else ""


def _parse(told: str) -> dict[str, Any] | None:
    """Return what the probe told, if it is what it tells; hosts are not trusted to keep to it."""
    try:
        answer = json.loads(told)
        lacks = [str(tool) for tool in answer["lacks"]]
        clock = float(answer["clock"])
        path, python = str(answer["path"])[:200], str(answer["python"])[:50]
        uid = int(answer["uid"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    if not math.isfinite(clock):
        return None
    return {"lacks": lacks, "clock": clock, "path": path, "python": python, "uid": uid}


def _file_system(path: Path) -> str:
    """Return the kind of file system that the path is on; empty if that cannot be seen."""
    best, kind = "", ""
    try:
        text = Path("/proc/self/mounts").read_text(encoding="utf-8")
    except OSError:
        return ""
    for line in text.splitlines():
        _source, target, this, *_rest = line.split()
        if path.is_relative_to(target) and len(target) >= len(best):
            best, kind = target, this
    return kind
