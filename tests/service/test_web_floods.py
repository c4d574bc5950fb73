"""The page under those who mean it harm and have no account: floods of sign-ins, forms that never end, full disks."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx2
import psycopg
import pytest
from patience import PATIENCE_SECONDS
from service import disks
from service.copies import Copies
from service.page import PASSWORD, Visitor, add_users, ask, served
from service.postgres import Postgres
from sqlalchemy import func, select

from upkeep.model.errors import StoreError
from upkeep.serve.serve import HeartbeatSender, Worker
from upkeep.services import passwords
from upkeep.store import Store, acts, migrate, open_store, sessions, tables
from upkeep.store.engine.probe import prove_writable
from upkeep.web import connections, forms, queues
from upkeep.web.app import MOST_WAITING, STRANGERS_AT_ONCE
from upkeep.web.routing import Setting

NOW = datetime.now(UTC)
SITE = "/srv/site"
HELD = "a password that takes as long as the test wants"


@pytest.fixture(scope="module")
def filled(copies: Any) -> Copies[None]:
    """A store with a user of each role."""
    made: Copies[None] = copies(lambda store: add_users(store, NOW))
    return made


@pytest.fixture
def setting(filled: Copies[None]) -> Iterator[Setting]:
    with filled.copy("sqlite") as (_nothing, store):
        yield Setting(store, SITE)


@pytest.fixture
def where(setting: Setting) -> Iterator[str]:
    with served(setting) as url:
        yield url


def eventually(so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < until
        time.sleep(0.02)


# --- sign-ins --------------------------------------------------------------------------------------------------------
class Held:
    """A hasher that looks at the passwords of the flood for as long as it is told to."""

    def __init__(self) -> None:
        self.real = passwords._hasher
        self.go_on = threading.Event()
        self.looking = 0

    def hash(self, password: str) -> str:
        return self.real.hash(password)

    def verify(self, kept: str, password: str) -> bool:
        if password == HELD:
            self.looking += 1
            assert self.go_on.wait(PATIENCE_SECONDS)
        return self.real.verify(kept, password)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    one = Held()
    monkeypatch.setattr(passwords, "_hasher", one)
    yield one
    one.go_on.set()


def try_from(url: str, address: str, name: str, password: str = HELD) -> int:
    """Try to sign in from an address of this machine; return the status."""
    transport = httpx2.HTTPTransport(local_address=address, verify=False)
    with httpx2.Client(transport=transport, timeout=PATIENCE_SECONDS, base_url=url) as client:
        return client.post("/sign-in", data={"name": name, "password": password}).status_code


def test_a_flood_from_many_addresses_lets_nobody_wait_who_is_known(where: str, held: Held) -> None:
    """The flood's passwords are being looked at all the time; none of what follows could end if it waited for them."""
    before = Visitor(where)
    assert before.sign_in("viewer").status_code == 303
    many = MOST_WAITING + STRANGERS_AT_ONCE + 40
    with ThreadPoolExecutor(many) as pool:
        asked = [
            pool.submit(try_from, where, f"127.3.0.{number}", ["viewer", f"u{number}"][number % 2])
            for number in range(1, many + 1)
        ]
        eventually(lambda: sum(one.done() for one in asked) == 40)

        good = Visitor(where)
        assert good.sign_in("viewer").status_code == 303
        assert before.get("/me").status_code == 200
        changed = before.act("/me/password", old=PASSWORD, new="another long one", again="no")
        assert changed.status_code == 422  # it was looked at
        held.go_on.set()
        statuses = [one.result() for one in asked]
        good.close()
        before.close()

    assert statuses.count(503) == 40
    # Of the account that many try, strangers wait; it is known where it has signed in before.
    assert set(statuses) <= {401, 429, 503}
    assert held.looking <= MOST_WAITING + STRANGERS_AT_ONCE


def test_who_has_not_failed_goes_before_those_who_have(where: str, held: Held) -> None:
    flood = [f"127.4.0.{number}" for number in range(1, MOST_WAITING + 2)]
    for address in flood:
        assert try_from(where, address, "nobody-here", "wrong password") in (401, 429)
    with ThreadPoolExecutor(len(flood)) as pool:
        asked = [pool.submit(try_from, where, one, f"u{one}") for one in flood]
        eventually(lambda: held.looking == 1)
        time.sleep(0)  # the others come to wait meanwhile
        fresh = threading.Thread(
            target=lambda: got.append(try_from(where, "127.5.0.1", "spare", PASSWORD))
        )
        got: list[int] = []
        fresh.start()
        held.go_on.set()
        fresh.join(PATIENCE_SECONDS)
        done = [one.result() for one in asked]

    assert got == [303]
    assert done.count(503) <= 1


@pytest.mark.parametrize(
    ("asking", "running", "away"),
    [
        ([("a", 0)] * 9, 1, 5),
        ([(f"n{number}", 0) for number in range(30)], 1, 20),
        ([(f"n{number}", number) for number in range(30)], 1, 20),
    ],
    ids=["one address", "many addresses", "many with failures"],
)
def test_so_many_wait_and_no_more(asking: list[tuple[str, int]], running: int, away: int) -> None:
    queue = queues.Queue(1, 20, 5)
    order: list[int] = []
    busy: list[int] = []
    go_on = threading.Event()

    async def one(number: int, network: str, rank: int) -> None:
        try:
            await queue.run(
                lambda: (go_on.wait(PATIENCE_SECONDS), order.append(number)), network, rank
            )
        except queues.BusyError:
            busy.append(number)

    async def all_of_them() -> None:
        async with anyio.create_task_group() as tasks:
            for number, (network, rank) in enumerate(asking):
                tasks.start_soon(one, number, network, rank)
                await anyio.sleep(0)
            await anyio.sleep(0)
            go_on.set()

    anyio.run(all_of_them)

    assert len(order) == running + away
    assert len(busy) == len(asking) - running - away
    ranks = [asking[number][1] for number in order[1:]]
    assert ranks == sorted(ranks)


def test_whoever_has_asked_before_waits_behind_who_comes_for_the_first_time() -> None:
    queue = queues.Queue(1, 5, 5)
    order: list[str] = []
    go_on = threading.Event()

    async def one(network: str) -> None:
        with contextlib.suppress(queues.BusyError):
            await queue.run(lambda: (go_on.wait(PATIENCE_SECONDS), order.append(network)), network)

    async def all_of_them() -> None:
        for number in range(40):
            await queue.run(lambda: None, f"n{number}")
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(one, f"n{number % 40}")
                await anyio.sleep(0)
            tasks.start_soon(one, "good")
            await anyio.sleep(0)
            await anyio.sleep(0)
            go_on.set()

    anyio.run(all_of_them)

    assert "good" in order
    assert len(order) == 6


def test_attempts_are_so_many_rows_and_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_KEPT", 50)
    count = select(func.count()).select_from(tables.sign_in_attempt)
    at = NOW
    looked = []
    for number in range(60):
        at += timedelta(seconds=1)
        with store.begin() as db:
            sessions.try_password(db, f"u{number}", f"198.18.{number}.1", at)
            if sessions.try_password(db, "alice", "192.0.2.1", at) == 0:
                looked.append(number + 1)
            assert db.execute(count).scalar_one() <= 50
    # The one who goes on is not forgotten for the others.
    assert looked == [1, 2, 3, 4, 6, 10, 18, 34]
    with store.begin() as db:
        sessions.try_password(db, "bob", "192.0.2.2", at + timedelta(hours=3))
        assert db.execute(count).scalar_one() == 2


def test_refused_sign_ins_are_a_few_acts_and_one_more_an_hour(store: Store) -> None:
    refused = acts.Act(NOW, "", "sign in", "", acts.REFUSED, address="192.0.2.1")
    for number in range(200):
        at = NOW + timedelta(minutes=number)
        with store.begin() as db:
            sessions.record_refusal(db, acts.Act(**{**vars(refused), "at": at}))
            sessions.record_refusal(db, acts.Act(**{**vars(refused), "at": at, "target": "bob"}))
    later = NOW + timedelta(hours=9)
    with store.begin() as db:
        sessions.try_password(db, "alice", "192.0.2.9", later)
    with store.read() as db:
        written = [one for one in acts.recent(db, 1000) if one.target == ""]
        for_bob = [one for one in acts.recent(db, 1000) if one.target == "bob"]
        left = select(func.count()).where(tables.sign_in_attempt.c.key.startswith("unwritten"))
        assert db.execute(left).scalar_one() == 0

    alone = [one for one in written if not one.detail]
    told = [int(one.detail.split(" more since ")[0]) for one in written if one.detail]
    assert len(alone) == sessions.WRITTEN_A_DAY
    assert len(told) <= 4
    assert len(alone) + sum(told) == 200
    assert len(for_bob) == len(written)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("terminal", "terminal", True),
    ],
)
def test_what_counts_as_one_address(first: str, second: str, same: bool) -> None:
    assert (sessions.network_of(first) == sessions.network_of(second)) is same


def test_an_account_that_others_try_does_not_wait_where_it_is_known(store: Store) -> None:
    with store.begin() as db:
        assert sessions.try_password(db, "alice", "192.0.2.1", NOW) == 0
        sessions.password_was_right(db, "alice", "192.0.2.1", NOW)
        for number in range(30):  # from everywhere else
            then = NOW + timedelta(hours=number)
            sessions.try_password(db, "alice", f"198.18.0.{number}", then)
            for name in ("alice at 192.0.2.1", "192.0.2.1 alice", "known 192.0.2.1 alice"):
                sessions.try_password(db, name, f"198.18.1.{number}", then)
    at = NOW + timedelta(hours=29, seconds=1)
    with store.begin() as db:
        assert sessions.try_password(db, "alice", "198.19.0.1", at) > 0
        assert sessions.try_password(db, "alice", "192.0.2.1", at) == 0
        # There too, one's own failures count.
        for _number in range(sessions.FREE_FAILURES):
            assert sessions.try_password(db, "alice", "192.0.2.1", at) == 0
        assert sessions.try_password(db, "alice", "192.0.2.1", at) > 0
        assert sessions.try_password(db, "alice", "192.0.2.1", at + sessions.KNOWN_FOR) == 0


def test_of_known_addresses_the_last_ones_are_kept(store: Store) -> None:
    with store.begin() as db:
        for number in range(sessions.MOST_KNOWN + 5):
            at = NOW + timedelta(minutes=number)
            sessions.password_was_right(db, "alice", f"192.0.2.{number}", at)
        sessions.password_was_right(db, "bob", "192.0.2.0", NOW)
        rows = db.execute(select(tables.known_address.c.account, tables.known_address.c.network))
        kept = set(map(tuple, rows))

    assert len(kept) == sessions.MOST_KNOWN + 1
    assert ("alice", "192.0.2.4") not in kept
    assert {("alice", "192.0.2.5"), ("bob", "192.0.2.0")} <= kept


@pytest.mark.parametrize(
    ("name", "target", "detail"),
    [("viewer", "viewer", "wrong password"), ("My-Pa55word", "", "there is no such user")],
)
def test_a_refused_sign_in_is_written_down_without_what_may_be_a_password(
    where: str, setting: Setting, name: str, target: str, detail: str
) -> None:
    with contextlib.closing(Visitor(where)) as one:
        one.sign_in(name, "wrong password")
    with setting.store.read() as db:
        (last,) = acts.recent(db, 1)

    assert (last.what, last.target, last.outcome) == ("sign in", target, acts.REFUSED)
    assert (last.detail, last.address) == (detail, "127.0.0.1")


# --- forms that do not come to their end -----------------------------------------------------------------------------
class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(logging.Formatter().format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler = Lines()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "upkeep.web.app")]
    for one in loggers:
        one.addHandler(handler)
    yield handler.kept
    for one in loggers:
        one.removeHandler(handler)


def opened(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


PLAIN = "Content-Type: application/x-www-form-urlencoded\r\n"
BROKEN = [
    ("POST /sign-in", PLAIN + "Content-Length: 100000\r\n", "name=ada"),
    ("POST /sign-in", PLAIN + "Content-Length: 10\r\n", ""),
    ("POST /sign-in", PLAIN + "Transfer-Encoding: chunked\r\n", "5\r\nname="),
    ("POST /sign-out", PLAIN + "Content-Length: 99\r\n", "form_token=x"),
    ("POST /nothing", PLAIN + "Content-Length: 99\r\n", "x"),
    ("POST /sign-in", "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99\r\n", "--x\r\n"),
    ("GET /sign-in", "Content-Length: 99\r\n", "x"),
    ("GET /healthz", "Content-Length: 99\r\n", "x"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_requests_that_are_broken_off_are_one_line(
    where: str, lines: list[str], number: int
) -> None:
    what, headers, sent = BROKEN[number]
    for _number in range(45):
        with opened(where) as one:
            one.sendall(f"{what} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{sent}".encode())
    eventually(lambda: bool(lines))
    assert ask(f"{where}/sign-in").status_code == 200

    assert lines == ["a client has broken off its request"]


def test_what_is_no_request_is_one_line(where: str, lines: list[str]) -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # as upkeep serve has it
    for _number in range(20):
        with opened(where) as one:
            one.sendall(b"\x16\x03\x01 no request\r\n\r\n")
            assert one.recv(1000).startswith(b"HTTP/1.1 400")

    assert lines == ["Invalid HTTP request received."]


@pytest.mark.parametrize("what", ["POST /sign-in", "POST /sign-out", "GET /sign-in"])
@pytest.mark.parametrize("sent", ["x" * 10, "x" * 200_000], ids=["small", "too large"])
def test_a_form_that_drips_is_ended_and_the_page_stays_served(
    where: str, monkeypatch: pytest.MonkeyPatch, what: str, sent: str
) -> None:
    monkeypatch.setattr(forms, "FORM_SECONDS", 1.0)
    with contextlib.ExitStack() as stack:
        dripping = [stack.enter_context(opened(where)) for _number in range(30)]
        for one in dripping:
            head = f"{what} HTTP/1.1\r\nHost: x\r\n{PLAIN}Content-Length: 9000000\r\n\r\n"
            one.sendall(head.encode() + sent.encode())
        assert ask(f"{where}/sign-in").status_code == 200
        for one in dripping:
            answer = b""
            one.settimeout(0.2)
            until = time.monotonic() + PATIENCE_SECONDS
            ended = False
            while not ended:
                assert time.monotonic() < until
                try:
                    one.sendall(b"x")
                    chunk = one.recv(65536)
                    answer += chunk
                    ended = not chunk
                except TimeoutError:
                    continue
                except OSError:
                    ended = True
            if answer:
                assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 401"))


def test_a_form_that_is_whole_keeps_its_connection(where: str) -> None:
    with contextlib.closing(Visitor(where)) as one:
        assert "connection" not in one.sign_in("viewer").headers
        too_large = one.post("/sign-in", name="x" * 100_000)

    assert too_large.status_code == 413
    assert "connection" not in too_large.headers


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["nothing", "half a head", "no body", "kept open"],
)
def test_the_page_stays_served_to_others_whoever_holds_connections(
    setting: Setting, sent: bytes
) -> None:
    with served(setting, http=connections.Connection) as where, contextlib.ExitStack() as stack:
        for _number in range(connections.MOST + 20):
            one = stack.enter_context(opened(where))
            one.sendall(sent)
        for _number in range(5):
            assert ask(f"{where}/sign-in", timeout=PATIENCE_SECONDS).status_code == 200


@pytest.mark.parametrize(
    "before", [b"", b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["first", "second"]
)
def test_a_head_that_drips_is_ended(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)
    with served(setting, http=connections.Connection) as where, opened(where) as one:
        if before:
            one.sendall(before)
            assert one.recv(100_000).startswith(b"HTTP/1.1 200")
        one.sendall(b"GET /sign-in HTTP/1.1\r\nX: ")
        until = time.monotonic() + PATIENCE_SECONDS
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < until:
                one.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() < until
        assert ask(f"{where}/sign-in").status_code == 200


# --- a database that cannot be written -------------------------------------------------------------------------------
def health(where: str) -> tuple[int, list[str]]:
    asked = ask(f"{where}/healthz", timeout=PATIENCE_SECONDS)
    return asked.status_code, asked.json()["stands_still"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    with disks.small(tmp_path / "disk", 4) as folder:
        yield folder


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while stream.write(b"x" * 4096):
            pass
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@pytest.mark.parametrize("fault", [full, read_only])
@pytest.mark.parametrize("open_before", [True, False], ids=["open before", "opened in it"])
def test_health_says_that_the_file_cannot_be_written(
    disk: Path, fault: Any, open_before: bool
) -> None:
    url = f"sqlite:///{disk}/upkeep.db"
    migrate(url)
    with contextlib.closing(open_store(url)) as store, served(Setting(store, SITE)) as where:
        assert health(where) == (200, [])
        if not open_before:
            store.close()
        with contextlib.ExitStack() as stack:
            if fault is read_only:
                store.close()  # a file system that is written to cannot be made read-only
            stack.enter_context(fault(disk))
            assert health(where) == (503, ["store"])
            assert health(where) == (503, ["store"])
            if fault is read_only:
                store.close()
        assert health(where) == (200, [])


def test_health_says_that_a_file_that_is_protected_cannot_be_written(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with contextlib.closing(open_store(sqlite_url)) as store, served(Setting(store, SITE)) as where:
        assert health(where) == (200, [])
        store.close()
        protect = ["chattr", "+i", str(path)]
        if os.geteuid() or subprocess.run(protect, capture_output=True).returncode:
            pytest.skip("a file that root cannot write needs root, and a file system that has such")
        try:
            assert health(where) == (503, ["store"])
        finally:
            store.close()
            subprocess.run(["chattr", "-i", str(path)], check=True)
        assert health(where) == (200, [])


def test_the_heart_does_not_beat_when_nothing_can_be_kept(disk: Path) -> None:
    url = f"sqlite:///{disk}/upkeep.db"
    migrate(url)
    worker = Worker(SimpleNamespace(name="scheduler"), threading.Event())  # type: ignore[arg-type]
    with (
        contextlib.closing(open_store(url)) as store,
        socket.create_server(("127.0.0.1", 0)) as there,
    ):
        there.settimeout(0.2)
        beat = HeartbeatSender(f"http://127.0.0.1:{there.getsockname()[1]}/", 0, [worker], store)
        worker.steps = 1
        with full(disk), pytest.raises(StoreError):
            beat.step(NOW)
        with pytest.raises(TimeoutError):
            there.accept()


def test_health_says_that_another_writer_has_not_ended(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upkeep.web.probe.WAIT_SECONDS", 1.0)
    with served(setting) as where:
        with setting.store.begin():
            assert health(where) == (503, ["store"])
        eventually(lambda: health(where) == (200, []))


def test_many_who_ask_for_health_are_one_write(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def counted(store: Store, now: datetime) -> None:
        written.append(1)
        prove_writable(store, now)

    monkeypatch.setattr("upkeep.web.probe.prove_writable", counted)
    monkeypatch.setattr("upkeep.web.probe.EACH_SECONDS", 5.0)
    with served(setting) as where, ThreadPoolExecutor(40) as pool:
        assert set(pool.map(lambda _number: health(where)[0], range(40))) == {200}

    assert len(written) <= 20


READ_ONLY = [
    ("the database's setting", "ALTER DATABASE {} SET default_transaction_read_only = on"),
    ("the role's setting", "ALTER ROLE upkeep SET default_transaction_read_only = on"),
    ("the server's setting", "ALTER SYSTEM SET default_transaction_read_only = on"),
]


def administer(server: Postgres, database: str, *statements: str) -> None:
    place = f"host={server.home} user=upkeep dbname={database}"
    with psycopg.connect(place, autocommit=True) as db:
        db.execute("SET default_transaction_read_only = off")
        for one in statements:
            db.execute(one)


@pytest.mark.parametrize(
    "statement", [one for _name, one in READ_ONLY], ids=[name for name, _one in READ_ONLY]
)
def test_health_says_that_a_server_lets_nobody_write(
    own_postgres: Postgres, statement: str
) -> None:
    url = own_postgres.create("page")
    migrate(url)
    with contextlib.closing(open_store(url)) as store, served(Setting(store, SITE)) as where:
        assert health(where) == (200, [])
        administer(own_postgres, "page", statement.format("page"), "SELECT pg_reload_conf()")
        store.close()  # a setting of a database or role holds for new connections
        eventually(lambda: health(where) == (503, ["store"]))


def test_health_says_that_a_server_is_in_recovery(own_postgres: Postgres) -> None:
    url = own_postgres.create("page")
    migrate(url)
    with contextlib.closing(open_store(url)) as store, served(Setting(store, SITE)) as where:
        assert health(where) == (200, [])
        own_postgres.stop()
        assert health(where) == (503, ["store"])
        signal = own_postgres.home / "data" / "standby.signal"
        signal.touch()
        own_postgres.start()
        assert health(where) == (503, ["store"])
        own_postgres.stop()
        signal.unlink()
        own_postgres.start()
        assert health(where) == (200, [])
