# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request with a deadline, its steps timed, its answer bounded; redirects within limits."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from dataclasses import dataclass, field, replace
from http.client import HTTPException, HTTPResponse
from typing import Any, Callable
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from ansible_collections.astral.upkeep.plugins.module_utils.host.addresses import (
    ANY,
    PUBLIC,
    refused,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    NoAnswerError,
    TimedConnection,
    anywhere,
    split_place,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked, masked_value

PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)
SAFE = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True)
class HttpAsk:
    """What to ask, and how.

    server_name: asked for in TLS, in Host and in the certificate, instead of the URL's host.
    connect_to: `host:port` to connect to, instead of the URL's.
    hosts: those that redirects may lead to wherever they are, besides the URL's own; others are at public addresses.
    refuse: says of an address why the first request does not go there.
    """

    url: str
    context: ssl.SSLContext
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    timeout_seconds: float = 10.0
    limit_bytes: int = 1_000_000
    redirects: int = 0
    server_name: str = ""
    connect_to: str = ""
    hosts: tuple[str, ...] = ()
    refuse: Callable[[str], str] = anywhere


@dataclass(frozen=True)
class HttpAnswer:
    """What came back. seconds: by step, and `total`; url: where the redirects led; stopped: a redirect not followed."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    truncated: bool
    seconds: dict[str, float]
    url: str
    redirected: list[str]
    stopped: str = ""
    protocol: str = ""


def split_url(url: str) -> SplitResult:
    """Return the URL's parts.

    Raises: ValueError if it is no http(s) URL that can be asked for.
    """
    try:
        parts = urlsplit(url)
    except ValueError as exc:  # its text may quote the URL
        raise ValueError(f"{masked_value(url)!r}: not a URL") from exc
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"{masked_value(url)!r}: expected http:// or https:// and a host")
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise ValueError(f"{masked_value(url)!r}: has a space or a control character")
    if parts.port == 0:
        raise ValueError(f"{masked_value(url)!r}: port 0")
    return parts


def fetch(host: Host, ask: HttpAsk) -> HttpAnswer:
    """Ask, follow at most `redirects` redirects (never from https to http), and return the last answer.

    Times are summed over the redirects.
    Raises: NoAnswerError; ValueError if the request cannot be made.
    """
    ends = time.monotonic() + ask.timeout_seconds
    seconds: dict[str, float] = {}
    redirected: list[str] = []
    once = _Once(host)
    hosts = _declared(ask)
    answer: HttpAnswer | None = None
    while True:
        left = max(0.0, ends - time.monotonic())
        try:
            answer = _fetch_once(once, replace(ask, timeout_seconds=left))
        except NoAnswerError as exc:
            if exc.stage != "refused" or answer is None:
                raise
            stopped = f"redirected to {redirected.pop()[:200]}, {exc}: not followed"
            return replace(answer, seconds=seconds, redirected=redirected, stopped=stopped)
        for step, spent in answer.seconds.items():
            seconds[step] = seconds.get(step, 0.0) + spent
        stopped = ""
        target = _target(ask.url, answer)
        if target:
            stopped = _why_not(ask, target, len(redirected))
        if not target or stopped:
            return replace(answer, seconds=seconds, redirected=redirected, stopped=stopped)
        redirected.append(masked_value(target))
        ask = _redirected(ask, target, answer.status)
        if not ask.connect_to:
            ask = replace(ask, refuse=_beyond(_host_of(target), hosts))


class _Once(Host):
    """The host, on which a name that was looked up stands for the same addresses until the last redirect."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found: dict[str, list[str]] = {}

    def resolve(self, name: str, port: int = 0) -> list[str]:
        """Return the name's addresses, looked up at most once."""
        if name not in self._found:
            self._found[name] = self._host.resolve(name, port)
        return self._found[name]

    def connect(self, address: str, port: int, timeout_seconds: float = 10.0) -> socket.socket:
        """Return a connection of the host."""
        return self._host.connect(address, port, timeout_seconds)


def _host_of(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _declared(ask: HttpAsk) -> frozenset[str]:
    """Return the hosts that the site has named, as URLs spell them."""
    named = [_host_of(ask.url), *ask.hosts, ask.server_name]
    if ask.connect_to:
        named.append(split_place(ask.connect_to, 1)[0])
    return frozenset(name.strip("[]").rstrip(".").lower() for name in named if name)


def _beyond(name: str, declared: frozenset[str]) -> Callable[[str], str]:
    """Return what refuses addresses to a redirect to a host.

    A host that was named may be at a private address, and nowhere else where no site looks; another one is public.
    Where an address itself was named, it is what was meant.
    """
    reach = ANY if name in declared else PUBLIC

    def refuse(address: str) -> str:
        if name in declared and address.partition("%")[0] == name.partition("%")[0]:
            return ""
        reason = refused(address, reach)
        return f"which leads to {reason}" if reason else ""

    return refuse


def _target(url: str, answer: HttpAnswer) -> str:
    """Return where the answer redirects to, or an empty text."""
    if answer.status not in REDIRECTS:
        return ""
    location = next((value for name, value in answer.headers if name.lower() == "location"), "")
    try:
        # Bytes that are no ASCII are percent-encoded, as browsers do.
        return urljoin(url, quote(location.strip(), safe=SAFE)) if location else ""
    except ValueError:
        return ""


def _why_not(ask: HttpAsk, target: str, followed: int) -> str:
    """Return why a redirect is not followed, or an empty text."""
    try:
        new = split_url(target)
    except ValueError:
        return f"redirected to {masked_value(target)[:200]!r}, which is not a web address"
    if urlsplit(ask.url).scheme == "https" and new.scheme == "http":
        return f"redirected from https to {masked_value(target)[:200]}"
    if followed >= ask.redirects:
        return (
            f"redirected to {masked_value(target)[:200]}"
            if not ask.redirects
            else (f"redirected more than {ask.redirects} times")
        )
    return ""


def _redirected(ask: HttpAsk, target: str, status: int) -> HttpAsk:
    """Return what to ask next: what was meant for the first host alone does not go to another."""
    old, new = urlsplit(ask.url), urlsplit(target)
    changed: dict[str, Any] = {"url": target}
    if old.hostname != new.hostname or old.scheme != new.scheme or old.port != new.port:
        private = ("authorization", "cookie", "host")
        changed["headers"] = {
            name: value
            for name, value in ask.headers.items()
            if name.lower() in ("accept", "accept-language", "user-agent")
            and name.lower() not in private
        }
    if old.hostname != new.hostname:
        changed["server_name"] = ""
    if old.hostname != new.hostname or (old.scheme, old.port) != (new.scheme, new.port):
        changed["connect_to"] = ""
    if status == 303 or (status in (301, 302) and ask.method == "POST"):
        changed.update(method="GET", body="")
    return replace(ask, **changed)


def _fetch_once(host: Host, ask: HttpAsk) -> HttpAnswer:
    """Make one request on a connection of its own."""
    parts = split_url(ask.url)
    name, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    request = _request(ask, parts)
    if ask.connect_to:
        name, port = split_place(ask.connect_to, port)
    started = time.monotonic()
    connection = TimedConnection(host, name, port, ask.timeout_seconds, ask.refuse)
    try:
        protocol = ""
        if parts.scheme == "https":
            secured = connection.secure(ask.context, ask.server_name or parts.hostname or "")
            protocol = secured.version() or ""
        sent_at = time.monotonic()
        connection.send(request)
        connection.expect()
        response = HTTPResponse(connection, method=ask.method)  # type: ignore[arg-type]
        try:
            response.begin()
            body = response.read(ask.limit_bytes + 1)
        except (HTTPException, OSError, ValueError) as exc:
            raise NoAnswerError("answer", _reason(exc)) from exc
        finally:
            response.close()
        if response.length and len(body) <= ask.limit_bytes:
            raise NoAnswerError("answer", f"{response.length} bytes fewer than announced")
        first = (connection.first_byte_at or time.monotonic()) - sent_at
        seconds = {**connection.seconds, "first_byte": first, "total": time.monotonic() - started}
    finally:
        connection.close()
    return HttpAnswer(
        status=response.status,
        reason=response.reason,
        headers=response.getheaders(),
        body=body[: ask.limit_bytes],
        truncated=len(body) > ask.limit_bytes,
        seconds=seconds,
        url=masked_value(ask.url),
        redirected=[],
        protocol=protocol,
    )


def _request(ask: HttpAsk, parts: SplitResult) -> bytes:
    """Return the request's bytes.

    Raises: ValueError for what could be read as more than one.
    """
    name = ask.server_name or parts.hostname or ""
    if not name.isascii():
        name = name.encode("idna").decode("ascii")
    place = f"[{name}]" if ":" in name else name
    if parts.port and parts.port != PORTS[parts.scheme]:
        place += f":{parts.port}"
    headers = {
        "Host": place,
        "User-Agent": "upkeep",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode("ascii")
    body = ask.body.encode("utf-8", "surrogateescape")
    if body or ask.method not in ("GET", "HEAD", "OPTIONS"):
        headers["Content-Length"] = str(len(body))
    own = {name.lower() for name in ask.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in own}
    headers.update(ask.headers)
    path = quote(parts.path or "/", safe=SAFE) + (
        "?" + quote(parts.query, safe=SAFE) if parts.query else ""
    )
    lines = [
        f"{ask.method} {path} HTTP/1.1",
        *(f"{key}: {value}" for key, value in headers.items()),
    ]
    for line in lines:
        if any(ord(character) < 32 and character != "\t" for character in line):
            raise ValueError("a header or the method has a control character")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


def _reason(exc: BaseException) -> str:
    """Return what was wrong with an answer, in one line."""
    if isinstance(exc, NoAnswerError):
        return str(exc)
    if isinstance(exc, ssl.SSLError):
        return f"TLS: {exc.reason or exc}"
    if isinstance(exc, OSError) and "timed out" in str(exc):
        return "no answer in time"
    text = masked(" ".join(str(exc).split()))[:200]
    return f"{type(exc).__name__}: {text}" if isinstance(exc, HTTPException) else text
