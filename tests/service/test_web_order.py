"""What pages list, in which order: what is worst for people who are notified first, and hosts as people count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alert_samples import SCHEDULE, run, schedule, seen, site
from service.page import Visitor, add_users, served
from store_samples import result

from upkeep.model.verdicts import Severity, Status
from upkeep.services.alerts.alerter import Alerter
from upkeep.store import Store, open_store
from upkeep.view.upcoming import Coming
from upkeep.web.routing import Setting

NOW = datetime.now(UTC)
HOSTS = ("web10", "web2", "db1")
RAISED = {"alerts": SCHEDULE["alerts"] | {"severities": [{"check": "http_health", "is": 1}]}}


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A store in which a check that says high is critical for alerts, below many others that say high."""
    opened = open_store(sqlite_url)
    add_users(opened, NOW)
    alerter = Alerter(opened, site(**RAISED))
    checks = [f"check_{number}" for number in range(12)]
    for status, hours in ((Status.PASS, 2), (Severity.HIGH, 1)):
        at = NOW - timedelta(hours=hours)
        answers = []
        for host in HOSTS:
            own = ["zz_last"] if host == "db1" else [*checks, "http_health"]
            results = [result(status, check=one, subject="shop") for one in own]
            answers.append(seen(*results, host=host, at=at, checks=tuple(own)))
        run(opened, at, *answers)
        alerter.step(at)
    yield opened
    opened.close()


@pytest.fixture
def visitor(store: Store) -> Iterator[Visitor]:
    plan = schedule(**RAISED)
    with served(Setting(store, "/srv/site", lambda: plan, Coming(lambda: plan, None))) as url:
        one = Visitor(url)
        one.sign_in("operator")
        yield one
        one.close()


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).replace("\xa0", " ").split())


def test_today_leads_with_what_is_worst_for_those_who_are_notified(visitor: Visitor) -> None:
    page = visitor.get("/").text
    needs = page[page.index('id="needs"') :]

    lead = re.search(r'<p class="lead">([^<]*)', page)
    assert lead is not None
    assert words(lead[1]).startswith("web2 and 1 more: Health endpoint failure")
    first = words(needs.split("<li>")[1])
    assert first.startswith("✗ fail critical web2 Health endpoint failure")
    assert "raised from high to critical for alerts" in first


def test_all_that_the_sentence_names_is_among_what_is_shown(visitor: Visitor) -> None:
    page = visitor.get("/").text
    needs = page[page.index('id="needs"') : page.index("All 27")]  # 8 of them

    assert "; db1: " in page
    assert needs.count("<li>") == 8
    assert "<bdi>db1</bdi>" in needs


def test_a_finding_says_both_severities(visitor: Visitor) -> None:
    listed = visitor.get("/findings?check=http_health").text
    number = re.search(r"/findings/(\d+)", listed)
    assert number is not None

    for page in (listed, visitor.get(number[0]).text):
        assert "✗ fail high" in page
        assert "raised from high to <b>critical</b> for alerts" in page


@pytest.mark.parametrize("path", ["/", "/findings", "/findings?check=check_1", "/alerts/1"])
def test_hosts_are_listed_as_people_count(visitor: Visitor, path: str) -> None:
    rows = words(visitor.get(path).text)
    assert rows.index("web2") < rows.index("web10")
    html = visitor.get(path).text
    hosts = re.findall(r"<b><bdi>(web\d+)</bdi></b>", html)
    pairs: list[Any] = list(zip(hosts[::2], hosts[1::2], strict=False))
    assert pairs
    assert set(pairs) == {("web2", "web10")}
