"""Writes the records and all that they name to a folder, so that they can be looked at without Upkeep.

records/N.json      each record as it was signed, and N.json.sig, its signature for ssh-keygen
evidence/HASH       what reviews show, and what hosts said of what does not pass in it
attachments/HASH-NAME
pruned.txt          what a record names and the site's retention, or an older program's, has removed
MANIFEST.sha256     the hash of each file, for sha256sum -c
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upkeep.model.errors import UsageError
from upkeep.rules import signatures
from upkeep.rules.signatures import Signed
from upkeep.services.reviews import file_name
from upkeep.store import Connection, answers, files, runs
from upkeep.store.review_evidence import raw_evidence_in

MANIFEST = "MANIFEST.sha256"
MOST_NAME_BYTES = 150
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
NOTHING_PRUNED = "All that these records name is here.\n"


@dataclass
class Named:
    """What records name, each with the number of the first that does.

    documents: what reviews show, and the list of older reviews; attachments: hash and name.
    """

    documents: dict[str, int] = field(default_factory=dict)
    attachments: dict[tuple[str, str], int] = field(default_factory=dict)
    runs: dict[int, int] = field(default_factory=dict)

    def take(self, number: int, record: Mapping[str, Any]) -> None:
        """Take in what a record, or one of the terms that it lists, names."""
        review = record.get("review") or {}
        for one in (record, review):
            for key in ("evidence_sha256", "listed_sha256"):
                if one.get(key):
                    self.documents.setdefault(str(one[key]), number)
        for one in record.get("attachments", ()):
            self.attachments.setdefault((str(one["sha256"]), str(one["name"])), number)
        if review.get("run_id"):
            self.runs.setdefault(int(review["run_id"]), number)


@dataclass(frozen=True)
class Written:
    """How many there are. lost: what should be kept and is not, as `review verify` says too."""

    records: int
    files: int
    pruned: int
    lost: int


def export(
    db: Connection, folder: Path, chain: Sequence[Signed], trusted: Iterable[str]
) -> Written:
    """Write all of it to a new folder.

    Raises: UsageError if that cannot be.
    """
    try:
        return _export(db, folder, chain, trusted)
    except OSError as exc:
        place = exc.filename or folder
        raise UsageError(f"{place}: {(exc.strerror or str(exc)).lower()}") from exc


def _export(
    db: Connection, folder: Path, chain: Sequence[Signed], trusted: Iterable[str]
) -> Written:
    folder.mkdir(parents=True)
    out = _Folder(folder)
    out.write("allowed_signers", signatures.allowed_signers(sorted(trusted)).encode())
    named = Named()
    for one in chain:
        out.write(f"records/{one.number}.json", one.text.encode("utf-8"))
        out.write(f"records/{one.number}.json.sig", one.signature.encode("utf-8"))
        with suppress(*UNREADABLE):  # `review verify` says so
            named.take(one.number, json.loads(one.text))
    lost, raw = list(_documents(db, out, named)), dict(_raw_named(db, named))
    for (sha256, name), number in named.attachments.items():
        content = _kept(db, sha256)
        if content is None:
            lost.append(f"attachment {sha256}, named by record {number}")
        else:
            out.write(f"attachments/{sha256}-{_short(name)}", content)
    pruned = list(_evidence(db, out, raw))
    there = runs.which_are_there(db, named.runs)
    pruned += [
        f"run {run}, named by record {number}"
        for run, number in sorted(named.runs.items())
        if run not in there
    ]
    lines = [f"pruned: {one}" for one in pruned] + [f"not kept as it was: {one}" for one in lost]
    text = "".join(f"{one}\n" for one in lines) or NOTHING_PRUNED
    out.write("pruned.txt", text.encode())
    out.seal()
    return Written(len(chain), out.count, len(pruned), len(lost))


class _Folder:
    """A folder whose files are written once, and listed with their hashes at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hashes: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many files there are, without the list of them."""
        return len(self.hashes)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, unless it is there already."""
        if name in self.hashes:
            return
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as stream:
            stream.write(content)
        self.hashes[name] = hashlib.sha256(content).hexdigest()

    def seal(self) -> None:
        """Write the list, as sha256sum takes it."""
        lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(self.hashes.items())]
        with (self.path / MANIFEST).open("xb") as stream:
            stream.write("".join(lines).encode())


def _documents(db: Connection, out: _Folder, named: Named) -> Iterator[str]:
    """Write what is named by a hash; yield what is not kept. What a list of older reviews names is taken in too."""
    done: set[str] = set()
    while left := [one for one in named.documents.items() if one[0] not in done]:
        for sha256, number in left:
            done.add(sha256)
            content = _kept(db, sha256)
            if content is None:
                yield f"evidence {sha256}, named by record {number}"
                continue
            out.write(f"evidence/{sha256}", content)
            with suppress(*UNREADABLE):
                for terms in json.loads(content).get("reviews", ()):
                    named.take(number, {"review": terms})


def _raw_named(db: Connection, named: Named) -> Iterator[tuple[str, int]]:
    """Yield the hashes of what hosts said that the documents name, each with a record."""
    for sha256, number in named.documents.items():
        with suppress(*UNREADABLE):
            yield from (
                (one, number) for one in raw_evidence_in(json.loads(_kept(db, sha256) or b""))
            )


def _evidence(db: Connection, out: _Folder, raw: Mapping[str, int]) -> Iterator[str]:
    """Write what hosts said; yield what is not there any more."""
    for sha256, number in sorted(raw.items()):
        content = _right(answers.evidence_of, db, sha256)
        if content is None:
            yield f"evidence {sha256}, named by what record {number} shows"
        else:
            out.write(f"evidence/{sha256}", content)


def _kept(db: Connection, sha256: str) -> bytes | None:
    return _right(files.content_of, db, sha256)


def _right(
    read: Callable[[Connection, str], bytes | None], db: Connection, sha256: str
) -> bytes | None:
    """Return what is kept by a hash; None if that is nothing, or something else."""
    try:
        content = read(db, sha256)
    except zlib.error:
        return None
    right = content is not None and hashlib.sha256(content).hexdigest() == sha256
    return content if right else None


def _short(name: str) -> str:
    """Return a name for a file of the folder, with the end of the given one: it says what kind of file it is."""
    return file_name(name).encode()[-MOST_NAME_BYTES:].decode(errors="ignore").strip(". ") or "file"
