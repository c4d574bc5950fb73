"""Health endpoints and services that answer, dawdle, lie and break the rules."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from made_certificates import make

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import http_health, services
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime.now(UTC)
OK = b'{"status": "ok", "database": {"status": "up"}}'


def look(url: str, **own: Any) -> Observation:
    params = {name: spec.get("default") for name, spec in http_health.ARGUMENTS.items()}
    (seen,) = http_health.gather({**params, "urls": [url], "tries": 1, **own}, Host())
    return seen


def verdict(seen: Observation) -> Verdict | None:
    assert not seen.error
    check = load()["http_health"]
    return check.judge(seen, check.limits, NOW)


class Site(BaseHTTPRequestHandler):
    """Answers by path; keeps the requests."""

    asked: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        port = self.server.server_address[1]
        status, body, headers = {
            "/ok": (200, OK, {}),
            "/down": (503, b'{"status": "down"}', {}),
            "/page": (200, b"<html>", {"Content-Type": "text/html"}),
            "/moved": (302, b"", {"Location": "/ok"}),
            "/loop": (302, b"", {"Location": "/loop"}),
            "/away": (302, b"", {"Location": f"http://localhost:{port}/ok"}),
            "/file": (302, b"", {"Location": "file:///etc/passwd"}),
            "/deep": (200, b"[" * 100_000, {}),
            "/nan": (200, b'{"status": NaN}', {}),
            "/twice": (200, b'{"status": "ok", "status": "down"}', {}),
            "/big": (200, b'{"x": "' + b"x" * 10_000_000 + b'"}', {"Set-Cookie": "id=secret"}),
        }[self.path.partition("?")[0]]
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    do_GET = answer  # noqa: N815
    do_POST = answer  # noqa: N815

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


class Quiet(ThreadingHTTPServer):
    def handle_error(self, *_args: Any) -> None:
        """Say nothing of clients that hang up."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with Quiet(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the URL of a server that answers as talk does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _address = server.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)


def test_an_endpoint_that_is_well(site: str) -> None:
    seen = look(f"{site}/ok", json={"status": "ok", "database.status": "up"}, tries=3)
    judged = verdict(seen)

    assert judged is not None
    assert judged.status is Status.PASS
    assert len(seen.data["tries"]) == 3
    assert {measure.name for measure in judged.measures} == {
        "answered",
        "mean",
        "p50",
        "p95",
        "dns",
        "tcp",
        "first_byte",
    }
    assert OK.decode() not in seen.raw
    assert 'status = "ok"\ndatabase.status = "up"' in seen.raw


@pytest.mark.parametrize(
    ("path", "own", "severity", "message"),
    [
        ("/down", {}, Severity.CRITICAL, "status 503; expected 200 to 299"),
        ("/page", {"json": {"status": "ok"}}, Severity.HIGH, "the answer is not JSON"),
        ("/ok", {"contains": "all well"}, Severity.HIGH, "the answer does not contain 'all well'"),
        ("/moved", {}, Severity.CRITICAL, "status 302, redirected to http://127.0.0.1"),
        ("/moved", {"redirects": 1}, None, "200 in "),
        ("/loop", {"redirects": 3}, Severity.CRITICAL, "status 302, redirected more than 3 times"),
        (
            "/file",
            {"redirects": 3},
            Severity.CRITICAL,
            "status 302, redirected to 'file:///etc/pas",
        ),
    ],
)
def test_answers(
    path: str, own: dict[str, Any], severity: Severity | None, message: str, site: str
) -> None:
    judged = verdict(look(site + path, **own))

    assert judged is not None
    assert judged.message.startswith(message)
    assert judged.severity is severity


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/deep", "JSON nested too deep"),
        ("/nan", "JSON with NaN"),
        ("/twice", "JSON with the name 'status' twice in one object"),
        ("/big", "JSON of more than 1000000 bytes"),
    ],
)
def test_hostile_json_is_unknown_and_bounded(path: str, message: str, site: str) -> None:
    seen = look(site + path)
    judged = verdict(seen)

    assert judged is not None
    assert (judged.status, judged.message) == (Status.UNKNOWN, f"cannot be judged: {message}")
    assert len(json.dumps(seen.data)) + len(seen.raw) < 40_000
    assert "secret" not in seen.raw


def test_one_bad_endpoint_costs_the_others_nothing(site: str) -> None:
    params = {name: spec.get("default") for name, spec in http_health.ARGUMENTS.items()}
    urls = ["http://x y/", f"{site}/ok", f"{site}/deep", "http://no-such-host.invalid/"]
    seen = http_health.gather({**params, "urls": urls, "tries": 1}, Host())

    assert seen[0].error == "'http://x y/': has a space or a control character"
    assert [one.error for one in seen[1:3]] == ["", ""]
    assert len(seen) == 4


def test_what_is_sent(site: str) -> None:
    Site.asked.clear()
    url = site.replace("http://", "http://nurse:pass%20word@") + "/ok?key=sec%20ret"
    seen = look(url, method="post", headers={"X-Key": "k"}, body="{}", server_name="portal.example")
    ((method, path, headers, body),) = Site.asked

    assert (method, path, body) == ("POST", "/ok?key=sec%20ret", b"{}")
    assert headers["Host"].startswith("portal.example:")
    assert headers["X-Key"] == "k"
    assert headers["Authorization"] == "Basic bnVyc2U6cGFzcyB3b3Jk"
    everything = seen.subject + json.dumps(seen.data) + seen.raw + seen.error
    assert "sec%20ret" not in everything
    assert "word" not in everything


def test_secrets_do_not_follow_a_redirect_to_another_host(site: str) -> None:
    Site.asked.clear()
    secrets = {"Authorization": "Bearer s", "X-Key": "k"}
    look(f"{site}/away", redirects=1, redirect_hosts=["localhost"], headers=secrets)
    first, second = Site.asked

    assert first[2]["Authorization"] == "Bearer s"
    assert not {"Authorization", "X-Key"} & set(second[2])


def test_a_header_cannot_carry_another_request(site: str) -> None:
    seen = look(f"{site}/ok", headers={"X": "a\r\nGET /other HTTP/1.1"})

    assert seen.error == "a header or the method has a control character"


def drip(connection: socket.socket) -> None:
    """Send a byte now and then, until nobody listens: no read ever times out."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X")
        time.sleep(0.1)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n" * 1000)


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


@pytest.mark.parametrize(
    ("talk", "problem"),
    [
        (drip, "no answer in time"),
        (flood, "HTTPException: got more than 100 headers"),
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), "BadStatusLine: SSH-2.0-x"),
        (lambda connection: None, "RemoteDisconnected"),
        (
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
            "8 bytes fewer than announced",
        ),
    ],
    ids=["drip", "flood", "another protocol", "nothing", "less than promised"],
)
def test_servers_that_break_the_rules(talk: Callable[[socket.socket], None], problem: str) -> None:
    with raw_server(talk) as url:
        seen = look(url, timeout_seconds=1.0 if talk is drip else 60.0)
    judged = verdict(seen)

    assert seen.data["tries"][0]["problem"].startswith(problem)
    assert judged is not None
    assert judged.severity is Severity.CRITICAL


def test_a_body_without_end_is_cut() -> None:
    with raw_server(endless) as url:
        seen = look(url, limit_bytes=50_000)

    assert (seen.data["body_bytes"], seen.data["body_truncated"]) == (50_000, True)


def test_a_slow_answer_is_told_by_its_step() -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(0.3)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(slow) as url:
        (one,) = look(url).data["tries"]

    assert one["first_byte_seconds"] >= 0.3
    assert one["first_byte_seconds"] > one["tcp_seconds"]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """Yield the port of a TLS site for portal.example.org, and its root."""
    folder = tmp_path_factory.mktemp("tls")
    begins = NOW - timedelta(days=1)
    root = make("Test root", authority=True, begins=begins)
    made = make("portal.example.org", root, begins=begins)
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "both.pem").write_bytes(made.pem + made.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    with Quiet(("127.0.0.1", 0), Site) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, str(folder / "root.pem")
        server.shutdown()


def test_this_very_host_behind_a_name(secure: tuple[int, str]) -> None:
    port, ca_file = secure
    seen = look("https://portal.example.org/ok", connect_to=f"127.0.0.1:{port}", ca_file=ca_file)
    judged = verdict(seen)

    assert judged is not None
    assert judged.status is Status.PASS
    assert seen.data["tries"][0]["tls_seconds"] > 0
    assert seen.data["protocol"] == "TLSv1.3"


def test_a_certificate_is_verified_unless_told_otherwise(secure: tuple[int, str]) -> None:
    port, ca_file = secure
    url = f"https://127.0.0.1:{port}/ok"

    untrusted = look(url).data["tries"][0]["problem"]
    other_name = look(url, ca_file=ca_file).data["tries"][0]["problem"]

    assert untrusted.startswith("certificate not accepted: unable to get local issuer")
    assert "127.0.0.1" in other_name
    assert verdict(look(url, verify=False)).status is Status.PASS  # type: ignore[union-attr]
    assert look(url, ca_file="/no/such/file").error.startswith("/no/such/file: ")


def services_seen(*places: str, **own: Any) -> dict[str, Verdict | None]:
    params = {name: spec.get("default") for name, spec in services.ARGUMENTS.items()}
    given = {**params, "services": list(places), "tries": 1, "timeout_seconds": 30.0, **own}
    check = load()["external_service"]
    return {
        seen.subject: check.judge(seen, check.limits, NOW)
        for seen in services.gather(given, Host())
    }


def test_services(site: str, secure: tuple[int, str]) -> None:
    port, ca_file = secure
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listening = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        seen = services_seen(
            listening,
            "tcp://127.0.0.1:1",
            f"tls://127.0.0.1:{port}",
            f"{site}/page?k=v",
            f"{site}/down",
            "dns:localhost",
            "dns:no-such-host.invalid",
            ca_file=ca_file,
            timeout_seconds=10.0,  # so long a resolver may be silent
        )
    told = {subject: one.message for subject, one in seen.items() if one}

    assert told[listening].startswith("reached in ")
    assert told[f"{site}/page?k=*"].startswith("reached in ")
    assert told["dns:localhost"].startswith("reached in ")
    assert told["tcp://127.0.0.1:1"] == "127.0.0.1:1: connection refused; 1 of 1 attempts"
    assert told[f"{site}/down"] == "status 503; 1 of 1 attempts"
    assert told[f"tls://127.0.0.1:{port}"].startswith("certificate not accepted: IP address")
    # By a resolver that answers or by one that does not: looking it up is the service.
    no_name = seen["dns:no-such-host.invalid"]
    assert no_name is not None
    assert no_name.severity is Severity.HIGH


@pytest.mark.parametrize(
    ("flags", "count", "message"),
    [
        (b"\x81\x80", 1, "reached in "),
        (b"\x81\x83", 0, "127.0.0.1: NXDOMAIN for example.org MX; 1 of 1 attempts"),
        (b"\x81\x80", 0, "127.0.0.1: no MX of example.org; 1 of 1 attempts"),
    ],
    ids=["an answer", "no such name", "nothing of that type"],
)
def test_a_name_server_is_asked_and_forgeries_are_passed_over(
    flags: bytes, count: int, message: str
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            question, client = server.recvfrom(512)
            number = int.from_bytes(question[:2], "big") ^ 1
            forged = number.to_bytes(2, "big") + b"\x81\x80\0\x01\0\x05\0\0\0\0" + question[12:]
            server.sendto(forged, client)
            head = question[:2] + flags + b"\0\x01" + bytes([0, count]) + b"\0\0\0\0"
            mail = b"\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x0a\xc0\x0c"  # 10 example.org
            server.sendto(head + question[12:] + mail * count, client)

        threading.Thread(target=serve, daemon=True).start()
        place = f"dns://127.0.0.1:{server.getsockname()[1]}/example.org?type=MX"
        (judged,) = services_seen(place).values()

    assert judged is not None
    assert judged.message.startswith(message)


def test_a_name_server_that_is_silent_fails_in_its_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        place = f"dns://127.0.0.1:{server.getsockname()[1]}/example.org"
        (judged,) = services_seen(place, timeout_seconds=0.3).values()

    assert judged is not None
    assert judged.message == "127.0.0.1: no answer in time; 1 of 1 attempts"
