from __future__ import annotations

import json
import os
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import view_samples
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from upkeep.model import text
from upkeep.model.remedies import command
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("/var/log/nginx/access.log", "/var/log/nginx/access.log"),
        ("Größe: 数据库 é", "Größe: 数据库 é"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]52;c;cm0=\x07", "\\x1b]52;c;cm0=\\x07"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("one\ntwo\r\nthree\tfour", "one\\ntwo\\r\\nthree\\tfour"),
        ("nul\x00del\x7f", "nul\\x00del\\x7f"),
        ("safe\u202etxt.exe\u2066", "safe\\u202etxt.exe\\u2066"),
        ("zero\u200bwidth\ufeff\u2028", "zero\\u200bwidth\\ufeff\\u2028"),
        ("no\xa0break\u3000wide", "no break wide"),
        ("heart❤\ufe0f", "heart❤\\ufe0f"),
        ("\udcff\udc80 not utf-8 \ud800", "\\xff\\x80 not utf-8 \\ud800"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + "\\u0301" * 2),
        ("filler\u3164", "filler\\u3164"),
        ("\U000e0041tag", "\\U000e0041tag"),
    ],
)
def test_host_text_is_made_harmless_and_nothing_is_hidden(given, shown):
    assert text.safe(given) == shown


def test_long_text_loses_its_middle_and_says_so():
    assert (
        text.safe("x" * 90 + "y" * 10, limit=30)
        == "x" * 20 + " (… 70 characters left out …) " + "y" * 10
    )


def is_harmless(shown: str) -> bool:
    return shown.isprintable() and not any(
        unicodedata.bidirectional(c)
        in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI")
        for c in shown
    )


@given(st.text(st.characters(codec=None)))
def test_no_text_whatever_reaches_the_terminal_as_a_command(given):
    assert is_harmless(text.safe(given))


@pytest.mark.parametrize("given", view_samples.HOSTILE, ids=lambda given: ascii(given[:20]))
def test_hostile_samples_are_harmless_and_bounded(given):
    assert is_harmless(text.safe(given, 300))
    assert len(text.safe(given, 300)) < 300 * 10


def test_naughty_strings_are_harmless():
    folder = os.environ.get("UPKEEP_SAMPLES")
    if not folder:
        pytest.skip("UPKEEP_SAMPLES names no folder with samples")
    for naughty in json.loads(Path(folder, "hostile/blns.json").read_text("utf-8")):
        assert is_harmless(text.safe(naughty))
        assert cell_len(text.cut_middle(text.safe(naughty), 20)) <= 20


@pytest.mark.parametrize(
    ("given", "width", "shown"),
    [
        ("short", 5, "short"),
        ("/var/log/nginx/access.log", 15, "/var/lo…ess.log"),
        ("数据库数据库", 7, "数…据库"),
        ("数据库数据库", 8, "数…据库"),
        ("abcdef", 2, "ab"),
        ("abcdef", 1, "a"),
        ("abc\u0301def\u0301", 5, "ab…ef\u0301"),
    ],
)
def test_a_long_subject_is_cut_in_its_middle(given, width, shown):
    assert text.cut_middle(given, width) == shown


@given(st.text(), st.integers(3, 40))
def test_what_is_cut_fits(given, width):
    assert cell_len(text.cut_middle(text.safe(given), width)) <= width


@pytest.mark.parametrize(
    ("given", "width", "lines"),
    [
        ("31 h old, at most 24 h", 12, ["31 h old, at", "most 24 h"]),
        ("31 h old, at most 24 h", 11, ["31 h old,", "at most", "24 h"]),
        ("it has 4.1 GiB of 45.8 GiB free", 12, ["it has", "4.1 GiB of", "45.8 GiB", "free"]),
        ("91 % used, at most 85 %", 10, ["91 % used,", "at most", "85 %"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("", 4, [""]),
    ],
)
def test_lines_break_at_spaces_and_never_within_a_number_and_its_unit(given, width, lines):
    assert text.wrap(given, width) == lines


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (40, "40 s ago"),
        (89, "89 s ago"),
        (90, "1 min ago"),
        (7200, "2 h ago"),
        (47.9 * 3600, "47 h ago"),
        (48 * 3600, "2 days ago"),
        (21 * 86400, "3 weeks ago"),
        (100 * 86400, "3 months ago"),
        (800 * 86400, "2 years ago"),
        (-3 * 86400, "in 3 days"),
    ],
)
def test_times_are_as_people_say_them(seconds, said):
    assert text.ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("when", "zone", "said"),
    [
        (NOW, None, "2030-06-01 12:00:00 UTC"),
        (NOW, ZoneInfo("Europe/Berlin"), "2030-06-01 14:00:00 +02:00"),
        (NOW, timezone(timedelta(hours=-3, minutes=-30)), "2030-06-01 08:30:00 -03:30"),
        (NOW.astimezone(ZoneInfo("Asia/Tokyo")), None, "2030-06-01 21:00:00 +09:00"),
    ],
)
def test_exact_times_have_their_zone(when, zone, said):
    assert text.exact(when, zone) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (1.44, "1.4 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")],
)  # fmt: skip
def test_durations(seconds, said):
    assert text.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (102400, "100 KiB"),
        (2.4 * 1024**3, "2.4 GiB"),
        (5000 * 1024**5, "5000 PiB"),
    ],
)
def test_sizes_are_in_powers_of_two(count, said):
    assert text.size(count) == said


@pytest.mark.parametrize(
    ("status", "severity", "sign", "plain"),
    [
        (Status.FAIL, Severity.CRITICAL, "✗ fail critical", "x fail critical"),
        (Status.FAIL, Severity.HIGH, "✗ fail high", "x fail high"),
        (Status.FAIL, Severity.MEDIUM, "▲ fail medium", "! fail medium"),
        (Status.FAIL, Severity.INFO, "▲ fail info", "! fail info"),
        (Status.UNKNOWN, None, "? unknown", "? unknown"),
        (Status.PASS, None, "✓ pass", "+ pass"),
    ],
)
def test_a_status_is_a_sign_and_a_word(status, severity, sign, plain):
    assert text.status_sign(status, severity) == sign
    assert text.status_sign(status, severity, ascii_only=True) == plain


def test_a_command_can_be_pasted_and_takes_no_strange_host_name():
    assert (
        command("check", "disk", site="my site", limit="db1")
        == "upkeep check disk -i 'my site' --limit db1"
    )
    assert command("doctor", limit="$(reboot)") == "upkeep doctor"
    assert command("doctor", limit="--version") == "upkeep doctor"
    assert command("doctor", limit="all:!db1\n") == "upkeep doctor"
