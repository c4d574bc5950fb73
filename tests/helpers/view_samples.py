"""Made-up runs of any size, to look at and to test what people see.

As a program, shows one: `python tests/helpers/view_samples.py --hosts 14 --failing 3 [--slow 0.2] [--report FILE]`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.model.answer import Observed, Outcome, Seen
from upkeep.model.verdicts import Measure, Result, Severity, Status
from upkeep.view.model import HostInRun, RunSummary, RunTally
from upkeep.view.report import write_report

NOW = datetime(2026, 11, 23, 3, 12, 40, tzinfo=UTC)

# check, subject, message when it passes, severity and message when it fails, remedy, controls
CHECKS = [
    ("backup_fresh", "shop", "3 h old, at most 24 h", Severity.CRITICAL, "31 h old, at most 24 h",
     "look at the last backup's own words: `journalctl -u backup-shop -n 50`", ("45 CFR 164.308(a)(7)(ii)(A)",)),
    ("certificate_expiry", "/etc/ssl/private/www.example.org-2026-fullchain.pem", "valid for 61 more days",
     Severity.HIGH, "expires in 6 days; renewal is due at 30", "`certbot renew --cert-name www.example.org`",
     ("45 CFR 164.312(e)(1)",)),
    ("http_health", "https://www.example.org/api/v2/health?deep=1", "200 in 0.12 s, at most 2 s", Severity.HIGH,
     "503 in 0.04 s, expected 200; database.state is 'down', expected 'up'",
     "`curl -sS https://www.example.org/api/v2/health?deep=1 | jq .`", ()),
    ("disk_space", "/var", "41 % used, at most 85 %", Severity.MEDIUM,
     "91 % used, at most 85 %; 4.1 GiB of 45.8 GiB free", "what takes the room: `du -xhd1 /var | sort -h | tail`", ()),
    ("failed_logins", "sshd", "2 in an hour, at most 10", Severity.MEDIUM,
     "128 failed logins in an hour, at most 10; 120 of them from 203.0.113.7",
     "see from where: `lastb -n 50`", ("45 CFR 164.308(a)(5)(ii)(C)",)),
    ("updates_pending", "apt", "0 security updates pending, at most 0", Severity.LOW,
     "7 security updates pending, at most 0", "`apt-get -s upgrade | grep -i security`", ()),
    ("reboot_pending", "kernel", "running the newest kernel", Severity.INFO,
     "kernel 6.1.0-31 waits for a reboot", "", ()),
    ("log_rotation", "/var/log/nginx/access.log", "12 MiB, at most 100 MiB", Severity.MEDIUM,
     "2.4 GiB, at most 100 MiB; not rotated for 40 days", "`logrotate -d /etc/logrotate.d/nginx`", ()),
    ("database_connect", "postgresql shop@127.0.0.1:5432", "answered in 0.004 s, at most 1 s", Severity.CRITICAL,
     "connection refused", "`systemctl status postgresql`", ()),
    ("memory", "memory", "38 % used, at most 90 %", Severity.MEDIUM, "96 % used, at most 90 %",
     "`ps aux --sort=-rss | head`", ()),
]  # fmt: skip

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]52;c;cm0gLXJm\x07 \x9b31m \x1b]8;;http://evil\x1b\\link",
    "safe\u202etxt.exe\u202c \u2066hidden\u2069 zero\u200bwidth",
    "{{ lookup('pipe', 'id') }} {% raw %} ${HOME} $(reboot) `reboot`",
    "line one\nline two\r\nline three\x00end",
    "[bold red]markup[/] :smile: [link=http://evil]x[/link]",
    "データベース接続 \uff26\uff35\uff2c\uff2c 数据库 데이터",
    "Z̸̢̛̛̛̛̘̘̘̘̘̘̃̃̃̃̃̃a̸̢̛̛l̸̢̛̛g̸̢̛̛o",
    "=cmd|' /C calc'!A0",
    "x" * 1_000_000,
    "\udcff\udc80 not utf-8",
)


def hosts(
    count: int,
    failing: int,
    *,
    checks: int = 10,
    unseen: int = 0,
    hostile: bool = False,
    seed: int = 1,
) -> Iterator[Observed]:
    """Yield count hosts; so many of them fail something, so many others were not seen."""
    dice = random.Random(seed)
    for number in range(count):
        name = f"{('web', 'db', 'cache', 'backup')[number % 4]}{number // 4 + 1}"
        if count > 100:
            name += ".fra.example.org"
        at = NOW - timedelta(seconds=count - number)
        if failing <= number < failing + unseen:
            results = tuple(
                Result(
                    name,
                    check[0],
                    check[1],
                    Status.UNKNOWN,
                    None,
                    "the host was not reached",
                    observed_at=at,
                )
                for check in CHECKS
            )
            yield Observed(
                name, Outcome.UNREACHABLE, at, "ssh: connect to host 192.0.2.17 port 22: No route to host",
                seconds=10.0, results=results,
            )  # fmt: skip
            continue
        bad = (
            set(dice.sample(range(len(CHECKS)), dice.choice((1, 1, 2, 3))))
            if number < failing
            else set()
        )
        results, seen = [], []
        for index in range(checks):
            check, subject, fine, severity, message, remedy, controls = CHECKS[index % len(CHECKS)]
            if index >= len(CHECKS):
                subject = f"{subject} {index // len(CHECKS) + 1}"
            fails = index in bad
            if hostile and fails:
                text = HOSTILE[(number + index) % len(HOSTILE)]
                subject, message = text, f"{message}: {text}"
            status = Status.FAIL if fails else Status.PASS
            if fails and check == "memory":
                status, message = Status.UNKNOWN, "/proc/meminfo: permission denied"
            raw = f"# recorded on {name}\n{message if fails else fine}\n" * (30 if fails else 2)
            seen.append(
                Seen(
                    0,
                    Observation(subject, {"value": index}, raw),
                    sha256=f"{number:032x}{index:032x}",
                )
            )
            results.append(
                Result(
                    name, check, subject, status, severity if status is Status.FAIL else None,
                    message if fails else fine, remedy if fails else "", (Measure("value", index, "1"),),
                    controls, at, seen[-1].sha256, index,
                )
            )  # fmt: skip
        yield Observed(
            name, Outcome.OK, at, seconds=1.4 + number % 7 / 10, python="3.11.2", clock_offset_seconds=0.02,
            seen=tuple(seen), results=tuple(results),
        )  # fmt: skip


def summary(tally: RunTally, **changes: object) -> RunSummary:
    """Return the summary of the hosts that a tally has counted."""
    unseen = any(outcome not in (Outcome.OK, Outcome.SKIPPED) for outcome in tally.hosts)
    fields: dict[str, object] = {
        "id": 12, "procedure": "daily", "title": "Daily procedure", "site": "", "started_at": NOW,
        "status": "partial" if unseen else "done", "ended_at": NOW + timedelta(seconds=8.4), "version": "0.1.0",
        "started_by": "ops",
        "asked_by": "kim",
    }  # fmt: skip
    return tally.into(RunSummary(**{**fields, **changes}))  # type: ignore[arg-type]


def report(path: Path, run: RunSummary, made: list[Observed]) -> None:
    """Write a report of made-up hosts with their evidence."""
    evidence = {seen.sha256: seen.observation.raw for observed in made for seen in observed.seen}
    write_report(
        path, run, [HostInRun.of(observed) for observed in made],
        (result for observed in made for result in observed.results),
        evidence=lambda sha256: evidence.get(sha256, ""),
    )  # fmt: skip


def main() -> None:
    from upkeep.view.screen import Screen
    from upkeep.view.terminal import RunView

    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=14)
    parser.add_argument("--failing", type=int, default=3)
    parser.add_argument("--unseen", type=int, default=1)
    parser.add_argument("--checks", type=int, default=10)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--status", default="")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    made = list(
        hosts(
            options.hosts,
            options.failing,
            unseen=options.unseen,
            checks=options.checks,
            hostile=options.hostile,
        )
    )
    view = RunView(Screen(sys.stdout), Screen(sys.stderr))
    with view:
        view.started("daily", len(made))
        ahead = 5 if len(made) < 50 else 20
        for number, observed in enumerate(made):
            for later in made[(number + ahead - 1 if number else 0) : number + ahead]:
                view.host_began(later.host)
            time.sleep(options.slow)
            view.host_done(observed)
        changes = {"status": options.status, "cause": "because"} if options.status else {}
        run = summary(view.tally, **changes)
        if options.report:
            report(options.report, run, made)
        view.finished(run, options.report or "/var/lib/upkeep/reports/run-12.html")


if __name__ == "__main__":
    main()
