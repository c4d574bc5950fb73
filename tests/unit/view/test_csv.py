from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import view_samples

from upkeep.view.csv import COLUMNS, cell, results_csv


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ('=HYPERLINK("http://evil","x")', '\'=HYPERLINK("http://evil","x")'),
        ("@SUM(1)", "'@SUM(1)"),
        ("+1", "'+1"),
        ("-2+3", "'-2+3"),
        ("  =1", "'  =1"),
        ("\t=1", "'\\t=1"),
        ("\r=1", "'\\r=1"),
        ("＝1", "'＝1"),  # noqa: RUF001
        ("31 h old, at most 24 h", "31 h old, at most 24 h"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_formula_is_text(given, written):
    assert cell(given) == written


def test_a_row_of_hostile_text_is_one_row_with_all_columns():
    observed = next(view_samples.hosts(1, 1))
    results = [
        replace(observed.results[0], subject=text, message=text) for text in view_samples.HOSTILE
    ]

    lines = list(results_csv(results))

    assert len(lines) == len(results) + 1
    assert all(line.removesuffix("\r\n").isprintable() for line in lines)
    rows = list(csv.reader(lines))
    assert rows[0] == list(COLUMNS)
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert not [text for row in rows for text in row if text.startswith("=")]
