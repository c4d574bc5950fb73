"""Measure in ratios, on the lab, and print a Markdown table: `make bench`. Needs root; takes some minutes.

Absolute times prove nothing on a shared machine; what is compared runs in turns, and the medians' ratio is told.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import gzip
import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "helpers")]

from bench.backups import backup_reading  # noqa: E402
from bench.databases import catalog  # noqa: E402
from bench.dead import dead_hosts  # noqa: E402
from bench.isolating import isolating  # noqa: E402
from bench.pages import pages  # noqa: E402
from bench.restores import restores  # noqa: E402
from bench.statements import statements  # noqa: E402
from dateutil.rrule import rrulestr  # noqa: E402
from lab.fleet import Fleet, Host  # noqa: E402
from lab.site import ssh_arguments, write_site  # noqa: E402

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import access_log  # noqa: E402
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host as RealHost  # noqa: E402
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation  # noqa: E402
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload, transport  # noqa: E402
from upkeep.judging import entries  # noqa: E402
from upkeep.judging.check import load  # noqa: E402
from upkeep.judging.judge import judge  # noqa: E402
from upkeep.judging.shapes import typed  # noqa: E402
from upkeep.model.answer import Due, Seen  # noqa: E402
from upkeep.schedule import due_times  # noqa: E402
from upkeep.site import rule_words  # noqa: E402

CHECKS = (
    "disk_space",
    "disk_inodes",
    "file_system_errors",
    "memory_available",
    "swap_used",
    "load_per_core",
    "file_handles",
    "clock_synchronized",
    "failed_units",
    "out_of_memory_kills",
    "reboot_pending",
    "deleted_open_files",
)
CERTIFICATE = "unit/recorded/certificates/wildcard-incomplete-chain.pem"
FORKS = 10
VERDICTS = 40_000
BIN = Path(sys.executable).parent
MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What a command took, its children included; user and system time, in seconds."""

    wall: float
    cpu: float


@contextmanager
def _machine_cpu() -> Iterator[Callable[[], float]]:
    """Give a function that says how many seconds of CPU the whole machine has spent: hosts are on it too."""

    def spent() -> float:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        user, nice, system, _idle, _wait, irq, soft = (int(field) for field in fields[:7])
        return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")

    yield spent


def measure(command: list[str], environ: dict[str, str], right: tuple[int, ...] = (0,)) -> Cost:
    """Run the command and return what it cost, on the controller and on the hosts together.

    right: the exit statuses that say that it worked.
    """
    with _machine_cpu() as spent:
        cpu, wall = spent(), time.monotonic()
        done = subprocess.run(command, env=environ, capture_output=True, check=False)
        cost = Cost(time.monotonic() - wall, spent() - cpu)
    if done.returncode not in right:
        raise SystemExit(
            f"{shlex.join(command)}: {done.returncode}: {done.stderr.decode()[-2000:]}"
        )
    return cost


def fan_out(folder: Path, hosts: int, rounds: int) -> list[str]:
    """Compare twelve checks on many hosts: the floor, Upkeep, and the gathers as ordinary tasks."""
    requests: dict[str, dict[str, Any]] = {}
    for name in CHECKS:
        check = load()[name]
        requests[check.gather] = entries.validate(check, {})
    program = folder / "program"
    program.write_bytes(payload.build(list(requests.items()), 100, transport.new_nonce()))
    with Fleet([Host(f"h{number:02}") for number in range(hosts)]) as fleet:
        groups = {
            "all_hosts": {
                "hosts": {name: {} for name in fleet.hosts},
                "vars": {"upkeep_checks_all": list(CHECKS)},
            }
        }
        site = write_site(folder / "site", fleet, groups, settings={"forks": FORKS})
        tasks = [
            {"name": f"Gather for {name}", f"astral.upkeep.{load()[name].gather}_info": {}}
            for name in CHECKS
        ]
        book = folder / "tasks.yml"
        play = {"name": "Ordinary tasks", "hosts": "all", "gather_facts": False, "tasks": tasks}
        book.write_text(json.dumps([play]))
        ssh = f"ssh -i {fleet.key} {ssh_arguments(fleet)} root@{{}} python3 -I -S - < {program}"
        addresses = "\n".join(host.address for host in fleet.hosts.values())
        (folder / "addresses").write_text(addresses + "\n")
        floor = f"xargs -a {folder}/addresses -P{FORKS} -I{{}} sh -c {shlex.quote(ssh)}"
        environ = {**os.environ, "ANSIBLE_FORKS": str(FORKS), "ANSIBLE_PIPELINING": "1"}
        # As `upkeep run` and the floor do: none may use connections that another round has left open.
        environ["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no -o ControlPath=none"
        inventory = str(site / "inventory")
        ways = {
            "floor": ["sh", "-c", floor],
            "upkeep": [sys.executable, "-m", "upkeep.cli.main", "run", "daily", "-i", str(site)],
            "plain": [str(BIN / "ansible-playbook"), "astral.upkeep.observe", "-i", inventory],
            "tasks": [str(BIN / "ansible-playbook"), str(book), "-i", inventory],
        }
        costs: dict[str, list[Cost]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, command in ways.items():
                if name == "tasks" and number != 1:
                    continue  # minutes each, and far from the others
                # Verdicts are no failure of the run: the clock of this machine may well be wrong.
                cost = measure(command, environ, (0, 1, 2, 3) if name == "upkeep" else (0,))
                if number:  # the first round only warms up
                    costs[name].append(cost)
    return _fan_out_rows(costs, hosts)


def _fan_out_rows(costs: dict[str, list[Cost]], hosts: int) -> list[str]:
    floor_wall = statistics.median(cost.wall for cost in costs["floor"])
    floor_cpu = statistics.median(cost.cpu for cost in costs["floor"])
    titles = {
        "floor": f"`xargs -P{FORKS} ssh host python3 -`, same gathers (the floor)",
        "upkeep": "`upkeep run daily`: judged, stored, reported",
        "plain": "`ansible-playbook astral.upkeep.observe`",
        "tasks": "the gathers as twelve ordinary tasks",
    }
    rows = [f"Twelve checks on {hosts} hosts | wall | CPU, hosts included", "---|---|---"]
    for name, found in costs.items():
        wall = statistics.median(cost.wall for cost in found)
        cpu = statistics.median(cost.cpu for cost in found)
        ratios = f"{wall / floor_wall:.2f} × ({wall:.1f} s) | {cpu / floor_cpu:.2f} × ({cpu:.1f} s)"
        rows.append(f"{titles[name]} | {ratios}")
    return rows


def start_up(rounds: int) -> list[str]:
    """Compare `upkeep --help` with an empty Python."""
    ways = {
        "empty": [sys.executable, "-c", "pass"],
        "help": [sys.executable, "-m", "upkeep.cli.main", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(max(rounds, 5)):
        for name, command in ways.items():
            times[name].append(measure(command, dict(os.environ)).wall)
    empty, helped = (statistics.median(times[name]) for name in ("empty", "help"))
    return [
        "Start | wall",
        "---|---",
        f"`upkeep --help` | {helped / empty:.1f} × an empty Python ({helped:.3f} s)",
    ]


def window(folder: Path, small_mib: int, large_mib: int) -> list[str]:
    """Compare a five-minute window of a large access log with that of a small one."""
    found = {}
    for size in (small_mib, large_mib):
        path = folder / f"access-{size}.log"
        write_access_log(path, size * MIB)
        arguments = {name: spec.get("default") for name, spec in access_log.ARGUMENTS.items()}
        before = resource.getrusage(resource.RUSAGE_SELF)
        (seen,) = access_log.gather({**arguments, "paths": [str(path)]}, RealHost())
        after = resource.getrusage(resource.RUSAGE_SELF)
        path.unlink()
        if seen.error:
            raise SystemExit(f"{path}: {seen.error}")
        found[size] = (
            after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
            seen.data,
        )
    (small, small_data), (large, large_data) = found[small_mib], found[large_mib]
    return [
        "Access log, window of five minutes | CPU | bytes read",
        "---|---|---",
        f"{small_mib} MB | 1 × ({small:.2f} s) | {small_data['read_bytes']}",
        f"{large_mib} MB | {large / small:.2f} × ({large:.2f} s) | {large_data['read_bytes']}",
    ]


def write_access_log(path: Path, size_bytes: int) -> None:
    """Write a log of that size that ends now, one request each 50 ms."""
    line = '192.0.2.{} - - [{}] "GET /page/{} HTTP/1.1" 200 5316 "-" "Mozilla/5.0 (X11)" 0.012\n'
    lines = size_bytes // 110
    now = time.time()
    with path.open("w", encoding="ascii") as stream:
        stamp, second = "", 0
        for number in range(lines):
            at = int(now - (lines - number) * 0.05)
            if at != second:
                second = at
                stamp = datetime.fromtimestamp(at, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
            stream.write(line.format(number % 250, stamp, number % 97))


def memory(folder: Path, hosts: int) -> list[str]:
    """Measure the driver's peak while so many hosts of this machine give twenty results each."""
    inventory = folder / "many"
    (inventory / "inventory").mkdir(parents=True)
    checks: list[Any] = [*CHECKS, "failed_logins", "brute_force", "password_spraying"]
    checks.append("login_after_failures")
    certificate = {"files": [str(TESTS / CERTIFICATE)]}
    for check in ("expiry", "strength", "chain", "key", "name"):
        checks.append({"check": f"certificate_{check}", **certificate})
    closed = [f"tcp://127.0.0.1:{port}" for port in (1, 2)]
    checks.append({"check": "external_service", "services": closed, "tries": 1})
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "upkeep_checks_all": checks,
    }
    names: dict[str, Any] = {f"n{number:04}": None for number in range(hosts)}
    tree = {"all": {"hosts": names, "vars": variables}}
    (inventory / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (inventory / "schedule.yml").write_text(
        json.dumps({"procedures": {"daily": {"title": "Many"}}})
    )
    (inventory / "upkeep.toml").write_text(f'state = "{inventory}/state"\n')
    command = [
        sys.executable,
        "-m",
        "upkeep.cli.main",
        "run",
        "daily",
        "-i",
        str(inventory),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    status = Path(f"/proc/{process.pid}/status")
    peak = 0
    os.set_blocking(process.stdout.fileno(), False)
    output = bytearray()
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            peak = max(
                peak,
                *(
                    int(row.split()[1])
                    for row in status.read_text().splitlines()
                    if row.startswith("VmHWM")
                ),
            )
        output += process.stdout.read() or b""
        time.sleep(0.05)
    output += process.stdout.read() or b""
    process.stdout.close()
    results = len(json.loads(output)["results"])
    return [
        "The driver's memory | peak",
        "---|---",
        f"{hosts} hosts × {results / hosts:.0f} results, `--json` | {peak // 1024} MiB",
    ]


def calendar(rounds: int) -> list[str]:
    """Compare ten years of a thousand schedules in local time with plain dateutil's walk of the same rules.

    Both begin cold each time. The walk is naive local time: it knows no zone, and no daylight saving.
    """
    rules = list(_thousand_rules())
    zones = ("America/New_York", "Europe/Berlin", "Australia/Sydney", "UTC")
    begin, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
    local_begin, local_end = begin.replace(tzinfo=None), end.replace(tzinfo=None)

    def ours() -> int:
        due_times._rule.cache_clear()
        due_times._days.cache_clear()
        due_times._is_ever_due.cache_clear()
        return sum(
            1
            for number, rule in enumerate(rules)
            for _due in due_times.due_times(
                due_times.Timing("", rule, zones[number % len(zones)]), begin, end
            )
        )

    def walked() -> int:
        return sum(
            len(rrulestr(rule, dtstart=due_times.ANCHOR).between(local_begin, local_end))
            for rule in rules
        )

    times: dict[str, list[float]] = {"ours": [], "walked": []}
    for _round in range(rounds):
        for name, way in (("walked", walked), ("ours", ours)):
            before = time.process_time()
            found = way()
            times[name].append(time.process_time() - before)
    plain, own = (statistics.median(times[name]) for name in ("walked", "ours"))
    return [
        "Calendar, 1 000 schedules, 10 years | CPU",
        "---|---",
        f"plain dateutil, without zones | 1 × ({plain:.1f} s)",
        f"`due_times`, in four zones: {found} due times | {own / plain:.2f} × ({own:.1f} s)",
    ]


def verdicts(rounds: int) -> list[str]:
    """Compare verdicts by limits that a site has set with those by a check's own limits."""
    sizes = {"size_bytes": 10**12, "free_bytes": 5 * 10**11, "available_bytes": 5 * 10**11}
    seen = [
        Seen(0, Observation(f"/mnt/{number}", sizes | {"mounted": True}), "")
        for number in range(VERDICTS)
    ]
    ways = {"own": {}, "set": {"high_percent": 91, "critical_percent": 99}}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(2 * rounds):
        for name, limits in ways.items():
            gc.collect()
            before = time.process_time()
            due = [Due("disk_space", 0, limits)]
            judge("host", due, seen, {}, load(), datetime.now(UTC))
            times[name].append(time.process_time() - before)
    own, given = (statistics.median(times[name]) for name in ways)
    return [
        f"{VERDICTS} verdicts | CPU",
        "---|---",
        f"by the check's own limits | 1 × ({own:.2f} s)",
        f"by limits that the site has set | {given / own:.2f} × ({given:.2f} s)",
    ]


def shapes(rounds: int) -> list[str]:
    """Compare making 10,000 recorded observations typed with reading them as JSON."""
    rows = ["10,000 observations made typed, beside json.loads of them | CPU", "---|---"]
    kinds = {one.gather: one.shape for one in load().values() if one.shape is not None}
    for gather in ("access_log", "auth_log", "databases"):
        kind = kinds[gather]
        with gzip.open(TESTS / f"unit/recorded/observations/{gather}.jsonl.gz", "rt") as lines:
            recorded = [json.loads(line)["data"] for line in lines]
        text = json.dumps((recorded * 25)[:10_000])
        times: dict[str, list[float]] = {"read": [], "typed": []}
        for _round in range(3 * rounds):
            gc.collect()
            before = time.process_time()
            read = json.loads(text)
            times["read"].append(time.process_time() - before)
            seen = [Observation("x", each) for each in read]
            before = time.process_time()
            for each in seen:
                typed(kind, each)
            times["typed"].append(time.process_time() - before)
        base, cost = (statistics.median(times[way]) for way in ("read", "typed"))
        rows.append(f"{gather} | {cost / base:.2f} × ({1000 * base:.0f} ms)")
    return rows


def _thousand_rules() -> Iterator[str]:
    """Yield rules such as sites have: mostly of days and weeks, each with its own time of day."""
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    nth = ("first", "second", "third", "last")
    months = ("january", "april", "july", "october")
    for number in range(1000):
        at = f"{number * 7 % 24:02}:{number * 13 % 60:02}"
        day = days[number % 7]
        shapes = (
            *(f"daily {at}",) * 8,
            *(f"weekdays {at}",) * 3,
            *(f"{day} {at}",) * 4,
            f"every 2 weeks on {day} {at}",
            f"{nth[number % 4]} {day} {at}",
            f"last weekday of the month {at}",
            f"monthly on the {number % 28 + 1} {at}",
            f"first {day} of {months[number % 4]} {at}",
        )
        yield rule_words.parse("hourly" if number % 50 == 0 else shapes[number % len(shapes)])


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--log-mib", type=int, default=2048)
    parser.add_argument("--dead", type=int, default=3000)
    parser.add_argument("--backup-mib", type=int, default=1024)
    parser.add_argument("--restore-mib", type=int, default=1024)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--isolated", type=int, default=20)
    parser.add_argument(
        "--only",
        choices=[
            "fan-out",
            "start",
            "window",
            "memory",
            "calendar",
            "verdicts",
            "shapes",
            "pages",
            "dead",
            "backups",
            "restores",
            "databases",
            "statements",
            "isolating",
        ],
    )
    asked = parser.parse_args()
    version = platform.python_version()
    print(f"{os.cpu_count()} cores, Python {version}, {datetime.now(UTC):%Y-%m-%d}\n", flush=True)
    os.environ["PYTHONPATH"] = str(TESTS.parent / "python")
    with tempfile.TemporaryDirectory(prefix="upkeep-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        parts: dict[str, Callable[[], list[str]]] = {
            "fan-out": lambda: fan_out(folder, asked.hosts, asked.rounds),
            "start": lambda: start_up(asked.rounds),
            "window": lambda: window(folder, 20, asked.log_mib),
            "memory": lambda: memory(folder, asked.many),
            "calendar": lambda: calendar(asked.rounds),
            "verdicts": lambda: verdicts(asked.rounds),
            "shapes": lambda: shapes(asked.rounds),
            "pages": lambda: pages(folder),
            "dead": lambda: dead_hosts(folder, asked.dead),
            "backups": lambda: backup_reading(folder, asked.backup_mib, asked.rounds),
            "restores": lambda: restores(folder, asked.restore_mib, asked.rounds),
            "databases": lambda: catalog(folder, asked.tables, asked.rounds),
            "statements": lambda: statements(folder, asked.rounds),
            "isolating": lambda: isolating(folder, CHECKS, asked.rounds, asked.isolated),
        }
        for part, take in parts.items():
            if asked.only in (None, part):
                print("\n".join(f"| {row} |" if row else "" for row in take()) + "\n", flush=True)


if __name__ == "__main__":
    main()
