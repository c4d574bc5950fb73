"""Pure: an observation of several certificates as one observation for each that is judged.

The first leaf of a file keeps the file's path as its subject, and what a server presents first keeps the endpoint;
the others have their names behind it. A part is marked by `part` in its data: what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from cryptography import x509

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.certificates._issuers import is_named_issuer, is_self_issued, issued
from upkeep.checks.certificates._x509 import (
    MOST_CERTIFICATES,
    CertificateError,
    is_authority,
    label,
    load,
    names,
    validity,
)
from upkeep.judging.readings import short
from upkeep.model.verdicts import Status, Verdict, unknown

LEAF = "leaf"
AUTHORITY = "authority"
BUNDLE = "bundle"
HOST_NAME = re.compile(r"localhost|(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
V = TypeVar("V", Verdict, Verdict | None)


@dataclass(frozen=True)
class Held:
    """A certificate of a file. place: its index there; certificate: None if it cannot be read."""

    place: int
    der: Any
    certificate: x509.Certificate | None


def subjects(seen: Observation) -> list[Observation]:
    """Return a part for each leaf and for each authority that one of them leads through; of authorities alone, one."""
    if _is_whole(seen):
        return leaves(seen)
    held = _held(seen.data)
    own = _leaves(held, seen.data)
    through = _led_through(own, held)
    found = leaves(seen)
    taken = {one.subject for one in found}
    for one in through:
        subject = _subject(seen.subject, one, taken)
        data = {**_shared(seen.data), "der": one.der, "part": AUTHORITY, "place": one.place}
        found.append(Observation(subject, data))
    return found


def leaves(seen: Observation) -> list[Observation]:
    """Return a part for each certificate that a server or a client calls its own; of authorities alone, one."""
    if "part" in seen.data:
        return [seen]
    if seen.data.get("kind") == "endpoint" or not isinstance(seen.data.get("der"), str):
        return [replace(seen, data={**seen.data, "part": LEAF}), *_presented_too(seen)]
    held = _held(seen.data)
    own = _leaves(held, seen.data)
    if not own:
        first = min(held, key=_end)
        data = {**seen.data, "part": BUNDLE, "der": first.der, "authorities": len(held)}
        data["chain"] = [one.der for one in held if one is not first]
        return [replace(seen, data=data)]
    found = [replace(seen, data=_first_leaf(own, held, seen.data))]
    taken = {seen.subject}
    known = {own[0].der}
    for one in own[1:]:
        if one.der in known:
            continue  # the same certificate once more
        known.add(one.der)
        subject = _subject(seen.subject, one, taken)
        above = [other.der for other in _rotated(held, one.place) if other not in own]
        data = {**_shared(seen.data), "der": one.der, "chain": above, "part": LEAF}
        data |= {"place": one.place, "beside": True, "trust": _trust(seen.data, one.place)}
        found.append(Observation(subject, {**data, "names": [], "key": None}))
    return found


def judge_parts(
    seen: Observation,
    parts: Callable[[Observation], Sequence[Observation]],
    judge: Callable[[Observation], V],
) -> V:
    """Return the verdict on a part; on a whole observation, the worst of its parts. What cannot be read is unknown.

    What could not be read of the file, or seen of the server (fault), turns a pass into unknown, and no failure into
    anything else. What may not have been there to see (note) is said with a pass.
    """
    order = (Status.PASS, Status.UNKNOWN, Status.FAIL)
    found: list[tuple[Observation, V]] = []
    for part in parts(seen):
        try:
            verdict = judge(part)
        except CertificateError as exc:
            place = part.data.get("place")
            where = (
                f"certificate {place + 1} of the file: " if isinstance(place, int) and place else ""
            )
            verdict = unknown(f"{where}{exc}")
        fault = part.data.get("fault")
        if fault and verdict is not None and verdict.status is Status.PASS:
            verdict = unknown(f"{short(fault, 240)}; else: {verdict.message}")
        note = part.data.get("note")
        if note and verdict is not None and verdict.status is Status.PASS:
            verdict = replace(verdict, message=f"{verdict.message}; {short(note, 240)}")
        found.append((part, verdict))

    def badness(one: tuple[Observation, V]) -> tuple[int, int]:
        verdict = one[1]
        if verdict is None:
            return -1, 0
        return order.index(verdict.status), -verdict.severity.rank if verdict.severity else 0

    part, worst = max(found, key=badness)
    if worst is None or part.subject == seen.subject:
        return worst
    return replace(worst, message=f"{short(part.subject, 200)}: {worst.message}")


def _is_whole(seen: Observation) -> bool:
    """Return whether there is nothing to take apart."""
    whole = "part" in seen.data or seen.data.get("kind") == "endpoint"
    return whole or not isinstance(seen.data.get("der"), str)


def _held(data: Mapping[str, Any]) -> list[Held]:
    """Return the certificates of a file in its order."""
    others = data.get("chain")
    others = others[:MOST_CERTIFICATES] if isinstance(others, list) else []
    found = []
    for place, one in enumerate([data.get("der"), *others]):
        try:
            found.append(Held(place, one, load(one)))
        except CertificateError:
            found.append(Held(place, one, None))
    return found


def _leaves(held: Sequence[Held], data: Mapping[str, Any]) -> list[Held]:
    """Return those that are no authorities; of authorities alone, what is a server's own."""
    own = [one for one in held if not _acts_as_authority(one, held)]
    if own:
        return own
    used = data.get("key") is not None or data.get("names") or data.get("server")
    return [held[0]] if used else [one for one in held if _is_for_hosts(one, held)]


def _acts_as_authority(one: Held, held: Sequence[Held]) -> bool:
    """Return whether it may sign others, or another of the file names it as its issuer."""
    if one.certificate is None:
        return False
    try:
        if is_authority(one.certificate):
            return True
    except CertificateError:
        pass
    return any(_names(other, one) for other in held if other is not one)


def _names(below: Held, above: Held) -> bool:
    """Return whether below, not signed by its own name, names above as its issuer."""
    if below.certificate is None or above.certificate is None:
        return False
    try:
        return is_named_issuer(below.certificate, above.certificate) and not is_self_issued(
            below.certificate
        )
    except CertificateError:
        return False


def _is_for_hosts(one: Held, held: Sequence[Held]) -> bool:
    """Return whether it is for a host's name or address, as no authority is.

    `openssl req -x509` makes every certificate an authority: one that stands alone in its file, signed itself and is
    called like a host is a server's own.
    """
    if one.certificate is None:
        return False
    try:
        if any(names(one.certificate)):
            return True
        alone = len(held) == 1 and is_self_issued(one.certificate)
    except CertificateError:
        return False
    return alone and HOST_NAME.fullmatch(label(one.certificate)) is not None


def _led_through(own: Sequence[Held], held: Sequence[Held]) -> list[Held]:
    """Return the authorities that one of the leaves leads through, in the file's order."""
    reached: set[int] = set()
    waiting = list(own)
    while waiting:
        below = waiting.pop()
        for above in held:
            if above.place not in reached and above not in own and _issued(below, above):
                reached.add(above.place)
                waiting.append(above)
    return [one for one in held if one.place in reached]


def _issued(below: Held, above: Held) -> bool:
    if below.certificate is None or above.certificate is None:
        return False
    try:
        return issued(below.certificate, above.certificate) is not False
    except CertificateError:
        return False


def _first_leaf(
    own: Sequence[Held], held: Sequence[Held], data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is known of the first leaf: as the gather gave it, with the leaf in front.

    aside: the other leaves, which do not belong to its chain.
    """
    first = own[0]
    return {
        **data,
        "der": first.der,
        "chain": [one.der for one in held if one is not first],
        "part": LEAF,
        "place": first.place,
        "aside": [one.der for one in own[1:]],
        "trust": _trust(data, first.place),
    }


def _trust(data: Mapping[str, Any], place: int) -> Any:
    """Return whether openssl trusted the certificate at this place."""
    if place == 0:
        return data.get("trust")
    others = data.get("trusts")
    return others.get(str(place)) if isinstance(others, Mapping) else None


def _shared(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds for each certificate of a file."""
    kept = ("kind", "format", "chain_seen", "server", "fault")
    return {name: data[name] for name in kept if name in data}


def _rotated(held: Sequence[Held], place: int) -> list[Held]:
    """Return the others, those behind the place first."""
    return [*held[place + 1 :], *held[:place]]


def _end(one: Held) -> float:
    """Return when it ends; what cannot be read comes first."""
    try:
        return validity(one.certificate).ends.timestamp() if one.certificate else 0.0
    except CertificateError:
        return 0.0


def _subject(path: str, one: Held, taken: set[str]) -> str:
    """Return the subject of one more certificate of the file, the same after it was renewed."""
    called = label(one.certificate) if one.certificate else f"certificate {one.place + 1}"
    subject, number = f"{path}: {called}", 1
    while subject in taken:
        number += 1
        subject = f"{path}: {called} ({number})"
    taken.add(subject)
    return subject


def _presented_too(seen: Observation) -> Iterator[Observation]:
    """Yield what a server presents to clients that ask for another kind of key."""
    others = seen.data.get("others")
    for index, one in enumerate(others[:8] if isinstance(others, list) else ()):
        if not isinstance(one, Mapping):
            continue
        kind = short(one.get("key_kind", index + 2), 20)
        own = ("der", "chain", "chain_seen", "trust", "on_disk")
        # The protocol is the server's, and told of the first.
        data = {**seen.data, "part": LEAF, "protocol": "", "old_protocol": ""}
        data |= {"old_protocol_unseen": "", "fault": "", "note": ""}
        data |= {name: one.get(name) for name in own}
        yield Observation(f"{seen.subject} ({kind})", data)
