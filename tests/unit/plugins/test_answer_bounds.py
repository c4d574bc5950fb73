"""What a host says is bounded and has one shape; what is over a bound costs its gather, with the number."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils import bounds, payload

LIMIT = 4_000_000


def nested(depth: int, shape: str = "[]") -> str:
    opening, closing = ('{"a":', "}") if shape == "{}" else ("[", "]")
    return opening * depth + "1" + closing * depth


def holding(value: str) -> str:
    return '{"a": ' + value + "}"


def seen(data: str = "{}", more: str = "") -> str:
    return '{"observations": [{"subject": "a", "data": ' + data + more + '}], "error": ""}'


def many(count: int) -> str:
    return json.dumps({"observations": [{"subject": str(n)} for n in range(count)], "error": ""})


@pytest.mark.parametrize(
    "line",
    [
        '{"observations": [], "error": ""}',
        '{"observations": []}',
        '{"observations": [{"subject": ""}], "error": "why"}',
        seen('{"a": [1, 2.5, true, null, "x", {}, []]}', ', "raw": "r", "error": "e"'),
        seen(more=', "raw_base64": "/w=="'),
        seen(holding(nested(63))),
        seen(nested(64, "{}")),
        seen('{"a": 18446744073709551615, "b": -9223372036854775808, "c": 1e19}'),
        seen('{"a": "%s"}' % ("x" * 200_000)),
        seen('{"%s": 1}' % ("x" * 4096)),
        seen(more=', "raw": "%s"' % ("x" * 3_000_000)),
        many(20_000),
    ],
    ids=[
        "nothing seen",
        "no error",
        "an error",
        "every type",
        "bytes",
        "64 lists deep",
        "64 mappings deep",
        "64 bits",
        "the longest text",
        "the longest name",
        "a long raw text",
        "the most subjects",
    ],
)
def test_what_is_within_the_bounds_is_read_as_it_is(line: str) -> None:
    assert bounds.part(line, LIMIT) == {"error": "", **json.loads(line)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (" " * (LIMIT + 1), "4000001 bytes of observations, at most 4000000"),
        ("", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"observations": [', "not JSON"),
        ("7", "the answer is a number; expected a mapping"),
        ("null", "the answer is nothing; expected a mapping"),
        ("[]", "the answer is a list; expected a mapping"),
        ("{}", "observations are nothing; expected a list"),
        ('{"observations": {}}', "observations are a mapping; expected a list"),
        ('{"observations": [], "error": ["x"]}', "error is a list; expected a text"),
        ('{"observations": [], "error": null}', "error is nothing; expected a text"),
        ('{"observations": [], "warnings": []}', "the answer has a field 'warnings'"),
        ('{"observations": [7]}', "an observation is a number; expected a mapping"),
        ('{"observations": [{}]}', "an observation without a subject"),
        ('{"observations": [{"subject": true}]}', "subject is true or false; expected a text"),
        ('{"observations": [{"subject": {}}]}', "subject is a mapping; expected a text"),
        ('{"observations": [{"subject": "a", "x\\u202e": 1}]}', "has a field 'x\\u202e'"),
        (seen("[]"), "data is a list; expected a mapping"),
        (seen("null"), "data is nothing; expected a mapping"),
        (seen(more=', "raw": 1'), "raw is a number; expected a text"),
        (seen(more=', "raw_base64": []'), "raw_base64 is a list; expected a text"),
        (seen(more=', "raw_base64": "?"'), "raw_base64 is not base64"),
        (seen(more=', "raw_base64": "é"'), "raw_base64 is not base64"),
        (seen(more=', "error": {}'), "error is a mapping; expected a text"),
        (seen(holding(nested(64))), "nested deeper than 64"),
        (seen(nested(65, "{}")), "nested deeper than 64"),
        (seen(holding(nested(250))), "nested deeper than 64"),
        (seen(holding(nested(100_000))), "nested deeper than 64"),
        (seen(nested(50_000, "{}")), "nested deeper than 64"),
        (nested(100_000), "nested deeper than 64"),
        (seen('{"a": NaN}'), "the number NaN; expected a finite one"),
        (seen('{"a": [-Infinity]}'), "the number -Infinity; expected a finite one"),
        (seen('{"a": 1e999}'), "a number that is not within ±1e+20"),
        (seen('{"a": 1e308}'), "a number that is not within ±1e+20"),
        (seen('{"a": -1e20}'), "a number that is not within ±1e+20"),
        (seen(holding("9" * 30)), "a number that is not within ±1e+20"),
        (seen(holding("9" * 4000)), "a number that is not within ±1e+20"),
        (seen(holding("9" * 5000)), "not JSON: Exceeds the limit"),
        (seen('{"a": 1, "a": 2}'), "a mapping with two fields of the same name"),
        (seen(more=', "subject": "b"'), "a mapping with two fields of the same name"),
        (seen('{"a": "%s"}' % ("x" * 200_001)), "a text of 200001 characters, at most 200000"),
        (seen('{"%s": 1}' % ("x" * 4097)), "a field's name of 4097 characters, at most 4096"),
        (
            '{"observations": [{"subject": "%s"}]}' % ("x" * 4097),
            "subject of 4097 characters, at most 4096",
        ),
        (seen(more=', "error": "%s"' % ("x" * 4001)), "error of 4001 characters, at most 4000"),
        (
            '{"observations": [], "error": "%s"}' % ("x" * 4001),
            "error of 4001 characters, at most 4000",
        ),
        (many(20_001), "20001 subjects, at most 20000"),
        (seen('{"a": [%s0]}' % ("0," * 1_000_000)), "more than 1000000 values"),
    ],
)
def test_what_is_over_a_bound_or_of_another_shape_is_refused_with_the_number(
    line: str, reason: str
) -> None:
    with pytest.raises(bounds.BoundsError) as caught:
        bounds.part(line, LIMIT)

    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (r"\ud800", r"\ud800"),
        (r"\uDFFF x", r"\udfff x"),
        (r"\udcff", r"\xff"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d\ud83d\ude00", "\\ud83d\U0001f600"),
        ("\udcff", r"\xff"),
        ("ä", "ä"),
        (r"\\ud800", r"\ud800"),
    ],
    ids=[
        "high",
        "low",
        "an escaped byte",
        "a pair",
        "a high one before a pair",
        "a byte that is not UTF-8",
        "UTF-8",
        "a backslash",
    ],
)
def test_a_lone_surrogate_costs_its_text_only(given: str, expected: str) -> None:
    text = json.dumps({"observations": [{"subject": "S", "data": {"S": ["S"]}, "raw": "S"}]})

    part = bounds.part(text.replace("S", given), LIMIT)

    assert part["observations"] == [
        {"subject": expected, "data": {expected: [expected]}, "raw": expected}
    ]
    json.dumps(part, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"python": "3.11.2", "clock": 1.5}', {"python": "3.11.2", "clock": 1.5}),
        ('{"python": "3.14.0rc1+", "clock": 0}', {"python": "3.14.0rc1+", "clock": 0}),
        ("{}", {}),
        ('{"python": "3\\n\\u001b[2J", "clock": true}', {}),
        ('{"python": ["3"], "clock": "1"}', {}),
        ('{"python": "%s", "clock": 1e30}' % ("3" * 41), {}),
        (
            '{"isolated": {"id": "a-1", "since": 5, "by": "Zoë"}}',
            {"isolated": {"id": "a-1", "since": 5, "by": "Zoë"}},
        ),
        ('{"isolated": {}}', {}),
        ('{"isolated": true}', {}),
        ('{"isolated": {"id": "a-1", "since": 5}}', {}),
        ('{"isolated": {"id": "a-1", "since": 5, "by": "x", "more": 1}}', {}),
        ('{"isolated": {"id": "../1", "since": 5, "by": "x"}}', {}),
        ('{"isolated": {"id": 1, "since": 5, "by": "x"}}', {}),
        ('{"isolated": {"id": "a-1", "since": true, "by": "x"}}', {}),
        ('{"isolated": {"id": "a-1", "since": -5, "by": "x"}}', {}),
        ('{"isolated": {"id": "a-1", "since": 5, "by": "\\u001b[2J"}}', {}),
        ('{"isolated": {"id": "a-1", "since": 5, "by": "%s"}}' % ("x" * 201), {}),
    ],
)
def test_of_the_head_only_what_makes_sense_is_kept(line: str, expected: dict[str, Any]) -> None:
    assert bounds.head(line) == expected


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "0 parts; expected 2"),
        ("{}\n{}", "1 parts; expected 2"),
        ("{}\n{}\n{}\n{}", "3 parts; expected 2"),
        ("\n{}\n{}", "not JSON"),
        ("[]\n{}\n{}", "the head is a list; expected a mapping"),
        ('{"clock": NaN}\n{}\n{}', "the number NaN"),
        (" " * 1001 + "\n{}\n{}", "a head of 1001 characters, at most 1000"),
    ],
)
def test_an_answer_that_cannot_be_taken_apart_is_none(answer: str, reason: str) -> None:
    with pytest.raises(bounds.BoundsError, match=reason):
        payload.parse(answer, ["clock", "reboot"])


def test_a_part_that_is_refused_costs_no_other() -> None:
    good = seen('{"n": 1}')
    answer = "\n".join(["{}", good, seen(holding(nested(250))), good, "x" * 700_000])

    parsed = payload.parse(answer, ["clock", "reboot", "oom_kills", "systemd_units"])

    assert [part["error"] for part in parsed["answers"]] == [
        "",
        "its answer cannot be read: nested deeper than 64",
        "",
        "its answer cannot be read: 700000 bytes of observations, at most 600000",
    ]
