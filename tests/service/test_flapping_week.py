"""A week of what `upkeep serve` runs, by a turned clock, with a cloud's inventory that comes and goes.

The scheduler begins real runs as processes, each with a real Ansible that executes the inventory's script; what they
find becomes alerts, and a real receiver gets the messages. Every four hours one procedure is due, and at 8:00 another
one beside it. The table says beforehand what the cloud does, and all that becomes of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS
from service.receivers import Posts, http_server
from service.turned_clock import TurnedClock
from sqlalchemy import select

from upkeep.judging.check import SelfCheck, every
from upkeep.model.verdicts import Severity
from upkeep.serve.scheduler import Scheduler
from upkeep.serve.serve import make_steps
from upkeep.services.timekeeper import Timekeeper
from upkeep.store import (
    Store,
    absent,
    findings,
    occurrences,
    open_store,
    outbox,
    own_troubles,
    tables,
)

pytestmark = pytest.mark.long

MONDAY = datetime(2030, 6, 3, tzinfo=UTC)
CLOUD = ("cloud1", "cloud2", "cloud3", "cloud4")
LIMIT_SECONDS = 12
"""How long a run may take while the source hangs: it would do so for ever."""
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
CHECKS = [
    {"check": "file_handles", "critical_percent": 1e-9, "medium_percent": 1e-9},
    {"check": "backup_fresh", "sets": [{"name": "orders", "paths": ["/nonexistent/orders"]}]},
]
SCHEDULE = """\
procedures:
  often:
    title: Often
    rule: FREQ=DAILY;BYHOUR=0,4,8,12,16,20;BYMINUTE=0;BYSECOND=0
    checks: [file_handles]
  daily:
    title: Daily
    rule: FREQ=DAILY;BYHOUR=8;BYMINUTE=0;BYSECOND=0
    checks: [backup_fresh]
teams:
  ops: {title: Operations, channels: [hook]}
channels:
  hook: {url_from: UPKEEP_CHANNEL_HOOK, local: true, phi: true}
alerts:
  team: ops
  policy:
    1: {when: at once}
    2: {when: at once}
"""
CHECK_OF = {"often": "file_handles", "daily": "backup_fresh"}


def hosts(*there: str) -> str:
    """Return a script that lists these hosts."""
    listed = {"cloud": {"hosts": there}, "_meta": {"hostvars": dict.fromkeys(there, LOCAL)}}
    return f"cat <<'TEXT'\n{json.dumps(listed)}\nTEXT\n"


# What the cloud does in an hour.
DOES = {
    "works": hosts(*CLOUD),
    "503": "echo 'HTTP 503 Service Unavailable' >&2\nexit 1\n",
    "no JSON": hosts(*CLOUD)[:90] + "\nTEXT\n",
    "hangs": "exec sleep 86413\n",
    "empty": "echo '{}'\n",
    "all but 4": hosts("cloud1", "cloud2", "cloud3"),
    "1 and 2": hosts("cloud1", "cloud2"),
    "only 1": hosts("cloud1"),
}
TIME_UP = f"not finished after {LIMIT_SECONDS} s"

# Day and hour; what the cloud does; how the runs of `often` and `daily` end; which messages come (+ it fails, - it is
# over); which of the critical findings are retired.
#
# Of the messages: a first look is one message a run. All that the product says of itself is told at once, and once as
# long as it stays; that it is over is told at once, too, if it was the first time in 24 hours, and else when it has
# lasted for two hours: at the next of our hours. A daily run that failed or missed hosts says so until the next one.
WEEK = """
Mon 00  works      done                +first_look(often)
Mon 04  works      done
Mon 08  works      done     done       +first_look(daily)
Mon 12  works      done
Mon 16  works      done
Mon 20  works      done
Tue 00  works      done
Tue 04  works      done
Tue 08  503        partial  partial    +inventory_source
Tue 12  works      done                -inventory_source
Tue 16  works      done
Tue 20  no_JSON    partial             +inventory_source
Wed 00  works      done
Wed 04  works      done                -inventory_source
Wed 08  hangs      failed   failed     +run_failed(often) +run_failed(daily)
Wed 12  works      done                -run_failed(often)
Wed 16  503        partial             +inventory_source
Wed 20  hangs      failed              +run_failed(often)
Thu 00  works      done                -inventory_source
Thu 04  works      done                -run_failed(often)
Thu 08  empty      done     done       -run_failed(daily) +hosts_absent(often) +hosts_absent(daily)
Thu 12  all_but_4  done
Thu 16  works      done                -hosts_absent(often)
Thu 20  1_and_2    done                +hosts_absent(often)
Fri 00  works      done
Fri 04  works      done                -hosts_absent(often)
Fri 08  works      done     done       -hosts_absent(daily)
Fri 12  1_and_2    done                +hosts_absent(often)
Fri 16  503        partial             +inventory_source                     often:cloud4 daily:cloud4
Fri 20  1_and_2    done                -inventory_source
Sat 00  only_1     done
Sat 04  1_and_2    done
Sat 08  1_and_2    done     done       +hosts_absent(daily)
Sat 12  1_and_2    done                -hosts_absent(often)                  often:cloud3
Sat 16  empty      done                +hosts_absent(often)
Sat 20  1_and_2    done                -hosts_absent(often)
Sun 00  1_and_2    done
Sun 04  only_1     done                                                      often:cloud2
Sun 08  only_1     done     done       -hosts_absent(daily)                  daily:cloud3 daily:cloud2
Sun 12  only_1     done
Sun 16  no_JSON    partial             +inventory_source
Sun 20  only_1     done                -inventory_source
"""

MESSAGES = 2 + 2 * (5 + 3 + 6)
"""Two first looks; and as each begins and is over: the source fails five times, runs fail three times (`often` twice,
`daily` once), and hosts are missing six times (from `often` four times, from `daily` twice)."""

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ACCEPTED = ("Fri", 16, "cloud4")
"""When a person says that a host has left; of `daily`, which has not been run since, that holds too."""


@dataclass(frozen=True)
class Hour:
    """A line of the table. ends: how the run of each procedure ends."""

    day: str
    hour: int
    cloud: str
    ends: dict[str, str]
    messages: tuple[str, ...]
    retired: tuple[str, ...]

    @property
    def due(self) -> datetime:
        return MONDAY + timedelta(days=DAYS.index(self.day), hours=self.hour)

    @property
    def unread(self) -> int:
        """How many runs could not read the source."""
        return list(self.ends.values()).count("partial")


def read(line: str) -> Hour:
    day, hour, cloud, *rest = line.split()
    ends = [one for one in rest if one.isalpha()]
    messages = sorted(one for one in rest if one[0] in "+-")
    retired = sorted(one for one in rest if ":" in one)
    procedures = dict(zip(CHECK_OF, ends, strict=False))
    return Hour(
        day, int(hour), cloud.replace("_", " "), procedures, tuple(messages), tuple(retired)
    )


TABLE = [read(line) for line in WEEK.strip().splitlines()]


def short(post: dict[str, Any]) -> str:
    """Return a message as the table has it; one that is never expected, by its title."""
    title, body = post["title"], post["message"]
    sign = "-" if title.startswith("recovered: ") else "+"
    if "New on" in title:
        (of,) = (
            name
            for name, words in (("often", "file handles"), ("daily", "backup"))
            if words in body
        )
        return f"{sign}first_look({of})"
    check = next(
        (
            name
            for name, one in every().items()
            if f"] {one.trouble} on " in title and isinstance(one, SelfCheck)
        ),
        "",
    )
    if not check:
        return str(title)
    of = next(
        (
            f"({name})"
            for name in CHECK_OF
            if f"] {every()[check].trouble} on controller, {name}: " in body
        ),
        "",
    )
    return f"{sign}{check}{of}"


class Week:
    """A site whose inventory is a file and a script, what serves it, and its clock."""

    def __init__(self, folder: Path, store: Store, turned: TurnedClock, posts: Posts) -> None:
        self.site, self.cloud = folder / "site", folder / "cloud.sh"
        self.turned, self.store, self.posts = turned, store, posts
        self.write()
        self.steps = make_steps(str(self.site), store)
        (self.scheduler,) = (one for one in self.steps if isinstance(one, Scheduler))
        self.keeper = Timekeeper(store, self.scheduler.key, str(self.site))
        self.lived: list[Hour] = []

    def write(self) -> None:
        inventory = self.site / "inventory"
        inventory.mkdir(parents=True)
        tree = {"all": {"hosts": {"fixed": LOCAL}, "vars": {"upkeep_checks_all": CHECKS}}}
        (inventory / "hosts.yml").write_text(json.dumps(tree))
        script = inventory / "cloud.sh"
        script.write_text(f"#!/bin/sh\n. {self.cloud}\n")
        script.chmod(0o755)
        (self.site / "schedule.yml").write_text(SCHEDULE)
        self.answer("works")

    def answer(self, does: str) -> None:
        """Let the cloud do that; while it hangs, runs are short."""
        self.cloud.write_text(DOES[does])
        seconds = LIMIT_SECONDS if does == "hangs" else 3_600
        settings = f'state = "../state"\nworkspace = "../work"\nrun_timeout_seconds = {seconds}\n'
        (self.site / "upkeep.toml").write_text(settings)

    def turn(self, to: datetime) -> None:
        """Turn the clock, and let all be done that is due then, and all messages be sent."""
        self.turned.turn(to)
        self.keeper.accept()  # as a person does by `upkeep doctor --accept-clock`
        ends = time.monotonic() + PATIENCE_SECONDS
        self.pass_once()
        while self.scheduler.children or self.pass_once() or self.scheduler.children:
            assert time.monotonic() < ends
            time.sleep(0.1)
            self.scheduler.step(self.keeper.now())

    def pass_once(self) -> bool:
        """Let each worker do a step, as each does in a thread of its own; return whether a message still waits."""
        for one in self.steps:
            one.step(self.keeper.now())
        with self.store.read() as db:
            due = outbox.next_due(db, self.scheduler.key)
        return due is not None and due <= self.keeper.now()

    def live(self, hour: Hour) -> None:
        """Live through an hour, and write down what became of it."""
        messages, retired = len(self.posts.got), Counter(self.retired())
        self.answer(hour.cloud)
        self.turn(hour.due)
        if (hour.day, hour.hour) == ACCEPTED[:2]:
            self.upkeep("host", "accept", ACCEPTED[2])
            self.pass_once()
        with self.store.read() as db:
            day = timedelta(days=1)
            there = occurrences.between(db, self.scheduler.key, hour.due - day, hour.due + day)
        self.lived.append(
            Hour(
                hour.day,
                hour.hour,
                hour.cloud,
                {one.schedule: one.state for one in there if one.due_at == hour.due},
                tuple(sorted(short(one) for one in self.posts.got[messages:])),
                tuple(sorted((Counter(self.retired()) - retired).elements())),
            )
        )

    def upkeep(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "upkeep.cli.main", *arguments, "-i", str(self.site)]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        ).stdout

    def events(self, kind: str) -> list[str]:
        """Return on which hosts that happened to what critical finding, named by its procedure."""
        event, finding = tables.finding_event, tables.finding
        query = select(finding.c.host, finding.c.check_id).join(
            event, event.c.finding_id == finding.c.id
        )
        query = query.where(event.c.kind == kind, finding.c.check_id.in_(CHECK_OF.values()))
        named = {check: procedure for procedure, check in CHECK_OF.items()}
        with self.store.read() as db:
            return [f"{named[row.check_id]}:{row.host}" for row in db.execute(query)]

    def retired(self) -> list[str]:
        return self.events("retired")

    def open(self) -> dict[str, list[findings.Finding]]:
        """Return what is open, on hosts and of the product itself."""
        with self.store.read() as db:
            found = findings.open_ones(db)
        return {
            "hosts": [one for one in found if one.host != own_troubles.HOST],
            "own": [one for one in found if one.host == own_troubles.HOST],
        }


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[Week]:
    """The week, lived through once."""
    folder = tmp_path_factory.mktemp("week")
    (folder / "state").mkdir(mode=0o700)
    url = f"sqlite:///{folder}/state/upkeep.db"
    Path(folder / "state" / "upkeep.db").write_bytes(_sqlite_template.read_bytes())
    with (
        closing(open_store(url)) as store,
        http_server() as (hook, posts),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("UPKEEP_CHANNEL_HOOK", hook)
        one = Week(folder, store, TurnedClock(patch, folder / "turned"), posts)
        try:
            one.turn(MONDAY - timedelta(minutes=30))
            for hour in TABLE:
                one.live(hour)
        finally:
            one.scheduler.stop(0)
        yield one


def test_each_hour_is_as_it_was_written_down_beforehand(week: Week) -> None:
    assert week.lived == TABLE


def test_no_more_messages_come_than_were_written_down(week: Week) -> None:
    assert len(week.posts.got) == sum(len(one.messages) for one in TABLE) == MESSAGES


def test_no_critical_finding_ends_but_of_hosts_that_have_left(week: Week) -> None:
    everything = {f"{procedure}:{host}" for procedure in CHECK_OF for host in ("fixed", *CLOUD)}
    left = {one for hour in TABLE for one in hour.retired}

    assert Counter(week.events("opened")) == Counter(everything)
    assert Counter(week.events("retired")) == Counter(left)
    assert week.events("resolved") == []
    found = week.open()
    assert {(one.host, one.check_id) for one in found["hosts"]} == {
        (host, CHECK_OF[procedure])
        for procedure, host in (one.split(":") for one in everything - left)
    }
    assert {(one.severity, one.opening) for one in found["hosts"]} == {(Severity.CRITICAL, 1)}


def test_when_the_source_works_again_nothing_is_said_of_it(week: Week) -> None:
    assert week.open()["own"] == []
    with week.store.read() as db:
        assert absent.waiting(db, week.scheduler.key) == []


def test_a_run_without_the_source_names_it(week: Week) -> None:
    script = week.site / "inventory" / "cloud.sh"
    with week.store.read() as db:
        run = tables.run
        causes = db.execute(select(run.c.status, run.c.cause).where(run.c.cause != "")).all()

    unread = f"Ansible cannot read the inventory's {script}"
    assert Counter(causes) == Counter(
        {("partial", unread): sum(one.unread for one in TABLE), ("failed", TIME_UP): 3}
    )


def test_nothing_is_left_running(week: Week) -> None:
    assert week.turned.running() == []
    assert list((week.site.parent / "work").iterdir()) == []
