"""Log in to a host over SSH step by step, to say at which step and why it cannot be done."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shlex
import socket
import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko

from upkeep.model.errors import UpkeepError
from upkeep.site.connections import CONNECT_SECONDS, Way, known_keys
from upkeep.system import child

BANNER_SECONDS = 8.0
HOST_SECONDS = 30.0
OUTPUT_BYTES = 100_000
AGENT_KEYS = 5  # sshd counts each as an attempt, and takes six

# Without a handler of its own, paramiko's log goes to standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class LoginError(UpkeepError):
    """A step on the way in that did not work. topic: reachable, host key or login."""

    def __init__(self, topic: str, text: str, remedy: str, status: str = "fail") -> None:
        super().__init__(text, remedy=remedy)
        self.topic = topic
        self.status = status


class SshSession:
    """A login that worked."""

    def __init__(self, transport: paramiko.Transport, key_known: bool) -> None:
        self.transport = transport
        self.key_known = key_known

    def run(self, command: str, timeout_seconds: float) -> str:
        """Return what a command prints, in bounded time and size.

        Raises: OSError or SSHException.
        """
        with contextlib.closing(self.transport.open_session(timeout=CONNECT_SECONDS)) as channel:
            channel.settimeout(timeout_seconds)
            channel.exec_command(command)
            said = b""
            while len(said) < OUTPUT_BYTES and (more := channel.recv(OUTPUT_BYTES - len(said))):
                said += more
            return said.decode("utf-8", "replace")


@contextlib.contextmanager
def login(way: Way) -> Iterator[SshSession]:
    """Yield a session on the host.

    Whatever the other side does, it all ends after HOST_SECONDS: the connection is cut then.

    Raises: LoginError.
    """
    with _connected(way) as (channel, complaint):
        transport = None
        timer = threading.Timer(HOST_SECONDS, _cut, [channel])
        timer.daemon = True
        timer.start()
        try:
            known = known_keys(way)
            transport = _greet(way, channel, complaint, {kind for _marker, kind, _key in known})
            key_known = _compare_key(way, transport, known)
            _authenticate(way, transport, key_known=key_known)
            yield SshSession(transport, key_known)
        finally:
            timer.cancel()
            if transport is not None:
                transport.close()


def reason(exc: BaseException) -> str:
    """Return in one line what went wrong."""
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, EOFError):
        return "the connection was closed"
    text = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return " ".join(text.split()).rstrip(".")


def fingerprint(blob: bytes) -> str:
    """Return a public key's fingerprint as ssh-keygen shows it."""
    return "SHA256:" + b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


@contextlib.contextmanager
def _connected(way: Way) -> Iterator[tuple[socket.socket, list[str]]]:
    """Yield a socket to the host's sshd, and what a proxy command has complained of once it has ended."""
    remedy = way.command.replace("ssh", "ssh -v", 1)
    if not way.proxy:
        try:
            channel = socket.create_connection((way.address, way.port), CONNECT_SECONDS)
        except (OSError, UnicodeError) as exc:
            text = f"{way.address} port {way.port}: {reason(exc)}"
            raise LoginError("reachable", text, remedy) from exc
        with channel:
            yield channel, []
        return
    # paramiko's own ProxyCommand spins without an end once its program has ended.
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = ["/bin/sh", "-c", f"exec {way.proxy}"]
            stream = theirs.fileno()
            process = child.Child(command, given=stream, output=stream, complaint=subprocess.PIPE)
        complaint: list[str] = []
        reader = threading.Thread(
            target=_read_complaint, args=[process.process, complaint], daemon=True
        )
        reader.start()
        try:
            yield ours, complaint
        finally:
            process.end()
            reader.join(1)
            process.close()


def _read_complaint(process: subprocess.Popen[bytes], complaint: list[str]) -> None:
    """Keep the last lines that a proxy command prints, without ever keeping it waiting."""
    for line in process.stderr or ():
        if len(complaint) < 20 and line.strip():
            complaint.append(line[:500].decode("utf-8", "replace").strip())


def _cut(channel: socket.socket) -> None:
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def _greet(
    way: Way, channel: socket.socket, complaint: list[str], types: set[str]
) -> paramiko.Transport:
    """Return the transport after the key exchange; keys of the types that are known are asked for first."""
    try:
        transport = paramiko.Transport(channel)
        transport.banner_timeout = transport.handshake_timeout = BANNER_SECONDS
        transport.auth_timeout = BANNER_SECONDS
        transport.daemon = True
        options = transport.get_security_options()
        if "ssh-rsa" in types:
            types |= {"rsa-sha2-512", "rsa-sha2-256"}
        options.key_types = tuple(sorted(options.key_types, key=lambda kind: kind not in types))
        try:
            _exchange_keys(transport)
        except BaseException:
            transport.close()
            raise
    except (OSError, EOFError, paramiko.SSHException) as exc:
        through = f"through {way.proxy!r}: {'; '.join(complaint)}" if complaint else reason(exc)
        remedy = way.command.replace("ssh", "ssh -v", 1)
        raise LoginError("reachable", f"{way.place}: {through}", remedy) from exc
    return transport


def _exchange_keys(transport: paramiko.Transport) -> None:
    transport.start_client(timeout=BANNER_SECONDS)
    if not transport.initial_kex_done:  # it returns without a word when time is up
        raise TimeoutError


def _compare_key(
    way: Way, transport: paramiko.Transport, keys: Sequence[tuple[str, str, str]]
) -> bool:
    """Return whether the host's key is known.

    Raises: LoginError if it has changed, is revoked, or must be known.
    """
    blob = transport.get_remote_server_key().asbytes()
    kind = transport.get_remote_server_key().get_name()
    known = [(marker, b64decode(key + "==")) for marker, _kind, key in keys]
    shown = f"{kind} {fingerprint(blob)}"
    if ("@revoked", blob) in known:
        text = f"the host key of {way.place} is revoked: {shown}"
        remedy = "take the host off the network; give it a new key and find out who has the old one"
        raise LoginError("host key", text, remedy)
    if ("", blob) in known:
        return True
    plain = [fingerprint(one) for marker, one in known if not marker]
    if plain:
        text = f"the host key of {way.place} has changed: {shown}, known is {', '.join(plain)}"
        remedy = f"ssh-keygen -R {shlex.quote(way.name)}  # decide: only after you have found out why it changed"
        raise LoginError("host key", text, remedy)
    if any(marker == "@cert-authority" for marker, _key in known):
        text = (
            f"the host key of {way.place} is signed by a certificate authority; that is not checked"
        )
        raise LoginError("host key", text, f"{way.command} true", "unknown")
    if way.strict:
        text = f"the host key of {way.place} is not known: {shown}"
        path = way.known_hosts[0] if way.known_hosts else "~/.ssh/known_hosts"
        port = "" if way.port == 22 else f" -p {way.port}"
        remedy = f"ssh-keyscan{port} {way.address} >> {path}  # decide: compare the fingerprint with the host's"
        raise LoginError("host key", text, remedy)
    return False


def _authenticate(way: Way, transport: paramiko.Transport, *, key_known: bool) -> None:
    """Log in with one key after the other, then with the password.

    Raises: LoginError with what was tried.
    """
    tried: list[str] = []
    try:
        for name, key in _keys(way, tried):
            try:
                transport.auth_publickey(way.user, key)
            except paramiko.BadAuthenticationType as exc:
                tried.append(f"the host accepts no keys, only {' and '.join(exc.allowed_types)}")
                break
            except paramiko.AuthenticationException:
                tried.append(name)
            else:
                return
        if way.password and not key_known:
            tried.append("the password is not sent to a host whose key is not known")
        elif way.password:
            try:
                transport.auth_password(way.user, way.password)
            except paramiko.AuthenticationException:
                tried.append("the password")
            else:
                return
    except (OSError, EOFError, paramiko.SSHException) as exc:
        tried.append(f"then {reason(exc)}")
    with_what = f" with {', '.join(tried)}" if tried else ": there is no key and no password"
    text = f"{way.user} cannot log in at {way.place}{with_what}"
    port = "" if way.port == 22 else f" -p {way.port}"
    if way.password_vaulted:
        text += "; the password in the vault was not tried"
        raise LoginError("login", text, f"ansible -m ping {way.host}", "unknown")
    raise LoginError("login", text, f"ssh-copy-id{port} {way.user}@{way.address}")


def _keys(way: Way, tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    """Yield the keys to try with their names; note in `tried` those that cannot be used."""
    missing = []
    for path in way.keys:
        if not Path(path).is_file():
            missing.append(path)
            continue
        try:
            yield path, paramiko.PKey.from_path(path)
        except (TypeError, paramiko.PasswordRequiredException):
            tried.append(f"{path} (has a passphrase: ssh-add it)")
        except OSError as exc:
            tried.append(f"{path} ({reason(exc).lower()})")
        except Exception:  # what a broken file makes of the parsers is not foreseeable
            tried.append(f"{path} (not a private key)")
    if way.agent:
        with contextlib.closing(paramiko.Agent()) as agent:
            for key in agent.get_keys()[:AGENT_KEYS]:
                yield f"the agent's {key.get_name()} {fingerprint(key.asbytes())}", key
    if len(missing) == len(way.keys) == 1:  # one that is said, and not ssh's own list
        tried.append(f"{missing[0]} (does not exist)")
