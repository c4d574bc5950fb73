# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of the gathers that look at services: one deadline for all of it, each step timed, TLS, STARTTLS.

A socket's own timeout counts anew for every read, so that a server that sends a byte now and then could hold a
gather for ever; here what is left until the deadline is set before each operation.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import struct
import threading
import time
import warnings
from typing import Any, Callable, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked_value

AT_ONCE = 8
LINE_LIMIT_BYTES = 4096
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name. Source: openssl/x509_vfy.h."""
PARTIAL_CHAIN = 0x80000
"""X509_V_FLAG_PARTIAL_CHAIN, which it names from Python 3.10 on."""

RESOLVER_SILENT = (socket.EAI_AGAIN, socket.EAI_FAIL, getattr(socket, "EAI_SYSTEM", -11))


class NoAnswerError(Exception):
    """How far a connection came, and why no further.

    stage: `resolver` (it did not answer, so that nothing is known of the service), `name` (there is none such),
    `refused` (we may not go there), `connect`, `upgrade` (STARTTLS), `tls`, `answer`.
    """

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage


def anywhere(_address: str) -> str:
    """Refuse no address: what the site itself has named is asked wherever it is."""
    return ""


class TimedConnection(io.RawIOBase):
    """A TCP connection, later perhaps TLS, that is over when its time is.

    refuse: says of an address why it is not connected to. The name is looked up once, and what was found is both
    asked about and connected to. seconds: how long each step took: dns, tcp, upgrade, tls. It reads as a raw stream;
    `first_byte_at` is the monotonic time of the first byte that came after `expect`.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        port: int,
        timeout_seconds: float,
        refuse: Callable[[str], str] = anywhere,
    ) -> None:
        super().__init__()
        self.ends = time.monotonic() + timeout_seconds
        self.seconds: dict[str, float] = {}
        self.first_byte_at: float | None = None
        self.address = ""
        started = time.monotonic()
        try:
            addresses = host.resolve(name, port)
        except HostError as exc:
            silent = getattr(exc.__cause__, "errno", None) in RESOLVER_SILENT
            raise NoAnswerError("resolver" if silent else "name", str(exc)) from exc
        self.seconds["dns"] = time.monotonic() - started
        started = time.monotonic()
        self.socket = self._reach(host, self._allowed(addresses, refuse), port)
        self._look_again(refuse)
        self.seconds["tcp"] = time.monotonic() - started

    def _allowed(self, addresses: Sequence[str], refuse: Callable[[str], str]) -> list[str]:
        """Return the addresses that may be connected to.

        Raises: NoAnswerError if there are none.
        """
        reasons = {address: refuse(address) for address in addresses}
        allowed = [address for address, reason in reasons.items() if not reason]
        if reasons and not allowed:
            raise NoAnswerError("refused", next(iter(reasons.values())))
        return allowed

    def _look_again(self, refuse: Callable[[str], str]) -> None:
        """Raise NoAnswerError if the other end is not where we may be, whatever the system made of the address."""
        try:
            reason = refuse(str(self.socket.getpeername()[0]))
        except OSError as exc:
            self.socket.close()
            raise NoAnswerError("connect", _reason(exc)) from exc
        if reason:
            self.socket.close()
            raise NoAnswerError("refused", reason)

    def _reach(self, host: Host, addresses: Sequence[str], port: int) -> socket.socket:
        """Try the addresses in turn, each with its share of the time: one may be silent where the next answers."""
        problem: HostError | None = None
        for index, address in enumerate(addresses):
            share = self.left("connect") / (len(addresses) - index)
            try:
                connection = host.connect(address, port, share)
            except HostError as exc:
                problem = exc
                continue
            self.address = address
            return connection
        raise NoAnswerError("connect", str(problem) if problem else "no address") from problem

    def left(self, stage: str = "answer") -> float:
        """Return the seconds that are left.

        Raises: NoAnswerError if there are none.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise NoAnswerError(stage, "no answer in time")
        return left

    def secure(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLSocket:
        """Go on in TLS, asking for server_name.

        Raises: NoAnswerError.
        """
        started = time.monotonic()
        try:
            self.socket.settimeout(self.left("tls"))
            secured = context.wrap_socket(self.socket, server_hostname=server_name or None)
        except (OSError, ValueError) as exc:
            raise NoAnswerError("tls", tls_reason(exc)) from exc
        self.socket = secured
        self.seconds["tls"] = time.monotonic() - started
        return secured

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises: NoAnswerError.
        """
        try:
            self.socket.settimeout(self.left())
            self.socket.sendall(data)
        except OSError as exc:
            raise NoAnswerError("answer", _reason(exc)) from exc

    def receive(self, size: int, stage: str = "answer") -> bytes:
        """Return exactly size bytes.

        Raises: NoAnswerError.
        """
        taken = b""
        while len(taken) < size:
            try:
                self.socket.settimeout(self.left(stage))
                chunk = self.socket.recv(size - len(taken))
            except OSError as exc:
                raise NoAnswerError(stage, _reason(exc)) from exc
            if not chunk:
                raise NoAnswerError(stage, "closed the connection")
            taken += chunk
        return taken

    def line(self) -> str:
        """Return the next line of a greeting; byte by byte, for what follows may be TLS."""
        taken = b""
        while not taken.endswith(b"\n"):
            if len(taken) >= LINE_LIMIT_BYTES:
                raise NoAnswerError("upgrade", f"a line of more than {LINE_LIMIT_BYTES} bytes")
            taken += self.receive(1, "upgrade")
        return taken.decode("utf-8", "replace").rstrip("\r\n")

    def expect(self) -> None:
        """Note the time of the first byte from now on."""
        self.first_byte_at = None

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is into the buffer, until the deadline."""
        self.socket.settimeout(self.left())
        count = self.socket.recv_into(buffer)
        if self.first_byte_at is None and count:
            self.first_byte_at = time.monotonic()
        return count

    def makefile(self, *_mode: Any) -> io.BufferedReader:
        """Return itself as the stream that http.client reads an answer from."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Close the socket and the stream."""
        if hasattr(self, "socket"):
            self.socket.close()
        super().close()


def client_context(verify: bool = True, ca_file: str = "") -> ssl.SSLContext:
    """Return what a careful client uses: trust by ca_file or else by the host's store, the name checked.

    Raises: NoAnswerError if ca_file cannot be used.
    """
    try:
        if ca_file:
            with Host().open(ca_file):  # which refuses what would be waited for: a FIFO
                pass
        context = ssl.create_default_context(cafile=ca_file or None)
    except HostError as exc:
        raise NoAnswerError("tls", str(exc)) from exc
    except (OSError, ValueError) as exc:
        raise NoAnswerError("tls", f"{ca_file}: {tls_reason(exc)}") from exc
    # From Python 3.13 on it would refuse what other clients accept; a verdict must not depend on the host's Python.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def trust_context(ca_file: str = "") -> ssl.SSLContext:
    """Return a context that asks about trust alone, not about the name and the time.

    Raises: NoAnswerError.
    """
    context = client_context(True, ca_file)
    context.check_hostname = False
    # Set by number: ssl.VerifyFlags does not know this one.
    context.verify_flags = ssl.VerifyFlags(int(context.verify_flags) | NO_CHECK_TIME)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def own_roots_context(certificates: str) -> ssl.SSLContext:
    """Return a context that trusts the roots in these PEM texts too.

    Raises: NoAnswerError.
    """
    context = trust_context()
    # What is no root is no end of the way either, on any Python.
    context.verify_flags = ssl.VerifyFlags(int(context.verify_flags) & ~PARTIAL_CHAIN)
    try:
        context.load_verify_locations(cadata=certificates)
    except (OSError, ValueError) as exc:
        raise NoAnswerError("tls", tls_reason(exc)) from exc
    return context


def limit_key(context: ssl.SSLContext, kind: str) -> None:
    """Make the context ask for a certificate with this kind of key: RSA or ECDSA; up to TLS 1.2 ciphers say so."""
    context.set_ciphers({"RSA": "aRSA", "ECDSA": "aECDSA"}[kind] + ":@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def looking_context(old_only: bool = False) -> ssl.SSLContext:
    """Return a context that takes whatever the server has, to look at it; old_only: nothing newer than TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if old_only:
        with warnings.catch_warnings():  # Python warns of what is meant here
            warnings.simplefilter("ignore", DeprecationWarning)
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def peer_chain(secured: ssl.SSLSocket) -> tuple[list[bytes], bool]:
    """Return the certificates that the server presented, in its order, and if all of them could be seen.

    Python shows more than the first from 3.13 on, and in a private place from 3.10 on.
    """
    getter = getattr(secured, "get_unverified_chain", None) or getattr(
        getattr(secured, "_sslobj", None), "get_unverified_chain", None
    )
    if getter is not None:
        chain = [one if isinstance(one, bytes) else one.public_bytes(2) for one in getter() or ()]
        if chain:
            return chain, True
    leaf = secured.getpeercert(binary_form=True)
    return ([leaf] if leaf else []), False


def tls_reason(exc: BaseException) -> str:
    """Return why a handshake ended, in OpenSSL's words without its file names."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError) and exc.reason:
        return exc.reason.lower().replace("_", " ")
    return _reason(exc)


def _reason(exc: BaseException) -> str:
    """Return an error in one line."""
    if isinstance(exc, socket.timeout):
        return "no answer in time"
    text = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    line = " ".join(text[:300].split())
    return line[:1].lower() + line[1:]


def start_tls(connection: TimedConnection, protocol: str) -> None:
    """Ask the server to go on in TLS in the way of protocol, one of STARTTLS.

    Raises: NoAnswerError.
    """
    started = time.monotonic()
    STARTTLS[protocol](connection)
    connection.seconds["upgrade"] = time.monotonic() - started


def _smtp(connection: TimedConnection) -> None:
    """RFC 3207."""
    _status_line(connection, "220")
    connection.send(b"EHLO upkeep.invalid\r\n")
    _status_line(connection, "250")
    connection.send(b"STARTTLS\r\n")
    _status_line(connection, "220")


def _ftp(connection: TimedConnection) -> None:
    """RFC 4217."""
    _status_line(connection, "220")
    connection.send(b"AUTH TLS\r\n")
    _status_line(connection, "234")


def _status_line(connection: TimedConnection, code: str) -> None:
    """Read an answer of one or more lines that all start with a code; RFC 5321, section 4.2.1."""
    for _line in range(100):
        line = connection.line()
        if not line.startswith(code):
            raise NoAnswerError("upgrade", f"expected {code}, found {line[:120]!r}")
        if line[3:4] != "-":
            return
    raise NoAnswerError("upgrade", "more than 100 lines in an answer")


def _imap(connection: TimedConnection) -> None:
    """RFC 9051, section 6.2.1."""
    _starts(connection.line(), "* OK")
    connection.send(b"a STARTTLS\r\n")
    for _line in range(100):
        line = connection.line()
        if not line.startswith("* "):
            return _starts(line, "a OK")
    raise NoAnswerError("upgrade", "more than 100 lines in an answer")


def _pop3(connection: TimedConnection) -> None:
    """RFC 2595, section 4."""
    _starts(connection.line(), "+OK")
    connection.send(b"STLS\r\n")
    _starts(connection.line(), "+OK")


def _starts(line: str, start: str) -> None:
    if not line.upper().startswith(start.upper()):
        raise NoAnswerError("upgrade", f"expected {start!r}, found {line[:120]!r}")


def _postgres(connection: TimedConnection) -> None:
    """SSLRequest; https://www.postgresql.org/docs/current/protocol-message-formats.html."""
    connection.send(struct.pack("!II", 8, 80877103))
    answer = connection.receive(1, "upgrade")
    if answer != b"S":
        raise NoAnswerError("upgrade", f"expected b'S', found {answer!r}: TLS is off")


def _mysql(connection: TimedConnection) -> None:
    """SSLRequest after the greeting; https://mariadb.com/kb/en/connection/."""
    head = connection.receive(4, "upgrade")
    greeting = connection.receive(int.from_bytes(head[:3], "little") & 0xFFFF, "upgrade")
    version_ends = greeting.find(b"\0")
    low = greeting[version_ends + 14 : version_ends + 16]
    if greeting[:1] != b"\x0a" or not int.from_bytes(low, "little") & 0x0800:
        raise NoAnswerError("upgrade", "TLS is off, or this is not a MySQL server")
    # CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION, 16 MB packets, utf8mb4
    connection.send(b"\x20\0\0\x01" + struct.pack("<IIB23x", 0x8A00, 1 << 24, 45))


def _ldap(connection: TimedConnection) -> None:
    """RFC 4511, section 4.14: an extended request with StartTLS's number, answered by resultCode 0."""
    oid = b"1.3.6.1.4.1.1466.20037"
    request = b"\x02\x01\x01\x77" + bytes([len(oid) + 2]) + b"\x80" + bytes([len(oid)]) + oid
    connection.send(b"\x30" + bytes([len(request)]) + request)
    head = connection.receive(2, "upgrade")
    size = head[1]
    if size > 0x80:
        size = int.from_bytes(connection.receive(min(size - 0x80, 2), "upgrade"), "big")
    answer = connection.receive(size, "upgrade")
    if b"\x0a\x01\x00" not in answer[:20]:
        raise NoAnswerError("upgrade", "StartTLS was refused")


STARTTLS: dict[str, Callable[[TimedConnection], None]] = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "postgres": _postgres,
    "mysql": _mysql,
    "ldap": _ldap,
}


def side_by_side(
    work: Callable[[Any], Any], items: Sequence[Any], timeout_seconds: float
) -> list[Any]:
    """Return work(item) of each item, or the exception it raised; None for what is not done in time.

    Its threads are not waited for: a resolver cannot be interrupted.
    """
    done: list[Any] = [None] * len(items)
    waiting = list(enumerate(items))[::-1]

    def take() -> None:
        while True:
            try:
                index, item = waiting.pop()
            except IndexError:
                return
            try:
                done[index] = work(item)
            except Exception as exc:  # whatever it is, it is this item's alone
                done[index] = exc

    threads = [threading.Thread(target=take, daemon=True) for _item in items[:AT_ONCE]]
    ends = time.monotonic() + timeout_seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    waiting.clear()
    return done


def split_place(place: str, default_port: int = 0) -> tuple[str, int]:
    """Return host and port of `host:port`, `[address]:port` or, with a default, `host`.

    Raises: ValueError.
    """
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^\[\]:]*))(?::([0-9]{1,5}))?", place, re.ASCII)
    if match is None and re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", place):
        name, port = place, default_port  # an IPv6 address without brackets
    elif match is not None:
        name, port = match.group(1) or match.group(2) or "", int(match.group(3) or default_port)
    else:
        name, port = "", 0
    if not name or not 0 < port < 65536:
        raise ValueError(f"{masked_value(place)[:80]!r}: expected host:port")
    return name, port
