"""Pure: what a result says of a host, as one sentence in two lengths.

full: for people who may read what the host said: terminal, page, report, channels with `phi: true`.
open: for all others, and for the subject of a mail: nothing in it comes from the host.
"""

from __future__ import annotations

from collections.abc import Sequence

from upkeep.judging.check import CONNECTION, every
from upkeep.judging.judge import EVERYTHING
from upkeep.model.text import counted
from upkeep.model.verdicts import Status

HOSTS_SHOWN = 5
UNNAMED = frozenset({"", EVERYTHING, CONNECTION})
"""Subjects that are no name of anything on the host."""


def trouble_of(check: str) -> str:
    """Return the noun for what a check finds, such as `Password guessing`; its id in words if it is not known."""
    known = every().get(check)
    return known.trouble if known else check.replace("_", " ")


def title_of(check: str) -> str:
    """Return the healthy case, such as `Few logins fail`; the id in words of a check that is not known."""
    known = every().get(check)
    return known.title if known else check.replace("_", " ")


def what_of(check: str, status: Status | str) -> str:
    """Return the noun for a result: `Low disk space`; of one that was not seen, `Low disk space not checked`.

    What passes has no trouble: `File systems have space left`.
    """
    if status in (Status.PASS, Status.PASS.value):
        return title_of(check)
    unseen = status in (Status.UNKNOWN, Status.UNKNOWN.value)
    return f"{trouble_of(check)} not checked" if unseen else trouble_of(check)


def names_subject(check: str, subject: str) -> bool:
    """Return whether a subject tells more than the check does."""
    return subject not in UNNAMED and subject != check


def full(check: str, status: Status | str, host: str, subject: str, message: str) -> str:
    """Return `Low disk space on web1, /var: 93 % used, at most 90 %`."""
    return f"{what_of(check, status)} on {_place(check, host, subject)}: {message}"


def finding_of(check: str, host: str, subject: str) -> str:
    """Return what names a finding for people: `Low disk space on web1, /var`."""
    return f"{trouble_of(check)} on {_place(check, host, subject)}"


def _place(check: str, host: str, subject: str) -> str:
    return f"{host}, {subject}" if names_subject(check, subject) and subject != host else host


def open_(check: str, hosts: Sequence[str], findings: int = 1) -> str:
    """Return `Low disk space on web1, web2, 3 findings`: all that may be said anywhere.

    hosts: their names, in the order in which they are shown. findings: told if there are several.
    """
    several = f", {findings} findings" if findings > 1 else ""
    return f"{trouble_of(check)} on {hosts_in_words(hosts)}{several}"


def doubt(check: str, results: int) -> str:
    """Return what is said of results whose check passed its known-bad input then."""
    prove = "proves" if results == 1 else "prove"
    said = f"{counted(results, 'result')} of {check} {prove} nothing"
    return f"{said}: the check passed its known-bad input"


def hosts_in_words(hosts: Sequence[str]) -> str:
    """Return `web1, web2 and 38 more`."""
    if not hosts:
        return "no host"
    more = len(hosts) - HOSTS_SHOWN
    shown = ", ".join(hosts[:HOSTS_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
