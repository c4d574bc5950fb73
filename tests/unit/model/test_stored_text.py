"""What people write is kept with plain line ends; what hosts say is kept to the letter. A table."""

from __future__ import annotations

import pytest

from upkeep.model.stored_text import shown, written


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("one line", "one line"),
        ("of Unix\nand more", "of Unix\nand more"),
        ("of a browser\r\nand more", "of a browser\nand more"),
        ("of an old Mac\rand more", "of an old Mac\nand more"),
        ("a\r\n\r\nb", "a\n\nb"),
        ("a\n\rb", "a\n\nb"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf", "a\nb\nc\nd\ne\nf"),
        ("\r\n  in the middle \r\n", "in the middle"),
        ("\r\n", ""),
        ("a tab\tstays", "a tab\tstays"),
        ("a written \\r\\n stays", "a written \\r\\n stays"),
        ("\x1b[31mred\r\n", "\\x1b[31mred"),
    ],
)
def test_the_line_ends_of_what_people_write(typed: str, kept: str) -> None:
    assert written(typed) == kept
    assert written(kept) == kept


def test_what_is_too_long_is_cut_after_its_line_ends_are_one_character_each() -> None:
    assert written("a\r\n" * 3, 5) == "a\na\na"
    assert written("abcdef", 5) == "abcd…"


def test_a_return_in_what_a_host_says_is_seen() -> None:
    assert shown("harmless\rhidden\n") == "harmless\\rhidden\n"
