"""The word that somebody may have meant: a typing error first, then what the word is a part of, then what is alike."""

from __future__ import annotations

import pytest

from upkeep.model.nearest import nearest

CHECKS = (
    "backup_fresh",
    "disk_space",
    "load_per_core",
    "system_load",
    "workload",
    "reload",
    "swap",
)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("disk_spac", "; did you mean 'disk_space'?"),
        ("dsik_space", "; did you mean 'disk_space'?"),
        ("swop", "; did you mean 'swap'?"),
        ("disk", "; did you mean 'disk_space'?"),
        ("LOAD", "; did you mean 'load_per_core' or 'reload' or 'system_load'?"),
        ("zzz", ""),
        ("swap", ""),
        ("", ""),
    ],
)
def test_the_nearest_words(word: str, said: str) -> None:
    assert nearest(word, CHECKS) == said
