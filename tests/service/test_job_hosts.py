"""A job works on the hosts that it has taken and on no others, whatever the inventory says each time it is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import warm

from upkeep.model import clock, occurrence
from upkeep.site.site import key_of
from upkeep.store import occurrences, open_store

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
# Only Ansible can tell where that is, so that each name is taken for a machine of its own.
APART = {**LOCAL, "ansible_connection": "{{ lookup('pipe', 'echo local') }}"}
CLOUD = ("cloud1", "cloud2", "db")
LATE, FROZEN = "late", "frozen1"
NOTES = """\
import fcntl, os, sqlite3, sys
home, host = sys.argv[1:]
db = sqlite3.connect(f"file:{home}/state/upkeep.db?mode=ro", uri=True, timeout=60)
held = db.execute("SELECT count(*) FROM lease WHERE host = ?", [host]).fetchone()[0]
with open(f"{home}/done", "a") as stream:
    print(host, "held" if held else "not held", file=stream)
"""
COUNTS = """\
#!/bin/sh
call=$(($(cat {home}/calls) + 1))
echo $call > {home}/calls
if [ -e {home}/source-$call ]; then . {home}/source-$call; exit; fi
cat {home}/usual
"""


def source(
    hosts: Collection[str], is_there: Mapping[str, str] = APART, **groups: Sequence[str]
) -> str:
    """Return what an inventory script says. is_there: how all of them are reached."""
    said: dict[str, Any] = {name: {"hosts": list(those)} for name, those in groups.items()}
    everybody = {*hosts, *(one for those in groups.values() for one in those)}
    variables = {"_meta": {"hostvars": dict.fromkeys(sorted(everybody), is_there)}}
    return json.dumps({"cloud": {"hosts": list(hosts)}, **said, **variables})


USUAL = source(CLOUD, frozen=[FROZEN])


def says(text: str) -> str:
    return f"cat <<'TEXT'\n{text}\nTEXT\n"


# What the source does once.
FAULTS = {
    "fails": "exit 1\n",
    "no JSON": "echo Service Unavailable\n",
    "more": says(source([*CLOUD, LATE], frozen=[FROZEN])),
    "fewer": says(source(CLOUD[:1], frozen=[FROZEN])),
    "none": says("{}"),
    "a host's name is a group's": says(source(CLOUD[:2], db=[LATE], frozen=[FROZEN])),
}


@pytest.fixture
def site(whole_site: Path) -> Iterator[Path]:
    """The site, which is as it was afterwards."""
    files = (whole_site / "inventory" / "hosts.yml", whole_site / "job.yml")
    before = {file: file.read_text() for file in files}
    yield whole_site
    for file, text in before.items():
        file.write_text(text)
    (whole_site.parent / "usual").write_text(USUAL)


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job on all hosts but those that a script calls frozen: a host of a file, and three of the script."""
    home = tmp_path_factory.mktemp("job")
    site = home / "site"
    (site / "inventory").mkdir(parents=True)
    tree = {"all": {"hosts": {"fixed": LOCAL}, "vars": {"upkeep_checks_all": ["disk_space"]}}}
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (home / "usual").write_text(USUAL)
    script(home / "counts", COUNTS.format(home=home))
    # If it fails, Ansible takes this text for a list of hosts, and that has one: the program's path.
    script(site / "inventory" / "cloud.sh", f"#!/bin/sh\n{home}/counts\n")
    (home / "notes.py").write_text(NOTES)
    (site / "job.yml").write_text(json.dumps([play(home, "all:!frozen")]))
    procedures = {"job": {"title": "Job", "playbook": "job.yml"}, "daily": {"title": "Daily", "playbook": "astral.upkeep.daily"}}  # fmt: skip
    (site / "schedule.yml").write_text(json.dumps({"procedures": procedures}))
    (site / "upkeep.toml").write_text('state = "../state"\nworkspace = "../work"\n')
    return site


def play(home: Path, hosts: str) -> dict[str, Any]:
    """Return a play that notes on which hosts it works, and if the run has taken them."""
    note = [sys.executable, f"{home}/notes.py", str(home), "{{ inventory_hostname }}"]
    tasks = [{"name": "Work", "ansible.builtin.command": {"argv": note}}]
    return {"name": "Job", "hosts": hosts, "gather_facts": False, "tasks": tasks}


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def run(site: Path, *arguments: str, faults: Mapping[int, str] | None = None) -> Any:
    """Run a procedure, with a source that does these things at these calls."""
    home = site.parent
    for left in (*home.glob("source-*"), home / "done"):
        left.unlink(missing_ok=True)
    (home / "calls").write_text("0")
    for call, text in (faults or {}).items():
        (home / f"source-{call}").write_text(text)
    done = warm.run(["run", *arguments, "-i", str(site), "--json"])
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def worked(site: Path) -> set[str]:
    """Return on which hosts the job has worked; each must have been held, and had its turn once."""
    done = site.parent / "done"
    lines = done.read_text().splitlines() if done.exists() else []
    assert [one for one in lines if one.endswith("not held")] == []
    names = [one.split()[0] for one in lines]
    assert len(names) == len(set(names))
    return set(names)


def told(site: Path) -> dict[str, str]:
    """Return what Upkeep says of itself: checks and their subjects."""
    found = json.loads(warm.run(["finding", "list", "-i", str(site), "--json"]).stdout)["findings"]
    return {one["check_id"]: one["subject"] for one in found if one["host"] == "controller"}


class Case(NamedTuple):
    """fault: what the source does at which call: the first lists the hosts, the second is the play's. left: who is not
    worked on and told so. cause: how it begins."""

    fault: str
    call: int
    status: str
    works: Collection[str]
    left: Collection[str] = ()
    cause: str = ""


ALL = ("fixed", *CLOUD)
HALF = "no job is started; Ansible cannot read the inventory's {site}/inventory/cloud.sh"
CASES = [
    Case("fails", 1, "failed", (), (), HALF),
    Case("fails", 2, "failed", (), (), HALF),
    Case("no JSON", 1, "failed", (), (), HALF),
    Case("more", 1, "partial", ALL, [LATE], "the job left late out: no play started for it: it was"),
    Case("more", 2, "partial", ALL, [LATE], "the job left late out: it was added to the inventory"),
    Case("fewer", 1, "partial", ["fixed", "cloud1"], ["cloud2", "db"], "the job left cloud2 out: it was added"),
    Case("fewer", 2, "partial", ["fixed", "cloud1"], ["cloud2", "db"], "the job left cloud2 out: no play"),
    Case("none", 1, "partial", ["fixed"], CLOUD, "the job left cloud1 out: it was added"),
    Case("a host's name is a group's", 1, "partial", ["fixed", "cloud1", "cloud2"], ["db", LATE]),
    Case("a host's name is a group's", 2, "partial", ["fixed", "cloud1", "cloud2"], ["db", LATE]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda one: f"{one.fault}, {one.call}")
def test_a_job_works_on_the_hosts_that_it_has_taken_and_no_others(site: Path, case: Case) -> None:
    document = run(site, "job", faults={case.call: FAULTS[case.fault]})

    assert worked(site) == set(case.works)
    assert document["run"]["status"] == case.status
    assert document["run"]["cause"].startswith(case.cause.format(site=site))
    left = {one["name"].replace(str(site.parent), "") for one in document["hosts"]}
    assert left == set(case.left)
    assert ("inventory_source" in told(site)) == case.cause.startswith(HALF[:10])


# --- by hand: --limit; who may be named by it ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("limit", "fault", "call", "works", "left"),
    [
        ("fixed", "fails", 1, (), ()),
        ("cloud", "more", 2, CLOUD, [LATE]),
        ("cloud:!db", "a host's name is a group's", 2, ["cloud1", "cloud2"], ()),
        ("db", "a host's name is a group's", 2, (), ["db", LATE]),
    ],
    ids=lambda one: str(one),
)
def test_a_limit_changes_nothing_about_that(
    site: Path, limit: str, fault: str, call: int, works: Collection[str], left: Collection[str]
) -> None:
    document = run(site, "job", "--limit", limit, faults={call: FAULTS[fault]})

    assert worked(site) == set(works)
    assert {one["name"] for one in document["hosts"]} == set(left)
    assert (document["run"]["status"] == "done") == (bool(works) and not left)


def test_no_name_of_a_host_is_a_pattern(site: Path) -> None:
    """Each of these would reach the new host, or leave another one out, if Ansible read it as one."""
    names = (
        "l*",
        "~l.*",
        "&fixed",
        "!fixed",
        "late[0:1]",
        "fixed,late",
        "late:fixed",
        "@late",
        "-v",
    )
    (site.parent / "usual").write_text(source(names))

    document = run(site, "job", faults={2: says(source([*names, LATE]))})

    assert worked(site) == {"fixed", *names}
    assert {one["name"] for one in document["hosts"]} == {LATE}


def test_a_group_that_is_missing_with_its_source_is_no_empty_one(site: Path) -> None:
    (site / "job.yml").write_text(json.dumps([play(site.parent, "cloud")]))

    document = run(site, "job", faults={2: FAULTS["fails"]})

    assert worked(site) == set()
    assert document["run"]["cause"] == HALF.format(site=site)


def test_hosts_that_a_play_adds_are_left_out_and_named(site: Path) -> None:
    add = {"name": "Add", "ansible.builtin.add_host": {"name": LATE, "groups": ["new"], **LOCAL}}
    first = play(site.parent, "fixed")
    first["tasks"].append(add)
    (site / "job.yml").write_text(json.dumps([first, play(site.parent, "new:cloud1")]))

    document = run(site, "job")

    assert worked(site) == {"fixed", "cloud1"}
    assert document["run"]["cause"].startswith(
        f"the job left {LATE} out: it was added to the inventory"
    )


# --- what is owed ----------------------------------------------------------------------------------------------------
def test_hosts_that_have_answered_a_job_before_owe_it_until_it_is_done(site: Path) -> None:
    looks = play(site.parent, "all:!frozen")
    looks["tasks"].append({"name": "Look", "astral.upkeep.observe": {"procedure": "job"}})
    (site / "job.yml").write_text(json.dumps([looks]))
    assert run(site, "job")["run"]["status"] == "done"
    for call, owing in ((1, {"fixed"}), (2, set(ALL))):
        see_what_is_owed(site, call, owing)


def see_what_is_owed(site: Path, call: int, owing: set[str]) -> None:
    """Let the job fail at a call of the source; these hosts owe it then, until they have been worked on."""
    due, key = clock.now().replace(microsecond=0), key_of(str(site))
    end = due + timedelta(hours=1)
    with closing(open_store(f"sqlite:///{site.parent}/state/upkeep.db")) as store:
        with store.begin() as db:
            occurrences.make(
                db, [occurrence.NewOccurrence(key, "job", due, due, end, None, owed=True)]
            )
        run(site, "job", "--for", due.isoformat(), faults={call: FAULTS["fails"]})
        assert worked(site) == set()
        with store.read() as db:
            one = occurrences.find(db, key, "job", due)
            assert {each.host for each in occurrences.debts(db, key)} == owing
        assert one is not None
        assert one.state == occurrence.FAILED

        run(site, "job", "--limit", ",".join(sorted(owing)))
        assert worked(site) == owing
        with store.read() as db:
            assert occurrences.debts(db, key) == []


# --- one machine -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("call", "works"), [(1, ()), (2, ()), (3, ["fixed"])])
def test_names_of_one_machine_stay_told_while_a_source_fails(
    site: Path, call: int, works: Collection[str]
) -> None:
    """The first call lists the hosts; each name has a turn of its own, which reads the inventory once more."""
    (site.parent / "usual").write_text(source(CLOUD[:1], LOCAL, frozen=[FROZEN]))
    if "one_machine" not in told(site):
        assert run(site, "job")["run"]["status"] == "done"
        assert worked(site) == {"fixed", "cloud1"}

    document = run(site, "job", faults={call: FAULTS["fails"]})

    assert worked(site) == set(works)
    assert document["run"]["status"] == "failed"
    assert str(site / "inventory" / "cloud.sh") in document["run"]["cause"]
    assert {"one_machine", "inventory_source"} <= told(site).keys()


# --- our own playbooks look at every host first -----------------------------------------------------------------------
@pytest.mark.parametrize("call", [1, 2])
def test_the_daily_procedure_looks_at_every_host_and_holds_its_jobs_back(
    site: Path, call: int
) -> None:
    home = site.parent
    job = {"upkeep_jobs": ["log_rotation"], "log_rotation_config": f"{home}/none.conf"}
    tree = {"all": {"hosts": {"fixed": {**LOCAL, **job}, "other": LOCAL}}}
    tree["all"]["vars"] = {"upkeep_checks_all": ["disk_space"]}
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))

    document = run(site, "daily", faults={call: FAULTS["fails"], call + 1: FAULTS["fails"]})

    assert document["run"]["status"] == "partial"
    assert document["run"]["cause"].startswith("a job failed on fixed: Hold the job back")
    assert HALF.format(site=site) in document["run"]["cause"]
    seen = {one["name"] for one in document["hosts"] if one["outcome"] == "ok"}
    assert seen == {"fixed", "other"}
    assert [one["host"] for one in document["changes"]] == ["fixed"]
