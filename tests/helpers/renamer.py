"""An installation that signs that sites are renamed; its key is trusted where a test says so."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from upkeep.rules.signatures import public_text
from upkeep.services.signing_key import Installation
from upkeep.services.sites import Renamer

_KEY = Ed25519PrivateKey.generate()
TRUSTED = frozenset({public_text(_KEY)})


def renamer(folder: Path) -> Renamer:
    """Return who renames, with the installation's folder below a test's own."""
    signing = folder / "signing"
    signing.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Renamer(Installation(_KEY, TRUSTED, signing / "allowed_signers"), "root")
