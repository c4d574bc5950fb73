"""How an occurrence ends with its run, by a table; and what older programs wrote in words."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest

from upkeep.model.run_end import Ending, Reason, ending, kept, read

OLD = importlib.import_module("upkeep.store.migrations.versions.0014_reasons")
MANY = [f"web{number}" for number in range(1, 8)]


@pytest.mark.parametrize(
    ("run", "given", "state", "cause", "reasons"),
    [
        (("done", "", None), {}, "done", "", ""),
        (("done", "2 hosts were asked again", None), {}, "done", "", ""),
        (("failed", "no host matches", None), {}, "failed", "run failed: no host matches", "no_end"),
        (("crashed", "", None), {"unseen": ["a"]}, "failed", "run crashed", "no_end"),
        (("interrupted", "Ctrl-C", None), {}, "failed", "run interrupted: Ctrl-C", "no_end"),
        (("partial", "1 of 2 hosts not seen", None), {"unseen": ["web2"]}, "partial", "not seen: web2", "unseen"),
        (("partial", "", None), {"unseen": MANY}, "partial", "not seen: web1, web2, web3, web4, web5 …", "unseen"),
        (("partial", "x", None), {"failed_jobs": 1}, "partial", "a job failed on 1 host", "job_failed"),
        (("partial", "x", None), {"unseen": ["a"], "failed_jobs": 2}, "partial",
         "not seen: a; a job failed on 2 hosts", "unseen,job_failed"),
        (("partial", "Ansible cannot read the inventory's x", None), {}, "partial",
         "Ansible cannot read the inventory's x", "other"),
        # It was executed, whatever checks could see; and that does not hang on how it is said.
        (("partial", "whatever", Reason.BLIND), {}, "done", "", ""),
        (("partial", "whatever", Reason.BLIND), {"unseen": ["a"]}, "partial", "not seen: a", "unseen"),
        (("partial", "some checks could not see what they judge", None), {}, "partial",
         "some checks could not see what they judge", "other"),
        (("done", "", None), {"late": timedelta(minutes=5)}, "partial", "late: ended 5 min after its time", "late"),
        (("done", "", None), {"late": timedelta(minutes=-5)}, "done", "", ""),
    ],
)  # fmt: skip
def test_how_an_occurrence_ends(
    run: tuple[str, str, Reason | None],
    given: dict[str, Any],
    state: str,
    cause: str,
    reasons: str,
) -> None:
    ended = ending(*run, **given)

    assert (ended.state, ended.cause, kept(ended.reasons)) == (state, cause, reasons)
    # An older program wrote the same words; from them follows the same.
    if state != "done" and kept(ended.reasons) == reasons:
        assert OLD.reasons_of(state, cause, "") == reasons


@pytest.mark.parametrize(
    ("given", "state", "cause", "reasons"),
    [
        # Of those that took part it was executed.
        ({}, "partial", "no job changed a", "isolated"),
        ({"is_any_seen": False}, "skipped", "no job changed a", "isolated"),
        (
            {"unseen": ["b"], "late": timedelta(minutes=5)},
            "partial",
            "not seen: b; no job changed a; late: ended 5 min after its time",
            "unseen,isolated,late",
        ),
    ],
)
def test_how_an_occurrence_ends_whose_jobs_left_isolated_hosts_out(
    given: dict[str, Any], state: str, cause: str, reasons: str
) -> None:
    ended = ending("done", "no job changed a", Reason.ISOLATED, **given)

    assert (ended.state, ended.cause, kept(ended.reasons)) == (state, cause, reasons)


@pytest.mark.parametrize(
    ("state", "cause", "lacks", "reasons"),
    [
        ("skipped", "blackout: Year's end", "", "blackout"),
        ("missed", "blackout: Year's end, until the next one is due", "", "blackout"),
        ("skipped", "the one due at 2026-06-10 03:00 UTC still runs", "", "overlap"),
        ("skipped", "its procedure was removed", "", "removed"),
        ("missed", "no driver was there", "", "no_driver"),
        ("missed", "no driver was there; so were 900 before it", "", "no_driver"),
        ("missed", "the next one was due before it could begin", "", "newer"),
        ("missed", "waited 60 min behind other runs", "", "waited"),
        ("missed", "the host had not caught up when the next one was due", "", "behind"),
        ("missed", "the host was away until the next one was due", "", "behind"),
        ("missed", "somebody wrote this", "", "other"),
        ("partial", "somebody wrote this", "", "other"),
        ("partial", "", "", "other"),
        ("failed", "its process ended with status 70", "", "no_end"),
        # Words in a part that is somebody's own are no reasons.
        ("partial", "lacks late: ended 5 min after its time", "late: ended 5 min after its time",
         "lacks"),
        ("partial", "lacks A; B; late: ended 5 min after its time", "A; B", "lacks,late"),
        ("partial", "not seen: a, b; lacks A; late: ended 61 min after its time", "A", "unseen,lacks,late"),
        ("partial", "forged results or events of web1 were refused; late: ended 1 min after its time", "",
         "other,late"),
    ],
)  # fmt: skip
def test_the_words_of_older_programs_are_read_once(
    state: str, cause: str, lacks: str, reasons: str
) -> None:
    assert OLD.reasons_of(state, cause, lacks) == reasons


def test_what_a_newer_program_has_kept_counts_as_other() -> None:
    assert read("late,of_tomorrow") == {Reason.LATE, Reason.OTHER}
    assert read("") == frozenset()
    assert read(kept([Reason.LACKS, Reason.LATE])) == {Reason.LACKS, Reason.LATE}
    assert ending("done", "", None) == Ending("done")


def test_a_reason_without_words_leaves_no_gap_between_the_others() -> None:
    late = timedelta(minutes=5)

    ended = ending("partial", "", None, late=late)

    words = "late: ended 5 min after its time"
    assert ended == Ending("partial", words, (Reason.OTHER, Reason.LATE))
