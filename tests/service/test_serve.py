"""`upkeep serve` and `upkeep user` as real processes: where it listens, how it begins and ends, what it tells systemd."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import warm
from patience import PATIENCE_SECONDS, eventually
from service.page import PASSWORD, Visitor, ask
from sqlalchemy import select

from upkeep.model import clock, occurrence
from upkeep.model.errors import ConfigurationError, UpkeepError, UsageError
from upkeep.serve.requests import Requested
from upkeep.serve.scheduler import Scheduler
from upkeep.serve.serve import (
    HeartbeatSender,
    Listen,
    Worker,
    _Schedules,
    bind,
    call_heartbeat,
    listening,
)
from upkeep.site.schedule_file import load_schedule
from upkeep.site.site import load_site
from upkeep.store import (
    Store,
    acts,
    findings,
    migrate,
    occurrences,
    open_store,
    own_troubles,
    run_requests,
    tables,
    users,
)

SCHEDULE = """\
procedures:
  look:
    title: Look at this machine
    checks: [disk_space]
people:
  kim: {name: Kim, accounts: [%s]}
"""


@pytest.fixture
def site(tmp_path: Path, sqlite_url: str) -> Path:
    """A site of this machine."""
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {"upkeep_checks_all": ["disk_space"]}
    tree = {"all": {"hosts": {"here": host}, "vars": variables}}
    (folder / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (folder / "schedule.yml").write_text(SCHEDULE % _account())
    (folder / "upkeep.toml").write_text(
        f'state = "{tmp_path}/state"\nworkspace = "{tmp_path}/work"\n'
    )
    return folder


def _account() -> str:
    from upkeep.services.actors import account

    return account()


def upkeep(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return warm.run(arguments, given=given)


def stored(site: Path) -> Store:
    return open_store(f"sqlite:///{site.parent}/state/upkeep.db")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serving(
    site: Path, *options: str, **environ: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve the site; yield the page's URL and the process."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "upkeep.cli.main",
        "serve",
        "-i",
        str(site),
        "--listen",
        f"127.0.0.1:{port}",
    ]
    process = subprocess.Popen(
        [*command, *options], env=os.environ | environ, stderr=subprocess.PIPE, text=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if ask(f"{url}/healthz", timeout=60).status_code == 200:
                    break
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.1)
        yield url, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


# --- where it listens ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "listen", ["0.0.0.0:80", "192.0.2.1:8470", "[::]:8470", "example.org:80", "localhost.evil:1"]
)
def test_elsewhere_only_with_tls_or_a_declared_proxy(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="over the network unencrypted") as caught:
        listening(listen, None, None, [])

    assert "--behind-proxy" in caught.value.remedy
    assert listening(listen, None, None, ["10.0.0.5/32"]).secure


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:8470", "127.9.9.9:1", "[::1]:8470", "localhost:8470"]
)
def test_on_this_machine_it_needs_neither(listen: str) -> None:
    assert not listening(listen, None, None, []).secure


@pytest.mark.parametrize("listen", ["8470", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":1"])
def test_where_to_listen_is_said_whole(listen: str) -> None:
    with pytest.raises(UsageError, match="expected ADDRESS:PORT"):
        listening(listen, None, None, [])


def test_the_command_says_so_with_78() -> None:
    ended = upkeep("serve", "--listen", "0.0.0.0:8470")

    assert ended.returncode == 78
    assert ended.stderr.count("\n") <= 3
    assert "--tls-cert" in ended.stderr


def test_a_file_without_its_partner_or_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="are needed together"):
        listening("0.0.0.0:1", tmp_path / "a", None, [])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        listening("0.0.0.0:1", tmp_path / "a", tmp_path / "b", [])
    with pytest.raises(UsageError, match="everybody"):
        listening("0.0.0.0:1", None, None, ["everybody"])


@pytest.mark.parametrize("options", [[], ["--web-only"]], ids=["a driver", "the page alone"])
@pytest.mark.parametrize(
    ("bound", "asked"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "localhost"), ("::1", "[::1]")],
    ids=["the same address", "all addresses", "a name", "IPv6"],
)  # fmt: skip
def test_a_port_in_use_is_one_sentence_and_nothing_has_begun(
    site: Path, options: list[str], bound: str, asked: str
) -> None:
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.create_server((bound, 0), family=family) as taken:
        port = taken.getsockname()[1]
        ended = upkeep("serve", "-i", str(site), "--listen", f"{asked}:{port}", *options)

    assert ended.returncode == 3
    assert ended.stderr.splitlines() == [
        f"upkeep: --listen {asked}:{port}: address already in use, another process listens there",
        f"→ ss -ltnp 'sport = :{port}'  # shows it; or take another port",
    ]
    store = stored(site)
    with store.read() as db:
        assert not list(db.execute(select(tables.driver)))
    store.close()


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("192.0.2.1:0", "192.0.2.1 is not an address of this machine"),
        ("[2001:db8::1]:0", "2001:db8::1 is not an address of this machine"),
        ("no-such-name.invalid:0", "no-such-name.invalid is not an address of this machine"),
    ],
)
def test_an_address_of_another_machine_is_one_sentence(listen: str, said: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        bind(listening(listen, None, None, ["127.0.0.1/32"]))

    assert str(caught.value) == f"--listen {listen}: {said}"
    assert caught.value.exit_status == 3


def test_a_certificate_that_cannot_be_used_is_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "page.pem").write_text("no certificate\n")

    with pytest.raises(ConfigurationError, match=r"page\.pem: expected a certificate in PEM"):
        listening("0.0.0.0:1", tmp_path / "page.pem", tmp_path / "page.pem", [])


def test_behind_a_proxy_only_the_proxy_says_who_asks(site: Path) -> None:
    assert (
        upkeep(
            "user",
            "add",
            "ann",
            "--role",
            "admin",
            "--password-stdin",
            "-i",
            str(site),
            given=PASSWORD,
        ).returncode
        == 0
    )
    with serving(site, "--web-only", "--behind-proxy", "127.0.0.1/32") as (url, _process):
        one = Visitor(url)
        one.post(
            "/sign-in", {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Origin": url.replace("http:", "https:")},
            name="ann", password="wrong",
        )  # fmt: skip
        one.close()
    with serving(site, "--web-only") as (url, _process):
        one = Visitor(url)
        one.post("/sign-in", {"X-Forwarded-For": "203.0.113.9"}, name="ann", password="wrong")
        one.close()

    store = stored(site)
    with store.read() as db:
        assert [one.address for one in acts.recent(db, 2)] == ["127.0.0.1", "203.0.113.9"]
    store.close()


# --- users -----------------------------------------------------------------------------------------------------------
def test_the_first_admin_comes_from_the_command_line_and_signs_in(site: Path) -> None:
    def user(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return upkeep("user", *words, "-i", str(site), given=given)

    assert "upkeep user add" in user("list").stderr
    assert user("add", "Ann", "--role", "admin", "--password-stdin", given="short").returncode == 64
    assert user("add", "ann", "--role", "boss", "--password-stdin", given=PASSWORD).returncode == 64
    assert user("add", "Ann", "--role", "admin", "--password-stdin", given=PASSWORD).returncode == 0
    assert user("add", "ann", "--password-stdin", given=PASSWORD).returncode == 64
    with serving(site, "--web-only") as (url, _process):
        one = Visitor(url)
        assert one.sign_in("ann").status_code == 303
        assert one.get("/users").status_code == 200
        (document,) = json.loads(user("list", "--json").stdout)["users"]
        assert (document["name"], document["role"], document["sessions"]) == ("ann", "admin", 1)

        assert user("off", "ann").returncode == 64
        assert user("off", "ann", "--as", "ann", given=PASSWORD).returncode == 0

        assert one.get("/").status_code == 401
        assert user("on", "ann").returncode == 0
        assert user("role", "ann", "viewer", "--as", "ann", given=PASSWORD).returncode == 0
        assert one.sign_in("ann").status_code == 303
        assert one.get("/users").status_code == 403
        one.close()
    store = stored(site)
    with store.read() as db:
        by_hand = [one for one in acts.recent(db, 20) if one.way == acts.CLI]
    store.close()
    assert [(one.what, one.who, one.outcome) for one in reversed(by_hand)] == [
        ("add user", "", "done"),
        ("turn user off", "", "refused"),
        ("act as", "ann", "done"),
        ("turn user off", "ann", "done"),
        ("turn user on", "", "done"),
        ("act as", "ann", "done"),
        ("set role", "ann", "done"),
    ]
    assert {one.account for one in by_hand} == {_account()}


def test_a_password_is_asked_for_twice_and_never_shown(site: Path) -> None:
    main, other = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "upkeep.cli.main",
        "user",
        "add",
        "ann",
        "--role",
        "admin",
        "-i",
        str(site),
    ]
    process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, start_new_session=True,
                               preexec_fn=lambda: _take_terminal(other))  # fmt: skip
    os.close(other)
    seen = b""
    for prompt in (b"Password of ann: ", b"Once more: "):
        while not seen.endswith(prompt):
            seen += os.read(main, 1000)
        os.write(main, PASSWORD.encode() + b"\n")
    process.wait(PATIENCE_SECONDS)
    with contextlib.suppress(OSError):
        seen += os.read(main, 1000)
    os.close(main)

    assert process.returncode == 0
    assert PASSWORD.encode() not in seen


def _take_terminal(terminal: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def test_an_account_that_is_no_admins_adds_the_first_admin_and_not_the_second(site: Path) -> None:
    def add(name: str, *words: str) -> int:
        words = ("user", "add", name, *words, "--password-stdin", "-i", str(site))
        return upkeep(*words, given=PASSWORD).returncode

    assert add("kim", "--role", "operator", "--person", "kim") == 0
    assert add("boss", "--role", "admin") == 0
    assert add("other", "--role", "admin") == 64


def test_an_account_acts_as_its_user_and_no_further_than_its_role(site: Path) -> None:
    def user(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return upkeep("user", *words, "-i", str(site), given=given)

    def add(*words: str) -> int:
        return user("add", *words, "--password-stdin", given=PASSWORD).returncode

    assert add("kim", "--role", "operator", "--person", "kim") == 0
    assert add("boss", "--role", "admin") == 0

    refused = user("off", "boss")

    assert refused.returncode == 64
    assert "you need the role admin; kim is operator" in refused.stderr
    store = stored(site)
    with store.read() as db:
        newest = acts.recent(db, 1)[0]
        boss = users.get(db, "boss")
    store.close()
    assert (newest.who, newest.account, newest.outcome) == ("kim", _account(), acts.REFUSED)
    assert boss
    assert boss.disabled_at is None


# --- its life --------------------------------------------------------------------------------------------------------
def test_it_tells_systemd_when_it_is_ready_lives_and_stops(site: Path, tmp_path: Path) -> None:
    there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.bind(str(tmp_path / "notify"))
    there.settimeout(PATIENCE_SECONDS)
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
    with serving(site, **environ) as (_url, process):
        said = [there.recv(100), there.recv(100), there.recv(100)]
        process.send_signal(signal.SIGTERM)
        while said[-1] != b"STOPPING=1":
            said.append(there.recv(100))
        process.wait(PATIENCE_SECONDS)
    there.close()

    assert said[0] == b"READY=1"
    assert b"WATCHDOG=1" in said[1:3]
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_asked_to(site: Path, number: signal.Signals) -> None:
    with serving(site) as (_url, process):
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 0


def test_hosts_that_owe_catch_up_in_one_run_that_reaches_no_other(site: Path) -> None:
    tree = json.loads((site / "inventory" / "hosts.yml").read_text())
    (variables,) = tree["all"]["hosts"].values()
    tree["all"]["hosts"] = dict.fromkeys(("one", "two", "three", "two.more"), variables)
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    rule = (
        "    owed: true\n    missed: run\n    rule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=1;BYHOUR=3\n"
    )
    plan = (site / "schedule.yml").read_text().replace("people:\n", f"{rule}people:\n")
    (site / "schedule.yml").write_text(plan)
    past = clock.now() - timedelta(hours=1)

    with closing(stored(site)) as store:
        with store.begin() as db:
            for host in ("one", "two", "gone"):
                debt = occurrence.Debt(str(site), "look", host, past, None, "not seen", past)
                db.execute(tables.debt.insert().values(vars(debt)))

        def paid() -> bool:
            with store.read() as db:
                owed = [one.host for one in occurrences.debts(db, str(site))]
            return owed == ["gone"]

        with serving(site):
            eventually(paid)
        with store.read() as db:
            (run,) = db.execute(select(tables.run.c.id, tables.run.c.host_limit))
            reached = db.execute(
                select(tables.run_host.c.host).where(tables.run_host.c.run_id == run.id)
            )
            assert set(reached.scalars()) == {"one", "two"}
    assert run.host_limit == "gone,one,two"


def test_what_is_asked_for_on_the_page_is_run_and_known_by_its_number(site: Path) -> None:
    assert (
        upkeep(
            "user",
            "add",
            "ann",
            "--role",
            "operator",
            "--password-stdin",
            "-i",
            str(site),
            given=PASSWORD,
        ).returncode
        == 0
    )
    assert upkeep("run", "look", "-i", str(site)).returncode in (0, 1, 2, 3)
    with serving(site) as (url, _process):
        one = Visitor(url)
        one.sign_in("ann")
        where = one.act("/api/runs/1/restart").json()["request"]
        until = time.monotonic() + PATIENCE_SECONDS
        run = None
        while run is None or one.get(f"/api/runs/{run}").json()["run"]["status"] == "running":
            run = one.get(f"/api/requests/{where}").json()["run"]
            assert time.monotonic() < until
            time.sleep(0.3)
        found = one.get(f"/api/runs/{run}").json()
        one.close()

    assert found["run"]["id"] == 2
    assert found["run"]["procedure"] == "look"
    assert [one["name"] for one in found["hosts"]] == ["here"]


def test_a_run_of_the_schedule_may_end_after_the_program_was_asked_to(site: Path) -> None:
    tasks = [{"name": "Take a while", "ansible.builtin.command": "sleep 6", "changed_when": False}]
    play = {"name": "Slow", "hosts": "all", "gather_facts": False, "tasks": tasks}
    (site / "playbooks").mkdir()
    (site / "playbooks" / "slow.yml").write_text(json.dumps([play]))
    path = site / "schedule.yml"
    slow = "  slow: {title: Slow, rule: every minute, playbook: playbooks/slow.yml}\npeople:"
    path.write_text(path.read_text().replace("people:", slow))
    with serving(site) as (_url, process):
        store = stored(site)
        key = str(site.absolute())
        until = time.monotonic() + PATIENCE_SECONDS
        found: list[occurrence.Occurrence] = []
        while not found:
            assert time.monotonic() < until
            time.sleep(0.2)
            with store.read() as db:
                found = [one for one in occurrences.under_way(db, key) if one.run_id]
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        with store.read() as db:
            ended = occurrences.get(db, found[0].id)
        store.close()

    assert ended is not None
    assert (ended.state, ended.cause) == ("done", "")


def test_what_is_asked_for_is_in_the_schedule_as_it_stands_now(site: Path) -> None:
    (site.parent / "state").mkdir(exist_ok=True)
    migrate(f"sqlite:///{site.parent}/state/upkeep.db")
    store = stored(site)
    loaded = load_site(str(site))
    worker = Requested(str(site), loaded, store)
    added = "  added: {title: Added, checks: [disk_space]}\npeople:"
    path = site / "schedule.yml"
    path.write_text(path.read_text().replace("people:", added))

    answers = {}
    for procedure in ("added", "gone", "--help"):
        with store.begin() as db:
            number = run_requests.ask(db, loaded.key, procedure, "ann", datetime.now(UTC))
        until = time.monotonic() + PATIENCE_SECONDS
        while procedure not in answers:
            worker.step(datetime.now(UTC))
            with store.read() as db:
                one = run_requests.get(db, number)
            if one and (one.run_id or one.message):
                answers[procedure] = (one.run_id, one.message.partition(";")[0].splitlines()[:1])
            assert time.monotonic() < until
            time.sleep(0.1)
    worker.stop(PATIENCE_SECONDS)
    worker.step(datetime.now(UTC))
    store.close()

    assert answers == {
        "added": (1, []),
        "gone": (None, ["upkeep: there is no procedure 'gone'"]),
        "--help": (None, ["upkeep: there is no procedure '--help'"]),
    }


def test_runs_go_by_the_schedule_that_was_last_right(site: Path) -> None:
    """Whether what stands there now is no YAML, or nothing."""
    path = site / "schedule.yml"
    path.write_text(path.read_text().replace("    checks:", "    rule: daily 03:00\n    checks:"))
    (site.parent / "state").mkdir(exist_ok=True)
    migrate(f"sqlite:///{site.parent}/state/upkeep.db")
    store = stored(site)
    scheduler = Scheduler(str(site), store)
    scheduler.step(datetime(2099, 6, 10, 2, tzinfo=UTC))

    def broken_entries() -> list[tuple[str, str]]:
        with store.read() as db:
            return [
                (each.check_id, each.host)
                for each in findings.open_ones(db)
                if each.host == own_troubles.HOST
            ]

    path.write_text("procedures: [")
    scheduler.reread_at = 0
    scheduler.step(datetime(2099, 6, 10, 2, 30, tzinfo=UTC))
    assert broken_entries() == [("schedule_entry", own_troubles.HOST)]
    path.unlink()
    scheduler.reread_at = 0

    due = datetime(2099, 6, 10, 3, tzinfo=UTC)
    scheduler.step(due)
    until = time.monotonic() + PATIENCE_SECONDS
    while scheduler.children:
        assert time.monotonic() < until
        time.sleep(0.1)
        scheduler.step(due)
    with store.read() as db:
        [one] = occurrences.between(db, scheduler.key, due - timedelta(days=1), due)
    found = broken_entries()
    scheduler.stop(0)
    store.close()

    assert (one.schedule, one.cause) == ("look", "")
    assert one.run_id is not None
    assert found == [("schedule_entry", own_troubles.HOST)]


def test_the_page_shows_what_is_right_in_an_edited_schedule(site: Path) -> None:
    given = _Schedules(site / "schedule.yml", load_schedule(site / "schedule.yml"))
    time.sleep(0.01)
    wrong = "  wrong: {title: Wrong, rule: FREQ=WEKLY}\n"
    text = (site / "schedule.yml").read_text().replace("Look at", "Look well at")
    (site / "schedule.yml").write_text(text.replace("people:", wrong + "people:"))

    shown = given()

    assert shown is not None
    assert {name: one.title for name, one in shown.procedures.items()} == {
        "look": "Look well at this machine"
    }


def test_the_page_alone_reads_no_inventory_and_starts_nothing(site: Path) -> None:
    (site / "inventory" / "hosts.yml").write_text("no: [inventory")
    with serving(site, "--web-only") as (url, process):
        assert ask(f"{url}/healthz").json() == {"ok": True, "stands_still": []}
        threads = Path(f"/proc/{process.pid}/task")
        names = {(one / "comm").read_text().strip() for one in threads.iterdir()}
    assert not names & {"scheduler", "requests"}


def test_what_clients_break_off_is_one_line_of_the_log(site: Path) -> None:
    with serving(site, "--web-only") as (url, process):
        port = int(url.rpartition(":")[2])
        for _number in range(45):
            with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as one:
                one.sendall(
                    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nname="
                )
        assert ask(f"{url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
        process.terminate()
        said = process.communicate(timeout=PATIENCE_SECONDS)[1]

    assert [line for line in said.splitlines() if "the page is at" not in line] == [
        "a client has broken off its request"
    ]


# --- workers and heartbeat -------------------------------------------------------------------------------------------
class Counted:
    """A step that fails when it is told to."""

    name = "counted"

    def __init__(self) -> None:
        self.steps = 0
        self.trouble = ""

    def step(self, _now: Any) -> float:
        self.steps += 1
        if self.trouble:
            raise ValueError(self.trouble)
        return 0.05


def test_a_step_that_fails_costs_a_line_and_no_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("upkeep.serve.serve.WAIT_AFTER_FAULT_SECONDS", 0.05)
    stopping, step = threading.Event(), Counted()
    worker = Worker(step, stopping)
    step.trouble = "no such thing"
    worker.start()
    eventually(lambda: step.steps >= 4)
    assert worker.steps == 0
    step.trouble = ""
    eventually(lambda: worker.steps >= 2)
    stopping.set()
    worker.wait(PATIENCE_SECONDS)

    assert capsys.readouterr().err.count("counted: ValueError: no such thing") == 1


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """The URL of who listens to a heartbeat, and what was asked of it."""
    heard: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/beat", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_heart_beats_only_when_all_have_got_on_since(listener: Any, tmp_path: Path) -> None:
    url, heard = listener
    store = open_store(f"sqlite:///{tmp_path}/x.db")
    workers = [Worker(Counted(), threading.Event()) for _ in range(2)]
    workers[0].name, workers[1].name = "scheduler", "sender"
    beat = HeartbeatSender(url, 0, workers, store)

    told = []
    for steps in ((0, 0), (1, 0), (1, 1), (2, 1), (2, 2)):
        workers[0].steps, workers[1].steps = steps
        beat.step(None)
        told.append(len(heard))
    store.close()

    assert told == [0, 0, 1, 1, 2]
    assert heard == ["/beat", "/beat"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "neither http nor https"),
        ("ftp://example.org/", "neither http nor https"),
        ("gopher://x", "neither http nor https"),
        ("http:///x", "neither http nor https"),
        ("http://[fe80::1", "neither http nor https"),
        ("http://x:99999/", "neither http nor https"),
        ("http://169.254.169.254/latest", "a cloud's metadata address"),
        ("http://2852039166/latest", "a cloud's metadata address"),
        ("http://0xa9.0xfe.0xa9fe/latest", "a cloud's metadata address"),
        ("http://[::ffff:169.254.169.254]/", "a cloud's metadata address"),
        ("http://[64:ff9b::a9fe:a9fe]/", "a cloud's metadata address"),
        ("http://[2002:a9fe:a9fe::1]/", "a cloud's metadata address"),
        ("http://100.100.100.200/", "a cloud's metadata address"),
        ("http://168.63.129.16/", "a cloud's metadata address"),
        ("http://[64:ff9b::a83f:8110]/", "a cloud's metadata address"),
        ("http://[fd00:ec2::254]/", "a cloud's metadata address"),
        ("http://169.254.7.7/", "a link-local address"),
        ("http://[fe80::1]/", "a link-local address"),
        ("http://0.0.0.0/", "not the address of a single machine"),
        ("http://224.0.0.1/", "not the address of a single machine"),
    ],
)
def test_the_heartbeat_goes_to_the_web_only(url: str, why: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        call_heartbeat(url)
    assert why in str(caught.value)
    assert "169.254" not in str(caught.value)
    assert "passwd" not in str(caught.value)


def test_the_heartbeats_name_is_looked_up_once_and_that_is_where_it_goes(
    listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that stands for another address each time it is looked up."""
    url, heard = listener
    real, asked = socket.getaddrinfo, []

    def changing(host: Any, *rest: Any, **named: Any) -> Any:
        if host == "beat.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    call_heartbeat(url.replace("127.0.0.1", "beat.example"))

    assert asked == ["beat.example"]
    assert heard == ["/beat"]
    with pytest.raises(UpkeepError, match="a cloud's metadata address"):
        call_heartbeat(url.replace("127.0.0.1", "beat.example"))
    assert heard == ["/beat"]


def test_listen_is_plain_data() -> None:
    assert Listen("127.0.0.1", 1) == listening("127.0.0.1:1", None, None, ())
