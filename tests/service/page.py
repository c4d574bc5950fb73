"""The page as its own process or thread: uvicorn on a loopback port, and a program that asks it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx2
import uvicorn
from cheap_passwords import PASSWORD, password_hash
from patience import PATIENCE_SECONDS

from upkeep.model.roles import Role
from upkeep.store import Store, users
from upkeep.web.app import make_app
from upkeep.web.routing import Setting

__all__ = ["PASSWORD", "Visitor", "add_users", "ask", "served"]


def add_users(store: Store, now: datetime) -> None:
    """Add a user of each role, who is called like it, and a spare one; all have the same password."""
    kept = password_hash()
    with store.begin() as db:
        for role in Role:
            users.add(db, role.value, role, kept, now)
        users.add(db, "spare", Role.VIEWER, kept, now)


@contextlib.contextmanager
def served(setting: Setting, **options: Any) -> Iterator[str]:
    """Serve the page in a thread; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        make_app(setting), port=port, log_level="error", access_log=False, **options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE_SECONDS
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)


def ask(url: str, **options: Any) -> httpx2.Response:
    """Ask for a page once. Without TLS: to load the authorities for it takes longer than all else."""
    return httpx2.get(url, verify=False, **options)


class Visitor:
    """A browser without a screen: keeps its cookie, sends what a browser sends, and finds the form's token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS, verify=False)

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx2.Response:
        return self.post("/sign-in", name=name, password=password)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.client.get(path, headers=headers)

    def post(
        self, path: str, headers: dict[str, str] | None = None, **form: str
    ) -> httpx2.Response:
        sent = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"} | (headers or {})
        return self.client.post(
            path, data=form, headers={name: value for name, value in sent.items() if value}
        )

    def token(self) -> str:
        return str(self.get("/api/me").json()["form_token"])

    def act(self, path: str, **form: str) -> httpx2.Response:
        return self.post(path, form_token=self.token(), **form)

    def close(self) -> None:
        self.client.close()
