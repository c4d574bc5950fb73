"""What monitoring reads, on both databases: parsed by the library's own parsers, checked by promtool, scraped by
Prometheus."""

from __future__ import annotations

import builtins
import contextlib
import http.client
import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from patience import PATIENCE_SECONDS, eventually
from prometheus_client import parser as classic
from prometheus_client.openmetrics import parser as openmetrics
from service.page import ask, served
from store_samples import NOW, SITE, answer, begun, result

from upkeep.model.errors import ConfigurationError
from upkeep.model.verdicts import Severity, Status, Unknown
from upkeep.serve import metrics
from upkeep.store import Store, open_store, outbox, runs
from upkeep.store.answers import add_host
from upkeep.store.outbox import Letter, Posting
from upkeep.system.release import version
from upkeep.web.routing import Setting
from upkeep.web.status import CLASSIC, OPENMETRICS

TOKEN = "t0ken"
DOCUMENT = Path(__file__).parents[2] / "docs" / "install-service.md"
HOSTILE = 'x"} 1\nupkeep_results{site="forged"} 99\n\\" # EOF'


Samples = dict[str, list[tuple[dict[str, str], float]]]


def samples(store: Store) -> Samples:
    """What a scrape of either form finds, which is the same."""
    now = NOW + timedelta(minutes=10)
    found = [
        parsed(parser.text_string_to_metric_families(text.decode()))
        for parser, text in (
            (openmetrics, metrics.render(store, now, openmetrics=True)),
            (classic, metrics.render(store, now, openmetrics=False)),
        )
    ]
    assert found[0] == found[1]
    return found[0]


def parsed(families: Any) -> Samples:
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    with contextlib.closing(open_store(sqlite_url)) as opened:
        yield opened


def add_run(store: Store, *, ended: bool = True, **other: Any) -> None:
    with store.begin() as db:
        run_id = runs.start(db, begun(**other))
        results = [
            result(Severity.HIGH, subject="/"),
            result(Severity.HIGH, subject="/var"),
            result(Status.PASS, subject="/srv"),
            result(Status.UNKNOWN, subject="/mnt"),
            replace(result(Status.UNKNOWN, subject="/opt"), unknown=Unknown.NOTHING_TO_JUDGE),
        ]
        add_host(db, run_id, answer(*results))
        if ended:
            runs.finish(db, run_id, "done", "", NOW + timedelta(seconds=90))


def test_an_empty_store_has_figures_too(store: Store) -> None:
    found = samples(store)

    assert found["upkeep_running_runs"] == [({}, 0.0)]
    assert found["upkeep_build_info"] == [({"version": version()}, 1.0)]
    assert "upkeep_results" not in found
    assert metrics.render(store, NOW, openmetrics=True).endswith(b"# EOF\n")
    assert b"# EOF" not in metrics.render(store, NOW, openmetrics=False)


def test_results_findings_and_runs_are_counted(store: Store) -> None:
    add_run(store)
    add_run(store, ended=False, minutes=5, procedure="weekly")

    found = samples(store)

    severities = sorted(one.value for one in Severity)
    assert found["upkeep_results"] == [
        *(
            ({"site": SITE, "status": "fail", "severity": one}, 2.0 if one == "high" else 0.0)
            for one in severities
        ),
        ({"site": SITE, "status": "nothing_to_judge", "severity": ""}, 1.0),
        ({"site": SITE, "status": "pass", "severity": ""}, 1.0),
        ({"site": SITE, "status": "unknown", "severity": ""}, 1.0),
    ]
    assert found["upkeep_open_findings"] == [
        ({"site": SITE, "severity": one}, 2.0 if one == "high" else 0.0) for one in severities
    ]
    assert found["upkeep_running_runs"] == [({}, 1.0)]
    labels = {"site": SITE, "procedure": "daily"}
    assert found["upkeep_last_run_duration_seconds"] == [(labels, 90.0)]
    assert found["upkeep_last_run_status"] == [({**labels, "status": "done"}, 1.0)]
    ended = (NOW + timedelta(seconds=90)).timestamp()
    assert found["upkeep_last_run_end_timestamp_seconds"] == [(labels, ended)]


def test_a_hostile_name_forges_no_figure(store: Store) -> None:
    add_run(store, site=HOSTILE, procedure="daily")

    found = samples(store)

    assert {labels["site"] for labels, _value in found["upkeep_results"]} == {HOSTILE}
    assert sum(value for _labels, value in found["upkeep_results"]) == 5


def test_nothing_waits_in_an_empty_store(store: Store) -> None:
    found = samples(store)

    for name in ("upkeep_outbox_oldest_age_seconds", "upkeep_occurrence_lag_seconds"):
        assert found[name] == [({}, 0.0)]


@pytest.mark.parametrize(
    ("due_after", "tries", "age"),
    [(0, 0, 600.0), (0, 3, 600.0), (4, 1, 360.0), (4, 0, 360.0), (60, 0, 0.0)],
    ids=["new", "tried again later", "kept back, tried", "kept back", "not yet due"],
)
def test_a_message_is_as_old_as_its_first_due_time(
    store: Store, due_after: int, tries: int, age: float
) -> None:
    due_at = NOW + timedelta(minutes=due_after)
    posting = Posting(
        kind="alert", severity=1, dedupe="a", alert_id=None, due_at=due_at, now=NOW
    )  # fmt: skip
    with store.begin() as db:
        outbox.put(
            db, SITE, "alert 1.1.0", [Letter("person:ada", "pager", 0, "[1]", "it")], posting
        )
        for _try in range(tries):
            at = NOW + timedelta(days=1)
            (claimed,) = outbox.claim(db, SITE, at, 30.0, 1)
            outbox.failed(db, claimed, "refused", at - timedelta(hours=1))

    assert samples(store)["upkeep_outbox_oldest_age_seconds"] == [({}, age)]


def test_without_the_package_it_is_told_what_to_install(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **other: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ModuleNotFoundError(name="prometheus_client")
        return imported(name, *rest, **other)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(ConfigurationError, match="prometheus_client is not installed"):
        metrics.render(store, NOW, openmetrics=True)


# --- as programs ask for it ------------------------------------------------------------------------------------------
def setting_of(store: Store, given: list[str] | None = None) -> Setting:
    """The page of the store; given: takes which form was given, at each scrape."""

    def render(now: datetime, openmetrics: bool) -> bytes:
        if given is not None:
            given.append("openmetrics" if openmetrics else "classic")
        return metrics.render(store, now, openmetrics=openmetrics)

    return Setting(store, SITE, metrics=render, metrics_token=TOKEN)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ([], CLASSIC),
        (["*/*"], CLASSIC),
        (["application/openmetrics-text; version=1.0.0, text/plain;q=0.5"], OPENMETRICS),
        (["text/plain;q=0.5", "application/openmetrics-text; version=1.0.0"], OPENMETRICS),
    ],
    ids=["asks for nothing", "takes all", "prefers OpenMetrics", "in two headers"],
)
def test_the_answer_has_the_form_that_was_asked_for(
    sqlite_store: Store, accept: list[str], kind: str
) -> None:
    with served(setting_of(sqlite_store)) as page, contextlib.closing(page_of(page)) as asked:
        asked.putrequest("GET", "/metrics")
        asked.putheader("Authorization", f"Bearer {TOKEN}")
        for one in accept:
            asked.putheader("Accept", one)
        asked.endheaders()
        answered = asked.getresponse()
        text = answered.read()

    assert answered.headers["Content-Type"] == kind
    assert answered.headers["Vary"] == "Accept"
    assert text.endswith(b"# EOF\n") == (kind == OPENMETRICS)


def page_of(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_SECONDS)


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_promtool_has_nothing_to_say_of_what_curl_gets(store: Store) -> None:
    add_run(store)
    with served(setting_of(store)) as page:
        text = ask(f"{page}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text

    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True
    )

    assert "upkeep_open_findings" in text
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


class Relay(http.server.BaseHTTPRequestHandler):
    """Stands before the page and asks for the classic text, as Debian's Prometheus cannot be told to."""

    page: str

    def do_GET(self) -> None:
        sent = {"Authorization": self.headers["Authorization"], "Accept": "text/plain"}
        answered = ask(self.page + self.path, headers=sent)
        self.send_response(answered.status_code)
        self.send_header("Content-Type", answered.headers["Content-Type"])
        self.end_headers()
        self.wfile.write(answered.content)

    def log_message(self, *said: Any) -> None:
        """Log nothing."""


@contextlib.contextmanager
def relayed(page: str) -> Iterator[str]:
    """Serve the relay of that page; yield its URL."""
    made = type("RelayOfPage", (Relay,), {"page": page})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(PATIENCE_SECONDS)


@contextlib.contextmanager
def prometheus(folder: Path, pages: dict[str, str]) -> Iterator[str]:
    """Run Prometheus on these pages by job, as the documents say; yield the URL of its API.

    Its port and its data are its own.
    """
    (folder / "token").write_text(TOKEN)
    document = DOCUMENT.read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", document, re.DOTALL)
    (documented,) = yaml.safe_load(block)["scrape_configs"]
    assert documented["authorization"].keys() == {"credentials_file"}
    changed: dict[str, Any] = {"scheme": "http", "scrape_interval": "1s"}
    changed["authorization"] = {"credentials_file": str(folder / "token")}
    scraped = [
        documented
        | changed
        | {"job_name": job, "static_configs": [{"targets": [page.removeprefix("http://")]}]}
        for job, page in pages.items()
    ]
    config, log = folder / "prometheus.yml", folder / "log"
    config.write_text(yaml.safe_dump({"scrape_configs": scraped}))
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with log.open("w") as said:
        process = subprocess.Popen(command, cwd=folder, stderr=said)

    def look() -> Any:
        assert process.poll() is None, log.read_text()
        return re.search(r'msg="Listening on" address=(\S+)', log.read_text())

    try:
        yield f"http://{eventually(look, 'that Prometheus listens')[1]}/api/v1"
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def test_prometheus_scrapes_both_forms_without_an_error(
    sqlite_store: Store, tmp_path: Path
) -> None:
    add_run(sqlite_store)
    given: list[str] = []
    relayed_given: list[str] = []
    with (
        served(setting_of(sqlite_store, given)) as page,
        served(setting_of(sqlite_store, relayed_given)) as behind,
        relayed(behind) as relay,
        prometheus(tmp_path, {"openmetrics": page, "classic": relay}) as api,
    ):

        def look() -> Any:
            asked = ask(f"{api}/query", params={"query": 'upkeep_open_findings{severity="high"}'})
            if asked.status_code == 503:  # it does not serve yet
                return None
            found = asked.json().get("data", {}).get("result", [])
            return {one["metric"]["job"]: one for one in found} if len(found) == 2 else None

        found = eventually(look, "that Prometheus has scraped both")
        targets = ask(f"{api}/targets").json()["data"]["activeTargets"]

    for job in ("openmetrics", "classic"):
        labels = found[job]["metric"]
        assert (labels["site"], labels["severity"]) == (SITE, "high")
        assert found[job]["value"][1] == "2"
    assert {one["labels"]["job"] for one in targets} == {"openmetrics", "classic"}
    assert {(one["health"], one["lastError"]) for one in targets} == {("up", "")}
    assert set(given) == {"openmetrics"}
    assert set(relayed_given) == {"classic"}
