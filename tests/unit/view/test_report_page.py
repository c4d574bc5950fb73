from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
import stat
from datetime import timedelta, timezone
from html.parser import HTMLParser

import pytest
import view_samples
from view_samples import NOW

from upkeep.model.answer import Outcome
from upkeep.model.errors import UpkeepError
from upkeep.model.verdicts import Result, Severity, Status
from upkeep.view import report
from upkeep.view.model import HostInRun, RunTally


class Page(HTMLParser):
    """Keeps every tag with its attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def page_of(made, *, evidence=None, zone=None, **changes) -> tuple[str, Page]:
    tally = RunTally()
    for observed in made:
        tally.add(observed)
    hosts = [HostInRun.of(observed) for observed in made]
    results = (result for observed in made for result in observed.results)
    source = "".join(
        report.render(
            view_samples.summary(tally, **changes), hosts, results, evidence=evidence, zone=zone
        )
    )
    return source, Page(source)


def test_it_stands_alone_and_its_policy_allows_only_its_own_style():
    source, page = page_of(list(view_samples.hosts(8, 4, hostile=True)))

    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(
        a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert {tag for tag, _ in page.tags} & {
        "script",
        "img",
        "iframe",
        "a",
        "form",
        "svg",
        "base",
        "object",
    } == set()
    assert not [
        a for _, a in page.tags if {"style", "src", "srcset", "onclick", "onerror"} & set(a)
    ]
    assert [a["href"] for _, a in page.tags if "href" in a] == ["data:,"]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_text_is_text():
    evil = "<script>alert(1)</script>\x1b]52;c;x\x07\u202e{{ 7 * 7 }}\"'`<b onclick=x>"
    made = [
        view_samples.Observed(evil, Outcome.OK, NOW, evil, 1.0, evil, results=(
            Result(evil, "disk", evil, Status.FAIL, Severity.HIGH, evil, evil, (), (evil,), NOW, "a" * 64),
            Result(evil, "memory", evil, Status.PASS, None, evil),
        )),
    ]  # fmt: skip

    source, page = page_of(
        made, evidence=lambda _: evil * 3, title=evil, procedure=evil, site=evil, cause=evil, started_by=evil,
        version=evil,
    )  # fmt: skip

    assert "script" not in {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags if "onclick" in a]
    assert all(line.isprintable() for line in source.split("\n"))
    assert "49" not in page.text.replace("1949", "")
    assert page.text.count("<script>alert(1)</script>\\x1b]52;c;x\\x07\\u202e{{ 7 * 7 }}") > 10


def test_long_text_is_cut_with_a_note():
    made = [
        view_samples.Observed("a", Outcome.OK, NOW, results=(
            Result("a", "disk", "s" * 1_000_000, Status.FAIL, Severity.HIGH, "m" * 1_000_000, evidence_sha256="a" * 64),
        )),
    ]  # fmt: skip

    source, page = page_of(made, evidence=lambda _: "e" * 5_000_000)

    assert len(source) < 40_000
    assert page.text.count("characters left out …)") >= 2
    assert "cut to the first 4000 of 5 000 000 characters" in page.text


def test_the_answer_comes_first_then_the_worst():
    _, page = page_of(list(view_samples.hosts(40, 20, unseen=2)))

    text = " ".join(page.text.split())
    order = [
        "hosts need you", "Did not pass", "fail critical", "Host was not checked", "fail medium", " Hosts ",
        "About this report", "Upkeep 0.1.0",
    ]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_when_all_is_well_it_says_so_and_how_much_was_looked_at():
    _, page = page_of(list(view_samples.hosts(3, 0)))

    assert "All 3 hosts are well" in page.text
    assert "30 results passed; nothing failed and nothing is unknown." in page.text


def test_a_run_that_looked_at_nothing_is_not_well():
    _, page = page_of([], status="failed", cause="no host matches 'webb'")

    assert "The run failed: no host matches 'webb'. Nothing was looked at" in page.text
    assert "well" not in page.text


def test_times_are_exact_and_have_a_zone():
    source, page = page_of(list(view_samples.hosts(1, 0)), zone=timezone(timedelta(hours=1)))

    assert "2026-11-23 04:12:40 +01:00" in page.text
    assert 'datetime="2026-11-23T03:12:40+00:00"' in source


def test_troubles_of_one_kind_stand_together_with_one_next_step():
    made = [
        view_samples.Observed(name, Outcome.OK, NOW, results=(
            Result(name, "disk", "/var", Status.FAIL, Severity.HIGH, "91 % used", "see `df -h` first"),
        ))
        for name in ("a", "b", "c")
    ]  # fmt: skip

    source, page = page_of(made)

    assert source.count("see <code>df -h</code> first") == 1
    assert "3 times" in page.text


def test_many_hosts_stay_bounded():
    made = list(view_samples.hosts(250, 220))

    source, _ = page_of(made, evidence=lambda _: "line\n" * 10_000)

    assert len(source) < 4_000_000
    assert source.count("<pre") == report.EVIDENCE_SHOWN


def test_what_there_is_no_room_for_is_counted(monkeypatch):
    monkeypatch.setattr(report, "PASSES_SHOWN", 10)
    monkeypatch.setattr(report, "TROUBLES_SHOWN", 5)

    _, page = page_of(list(view_samples.hosts(20, 20)))

    assert re.search(r"\d+ more did not pass; all of them: upkeep show 12", page.text)
    assert re.search(
        r"\d+ more passed or had nothing to judge; all of them: upkeep show 12", page.text
    )


def write(path, made=()):
    report.write_report(path, view_samples.summary(RunTally()), [], iter(made))


def test_it_is_written_for_its_owner_only_and_replaces_an_older_one(tmp_path):
    path = tmp_path / "run-12.html"
    path.write_text("old")

    write(path)

    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["run-12.html"]


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path):
    target = tmp_path / "shadow"
    target.write_text("precious")
    (tmp_path / "run-12.html").symlink_to(target)

    write(tmp_path / "run-12.html")

    assert target.read_text() == "precious"
    assert not (tmp_path / "run-12.html").is_symlink()


def test_what_breaks_off_leaves_the_old_report_and_nothing_else(tmp_path):
    path = tmp_path / "run-12.html"
    path.write_text("old")

    def broken():
        yield from ()
        raise RuntimeError("the store is gone")

    with pytest.raises(RuntimeError):
        report.write_report(path, view_samples.summary(RunTally()), [], broken())
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run-12.html"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        UpkeepError, match=r"^report .*/none/run-12\.html: No such file or directory$"
    ):
        write(tmp_path / "none" / "run-12.html")


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(report.os, "fsync", full)

    with pytest.raises(UpkeepError, match="No space left on device"):
        write(tmp_path / "run-12.html")
    assert list(tmp_path.iterdir()) == []


def test_what_has_one_cause_stands_once_with_all_its_hosts_and_what_was_seen_on_each():
    away = [
        view_samples.Observed(
            f"web{number}",
            Outcome.UNREACHABLE,
            NOW,
            f"ssh: connect to host 192.0.2.{number} port 22: No route to host",
        )
        for number in range(40)
    ]
    blind = tuple(
        Result("db1", check, "*", Status.UNKNOWN, None, "the journal is empty")
        for check in ("brute_force", "failed_logins", "password_spraying")
    )
    full = [
        view_samples.Observed(
            f"app{number}",
            Outcome.OK,
            NOW,
            results=(
                Result(
                    f"app{number}", "disk_space", "/", Status.FAIL, Severity.HIGH, "93 % used",
                    evidence_sha256=str(number) * 64, doubted=True,
                ),
            ),
        )
        for number in range(4)
    ]  # fmt: skip
    made = [*away, view_samples.Observed("db1", Outcome.OK, NOW, results=blind), *full]
    source, page = page_of(made, evidence=lambda sha256: f"df of {sha256[0]}")

    troubles = source[: source.index('id="hosts"')]
    assert troubles.count("<li>") == 3
    assert troubles.count("such as unreachable: ssh: connect to host 192.0.2.0") == 1
    assert all(f"<bdi>web{number}</bdi>" in troubles for number in range(40))
    assert troubles.count("the journal is empty") == 2  # in the sentence and in its row
    assert "40 times" in page.text
    assert [f"df of {number}" in page.text for number in range(4)] == [True] * 4
    assert "4 results of disk_space prove nothing" in page.text
