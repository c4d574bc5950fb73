"""The installation's key, with which it signs what people say; and the keys whose records it trusts.

allowed_signers is OpenSSH's own file, so that `ssh-keygen -Y verify` and this program go by the same one. Where several
drivers share a database, each has a key, and each line of the others' files is added to it by hand.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from upkeep.model.errors import ConfigurationError, StoreError
from upkeep.rules import signatures
from upkeep.site.settings import Settings

SIGNING = "signing"
"""The folder of keys in the state folder."""


@dataclass(frozen=True)
class Installation:
    """A key, and the public keys that are trusted. signers: the file that holds them."""

    key: Ed25519PrivateKey
    trusted: frozenset[str]
    signers: Path

    @property
    def folder(self) -> Path:
        """Where the key is, and what only this installation writes."""
        return self.signers.parent


def load_installation(settings: Settings) -> Installation:
    """Return the installation's key, made at first use; see `load_key` for what it raises."""
    folder = settings.state.absolute() / SIGNING
    key = load_key(folder / "key")
    own = signatures.public_text(key)
    path = folder / "allowed_signers"
    try:
        known = _keys_in(path)
        if own not in known:
            _add(path, own)
    except OSError as exc:
        raise StoreError(f"{path}: {(exc.strerror or str(exc)).lower()}") from exc
    return Installation(key, frozenset({*known, own}), path)


def load_key(path: Path) -> Ed25519PrivateKey:
    """Return the installation's key, made at first use for this account alone.

    Raises: StoreError if it cannot be made or read, ConfigurationError if it is another kind of key, or others can
    read it.
    """
    try:
        if not path.exists():
            _make_key(path)
        if path.stat().st_mode & 0o077:
            message = f"{path}: other users can read the signing key"
            raise ConfigurationError(message, remedy=f"chmod 600 {path}")
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except OSError as exc:
        raise StoreError(f"{path}: {(exc.strerror or str(exc)).lower()}") from exc
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ConfigurationError(f"{path}: not a private key in OpenSSH's format: {exc}") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path}: found another kind of key; expected Ed25519")
    return key


def trusted_keys(settings: Settings) -> frozenset[str]:
    """Return the public keys that are trusted; to verify needs no private one."""
    return frozenset(_keys_in(settings.state.absolute() / SIGNING / "allowed_signers"))


def _keys_in(path: Path) -> list[str]:
    """Return the keys of an allowed_signers file, without their comments."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        kinds = [at for at, word in enumerate(words[:-1]) if word == "ssh-ed25519"]
        if kinds and not line.startswith("#"):
            found.append(" ".join(words[kinds[0] : kinds[0] + 2]))
    return found


def _add(path: Path, key: str) -> None:
    line = signatures.allowed_signers([key])
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(descriptor, "a", encoding="ascii") as stream:
        stream.write(line)


def _make_key(path: Path) -> None:
    """Make a key, whole or not at all."""
    text = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(new, path)  # whoever comes second takes the first one's
    except FileExistsError:
        pass
    finally:
        new.unlink()
