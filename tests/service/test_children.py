"""Nothing that the driver starts outlives what it was started for, and nothing is told what it need not know.

Real processes, found again in /proc by a mark in their environment, whatever they have done to leave.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import warm
from left_behind import words_of
from patience import PATIENCE_SECONDS, eventually

from upkeep.model import occurrence
from upkeep.model.errors import ConfigurationError
from upkeep.run import agent
from upkeep.services.alerts import channels
from upkeep.services.alerts.channels import Parcel
from upkeep.site import inventory
from upkeep.site.schedule_file import Channel
from upkeep.store import Store, leases, occurrences, open_store, run_requests, runs
from upkeep.system import child, keeper

MARK = "MARK_OF_THIS_TEST"
# What a program may leave behind, each for an hour unless somebody ends it.
LEAVES = {
    "child": "sleep 3600 &",
    "session": "setsid sleep 3600 &",
    "daemon": "(setsid sh -c 'sleep 3600 & exit 0' &)",
    "deaf": "setsid sh -c 'trap \"\" TERM HUP INT; while :; do sleep 3600; done' &",
}
ALL = "\n".join(LEAVES.values())


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The mark of what this test starts; whatever goes wrong, nothing with it goes on."""
    value = uuid.uuid4().hex
    monkeypatch.setenv(MARK, value)
    yield value
    for process in marked(value):
        with contextlib.suppress(psutil.Error):
            process.kill()


def marked(mark: str) -> list[psutil.Process]:
    """Return what lives and has the mark."""
    sign = f"{MARK}={mark}".encode()
    found = []
    for number in keeper.processes():
        with contextlib.suppress(psutil.Error, OSError):
            if number != os.getpid() and sign in Path(f"/proc/{number}/environ").read_bytes():
                found.append(psutil.Process(number))
    return found


def sleepers(mark: str) -> list[psutil.Process]:
    found = []
    for process in marked(mark):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:2] == ["sleep", "3600"]:
                found.append(process)
    return found


# --- one child -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("leaves", LEAVES.values(), ids=LEAVES)
def test_what_a_program_leaves_ends_with_it(mark: str, leaves: str) -> None:
    done = child.run(["sh", "-c", f"{leaves}\necho said; exit 7"], seconds=PATIENCE_SECONDS)

    assert (done.status, done.output, done.stopped) == (7, b"said\n", "")
    assert marked(mark) == []


@pytest.mark.parametrize("leaves", LEAVES.values(), ids=LEAVES)
def test_what_a_program_leaves_ends_when_its_time_is_up(mark: str, leaves: str) -> None:
    done = child.run(["sh", "-c", f"{leaves}\ntrap '' TERM\nsleep 3600; sleep 3600"], seconds=1)

    assert done.stopped == "not finished after 1 s"
    assert marked(mark) == []


def test_a_wait_wakes_when_somebody_asks_to_stop(mark: str) -> None:
    stop = child.Stop()
    timer = threading.Timer(1, stop.ask, ["asked by a test"])
    timer.start()
    begun = time.monotonic()

    done = child.run(["sleep", "3600"], seconds=3600, stop=stop)

    assert done.stopped == "asked by a test"
    assert time.monotonic() - begun < PATIENCE_SECONDS
    stop.close()


def test_the_end_of_one_child_is_no_other_ones(mark: str) -> None:
    """Two at once in one process, each with orphans: their keepers hold them apart."""
    script = f"{ALL}\nsleep 3600"
    with child.Child(["sh", "-c", script]) as one, child.Child(["sh", "-c", script]) as other:
        eventually(lambda: len(sleepers(mark)) == 10)

        one.end()

        assert one.ended() is not None
        assert other.ended() is None
        assert len(sleepers(mark)) == 5
        assert {keeper.descendants(other.process.pid).get(each.pid) for each in sleepers(mark)} - {
            None
        }
    assert marked(mark) == []


def test_a_first_request_to_end_is_for_the_program_alone_and_a_second_for_all(mark: str) -> None:
    script = "trap 'echo asked; wait' TERM; sh -c 'trap \"echo too >&2\" TERM; sleep 5' & wait"
    with child.Child(["sh", "-c", script], grace=3600) as one:
        eventually(lambda: len(marked(mark)) >= 4)
        one.ask()
        eventually(lambda: one.output() == b"asked\n")
        assert one.complaint() == b""
        one.ask()
        assert one.wait(PATIENCE_SECONDS) == ""
    assert marked(mark) == []


def test_a_status_and_a_signal_are_passed_on() -> None:
    assert child.run(["sh", "-c", "exit 3"], seconds=PATIENCE_SECONDS).status == 3
    assert child.run(["sh", "-c", "kill -9 $$"], seconds=PATIENCE_SECONDS).status == -9


def test_a_program_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        child.Child(["no-such-program"])


def test_what_says_too_much_is_ended(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "OUTPUT_BYTES", 1_000_000)

    done = child.run(["sh", "-c", "yes; sleep 3600"], seconds=3600)

    assert done.stopped == "printed more than 1 MB"
    assert marked(mark) == []


def test_a_child_stands_apart_and_reads_nothing(mark: str) -> None:
    script = "import os, sys; print(os.getcwd(), os.getsid(0), repr(sys.stdin.read()), sys.flags.safe_path)"
    done = child.run([*child.python(), "-c", script], seconds=PATIENCE_SECONDS)

    folder, session, read, safe = done.output.decode().split()
    assert (folder, read, safe) == ("/", "''", "True")
    assert int(session) != os.getsid(0)


def test_a_signal_is_for_the_process_that_was_meant_not_for_its_number(mark: str) -> None:
    with child.Child(["sleep", "3600"]) as one:
        began = keeper.descendants(one.process.pid)[one.pid]

        keeper.tell(one.pid, began + 1, signal.SIGKILL)
        time.sleep(0.5)
        assert one.ended() is None
        keeper.tell(one.pid, began, signal.SIGKILL)

        assert one.wait(PATIENCE_SECONDS) == ""
        assert one.ended() == -signal.SIGKILL


ORPHANED = """\
import os, subprocess, sys, time
from upkeep.system import child
before = subprocess.Popen(["sleep", "3600"], start_new_session=True)
child.adopt()
own = subprocess.Popen(["sleep", "3600"])
one = child.Child(["sh", "-c", sys.argv[1]])
other = child.Child(["sleep", "3600"])
time.sleep(2)
one.process.kill()
one.wait(60)
one.close()
print(before.poll(), own.poll(), other.ended(), flush=True)
print(len(child._children()), flush=True)
before.kill(); own.kill(); other.close()
"""


def test_what_a_killed_keeper_leaves_comes_back_and_is_ended_and_nothing_else(mark: str) -> None:
    command = [sys.executable, "-c", ORPHANED, f"{ALL}\nsleep 3600"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    assert done.stderr == ""
    assert done.stdout.split() == ["None", "None", "None", "3"]
    assert marked(mark) == []


# --- a driver and its runs -------------------------------------------------------------------------------------------
HANGS = f"""\
#!/bin/sh
test "$1" = --list || exit 1
{ALL}
sleep 3600
"""
LEAVING = [
    {
        "name": "Leave something, and work for a while",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"name": "Leave", "ansible.builtin.shell": f"{ALL}\nsleep {{{{ seconds }}}}"}],
    }
]


@pytest.fixture
def site(tmp_path: Path, sqlite_url: str) -> Path:
    """A site of this machine, with jobs that leave something and end at once or never."""
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    (folder / "playbooks").mkdir()
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {"upkeep_checks_all": ["disk_space"]}
    # Only Ansible can tell where the other one is: it is taken for a machine of its own.
    there = {**host, "ansible_connection": "{{ lookup('pipe', 'echo local') }}"}
    tree = {"all": {"hosts": {"here": host, "there": there}, "vars": variables}}
    (folder / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    for name, seconds in (("short", "0"), ("long", "3600")):
        play = json.dumps(LEAVING).replace("{{ seconds }}", seconds)
        (folder / "playbooks" / f"{name}.yml").write_text(play)
    (folder / "schedule.yml").write_text(
        json.dumps(
            {
                "procedures": {
                    "look": {"title": "Look", "checks": ["disk_space"]},
                    "short": {"title": "Short", "playbook": "playbooks/short.yml"},
                    "long": {"title": "Long", "playbook": "playbooks/long.yml"},
                    "change": {
                        "title": "Change",
                        "playbook": "playbooks/short.yml",
                        "changes_hosts": True,
                    },
                }
            }
        )
    )
    (folder / "upkeep.toml").write_text(
        f'state = "{tmp_path}/state"\nworkspace = "{tmp_path}/work"\n'
    )
    return folder


def hang(site: Path) -> None:
    """Let the inventory hang: a script beside the hosts."""
    script = site / "inventory" / "cloud.sh"
    script.write_text(HANGS)
    script.chmod(0o755)


def limit(site: Path, seconds: float) -> None:
    settings = site / "upkeep.toml"
    settings.write_text(f"run_timeout_seconds = {seconds}\n{settings.read_text()}")


def begin(*arguments: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "upkeep.cli.main", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
        preexec_fn=_hear,
    )


def _hear() -> None:
    """Hear signals that whoever runs the tests ignores, as nohup and jobs in the background do."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    return process.communicate(timeout=PATIENCE_SECONDS)


def last_run(site: Path) -> dict[str, object]:
    shown = warm.run(["run", "list", "--json", "-i", str(site)])
    return dict(json.loads(shown.stdout)["runs"][0])


def test_what_a_job_leaves_ends_with_its_run(mark: str, site: Path) -> None:
    process = begin("run", "short", "-i", str(site))
    ended(process)

    assert last_run(site)["status"] == "done"
    assert marked(mark) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_asked_to_stop_leaves_nothing(
    mark: str, site: Path, number: signal.Signals
) -> None:
    process = begin("run", "long", "-i", str(site))
    eventually(lambda: len(sleepers(mark)) >= 5)

    process.send_signal(number)
    ended(process)

    assert process.returncode == 130
    assert marked(mark) == []
    run = last_run(site)
    assert (run["status"], run["cause"]) == ("interrupted", f"interrupted by {number.name}")


def test_a_run_whose_time_is_up_leaves_nothing_and_names_the_hosts_it_had_not_begun(
    mark: str, site: Path
) -> None:
    path = site / "playbooks" / "long.yml"
    play = json.loads(path.read_text())
    play[0]["serial"] = 1
    path.write_text(json.dumps(play))
    usual = (site / "upkeep.toml").read_text()
    for seconds in (
        15,
        60,
        240,
    ):  # how long it takes to begin with a first host depends on the machine
        (site / "upkeep.toml").write_text(usual)
        limit(site, seconds)
        process = begin("run", "long", "-i", str(site), "--json")
        document = json.loads(ended(process)[0])
        said = {one["name"]: (one["outcome"], one["message"]) for one in document["hosts"]}

        assert marked(mark) == []
        assert document["run"]["cause"] == f"not finished after {seconds} s"
        if said["here"][1].startswith("began"):
            break
    assert said == {
        "here": ("failed", f"started, but gave no answer: not finished after {seconds} s"),
        "there": ("not_begun", f"not finished after {seconds} s"),
    }


@pytest.mark.parametrize("procedure", ["look", "change"], ids=["in the run", "while listing hosts"])
def test_a_hanging_inventory_is_left_at_once_when_the_run_is_asked_to_stop(
    mark: str, site: Path, procedure: str
) -> None:
    hang(site)
    process = begin("run", procedure, "-i", str(site))
    eventually(lambda: len(sleepers(mark)) >= 5)

    begun = time.monotonic()
    process.terminate()
    ended(process)

    assert time.monotonic() - begun < 45  # a minute and more, when hosts were listed once more
    assert process.returncode == 130
    assert marked(mark) == []
    assert last_run(site)["status"] == "interrupted"


@pytest.mark.parametrize("procedure", ["look", "change"], ids=["in the run", "while listing hosts"])
def test_the_time_of_a_run_is_that_of_its_inventory_too(
    mark: str, site: Path, procedure: str
) -> None:
    hang(site)
    limit(site, 15)

    begun = time.monotonic()
    process = begin("run", procedure, "-i", str(site))
    ended(process)

    assert time.monotonic() - begun < 90  # 138 s, when each part had its own time
    assert process.returncode == 3
    assert marked(mark) == []
    run = last_run(site)
    waits = f": the inventory's {site}/inventory/cloud.sh had not answered"
    named = waits if procedure == "change" else ""
    assert (run["status"], run["cause"]) == ("failed", f"not finished after 15 s{named}")


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("run long", signal.SIGKILL),
        ("run look", signal.SIGKILL),
        ("doctor", signal.SIGKILL),
        ("doctor", signal.SIGTERM),
    ],
)
def test_nothing_outlives_a_driver_that_is_killed(
    mark: str, site: Path, command: str, number: signal.Signals
) -> None:
    if command != "run long":
        hang(site)
    process = begin(*command.split(), "-i", str(site))
    eventually(lambda: len(sleepers(mark)) >= 5)

    process.send_signal(number)
    ended(process)

    eventually(lambda: not marked(mark))


def test_ctrl_c_ends_doctor_at_once(mark: str, site: Path) -> None:
    hang(site)
    process = begin("doctor", "-i", str(site))
    eventually(lambda: len(sleepers(mark)) >= 5)

    process.send_signal(signal.SIGINT)
    ended(process)

    assert process.returncode == 130
    eventually(lambda: not marked(mark))


def test_what_was_left_by_a_driver_that_was_killed_with_its_keepers_is_ended_by_the_next_start(
    mark: str, site: Path
) -> None:
    process = begin("run", "long", "-i", str(site))
    eventually(lambda: len(sleepers(mark)) >= 5)

    for one in [psutil.Process(process.pid), *marked(mark)]:
        with contextlib.suppress(psutil.Error):
            if one.pid == process.pid or keeper.__file__ in one.cmdline():
                one.suspend()  # so that none of them notices
    for one in [psutil.Process(process.pid), *marked(mark)]:
        with contextlib.suppress(psutil.Error):
            if one.pid == process.pid or keeper.__file__ in one.cmdline():
                one.kill()
    ended(process)
    assert sleepers(mark)

    after = begin("runs", "-i", str(site))
    _out, err = ended(after)

    assert "crashed" in err
    eventually(lambda: not marked(mark))


def test_a_run_that_waits_for_a_host_hears_that_it_shall_stop(mark: str, site: Path) -> None:
    """Of two runs that change the same host, the second waits, as one of the schedule does."""
    url = f"sqlite:///{site.parent}/state/upkeep.db"
    with contextlib.closing(open_store(url)) as store:
        see_a_run_that_waits(mark, site, store)


def see_a_run_that_waits(mark: str, site: Path, store: Store) -> None:
    now = datetime.now(UTC)
    key = os.path.normpath(site)
    holder = agent.Task("change", "Change", "astral.upkeep.observe", "none", site=key)
    with store.begin() as db:
        holding = runs.start(db, agent.begun(holder, Path("/nonexistent"), now))
        assert not leases.take(db, key, ["here"], holding, now)
        due = occurrence.NewOccurrence(
            site=key, schedule="change", due_at=now, begins_at=now, ends_by=now,
            next_due_at=None, priority=1, kind=occurrence.DUE,
        )  # fmt: skip
        occurrences.make(db, [due])
        (waiting,) = occurrences.waiting(db, key, now)
        assert occurrences.claim(db, waiting.id, "a test", now)
    process = begin("run", "change", "-i", str(site), "--occurrence", f"{waiting.id}:a test")

    def waits() -> bool:
        with store.read() as db:
            return len(runs.unfinished(db)) == 2

    eventually(waits)
    eventually(lambda: not any("ansible" in " ".join(words_of(one)) for one in marked(mark)))
    process.terminate()
    ended(process)

    assert process.returncode == 130
    assert str(last_run(site)["cause"]).startswith("interrupted by SIGTERM")
    assert marked(mark) == []


def test_an_inventory_that_hangs_is_given_up_and_leaves_nothing(
    mark: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(site)
    monkeypatch.setattr(inventory, "TIMEOUT_SECONDS", 20)

    with pytest.raises(ConfigurationError, match="not finished after 20 s") as caught:
        inventory.read_places(str(site / "inventory"))

    assert caught.value.remedy == f"ansible-inventory -i {site}/inventory --list"
    assert marked(mark) == []


# --- upkeep serve ----------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def serving(
    site: Path, *, folder: Path | None = None, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], Store]]:
    url = f"sqlite:///{site.parent}/state/upkeep.db"
    store = open_store(url)
    # A port that is given by the system; nobody visits the page.
    command = [
        sys.executable,
        "-m",
        "upkeep.cli.main",
        "serve",
        "-i",
        str(site),
        "--listen",
        "127.0.0.1:0",
    ]
    process = subprocess.Popen(
        command, env=os.environ | environ, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        yield process, store
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)
        store.close()


def ask_for(store: Store, site: Path, procedure: str) -> int:
    with store.begin() as db:
        return run_requests.ask(db, os.path.normpath(site), procedure, "ann", datetime.now(UTC))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_serve_leaves_nothing_of_its_runs(mark: str, site: Path, number: signal.Signals) -> None:
    hang(site)
    with serving(site) as (process, store):
        ask_for(store, site, "look")
        eventually(lambda: len(sleepers(mark)) >= 5)

        process.send_signal(number)
        process.communicate(timeout=PATIENCE_SECONDS)

        eventually(lambda: not marked(mark))
    assert last_run(site)["status"] in ("interrupted", "crashed")


def test_serve_that_waits_for_an_inventory_hears_that_it_shall_end(mark: str, site: Path) -> None:
    """A rule of the alerts asks where hosts stand; the inventory may take two minutes."""
    hang(site)
    schedule = json.loads((site / "schedule.yml").read_text())
    schedule["people"] = {"kim": {"name": "Kim", "channels": ["ops"]}}
    schedule["teams"] = {
        "all": {"title": "All", "members": ["kim"], "fallback": "kim", "channels": ["ops"]}
    }
    schedule["channels"] = {"ops": {"url_from": "UPKEEP_CHANNEL_OPS"}}
    schedule["alerts"] = {"team": "all", "severities": [{"environment": "staging", "is": 4}]}
    (site / "schedule.yml").write_text(json.dumps(schedule))
    with serving(site) as (process, _store):
        eventually(lambda: len(sleepers(mark)) >= 5)

        begun = time.monotonic()
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)

        assert time.monotonic() - begun < 60
    assert marked(mark) == []


# --- channels --------------------------------------------------------------------------------------------------------
def test_a_channel_that_hangs_and_forks_leaves_nothing(mark: str, tmp_path: Path) -> None:
    """What stands for a service of apprise here starts programs, and never answers."""
    (tmp_path / "apprise.py").write_text(
        f"import subprocess\nsubprocess.run(['sh', '-c', {ALL + chr(10) + 'sleep 3600'!r}])\n"
    )
    environ = os.environ | {
        "UPKEEP_CHANNEL_OPS": "json://192.0.2.1/secret",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}",
    }
    parcel = Parcel("title", "body")
    seen: list[int] = []

    def look() -> None:
        eventually(lambda: len(sleepers(mark)) >= 5)
        seen.append(len(sleepers(mark)))

    watch = threading.Thread(target=look)
    watch.start()
    errors = channels.send(
        Channel(url_from="UPKEEP_CHANNEL_OPS"), [parcel] * 2, environ, seconds=15
    )
    watch.join()

    assert errors == ["no answer within 15 s"] * 2
    assert seen
    assert marked(mark) == []


# --- what a child is told --------------------------------------------------------------------------------------------
SECRETS = {
    "UPKEEP_METRICS_TOKEN": "secret-of-metrics",
    "UPKEEP_CHANNEL_OPS": "json://secret-of-a-channel",
    "UPKEEP_HEARTBEAT": "https://secret-of-the-heartbeat",
    "UPKEEP_HEARTBEAT_OTHER": "https://secret-of-another",
    "NOTIFY_SOCKET": "/nonexistent/secret-of-the-service",
}


def environments(mark: str, word: str) -> list[dict[str, str]]:
    """Return the environment of each program of that name that has the mark."""
    found = []
    for process in marked(mark):
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cmdline()[0]).name == word:
                found.append(process.environ())
    return found


def test_ssh_is_told_nothing_of_ours(mark: str, site: Path) -> None:
    hosts = site / "inventory" / "hosts.yml"
    waits = {"ansible_ssh_common_args": "-o ProxyCommand='sleep 3600'", "ansible_host": "192.0.2.1"}
    tree = {"all": {"hosts": {"far": waits}, "vars": {"upkeep_checks_all": ["disk_space"]}}}
    hosts.write_text(json.dumps(tree))
    url = f"sqlite:///{site.parent}/state/upkeep.db"
    told = {"UPKEEP_DATABASE": url, "UPKEEP_FORKS": "3", "SITES_OWN_PASSWORD": "for a lookup"}
    process = begin("run", "look", "-i", str(site), **SECRETS, **told)
    found: list[dict[str, str]] = []

    def connecting() -> bool:
        found.extend(environments(mark, "ssh"))
        return bool(found)

    eventually(connecting)
    process.terminate()
    ended(process)

    ours = {name: value for name, value in found[0].items() if name.startswith("UPKEEP_")}
    assert ours.keys() == {"UPKEEP_DRIVER", "UPKEEP_PROGRESS"}
    assert not Path(ours["UPKEEP_PROGRESS"]).exists()  # a folder of the run, and gone with it
    assert not [value for value in found[0].values() if "secret-of" in value]
    assert found[0]["SITES_OWN_PASSWORD"] == "for a lookup"
    assert marked(mark) == []


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_variable_of_ours_is_kept_back_unless_it_is_said(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SECRETS[name])
    monkeypatch.setenv("UPKEEP_ONE_THAT_DOES_NOT_EXIST_YET", "secret-of-tomorrow")
    done = child.run(
        ["env"], seconds=PATIENCE_SECONDS, environment=child.told_environment({"A": "b"})
    )

    assert b"secret-of" not in done.output
    assert b"\nA=b\n" in b"\n" + done.output


def test_a_run_of_serve_is_told_the_settings_and_no_secret(mark: str, site: Path) -> None:
    """Relative ones too: it stands in another folder."""
    hang(site)
    settings = {"UPKEEP_STATE": "../state", "UPKEEP_DATABASE": "sqlite:///../state/upkeep.db"}
    with serving(site, folder=site, **SECRETS, **settings) as (_process, store):
        ask_for(store, site, "look")
        eventually(lambda: len(sleepers(mark)) >= 5)
        (environ,) = [
            one.environ()
            for one in marked(mark)
            if {"upkeep.cli.main", "run"} <= set(words_of(one))
            if keeper.__file__ not in words_of(one)
        ]
        secret = [one for one in marked(mark) if "secret-of" in " ".join(one.environ().values())]

    assert environ["UPKEEP_STATE"] == f"{site}/../state"
    assert environ["UPKEEP_DATABASE"] == f"sqlite:///{site}/../state/upkeep.db"
    assert not [value for value in environ.values() if "secret-of" in value]
    assert [one.cmdline()[-4] for one in secret if one.is_running()] == []
    eventually(lambda: not marked(mark))


PLANTED = "import pathlib\npathlib.Path({place!r}).touch()\nraise SystemExit('planted')\n"


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, Path]:
    """A folder in which somebody has laid what others might take for theirs, and the file that tells of its use."""
    folder, used = tmp_path / "shared", tmp_path / "used"
    folder.mkdir()
    for name in ("psutil", "apprise", "json", "upkeep", "paramiko", "ansible", "subprocess"):
        (folder / f"{name}.py").write_text(PLANTED.format(place=str(used)))
    (folder / "ansible.cfg").write_text(f"[defaults]\nlog_path = {used}\n")
    return folder, used


@pytest.mark.parametrize(
    "command",
    [["doctor"], ["run", "look"], ["alerts", "test", "ops"], ["judge", "1"]],
    ids=" ".join,
)
def test_nothing_of_the_working_folder_is_run(
    site: Path, planted: tuple[Path, Path], command: list[str]
) -> None:
    folder, used = planted
    schedule = json.loads((site / "schedule.yml").read_text())
    schedule["channels"] = {"ops": {"url_from": "UPKEEP_CHANNEL_OPS"}}
    (site / "schedule.yml").write_text(json.dumps(schedule))
    if command[0] == "judge":
        warm.run(["run", "look", "-i", str(site)])
    channel = {"UPKEEP_CHANNEL_OPS": "json://127.0.0.1:9/"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "upkeep.cli.main", *command, "-i", str(site)],
        capture_output=True, text=True, cwd=folder, env=os.environ | channel, timeout=PATIENCE_SECONDS,
    )  # fmt: skip

    assert "planted" not in done.stdout + done.stderr
    assert done.returncode not in (70, 78), done.stderr
    assert not used.exists()


def test_serve_runs_nothing_of_its_working_folder(
    mark: str, site: Path, planted: tuple[Path, Path]
) -> None:
    folder, used = planted
    (site / "inventory" / "hosts.yml").write_text((site / "inventory" / "hosts.yml").read_text())
    begun = subprocess.Popen(
        [sys.executable, "-P", "-m", "upkeep.cli.main", "serve", "-i", "../site", "--listen", "127.0.0.1:0"],
        cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        eventually(lambda: (site.parent / "state" / "upkeep.db").exists())
        store = open_store(f"sqlite:///{site.parent}/state/upkeep.db")
        number = ask_for(store, site, "look")

        def known() -> run_requests.RunRequest | None:
            with store.read() as db:
                one = run_requests.get(db, number)
            return one if one and (one.run_id or one.message) else None

        eventually(known)
        assert known().message == ""  # type: ignore[union-attr]
        store.close()
    finally:
        begun.terminate()
        begun.communicate(timeout=PATIENCE_SECONDS)
    assert last_run(site)["status"] == "done"
    assert not used.exists()
    assert marked(mark) == []


def test_every_other_program_is_started_by_the_one_module() -> None:
    """Who starts a process by another way leaves what it starts behind."""
    root = Path(child.__file__).parent
    ways = (
        "subprocess.run(",
        "subprocess.Popen(",
        "os.fork(",
        "os.system(",
        "os.posix_spawn",
        "os.popen(",
    )
    found = {
        path.name
        for path in root.rglob("*.py")
        for line in path.read_text().splitlines()
        if any(way in line for way in ways)
    }

    assert found == {"child.py", "keeper.py"}
