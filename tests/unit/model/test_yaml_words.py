"""The typical mistakes in a YAML file, each told in plain words with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from upkeep.model.errors import ConfigurationError
from upkeep.site.yaml_file import parse

QUOTES = "; write the value in quotes"
MISTAKES = {
    "a tab": ("a:\n\tb: 1\n", "2: indented with a tab; YAML takes only spaces"),
    "no colon": ("a: 1\nb\nc: 2\n", "2: the key has no ': ' after it"),
    "no colon above": ("a\nb: 1\n", "2: a key is not expected here; the line above may lack ': '"),
    "no space": ("a:1\nb: 2\n", "2: a key is not expected here; the line above may lack ': '"),
    "too deep": (
        "a: 1\n  b: 2\n",
        "2: indented deeper than the line above, which already has a value",
    ),
    "uneven": ("a:\n  b: 1\n c: 2\n", "3: the indentation differs from the lines above"),
    "entry": ("a: 1\n- b\n", "2: a list entry ('- ') where a key is expected"),
    "uneven entry": ("a:\n  - b\n - c\n", "3: a list entry ('- ') where a key is expected"),
    "open double quote": (
        'a: "b\nc: 1\n',
        "1: the quotation mark that is opened here is never closed",
    ),
    "open single quote": (
        "x: 1\na: 'b\nc: 1\n",
        "2: the quotation mark that is opened here is never closed",
    ),
    "quote inside": ("a: 'it's'\n", "1: there is text after the closing quotation mark"),
    "open bracket": ("a: [1, 2\nb: 3\n", "1: the bracket [ that is opened here is never closed"),
    "open to the end": ("a: 1\nb: [", "2: the text ends within a bracket [ or a brace {"),
    "open brace": ("a: {b: 1\nc: 2\n", "1: the brace { that is opened here is never closed"),
    "at": ("a: @b\n", f"1: a value begins with @{QUOTES}"),
    "per cent": ("a: %b\n", f"1: a value begins with %{QUOTES}"),
    "backtick": ("a: `b`\n", f"1: a value begins with `{QUOTES}"),
    "star": ("a: *\n", f"1: a value begins with *{QUOTES}"),
    "star and name": (
        "a: *b\n",
        f"1: *b refers to nothing, as no &b is above it; if it is text,{QUOTES[1:]}",
    ),
    "ampersand": ("a: &\n", f"1: a value begins with &{QUOTES}"),
    "second colon": ("a: b: c\n", f"1: the value contains ': '{QUOTES}"),
    "template": ("a: {{ b }}\n", f'1: a value begins with {{{QUOTES}: "{{{{ … }}}}"'),
    "backslash": ('a: "\\d"\n', "1: a backslash before d in double quotes"),
    "path": ('a: "c:\\users"\n', "1: a backslash in double quotes"),
    "pipe": ("a: |x\n b\n", "1: text after | or > begins on the next line"),
    "two documents": ("a: 1\n---\nb: 2\n", "2: a second document begins here ('---')"),
    "control character": (
        "x: 1\na: \x07\n",
        "2: the character 0x0007 is invisible and not allowed in YAML",
    ),
    "comma": ("a: [1,, 2]\n", "1: a comma with nothing before it"),
    "twice": ("a: 1\na: 2\n", "2: the key 'a' is on line 1 already; remove one of the two"),
    "tag": (
        "a: !!python/object:x 1\n",
        "1: the tag tag:yaml.org,2002:python/object:x is not known",
    ),
    "after the end": ("a: 1\n...\nb: 2\n", "3: this belongs to nothing above it"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_plain_words_with_its_line(name: str) -> None:
    text, expected = MISTAKES[name]

    with pytest.raises(ConfigurationError) as found:
        parse(Path("site.yml"), text)

    assert str(found.value).startswith(f"site.yml:{expected}")


def test_a_date_that_there_is_not_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"looks like a date .* write it in quotes"):
        parse(Path("site.yml"), "a: 2026-13-45\n")
