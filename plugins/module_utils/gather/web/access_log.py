# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a web server's access logs say of the last minutes: statuses, request times, who and what makes the errors."""

from __future__ import annotations

import heapq
import json
import re
from array import array
from collections import Counter, deque
from dataclasses import replace
from functools import lru_cache
from typing import Any, Iterable, NamedTuple

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web._request_times import (
    Open,
    RequestTimes,
    duration,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import (
    clf_time,
    iso_utc,
    parse_offset,
    time_value,
)
from ansible_collections.astral.upkeep.plugins.module_utils.log.window import (
    SLACK_SECONDS,
    Bounds,
    LogWindow,
    Shares,
    logs_of,
    named_fields,
    not_read,
    unnamed,
)

SET = "logs"
TIMEOUT_SECONDS = 60
LIMIT_BYTES = 6_000_000
"""A thousand logs of one pattern, each with what stands out in it."""

ARGUMENTS: dict[str, dict[str, Any]] = {
    "paths": {"type": "list", "elements": "str", "default": []},
    "window_seconds": {"type": "int", "default": 300},
    "time_unit": {"type": "str", "default": "auto", "choices": ["auto", "s", "ms", "us", "ns"]},
    "time_place": {"type": "int", "default": 0},
    "fields": {"type": "dict", "default": {}},
    "utc_offset": {"type": "str", "default": ""},
    "limit_bytes": {"type": "int", "default": 64_000_000},
}

FOLDERS = {
    "/var/log/nginx": "*access*.log",
    "/var/log/apache2": "*access*.log",
    "/var/log/httpd": "*access*log",
    "/var/log/caddy": "*access*.log",
    "/var/log/traefik": "*access*.log",
}
TOP = 10
KEPT_KEYS = 5_000
KEPT_LAYOUTS = 50
EVIDENCE_LINES = 50
EVIDENCE_CHARACTERS = 600

# Each pattern goes over a line once: no part can match what its neighbour matches.
HEAD = re.compile(
    r"(\S*) (.*?)\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{1,6})? [+-]\d{4})\] \"",
    re.DOTALL,
)
REST = re.compile(r"([^\"\\]*(?:\\.[^\"\\]*)*)\" (\d{3}|[0-]) (\d+|-)(?= |$)", re.DOTALL)
# Apache, Traefik, Envoy.
BEGAN = re.compile(
    rb"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{1,6})? [+-]\d{4})\]"
    rb"|\"(?:StartUTC|start_time)\": ?\"(\d{4}-[\dT:.Z+-]{15,32})\""
)
CLOCK = re.compile(
    r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{1,6})? [+-]\d{4})\] \"", re.ASCII
)
# Where a request may end, for lines whose request holds what its logger should have escaped.
VERSION_END = re.compile(r"HTTP/\d(?:\.\d)?\" (\d{3}|[0-]) (\d+|-)(?= |$)", re.ASCII)
ANY_END = re.compile(r"\" (\d{3}) (\d+|-)(?= |$)", re.ASCII)
# A request that goes on to the end of its line was cut by who logged it, if it is at least so long.
CUT_FROM_CHARACTERS = 900
# What syslog, Docker and Kubernetes put in front of a line.
PREFIX = re.compile(
    r"(?:<\d{1,3}>)?(?:1 )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S{8,24}) "
    r"(?:std(?:out|err) [FP] |(?:\S+ )?\S+: )?"
)
ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}$|[0-9a-fA-F:]*:[0-9a-fA-F:.]+$")
IDENTIFIER = re.compile(
    r"\d+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{22}|(?=\D*\d)[0-9a-fA-F]{8,}|[\w~=-]{25,}"
)
# A word of letters is none, if it is shorter.
IDENTIFIER_FROM_CHARACTERS = 25
PATH_END = re.compile(r"[?;#]")
QUERY = re.compile(r"\?[^\s\"]*")

# The names that nginx's documentation, Caddy, Traefik and Envoy use; the first that is there counts.
FIELDS: dict[str, tuple[str, ...]] = {
    "time": (
        *("time_iso8601", "time_local", "@timestamp", "ts", "StartUTC", "timestamp", "msec"),
        *("start_time", "time"),
    ),
    "status": (
        *(
            "status",
            "DownstreamStatus",
            "response_code",
            "status_code",
            "http.response.status_code",
        ),
        *("response.status",),
    ),
    "request": (
        *("request", "request_uri", "uri", "request.uri", "RequestPath", "path", "url.path", "url"),
    ),
    "method": ("request_method", "request.method", "RequestMethod", "method"),
    "client": (
        *("remote_addr", "request.client_ip", "request.remote_ip", "ClientHost", "client_ip"),
        *("client.ip", "source.ip", "downstream_remote_address", "client", "remote_ip"),
    ),
    "bytes": ("body_bytes_sent", "bytes_sent", "size", "DownstreamContentSize", "bytes"),
    "request_time": ("request_time", "duration", "Duration", "duration_ms", "response_time"),
}
ENVOY_STATUS = "response_code"
# Of a connection without a status: what came of the upstream, which no client brings about.
ENVOY_FAULTS = frozenset(("UH", "UF", "UO", "URX", "NC", "UT", "OM"))
# Caddy logs what went wrong beside its access log, and of what is no request.
CADDY_ERRORS = "http.log.error"
CADDY_WORDS = frozenset(
    ("level", "ts", "msg", "config_file", "config_adapter", "adapter", "file", "from", "to")
)
CADDY_HTTP = (
    "handlers|auto_https|log(?!\\.access)|stdlib|acme_client|authentication|encoders|reverse_proxy"
)
CADDY_OTHERS = re.compile(rf"(?:http(?:\.(?:{CADDY_HTTP})\b|$)|(?:tls|admin|pki|events|storage)\b)")
CUT = -1
OTHER = -2
# They speak of the method and the version that the client chose, not of the server: a client makes Apache answer 501
# and nginx 505 at will. Source: RFC 9110, sections 15.6.2 and 15.6.6.
CHOSEN_BY_CLIENTS = (501, 505)


class LoggedRequest(NamedTuple):
    """One line. target: the request line or path.

    status: CUT if the line ends before it, which only a client can bring about that sends very long requests; 0 if the
    client went away before there was one; OTHER if the line speaks of no request.
    took: how long it took, in seconds; is_error_log: the server has written it beside the line in its access log.
    """

    at: float
    client: str
    target: str
    status: int
    sent: int
    took: float | Open | None = None
    is_error_log: bool = False


class LogLayout(NamedTuple):
    """Which names a JSON object has, of those that tell the status and the request time.

    once: what stands once in a line. Of these a client whose quotes are not escaped could write a second one, which
    hides the request or its time.
    """

    statuses: tuple[str, ...]
    times: tuple[str, ...]
    once: tuple[str, ...]


class Parser:
    """Reads lines in combined format or JSON; remembers the last one, as it is asked for its time first."""

    def __init__(
        self,
        time_unit: str,
        fields: dict[str, Any] | None,
        now: float,
        offset: int | None,
        time_place: int = 0,
    ) -> None:
        self.fields = named_fields(FIELDS, fields)
        self.status_keys = {name: f'"{name.rpartition(".")[2]}"' for name in self.fields["status"]}
        self._layouts: dict[tuple[str, ...], LogLayout] = {}
        own = bool((fields or {}).get("request_time"))
        self.times = RequestTimes(time_unit, time_place, self.fields["request_time"], own)
        self.now = now
        self.offset = offset
        self._last: tuple[str, float | None, LoggedRequest | None] = ("", None, None)
        self._clock: tuple[str, float | None] = ("", None)

    def stamp(self, text: str) -> float | None:
        """Return the line's time."""
        self._last = (text, *self._parse(text))
        return self._last[1]

    def parse(self, text: str) -> LoggedRequest | None:
        """Return the line's request, or None if it is none."""
        if self._last[0] is not text:
            self.stamp(text)
        return self._last[2]

    def error_words(self) -> list[bytes]:
        """Return the words of which each line about a server error has at least one."""
        names = {key.strip('"')[-6:] for key in self.status_keys.values()}
        forms = ('":5', '": 5', '":"5', '": "5')
        return [b'" 5', *sorted(f"{name}{form}".encode() for name in names for form in forms)]

    def _parse(self, text: str) -> tuple[float | None, LoggedRequest | None]:
        if text.startswith("{"):
            at, request = self._parse_json(text)
            if at is not None or request is not None:
                return at, request
        head = HEAD.match(text)
        if head is None:
            prefix = PREFIX.match(text)
            if prefix is not None and text.startswith("{", prefix.end()):
                return self._parse_json(text[prefix.end() :])
            return None, None
        first, middle, clock = head.groups()
        at = _clf(clock)
        if at is None:
            return None, None
        rest = REST.match(text, head.end())
        if rest is not None and text.find("HTTP/", rest.end()) < 0:
            target, status, sent = rest.groups()
            end = rest.end()
        else:
            target, status, sent, end = _from_both_ends(text, head.end(), rest)
            at = self._newest_clock(text, at)
        if not status:
            return at, None
        return at, LoggedRequest(
            at,
            first if ADDRESS.match(first) else _client(text, first, middle),
            target,
            int(status) if status != "-" else 0,
            int(sent[:18]) if sent != "-" else 0,
            self.times.in_text(text, end, at),
        )

    def _newest_clock(self, text: str, first: float) -> float:
        """Return the newest time in a line that can be read in more than one way: none is hidden by an old one."""
        clocks = [at for at in map(_clf, CLOCK.findall(text)) if at is not None]
        return max((at for at in clocks if at <= self.now + SLACK_SECONDS), default=first)

    def _parse_json(self, text: str) -> tuple[float | None, LoggedRequest | None]:
        cut = False
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line, cut = self._loosely(text), not text.endswith("}")
        if not isinstance(line, dict):
            return None, None
        layout = self._layout(line)
        name, said = self._status(line, layout)
        if name and (text.count(self.status_keys[name]) > 1 or _is_twice(layout, text)):
            # Written without escapes, or under the same name elsewhere: what counts is where it stands.
            line = {**line, **self._loosely(text)}
            layout = self._layout(line)
            name, said = self._status(line, layout)
        at = self._time(self._field(line, "time")[1])
        status = _integer(said)
        if at is not None and status is None and cut:
            status = CUT
        logger = line.get("logger")
        if at is None or status is None or not CUT <= status < 1000:
            inner = line.get("log")
            if isinstance(inner, str) and "stream" in line:  # as Docker keeps it
                return self._parse(inner.rstrip("\n"))
            if _is_caddys_own(line, logger):
                return at, LoggedRequest(at or 0.0, "", "", OTHER, 0)
            return at, None
        if status == 0 and name == ENVOY_STATUS:
            flags = line.get("response_flags")
            if isinstance(flags, str) and not ENVOY_FAULTS.isdisjoint(flags.split(",")):
                status = 503
        target = self._field(line, "request")[1]
        method = self._field(line, "method")[1]
        if isinstance(method, str) and isinstance(target, str) and target.startswith("/"):
            target = f"{method} {target}"
        client = self._field(line, "client")[1]
        return at, LoggedRequest(
            at,
            client if isinstance(client, str) else "",
            target if isinstance(target, str) else "",
            status,
            _integer(self._field(line, "bytes")[1]) or 0,
            self.times.in_json(
                self._fields(line, "request_time", layout.times), name == ENVOY_STATUS
            ),
            isinstance(logger, str) and logger.startswith(CADDY_ERRORS),
        )

    def _time(self, value: Any) -> float | None:
        """Return the time of a field; the last text is remembered, as many lines have the same."""
        if not isinstance(value, str):
            return time_value(value, self.now, self.offset)
        if value != self._clock[0]:
            self._clock = (value, time_value(value, self.now, self.offset))
        return self._clock[1]

    def _layout(self, line: dict[str, Any]) -> LogLayout:
        """Return which names a line has; of the logs' usual ones it is remembered."""
        names = tuple(line)
        found = self._layouts.get(names)
        if found is None:
            times = [name for name in self.fields["request_time"] if name in line]
            clocks = [name for name in self.fields["time"] if name in line]
            found = LogLayout(
                tuple(name for name in self.fields["status"] if name in line),
                tuple(times),
                tuple(f'"{name.rpartition(".")[2]}"' for name in times + clocks),
            )
            if len(self._layouts) < KEPT_LAYOUTS:
                self._layouts[names] = found
        return found

    def _loosely(self, text: str) -> dict[str, Any]:
        """Return the fields of a JSON object that is broken, or names one twice; the newest time counts."""
        line = read_loosely(text, self.fields)
        times = {
            value: time_value(value, self.now, self.offset)
            for name in self.fields["time"]
            for value in line.pop(name, ())
        }
        until = self.now + SLACK_SECONDS
        known = [value for value, at in times.items() if at is not None and at <= until]
        if times:
            chosen = max(known, key=lambda one: times[one] or 0.0) if known else next(iter(times))
            line[self.fields["time"][0]] = chosen
        return line

    def _status(self, line: dict[str, Any], layout: LogLayout) -> tuple[str, Any]:
        """Return the status and its name; of several that differ the one that accuses, and a word is none."""
        found = self._fields(line, "status", layout.statuses)
        if len(found) > 1:
            return max(found, key=lambda one: _accusing(one[1]))
        return found[0]

    def _fields(
        self, line: dict[str, Any], field: str, names: tuple[str, ...]
    ) -> list[tuple[str, Any]]:
        """Return each name of the field that the line has, and its value. names: those that it has itself."""
        if names:
            return [(name, line[name]) for name in names]
        return [self._field(line, field)]

    def _field(self, line: dict[str, Any], field: str) -> tuple[str, Any]:
        """Return the first name of the field that the line has, flat or nested, and its value."""
        for name in self.fields[field]:
            if name in line and not isinstance(line[name], dict):
                return name, line[name]
            if "." in name:
                value: Any = line
                for part in name.split("."):
                    value = value.get(part) if isinstance(value, dict) else None
                if value is not None:
                    return name, value
        return "", None


def _is_caddys_own(line: dict[str, Any], logger: Any) -> bool:
    """Return whether Caddy speaks of itself, of which no client decides the fields."""
    if logger is None:
        return "msg" in line and "level" in line and CADDY_WORDS.issuperset(line)
    if "ts" not in line or "msg" not in line:
        return False
    return isinstance(logger, str) and "level" in line and CADDY_OTHERS.match(logger) is not None


def _client(text: str, first: str, middle: str) -> str:
    """Return the client of a line that does not begin with an address.

    With a virtual host in front, the address comes second; with syslog's or a container's words in front, behind them.
    """
    prefix = PREFIX.match(text)
    if prefix is not None:
        words = text[prefix.end() : prefix.end() + 400].split(" ", 2)
        first, middle = words[0], " ".join(words[1:])
    second = middle.split(" ", 1)[0]
    return second if ADDRESS.match(second) and not ADDRESS.match(first) else first


def is_server_error(status: int) -> bool:
    """Return whether the status tells of a fault of the server, which a client does not choose."""
    return 500 <= status < 600 and status not in CHOSEN_BY_CLIENTS


def _from_both_ends(
    text: str, start: int, escaped: re.Match[str] | None
) -> tuple[str, str, str, int]:
    """Return target, status and size of a request that holds quotes, and where they end; no status if none is there.

    What stands between is the client's. Where it leaves more than one reading, a server error is believed: so that
    a client can accuse itself, but hide nothing. escaped: how the line reads if its logger escapes what clients send.
    """
    found = [one for one in VERSION_END.finditer(text, start) if int(one.group(1)) < 600]
    if escaped is not None and not any(one.end() == escaped.end() for one in found):
        # A request without a version, or what looks like one behind it.
        found.append(escaped)
    if not found:
        found = list(ANY_END.finditer(text, start))
    if not found:
        cut = '"' not in text[start:].replace('\\"', "") and len(text) >= CUT_FROM_CHARACTERS
        return text[start:], str(CUT) if cut else "", "-", len(text)
    readings = [(is_server_error(int(one.groups()[-2])), -one.end(), one) for one in found]
    chosen = max(readings, key=lambda one: one[:2])[2]
    status, sent = chosen.groups()[-2:]
    target = text[start : chosen.start()] if chosen is not escaped else chosen.group(1)
    return target, status, sent, chosen.end()


@lru_cache(maxsize=256)
def _json_field(name: str) -> re.Pattern[str]:
    """Return a pattern for the field's value where the line is no JSON; a client's own quotes are escaped."""
    return re.compile(
        rf'(?<!\\)"{re.escape(name)}"\s*:\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s"{{}}\[\]:,]+))',
        re.DOTALL,
    )


def read_loosely(text: str, fields: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return the named fields of a JSON object that is broken somewhere else.

    nginx without `escape=json` escapes as JSON does not, and writes nothing where a number should be; loggers cut what
    is too long. Of a name that is there more than once the first value counts; of a status a server error, else the
    largest; of a request time the longest; of a time all are returned. So a client whose quotes are not escaped can
    accuse itself, but hide nothing.
    """
    found: dict[str, Any] = {}
    for field, names in fields.items():
        for name in names:
            # `request.uri` stands as "uri" within "request".
            values = [
                _json_number(bare) if bare else string
                for string, bare in _json_field(name.rpartition(".")[2]).findall(text)
            ]
            if field == "status":
                values = sorted(values, key=_accusing, reverse=True)
            if field == "request_time":
                values = sorted(values, key=duration, reverse=True)
            if values:
                found[name] = values if field == "time" else values[0]
    return found


def _is_twice(layout: LogLayout, text: str) -> bool:
    """Return whether an object of the line has a second time, or a second request time."""
    for name in layout.once:
        if text.count(name) > 1:
            return _names_one_twice(text)
    return False


def _names_one_twice(text: str) -> bool:
    """Return whether an object of a JSON text has two values of one name, which no program writes by itself."""
    twice: list[bool] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        twice.append(len({name for name, _value in pairs}) < len(pairs))

    try:
        json.loads(text, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return False  # read loosely already
    return any(twice)


def _accusing(value: Any) -> tuple[bool, int]:
    """Return what sorts the values of a status: those that accuse the server last."""
    status = _integer(value) or 0
    return is_server_error(status), status


def _json_number(text: str) -> Any:
    try:
        return float(text) if "." in text or "e" in text else int(text[:18])
    except ValueError:
        return None


class RequestTally:
    """Counts by key in bounded memory: of very many keys the rare ones are forgotten."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def add(self, key: str, amount: float = 1) -> None:
        """Add amount to the key."""
        self.counts[key] = self.counts.get(key, 0) + amount
        if len(self.counts) > 2 * KEPT_KEYS:
            self.counts = dict(self.top(KEPT_KEYS))

    def top(self, limit: int) -> list[tuple[str, float]]:
        """Return the largest, largest first; equal ones by name."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:limit]


@lru_cache(maxsize=256)
def _clf(text: str) -> float | None:
    return clf_time(text)


def _integer(value: Any) -> int | None:
    try:
        return int(value) if not isinstance(value, bool) and len(str(value)) < 19 else None
    except (TypeError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=8192)
def route_of(target: str) -> str:
    """Return method and path of a request line, query cut off and identifiers folded: `GET /users/:id`."""
    words = target.split(" ")
    method, path = (words[0], words[1]) if len(words) > 1 else ("", words[0])
    if not path.startswith("/"):
        if "://" not in path:
            return "(no HTTP request)"
        path = "/" + "/".join(path.split("/")[3:])
    end = PATH_END.search(path)
    parts = (path[: end.start()] if end else path).split("/")[:12]
    folded = "/".join([_folded(part) for part in parts])
    return f"{method[:16]} {folded[:160]}".strip()


def _folded(part: str) -> str:
    """Return a part of a path as it stands in a route."""
    if not part or (len(part) < IDENTIFIER_FROM_CHARACTERS and part.isalpha()):
        return part
    return ":id" if part.isdecimal() or IDENTIFIER.fullmatch(part) else part[:40]


def percentile(values: array[float], percent: float) -> float:
    """Return the nearest-rank percentile of sorted values."""
    rank = max(1, -int(-percent * len(values) // 100))
    return values[rank - 1]


def request_times(values: array[float]) -> dict[str, float]:
    """Return count, mean, percentiles and maximum in seconds; only the count if there are none."""
    if not values:
        return {"count": 0}
    ordered = array("d", sorted(values))
    times = {"mean": sum(ordered) / len(ordered), "max": ordered[-1]}
    times.update({f"p{percent}": percentile(ordered, percent) for percent in (50, 95, 99)})
    return {"count": len(ordered), **{name: round(value, 6) for name, value in times.items()}}


class Summary:
    """What is counted over a window's lines."""

    def __init__(self) -> None:
        self.requests = self.unparsed = self.cut = self.sent = self.untimed = 0
        self.statuses: Counter[int] = Counter()
        # Of each status, how many lines the access log has more than the error log beside it, or fewer.
        self.unpaired: Counter[int] = Counter()
        self.times = array("d")
        self.open_most = array("d")
        self.open_least = array("d")
        self.decided_by: Counter[str] = Counter()
        self.error_routes = RequestTally()
        self.error_clients = RequestTally()
        self.route_seconds = RequestTally()
        self.route_requests = RequestTally()
        self.errors: deque[str] = deque(maxlen=EVIDENCE_LINES)
        self.slowest: list[tuple[float, str]] = [(0.0, "")] * TOP
        self.odd: deque[str] = deque(maxlen=5)

    def add(self, text: str, request: LoggedRequest | None) -> None:
        """Count one line."""
        if request is None:
            self.unparsed += 1
            self.odd.append(text[:200])
            return
        status = request.status
        if (status >= 400 or status == OTHER) and self._is_told(request):
            return
        self.requests += 1
        self.sent += request.sent
        if status == CUT:
            self.cut += 1
            return
        self.statuses[status] += 1
        if request.took is None:
            self.untimed += 1
        else:
            self._add_time(text, request, request.took)
        if is_server_error(status):
            self.error_routes.add(route_of(request.target))
            self.error_clients.add(request.client[:80])
            self.errors.append(evidence(text, request))

    def _is_told(self, request: LoggedRequest) -> bool:
        """Return whether the line tells of a request that another line has told of.

        Caddy writes a line into its error log, then one into its access log. Where both are one file, the more of the
        two count, for each status. What speaks of no request is told already.
        """
        if request.status == OTHER:
            return True
        if request.is_error_log:
            self.unpaired[request.status] -= 1
            return self.unpaired[request.status] >= 0
        self.unpaired[request.status] += 1
        return self.unpaired[request.status] <= 0

    def _add_time(self, text: str, request: LoggedRequest, took: float | Open) -> None:
        if isinstance(took, Open):
            self.decided_by[took.decided_by] += 1
            if took.most is None or took.least is None:
                self.untimed += 1
                return
            self.open_most.append(took.most)
            self.open_least.append(took.least)
            seconds = took.most
        else:
            self.times.append(took)
            seconds = took
        route = route_of(request.target)
        self.route_seconds.add(route, seconds)
        self.route_requests.add(route)
        if seconds > self.slowest[0][0]:
            heapq.heapreplace(self.slowest, (seconds, evidence(text, request)))

    def _time_data(self) -> dict[str, Any]:
        """Return the request times; where lines leave open which number it is, also as the least would have it."""
        data: dict[str, Any] = {
            "request_time": request_times(self.times + self.open_most),
            "untimed": self.untimed,
        }
        if self.open_least:
            data["request_time_least"] = request_times(self.times + self.open_least)
        if self.decided_by:
            data["time_decided_by"] = self.decided_by.most_common(1)[0][0]
        return data

    def data(self) -> dict[str, Any]:
        """Return the counts as JSON types."""
        classes: Counter[str] = Counter()
        for status, count in self.statuses.items():
            classes[f"{status // 100}xx"] += count
        return {
            "requests": self.requests,
            "unparsed": self.unparsed,
            "unparsed_sample": masked(self.odd[-1]) if self.odd else "",
            "cut_requests": self.cut,
            "server_errors": sum(n for one, n in self.statuses.items() if is_server_error(one)),
            "client_errors": classes["4xx"],
            "status_classes": dict(sorted(classes.items())),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())[:100]},
            "bytes_sent": self.sent,
            **self._time_data(),
            "error_routes": [
                {"route": route, "errors": int(n)} for route, n in self.error_routes.top(TOP)
            ],
            "error_clients": [
                {"client": client, "errors": int(n)} for client, n in self.error_clients.top(TOP)
            ],
            "slow_routes": [
                {
                    "route": route,
                    "requests": int(self.route_requests.counts[route]),
                    "total_seconds": round(seconds, 3),
                }
                for route, seconds in self.route_seconds.top(TOP)
            ],
        }

    def raw(self) -> str:
        """Return some lines behind it: the last with a server error, the slowest, some that are no requests."""
        parts = (
            ("server errors:", list(self.errors)),
            ("slowest:", [text for _seconds, text in sorted(self.slowest, reverse=True) if text]),
            ("not understood:", [masked(text) for text in self.odd]),
        )
        return "\n\n".join("\n".join((title, *lines)) for title, lines in parts if lines)


def masked(text: str) -> str:
    """Return the text without queries, which may be secret."""
    return QUERY.sub("?...", text)


def evidence(text: str, request: LoggedRequest) -> str:
    """Return the line without what may be secret: queries, and all of a JSON line but what was read from it."""
    if text.startswith("{"):
        text = f'{iso_utc(request.at)} {request.client} "{request.target}" {request.status} {request.took}'
    return masked(text[: 4 * EVIDENCE_CHARACTERS])[:EVIDENCE_CHARACTERS]


def observe_log(
    path: str, params: dict[str, Any], host: Host, declared: bool, ends: float
) -> Observation:
    """Return the observation of one log. ends: when reading it has to end."""
    now = host.now()
    since = now - params["window_seconds"]
    try:
        offset = parse_offset(params["utc_offset"])
        place = params.get("time_place", 0)
        parser = Parser(params["time_unit"], params["fields"], now, offset, place)
        window = LogWindow(
            host,
            path,
            parser.stamp,
            since,
            now,
            Bounds(params["limit_bytes"], parser.error_words(), ends),
            newest_in,
        )
        summary = Summary()
        for _at, text in window:
            summary.add(text, parser.parse(text))
        summary.requests += window.skipped_lines
    except (HostError, ValueError) as exc:
        return not_read(path, exc)
    data = {
        "declared": declared,
        "window_seconds": params["window_seconds"],
        "window_start": iso_utc(since),
        "window_end": iso_utc(now),
        "newest_at": iso_utc(window.newest_at),
        **summary.data(),
        "truncated": window.truncated,
        "over_limit": window.over_limit,
        "searched_bytes": window.searched_bytes,
        "cut_lines": window.cut_lines,
        "half_line": window.half_line,
        "part_unread": window.part_unread,
        "read_bytes": window.read_bytes,
        "files": window.files,
    }
    return Observation(path, data, raw=summary.raw())


def newest_in(block: bytes) -> float | None:
    """Return the newest of the times at which requests began, of the loggers that write those."""
    found = [
        _clf(clf.decode("ascii")) if clf else time_value(iso.decode("utf-8", "replace"), 0.0, 0)
        for clf, iso in set(BEGAN.findall(block))
    ]
    return max((at for at in found if at is not None), default=None)


def discover(host: Host) -> Iterable[tuple[str, Observation | None]]:
    """Yield the access logs in the usual places, and folders that cannot be looked into with what is told of them."""
    for folder, pattern in FOLDERS.items():
        try:
            if not host.exists(folder):
                continue
            host.names(folder)
        except HostError as exc:
            yield folder, not_read(folder, exc)
            continue
        found, problem = logs_of(f"{folder}/{pattern}", host)
        for path in found:
            yield path, None
        if found and problem:
            yield f"{folder}/{pattern}", unnamed(f"{folder}/{pattern}", found, problem)


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per access log: the declared ones, or those found in the usual places."""
    shares = Shares(host, TIMEOUT_SECONDS)
    # What is told of each that cannot be read.
    named: dict[str, Observation | None] = {}
    for pattern in params["paths"]:
        paths, problem = logs_of(pattern, host)
        named.update(dict.fromkeys(paths))
        if problem:
            named[pattern] = unnamed(pattern, paths, problem)
    if not params["paths"]:
        named.update(discover(host))
    left = sum(told is None for told in named.values())
    seen = []
    for path, told in named.items():
        if told is not None:
            seen.append(told)
            continue
        seen.append(observe_log(path, params, host, bool(params["paths"]), shares.end_of(left)))
        left -= 1
    seen = [one if one.error else replace(one, of=SET) for one in seen]
    # A pattern passes over folders that it may not read, and what could not be read may be another name of a log.
    whole = host.is_root() and not any(one.error for one in seen)
    return Whole(seen, [SET]) if whole else seen
