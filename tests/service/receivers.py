"""A mail server and an HTTP server that receive messages, and misbehave when asked to."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from patience import PATIENCE_SECONDS


class Mails:
    """What the mail server got, and its bytes. refuses: what it answers instead of taking it."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.refuses = ""

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        if self.refuses:
            return self.refuses
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.got.append(parsed)
        self.raw.append(envelope.content)
        return "250 OK"


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[str, Mails]]:
    """Yield the apprise URL of a mail server on loopback, and what it gets."""
    mails = Mails()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(mails, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield f"mailto://127.0.0.1:{port}?from=upkeep@example.org&to=ada@example.org", mails
    finally:
        server.stop()


class Posts:
    """What the HTTP server got, and its bytes with the headers. status: what it answers; hangs: it says nothing; drips: a byte now and then."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.asked = 0
        self.status = 200
        self.hangs = False
        self.drips = False
        self.to = ""
        self.over = threading.Event()


@contextlib.contextmanager
def http_server() -> Iterator[tuple[str, Posts]]:
    """Yield the apprise URL of an HTTP server on loopback, and what it gets."""
    posts = Posts()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.asked += 1
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if posts.hangs:
                posts.over.wait(PATIENCE_SECONDS)
                return
            if posts.drips:
                while not posts.over.is_set():
                    with contextlib.suppress(OSError):
                        self.wfile.write(b"H")
                        self.wfile.flush()
                    time.sleep(0.2)
                return
            if posts.status == 200:
                posts.raw.append(f"{self.requestline}\n{self.headers}\n".encode() + content)
                if "json" in self.headers["Content-Type"]:
                    posts.got.append(json.loads(content))
            self.send_response(posts.status)
            if posts.to:
                self.send_header("Location", posts.to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/hook/s3cretpath", posts
    finally:
        posts.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
