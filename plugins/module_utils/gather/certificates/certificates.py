# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates in files and as servers present them, and what belongs to them: chain, key, names, trust."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._files import (
    key_kind,
    key_of,
    pem,
    read_certificates,
    trust_of,
    trusts_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._servers import (
    Presented,
    TlsServer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._sites import (
    TlsSite,
    find_sites,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    STARTTLS,
    NoAnswerError,
    side_by_side,
    split_place,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole

SOURCES = ("site",)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "source": {"type": "str", "default": ""},
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
NETWORK = True
LIMIT_BYTES = 2_000_000  # what is too much is named, one by one
OWN_SECONDS = 55.0
MOST_SUBJECTS = 60
SET = "certificates"
MOST_EVIDENCE = 20
"""Certificates of a file that are kept as evidence too; a bundle of more is kept as data only."""
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


@dataclass(frozen=True)
class Wanted:
    """A file or an endpoint to look at.

    subject: the file's path, or the endpoint as the site wrote it. found: by discovery, so that its absence is no news.
    key: the file's key. names: what it should be valid for. on_disk: the file that the endpoint should serve; beside:
    those with its certificates for other kinds of keys. server: the file is a server's. unread: why none is seen.
    """

    subject: str
    is_file: bool = False
    found: bool = False
    key: str = ""
    names: tuple[str, ...] = ()
    on_disk: str = ""
    beside: tuple[str, ...] = ()
    server: bool = False
    unread: str = ""


NOTHING = Wanted("")


def _add_endpoints(endpoints: dict[str, Wanted], site: TlsSite) -> None:
    """Add the places where the site can be reached, by each of its names."""
    for place in site.places:
        for name in site.names or ("",):
            subject = f"{name}@{place}" if name else place
            asked = endpoints.get(subject, Wanted(subject, found=True))
            endpoints[subject] = _beside(asked, site.certificate)


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per file and endpoint; where nothing is declared, of what web servers are set up with."""
    wanted = declared(params, host)
    if not wanted:
        wanted = discovered(host)
    too_many = wanted[MOST_SUBJECTS:]
    wanted = wanted[:MOST_SUBJECTS]
    tried = side_by_side(lambda one: _look(one, params, host), wanted, OWN_SECONDS)
    reason = (
        f"not checked: one entry may have at most {MOST_SUBJECTS}; declare this one in another "
        "entry"
    )
    observations = [Observation(one.subject, error=reason) for one in too_many]
    passed_over = False
    for one, seen in zip(wanted, tried):
        if isinstance(seen, Observation):
            observations.append(seen)
        elif seen is None or not one.found or one.is_file:
            reason = f"not checked within {OWN_SECONDS:g} s" if seen is None else str(seen)
            observations.append(Observation(one.subject, error=reason))
        else:
            passed_over = True  # a server that is set up here, and does not answer now
    observations = [replace(one, of=SET) for one in observations]
    whole = host.is_root() and not passed_over and all(map(_is_whole, observations))
    return Whole(observations, [SET]) if whole else observations


def _is_whole(seen: Observation) -> bool:
    """Return whether all certificates of a file, or of an endpoint, were seen."""
    return not seen.error and not seen.data.get("fault") and seen.data.get("chain_seen") is True


def declared(params: dict[str, Any], host: Host) -> list[Wanted]:
    """Return what the site declared; patterns are expanded, and one that finds nothing stays, to be reported."""
    files: dict[str, Wanted] = {}
    for pattern in [*params["files"], *params["served"], *params["keys"]]:
        for path in (host.glob(pattern) if set("*?[") & set(pattern) else []) or [pattern]:
            names = _texts(params["names"].get(path))
            server = pattern in params["served"] or bool(names) or files.get(path, NOTHING).server
            key = str(params["keys"].get(path, ""))
            files[path] = Wanted(path, True, key=key, names=names, server=server)
    endpoints: dict[str, Wanted] = {}
    for place in params["endpoints"]:
        endpoints[place] = Wanted(place, names=_texts(params["names"].get(place)))
    for path, places in params["served"].items():
        for place in _texts(places):
            known = endpoints.get(place, Wanted(place, names=_texts(params["names"].get(place))))
            endpoints[place] = _beside(known, path)
    return [*files.values(), *endpoints.values()]


def discovered(host: Host) -> list[Wanted]:
    """Return what nginx, Apache and certbot on this host are set up with."""
    files: dict[str, Wanted] = {}
    endpoints: dict[str, Wanted] = {}
    sites = find_sites(host)
    for path, reason in sites.unread.items():
        files[path] = Wanted(path, True, True, unread=reason)
    for site in sites.found:
        _add_endpoints(endpoints, site)
        if not site.certificate:
            continue
        known = files.get(site.certificate)
        if known is None:
            known = Wanted(site.certificate, True, True, site.key, server=True)
        names = tuple(dict.fromkeys(known.names + site.names))
        files[site.certificate] = replace(known, names=names, key=known.key or site.key)
    return [*files.values(), *endpoints.values()]


def _beside(endpoint: Wanted, path: str) -> Wanted:
    """Return the endpoint with one more file that it should serve: a server may have one for each kind of key."""
    if not path:
        return endpoint
    if not endpoint.on_disk:
        return replace(endpoint, on_disk=path)
    if path in (endpoint.on_disk, *endpoint.beside):
        return endpoint
    return replace(endpoint, beside=(*endpoint.beside, path))


def _texts(value: Any) -> tuple[str, ...]:
    """Return one text or a list of them as texts."""
    if value is None:
        return ()
    return tuple(str(one) for one in value) if isinstance(value, list) else (str(value),)


def _look(one: Wanted, params: dict[str, Any], host: Host) -> Observation:
    """Return the observation.

    Raises: HostError, NoAnswerError or ValueError where nothing can be seen.
    """
    if one.unread:
        raise HostError(one.unread)
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
        "trust": trust_of(host, held.certificates, params["ca_file"], one.server),
        "names": list(one.names),
        "key": key_of(host, path, key, params["passphrase"]) if key else None,
        "server": one.server,
    }
    if held.fault:
        data["fault"] = held.fault
    trusts = trusts_of(host, held.certificates, params["ca_file"], one.server)
    if trusts:
        data["trusts"] = trusts
    raw = pem(held.certificates) if held.count <= MOST_EVIDENCE else ""
    return Observation(path, data, raw)


def _chain(certificates: list[bytes]) -> dict[str, Any]:
    """Return the first certificate, and the others in their order."""
    texts = [base64.b64encode(one).decode("ascii") for one in certificates]
    return {"der": texts[0], "chain": texts[1:]}


def parse_endpoint(place: str) -> tuple[str, str, str, int]:
    """Return protocol, name to ask for, host and port of `[protocol://][name@]host[:port]`.

    Raises: ValueError.
    """
    protocol, separator, rest = place.rpartition("://")
    protocol = protocol.lower()
    if separator and protocol not in (*STARTTLS, "tls", "https"):
        known = ", ".join(["tls", "https", *STARTTLS])
        raise ValueError(f"{place[:80]!r}: protocol {protocol[:20]!r}; expected one of {known}")
    name, _at, where = rest.rpartition("@")
    host_name, port = split_place(where.rstrip("/"), PORTS.get(protocol, HTTPS_PORT))
    return (protocol if protocol in STARTTLS else ""), name or host_name, host_name, port


def _endpoint(one: Wanted, params: dict[str, Any], host: Host) -> Observation:
    """Look at what a server presents; others: what it presents for other kinds of keys."""
    protocol, name, address, port = parse_endpoint(one.subject)
    server = TlsServer(
        host, protocol, name, address, port, params["timeout_seconds"], params["ca_file"]
    )
    first = server.present()
    seen = server.present_others(first)
    rest = seen.found
    data = {
        "kind": "endpoint",
        **_presented(first),
        "names": list(one.names) or [name],
        "protocol": first.version,
        "key": None,
    }
    if one.found and not one.names and "@" not in one.subject:
        data["names"] = []  # a catch-all: nobody said what it is to be called by
    if params["old_protocols"]:
        try:
            data["old_protocol"] = server.accepts_old()
        except NoAnswerError as exc:
            data["old_protocol_unseen"] = str(exc)
    others = [{**_presented(other), "key_kind": key_kind(other.certificates[0])} for other in rest]
    files = [path for path in (one.on_disk, *one.beside) if path]
    _pair([data, *others], [_on_disk(host, path, params["passphrase"]) for path in files])
    if others:
        data["others"] = others
    if seen.fault:
        data["fault"] = seen.fault
    if seen.note:
        data["note"] = seen.note
    shown = [certificate for one in (first, *rest) for certificate in one.certificates]
    return Observation(one.subject, data, pem(shown))


def _presented(seen: Presented) -> dict[str, Any]:
    """Return what was presented as JSON has it."""
    return {**_chain(seen.certificates), "chain_seen": seen.whole, "trust": seen.trust}


def _pair(presented: list[dict[str, Any]], disks: list[dict[str, Any]]) -> None:
    """Note with each what should be presented: the file with the same kind of key, where there is just one.

    Two files for one kind are of two sites with one name; which of them is served, the server decides.
    """
    paired: dict[int, list[dict[str, Any]]] = {}
    kinds = [_kind(one) for one in presented]
    for disk in disks:
        kind = _kind(disk)
        paired.setdefault(kinds.index(kind) if kind in kinds else 0, []).append(disk)
    for index, found in paired.items():
        same = [disk for disk in found if _kind(disk) == kinds[index]] or found
        if len(same) == 1:
            presented[index]["on_disk"] = same[0]


def _kind(told: dict[str, Any]) -> str:
    """Return the kind of key of what was presented or lies on disk."""
    return key_kind(base64.b64decode(told["der"])) if "der" in told else "unseen"


def _on_disk(host: Host, path: str, passphrase: str) -> dict[str, Any]:
    """Return the certificate that a file would give a server that is started now."""
    try:
        held = read_certificates(host, path, passphrase)
    except HostError as exc:
        return {"path": path, "unseen": str(exc)}
    return {"path": path, "der": _chain(held.certificates)["der"]}
