"""Access logs of a real nginx and a real Apache."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS, eventually

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web.access_log import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; events {{ }}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/body; fastcgi_temp_path {folder}/body;
  uwsgi_temp_path {folder}/body; scgi_temp_path {folder}/body;
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                   '"$http_referer" "$http_user_agent" $request_time';
  log_format lines escape=json '{{"time_iso8601":"$time_iso8601","remote_addr":"$remote_addr",'
                   '"request":"$request","status":$status,"request_time":$request_time}}';
  access_log {folder}/combined.log combined;
  access_log {folder}/timed.log timed;
  access_log {folder}/lines.log lines;
  server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} location /broken {{ return 500; }} }}
}}
"""
APACHE = """
ServerRoot {folder}
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
ServerName shop.example
DocumentRoot {folder}
Redirect 503 /broken
Redirect 204 /
LogFormat "%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\" %D" vhost
CustomLog {folder}/vhost.log vhost
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, text: str, command: list[str]) -> Iterator[int]:
    """Run the server until its port answers; end it afterwards."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    port = free_port()
    folder.chmod(0o755)
    (folder / "conf").write_text(text.format(folder=folder, port=port))
    server = subprocess.Popen(
        [part.format(folder=folder) for part in command], stderr=subprocess.PIPE, text=True
    )
    try:
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if server.poll() is not None or time.monotonic() > ends:
                pytest.fail(f"{command[0]} does not answer: {server.communicate()[1]}")
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE_SECONDS)


def ask(port: int, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(head)
        while connection.recv(65536):
            pass


def get(port: int, path: str, *headers: str) -> None:
    head = [f"GET {path} HTTP/1.1", "Host: shop.example", "Connection: close", *headers, "", ""]
    ask(port, "\r\n".join(head).encode("latin-1"))


def traffic(port: int) -> None:
    for number in range(7):
        get(port, f"/users/{number}?token=s3cret")
    get(port, "/broken")
    get(port, "/", 'User-Agent: x" 500 0 "-" "\xff', "Authorization: Basic eCBbIiA=")


def observe(log: Path, requests: int, **given: Any) -> dict[str, Any]:
    """Return what is observed once all requests are logged: servers write after they answer."""
    params = {name: spec["default"] for name, spec in ARGUMENTS.items()}

    def look() -> Any:
        (seen,) = gather({**params, "paths": [str(log)], **given}, Host())
        return seen if seen.data.get("requests", 0) >= requests else None

    seen = eventually(look, f"{requests} requests in {log.name}")
    assert seen.error == ""
    return seen.data


def test_nginx(tmp_path: Path) -> None:
    command = ["nginx", "-p", "{folder}", "-c", "{folder}/conf", "-e", "{folder}/error.log"]
    with running(tmp_path, NGINX, command) as port:
        traffic(port)
        ask(port, b"\x16\x03\x01\x00\x01\r\n\r\n")
        seen = {
            name: observe(tmp_path / f"{name}.log", 10) for name in ("combined", "timed", "lines")
        }

    for name, data in seen.items():
        assert data["status_classes"] == {"2xx": 8, "4xx": 1, "5xx": 1}
        assert data["unparsed"] == 0
        assert data["error_routes"] == [{"route": "GET /broken", "errors": 1}]
        assert data["request_time"]["count"] == (0 if name == "combined" else 10)


def test_nginx_rotated_in_the_middle(tmp_path: Path) -> None:
    command = ["nginx", "-p", "{folder}", "-c", "{folder}/conf", "-e", "{folder}/error.log"]
    with running(tmp_path, NGINX, command) as port:
        get(port, "/")
        observe(tmp_path / "combined.log", 1)
        (tmp_path / "combined.log").rename(tmp_path / "combined.log.1")
        reopen = ["nginx", "-s", "reopen", "-p", str(tmp_path), "-c", str(tmp_path / "conf")]
        subprocess.run(reopen, check=True, capture_output=True)
        eventually((tmp_path / "combined.log").exists, "a new log")
        get(port, "/")
        data = observe(tmp_path / "combined.log", 2)

    assert (data["requests"], data["files"]) == (2, 2)


def test_apache(tmp_path: Path) -> None:
    if not Path("/usr/lib/apache2/modules/mod_mpm_event.so").exists():
        pytest.skip("Apache's modules are not in Debian's place")
    with running(tmp_path, APACHE, ["apache2", "-f", "{folder}/conf", "-DFOREGROUND"]) as port:
        traffic(port)
        data = observe(tmp_path / "vhost.log", 9, time_unit="us")

    assert data["server_errors"] == 1
    assert data["unparsed"] == 0
    assert data["request_time"]["count"] == 9
    assert data["request_time"]["max"] < 60  # of µs taken for s, it would be hundreds
    assert data["error_clients"] == [{"client": "127.0.0.1", "errors": 1}]
