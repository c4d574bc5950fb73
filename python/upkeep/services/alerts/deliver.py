"""The process that hands messages to one channel: apprise, and nothing else of ours.

It reads one JSON document from standard input (the URL never stands in a command line) and writes a line per message
as it goes. Whoever started it ends it when it takes too long.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any
from urllib.parse import unquote

from upkeep.services.alerts import guard

FORBIDDEN = ("file", "dbus", "qt", "glib", "kde", "gnome", "macosx", "windows", "syslog")
"""Schemes that reach no person but this machine."""


def main() -> int:
    """Hand over what standard input holds."""
    order = json.load(sys.stdin)
    url = order["url"]
    reasons = guard.watch_connections(local=order["local"])
    problem, service = _service(url, local=order["local"])
    heard = _Heard()
    logging.getLogger("apprise").addHandler(heard)
    for message in order["messages"]:
        error = problem or _send(service, message, heard)
        # Libraries call a connection that was refused an error of the network.
        error = "; ".join([*dict.fromkeys(reasons), error]) if error else ""
        line = {"error": hidden(error, url)}
        print(json.dumps(line), flush=True)  # noqa: T201 - this process' answer
    return 0


class _Heard(logging.Handler):
    """Keeps what apprise says of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's text."""
        self.said.append(record.getMessage())


def _service(url: str, *, local: bool) -> tuple[str, Any]:
    """Return why the URL cannot be used, or empty and apprise's service."""
    scheme = url.split(":")[0].strip().lower()
    if scheme in FORBIDDEN:
        return f"refused: {scheme}: reaches nobody", None
    import apprise

    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        return "not a URL that apprise knows", None
    reason = guard.refused(str(service.host or ""), local=local)
    return (f"refused: {reason}" if reason else ""), service


def _send(service: Any, message: dict[str, Any], heard: _Heard) -> str:
    """Send one message; return why not, or empty."""
    import apprise

    heard.said.clear()
    kind = apprise.NotifyType.SUCCESS if message["kind"] == "recovery" else apprise.NotifyType.INFO
    if message["kind"] == "alert":
        kind = (
            apprise.NotifyType.FAILURE if message["severity"] <= 2 else apprise.NotifyType.WARNING
        )
    target = apprise.Apprise()
    target.add(service)
    try:
        done = target.notify(
            body=message["body"],
            title=message["title"],
            notify_type=kind,
            body_format=apprise.NotifyFormat.TEXT,
            interpret_escapes=False,
        )
    except (OSError, TypeError, ValueError) as exc:
        return f"{type(exc).__name__}: {exc}"
    if done:
        return ""
    return "; ".join(heard.said[-3:]) or "not taken"


def hidden(text: str, url: str) -> str:
    """Return a text without what of a URL may be a secret: all but its scheme and its host's name."""
    host = re.match(r"[\w+]+://(?:[^@/?#]*@)?([^:/?#]*)", url)
    parts = {part for part in re.split(r"[/:@?&=#,]+", url) if len(part) > 3}
    parts |= {unquote(part) for part in parts}
    keep = {url.split(":")[0], host.group(1) if host else ""}
    for part in sorted(parts - keep, key=len, reverse=True):
        text = text.replace(part, "***")
    return " ".join(text.split())[:500]


if __name__ == "__main__":
    sys.exit(main())
