"""Today's limits go to what a run has asked for, though its requests are stored without secrets."""

from __future__ import annotations

from typing import Any

import pytest
from store_samples import NOW

from upkeep.judging.check import load
from upkeep.judging.entries import validate
from upkeep.judging.limits import limits_now, public
from upkeep.judging.wanted import of_list
from upkeep.model.answer import Due, Observed, Outcome, Request

A, B = "http://h/?token=aaaa", "http://h/?token=bbbb"


def asked(*urls: str, masked: bool = True) -> Observed:
    """What a run asked a host for, a request for each URL; not masked as an older program stored it."""
    return Observed(
        "web1",
        Outcome.OK,
        NOW,
        requests=tuple(Request("http_health", params(url, masked=masked)) for url in urls),
        due=tuple(Due("http_health", index, {"mean_seconds": 1}) for index in range(len(urls))),
    )


def params(url: str, *, masked: bool) -> dict[str, Any]:
    valid = validate(load()["http_health"], {"urls": [url]})
    return public("http_health", valid) if masked else valid


def entry(url: str, seconds: float, **other: Any) -> dict[str, Any]:
    return {"check": "http_health", "urls": [url], "mean_seconds": seconds, **other}


@pytest.mark.parametrize(
    ("observed", "entries", "limits", "kept"),
    [
        (asked(A), [entry(A, 5)], [5], []),
        (asked(A, masked=False), [entry(A, 5)], [5], []),
        (asked(A, B), [entry(A, 5), entry(B, 7)], [5, 7], []),
        (asked(A, B), [entry(A, 5)], [1, 1], ["http_health"]),
        (asked(A), [entry("http://i/", 5)], [1], ["http_health"]),
        (asked(A), [entry(A, 5, tries=9)], [1], ["http_health"]),
        (asked(A), ["failed_logins", entry(A, 5)], [5], []),
        (asked(A), [], [1], ["http_health"]),
    ],
    ids=["one", "stored in clear", "two by order", "one of two", "another", "other tries", "more", "none"],
)  # fmt: skip
def test_limits_of_today(
    observed: Observed, entries: list[Any], limits: list[float], kept: list[str]
) -> None:
    due, said = limits_now(observed, of_list(entries, load()))

    assert [one.limits["mean_seconds"] for one in due] == limits
    assert said == kept


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("database_connect", {"databases": [{"kind": "redis", "name": "x", "password": "pw12"}]}),
        ("http_health", {"urls": ["http://h/"], "headers": {"Authorization": "Bearer x"}}),
        ("http_health", {"urls": ["http://u:pw@h/"], "body": "secret"}),
        ("external_service", {"services": ["https://u:pw@h/?a=1"]}),
    ],
    ids=["a password", "a header", "a user in the URL", "a service"],
)
def test_a_secret_parameter_does_not_keep_old_limits(check: str, given: dict[str, Any]) -> None:
    gather = load()[check].gather
    valid = validate(load()[check], given)
    stored = Request(gather, public(gather, valid))
    observed = Observed(
        "web1", Outcome.OK, NOW, requests=(stored,), due=(Due(check, 0, {"old": 1}),)
    )

    due, kept = limits_now(observed, of_list([{"check": check, **given}], load()))

    assert (due[0].limits, kept) == ({}, [])
    assert "pw" not in str(stored)
    assert "Bearer" not in str(stored)
