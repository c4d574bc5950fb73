"""Tables that fit every width: the label of each cell, and where words may be broken."""

from __future__ import annotations

import pytest

from upkeep.view.cells import breakable, fitted

HEAD = (
    '<thead><tr><th scope="col">When</th><th class="number">Up <b>to</b></th><th></th></tr></thead>'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web10 at least 10\xa0% used", "web10 at least 10\xa0% used"),
        ("web-10", '<span class="whole">web-10</span>'),
        ("db1.shop.example.org", "db1.shop.example.org"),
        ("a" * 24, "a" * 24),
        ("a" * 25, "a" * 24 + "<wbr>a"),
        (
            "database.shop-berlin.example.org",
            "database.<wbr>shop-<wbr>berlin.<wbr>example.<wbr>org",
        ),
        ("/mnt/data/postgresql/main", "/<wbr>mnt/<wbr>data/<wbr>postgresql/<wbr>main"),
        ("x" * 22 + "&lt;&#39;" + "y" * 2, "x" * 22 + "&lt;&#39;<wbr>" + "y" * 2),
        ("x" * 20 + "&amp;" * 4, "x" * 20 + "&amp;" * 4),
        ("", ""),
    ],
)
def test_a_word_is_broken_only_if_it_is_long_and_where_its_parts_end(
    text: str, expected: str
) -> None:
    assert breakable(text) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            '<tr><th scope="row">now</th><td class="x">1</td><td><b>End</b></td></tr>',
            '<tr><th data-label="When" scope="row">now</th><td data-label="Up to" class="x">1</td><td><b>End</b></td></tr>',
        ),
        ("<tr><td>a</td></tr>" * 2, '<tr><td data-label="When">a</td></tr>' * 2),
        ("<tr></tr>", "<tr></tr>"),
        (
            '<tr><td><time title="x">2030-06-03</time> web-1</td></tr>',
            '<tr><td data-label="When"><time title="x">2030-06-03</time> <span class="whole">web-1</span></td></tr>',
        ),
        (
            f'<tr><td><a href="/x-y/{"a" * 30}">{"a" * 25}</a></td></tr>',
            f'<tr><td data-label="When"><a href="/x-y/{"a" * 30}">{"a" * 24}<wbr>a</a></td></tr>',
        ),
    ],
)
def test_each_cell_knows_its_column(row: str, expected: str) -> None:
    page = f"<h1>web-10</h1><table>{HEAD}<tbody>{{}}</tbody></table><p>web-10</p>"
    assert fitted(page.format(row)) == page.format(expected)
