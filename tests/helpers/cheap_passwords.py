"""The password of all users in tests, hashed so that to look at it costs nothing.

What is kept says how hard it was made, so the program looks at it as at any other. Who sets a password in a test gets
the program's own hash.
"""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher

PASSWORD = "correct horse battery"


@cache
def password_hash() -> str:
    """What is kept of PASSWORD."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
