from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.registers.register_changed import CHECK, Limits
from upkeep.model.verdicts import Measure, Severity, Status, Verdict, failed, passed

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)
PATH = "/site/people.yml"
ACCEPT = (
    f"diff -N {PATH}.accepted {PATH}"
    "  # see what changed; decide: if all lines are correct, copy the second file over the first"
)
BEFORE = "anna: {role: administrator}\nbernd: {role: clerk}\n"


def seen(text: str, before: str | None = BEFORE, path: str = PATH, **data: Any) -> Observation:
    accepted: dict[str, Any] = {"path": f"{path}.accepted", "there": before is not None}
    if before is not None:
        accepted["text"] = before
    known = {"path": path, "there": True, "bytes": len(text), "accepted": accepted}
    return Observation("people.yml", {**known, **data}, text)


def measures(*numbers: float) -> tuple[Measure, ...]:
    return tuple(map(Measure, ("entries", "added", "removed", "changed"), numbers))


def wrong(message: str, *numbers: float) -> Verdict:
    return failed(Severity.MEDIUM, message, *measures(*numbers), remedy=ACCEPT)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (BEFORE, passed("2 entries, as accepted", *measures(2, 0, 0, 0))),
        (
            "# in another order\nbernd: {role: clerk}\nanna: {role: 'administrator'}\n",
            passed("2 entries, as accepted", *measures(2, 0, 0, 0)),
        ),
        (
            f"{BEFORE}dora: {{role: clerk}}\n",
            wrong("1 added (dora); 2 accepted", 3, 1, 0, 0),
        ),
        (
            "anna: {role: administrator}\n",
            wrong("1 removed (bernd); 2 accepted", 1, 0, 1, 0),
        ),
        (
            BEFORE.replace("clerk", "administrator, since: 2026-11-01"),
            wrong("1 changed (bernd: role, since); 2 accepted", 2, 0, 0, 1),
        ),
        (
            "anna: {}\nbernd: {role: }\n",
            wrong("2 changed (anna: role, bernd: role); 2 accepted", 2, 0, 0, 2),
        ),
        (
            "".join(f"{one}: {{}}\n" for one in "abcdefg"),
            wrong(
                "7 added (a, b, c, d, e and 2 more), 2 removed (anna, bernd); 2 accepted",
                7, 7, 2, 0,
            ),
        ),
    ],
    ids=["the same", "another order", "added", "removed", "changed", "all of it", "many"],
)  # fmt: skip
def test_what_differs_from_the_accepted_copy(text: str, verdict: Verdict) -> None:
    assert judge(seen(text), Limits(), NOW) == verdict


def test_nothing_is_accepted_by_itself() -> None:
    assert judge(seen(BEFORE, None), Limits(), NOW) == failed(
        Severity.MEDIUM,
        f"not accepted yet: 2 entries, and there is no {PATH}.accepted",
        Measure("entries", 2),
        remedy=ACCEPT,
    )


def test_the_name_of_an_entry_is_in_the_field_that_the_site_says() -> None:
    people = "id,mail\n1,a@example.org\n2,b@example.org\n"
    again = "id,mail\n7,a@example.org\n2,b@example.org\n"
    observation = seen(again, people, "/site/people.csv")

    assert "1 added (7), 1 removed (1)" in judge(observation, Limits(), NOW).message
    by_mail = judge(observation, Limits(named_by="mail"), NOW)
    assert by_mail.message == "1 changed (a@example.org: id); 2 accepted"


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (seen("", there=False), "it is not there"),
        (seen("[]", "[]"), "it has no entry"),
        (
            seen("[", BEFORE),
            "cannot be read: not YAML, line 1: the text ends within a bracket [ or a brace {",
        ),
        (
            seen(BEFORE, "x"),
            f"the accepted copy cannot be read: {PATH}.accepted: str found; expected a list, or a mapping of names",
        ),
        (seen(BEFORE, raw_truncated=True), "its text was not stored"),
        (seen("", bytes=5), "its text was not stored"),
    ],
    ids=["not there", "empty", "no YAML", "accepted is no register", "cut", "pruned"],
)
def test_what_cannot_be_compared_is_unknown(observation: Observation, message: str) -> None:
    verdict = judge(observation, Limits(), NOW)

    assert (verdict.status, verdict.message) == (Status.UNKNOWN, message)


def test_a_path_that_is_nothing_to_paste_is_in_no_remedy() -> None:
    assert judge(seen("a: {}\n", path="/site/\x1b.yml"), Limits(), NOW).remedy == ""


MASKED = "a: {link: 'https://x/?role=*'}\n"


@pytest.mark.parametrize(
    ("text", "before", "same", "status", "message"),
    [
        (MASKED, MASKED, True, Status.PASS, "1 entry, as accepted"),
        (MASKED, MASKED, False, Status.FAIL, "the files differ, but their readable entries"),
        (BEFORE, BEFORE, False, Status.PASS, "2 entries, as accepted, although the text differs"),
        (BEFORE, f"# *\n{BEFORE}", False, Status.FAIL, "the files differ, but their"),
    ],
    ids=["masked and the same", "masked and another", "a comment more", "a mask in the other"],
)
def test_what_is_masked_does_not_hide_a_change(
    text: str, before: str, same: bool, status: Status, message: str
) -> None:
    """Secrets in URLs are masked before anything is judged; the hashes are those of the files."""
    observation = seen(text, before, sha256="a" * 64)
    observation.data["accepted"]["sha256"] = ("a" if same else "b") * 64

    verdict = judge(observation, Limits(), NOW)

    assert (verdict.status, verdict.message[: len(message)]) == (status, message)
    if status is Status.FAIL:
        assert verdict.remedy == ACCEPT
