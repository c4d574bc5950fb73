"""Access logs as nginx, Apache, Caddy and Traefik write them, and as nobody should."""

from __future__ import annotations

import calendar
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web._request_times import Open
from ansible_collections.astral.upkeep.plugins.module_utils.gather.web.access_log import (
    ARGUMENTS,
    Parser,
    gather,
    route_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, to_wire
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import clf_time

RECORDED = Path(__file__).parents[2] / "recorded" / "web" / "access_log"
NOW = calendar.timegm((2026, 11, 23, 8, 32, 0))


def params(**given: Any) -> dict[str, Any]:
    return {**{name: spec["default"] for name, spec in ARGUMENTS.items()}, **given}


def observe(text: str | bytes, now: float = NOW, **given: Any) -> Observation:
    host = RecordedHost({"/x.log": text}, clock=now)
    (seen,) = gather(params(paths=["/x.log"], **given), host)
    return seen


def one(text: str, **given: Any) -> Any:
    parser = Parser(given.get("time_unit", "auto"), given.get("fields", {}), NOW, 0)
    return parser.parse(text)


@pytest.mark.parametrize(
    ("name", "requests", "errors", "timed"),
    [
        ("nginx_combined", 18, 5, 0),
        ("nginx_timed", 18, 5, 18),
        ("nginx_named", 18, 5, 18),
        ("nginx_json", 18, 5, 18),
        ("apache_vhost", 17, 3, 0),
        ("apache_timed", 17, 3, 0),
    ],
)
def test_recorded_logs_are_read_whole(name: str, requests: int, errors: int, timed: int) -> None:
    seen = observe((RECORDED / f"{name}.log").read_bytes())

    assert seen.error == ""
    assert seen.data["requests"] == requests
    assert seen.data["server_errors"] == errors
    assert seen.data["request_time"]["count"] == timed
    assert seen.data["unparsed"] == 0
    assert {item["client"] for item in seen.data["error_clients"]} == {"127.0.0.1"}
    assert seen.data["error_routes"][0] == {"route": "GET /broken", "errors": 3}


def test_apaches_microseconds_are_read_when_told() -> None:
    seen = observe((RECORDED / "apache_timed.log").read_bytes(), time_unit="us")

    assert seen.data["request_time"]["count"] == 17
    assert seen.data["request_time"]["max"] == 0.000628


def test_secrets_in_queries_are_not_in_the_evidence() -> None:
    for path in sorted(RECORDED.glob("*_[!s]*.log")):
        wire = json.dumps(to_wire(observe(path.read_bytes())))

        assert "/broken" in wire
        assert "4111" not in wire
        assert "s3cret" not in wire
        assert "secret=1" not in wire


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 "-" "x" 0.125', 0.125),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 0.125 "-" "x"', 0.125),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 "-" "x" rt="0.125"', 0.125),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 "-" "x" request_time=0.125', 0.125),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 "-" "x" 712 0.125 0.1', 0.125),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/2.0" 401 17 "-" "x" 72 "f" "/d/" 12ms', 0.012),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 "-" "x" 125', None),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 "-" "x 9.5 rt=9.5"', None),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3 "-" "x" "0.001"', None),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3', None),
    ],
)  # fmt: skip
def test_a_request_time_is_found_where_no_client_can_write(
    line: str, seconds: float | None
) -> None:
    request = one(line)

    assert request is not None
    took = request.took
    assert (took.most if isinstance(took, Open) else took) == seconds


@pytest.mark.parametrize(
    ("line", "client"),
    [
        ('1.2.3.4 - bob [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3', "1.2.3.4"),
        ('2001:db8::1 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3', "2001:db8::1"),
        ('h.example - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3', "h.example"),
        ('shop:443 1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3', "1.2.3.4"),
        ('1.2.3.4 - a [x] [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3', "1.2.3.4"),
        ('1.2.3.4 - 5.6.7.8 [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3', "1.2.3.4"),
    ],
)
def test_the_client_is_found_with_and_without_a_virtual_host(line: str, client: str) -> None:
    assert one(line).client == client


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '{"level":"info","ts":1795422666.5,"msg":"handled request","request":{"remote_ip":"1.2.3.4",'
            '"method":"GET","uri":"/a?b"},"duration":0.25,"size":10900,"status":502}',
            (1795422666.5, "1.2.3.4", "GET /a?b", 502, 10900, 0.25),
        ),
        (
            '{"ClientHost":"1.2.3.4","DownstreamContentSize":5,"DownstreamStatus":200,"Duration":250000000,'
            '"RequestMethod":"GET","RequestPath":"/a","StartUTC":"2026-11-23T08:31:06Z"}',
            (1795422666.0, "1.2.3.4", "GET /a", 200, 5, 0.25),
        ),
        (
            '{"time":"23/Nov/2026:08:31:06 +0000","remote_addr":"1.2.3.4","request":"GET /a HTTP/1.1",'
            '"status":"404","bytes":"7","request_time":"0.250"}',
            (1795422666.0, "1.2.3.4", "GET /a HTTP/1.1", 404, 7, 0.25),
        ),
    ],
    ids=["caddy", "traefik", "nginx with texts"],
)
def test_json_lines_are_read(line: str, expected: tuple[Any, ...]) -> None:
    request = one(line)

    assert (*request[:5], request.took) == expected


def test_json_fields_can_be_named() -> None:
    line = '{"when": 1795422666, "http": {"code": 500, "took": "12ms"}, "status": 200}'

    request = one(line, fields={"time": "when", "status": "http.code", "request_time": "http.took"})

    assert (request.status, request.took) == (500, 0.012)


@pytest.mark.parametrize(
    "line",
    [
        *("", "junk", "{", "{}", "[]", '{"time": 1}', '{"status": true, "time": 1795422666}'),
        '{"status": 1e999, "time": 1795422666}',
        '{"a":' * 20_000,
        '1.2.3.4 - - [99/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3',
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 2000 3',
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1',
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 200 3x',
        "\0\xff",
    ],
)
def test_what_is_no_request_is_none(line: str) -> None:
    assert one(line) is None


@pytest.mark.parametrize(
    "line",
    [
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "' * 1500,
        "1.2.3.4 " + "[23/Nov/2026:08:31:06 +0000] " * 2000,
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "' + "\\" * 60_000,
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "x" 200 3 ' + '"' * 60_000,
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "x" 200 3 ' + 'a="' * 20_000,
        '1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET /' + "a/" * 30_000 + '" 500 3',
        "x" * 65_000,
        " " * 65_000,
    ],
)
def test_no_line_takes_long(line: str) -> None:
    start = time.process_time()
    request = one(line)
    if request:
        route_of(request.target)

    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    ("target", "route"),
    [
        ("GET /users/123?token=x HTTP/1.1", "GET /users/:id"),
        ("GET /a/0e3dcb7e-9e2f-4a52-9f6d-3f2f8b1f1a11/b HTTP/1.1", "GET /a/:id/b"),
        ("GET /deadbeef00 HTTP/1.1", "GET /:id"),
        ("GET /features/cafe HTTP/1.1", "GET /features/cafe"),
        ("GET http://other.example/x/1 HTTP/1.1", "GET /x/:id"),
        ("\\x16\\x03\\x01", "(no HTTP request)"),
        ("", "(no HTTP request)"),
        ("/a/1", "/a/:id"),
    ],
)
def test_a_route_has_no_query_and_no_identifiers(target: str, route: str) -> None:
    assert route_of(target) == route


def combined(at: float, status: int = 200, rest: str = "") -> str:
    clock = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
    return f'192.0.2.7 - - [{clock}] "GET /a HTTP/1.1" {status} 3 "-" "x"{rest}\n'


def test_percentiles_are_nearest_rank() -> None:
    text = "".join(combined(NOW - 9, rest=f" {n / 100:.3f}") for n in range(100, 0, -1))

    times = observe(text).data["request_time"]

    assert times == {"count": 100, "mean": 0.505, "max": 1.0, "p50": 0.5, "p95": 0.95, "p99": 0.99}


def test_only_the_window_counts_and_junk_in_it_is_told() -> None:
    text = (
        combined(NOW - 301, 500)
        + "old junk\n"
        + combined(NOW - 300)
        + "junk\n\xff\n"
        + combined(NOW)
    )

    seen = observe(text)

    assert (seen.data["requests"], seen.data["server_errors"], seen.data["unparsed"]) == (2, 0, 2)
    assert seen.data["newest_at"] == "2026-11-23T08:32:00+00:00"
    assert "junk" in seen.raw


def test_a_log_of_nothing_known_is_told_as_such() -> None:
    seen = observe("what is this\n" * 9)

    assert (seen.data["requests"], seen.data["unparsed"], seen.data["newest_at"]) == (0, 9, None)


def test_very_many_routes_and_clients_stay_bounded() -> None:
    lines = []
    for n in range(11_000):
        lines.append(
            f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} - - [23/Nov/2026:08:31:06 +0000] "
            f'"GET /x{n:x}z HTTP/1.1" 500 3 "-" "x" 0.1\n'
        )
    lines += [combined(NOW - 1, 503, " 0.1")] * 50
    seen = observe("".join(lines))

    assert seen.data["server_errors"] == 11_050
    assert seen.data["error_clients"][0] == {"client": "192.0.2.7", "errors": 50}
    assert len(json.dumps(to_wire(seen))) < 60_000


def test_a_log_that_cannot_be_read_is_an_error_with_advice() -> None:
    class Closed(RecordedHost):
        def open(self, path: str, follow_links: bool = True) -> Any:
            raise HostError(f"{path}: permission denied")

    missing = gather(params(paths=["/x.log"]), RecordedHost())
    closed = gather(params(paths=["/x.log"]), Closed())

    gone = {"cannot": ["missing", "/x.log"]}
    assert missing == [Observation("/x.log", gone, error="/x.log: no such file or directory")]
    assert closed[0].error.startswith("/x.log: permission denied; observe with become")


def test_a_wrong_offset_is_an_error() -> None:
    assert observe("x\n", utc_offset="Berlin").error == "no UTC offset such as +02:00: 'Berlin'"


def test_a_field_that_does_not_exist_is_an_error_with_the_right_names() -> None:
    assert observe("x\n", fields={"stauts": "code"}).error == (
        "fields: no 'stauts'; there are time, status, request, method, client, bytes, request_time"
    )


def test_logs_in_the_usual_places_are_found() -> None:
    host = RecordedHost(
        {
            "/var/log/nginx/access.log": combined(NOW),
            "/var/log/nginx/access.log.1": combined(NOW - 10),
            "/var/log/nginx/shop.access.log": "",
            "/var/log/apache2/other_vhosts_access.log": "",
            "/var/log/nginx/error.log": "x",
        },
        clock=NOW,
    )
    seen = {item.subject: item.data for item in gather(params(), host)}

    assert sorted(seen) == [
        "/var/log/apache2/other_vhosts_access.log",
        "/var/log/nginx/access.log",
        "/var/log/nginx/shop.access.log",
    ]
    assert seen["/var/log/nginx/access.log"]["requests"] == 2
    assert seen["/var/log/nginx/access.log"]["declared"] is False


def test_nothing_is_found_where_nothing_is() -> None:
    assert gather(params(), RecordedHost()) == []


def test_a_pattern_finds_logs_or_is_an_error() -> None:
    host = RecordedHost({"/srv/a/access.log": combined(NOW)}, clock=NOW)

    seen = gather(params(paths=["/srv/*/access.log", "/none/*.log"]), host)

    assert [item.subject for item in seen] == ["/srv/a/access.log", "/none/*.log"]
    assert seen[1].error == "/none/*.log: no log has this name"


def test_a_device_is_refused_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.log").symlink_to("/dev/zero")

    (seen,) = gather(params(paths=[str(tmp_path / "x.log")]), Host())

    assert "not a regular file" in seen.error


def test_a_public_log_agrees_with_goaccess() -> None:
    samples = os.environ.get("UPKEEP_SAMPLES")
    if not samples:
        pytest.skip("UPKEEP_SAMPLES names no folder with sample logs")
    folder = Path(samples) / "access_logs"
    expected = json.loads((folder / "elastic_apache_first_half.expected.json").read_text())
    data = (folder / "elastic_apache_first_half.log").read_bytes()
    newest = max(clf_time(line.split("[")[1]) or 0 for line in data.decode().splitlines())

    seen = observe(data, now=newest, window_seconds=86_400 * 30).data

    assert seen["requests"] == expected["lines"]
    assert seen["unparsed"] == expected["unparsed"]
    assert seen["statuses"] == dict(sorted(expected["status"].items()))
    assert seen["bytes_sent"] == expected["goaccess"]["bandwidth"]
    assert seen["server_errors"] / seen["requests"] == expected["error_rate_5xx"]


COMBINED = '198.51.100.7 - - [23/Nov/2026:08:31:50 +0000] "{}" {} 5 "-" "x"'
JSON_LINE = '{{"time":"2026-11-23T08:31:50+00:00","request":"{}","status":{},"body_bytes_sent":5}}'


@pytest.mark.parametrize("line", [COMBINED, JSON_LINE], ids=["combined", "json"])
@pytest.mark.parametrize(
    ("status", "errors"),
    [(499, 0), (500, 1), (501, 0), (502, 1), (504, 1), (505, 0), (507, 1), (599, 1), (600, 0)],
)
def test_a_status_that_a_client_can_choose_is_no_server_error(
    line: str, status: int, errors: int
) -> None:
    seen = observe(line.format("GET / HTTP/1.1", status) + "\n")

    assert (seen.data["requests"], seen.data["server_errors"]) == (1, errors)


@pytest.mark.parametrize("forged", [501, 505, 600, 999])
def test_a_forged_status_beside_an_error_does_not_hide_it(forged: int) -> None:
    combined = COMBINED.format(f'GET /" {forged} 5 "-" "y HTTP/1.1', 500)
    loose = JSON_LINE.format(f'GET /","status":{forged},"x":" HTTP/1.1', 500)

    for line in (combined, loose, loose.replace('"x"', '"x"y')):
        assert observe(line + "\n").data["server_errors"] == 1, line


def caddy(logger: str, status: int, **more: Any) -> str:
    request = {"client_ip": "192.0.2.9", "method": "GET", "uri": "/a"}
    line = {"level": "error", "ts": NOW - 9, "logger": logger, "msg": "m", "request": request}
    return json.dumps({**line, "duration": 0.5, "status": status, **more}) + "\n"


ACCESS, ERROR = "http.log.access.log0", "http.log.error.log0"


@pytest.mark.parametrize(
    ("lines", "requests", "errors"),
    [
        ([(ACCESS, 502), (ERROR, 502)], 1, 1),
        ([(ERROR, 502), (ACCESS, 502)], 1, 1),
        ([(ERROR, 502), (ERROR, 502), (ACCESS, 502), (ACCESS, 502)], 2, 2),
        ([(ERROR, 502), (ERROR, 502), (ACCESS, 502)], 2, 2),
        ([(ACCESS, 502), (ACCESS, 502)], 2, 2),
        ([(ERROR, 502), (ERROR, 500)], 2, 2),
        ([(ERROR, 502), (ACCESS, 503)], 2, 2),
        ([(ERROR, 404), (ACCESS, 404), (ACCESS, 200)], 2, 0),
        ([(ACCESS, 0), (ACCESS, 200)], 2, 0),
    ],
)
def test_a_request_that_caddy_logs_twice_is_one(
    lines: list[tuple[str, int]], requests: int, errors: int
) -> None:
    seen = observe("".join(caddy(*line) for line in lines)).data

    assert (seen["requests"], seen["server_errors"], seen["unparsed"]) == (requests, errors, 0)
    assert sum(item["errors"] for item in seen["error_routes"]) == errors
    assert seen["request_time"]["count"] == requests


@pytest.mark.parametrize(
    ("line", "unread"),
    [
        ({"logger": "tls.obtain", "msg": "acquiring lock"}, 0),
        ({"logger": "http.handlers.reverse_proxy", "msg": "aborting with incomplete response"}, 0),
        ({"msg": "serving initial configuration"}, 0),
        ({"msg": "request", "code": 500}, 1),
        ({"logger": "http.log.access.log0", "msg": "handled request"}, 1),
        ({"logger": "app", "msg": "request", "code": 500}, 1),
        ({"logger": ["tls"], "msg": "x"}, 1),
    ],
)
def test_what_caddy_says_of_itself_is_no_request(line: dict[str, Any], unread: int) -> None:
    seen = observe(json.dumps({"level": "info", "ts": NOW - 9, **line}) + "\n").data

    assert (seen["requests"], seen["unparsed"]) == (0, unread)


OWN = '192.0.2.9 - - [23/Nov/2026:08:31:06 +0000] "GET /a HTTP/1.1" 500 3'
OWN_JSON = (
    '{"time":"2026-11-23T08:31:06Z","remote_addr":"192.0.2.9","status":500,"request":"GET /a"}'
)


@pytest.mark.parametrize("own", [OWN, OWN_JSON], ids=["combined", "json"])
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "Nov 23 08:31:06 lb1 nginx: ",
        "Nov  3 08:31:06 lb1 nginx[77]: ",
        "<190>Nov 23 08:31:06 lb1 nginx: ",
        "<190>Nov 23 08:31:06 nginx: ",
        "2026-11-23T08:31:06.123456+00:00 lb1 nginx: ",
        "2026-11-23T08:31:06.123456789Z stdout F ",
    ],
)
def test_what_a_syslog_or_a_container_puts_in_front_is_not_the_client(
    own: str, prefix: str
) -> None:
    request = one(prefix + own)

    assert request is not None
    assert (request.client, request.status, request.at) == ("192.0.2.9", 500, 1795422666)


@pytest.mark.parametrize("own", [OWN, OWN_JSON], ids=["combined", "json"])
def test_a_line_that_docker_has_wrapped_is_read(own: str) -> None:
    line = json.dumps({"log": own + "\n", "stream": "stdout", "time": "2026-11-23T08:31:06.1Z"})

    request = one(line)

    assert request is not None
    assert (request.client, request.status) == ("192.0.2.9", 500)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('1.2.3.4 - - [23/Nov/2026:08:31:06.123 +0000] "GET / HTTP/1.1" 200 3', 200),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 000 0', 0),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" 0 0', 0),
        ('1.2.3.4 - - [23/Nov/2026:08:31:06 +0000] "GET / HTTP/1.1" - -', 0),
        ('{"time": 1795422666, "response_code": 0}', 0),
    ],
)
def test_a_client_that_went_away_has_no_status(line: str, status: int) -> None:
    request = one(line)

    assert request is not None
    assert request.status == status
