"""A secret in any part of a URL goes through a real run and is nowhere afterwards."""

from __future__ import annotations

import gzip
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import warm
import yaml

from upkeep.store import open_store, tables
from upkeep.store.answers import evidence_of, observed_in

CANARY = "canary7f3a"
PARTS = ("user", "password", "query", "fragment", "redirect", "body", "service", "bare")


def canary(part: str) -> str:
    return f"{CANARY}{part}9c"


class Handler(BaseHTTPRequestHandler):
    """Redirects, repeats what it was asked, and names another address of its own with a password in it."""

    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", f"/login?token={canary('redirect')}#{canary('fragment')}")
        else:
            self.send_response(503)
            self.send_header("X-Asked", self.path)
            self.send_header("Link", f"<http://u:{canary('body')}@h/?a=1>; rel=next")
        self.end_headers()
        text = f'{{"asked": "{self.path}", "db": "postgresql://u:{canary("body")}@db/x?a=b"}}'
        self.wfile.write(text.encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(tmp_path: Path, port: int) -> Path:
    place = f"127.0.0.1:{port}"
    login = f"{canary('user')}:{canary('password')}"
    urls = [
        f"http://{login}@{place}/ok?token={canary('query')}&x=1#{canary('fragment')}",
        f"http://{login}2@{place}/ok?token={canary('query')}2&x=1",
        f"http://{place}/moved?{canary('bare')}",
        f"ftp://{login}@{place}/",
        f"http://{login}@ {place}/",
    ]
    services = [
        f"HTTP://{login}@{place}/?key={canary('service')}",
        f"redis://:{canary('service')}@{place}",
        f"tcp://{login}@{place}",
    ]
    checks = [
        {"check": "http_health", "urls": urls, "tries": 1, "redirects": 1, "keep_body": True},
        {"check": "external_service", "services": services, "tries": 1},
    ]
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "upkeep_checks_urls": checks,
    }
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    hosts = {"all": {"hosts": {"web1": variables}}}
    (folder / "inventory" / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (folder / "schedule.yml").write_text(
        "procedures: {daily: {title: Daily, playbook: astral.upkeep.observe}}\n"
    )
    return folder


def test_no_part_of_a_url_that_may_be_secret_is_stored_or_shown(site: Path, tmp_path: Path) -> None:
    work, state = tmp_path / "work", tmp_path / "state"
    environ = {**os.environ, "UPKEEP_STATE": str(state), "UPKEEP_WORKSPACE": str(work)}
    command = [sys.executable, "-m", "upkeep.cli.main"]

    def upkeep(*arguments: str) -> str:
        done = warm.run([*arguments, "-i", str(site)], env=environ)
        return done.stdout + done.stderr

    started = subprocess.Popen(
        [*command, "run", "daily", "-i", str(site)], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while started.poll() is None:
        for path in work.rglob("*"):
            try:
                found = CANARY.encode() in path.read_bytes()
            except OSError:  # it is gone already, or a folder
                continue
            assert not found, path
        select.select([], [], [], 0.05)
    said = started.communicate()[0]
    assert "http_health" in said or "5 " in said, said

    shown = [said]
    for arguments in (
        ("show", "1", "--all"), ("show", "1", "--all", "--json"), ("findings",), ("findings", "--json"), ("judge", "1"),
        ("alerts",), ("runs", "--json"), ("backup", str(tmp_path / "copy.db")), ("procedures", "--json"),
        ("check", "http_health"),
    ):  # fmt: skip
        shown.append(upkeep(*arguments))
    assert not [one for one in shown if CANARY in one]
    assert "limits of the run" not in shown[5]
    assert CANARY.encode() not in gzip.decompress((tmp_path / "copy.db").read_bytes())
    for path in [*state.rglob("*"), *work.rglob("*"), tmp_path / "copy.db.json"]:
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    with closing(open_store(f"sqlite:///{state}/upkeep.db")) as store, store.read() as db:
        (observed,) = observed_in(db, 1)
        proofs = [
            evidence_of(db, sha256) for sha256 in db.execute(tables.evidence.select()).scalars()
        ]
        subjects = [one.observation.subject for one in observed.seen if one.request == 0]
    assert proofs
    assert not [proof for proof in proofs if proof is None or CANARY.encode() in proof]
    first = subjects[0]
    assert first.endswith("/ok?token=*&x=*")
    assert subjects[1] == f"{first} (2)"
