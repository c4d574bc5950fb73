"""Which form of an answer the header Accept prefers; expected by RFC 9110, sections 12.4.2, 12.5.1 and 5.6.6."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upkeep.web.accept import preferred
from upkeep.web.status import CLASSIC, OPENMETRICS

OFFERED = (CLASSIC, OPENMETRICS)
# As these programs send it: Debian's 2.42, seen; the others from their sources.
PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)
TELEGRAF = f"{PROTOBUF};q=0.7,text/plain;version=0.0.4;q=0.3"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("accept", [PROMETHEUS_2_42, PROMETHEUS_3, f"{PROTOBUF},{PROMETHEUS_3}"])
def test_prometheus_gets_openmetrics(accept: str) -> None:
    assert preferred(accept, OFFERED) == OPENMETRICS


@pytest.mark.parametrize("accept", ["", "*/*", TELEGRAF, BROWSER, "text/plain", "text/*"])
def test_who_does_not_ask_for_openmetrics_gets_the_classic_text(accept: str) -> None:
    assert preferred(accept, OFFERED) == CLASSIC


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/openmetrics-text", OPENMETRICS),
        ("application/*", OPENMETRICS),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.4", CLASSIC),
        ("text/plain;q=0.4, application/openmetrics-text;q=0.5", OPENMETRICS),
        ("application/openmetrics-text, text/plain", CLASSIC),
        ("application/openmetrics-text, */*", OPENMETRICS),
        ("text/plain;q=0.001, */*;q=1", OPENMETRICS),
        ("application/openmetrics-text;q=0, */*;q=0.1", CLASSIC),
        ("text/plain;q=0, */*;q=0.1", OPENMETRICS),
        ("text/plain;q=0.2, text/plain;version=0.0.4;q=0.9, application/*;q=0.5", CLASSIC),
        ("APPLICATION/OpenMetrics-Text ; Version=1.0.0 ; Q=1", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"; x="a,b;q=0"', OPENMETRICS),
        (" , ,application/openmetrics-text,,", OPENMETRICS),
    ],
)
def test_weights_and_ranges_decide(accept: str, expected: str) -> None:
    assert preferred(accept, OFFERED) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=9.9.9",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=2",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=much",
        "application/openmetrics-text-2",
        "application/json, text/html;q=0.9",
        "*/plain",
        "text/plain;q=0, application/openmetrics-text;q=0",
        ";q=1",
        '"',
    ],
)
def test_what_is_not_ours_or_cannot_be_read_gets_the_classic_text(accept: str) -> None:
    assert preferred(accept, OFFERED) == CLASSIC


@given(st.text(st.sampled_from("a/*;=q,\"\\ 01.'%openmetrics-text"), max_size=60))
def test_any_header_is_answered(accept: str) -> None:
    assert preferred(accept, OFFERED) in OFFERED
