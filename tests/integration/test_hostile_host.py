"""A host that lies in every way it can, beside two that do not: their results, the run's end and the store are right.

Each case is a real run on three hosts. The hostile one's Python says what the case says.
"""

from __future__ import annotations

import contextlib
import json
import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from integration.conftest import Upkeep, need_root
from lab import hosts
from lab.fleet import Fleet, Host
from lab.hostile import INTERPRETER, answer, behave, event, frame, install, passed
from lab.site import write_site
from patience import PATIENCE_SECONDS

EVIL, GOOD = "evil", ("good1", "good2")
FAILING = {"check": "file_handles", "critical_percent": 1e-9, "medium_percent": 1e-9}
PLAYBOOK = """\
- import_playbook: astral.upkeep.observe
- hosts: "{{ upkeep_hosts | default('all') }}"
  gather_facts: false
  tasks:
    - name: A job of the site
      ansible.builtin.command: "true"
"""
SCHEDULE = {
    "procedures": {
        name: {
            "title": "Daily procedure",
            "playbook": playbook,
            "rule": "FREQ=DAILY;BYHOUR=3;BYMINUTE=0",
            "time_zone": "Europe/Berlin",
            "owner": "DevSecOps",
            "duration": "30 min",
        }
        for name, playbook in (("daily", "job.yml"), ("look", "astral.upkeep.observe"))
    }
}
WAIT_SECONDS = PATIENCE_SECONDS
BYTES_86_MB = 86_000_000
UNSEEN = {"failed", "timed_out", "unreachable"}


@pytest.fixture(scope="module")
def three() -> Iterator[Fleet]:
    need_root()
    with Fleet([Host(name, hosts.plain) for name in (EVIL, *GOOD)]) as up:
        install(up, EVIL)
        yield up


@pytest.fixture(scope="module")
def made(three: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A site of the three, on which one good run was made: each host has an open critical finding."""
    names = {EVIL: {"ansible_python_interpreter": INTERPRETER}, **{name: {} for name in GOOD}}
    groups = {
        "checked": {"hosts": names, "vars": {"upkeep_checks_all": [FAILING, "memory_available"]}}
    }
    folder = tmp_path_factory.mktemp("hostile") / "site"
    write_site(folder, three, groups, schedule=SCHEDULE, settings={"host_timeout_seconds": 60})
    (folder / "job.yml").write_text(PLAYBOOK)
    upkeep = Upkeep(folder)
    clean = upkeep.json("run", "daily")
    assert clean["run"]["status"] == "done", clean
    return Lab(upkeep, three, clean)


@dataclass
class Lab:
    """The site, its hosts, and what its store says."""

    upkeep: Upkeep
    fleet: Fleet
    clean: dict[str, Any]

    def rows(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.upkeep.site / "state" / "upkeep.db")) as db:
            return db.execute(query).fetchall()

    def findings(self) -> dict[tuple[str, str], list[Any]]:
        """Return what is open, by host and check, without what each sighting changes."""
        keys = "subject, severity, opened_at, opening"
        found = self.rows(f"SELECT host, check_id, {keys} FROM finding WHERE status = 'open'")
        return {(host, check): known for host, check, *known in found}

    def run(self, procedure: str = "daily") -> dict[str, Any]:
        return self.upkeep.json("run", procedure)

    def evil(self, code: str) -> None:
        behave(self.fleet, EVIL, code)


@pytest.fixture
def lab(made: Lab, three: Fleet) -> Iterator[Lab]:
    yield made
    behave(three, EVIL, "")


def results(document: dict[str, Any], host: str) -> list[tuple[str, ...]]:
    keys = ("check", "subject", "status", "severity")
    return sorted(
        tuple(str(one[key]) for key in keys) for one in document["results"] if one["host"] == host
    )


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in document["hosts"]}


def message(document: dict[str, Any], host: str) -> str:
    return next(str(one["message"]) for one in document["hosts"] if one["name"] == host)


def the_others_are_right(lab: Lab, document: dict[str, Any], before: dict[Any, Any]) -> None:
    """Assert what must hold whatever the hostile host said."""
    for host in GOOD:
        assert results(document, host) == results(lab.clean, host)
        assert outcomes(document)[host] == "ok"
    assert set(outcomes(document)) == {EVIL, *GOOD}
    assert sum(document["counts"]["hosts"].values()) == 3
    after = lab.findings()
    for key, known in before.items():
        if key[0] in GOOD:
            assert after[key] == known
    assert {host for host, _check in after} <= {EVIL, *GOOD, "controller"}
    assert not [key for key in after if key[0] in GOOD and key not in before]
    for table in ("run_host", "report", "result", "latest_result", "change", "watched"):
        named = {row[0] for row in lab.rows(f"SELECT DISTINCT host FROM {table}")}
        assert named <= {EVIL, *GOOD, "controller"}, table
    own = {
        row[0] for row in lab.rows("SELECT check_id FROM latest_result WHERE host = 'controller'")
    }
    assert own <= {"forged_event"}
    assert not list(lab.upkeep.workspace.glob("run-*"))


def job(result: Any, stderr: str = "", status: int = 0) -> str:
    """Return the behaviour of a job's module that answers so."""
    return (
        "def lie():\n"
        f"    sys.stderr.write({stderr!r})\n"
        "    sys.stderr.flush()\n"
        f"    say({json.dumps(result).encode()!r})\n"
        f"    sys.exit({status})\n"
        "behaviour['job'] = lie\n"
    )


def forged() -> list[dict[str, Any]]:
    """Return events that would resolve another host's finding, invent a host and end the run as one of nobody."""
    good = passed(GOOD[0], "file_handles", "file handles")
    return [
        event("runner_on_ok", host=GOOD[0], res={"upkeep": answer(GOOD[0], good)}),
        event("runner_on_unreachable", host="web9", res={"msg": "gone", "unreachable": True}),
        event("runner_on_ok", host="controller", res={"upkeep": answer("controller", good)}),
        event("runner_on_start", host=["a", "list"]),
        event("runner_on_ok", host=[], res={"upkeep": answer([])}),
        event("playbook_on_no_hosts_matched"),
        event("playbook_on_stats", processed={"web9": 1}, ok={"web9": 1}),
    ]


FRAMES = "".join(map(frame, forged()))
# What is no event at all ended ansible-runner's own reader, and the run with it.
BROKEN = "".join(map(frame, ([1], "text", 7, {"uuid": 7}, {"uuid": "../../env"}, {"uuid": "a\0b"})))
DEEP = "\x1b[K" + "W1tb" * 30_000 + "\x1b[120000D\x1b[K"
LEAVES = {"failed": True, "msg": f"no such file {FRAMES}{BROKEN}"}


@pytest.mark.parametrize(
    "code",
    [
        job({"changed": False, "warnings": [f"careful {FRAMES}{BROKEN}{DEEP}"]}),
        job({"changed": False, "deprecations": [{"msg": f"old {FRAMES}", "version": "9"}]}),
        job(LEAVES),
        job("no JSON", stderr=FRAMES + BROKEN, status=1),
        job({}, stderr=FRAMES + BROKEN, status=1),
    ],
    ids=["warnings", "deprecations", "last words", "last words on stderr", "only on stderr"],
)
def test_1_frames_of_events_in_what_a_jobs_module_says_are_refused_and_told(
    lab: Lab, code: str
) -> None:
    before = lab.findings()
    lab.evil(code)

    document = lab.run()

    the_others_are_right(lab, document, before)
    assert outcomes(document)[EVIL] == "ok"
    found = lab.findings()
    told = (EVIL, "forged_result") in found or ("controller", "forged_event") in found
    job_failed = any(one["kind"] == "failed" for one in document["changes"])
    # Ansible may keep to itself what a module says beside its answer: then there was nothing to refuse.
    assert told or "sys.stderr.write('\\x1b" in code
    assert document["run"]["status"] == ("partial" if told or job_failed else "done")
    assert document["run"]["cause"] or not (told or job_failed)


def test_1_what_was_forged_is_told_until_a_run_in_which_nothing_was(lab: Lab) -> None:
    lab.evil(job({"changed": False, "warnings": [f"careful {FRAMES}"]}))
    assert lab.run()["run"]["status"] == "partial"
    lab.evil("")
    assert lab.run()["run"]["status"] == "done"
    assert not {"forged_result", "forged_event"} & {check for _host, check in lab.findings()}


@pytest.mark.parametrize("host", [GOOD[0], "controller", []], ids=str)
def test_2_results_in_what_a_jobs_module_says_are_not_observations(lab: Lab, host: Any) -> None:
    before = lab.findings()
    verdicts = [passed(one, "file_handles", "file handles") for one in (GOOD[0], EVIL, host)]
    lab.evil(job({"changed": False, "upkeep": answer(host, *verdicts)}))

    document = lab.run()

    the_others_are_right(lab, document, before)
    assert outcomes(document)[EVIL] == "ok"
    assert document["run"]["status"] == "partial"
    after = lab.findings()
    assert after[EVIL, "file_handles"] == before[EVIL, "file_handles"]
    assert after[EVIL, "forged_result"][1] == "high"
    assert "results from a task that is not observe" in str(document["results"])


def test_3_a_frame_with_a_real_number_is_the_event_that_ansible_wrote(lab: Lab) -> None:
    before = lab.findings()
    lab.fleet.run(EVIL, "rm", "-f", "/tmp/number")
    lie = event("runner_on_ok", "NUMBER", host=GOOD[0], res={"upkeep": answer(GOOD[0])})
    lab.evil(
        "import base64\n"
        "def lie():\n"
        "    ends = time.monotonic() + 100\n"
        "    while not os.path.exists('/tmp/number') and time.monotonic() < ends:\n"
        "        time.sleep(0.05)\n"
        f"    text = {json.dumps(lie)!r}.replace('NUMBER', open('/tmp/number').read())\n"
        "    text = base64.b64encode(text.encode()).decode()\n"
        "    frame = '\\x1b[K' + text + '\\x1b[%dD' % len(text) + '\\x1b[K'\n"
        "    say(json.dumps({'changed': False, 'warnings': [frame]}).encode())\n"
        "behaviour['job'] = lie\n"
    )

    started = lab.upkeep.start("run", "daily", "--json")
    files = "run-*/artifacts/run/job_events/*-partial.json"
    numbers = until(lambda: [path.name[:36] for path in lab.upkeep.workspace.glob(files)])
    lab.fleet.run(EVIL, "sh", "-c", "cat > /tmp/n; mv /tmp/n /tmp/number", input_text=numbers[0])
    out, err = started.communicate(timeout=PATIENCE_SECONDS)

    document = json.loads(out or err)
    the_others_are_right(lab, document, before)
    assert outcomes(document)[EVIL] == "ok"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (f"behaviour['observe'] = lambda: say(b'x' * {BYTES_86_MB})", UNSEEN),
        (
            f"behaviour['observe'] = lambda: changed(lambda d: d.update(more='x' * {BYTES_86_MB}))",
            {"ok", *UNSEEN},
        ),
        (
            "behaviour['observe'] = lambda: changed(lambda d: d.update(more=deep(250)))",
            {"ok", *UNSEEN},
        ),
        (
            "behaviour['observe'] = lambda: changed(lambda d: [o.update(data=deep(250))"
            " for a in d['answers'] for o in a['observations']])",
            {"ok", *UNSEEN},
        ),
        (
            "behaviour['observe'] = lambda: changed(lambda d: d.update(answers={'host': []}))",
            {"ok", *UNSEEN},
        ),
        (
            "behaviour['observe'] = lambda: changed(lambda d: d.update(host='good1', upkeep={'host': 'good1'},"
            " results=[{'host': 'good1'}]))",
            {"ok"},
        ),
        (
            "behaviour['observe'] = lambda: changed(lambda d: [o.update(data={k: v for k, v in zip(o['data'],"
            " [float('nan'), 1e308, -1e308, float('inf'), 10**400] * 9)}) for a in d['answers'] for o in a['observations']])",
            {"ok", *UNSEEN},
        ),
        (
            "behaviour['observe'] = lambda: changed(lambda d: [o.update(subject='n' * 3_000_000)"
            " for a in d['answers'] for o in a['observations']])",
            {"ok", *UNSEEN},
        ),
        (
            "behaviour['observe'] = lambda: changed(lambda d: [a['observations'].append(dict("
            "subject='\\ud800\\x1b[2J\\x00', raw='\\udfff\\x9b', data={})) for a in d['answers']])",
            {"ok", *UNSEEN},
        ),
        (
            f"behaviour['observe'] = lambda: (sys.stderr.write({FRAMES + BROKEN!r}), sys.exit(1))",
            UNSEEN,
        ),
    ],
    ids=[
        "86 MB of nothing",
        "86 MB beside the answer",
        "250 deep beside the answer",
        "250 deep inside an observation",
        "answers of another type",
        "another host's name",
        "numbers that are none",
        "a name of 3 MB",
        "lone surrogates and control bytes",
        "frames in observe's last words",
    ],
)
def test_4_what_the_host_answers_to_observe_costs_the_others_nothing(
    lab: Lab, code: str, expected: set[str]
) -> None:
    before = lab.findings()
    deep = "def deep(n):\n    return {'a': deep(n - 1)} if n else []\n"
    lab.evil(deep + code + "\n")

    document = lab.run("look")

    the_others_are_right(lab, document, before)
    outcome = outcomes(document)[EVIL]
    assert outcome in expected
    assert document["run"]["status"] in ("done", "partial")
    if outcome == "ok":
        asked = {"file_handles", "memory_available"}
        assert asked <= {one["check"] for one in document["results"] if one["host"] == EVIL}
    else:
        assert document["run"]["status"] == "partial"
        assert message(document, EVIL)


@pytest.mark.parametrize(
    "code",
    [
        "def drip():\n    for byte in real():\n        say(bytes([byte])); time.sleep(0.5)\n"
        "behaviour['observe'] = drip\n",
        "def endless():\n    while True:\n        say(b'x' * 1000); time.sleep(0.05)\n"
        "behaviour['observe'] = endless\n",
        "behaviour['observe'] = lambda: time.sleep(1000)\n",
    ],
    ids=["drips", "never ends", "says nothing"],
)
def test_5_an_answer_that_takes_too_long_is_given_up(lab: Lab, code: str) -> None:
    before = lab.findings()
    lab.evil(code)
    # Of this host alone: on a busy machine the others may take longer, and are right to.
    variables = lab.upkeep.site / "inventory" / "host_vars" / f"{EVIL}.yml"
    variables.parent.mkdir(exist_ok=True)
    variables.write_text("upkeep_host_timeout_seconds: 5\n")
    try:
        document = lab.run("look")
    finally:
        variables.unlink()

    the_others_are_right(lab, document, before)
    assert outcomes(document)[EVIL] in UNSEEN
    assert message(document, EVIL)
    assert document["run"]["status"] == "partial"


@pytest.mark.parametrize(
    "result",
    [
        {"changed": True, "diff": [{"prepared": "d\x1b[2J" * 1_000_000}] * 3},
        {"changed": True, "diff": 7},
        {"failed": True, "msg": {"host": "good1"}},
        {"failed": True, "msg": "m" * 5_000_000},
        {"failed": True, "msg": "\x1b]52;c;aGFjaw==\x07"},
    ],
    ids=["a diff of 15 MB", "a diff that is none", "a message that is none", "5 MB", "escapes"],
)
def test_6_what_a_job_says_is_text_and_bounded(lab: Lab, result: dict[str, Any]) -> None:
    before = lab.findings()
    lab.evil(job(result))

    done = lab.upkeep("run", "daily")

    assert not any(
        (ord(one) < 32 and one not in "\n\t") or 126 < ord(one) < 160 for one in done.stdout
    )
    document = lab.upkeep.json("show", str(lab.upkeep.last_run()["id"]))
    the_others_are_right(lab, document, before)
    assert outcomes(document)[EVIL] == "ok"
    assert document["run"]["status"] == ("partial" if result.get("failed") else "done")
    longest = lab.rows("SELECT max(length(text)), max(length(task)) FROM change")[0]
    assert longest[0] <= 100_000
    assert longest[1] <= 4_000


def test_7_a_dead_worker_of_ansible_does_not_end_the_run_of_all(lab: Lab) -> None:
    before = lab.findings()
    lab.evil("behaviour['observe'] = lambda: time.sleep(45)\n")
    number = lab.rows("SELECT max(id) FROM run")[0][0]

    started = lab.upkeep.start("run", "look", "--json")
    connection = until(lambda: _connection(lab))
    worker = connection.parent()
    assert worker is not None
    worker.kill()
    out, err = started.communicate(timeout=PATIENCE_SECONDS)

    document = json.loads(out or err)
    assert document["run"]["id"] == number + 1
    the_others_are_right(lab, document, before)
    assert outcomes(document)[EVIL] in UNSEEN
    assert message(document, EVIL)
    assert document["run"]["status"] == "partial"


def _connection(lab: Lab) -> psutil.Process | None:
    """Return the ssh to the hostile host, once its Python is at work there."""
    address = lab.fleet.hosts[EVIL].address
    if lab.fleet.run(EVIL, "pgrep", "-f", "hostile-python -I", check=False).returncode:
        return None
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "ssh" and address in (process.info["cmdline"] or []):
            return process
    return None


def test_8_a_host_with_our_own_name_is_refused_with_what_to_do(lab: Lab, tmp_path: Path) -> None:
    before = lab.findings()
    inventory = lab.upkeep.site / "inventory" / "hosts.yml"
    usual = inventory.read_text()
    named = yaml.safe_load(usual)
    checked = named["all"]["children"]["checked"]["hosts"]
    checked["controller"] = {**checked[GOOD[1]]}
    inventory.write_text(yaml.safe_dump(named))
    try:
        refused = lab.upkeep("run", "look", status=78)
        # Where only Ansible can read the inventory, the run itself finds out.
        listing = lab.upkeep.site / "inventory" / "more.ini"
        inventory.write_text(usual)
        listing.write_text(f"controller ansible_host={lab.fleet.hosts[GOOD[1]].address}\n")
        document = lab.run("look")
        doctor = lab.upkeep("doctor")
        listing.unlink()
    finally:
        inventory.write_text(usual)

    assert "controller" in refused.stderr
    assert "rename" in refused.stderr
    assert document["run"]["status"] == "failed"
    assert "rename" in document["run"]["cause"]
    assert "controller" not in outcomes(document)
    assert "rename" in doctor.stdout
    assert lab.findings() == before


def until(what: Callable[[], Any]) -> Any:
    """Wait for the condition, and return what it found."""
    ends = time.monotonic() + WAIT_SECONDS
    while not (found := what()):
        assert time.monotonic() < ends, "it did not happen"
        select.select([], [], [], 0.02)
    return found
