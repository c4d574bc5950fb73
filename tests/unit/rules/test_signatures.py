"""The chain of signed records: OpenSSH itself verifies it, and one changed byte is named."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from upkeep.model.errors import ConfigurationError
from upkeep.rules import signatures
from upkeep.rules.signatures import Signed
from upkeep.services.signing_key import load_key


@pytest.fixture
def chain(tmp_path: Path) -> list[Signed]:
    key = load_key(tmp_path / "key")
    records: list[Signed] = []
    for verdict in ("pass", "fail", "not applicable"):
        before = records[-1] if records else None
        records.append(signatures.append(key, before, {"verdict": verdict, "who": "Zoë"}))
    return records


def broken(chain: list[Signed]) -> list[str]:
    return list(signatures.broken(chain, {one.key for one in chain[:1]}))


def test_openssh_verifies_each_record_without_this_program(
    chain: list[Signed], tmp_path: Path
) -> None:
    signers = tmp_path / "allowed_signers"
    signers.write_text(signatures.allowed_signers([chain[0].key]))
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        str(signers),
        "-I",
        "upkeep",
        "-n",
        "record@upkeep",
        "-s",
    ]
    for one in chain:
        (tmp_path / "record.sig").write_text(one.signature)
        subprocess.run([*command, tmp_path / "record.sig"], input=one.text.encode(), check=True)
        changed = one.text.replace("Zo", "Zu")
        done = subprocess.run(
            [*command, tmp_path / "record.sig"], input=changed.encode(), check=False
        )
        assert done.returncode != 0


def test_a_chain_that_holds_has_nothing_to_say(chain: list[Signed]) -> None:
    assert broken(chain) == []
    assert broken([]) == []


def test_one_changed_byte_is_named(chain: list[Signed]) -> None:
    for index in range(len(chain[1].text)):
        text = (
            chain[1].text[:index] + chr(ord(chain[1].text[index]) ^ 1) + chain[1].text[index + 1 :]
        )
        changed = [chain[0], replace(chain[1], text=text), chain[2]]
        assert broken(changed)[0] == "record 2: its content is not what was signed"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ((0, 2), ["record 2 is missing", "record 3: the previous record is not the one that it was signed after"]),
        ((1, 2), ["record 1 is missing", "record 2: the previous record is not the one that it was signed after"]),
        ((0, 2, 1), ["record 2 is missing", "record 3: the previous record is not the one that it was signed after", "record 2 is out of order", "record 2: the previous record is not the one that it was signed after"]),
        ((0, 1), []),
    ],
    ids=["the middle removed", "the first removed", "reordered", "the last is not missed without its count"],
)  # fmt: skip
def test_what_is_removed_or_moved_is_named(
    chain: list[Signed], order: tuple[int, ...], said: list[str]
) -> None:
    assert broken([chain[index] for index in order]) == said


def test_a_record_of_another_key_was_not_signed_here(chain: list[Signed], tmp_path: Path) -> None:
    other = signatures.append(load_key(tmp_path / "other"), chain[1], {"verdict": "pass"})

    assert broken([*chain[:2], other]) == [
        "record 3: signed with a key that is not this installation's"
    ]


def test_a_signature_that_is_none_is_named(chain: list[Signed]) -> None:
    for signature in ("", "x", chain[0].signature[:80], chain[1].signature):
        assert broken([replace(chain[0], signature=signature)]) == [
            "record 1: its content is not what was signed"
        ]


def test_the_key_is_made_once_for_this_account_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    first = signatures.public_text(load_key(path))

    assert signatures.public_text(load_key(path)) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key"]

    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="other users can read"):
        load_key(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(ConfigurationError, match="not a private key in OpenSSH's format"):
        load_key(path)
