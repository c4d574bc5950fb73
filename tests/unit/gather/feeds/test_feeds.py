from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.feeds.feeds import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

DEFAULTS = {name: one.get("default", "") for name, one in ARGUMENTS.items()}


class Answers(BaseHTTPRequestHandler):
    """Gives what a path asks for."""

    def do_GET(self) -> None:
        found = {"/report": 200, "/timeless": 200, "/odd": 200, "/moved": 302, "/broken": 500}
        self.send_response(found.get(self.path.partition("?")[0], 404))
        if self.path.startswith("/report"):
            self.send_header("Last-Modified", "Fri, 27 Nov 2026 02:00:00 GMT")
        if self.path == "/odd":
            self.send_header("Last-Modified", "yesterday")
        if self.path == "/moved":
            self.send_header("Location", "/report")
        self.end_headers()
        self.wfile.write(b"[1]")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


def look(**params: Any) -> Observation:
    (seen,) = gather({**DEFAULTS, "source": "build/portal", **params}, Host())
    return seen


def test_a_file_is_told_by_its_size_time_and_hash(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("[1]")

    seen = look(place="report.json", folder=str(tmp_path))

    assert seen.subject == "report.json"
    assert seen.data["there"] is True
    assert seen.data["bytes"] == 3
    assert seen.data["sha256"] == hashlib.sha256(b"[1]").hexdigest()
    assert seen.raw.startswith("report.json: 3 B, ")


def test_a_url_is_told_by_its_size_time_and_hash_and_without_its_secrets(server: str) -> None:
    seen = look(place=f"{server}/report?token=hunter22", local=True)

    assert seen.error == ""
    assert seen.subject == f"{server}/report?token=*"
    assert "hunter22" not in f"{seen.data}{seen.raw}"
    assert seen.data["modified_at"] == "2026-11-27T02:00:00+00:00"
    assert (seen.data["bytes"], seen.data["status"]) == (3, 200)


@pytest.mark.parametrize("path", ["/timeless", "/odd"])
def test_a_server_that_tells_no_time_is_believed(server: str, path: str) -> None:
    assert look(place=server + path, local=True).data["modified_at"] is None


def test_what_is_not_there_is_said(server: str, tmp_path: Path) -> None:
    assert look(place=f"{server}/none", local=True).data["there"] is False
    assert look(place="none", folder=str(tmp_path)).data["there"] is False


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"place": "{}/moved", "local": True}, "redirected to {}/report: a feed's URL leads to it at once"),
        ({"place": "{}/broken", "local": True}, "answered 500 Internal Server Error"),
        ({"place": "{}/report", "local": True, "limit_bytes": 2}, "more than 2 bytes"),
        ({"place": "{}/report"}, "127.0.0.1 is an address of this machine"),
        (
            {"place": "http://169.254.169.254/latest", "local": True},
            "169.254.169.254 is a cloud's metadata address",
        ),
        ({"place": "http://169.254.7.7/", "local": True}, "169.254.7.7 is a link-local address"),
        ({"place": "ftp://example.org/"}, "'ftp://example.org/': expected http:// or https:// and a host"),
        ({"place": "report"}, "'report': a relative path, without a folder to start from"),
    ],
    ids=["redirect", "status", "size", "loopback", "metadata", "link-local", "scheme", "relative"],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_an_error(
    server: str, params: dict[str, Any], why: str
) -> None:
    given = {
        name: one.format(server) if isinstance(one, str) else one for name, one in params.items()
    }

    assert look(**given).error == why.format(server)


def test_a_file_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("abc")

    assert look(place=f"{tmp_path}/report", limit_bytes=2).error == (
        f"{tmp_path}/report: more than 2 bytes"
    )
