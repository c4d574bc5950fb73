"""The sender with real receivers: at least once, never stuck behind a channel, and no secret anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from alert_samples import full, minutes, run, schedule, seen, site
from patience import PATIENCE_SECONDS, eventually
from service.conftest import on_postgresql
from service.receivers import Mails, Posts, http_server, mail_server
from sqlalchemy import select, update

from upkeep.model import clock
from upkeep.model.verdicts import Severity, Status
from upkeep.services.alerts import channels
from upkeep.services.alerts.alerter import Alerter
from upkeep.services.alerts.channels import Parcel
from upkeep.services.alerts.sender import Sender
from upkeep.site.schedule_file import Channel
from upkeep.store import Store, alerts, findings, outbox, tables
from upkeep.store.outbox import Letter, Posting

SITE = "/srv/site"


@pytest.fixture
def mails() -> Iterator[tuple[str, Mails]]:
    with mail_server() as made:
        yield made


@pytest.fixture
def posts() -> Iterator[tuple[str, Posts]]:
    with http_server() as made:
        yield made


@pytest.fixture
def environ(mails: tuple[str, Mails], posts: tuple[str, Posts]) -> dict[str, str]:
    """Pager and chat are the HTTP server's, mail is the mail server's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UPKEEP_")}
    return kept | {
        "UPKEEP_CHANNEL_PAGER": posts[0],
        "UPKEEP_CHANNEL_CHAT": posts[0],
        "UPKEEP_CHANNEL_MAIL": mails[0],
    }


def put(store: Store, *chain: str, message: str = "alert 1.1.0", **other: Any) -> None:
    """Put a message to ada into the outbox."""
    letters = [
        Letter("person:ada", channel, position, "[1] FAILS: it", f"over {channel}\nref abc-1")
        for position, channel in enumerate(chain)
    ]
    now = clock.now()
    values = {"kind": "alert", "severity": 1, "dedupe": "abc-1", "due_at": now} | other
    with store.begin() as db:
        outbox.put(db, SITE, message, letters, Posting(alert_id=None, now=now, **values))


def states(store: Store) -> dict[str, str]:
    """The state of each channel's row."""
    table = tables.outbox
    with store.read() as db:
        return {row.channel: row.state for row in db.execute(select(table).order_by(table.c.id))}


def errors(store: Store) -> str:
    table = tables.outbox
    with store.read() as db:
        return " ".join(row.error for row in db.execute(select(table)))


@on_postgresql
def test_a_failure_reaches_the_mail_and_the_hook(
    store: Store, environ: dict[str, str], mails: tuple[str, Mails], posts: tuple[str, Posts]
) -> None:
    plan = schedule()
    people = {"ada": plan.people["ada"].model_copy(update={"channels": ("mail",)})}
    one = replace(site(), schedule=plan.model_copy(update={"people": plan.people | people}))
    alerter = Alerter(store, one)
    begin = clock.now() - minutes(60)
    run(store, begin, seen(full(Status.PASS), at=begin))
    alerter.step(begin)
    run(store, clock.now(), seen(full(Severity.CRITICAL, "/home/mrs-doe"), at=clock.now()))
    alerter.step(clock.now())

    Sender(store, one, environ).step(clock.now())

    (mail,), (post,) = mails[1].got, posts[1].got
    assert mail["Subject"].startswith("[1] Low disk space on web1, since 20")
    text = mail.get_content() if not mail.is_multipart() else mail.get_body().get_content()  # type: ignore[union-attr]
    for said in (
        "/home/mrs-doe: 91 % used, at most 90 %",
        "Critical (severity 1), since ",
        "First: free space",
        "https://upkeep.example.org/alerts/1",
    ):
        assert said in text
    assert post["title"] == mail["Subject"]
    assert "mrs-doe" not in str(post)
    assert "91 %" not in str(post)
    assert "https://upkeep.example.org/alerts/1" in post["message"]


@on_postgresql
@pytest.mark.parametrize("way", ["500", "hangs", "drips", "nobody", "unset", "wrong"])
def test_41_a_channel_that_fails_or_hangs_goes_to_the_next(
    way: str,
    store: Store,
    environ: dict[str, str],
    mails: tuple[str, Mails],
    posts: tuple[str, Posts],
) -> None:
    posts[1].status = 500 if way == "500" else 200
    posts[1].hangs, posts[1].drips = way == "hangs", way == "drips"
    if way == "nobody":
        environ["UPKEEP_CHANNEL_PAGER"] = "json://127.0.0.1:9/x"
    elif way == "unset":
        del environ["UPKEEP_CHANNEL_PAGER"]
    elif way == "wrong":
        environ["UPKEEP_CHANNEL_PAGER"] = "no url"
    put(store, "pager", "mail")
    # Only what never ends is given a time that it can use up.
    first = 4 if way in ("hangs", "drips") else PATIENCE_SECONDS
    Sender(store, site(), environ, seconds=first).step(clock.now())
    Sender(store, site(), environ, seconds=PATIENCE_SECONDS).step(clock.now())

    assert len(mails[1].got) == 1
    assert states(store) == {"pager": "failed", "mail": "sent"}
    assert "s3cret" not in errors(store)


@on_postgresql
def test_a_channel_known_to_be_dead_is_passed_over_at_once(
    store: Store, environ: dict[str, str], mails: tuple[str, Mails], posts: tuple[str, Posts]
) -> None:
    posts[1].status = 500
    for number in range(3):
        put(store, "pager", "mail", message=f"first {number}")
    sender = Sender(store, site(), environ)
    sender.step(clock.now())
    sender.step(clock.now())
    asked = posts[1].asked
    put(store, "pager", "mail", message="second")

    sender.step(clock.now())
    sender.step(clock.now())

    assert posts[1].asked == asked
    assert len(mails[1].got) == 4
    with store.read() as db:
        (dead,) = [one for one in outbox.channels(db, SITE) if one.failing_since]
    assert (dead.channel, dead.failures) == ("pager", 1)


@on_postgresql
def test_a_dead_channel_is_a_trouble_of_our_own_until_it_takes_something(
    store: Store, environ: dict[str, str], posts: tuple[str, Posts]
) -> None:
    sender, alerter = Sender(store, site(), environ), Alerter(store, site())
    alerter.step(clock.now())
    posts[1].status = 500
    put(store, "pager", "mail")
    for _step in range(2):
        sender.step(clock.now())
    alerter.step(clock.now())

    with store.read() as db:
        (finding,) = findings.open_ones(db)
        (alert,) = alerts.open_alerts(db)
    assert (finding.host, finding.check_id, finding.subject) == ("controller", "channel", "pager")
    again = "on the controller: try it again when it is fixed"
    assert finding.remedy == f"upkeep alert test pager -i {SITE}  # {again}"
    assert "s3cret" not in finding.message
    assert (alert.check_id, alert.team, alert.severity) == ("channel", "ops", 2)

    posts[1].status = 200
    put(store, "pager", message="second")
    with store.begin() as db:
        db.execute(update(tables.channel_health).values(retry_at=None))
        db.execute(update(tables.outbox).values(due_at=clock.now() - minutes(1)))
    sender.step(clock.now())

    with store.read() as db:
        assert findings.open_ones(db) == []


@on_postgresql
def test_a_channel_that_hangs_keeps_no_other_waiting(
    store: Store, environ: dict[str, str], mails: tuple[str, Mails], posts: tuple[str, Posts]
) -> None:
    posts[1].hangs = True
    put(store, "pager", message="one")
    put(store, "mail", message="two")
    sent_at: list[datetime] = []
    limit = 30
    sender = Sender(store, site(), environ, seconds=limit)

    began = clock.now()
    sender.step(began)
    with store.read() as db:
        sent_at += db.execute(
            select(tables.outbox.c.sent_at).where(tables.outbox.c.channel == "mail")
        ).scalars()

    assert len(mails[1].got) == 1
    assert sent_at[0] - began < timedelta(seconds=limit)


@on_postgresql
def test_after_the_last_channel_the_first_is_tried_again_later(
    store: Store, environ: dict[str, str], mails: tuple[str, Mails], posts: tuple[str, Posts]
) -> None:
    posts[1].status = 500
    mails[1].refuses = "451 later"
    put(store, "pager", "mail")
    sender = Sender(store, site(), environ)
    sender.step(clock.now())
    sender.step(clock.now())
    assert states(store) == {"pager": "waiting", "mail": "failed"}
    assert sender.step(clock.now()) > 0  # not yet

    posts[1].status = 200
    sender.step(clock.now() + timedelta(hours=1))

    assert states(store) == {"pager": "sent", "mail": "failed"}


def test_a_message_is_given_up_after_a_day(store: Store) -> None:
    put(store, "pager", "mail")
    now = clock.now()
    for hours in range(30):
        at = now + timedelta(hours=hours)
        for _channel in range(2):
            with store.begin() as db:
                for due in outbox.claim(db, SITE, at, 60, 9):
                    outbox.failed(db, due, "no", at)

    assert set(states(store).values()) == {"failed"}


def test_the_same_message_is_put_in_once(store: Store) -> None:
    put(store, "pager", "mail")
    put(store, "pager", "mail")

    with store.read() as db:
        assert len(db.execute(select(tables.outbox)).all()) == 2


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from alert_samples import site
    from upkeep.model import clock
    from upkeep.services.alerts.sender import Sender
    from upkeep.store import open_store, outbox

    def die(*_arguments):
        os.kill(os.getpid(), signal.SIGKILL)

    outbox.sent = die
    Sender(open_store(sys.argv[1]), site()).step(clock.now())
    """
)


@on_postgresql
def test_39_a_sender_killed_between_send_and_mark_sends_again_under_the_same_key(
    url: str, store: Store, environ: dict[str, str], posts: tuple[str, Posts]
) -> None:
    put(store, "pager", "mail")

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url], env=environ, timeout=PATIENCE_SECONDS
    )

    assert killed.returncode == -signal.SIGKILL
    assert len(posts[1].got) == 1
    assert states(store) == {"pager": "sending", "mail": "spare"}

    Sender(store, site(), environ).step(clock.now())
    assert len(posts[1].got) == 1  # its lease still lasts

    Sender(store, site(), environ).step(clock.now() + timedelta(minutes=5))
    first, second = posts[1].got
    assert first["message"] == second["message"]
    assert "ref abc-1" in second["message"]
    assert states(store) == {"pager": "sent", "mail": "spare"}


def test_many_senders_claim_each_message_once(store: Store) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for number in range(40):
        put(store, "pager", message=f"message {number}")

    def claim(_number: int) -> list[int]:
        with store.begin() as db:
            return [one.id for one in outbox.claim(db, SITE, clock.now(), 60, 3)]

    with ThreadPoolExecutor(8) as pool:
        claimed = [number for some in pool.map(claim, range(20)) for number in some]

    assert len(claimed) == len(set(claimed)) == 40


def hook(local: bool = True) -> Channel:
    return Channel(url_from="UPKEEP_CHANNEL_X", local=local)


def deliver(url: str, *, local: bool = True, seconds: float = PATIENCE_SECONDS) -> str:
    environ = dict(os.environ) | {"UPKEEP_CHANNEL_X": url}
    (error,) = channels.send(hook(local), [Parcel("t", "b")], environ, seconds=seconds)
    return error


# As channels.send starts it, but for Python and apprise, which are loaded once for all.
EACH_BY_A_FORK = textwrap.dedent(
    """
    import io, json, os, sys
    import apprise
    from upkeep.services.alerts import deliver

    apprise.Apprise.instantiate("json://127.0.0.1")
    for order in json.load(sys.stdin):
        sys.stdin = io.StringIO(json.dumps(order))
        sender = os.fork()
        if sender == 0:
            sys.exit(deliver.main())
        os.waitpid(sender, 0)
    """
)
REFUSED = [
    ("json://100.100.100.200/x", "a cloud's metadata address"),
    ("json://168.63.129.16/x", "a cloud's metadata address"),
    ("json://[64:ff9b::a9fe:a9fe]/x", "a cloud's metadata address"),
    ("json://[2002:a9fe:a9fe::1]/x", "a cloud's metadata address"),
    ("json://[64:ff9b::7f00:1]:9/x", "an address of this machine"),
    ("json://169.254.169.254/latest/meta-data", "a cloud's metadata address"),
    ("json://[fd00:ec2::254]/x", "a cloud's metadata address"),
    ("json://169.254.7.7/x", "a link-local address"),
    ("json://[fe80::1]/x", "a link-local address"),
    ("json://[::ffff:169.254.169.254]/x", "a cloud's metadata address"),
    ("json://2852039166/x", "refused"),  # 169.254.169.254 as one number
    ("json://127.0.0.1:9/x", "an address of this machine"),
    ("json://localhost:9/x", "an address of this machine"),
    ("json://0.0.0.0:9/x", "an address of this machine"),
    ("mailto://127.0.0.1:9?from=a@b.org&to=a@b.org", "an address of this machine"),
    ("file:///etc/passwd", "reaches nobody"),
    ("syslog://", "reaches nobody"),
]


def test_60_an_address_of_no_person_is_refused() -> None:
    orders = [
        {"url": url, "local": False, "messages": [vars(Parcel("t", "b"))]} for url, _why in REFUSED
    ]

    done = subprocess.run(
        [sys.executable, "-c", EACH_BY_A_FORK],
        input=json.dumps(orders),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    errors = [json.loads(line)["error"] for line in done.stdout.splitlines()]
    assert len(errors) == len(REFUSED), done.stderr
    for error, (url, reason) in zip(errors, REFUSED, strict=True):
        assert "refused" in error, url
        assert reason in error, url
    url, reason = REFUSED[-4]
    assert reason in deliver(url, local=False)  # in a process of its own, as ever


OWN = textwrap.dedent(
    """
    import json, socket, subprocess, sys
    from upkeep.services.alerts import guard

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for place, length in (("10.7.7.7", "32"), ("203.0.113.7", "32"), ("fd12::7", "128")):
        subprocess.run(["ip", "addr", "add", f"{place}/{length}", "dev", "lo"], check=True)
    for place in ("0.0.0.0", "::"):
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        globals()["server" + str(family)] = socket.create_server((place, 9), family=family)
    reasons = guard.watch_connections(local=sys.argv[1] == "local")
    for place in ("10.7.7.7", "203.0.113.7", "fd12::7", "::ffff:10.7.7.7", "127.0.0.1", "169.254.169.254"):
        kind = socket.AF_INET6 if ":" in place else socket.AF_INET
        with socket.socket(kind, socket.SOCK_STREAM) as one, socket.socket(kind, socket.SOCK_DGRAM) as two:
            said = []
            for go in (lambda: one.connect((place, 9)), lambda: two.sendmsg([b"x"], [], 0, (place, 9))):
                try:
                    go()
                    said.append("")
                except guard.AddressRefusedError as exc:
                    said.append(str(exc))
                except OSError:
                    said.append("")
            print(json.dumps(said))
    """
)


@pytest.mark.parametrize("local", [False, True], ids=["others only", "local: true"])
def test_60_this_machines_other_addresses_are_refused_unless_it_is_meant(local: bool) -> None:
    here = ["unshare", "--net"]
    if os.geteuid() or subprocess.run([*here, "true"], capture_output=True).returncode:
        pytest.skip("a network of its own needs root and network namespaces")
    done = subprocess.run(
        [*here, sys.executable, "-c", OWN, "local" if local else "others"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    said = [json.loads(line) for line in done.stdout.splitlines()]
    ours = (
        "" if local else "refused: an address of this machine (set `local: true` for a relay here)"
    )
    cloud = "refused: a cloud's metadata address"
    assert said == [[ours] * 2] * 5 + [[cloud] * 2], done.stderr


def test_60_a_redirect_does_not_lead_where_the_url_may_not(posts: tuple[str, Posts]) -> None:
    posts[1].status = 307
    posts[1].to = "http://169.254.169.254/latest"

    assert "refused: a cloud's metadata address" in deliver(posts[0])


def test_no_secret_of_the_url_is_in_an_error_or_a_process_list(posts: tuple[str, Posts]) -> None:
    posts[1].drips = True
    url = posts[0].replace("json://", "json://user:pa55word@")
    environ = dict(os.environ) | {
        "UPKEEP_CHANNEL_X": url,
        "UPKEEP_DATABASE": "postgresql://u:dbpw@h/x",
    }
    from concurrent.futures import ThreadPoolExecutor

    import psutil

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(channels.send, hook(), [Parcel("t", "b")], environ, seconds=6)

        def child() -> str:
            """What others can see of the process that sends."""
            for one in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    told = " ".join(one.cmdline())
                    if "upkeep.services.alerts.deliver" in told:
                        return f"{told} {one.environ()}"
            return ""

        shown = eventually(child, "a process that sends")
        (error,) = asked.result()

    for secret in ("pa55word", "s3cret", "dbpw"):
        assert secret not in error + shown
    assert error == "no answer within 6 s"


@on_postgresql
def test_hostile_text_is_one_header_and_calls_nobody(
    store: Store, environ: dict[str, str], mails: tuple[str, Mails]
) -> None:
    nasty = "/x\r\nBcc: evil@example.org\n\n<script>@everyone <!channel>\x1b[2J\u202e"
    alerter = Alerter(store, site())
    begin = clock.now() - minutes(60)
    run(store, begin, seen(full(Status.PASS), at=begin))
    alerter.step(begin)
    bad = full(Severity.CRITICAL, nasty, message=nasty)
    run(store, clock.now(), seen(bad, at=clock.now()))
    alerter.step(clock.now())
    environ.pop("UPKEEP_CHANNEL_PAGER")
    sender = Sender(store, site(), environ)
    sender.step(clock.now())
    sender.step(clock.now())

    (mail,) = mails[1].got
    assert mail["Bcc"] is None
    text = str(mail.get_body(("plain", "html")).get_content())  # type: ignore[union-attr]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "@everyone" not in text
    assert "<!channel" not in text
    assert "\nBcc" not in text
