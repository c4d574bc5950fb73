"""JSON access logs whose logger does not escape what clients send: a client can accuse itself, but hide nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import access_log

NOW = 1_795_422_720.0
NEW = "2026-11-23T08:31:06Z"
AT = 1_795_422_666.0
HEAD = f'{{"time":"{NEW}","request":"GET /","status":502,"request_time":8.1,"agent":"'
OLD = "2020-01-01T00:00:00Z"


def read(line: str, now: float = NOW) -> tuple[float | None, access_log.LoggedRequest | None]:
    parser = access_log.Parser("auto", {}, now, 0)
    return parser.stamp(line), parser.parse(line)


@pytest.mark.parametrize(
    "line",
    [
        f'{HEAD}x"}}',
        f'{HEAD}x","time":"{OLD}"}}',
        f'{HEAD}x","time":"2098-01-01T00:00:00Z"}}',
        f'{HEAD}x","time":"no time"}}',
        f'{HEAD}x","request_time":0.001}}',
        f'{HEAD}x","request_time":"1ms"}}',
        f'{HEAD}x","request_time":"-"}}',
        f'{HEAD}x","status":200,"time":"{OLD}","request_time":0}}',
        f'{HEAD}x","time":"{OLD}","b"c"}}',
        f'{HEAD}x","time_iso8601":"{OLD}","b"c"}}',
        f'{{"agent":"x","time":"{OLD}","request_time":0,"z":"","time":"{NEW}","status":502,"request_time":8.1}}',
        f'{{"agent":"x"y","time":"{OLD}","request_time":0,"z":"","time":"{NEW}","status":502,"request_time":8.1}}',
    ],
    ids=[
        *("nothing", "old time", "future time", "no time", "short", "short with unit", "none"),
        *("all three", "old time and a quote", "old time of another name and a quote"),
        *("before the logger's own", "before the logger's own, and a quote"),
    ],
)
def test_a_second_value_hides_neither_the_request_nor_its_time(line: str) -> None:
    at, request = read(line)

    assert at == AT
    assert request is not None
    assert (request.status, request.took) == (502, 8.1)


def test_the_same_name_in_an_inner_object_is_another_field() -> None:
    line = {"time": NEW, "status": 200, "duration": 0.012, "event": {"duration": 12_000_000}}

    _at, request = read(json.dumps(line))

    assert request is not None
    assert request.took == 0.012


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        *((flags, 503) for flags in ("UF", "UH", "UO", "UT", "UF,URX", "URX,UF")),
        *((flags, 0) for flags in ("DC", "DPE", "-", "", None, "NR", "DC,UC")),
    ],
)
def test_envoys_connection_without_a_status_is_an_error_if_the_upstream_failed(
    flags: Any, status: int
) -> None:
    line = {"start_time": NEW, "response_code": 0, "response_flags": flags, "duration": 12}

    _at, request = read(json.dumps(line))

    assert request is not None
    assert request.status == status


@pytest.mark.parametrize(
    ("logger", "is_caddys"),
    [
        *((name, True) for name in ("http", "http.handlers.reverse_proxy", "http.log", "tls")),
        *((name, True) for name in ("http.auto_https", "tls.obtain", "admin", "events")),
        *(
            (name, False)
            for name in ("http.server", "http.client", "http-nio-8080", "https", "app")
        ),
    ],
)
def test_lines_of_another_program_are_not_taken_for_caddys_own(
    logger: str, is_caddys: bool
) -> None:
    line = {"level": "error", "ts": AT, "logger": logger, "msg": "GET / 500"}

    _at, request = read(json.dumps(line))

    assert (request is not None) == is_caddys


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ({"status": 200, "response_code": 503}, 503),
        ({"status": 503, "response_code": 200}, 503),
        ({"status": "ok", "status_code": 500}, 500),
        ({"status": 200, "status_code": 304}, 304),
        ({"response_code": 404}, 404),
    ],
)
def test_of_several_statuses_the_one_that_accuses_counts(
    names: dict[str, Any], status: int
) -> None:
    _at, request = read(json.dumps({"time": NEW, "request": "GET /", **names}))

    assert request is not None
    assert request.status == status
