from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest
import view_samples
from rich.cells import cell_len
from view_samples import NOW

from upkeep.model.answer import Observed, Outcome
from upkeep.model.verdicts import Result, Severity, Status, Unknown
from upkeep.view.screen import Screen
from upkeep.view.terminal import RunView
from upkeep.view.troubles import TroubleRow, Troubles, groups_for, print_rows

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    encoding = "utf-8"


@pytest.fixture(params=[80, 200])
def width(request, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return request.param


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def shown(made, out, errors=None, *, environ=None, quiet=False, **changes):
    """Show hosts on a stream; return what was printed there."""
    options = {} if environ is None else {"environ": environ}
    view = RunView(Screen(out, **options), Screen(errors or Pipe(), **options), quiet=quiet)
    with view:
        view.started("daily", len(made))
        for observed in made:
            view.host_began(observed.host)
            view.host_done(observed)
        view.finished(view_samples.summary(view.tally, **changes), "/tmp/report.html")
    return out.getvalue()


def after_progress(printed):
    """Return what stands there after the last line that was taken back, without colours."""
    return ESCAPES.sub("", printed.rpartition("\x1b[2K")[2])


def host(name, *results):
    return Observed(name, Outcome.OK, NOW, seconds=1.0, results=results)


def fail(
    name, severity, message="91 % used, at most 85 %", check="disk", subject="/var", remedy=""
):
    return Result(name, check, subject, Status.FAIL, severity, message, remedy)


def fine(name, check="memory"):
    return Result(name, check, "memory", Status.PASS, None, "38 % used, at most 90 %")


def test_in_a_pipe_there_is_a_plain_line_per_host_and_one_per_trouble():
    made = [
        host("web1", fine("web1"), fail("web1", Severity.MEDIUM, remedy="`du -xhd1 /var`")),
        Observed("db1", Outcome.UNREACHABLE, NOW, "no route to host", seconds=10.0,
                 results=(Result("db1", "memory", "memory", Status.UNKNOWN, None, "not reached"),)),
    ]  # fmt: skip

    assert shown(made, Pipe()).splitlines() == [
        "web1: checked in 1.0 s: 1 pass, 1 fail, 0 unknown",
        "db1: unreachable in 10 s: no route to host",
        "2 of 2 hosts need you: db1: unreachable: no route to host; web1: disk, /var: 91 % used, at most 85 %.",
        "",
        "db1: unknown: unreachable: no route to host; next: upkeep doctor --limit db1  # see why",
        "web1: fail medium: disk /var: 91 % used, at most 85 %; next: `du -xhd1 /var`",
        "",
        "✓ 1 result passed; see: upkeep show 12 --all",
        "Full report: /tmp/report.html",
        "Next: upkeep doctor --limit db1  # see why",
    ]


@pytest.mark.parametrize(
    ("procedure", "command"),
    [("daily", "upkeep run daily"), ("check disk_space", "upkeep check disk_space")],
)
def test_what_is_well_is_run_once_more_by_a_command_that_there_is(procedure, command):
    last = shown([host("web1", fine("web1"))], Pipe(), procedure=procedure).splitlines()[-1]

    assert last == f"Next: nothing needs you; once more with: {command}"


def test_a_pipe_gets_no_escape_and_no_spinner_even_from_hostile_hosts():
    printed = shown(list(view_samples.hosts(30, 30, hostile=True)), Pipe())

    assert all(line.isprintable() for line in printed.split("\n"))
    assert len(printed.splitlines()) == 30 + len(
        [r for o in view_samples.hosts(30, 30) for r in o.results if r.status is not Status.PASS]
    ) + 6  # fmt: skip


def test_the_worst_comes_first_and_unknown_between_high_and_medium():
    made = [
        host("a", fail("a", Severity.INFO), fail("a", Severity.LOW, check="b"), fine("a")),
        host("b", fail("b", Severity.HIGH), Result("b", "x", "y", Status.UNKNOWN, None, "no")),
        host("c", fail("c", Severity.MEDIUM), fail("c", Severity.CRITICAL, check="z")),
    ]

    lines = shown(made, Pipe()).splitlines()

    found = [re.search(r": (fail \w+|unknown): ", line) for line in lines]
    assert [match[1] for match in found if match] == [
        "fail critical", "fail high", "unknown", "fail medium", "fail low", "fail info",
    ]  # fmt: skip


def nothing(name: str) -> Result:
    why = "no traffic yet"
    return Result(name, "quiet", "y", Status.UNKNOWN, None, why, unknown=Unknown.NOTHING_TO_JUDGE)


@pytest.mark.parametrize(
    ("made", "changes", "sentence"),
    [
        ([host("a", fine("a")), host("b", fine("b"))], {}, "All 2 hosts are well."),
        ([host("a", fine("a"))], {}, "a is well."),
        ([host("a", fine("a"), fail("a", Severity.INFO))], {}, "a is well, 1 thing to know."),
        (
            [host("a", fail("a", Severity.LOW))],
            {},
            "a needs you: disk, /var: 91 % used, at most 85 %.",
        ),
        (
            [host("a", fine("a")), host("b", fail("b", Severity.LOW))],
            {},
            "1 of 2 hosts needs you: b: disk, /var: 91 % used, at most 85 %.",
        ),
        (
            [host("a", fine("a")), Observed("b", Outcome.SKIPPED, NOW)],
            {},
            "1 of 2 hosts are well, 1 skipped.",
        ),
        (
            [host("a", fine("a")), host("b", fine("b"), nothing("b")), host("c", nothing("c"))],
            {},
            "2 of 3 hosts are well, nothing to judge on 1.",
        ),
        (
            [host("a", fine("a")), host("b", nothing("b")), Observed("c", Outcome.SKIPPED, NOW)],
            {},
            "1 of 3 hosts are well, 1 skipped, nothing to judge on 1.",
        ),
        ([host("a", nothing("a")), host("b", nothing("b"))], {}, "There was nothing to judge."),
        (
            [host("a", fine("a")), host("b", fine("b"))],
            {"own": 2},
            "All 2 hosts are well; 2 problems with Upkeep itself.",
        ),
        (
            [],
            {"status": "failed", "cause": "no host matches 'webb'"},
            "The run failed: no host matches 'webb'. Nothing was checked.",
        ),
        ([host("a")], {}, "Nothing was checked."),
        (
            [host("a", fine("a"))],
            {"status": "interrupted"},
            "Interrupted after 1 host. No check failed.",
        ),
    ],
)
def test_one_sentence_says_how_it_stands(made, changes, sentence):
    assert sentence in shown(made, Pipe(), **changes).splitlines()


def test_a_terminal_gets_what_fits_its_height_and_width(width):
    made = list(view_samples.hosts(500, 200, unseen=10))

    text = after_progress(shown(made, Terminal()))

    lines = text.splitlines()
    rows = sum(max(1, -(-cell_len(line) // width)) for line in lines)
    assert rows < 24
    assert "198 of 500 hosts need you" in lines[1]
    assert re.search(r"… and \d+ more: .*; all: upkeep show 12", text)
    # Only what is to be pasted may be longer than the screen is wide.
    assert all(cell_len(line) <= width or "upkeep" in line or "→" in line for line in lines)


def test_hostile_text_keeps_columns_and_sends_no_command(width):
    printed = shown(list(view_samples.hosts(20, 20, hostile=True)), Terminal())

    ours = r"\x1b\[(?:[0-9;]*m|\?25[hl]|1A|2K)"  # colours; the cursor's going, coming, up; a line's end
    assert all(re.sub(ours, "", line).strip("\r").isprintable() for line in printed.split("\n"))


def test_the_progress_leaves_nothing_behind(narrow):
    out = errors = Terminal()  # as on any terminal, one screen for both

    printed = shown(list(view_samples.hosts(3, 0)), out, errors)

    after = after_progress(printed)
    assert "hosts done" in printed
    assert "hosts done" not in after
    assert "All 3 hosts are well." in after
    assert "\x1b[?25h" in printed  # the cursor is back


def test_progress_is_a_line_per_host_in_work_or_one_for_many(narrow):
    now = [100.0]
    view = RunView(Screen(Terminal()), Screen(Terminal()), clock=lambda: now[0])
    view._procedure, view._hosts, view._started = "daily", 500, now[0]
    view.host_began("db1")
    now[0] += 7
    view.host_began("a" * 300)

    few = [line.plain for line in view.__rich_console__(None, None)]
    for number in range(20):
        view.host_began(f"web{number}")
    view.tally.hosts_in_need = 2
    many = [line.plain for line in view.__rich_console__(None, None)]

    assert few[0][2:] == "daily: 0 of 500 hosts done · 7 s"
    assert re.fullmatch(r"  db1 +7 s", few[1])
    assert all(cell_len(line) < 80 for line in few)
    assert [line[2:] for line in many] == [
        "daily: 0 of 500 hosts done · 2 need you · 22 in work · 7 s"
    ]


DOES = "restoring orders-dump (2 of 7): restore"


def test_what_a_job_does_stands_beside_its_host(narrow):
    now = [100.0]
    view = RunView(Screen(Terminal()), Screen(Terminal()), clock=lambda: now[0])
    view.host_began("db1")
    view.host_began("web1")
    view.progressed("db1", DOES, 0.4)
    now[0] += 252

    lines = [line.plain for line in view.__rich_console__(None, None)][1:]
    view.progressed("db1", "\x1b[2J[bold]x" * 90, None)
    view.host_began("n" * 300)
    hostile = [line.plain for line in view.__rich_console__(None, None)][1:]
    view.progressed("db1", "", None)
    after = [line.plain for line in view.__rich_console__(None, None)][1:]

    assert lines == [
        f"  db1   {DOES}, 40 %  4 min 12 s",
        f"  web1  {' ' * len(DOES)}        4 min 12 s",
    ]
    assert all(cell_len(line) < 80 and "\x1b" not in line for line in hostile)
    assert hostile[0].startswith("  db1 ")
    assert "\\x1b[2J[bol…" in hostile[0]
    assert hostile[0].endswith("4 min 12 s")
    assert not any("bold" in line for line in after)


def test_in_a_pipe_a_step_is_a_line_and_a_share_at_most_one_a_minute():
    now, out = [100.0], Pipe()
    view = RunView(Screen(out), Screen(Pipe()), clock=lambda: now[0])

    for seconds, host_name, step, share in (
        (0, "db1", "a: find", None),
        (1, "db1", "a: restore", 0.1),
        (30, "db1", "a: restore", 0.2),
        (1, "db2", "a: restore", 0.2),
        (59, "db1", "a: restore", 0.459),
        (90, "db1", "a: restore", 0.459),
        (1, "db1", "", None),
        (1, "db1", "b\x1b: find", None),
    ):
        now[0] += seconds
        view.progressed(host_name, step, share)

    assert out.getvalue().splitlines() == [
        "db1: a: find",
        "db1: a: restore, 10 %",
        "db2: a: restore, 20 %",
        "db1: a: restore, 45 %",
        "db1: b\\x1b: find",
    ]


def test_with_json_the_plain_lines_go_to_standard_error():
    out, errors = Pipe(), Pipe()

    shown([host("a", fine("a"))], out, errors, quiet=True)

    assert out.getvalue() == ""
    assert errors.getvalue() == "a: checked in 1.0 s: 1 pass, 0 fail, 0 unknown\n"


def test_no_color_takes_colours_away_and_leaves_signs_and_words(narrow):
    made = list(view_samples.hosts(5, 5))

    coloured = shown(made, Terminal())
    plain = shown(made, Terminal(), environ={"TERM": "xterm", "NO_COLOR": "1"})

    assert re.search(r"\x1b\[(1;)?3[0-9]m", coloured)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain)
    # The spinner turns with the time of day.
    words = [re.sub("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "⠋", ESCAPES.sub("", text)) for text in (plain, coloured)]
    assert words[0] == words[1]


def test_a_dumb_terminal_gets_plain_lines(narrow):
    assert "\x1b" not in shown([host("a", fine("a"))], Terminal(), environ={"TERM": "dumb"})


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_without_unicode_it_still_reads(encoding):
    class Old(Pipe):
        pass

    Old.encoding = encoding
    made = [
        host("a", fail("a", Severity.HIGH, message="数据库 down\x1b", remedy="look")),
        host("b", fine("b")),
    ]

    printed = shown(made, Old())

    printed.encode(encoding)
    assert "a: fail high: disk /var: \\u6570\\u636e\\u5e93 down\\x1b; next: look" in printed
    assert "+ 1 result passed" in printed


def test_the_next_step_of_like_troubles_stands_once(narrow):
    made = [host(n, fail(n, Severity.HIGH, remedy="`du -xhd1 /var`")) for n in ("a", "b", "c")]

    text = ESCAPES.sub("", shown(made, Terminal()))

    assert text.count("→ `du -xhd1 /var`") == 1
    assert text.index("fail high  c") < text.index("→ `du")


def test_many_hosts_with_the_same_trouble_are_one_row_on_a_screen(narrow):
    made = [host(f"web{n:02}", fail(f"web{n:02}", Severity.HIGH)) for n in range(60)]
    made += [host("db1", fail("db1", Severity.HIGH, check="memory")), host("db2", fine("db2"))]

    text = after_progress(shown(made, Terminal()))

    assert "✗ fail high  web00 and 59 more  disk    /var" in text
    assert "✗ fail high  db1                memory  /var" in text
    assert "all: upkeep show" not in text


def test_memory_does_not_grow_with_hosts():
    troubles = Troubles(keep=10)

    for number in range(1_000):
        severity = Severity.CRITICAL if number % 100 == 0 else Severity.LOW
        troubles.add_results([fail(f"h{number:04}", severity, subject="s" * 100_000)])

    worst = troubles.worst()
    assert troubles.count == 1_000
    assert [trouble.host for trouble in worst] == [
        f"h{number:04}" for number in range(0, 1_000, 100)
    ]
    assert all(len(trouble.subject) < 2_100 for trouble in worst)


def test_a_failing_result_of_a_host_that_was_lost_is_kept_beside_it():
    lost = replace(
        host("a", fail("a", Severity.HIGH), Result("a", "x", "y", Status.UNKNOWN, None, "no time")),
        outcome=Outcome.TIMED_OUT, observed_at=NOW + timedelta(seconds=1), message="no answer in 60 s",
    )  # fmt: skip

    printed = shown([lost], Pipe())

    assert "a: fail high: disk /var: 91 % used, at most 85 %" in printed
    assert "a: unknown: timed out: no answer in 60 s" in printed
    assert "no time" not in printed


LONG = "a-very-long-host-name-for-the-database.prod.eu-central-1.example.org"


@pytest.mark.parametrize("name", ["db1." + "x" * length + ".example.org" for length in (8, 30, 50, 61, 90, 250)] + [LONG])  # fmt: skip
@pytest.mark.parametrize("checks", [("disk",), ("disk", "memory")], ids=["one", "two"])
def test_a_long_host_name_is_shown_whole(narrow, name, checks):
    made = [host(one, *(fail(one, Severity.HIGH, check=check) for check in checks))
            for one in (name, "web2")]  # fmt: skip

    lines = after_progress(shown(made, Terminal())).splitlines()

    rows = lines[lines.index("", 2) :]
    assert [line for line in rows if "example" in line and name not in line] == []
    alone = [line for line in rows if line.strip().endswith(name) and "upkeep" not in line]
    assert bool(alone) == (len(name) > 50)  # else its check stands beside it
    assert any(name in line and "upkeep" not in line for line in rows)
    assert all(cell_len(line) <= 80 or len(name) > 78 for line in alone)
    named = lines[1 : lines.index("", 2)]
    assert any(name in line for line in named) or len(name) > 78


def test_the_names_of_other_hosts_are_whole_too(narrow):
    names = [f"{LONG}{number}" for number in range(4)]
    results = [fail(name, Severity.HIGH) for name in names]
    out = Terminal()

    troubles = Troubles()
    troubles.add_results(results)
    groups = groups_for(Screen(out), troubles.worst())
    print_rows(Screen(out), [TroubleRow.of_group(one, "", name_all=True) for one in groups])

    lines = ESCAPES.sub("", out.getvalue()).splitlines()
    assert [line.strip() for line in lines if LONG in line] == [
        f"{names[0]} and 3 more",
        *names[1:],
    ]


@pytest.mark.parametrize(
    ("told", "answered", "said"),
    [
        ([], 0, "starting"),
        ([3], 0, "0 of 3 hosts done"),
        ([3], 2, "2 of 3 hosts done"),
        ([1], 3, "3 of 3 hosts done"),  # what one play of several counts
        ([3, 1], 3, "3 of 3 hosts done"),
        ([1, 3], 1, "1 of 3 hosts done"),
        ([], 1, "1 of 1 host done"),
    ],
)
def test_progress_never_counts_more_hosts_than_there_are(narrow, told, answered, said):
    view = RunView(Screen(Terminal()), Screen(Terminal()), clock=lambda: 100.0)
    for number in told:
        view.expects(number)
    for number in range(answered):
        view.host_done(host(f"web{number}", fine(f"web{number}")))

    (line,) = view.__rich_console__(None, None)

    assert said in line.plain


def test_a_clause_that_was_cut_ends_with_its_dots_only(narrow):
    long = "no data for a week, " * 20

    text = after_progress(shown([host("a", fail("a", Severity.HIGH, long))], Terminal()))

    assert "…" in text
    assert "…." not in text


def test_a_long_name_in_a_message_is_whole(narrow):
    row = TroubleRow(
        "warn", "warn", "web2", "machine", "", f"is the same machine as {LONG}; one name is enough"
    )
    out = Terminal()

    print_rows(Screen(out), [row])

    lines = ESCAPES.sub("", out.getvalue()).splitlines()
    assert [line.split() for line in lines] == [
        ["▲", "warn", "web2", "machine"],
        ["is", "the", "same", "machine", "as"],
        [f"{LONG};"],
        ["one", "name", "is", "enough"],
    ]
