"""The names of what is looked at and is not a host: `register/people`, `build/portal`.

A source takes the host's place wherever a result is named. No host can have such a name.
"""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z]+/[A-Za-z0-9._-]+")
LIMIT_CHARACTERS = 128
EXPECTED = f"a kind, `/` and a name, such as register/people; at most {LIMIT_CHARACTERS} characters"


def is_source(name: str) -> bool:
    """Return whether a name is that of a source, and of no host."""
    return len(name) <= LIMIT_CHARACTERS and NAME.fullmatch(name) is not None


def kind_of(source: str) -> str:
    """Return the kind of a source: of `register/people`, `register`."""
    return source.partition("/")[0]


def taken(host: str) -> str:
    """Return why no host can have the name of a source."""
    return (
        f"no host can be named {host!r}: by such names sources are known; rename the host,"
        f" such as {host.replace('/', '-')!r}"
    )
