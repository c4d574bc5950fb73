"""`upkeep serve`: one process with the page and, beside it, the workers that make the schedule run itself.

Workers are objects with a name and `step(now)`, which does what is due and returns in how many seconds it wants to be
called again. What one raises costs a line and that step; the process knows when each last got on, and tells systemd,
/healthz and the heartbeat only as long as all do.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import ipaddress
import os
import shlex
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.astral.upkeep.plugins.module_utils.host.addresses import ANY, refused
from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    NoAnswerError,
    client_context,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked
from ansible_collections.astral.upkeep.plugins.module_utils.host.web import HttpAsk, fetch
from upkeep.model import clock
from upkeep.model.errors import ConfigurationError, UpkeepError, UsageError
from upkeep.services.signing_key import load_installation
from upkeep.services.sites import Holder, refuse_unknown_name
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.schedule_file import Schedule, load_schedule
from upkeep.site.settings import Settings, load_settings
from upkeep.site.site import EMBEDDED, SCHEDULE, Identity, Site, absolute, identity_of, load_site
from upkeep.store import Store, open_store
from upkeep.store.engine.probe import prove_writable
from upkeep.system import account, child
from upkeep.view.screen import Screen

LONGEST_WAIT_SECONDS = 20.0
WAIT_AFTER_FAULT_SECONDS = 5.0
# A step may wait a minute for a lock of the database; what takes longer stands still.
STANDS_STILL_SECONDS = 150.0
CLOSE_SECONDS = 5
HEARTBEAT_SECONDS = 10.0
STOP_SECONDS = 90.0
BACKLOG = 2048
MISSING = "pip install 'upkeep[web]'"


class Steppable(Protocol):
    """A worker. One with `stop(seconds)` is asked to end what it has begun within that time."""

    name: str

    def step(self, now: datetime) -> float:
        """Do what is due at `now`; return in how many seconds there may be more."""


class Worker:
    """Calls a step repeatedly, in a thread of its own. time_of: what gives the time by which it decides.

    claim: asked before each step; while it raises, nothing is done.
    """

    def __init__(
        self,
        step: Steppable,
        stopping: threading.Event,
        time_of: Callable[[], datetime] = clock.now,
        claim: Callable[[datetime], None] = lambda _now: None,
    ) -> None:
        self.step = step
        self.name = step.name
        self.time_of = time_of
        self.claim = claim
        self.progressed = time.monotonic()
        self.steps = 0
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, name=step.name, daemon=True)
        self._said = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def gets_on(self) -> bool:
        """Whether it has finished a step recently."""
        return time.monotonic() - self.progressed < STANDS_STILL_SECONDS

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, and what it had begun."""
        self._thread.join(max(seconds, 0.0))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                now = self.time_of()
                self.claim(now)
                wait = self.step.step(now)
                self.progressed = time.monotonic()
                self.steps += 1
                self._said = ""
            except Exception as exc:
                wait = WAIT_AFTER_FAULT_SECONDS
                self._complain(exc)
            self._stopping.wait(min(max(wait, 0.05), LONGEST_WAIT_SECONDS))
        # In this very thread: nothing of a worker is used by two.
        end = getattr(self.step, "stop", None)
        if end:
            try:
                end(STOP_SECONDS)
            except Exception as exc:
                self._complain(exc)

    def _complain(self, exc: Exception) -> None:
        """Print a line; the same one only once."""
        line = f"{self.name}: {type(exc).__name__}: {' '.join(str(exc).split())}"
        if line != self._said:
            self._said = line
            note(line)


class Watch:
    """Notifies systemd and the heartbeat's receiver that all workers progress; sends nothing otherwise."""

    name = "watch"

    def __init__(self, workers: Sequence[Worker], beat: HeartbeatSender | None) -> None:
        self.workers = workers
        self.beat = beat
        self._seconds = watchdog_seconds()

    def step(self, now: datetime) -> float:
        """Report the state of the workers."""
        if all(worker.gets_on for worker in self.workers):
            notify("WATCHDOG=1")
        if self.beat:
            self.beat.step(now)
        return self._seconds / 3 if self._seconds else LONGEST_WAIT_SECONDS


class HeartbeatSender:
    """Calls a URL outside each time that all workers have progressed since the last call."""

    def __init__(
        self, url: str, every_seconds: float, workers: Sequence[Worker], store: Store
    ) -> None:
        self.url = url
        self.every_seconds = every_seconds
        self.workers = workers
        self.store = store
        self._next = 0.0
        self._steps: dict[str, int] = {}

    def step(self, _now: datetime) -> None:
        """Call it if it is time, and true."""
        if time.monotonic() < self._next:
            return
        steps = {worker.name: worker.steps for worker in self.workers}
        if any(count <= self._steps.get(name, 0) for name, count in steps.items()):
            return
        prove_writable(self.store, clock.now())
        self._next = time.monotonic() + self.every_seconds
        self._steps = steps
        self._call()

    def _call(self) -> None:
        call_heartbeat(self.url)


def call_heartbeat(url: str) -> None:
    """Request the URL.

    Its name is looked up once; what it stands for then is looked at, and connected to. No redirect is followed, and no
    proxy asked. The URL may hold a secret, so no message repeats it.

    Raises: UpkeepError if it leads to a link-local service, or the answer is an error.
    """
    try:
        ask = HttpAsk(url, client_context(), timeout_seconds=HEARTBEAT_SECONDS, refuse=_inward)
        answer = fetch(Host(), ask)
    except NoAnswerError as exc:
        if exc.stage == "refused":
            raise UpkeepError(f"heartbeat: its URL leads to {exc}") from exc
        raise UpkeepError(f"heartbeat: no answer at the stage {exc.stage}") from exc
    except ValueError as exc:
        raise UpkeepError("heartbeat: its URL is neither http nor https") from exc
    if answer.status >= 400:
        raise UpkeepError(f"heartbeat: answered with {answer.status}")


def _inward(address: str) -> str:
    """Return why the heartbeat does not go to an address; a listener on this machine is no harm."""
    return refused(address, ANY)


# --- systemd ---------------------------------------------------------------------------------------------------------
def notify(state: str) -> None:
    """Notify systemd; do nothing where there is none. Source: sd_notify(3)."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as there,
    ):
        there.sendto(state.encode(), address)


def watchdog_seconds() -> float:
    """Return the interval in seconds in which systemd expects to be notified; 0 if it does not."""
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    with contextlib.suppress(ValueError):
        return int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 if ours else 0.0
    return 0.0


# --- where it listens ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Listen:
    """Where and how the page is given out. proxies: networks whose word on the client's address is taken."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()

    @property
    def secure(self) -> bool:
        """Whether browsers come by TLS: to us, or to the proxy before us."""
        return self.certificate is not None or bool(self.proxies)


def listening(
    listen: str, certificate: Path | None, key: Path | None, proxies: Sequence[str]
) -> Listen:
    """Return where to listen.

    Raises: UsageError for what is no such option; ConfigurationError where passwords would travel in the clear.
    """
    host, colon, port = listen.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        expected = "expected ADDRESS:PORT, such as 127.0.0.1:8470"
        raise UsageError(f"--listen: found {listen!r:.80}; {expected}")
    for network in proxies:
        try:
            ipaddress.ip_network(network)
        except ValueError as exc:
            expected = "expected an address or network, such as 10.0.0.5/32"
            raise UsageError(f"--behind-proxy: found {network!r:.80}; {expected}") from exc
    if (certificate is None) != (key is None):
        raise UsageError("--tls-cert and --tls-key are needed together")
    for path in (certificate, key):
        if path is not None and not os.access(path, os.R_OK):
            raise ConfigurationError(f"{path}: cannot be read")
    if certificate is not None and key is not None:
        _refuse_unfit(certificate, key)
    if not _is_loopback(host) and certificate is None and not proxies:
        message = f"--listen {listen}: passwords would be sent over the network unencrypted"
        remedy = (
            "give --tls-cert and --tls-key, or say --behind-proxy CIDR of the proxy that does TLS"
        )
        raise ConfigurationError(message, remedy=remedy)
    return Listen(host, int(port), certificate, key, tuple(proxies))


def _refuse_unfit(certificate: Path, key: Path) -> None:
    """Raise ConfigurationError if the page cannot be given with a certificate and a key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:  # nobody is there to be asked for a password
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError, OSError) as exc:
        expected = "expected a certificate in PEM, and its key without a password"
        message = f"--tls-cert {certificate}, --tls-key {key}: {expected}"
        remedy = shlex.join(["openssl", "x509", "-in", str(certificate), "-noout", "-subject"])
        raise ConfigurationError(message, remedy=remedy) from exc


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead elsewhere tomorrow


def bind(listen: Listen) -> list[socket.socket]:
    """Return sockets that listen there.

    Raises: UpkeepError if that cannot be, before anything else has begun.
    """
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            try:
                sockets.append(socket.create_server(address, family=family, backlog=BACKLOG))
            except OSError as exc:
                # A name may have an address of a family that this machine does not use.
                if exc.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = exc
        if missing and not sockets:
            raise missing
    except OSError as exc:
        for one in sockets:
            one.close()
        raise _cannot_listen(listen, exc) from exc
    return sockets


def _cannot_listen(listen: Listen, exc: OSError) -> UpkeepError:
    """Return what is in the way, in one sentence."""
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    place = f"{host}:{listen.port}"
    if exc.errno == errno.EADDRINUSE:
        remedy = f"ss -ltnp 'sport = :{listen.port}'  # shows it; or take another port"
        return UpkeepError(
            f"--listen {place}: address already in use, another process listens there",
            remedy=remedy,
        )
    if exc.errno == errno.EACCES:
        message = f"--listen {place}: {account.own_name()} may not listen on a port below 1024"
        return UpkeepError(message, remedy=f"upkeep serve --listen {host}:8470")
    if exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or isinstance(exc, socket.gaierror):
        message = f"--listen {place}: {listen.host} is not an address of this machine"
        return UpkeepError(message, remedy="ip -brief address")
    return UpkeepError(f"--listen {place}: {(exc.strerror or str(exc)).lower()}")


# --- the process -----------------------------------------------------------------------------------------------------
def serve(inventory: str, listen: Listen, *, web_only: bool) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    try:
        import uvicorn

        from upkeep.web import connections
        from upkeep.web.app import make_app
    except ModuleNotFoundError as exc:
        raise UpkeepError(f"serve needs the package {exc.name}", remedy=MISSING) from exc
    inventory = absolute(inventory)  # people read elsewhere what it tells
    stopping = threading.Event()
    hurry = child.Stop()
    settings, identity, schedule_of, folder = _site(inventory, web_only=web_only)
    store = open_store(settings.database_url)
    refuse_unknown_name(store, identity)
    time_of = Timekeeper(store, identity.key, inventory).now
    steps = [] if web_only else make_steps(inventory, store, hurry)
    holder = Holder(store, identity)
    if steps:  # before anything of it becomes due
        holder.hold(time_of())
    workers = [Worker(one, stopping, time_of, holder.hold) for one in steps]
    health: dict[str, Worker] = {one.name: one for one in workers}
    setting = replace(
        _setting(store, settings, identity.key, schedule_of, folder, health, listen),
        folder=identity.folder,
        claim=holder.hold,
    )
    config = uvicorn.Config(
        make_app(setting),
        host=listen.host,
        port=listen.port,
        ssl_certfile=listen.certificate,
        ssl_keyfile=listen.key,
        proxy_headers=bool(listen.proxies),
        forwarded_allow_ips=list(listen.proxies),
        server_header=False,
        date_header=True,
        access_log=False,
        log_level="warning",
        http=connections.Connection,
        limit_concurrency=2 * connections.MOST,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    server = _server(config, stopping, [Watch(workers, _beat(schedule_of(), workers, store))])
    sockets = bind(listen)  # nothing is run by a driver that cannot give the page
    with _until_asked(stopping):
        for worker in workers:
            worker.start()
        server.run(sockets)
        stopping.set()
        hurry.ask("the program was asked to stop")
        notify("STOPPING=1")
        _stop(workers)
    child.sweep()
    store.close()
    return 0 if server.started else 1


def _stop(workers: Sequence[Worker]) -> None:
    """Wait until all workers have ended what they had begun, each for itself."""
    until = time.monotonic() + STOP_SECONDS + 30
    for one in workers:
        one.wait(until - time.monotonic())


def make_steps(inventory: str, store: Store, hurry: child.Stop | None = None) -> list[Steppable]:
    """Return the workers of a driver. Without a site of its own nothing is scheduled.

    hurry: stops what a worker asks of an inventory, for a step that waits does not look at whether it must end.
    """
    from upkeep.serve.requests import Requested
    from upkeep.serve.scheduler import Scheduler
    from upkeep.services.alerts.alerter import Alerter
    from upkeep.services.alerts.sender import Sender
    from upkeep.services.chain_watch import ChainWatch
    from upkeep.services.incidents import IncidentWorker
    from upkeep.services.reviews import Reviews
    from upkeep.services.waivers import WaiverWorker

    site = load_site(inventory, [])
    requested = Requested(inventory, site, store)
    if not site.name:
        return [requested]
    scheduler = Scheduler(inventory, store)
    telling: list[_Teller] = [
        Alerter(store, scheduler.site, stop=hurry),
        Sender(store, scheduler.site),
    ]
    following = [Following(one, scheduler) for one in telling]
    led: list[Steppable] = [
        Reviews(store, scheduler),
        WaiverWorker(store, scheduler),
        IncidentWorker(store, scheduler),
    ]
    return [requested, scheduler, *led, ChainWatch(store, scheduler), *following]


class _Sited(Protocol):
    """What has read a site."""

    site: Site


class _Teller(Steppable, _Sited, Protocol):
    """A worker that goes by a site's schedule."""

    def use(self, site: Site) -> None:
        """Use another revision of the site from now on."""


class Following:
    """A worker on the site as another has read it last: the one that looks at the file, and keeps the last good one."""

    def __init__(self, step: _Teller, leader: _Sited) -> None:
        self.inner = step
        self.leader = leader
        self.name = step.name

    def step(self, now: datetime) -> float:
        """Do what is due, on the site that holds."""
        if self.leader.site is not self.inner.site:
            self.inner.use(self.leader.site)
        return self.inner.step(now)


def _server(config: Any, stopping: threading.Event, steps: Sequence[Steppable]) -> Any:
    """Return uvicorn's server; it tells systemd when it listens, and the workers when it is asked to end."""
    import uvicorn

    class PageServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                notify("READY=1")
                place = f"{config.host}:{config.port}"
                scheme = "https" if config.ssl_certfile else "http"
                note(f"the page is at {scheme}://{place}/", plain=True)
                for step in steps:
                    Worker(step, stopping).start()

        def handle_exit(self, sig: int, frame: Any) -> None:
            stopping.set()
            super().handle_exit(sig, frame)

    return PageServer(config)


@contextlib.contextmanager
def _until_asked(stopping: threading.Event) -> Iterator[None]:
    """Record SIGTERM and SIGINT without acting on them: uvicorn raises them once more when it has ended."""

    def heard(_number: int, _frame: object) -> None:
        stopping.set()

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _site(inventory: str, *, web_only: bool) -> tuple[Settings, Identity, Any, Path | None]:
    """Return settings, what stands for the site, what gives its schedule, and its folder."""
    if not web_only:
        site = load_site(inventory, [])
        folder = site.folder
        return site.settings, site.identity, _Schedules(folder / SCHEDULE, site.schedule), folder
    given = Path(inventory) if inventory else None
    settings = load_settings(given)
    folder = given or EMBEDDED
    path = folder / SCHEDULE
    schedule = None
    if path.is_file():
        try:
            schedule = load_schedule(path, [])
        except ConfigurationError as exc:  # what is stored can be shown all the same
            note(f"the schedule cannot be used: {str(exc).splitlines()[0]}")
    return settings, identity_of(inventory, settings), _Schedules(path, schedule), folder


class _Schedules:
    """Gives the schedule as its file says it now, without its wrong entries; if it is broken, as it last was right."""

    def __init__(self, path: Path, schedule: Schedule | None) -> None:
        self.path = path
        self._schedule = schedule
        self._seen = self._stamp()

    def __call__(self) -> Schedule | None:
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            with contextlib.suppress(UpkeepError, OSError):
                self._schedule = load_schedule(self.path, [])
        return self._schedule

    def _stamp(self) -> tuple[int, int]:
        try:
            status = self.path.stat()
        except OSError:
            return 0, 0
        return status.st_mtime_ns, status.st_size


def _setting(
    store: Store,
    settings: Settings,
    site: str,
    schedule: Any,
    folder: Path | None,
    workers: Mapping[str, Worker],
    listen: Listen,
) -> Any:
    """Return what the page's routes know."""
    from upkeep.view.upcoming import Coming
    from upkeep.web.routing import Setting

    return Setting(
        store=store,
        site=site,
        schedule=schedule,
        coming=Coming(schedule, folder),
        reports=settings.state.absolute() / "reports",
        installation=lambda: load_installation(settings),
        health=lambda: {name: worker.gets_on for name, worker in workers.items()},
        secure=listen.secure,
        metrics=_metrics(store),
        metrics_token=os.environ.get("UPKEEP_METRICS_TOKEN", ""),
    )


def _metrics(store: Store) -> Any:
    """Return what gives the text of /metrics; None where its package is not installed."""
    if importlib.util.find_spec("upkeep.serve.metrics") is None:
        return None
    try:
        render = importlib.import_module("upkeep.serve.metrics").render
    except ModuleNotFoundError:
        return None
    return lambda now, openmetrics: render(store, now, openmetrics=openmetrics)


def _beat(
    schedule: Schedule | None, workers: Sequence[Worker], store: Store
) -> HeartbeatSender | None:
    asked = schedule.alerts.heartbeat if schedule else None
    if asked is None or not workers:
        return None
    url = os.environ.get(asked.url_from, "")
    if not url:
        note(f"no heartbeat: the variable {asked.url_from} is not set")
        return None
    return HeartbeatSender(url, asked.every, workers, store)


def note(text: str, *, plain: bool = False) -> None:
    """Print a line on standard error, where systemd's journal takes it up."""
    screen = Screen(sys.stderr)
    screen.line(screen.text(masked(text if plain else f"upkeep: {text}"), 1_000))
    screen.flush()
