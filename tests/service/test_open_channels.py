"""What a host says goes over no channel that may not carry it: not its text, not its title, not a header."""

from __future__ import annotations

import base64
import os
import quopri
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace

import pytest
from alert_samples import full, minutes, run, schedule, seen, site
from service.conftest import on_postgresql
from service.receivers import Mails, Posts, http_server, mail_server

from upkeep.model import clock
from upkeep.model.verdicts import Severity, Status
from upkeep.services.alerts.alerter import Alerter
from upkeep.services.alerts.sender import Sender
from upkeep.store import Store

CANARIES = ("canarysubject", "canaryaccount", "canaryvalue4711", "canaryremedy")
KINDS = ("mailto", "json", "form", "xml")
"""apprise's generic ways out, of which each gives the message another form."""


@pytest.fixture(scope="module")
def receivers() -> Iterator[tuple[str, Mails, str, Posts]]:
    with mail_server() as (mailto, mails), http_server() as (hook, posts):
        yield mailto, mails, hook, posts


def decoded(raw: bytes) -> str:
    """Return what stands in the bytes, in whichever way it was packed."""
    text = raw.decode("utf-8", "replace")
    parts = [
        text,
        quopri.decodestring(raw).decode("utf-8", "replace"),
        urllib.parse.unquote_plus(text),
    ]
    for line in text.replace("\r\n", "\n").split("\n\n"):
        try:
            parts.append(
                base64.b64decode(line.replace("\n", ""), validate=True).decode("utf-8", "replace")
            )
        except ValueError:
            continue
    return "\n".join(parts)


@on_postgresql
@pytest.mark.parametrize("phi", [False, True], ids=["may not", "may"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_gets_what_it_may_carry(
    kind: str, phi: bool, store: Store, receivers: tuple[str, Mails, str, Posts]
) -> None:
    mailto, mails, hook, posts = receivers
    url = mailto if kind == "mailto" else f"{kind}://{hook.partition('://')[2]}"
    plan = schedule()
    channels = {
        name: known.model_copy(update={"phi": phi, "local": True})
        for name, known in plan.channels.items()
    }
    one = replace(site(), schedule=plan.model_copy(update={"channels": channels}))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("UPKEEP_")}
    environ |= {known.url_from: url for known in channels.values()}
    mails.raw.clear()
    posts.raw.clear()
    alerter, begin = Alerter(store, one), clock.now() - minutes(60)
    subject, account, value, remedy = CANARIES
    told = {"message": f"{account} has {value}, at most 90", "remedy": f"rm {remedy}"}
    said = replace(full(Severity.CRITICAL, f"/home/{subject}"), **told)

    run(store, begin, seen(full(Status.PASS, f"/home/{subject}"), at=begin))
    alerter.step(begin)
    for result in (said, full(Status.PASS, f"/home/{subject}")):
        now = clock.now()
        run(store, now, seen(result, at=now))
        alerter.step(clock.now())
        Sender(store, one, environ).step(clock.now())

    raw = mails.raw if kind == "mailto" else posts.raw
    got = [decoded(each) for each in raw]
    assert any("Low disk space on web1" in each for each in got)
    assert any("recovered" in each for each in got)
    if phi:
        assert [word for word in CANARIES if not any(word in each for each in got)] == []
    else:
        assert [word for word in CANARIES if any(word in each for each in got)] == []
