"""One sentence for a result, in two lengths; and the nouns that it is made of."""

from __future__ import annotations

import re

import pytest

from upkeep.judging.check import every
from upkeep.model.verdicts import Status
from upkeep.rules.sentences import doubt, full, hosts_in_words, open_, title_of, trouble_of, what_of

# What makes a sentence of a noun.
VERB = re.compile(r"\b(is|are|was|were|has|have|does|do|fails?|cannot|can|not)\b", re.IGNORECASE)


@pytest.mark.parametrize("name", every())
def test_each_check_has_a_noun_for_its_trouble(name: str) -> None:
    trouble = every()[name].trouble

    assert 3 < len(trouble) <= 40
    assert trouble[0].isupper()
    assert trouble[-1].isalnum()
    assert not VERB.search(trouble)
    assert trouble != every()[name].title


def test_no_two_checks_have_the_same_noun() -> None:
    nouns = [one.trouble for one in every().values()]

    assert len(set(nouns)) == len(nouns)


@pytest.mark.parametrize(
    ("check", "trouble", "title"),
    [
        ("disk_space", "Low disk space", "File systems have free space"),
        ("host_unreachable", "Connection failure", "The host can be reached"),
        ("run_failed", "Failed run", "Every run completes"),
        (
            "a_check_of_an_older_release",
            "a check of an older release",
            "a check of an older release",
        ),
    ],
)
def test_what_a_check_is_called(check: str, trouble: str, title: str) -> None:
    assert trouble_of(check) == trouble
    assert title_of(check) == title


@pytest.mark.parametrize(
    ("status", "subject", "expected"),
    [
        (Status.FAIL, "/var", "Low disk space on web1, /var: 93 % used"),
        ("fail", "/var", "Low disk space on web1, /var: 93 % used"),
        (Status.UNKNOWN, "/var", "Low disk space not checked on web1, /var: 93 % used"),
        ("unknown", "*", "Low disk space not checked on web1: 93 % used"),
        (Status.FAIL, "", "Low disk space on web1: 93 % used"),
        (Status.FAIL, "web1", "Low disk space on web1: 93 % used"),
        (Status.FAIL, "disk_space", "Low disk space on web1: 93 % used"),
        (Status.FAIL, "connection", "Low disk space on web1: 93 % used"),
    ],
)
def test_the_full_sentence(status: Status | str, subject: str, expected: str) -> None:
    assert full("disk_space", status, "web1", subject, "93 % used") == expected


def test_what_is_said_of_what_was_not_seen_is_no_trouble() -> None:
    assert what_of("brute_force", Status.UNKNOWN) == "Password guessing not checked"
    assert what_of("brute_force", Status.FAIL) == "Password guessing"


@pytest.mark.parametrize("status", [Status.PASS, "pass"])
def test_what_passes_has_no_trouble(status: Status | str) -> None:
    assert what_of("brute_force", status) == title_of("brute_force")


def test_what_is_said_of_doubted_results() -> None:
    assert doubt("disk_space", 1).startswith("1 result of disk_space proves nothing: ")
    assert doubt("disk_space", 2).startswith("2 results of disk_space prove nothing: ")


@pytest.mark.parametrize(
    ("hosts", "findings", "expected"),
    [
        ([], 0, "Low disk space on no host"),
        (["web1"], 1, "Low disk space on web1"),
        (["web1"], 2, "Low disk space on web1, 2 findings"),
        (["a", "b", "c", "d", "e"], 5, "Low disk space on a, b, c, d, e, 5 findings"),
        (
            ["a", "b", "c", "d", "e", "f"],
            6,
            "Low disk space on a, b, c, d, e and 1 more, 6 findings",
        ),
    ],
)
def test_the_open_sentence(hosts: list[str], findings: int, expected: str) -> None:
    assert open_("disk_space", hosts, findings) == expected
    assert hosts_in_words(hosts) in expected
