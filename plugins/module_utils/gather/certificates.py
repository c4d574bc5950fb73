# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates in files and as servers present them, and what belongs to them: chain, key, names, trust."""

from __future__ import annotations

import base64
import ipaddress
import ssl
from dataclasses import dataclass, replace
from typing import Any, Callable

from ansible_collections.astral.upkeep.plugins.module_utils.certificate_files import (
    key_of,
    pem,
    read_certificates,
    served_chain,
    trust_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.connect import (
    STARTTLS,
    Connection,
    NoAnswerError,
    looking_context,
    peer_chain,
    side_by_side,
    split_place,
    start_tls,
    trust_context,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from ansible_collections.astral.upkeep.plugins.module_utils.tls_sites import tls_sites

ARGUMENTS: dict[str, dict[str, Any]] = {
    "files": {"type": "list", "elements": "path", "default": []},
    "endpoints": {"type": "list", "elements": "str", "default": []},
    "served": {"type": "dict", "default": {}},
    "keys": {"type": "dict", "default": {}, "no_log": False},
    "names": {"type": "dict", "default": {}},
    "ca_file": {"type": "path", "default": ""},
    "passphrase": {"type": "str", "default": "", "no_log": True},
    "old_protocols": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "float", "default": 5.0},
}
TOOLS = ("openssl",)
TIMEOUT_SECONDS = 60
LIMIT_BYTES = 2_000_000  # what is too much is named, one by one
OWN_SECONDS = 55.0
MOST_SUBJECTS = 60
PORTS = {
    "smtp": 25,
    "imap": 143,
    "pop3": 110,
    "ftp": 21,
    "postgres": 5432,
    "mysql": 3306,
    "ldap": 389,
}
HTTPS_PORT = 443
Shake = Callable[[ssl.SSLContext, Callable[[ssl.SSLSocket], Any]], Any]


@dataclass(frozen=True)
class Wanted:
    """A file or an endpoint to look at.

    subject: the file's path, or the endpoint as the site wrote it. found: by discovery, so that its absence is no news.
    key: the file's key. names: what it should be valid for. on_disk: the file that the endpoint should serve.
    """

    subject: str
    is_file: bool = False
    found: bool = False
    key: str = ""
    names: tuple[str, ...] = ()
    on_disk: str = ""


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per file and endpoint; where nothing is declared, of what web servers are set up with."""
    wanted = declared(params, host)
    if not wanted:
        wanted = discovered(host)
    too_many = wanted[MOST_SUBJECTS:]
    wanted = wanted[:MOST_SUBJECTS]
    tried = side_by_side(lambda one: _look(one, params, host), wanted, OWN_SECONDS)
    reason = f"not looked at: {MOST_SUBJECTS} is the most of one entry; declare this in another"
    observations = [Observation(one.subject, error=reason) for one in too_many]
    for one, seen in zip(wanted, tried):
        if isinstance(seen, Observation):
            observations.append(seen)
        elif seen is None or not one.found or one.is_file:
            reason = f"not looked at in {OWN_SECONDS:g} s" if seen is None else str(seen)
            observations.append(Observation(one.subject, error=reason))
    return observations


def declared(params: dict[str, Any], host: Host) -> list[Wanted]:
    """Return what the site declared; patterns are expanded, and one that finds nothing stays, to be reported."""
    files: dict[str, Wanted] = {}
    for pattern in [*params["files"], *params["served"], *params["keys"]]:
        for path in (host.glob(pattern) if set("*?[") & set(pattern) else []) or [pattern]:
            names = _texts(params["names"].get(path))
            files[path] = Wanted(path, True, key=str(params["keys"].get(path, "")), names=names)
    endpoints: dict[str, Wanted] = {}
    for place in params["endpoints"]:
        endpoints[place] = Wanted(place, names=_texts(params["names"].get(place)))
    for path, places in params["served"].items():
        for place in _texts(places):
            known = endpoints.get(place, Wanted(place, names=_texts(params["names"].get(place))))
            endpoints[place] = replace(known, on_disk=path)
    return [*files.values(), *endpoints.values()]


def discovered(host: Host) -> list[Wanted]:
    """Return what nginx, Apache and certbot on this host are set up with."""
    files: dict[str, Wanted] = {}
    endpoints: dict[str, Wanted] = {}
    for site in tls_sites(host):
        known = files.get(site.certificate, Wanted(site.certificate, True, True, site.key))
        names = tuple(dict.fromkeys(known.names + site.names))
        files[site.certificate] = replace(known, names=names, key=known.key or site.key)
        for place in site.places:
            for name in site.names or ("",):
                subject = f"{name}@{place}" if name else place
                # A second certificate of one site is of another kind of key; which one is served, the client decides.
                if subject in endpoints:
                    endpoints[subject] = replace(endpoints[subject], on_disk="")
                    continue
                endpoints[subject] = Wanted(subject, found=True, on_disk=site.certificate)
    return [*files.values(), *endpoints.values()]


def _texts(value: Any) -> tuple[str, ...]:
    """Return one text or a list of them as texts."""
    if value is None:
        return ()
    return tuple(str(one) for one in value) if isinstance(value, list) else (str(value),)


def _look(one: Wanted, params: dict[str, Any], host: Host) -> Observation:
    """Return the observation; raise HostError, NoAnswerError or ValueError where nothing can be seen."""
    return _file(one, params, host) if one.is_file else _endpoint(one, params, host)


def _file(one: Wanted, params: dict[str, Any], host: Host) -> Observation:
    """Look at a file."""
    path = one.subject
    held = read_certificates(host, path, params["passphrase"])
    key = one.key
    if not key and held.has_key:
        key = path
    if not key and path.endswith("/fullchain.pem"):
        beside = path[: -len("fullchain.pem")] + "privkey.pem"
        key = beside if host.exists(beside) else ""
    data = {
        "kind": "file",
        "format": held.format,
        "count": held.count,
        **_chain(held.certificates),
        "chain_seen": held.count == len(held.certificates),
        "trust": trust_of(host, held.certificates, params["ca_file"]),
        "names": list(one.names),
        "key": key_of(host, path, key, params["passphrase"]) if key else None,
    }
    return Observation(path, data, pem(held.certificates))


def _chain(certificates: list[bytes]) -> dict[str, Any]:
    """Return the first certificate, and the others in their order."""
    texts = [base64.b64encode(one).decode("ascii") for one in certificates]
    return {"der": texts[0], "chain": texts[1:]}


def parse_endpoint(place: str) -> tuple[str, str, str, int]:
    """Return protocol, name to ask for, host and port of `[protocol://][name@]host[:port]`; raise ValueError."""
    protocol, separator, rest = place.rpartition("://")
    protocol = protocol.lower()
    if separator and protocol not in (*STARTTLS, "tls", "https"):
        known = ", ".join(["tls", "https", *STARTTLS])
        raise ValueError(f"{place[:80]!r}: protocol {protocol[:20]!r}; expected one of {known}")
    name, _at, where = rest.rpartition("@")
    host_name, port = split_place(where.rstrip("/"), PORTS.get(protocol, HTTPS_PORT))
    return (protocol if protocol in STARTTLS else ""), name or host_name, host_name, port


def _endpoint(one: Wanted, params: dict[str, Any], host: Host) -> Observation:
    """Look at what a server presents."""
    protocol, name, address, port = parse_endpoint(one.subject)
    seconds = params["timeout_seconds"]

    def shake(context: ssl.SSLContext, read: Callable[[ssl.SSLSocket], Any]) -> Any:
        connection = Connection(host, address, port, seconds)
        try:
            if protocol:
                start_tls(connection, protocol)
            return read(connection.secure(context, name))
        finally:
            connection.close()

    trust = _trust(shake, params["ca_file"])
    version, (certificates, whole) = shake(
        looking_context(), lambda secured: (secured.version() or "", peer_chain(secured))
    )
    if not certificates:
        raise NoAnswerError("tls", f"{address}:{port}: presented no certificate")
    if not whole and host.which("openssl") is not None:
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        sni = "" if _is_address(name) else name
        try:
            seen = served_chain(host, place, sni, protocol, seconds)
        except HostError:
            seen = []
        if seen and seen[0] == certificates[0]:
            certificates, whole = seen, True
    data: dict[str, Any] = {
        "kind": "endpoint",
        **_chain(certificates),
        "chain_seen": whole,
        "trust": trust,
        "names": list(one.names) or [name],
        "protocol": version,
        "key": None,
    }
    if one.found and not one.names and "@" not in one.subject:
        data["names"] = []  # a catch-all: nobody said what it is to be called by
    if params["old_protocols"]:
        data["old_protocol"] = _old(shake)
    if one.on_disk:
        data["on_disk"] = _on_disk(host, one.on_disk, params["passphrase"])
    return Observation(one.subject, data, pem(certificates))


def _trust(shake: Shake, ca_file: str) -> dict[str, Any]:
    """Return if the host would trust what is presented, apart from name and time; raise NoAnswerError."""
    store = ca_file or "the host's store"
    try:
        context = trust_context(ca_file)
    except NoAnswerError as exc:
        return {"store": store, "unseen": str(exc)}
    try:
        shake(context, ssl.SSLSocket.version)
    except NoAnswerError as exc:
        cause = exc.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = str(cause.verify_message)[:200]
            return {"store": store, "trusted": False, "code": cause.verify_code, "reason": reason}
        raise
    return {"store": store, "trusted": True, "code": 0, "reason": ""}


def _old(shake: Shake) -> str:
    """Return the version that the server agrees to where the client has nothing newer than TLS 1.1."""
    try:
        return str(shake(looking_context(old_only=True), ssl.SSLSocket.version) or "")
    except NoAnswerError:
        return ""


def _on_disk(host: Host, path: str, passphrase: str) -> dict[str, Any]:
    """Return the certificate that a file would give a server that is started now."""
    try:
        held = read_certificates(host, path, passphrase)
    except HostError as exc:
        return {"path": path, "unseen": str(exc)}
    return {"path": path, "der": _chain(held.certificates)["der"]}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
