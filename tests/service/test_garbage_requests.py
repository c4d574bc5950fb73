"""One request in a hundred is garbage, of a dozen kinds, to real servers: verdicts are as without it, for an hour.

The hour is twelve windows of 200 requests each: what a server has written in one of them is read by itself, with the
clock at its end, so that none has to last for five minutes.
"""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS
from recorded_host import RecordedHost
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import access_log
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web import response_time, site_errors
from upkeep.model.verdicts import Status

WINDOWS = 12
REQUESTS = 200
ERRORS = 6  # of a window that fails

HOST = b"Host: x\r\nConnection: close\r\n"
FORGED_USER = base64.b64encode(b'a" 200 5 "-" [23/Nov/2020:00:00:00 +0000] "GET / HTTP/1.1')
GARBAGE = {
    "a quote": b'GET /a"b"" HTTP/1.1\r\n' + HOST + b"\r\n",
    "a forged end": b'GET /a"200"5"-" HTTP/1.1\r\n' + HOST + b'User-Agent: x" 200 5 "\r\n\r\n',
    "x22": b"GET /\\x22\\x22%22%5C HTTP/1.1\r\n" + HOST + b"User-Agent: \\x22 \\\r\n\r\n",
    "control bytes": b"GET /\x01\x1b[2J HTTP/1.1\r\n" + HOST + b"User-Agent: \x7f\x1b\r\n\r\n",
    "invalid UTF-8": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"User-Agent: \xc3\x28\xe2\r\n\r\n",
    "60 kB": b"GET /" + b'"x' * 30_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(1, 120)),
    "a method of its own": b'BR"EW /a HTTP/1.1\r\n' + HOST + b"\r\n",
    "a version of its own": b"GET /a HTTP/9.9\r\n" + HOST + b"\r\n",
    "JSON": b'GET /","status":200,"x":" HTTP/1.1\r\n'
    + HOST
    + b'User-Agent: ","status":200,"duration":0.0,"x":"\r\n\r\n',
    "a forged user": b"GET /a HTTP/1.1\r\n" + HOST + b"Authorization: Basic " + FORGED_USER + b"\r\n\r\n",
    "half of a request": b'GET /a"b',
}  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A server that answers 500 to /w/broken, and with something else to /w/…; and its log."""

    port: int
    log: Path
    params: dict[str, Any]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def started(arguments: list[str], port: int, folder: Path) -> Iterator[None]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(arguments, stdout=said, stderr=said, env=environment)
    try:
        ends = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends:
            assert process.poll() is None, (folder / "said").read_text()
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def nginx(folder: Path, log: Path, port: int, form: str) -> list[str]:
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;"
        f"events {{}} http {{ {temporary} log_format own {form}; access_log {log} own;"
        f"keepalive_requests 100000; server {{ listen 127.0.0.1:{port};"
        "location /w/broken { return 500; } location / { return 204; } } }"
    )
    return ["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/conf"]


def nginx_timed(folder: Path, log: Path, port: int) -> list[str]:
    form = (
        '\'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
        '"$http_referer" "$http_user_agent" $request_time\''
    )
    return nginx(folder, log, port, form)


def nginx_json(folder: Path, log: Path, port: int) -> list[str]:
    form = (
        'escape=json \'{"time_iso8601":"$time_iso8601","remote_addr":"$remote_addr",'
        '"remote_user":"$remote_user","request":"$request","status":$status,'
        '"request_time":$request_time,"http_user_agent":"$http_user_agent"}\''
    )
    return nginx(folder, log, port, form)


def apache(folder: Path, log: Path, port: int) -> list[str]:
    modules = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in ("mpm_event", "authz_core", "alias")
    )
    (folder / "conf").write_text(
        f"{modules}ServerRoot {folder}\nServerName x\nListen 127.0.0.1:{port}\nUser www-data\n"
        f"PidFile {folder}/pid\nErrorLog {folder}/error.log\nMutex posixsem\n"
        "MaxKeepAliveRequests 0\nRedirect 500 /w/broken\nRedirect 410 /\n"
        'LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\" %D" own\n'
        f"CustomLog {log} own\n"
    )
    return ["apache2", "-f", f"{folder}/conf", "-D", "FOREGROUND"]


def caddy(folder: Path, log: Path, port: int) -> list[str]:
    """Its errors go to the same log, so that each is there twice."""
    (folder / "conf").write_text(
        f"{{\nadmin off\nauto_https off\nlog default {{\noutput file {log}\nformat json\n}}\n}}\n"
        f"http://127.0.0.1:{port}, http://x:{port} {{\nlog\n"
        'error /w/broken* "broken" 500\nrespond "ok"\n}\n'
    )
    return ["caddy", "run", "--config", f"{folder}/conf", "--adapter", "caddyfile"]


SERVERS: dict[str, tuple[Callable[[Path, Path, int], list[str]], dict[str, Any]]] = {
    "nginx": (nginx_timed, {}),
    "nginx_json": (nginx_json, {}),
    "apache": (apache, {"time_unit": "us"}),
    "caddy": (caddy, {}),
}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    write, params = SERVERS[request.param]
    port, log = free_port(), tmp_path / "access.log"
    arguments = write(tmp_path, log, port)
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"{arguments[0]} is not on PATH")
    with started(arguments, port, tmp_path):
        yield Server(port, log, params)


def send(server: Server, garbage: bytes) -> None:
    """Send it, and take what comes until the server has enough; what is half of a request ends by going away."""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as connection,
    ):
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass


def hour(server: Server) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the number of each window, and the lines that the server has written in it."""
    kinds = list(GARBAGE.values())
    begun = 0
    for window in range(WINDOWS):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        broken = ERRORS if window % 2 else 0
        for n in range(REQUESTS):
            if n in (REQUESTS // 3, REQUESTS // 2):
                send(server, kinds[(2 * window + (n == REQUESTS // 2)) % len(kinds)])
            name = "broken" if n < broken else "ok"
            connection.request("GET", f"/w/{name}/{window}/{n}")
            connection.getresponse().read()
        connection.close()
        lines = written(server.log, begun, f"/w/ok/{window}/{REQUESTS - 1}".encode())
        begun += sum(len(line) + 1 for line in lines)
        yield window, lines


def written(log: Path, begun: int, last: bytes) -> list[bytes]:
    """Return the whole lines from a place on, as soon as the last request is in one of them."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        lines = log.read_bytes()[begun:].split(b"\n")[:-1]
        if any(last in line for line in lines):
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{last!r} was never logged")


def observed(server: Server, lines: list[bytes], now: float) -> Observation:
    params = {name: spec["default"] for name, spec in access_log.ARGUMENTS.items()}
    host = RecordedHost({"/x.log": b"".join(line + b"\n" for line in lines)}, clock=now)
    (seen,) = access_log.gather({**params, **server.params, "paths": ["/x.log"]}, host)
    assert seen.error == ""
    return seen


def test_garbage_changes_no_verdict(server: Server) -> None:
    garbage = 0
    for window, lines in hour(server):
        now = time.time() + 1
        own = [line for line in lines if b"/w/" in line]
        garbage += len(lines) - len(own)
        seen, without = observed(server, lines, now), observed(server, own, now)

        assert seen.data["unparsed"] == 0, seen.data["unparsed_sample"]
        assert without.data["requests"] == REQUESTS
        assert without.data["server_errors"] == (ERRORS if window % 2 else 0)
        assert seen.data["server_errors"] == without.data["server_errors"]
        for check in (site_errors, response_time):
            verdict, expected = (
                verdict_of(check.CHECK, one, check.Limits(), datetime.fromtimestamp(now, UTC))
                for one in (seen, without)
            )
            assert verdict is not None
            assert expected is not None
            assert verdict.status is expected.status, verdict.message
            failing = window % 2 and check is site_errors
            assert verdict.status is (Status.FAIL if failing else Status.PASS), verdict.message
    assert garbage >= WINDOWS, "the servers have logged what they were sent"
