"""What is wrong with a YAML text, in plain words: PyYAML's own speak of its tokens. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml


@dataclass(frozen=True)
class YamlTrouble:
    """What is wrong. line: counted from 1; 0 if it is not known."""

    line: int
    words: str


_QUOTE = "write the value in quotes"
_ALIKE = "indent both by the same number of spaces"
_DEPTH = "while increasing flow level"
"""libyaml's own context: PyYAML's reader has no such limit, and takes seconds for what is nested so deep."""
# Found in PyYAML 6.0's scanner, parser, composer and constructor: the start of `context`, a pattern of `problem`;
# whether the line is where it began, as of an open quote; the words.
_WORDS: tuple[tuple[str, str, bool, str], ...] = (
    ("", r"found character '\\t'", False, "indented with a tab; YAML takes only spaces"),
    ("", r"found character '(.)'", False, f"a value begins with {{0}}; {_QUOTE}"),
    ("while scanning a simple key", "could not find expected ':'", True, "the key has no ': ' after it"),
    ("while scanning a quoted", ".*end of stream", True, "the quotation mark that is opened here is never closed"),
    ("while scanning a quoted", ".*", True, "the quotation mark that is opened here is never closed"),
    ("while scanning a double", r"found unknown escape character '(.*)'", False,
     r"a backslash before {0} in double quotes; write \\, or use single quotes"),
    ("while scanning a double", ".*", False, r"a backslash in double quotes; write \\, or use single quotes"),
    ("while scanning an alias", ".*", False, f"a value begins with *; {_QUOTE}"),
    ("", r"found undefined alias '?([^']*)'?", False,
     f"*{{0}} refers to nothing, as no &{{0}} is above it; if it is text, {_QUOTE}"),
    ("while scanning an anchor", ".*", False, f"a value begins with &; {_QUOTE}"),
    ("while scanning a block scalar", ".*", False,
     "text after | or > begins on the next line; if the value begins with it, write the value in quotes"),
    ("while parsing a block mapping", r".*but found '<(?:scalar|alias|anchor|tag)>'", False,
     "there is text after the closing quotation mark; around a value that has one kind of them, use the other kind"),
    ("while parsing a block mapping", r".*but found '(?:-|<block sequence start>)'", False,
     "a list entry ('- ') where a key is expected; indent all entries of a list alike, below its key"),
    ("while parsing a block", ".*", False,
     "the indentation differs from the lines above; indent what belongs together by the same number of spaces"),
    ("while parsing a flow sequence", ".*", True, "the bracket [ that is opened here is never closed"),
    ("while parsing a flow mapping", ".*", True,
     f"the brace {{{{ that is opened here is never closed; if the value begins with it, {_QUOTE}"),
    (_DEPTH, ".*", False, "more than 1000 brackets [ or braces {{ are open here"),
    ("while parsing a flow", ".*but found '<stream end>'", False, "the text ends within a bracket [ or a brace {{"),
    ("while parsing a flow", "expected the node content, but found ','", False, "a comma with nothing before it"),
    ("while constructing a mapping", "found unhashable key", False,
     f"a value begins with {{{{; {_QUOTE}: \"{{{{{{{{ … }}}}}}}}\""),
    ("while constructing a mapping", ".*merging.*", False, "'<<:' takes a mapping; found another value"),
    ("expected a single document", ".*", False, "a second document begins here ('---'); expected one in a file"),
    ("", "expected '<document start>'.*", False, "this belongs to nothing above it; look at the line above"),
    ("", r"could not determine a constructor for the tag '(.*)'", False, "the tag {0} is not known"),
)  # fmt: skip
_SECOND_COLON = re.compile(r"^\s*(?:- )*[^\s'\"#][^'\"#]*?:\s.*:(?:\s|$)")


def explain(problem: str, context: str, lines: tuple[int, int], text: str) -> YamlTrouble:
    """Return what is wrong.

    problem, context: as PyYAML's error has them; empty if it has none. lines: of the problem and of its context, from
    1; 0 where it has none. text: what was parsed.
    """
    here, began = lines[0] or lines[1], lines[1] or lines[0]
    if problem.startswith("mapping values are not allowed"):
        return YamlTrouble(here, _mapping_value(here, text))
    for start, pattern, at_start, words in _WORDS:
        found = re.match(pattern, problem) if context.startswith(start) else None
        if found:
            return YamlTrouble(began if at_start else here, words.format(*found.groups()))
    return YamlTrouble(here, " ".join((problem or context).split()))


def in_words(exc: yaml.MarkedYAMLError, text: str) -> YamlTrouble:
    """Return what is wrong with a text, of which PyYAML's own loaders, or libyaml's, have raised exc."""
    if exc.context != _DEPTH:
        try:
            for _event in yaml.parse(text, Loader=yaml.SafeLoader):
                pass
        except yaml.MarkedYAMLError as own:  # libyaml has other words
            exc = own
    at, began = (mark.line + 1 if mark else 0 for mark in (exc.problem_mark, exc.context_mark))
    return explain(exc.problem or "", exc.context or "", (at, began), text)


def _mapping_value(line: int, text: str) -> str:
    """Return why there may be no key in that line."""
    given = text.splitlines()
    here = given[line - 1] if 0 < line <= len(given) else ""
    if _SECOND_COLON.match(here):
        return f"the value contains ': '; {_QUOTE}"
    before = next((one for one in reversed(given[: max(0, line - 1)]) if one.strip()), "")
    if len(here) - len(here.lstrip()) > len(before) - len(before.lstrip()):
        return f"indented deeper than the line above, which already has a value; {_ALIKE}"
    return "a key is not expected here; the line above may lack ': '"
