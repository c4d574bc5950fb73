# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a TLS server presents, for each kind of key that it has, and whether the host would trust it."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._files import (
    KEY_KINDS,
    NOT_FOR_THIS,
    REFUSAL,
    ROOT_UNKNOWN,
    key_kind,
    pem,
    served_chain,
    trust_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.connect import (
    NoAnswerError,
    TimedConnection,
    limit_key,
    looking_context,
    own_roots_context,
    peer_chain,
    start_tls,
    trust_context,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError


@dataclass(frozen=True)
class Presented:
    """What was presented. whole: all of it could be seen; version: of TLS; trust: as `trust_of` tells it."""

    certificates: list[bytes]
    whole: bool
    version: str
    trust: dict[str, Any]


@dataclass(frozen=True)
class Others:
    """What is presented to clients that take another kind of key only.

    fault: why there may be one that was not seen; note: the same, where the server may as well have refused.
    """

    found: list[Presented]
    fault: str = ""
    note: str = ""


class KindUnseenError(Exception):
    """Why it was not seen if a server has a certificate for a kind of key; refused: it may have refused."""

    def __init__(self, reason: str, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


@dataclass(frozen=True)
class TlsServer:
    """A server to look at. protocol: of STARTTLS, or empty; name: to ask for; ca_file: whom to trust, or empty."""

    host: Host
    protocol: str
    name: str
    address: str
    port: int
    seconds: float
    ca_file: str

    def shake(self, context: ssl.SSLContext, read: Callable[[ssl.SSLSocket], Any]) -> Any:
        """Return what read makes of a connection that is secured by the context.

        Raises: NoAnswerError.
        """
        connection = TimedConnection(self.host, self.address, self.port, self.seconds)
        try:
            if self.protocol:
                start_tls(connection, self.protocol)
            return read(connection.secure(context, self.name))
        finally:
            connection.close()

    def present(self) -> Presented:
        """Return what a client is shown that takes anything.

        Raises: NoAnswerError.
        """
        trust = self._trust("")
        version, (certificates, whole) = self.shake(
            looking_context(), lambda secured: (secured.version() or "", peer_chain(secured))
        )
        if not certificates:
            raise NoAnswerError("tls", f"{self.address}:{self.port}: presented no certificate")
        certificates, whole = self._completed(certificates, whole, "")
        return Presented(certificates, whole, version, self._rest(trust, "", certificates))

    def present_others(self, first: Presented) -> Others:
        """Return what clients are shown that take another kind of key only."""
        found: list[Presented] = []
        unseen: dict[bool, list[str]] = {True: [], False: []}
        for kind in KEY_KINDS:
            if kind == key_kind(first.certificates[0]):
                continue
            try:
                other = self._of_kind(kind, first.version)
            except KindUnseenError as exc:
                unseen[exc.refused].append(
                    f"an {kind} certificate, if there is one, was not read: {exc}"
                )
                continue
            if other is not None and key_kind(other.certificates[0]) == kind:
                found.append(other)
        return Others(found, "; ".join(unseen[False]), "; ".join(unseen[True]))

    def _of_kind(self, kind: str, version: str) -> Presented | None:
        """Return what is shown to a client that takes this kind of key only; None if there is no such.

        version: what the server chose before.
        Raises: KindUnseenError.
        """
        context = looking_context()
        limit_key(context, kind)
        try:
            certificates, whole = self.shake(context, peer_chain)
        except NoAnswerError as exc:
            reason = str(exc)
            newest_only = "protocol version" in reason
            # With TLS 1.3 ciphers do not say which key is meant, and those of TLS 1.2 may leave one out.
            if newest_only or (REFUSAL.search(reason) and version == "TLSv1.3"):
                return self._of_kind_in_newest(kind, newest_only)
            if REFUSAL.search(reason):
                return None
            raise KindUnseenError(reason, exc.stage == "tls" and not is_late(exc)) from exc
        try:
            certificates, whole = self._completed(certificates, whole, kind)
            trust = self._rest(self._trust(kind), kind, certificates)
        except NoAnswerError as exc:
            raise KindUnseenError(str(exc)) from exc
        return Presented(certificates, whole, "", trust) if certificates else None

    def _of_kind_in_newest(self, kind: str, newest_only: bool) -> Presented | None:
        """Return what is shown with TLS 1.3, None if there is no such.

        Raises: KindUnseenError.
        """
        if self.host.which("openssl") is None:
            if not newest_only:
                return None
            raise KindUnseenError("with TLS 1.3 only, this needs openssl on the host", True)
        try:
            seen = self._served(kind)
        except HostError as exc:
            raise KindUnseenError(str(exc)) from exc
        if not seen:
            return None
        return Presented(seen, True, "", trust_of(self.host, seen, self.ca_file, True))

    def accepts_old(self) -> str:
        """Return the version agreed to where a client has nothing newer than TLS 1.1; empty if refused.

        Raises: NoAnswerError if it could not be tried.
        """
        try:
            return str(self.shake(looking_context(old_only=True), ssl.SSLSocket.version) or "")
        except NoAnswerError as exc:
            if exc.stage != "tls" or is_late(exc) or "available" in str(exc):
                raise
            return ""

    def _completed(
        self, certificates: list[bytes], whole: bool, kind: str
    ) -> tuple[list[bytes], bool]:
        """Return what was presented with what this Python does not show of it, and if that is all."""
        if whole or not certificates or self.host.which("openssl") is None:
            return certificates, whole
        seen = self._by_openssl(kind)
        return (seen, True) if seen[:1] == certificates[:1] else (certificates, False)

    def _by_openssl(self, kind: str) -> list[bytes]:
        """Return the chain as openssl shows it, empty if it cannot be seen."""
        try:
            return self._served(kind)
        except HostError:
            return []

    def _served(self, kind: str) -> list[bytes]:
        """Return the chain as openssl shows it, empty if the server refused.

        Raises: HostError.
        """
        where = f"[{self.address}]" if ":" in self.address else self.address
        sni = "" if _is_address(self.name) else self.name
        place = f"{where}:{self.port}"
        return served_chain(self.host, place, sni, self.protocol, self.seconds, kind)

    def _trust(self, kind: str) -> dict[str, Any]:
        """Return whether the host would trust what is presented, apart from name and time.

        Raises: NoAnswerError.
        """
        store = self.ca_file or "the host's store"
        try:
            context = trust_context(self.ca_file)
        except NoAnswerError as exc:
            return {"store": store, "unseen": str(exc)}
        return {"store": store, **self._accepted(context, kind)}

    def _rest(self, trust: dict[str, Any], kind: str, certificates: list[bytes]) -> dict[str, Any]:
        """Return the trust with what else could be wrong, as `trust_of` tells it.

        Raises: NoAnswerError.
        """
        told = dict(trust)
        if told.get("code") in ROOT_UNKNOWN:
            try:
                told["private"] = self._accepted(own_roots_context(pem(certificates)), kind)
            except NoAnswerError as exc:
                told["private"] = {"unseen": str(exc)}
        if NOT_FOR_THIS in (told.get("code"), told.get("private", {}).get("code")):
            told["any_purpose"] = trust_of(self.host, certificates, self.ca_file)
        return told

    def _accepted(self, context: ssl.SSLContext, kind: str) -> dict[str, Any]:
        """Return whether a client with this context would go on.

        Raises: NoAnswerError if that is not about trust.
        """
        if kind:
            limit_key(context, kind)
        try:
            self.shake(context, ssl.SSLSocket.version)
        except NoAnswerError as exc:
            cause = exc.__cause__
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason = str(cause.verify_message)[:200]
                return {"trusted": False, "code": cause.verify_code, "reason": reason}
            raise
        return {"trusted": True, "code": 0, "reason": ""}


def is_late(exc: NoAnswerError) -> bool:
    """Return whether no answer came in time."""
    return isinstance(exc.__cause__, socket.timeout)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
