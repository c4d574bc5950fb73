"""Documents of health endpoints, kind and hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web.http_health import (
    UnreadableError,
    _raw,
    components,
    find,
    parse_json,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import labels, masked_value
from ansible_collections.astral.upkeep.plugins.module_utils.host.web import HttpAnswer, split_url


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"[" * 100_000, "JSON nested too deep"),
        (b'{"a":' * 100_000, "JSON nested too deep"),
        (b'{"status": NaN}', "JSON with NaN"),
        (b'{"status": -Infinity}', "JSON with -Infinity"),
        (b'{"n": 1e999}', "JSON with the number 1e999"),
        (b'{"n": ' + b"9" * 500_000 + b"}", "JSON with a number of 500000 digits"),
        (b'{"status": "ok", "status": "down"}', "JSON with the name 'status' twice in one object"),
        (b'{"status": "\xff"}', "JSON that is not UTF-8"),
    ],
)
def test_json_that_two_readers_would_not_agree_on(body: bytes, problem: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        parse_json(body)

    assert str(caught.value) == problem


def test_json_that_was_cut_is_not_read() -> None:
    with pytest.raises(UnreadableError, match="JSON of more than 7 bytes"):
        parse_json(b'{"a": 1', truncated=True)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": 1', b"ok"])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ValueError, match="not JSON") as caught:
        parse_json(body)

    assert not isinstance(caught.value, UnreadableError)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("status", {"found": True, "value": "ok"}),
        ("checks.0.status", {"found": True, "value": "pass"}),
        ("checks.1.status", {"found": False}),
        ("a.b.c", {"found": True, "value": 1}),
        ("checks", {"found": True, "value": "(a list of 1)"}),
        ("status.x", {"found": False}),
        ("none", {"found": True, "value": None}),
        ("", {"found": True, "value": "(an object of 4)"}),
    ],
)
def test_a_path_leads_to_a_value(path: str, found: dict[str, Any]) -> None:
    document = {"status": "ok", "checks": [{"status": "pass"}], "a.b": {"c": 1}, "none": None}

    assert find(document, path) == found


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"status": "UP", "components": {"db": {"status": "DOWN", "details": {"x": "DOWN"}}}},
            {"status": "UP", "components.db.status": "DOWN", "components.db.details.x": "DOWN"},
        ),
        (
            {"status": "pass", "checks": {"pg:conn": [{"status": "fail"}]}},
            {"status": "pass", "checks.pg:conn.0.status": "fail"},
        ),
        ({"checks": {"database": "up", "n": 3}}, {"checks.database": "up"}),
        ({"healthy": False, "error": "none"}, {"healthy": False}),
        (["ok"], {}),
        ("ok", {}),
    ],
    ids=["actuator", "draft-inadarei", "plain", "a boolean", "a list", "a text"],
)
def test_components(document: Any, expected: dict[str, Any]) -> None:
    assert {one["path"]: one["state"] for one in components(document)} == expected


def test_a_large_document_gives_few_components() -> None:
    deep: Any = {"status": "x" * 10_000}
    for _level in range(500):
        deep = {"checks": deep}
    wide = {"checks": {f"c{number}": {"status": "up"} for number in range(10_000)}}

    assert components(deep) == []
    assert len(components(wide)) == 100
    assert len(json.dumps(components(wide))) < 10_000


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://u:secret@h:8443/p?token=abc&x#f", "https://h:8443/p?token=*&*"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://[::1/", "http://[::1/"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, expected: str) -> None:
    assert masked_value(url) == expected


def test_two_urls_that_look_the_same_are_numbered() -> None:
    assert list(labels(["http://h/?a=1", "http://h/?a=2"]).values()) == [
        "http://h/?a=*",
        "http://h/?a=* (2)",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/",
        "http://",
        "h:80",
        "http://h/a b",
        "http://h/\r\nX: y",
        "http://h:0/",
        "http://h:99999/",
    ],
)
def test_what_is_no_web_address(url: str) -> None:
    with pytest.raises(ValueError):
        split_url(url)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Content-Type", True),
        ("Server", True),
        ("Keep-Alive", True),
        ("Cache-Control", True),
        ("Location", True),
        ("Set-Cookie", False),
        ("SET-COOKIE2", False),
        ("WWW-Authenticate", False),
        ("Authorization", False),
        ("Authentication-Info", False),
        ("X-Auth-Token", False),
        ("X-Api-Key", False),
        ("X-CSRF-Token", False),
        ("X-Amz-Security-Token", False),
        ("X-Session-Id", False),
        ("X-Vault-Secret", False),
        ("Signature-Input", False),
    ],
)
def test_headers_that_may_let_somebody_in_are_no_evidence(name: str, kept: bool) -> None:
    answer = HttpAnswer(200, "OK", [(name, "hidden-or-not")], b'{"a": "body"}', False, {}, "", [])

    assert ("hidden-or-not" in _raw(answer, {}, keep_body=False)) is kept
    assert "body" not in _raw(answer, {}, keep_body=False)
    assert "body" in _raw(answer, {}, keep_body=True)


def test_what_was_asked_for_is_evidence() -> None:
    answer = HttpAnswer(200, "OK", [], b"", False, {}, "", [])
    asked = [
        {"path": "status", "wanted": "ok", "found": True, "value": "down"},
        {"path": "db.0", "wanted": "ok", "found": False},
    ]
    data = {"json": asked, "contains": {"wanted": "well", "found": False}}

    said = _raw(answer, data, keep_body=False)

    assert said == '200 OK\n\nstatus = "down"\ndb.0 = not there\n"well" is not there'


@pytest.mark.parametrize(
    ("document", "states"),
    [
        ({"components": {"db": "up"}}, ["up"]),
        ({"checks": {"db": "out of service"}}, ["out of service"]),
        ({"checks": {"db": True}}, [True]),
        ({"details": {"password": "hunter2", "dsn": "db://u@h/x", "id": "a" * 40}}, []),
        ({"status": "UP 2.1 (build 7)"}, ["UP 2.1 (build 7)"]),
        ({"token": "ok"}, []),
    ],
)
def test_only_what_looks_like_a_state_is_one(document: Any, states: list[Any]) -> None:
    assert [one["state"] for one in components(document)] == states
