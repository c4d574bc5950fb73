"""Pure: which severity, 1 to 4, something has on the way to people."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from upkeep.judging.check import SelfCheck, every
from upkeep.model.verdicts import Severity
from upkeep.rules.incident_kinds import OF_INCIDENTS
from upkeep.site.inventory import Place
from upkeep.site.schedule_file import SeverityRule


def severity_word(rank: int) -> str:
    """Return the word for a severity of 1 to 4: critical, high, medium or low."""
    return next(one.value for one in Severity if one.rank == rank)


def severity_of(
    rules: Sequence[SeverityRule], check: str, place: Place, severity: Severity
) -> int | None:
    """Return the severity by the site's first rule that fits, else as the check says; None for info."""
    if severity is Severity.INFO:
        return None
    for rule in rules:
        if rule.check is not None and not fnmatchcase(check, rule.check):
            continue
        if rule.group is not None and rule.group not in place.groups:
            continue
        if rule.environment is not None and rule.environment != place.environment:
            continue
        return rule.severity
    found = every().get(check)
    return found.rating if found is not None and found.rating else severity.rank


def is_security(check: str) -> bool:
    """Return whether the check detects intruders, or calls people to an incident: it is told in a window too."""
    found = every().get(check)
    return check in OF_INCIDENTS or (found is not None and found.detects_intruders)


def by_name_only(check: str) -> bool:
    """Return whether only its exact name on one host silences it: it detects intruders, or says that we cannot see.

    So it is with all that is not known to be harmless: hosts that cannot be reached, our own troubles, what is new.
    """
    found = every().get(check)
    if isinstance(found, SelfCheck):
        return not found.harmless
    return found is None or found.detects_intruders
