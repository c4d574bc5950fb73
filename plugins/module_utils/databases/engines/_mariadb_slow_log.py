# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server of MariaDB has written into its slow log: calls that took longer than it is told to log, and no others.

Reading it is bounded in bytes and in time. A client's statement stands in it as it was sent, so that its lines may look
like those of the server: nothing but counts and times is made of them.
"""

from __future__ import annotations

import hashlib
import os
import re
from datetime import datetime, timezone
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    NotReadError,
    Patience,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.statements import (
    MYSQL,
    shape_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import syslog_time
from ansible_collections.astral.upkeep.plugins.module_utils.log.window import Bounds, LogWindow

WINDOW_SECONDS = 86_400
LIMIT_BYTES = 16_000_000
READING_SHARE = 0.7
"""Of the time that is left: the rest is for making shapes of what was read."""
TEXT_CHARACTERS, SHAPE_CHARACTERS = 2_000, 400
MOST_STATEMENTS, TOLD_STATEMENTS = 2_000, 60
TABLE_ROWS, TABLE_CHARACTERS = 2_000, 400

SETTINGS = """
select json_object('is_on', @@global.slow_query_log + 0, 'output', @@global.log_output,
  'file', @@global.slow_query_log_file, 'folder', @@global.datadir, 'host', @@hostname,
  'from_seconds', @@global.long_query_time + 0, 'one_in', {one_in},
  'offset', timestampdiff(second, utc_timestamp(), now()), 'at', unix_timestamp(now(6))) as answer"""
SETTINGS_OF_MYSQL = SETTINGS.replace("{one_in}", "1")
SETTINGS_OF_MARIADB = SETTINGS.replace("{one_in}", "@@global.log_slow_rate_limit")
# A row has the time at which its call began.
TABLE = (
    """
with one as (
  select start_time, db, sql_text, rows_sent, rows_examined, time_to_sec(query_time) as took from mysql.slow_log
  where date_add(start_time, interval time_to_sec(query_time) second) >= now() - interval {window} second)
select json_object('calls', (select count(*) from one),
  'oldest', (select unix_timestamp(min(start_time)) from one), 'total', (select coalesce(sum(took), 0) from one),
  'rows', json_extract(coalesce((select json_arrayagg(json_object('database', db, 'took', took,
      'began', unix_timestamp(start_time),
      'rows', rows_sent, 'examined', rows_examined, 'text', text))
    from (select db, took, start_time, rows_sent, rows_examined, left(sql_text, {characters}) as text
      from one order by start_time desc limit {rows}) as newest), '[]'), '$')) as answer""".replace(
        "{window}", str(WINDOW_SECONDS)
    )
    .replace("{rows}", str(TABLE_ROWS))
    .replace("{characters}", str(TABLE_CHARACTERS))
)
TABLE_GRANT = "GRANT SELECT ON mysql.slow_log TO {account}"

_TIME = re.compile(r"(\d\d)(\d\d)(\d\d) +(\d{1,2}):(\d\d):(\d\d)$")
_HEAD = "# User@Host: "
_FIELD = re.compile(r"(\w+): +(\S+)")
_SCHEMA = re.compile(r"# Thread_id: \d+ +Schema: (.{0,256}?)  ")
_USE = re.compile(r"use `?(.{1,256}?)`?;$", re.IGNORECASE)
_BEGAN = re.compile(r"SET (?:\w+=\d+,)*timestamp=(\d{1,12})(?:\.\d+)?;$")
_STARTED = re.compile(r"\S.{0,300}, Version: .{0,300}started with:$")


class SlowTotals:
    """Counts calls by statement, which is known by its database and its shape."""

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0
        self.oldest: float | None = None
        self._shapes: Dict[str, str] = {}
        self._known: Dict[Tuple[str, str], Dict[str, Any]] = {}

    def add(self, text: str, call: Mapping[str, Any]) -> None:
        """Count one call. call: its database, began, seconds, rows, examined and, if it was logged, full_scan."""
        self.calls += 1
        began = float(call["began"])
        self.oldest = began if self.oldest is None else min(self.oldest, began)
        self.seconds += call["seconds"]
        if text not in self._shapes:
            if len(self._shapes) >= 10 * MOST_STATEMENTS:
                self._shapes.clear()
            self._shapes[text] = shape_of(text, MYSQL, SHAPE_CHARACTERS)
        key = (str(call["database"])[:64], self._shapes[text])
        if key not in self._known and len(self._known) >= MOST_STATEMENTS:
            return
        nothing = dict.fromkeys(("calls", "total", "max", "rows", "examined"), 0)
        one = self._known.setdefault(key, nothing)
        one["calls"] += 1
        one["total"] += call["seconds"]
        one["max"] = max(one["max"], call["seconds"])
        one["rows"] += call["rows"]
        one["examined"] += call["examined"]
        if call.get("full_scan") is not None:
            one["full_scans"] = one.get("full_scans", 0) + bool(call["full_scan"])

    def told(self) -> List[Dict[str, Any]]:
        """Return the statements with the most time, as StatementCounters."""
        worst = sorted(self._known.items(), key=lambda pair: -pair[1]["total"])[:TOLD_STATEMENTS]
        return [
            {
                "queryid": hashlib.sha256("\0".join(key).encode("utf-8", "replace")).hexdigest()[:16],
                "database": key[0],
                "shape": key[1],
                "calls": one["calls"],
                "total_seconds": one["total"],
                "mean_seconds": one["total"] / one["calls"],
                "max_seconds": one["max"],
                "rows": one["rows"],
                "examined_rows": one["examined"],
                "full_scans": one.get("full_scans"),
            }
            for key, one in worst
        ]  # fmt: skip


def read_lines(lines: Iterable[str], since: float, until: float) -> SlowTotals:
    """Return what the lines of a slow log say of the calls that ended between two times.

    Source: MariaDB, Slow Query Log Extended Statistics; log_slow_verbosity; MySQL 8, The Slow Query Log.
    """
    totals = SlowTotals()
    entry: Dict[str, str] | None = None
    text, size = [""], 0
    database = ""

    def end() -> None:
        if entry is None or "began" not in entry:
            return
        call = _call(entry, database)
        if call is not None and since <= call["began"] + call["seconds"] <= until:
            totals.add("\n".join(text)[:TEXT_CHARACTERS].strip(), call)

    for line in lines:
        if line.startswith((_HEAD, "# Time: ")) or _STARTED.match(line):
            end()
            entry = {} if line.startswith(_HEAD) else None
            text, size = [], 0
        elif entry is None:
            continue
        elif "began" in entry:
            if size < TEXT_CHARACTERS:
                text.append(line[:TEXT_CHARACTERS])
                size += len(text[-1]) + 1
        elif line.startswith("# "):
            schema = _SCHEMA.match(line)
            database = schema.group(1).strip() if schema else database
            if not line.startswith("# explain:"):
                entry.update((name, value) for name, value in _FIELD.findall(line))
        else:
            used, began = _USE.match(line), _BEGAN.match(line)
            database = used.group(1) if used else database
            if began:
                entry["began"] = began.group(1)
    end()
    return totals


def _call(entry: Mapping[str, str], database: str) -> Dict[str, Any] | None:
    """Return what an entry says of its call; None if it is not whole."""
    try:
        began, seconds = float(entry["began"]), float(entry["Query_time"])
        rows, examined = int(entry.get("Rows_sent", 0)), int(entry.get("Rows_examined", 0))
    except (KeyError, ValueError):
        return None
    if not 0 <= seconds < 1e8 or not 0 <= rows < 1e18 or not 0 <= examined < 1e18:
        return None
    call = {
        "database": database,
        "began": began,
        "seconds": seconds,
        "rows": rows,
        "examined": examined,
    }
    return {**call, "full_scan": {"Yes": True, "No": False}.get(entry.get("Full_scan", ""))}


def of_table(settings: Mapping[str, Any], value: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what is observed of a slow log in a table. value: the answer to TABLE."""
    totals = SlowTotals()
    for row in value["rows"]:
        seconds = float(row["took"])
        call = {
            "database": row["database"],
            "began": float(row["began"]),
            "seconds": seconds,
            "rows": int(row["rows"]),
        }
        totals.add(str(row["text"]), {**call, "examined": int(row["examined"])})
    said = _said(settings, totals, cut=False)
    said["covers_seconds"] = _since(settings, value["oldest"])
    return {**said, "calls": int(value["calls"]), "total_seconds": float(value["total"])}


def of_file(host: Host, settings: Mapping[str, Any], patience: Patience) -> Dict[str, Any]:
    """Return what is observed of a slow log in a file; its predecessors are read too, as far as they are needed.

    Raises: NotReadError if it cannot be read on this host.
    """
    if settings["host"] != os.uname().nodename:
        raise NotReadError(f"it is a file on the server's host, {str(settings['host'])[:60]}")
    path = os.path.join(str(settings["folder"]), str(settings["file"]))
    at, offset = float(settings["at"]), int(settings["offset"])

    def stamp(line: str) -> float | None:
        return began_at(line, at, offset)

    bounds = Bounds(LIMIT_BYTES, ends=host.monotonic() + READING_SHARE * max(0.0, patience.left))
    try:
        # A line has the time at which its call began: of a call of hours, that is long before the call was logged.
        window = LogWindow(host, path, stamp, at - 2 * WINDOW_SECONDS, at, bounds)
        totals = read_lines((text for _at, text in window), at - WINDOW_SECONDS, at + 1)
    except HostError as exc:
        raise NotReadError(str(exc)) from exc
    return {**_said(settings, totals, cut=window.truncated), "file": path[:400]}


def began_at(line: str, now: float, offset: int) -> float | None:
    """Return the time in a line of a slow log that has one. offset: of the server's zone, in seconds."""
    if not line.startswith("# Time: "):
        return None
    found = _TIME.match(line, len("# Time: "))
    if found:
        year, month, day, hour, minute, second = found.groups()
        text = f"20{year}-{month}-{day} {hour:0>2}:{minute}:{second}"
    else:
        text = line[len("# Time: ") :]
    told = syslog_time(text, now, offset)
    return told[0] if told else None


def _since(settings: Mapping[str, Any], oldest: Any) -> float:
    """Return for how long calls are known to be logged; 0 if none was."""
    return 0.0 if oldest is None else max(0.0, float(settings["at"]) - float(oldest))


def _said(settings: Mapping[str, Any], totals: SlowTotals, *, cut: bool) -> Dict[str, Any]:
    """Return the topic's value. cut: the oldest part of the window was not read."""
    at = datetime.fromtimestamp(float(settings["at"]), timezone.utc).isoformat()
    return {
        "at": at,
        "window_seconds": float(WINDOW_SECONDS),
        "covers_seconds": _since(settings, totals.oldest),
        "from_seconds": float(settings["from_seconds"]),
        "one_in": int(settings["one_in"]),
        "calls": totals.calls,
        "total_seconds": totals.seconds,
        "cut": cut,
        "worst": totals.told(),
    }
