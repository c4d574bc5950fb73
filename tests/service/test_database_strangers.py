"""What answers in a database's place and is none: the reason is in our words, whatever it says."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    databases,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

SECRET = "canary-of-a-patient"
KINDS = ("postgresql", "pgbouncer", "mariadb", "redis")


def fields(text: bytes) -> bytes:
    """Return an error of PostgreSQL."""
    body = b"SFATAL\0VFATAL\0CXX000\0M" + text + b"\0\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


SAID: dict[str, bytes] = {
    "nothing": b"",
    "HTTP": f"HTTP/1.1 400 Bad Request {SECRET}\r\n\r\n".encode(),
    "bytes": bytes(range(256)) * 20 + SECRET.encode(),
    "an error of Redis": f"-ERR wrong {SECRET}\r\n".encode(),
    "an error of PostgreSQL": fields(f"Key (ssn)=({SECRET}) exists".encode()),
    "a large error of PostgreSQL": fields(b"x" * 3_000_000 + SECRET.encode()),
    "an error of MariaDB": b"\x30\0\0\0\xff\x51\x04#42000" + SECRET.encode().ljust(38),
}


@contextmanager
def stranger(says: bytes) -> Iterator[int]:
    """Listen, say the same to everybody, and close; the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _address = server.accept()
                    with client, suppress(OSError):
                        client.settimeout(2)
                        if says:
                            client.recv(1) if not says.startswith(b"\x30") else None
                        client.sendall(says)
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(65_536):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("gather", [databases.gather, database_activity.gather])
@pytest.mark.parametrize("said", SAID)
def test_nothing_of_what_a_stranger_says_is_told(
    said: str, gather: Callable[[dict[str, Any], Host], list[Any]]
) -> None:
    with stranger(SAID[said]) as port:
        declared = [{"kind": kind, "address": "127.0.0.1", "port": port} for kind in KINDS]
        params = {"databases": declared, "discover": False, "timeout_seconds": 5}
        found = gather(params, Host())

    assert len(found) == len(KINDS)
    for seen in found:
        assert seen.error == ""
        assert seen.data["connected"] is False
        reason = seen.data["reason"]
        assert reason.isprintable()
        assert 8 < len(reason) <= 400
        assert SECRET not in repr(seen)
        assert "Errno" not in reason
