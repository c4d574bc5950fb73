"""Pure: the limits that a site sets today for what a run once observed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload, secrets
from upkeep.judging.entries import ParameterError, has_template, validate
from upkeep.judging.sources import SOURCE
from upkeep.judging.wanted import WantedCheck
from upkeep.model.answer import Due, Observed

Asked = tuple[str, str]
"""A check, and what its gather is asked for, in the form in which requests are stored: without secrets."""


def limits_now(
    observed: Observed, wanted: Iterable[WantedCheck]
) -> tuple[tuple[Due, ...], list[str]]:
    """Return what was due with the limits of today's entries, and the checks whose limits stay as they were.

    Requests are compared without their secrets, as they are stored. Those that differ only in a secret are told apart
    by their order. Limits stay where today's entries do not ask for the same any more, or for another number of them,
    and where a template stands in an entry, which only a run can resolve.
    """
    today = _today(wanted, {due.check for due in observed.due})
    then: dict[Asked, list[int]] = {}
    for index, one in enumerate(observed.due):
        then.setdefault(_asked_then(observed, one), []).append(index)
    due = list(observed.due)
    kept = set()
    for asked, indexes in then.items():
        limits = today.get(asked, [])
        if len(limits) != len(indexes):
            kept.add(asked[0])
            continue
        for index, now in zip(indexes, limits, strict=True):
            due[index] = replace(due[index], limits=now)
    return tuple(due), sorted(kept)


def public(gather: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a gather's parameters as they are stored: without secrets.

    A source that is not said is none: what older programs asked for, before there were any, is the same as today's.
    """
    said = {name: value for name, value in params.items() if (name, value) != (SOURCE, "")}
    return secrets.without(payload.gathers()[gather].ARGUMENTS, said)


def _asked_then(observed: Observed, due: Due) -> Asked:
    # Masked once more: what an older program has stored may not have been.
    request = observed.requests[due.request]
    known = request.gather in payload.gathers()
    params = public(request.gather, request.params) if known else request.params
    return due.check, json.dumps(params, sort_keys=True)


def _today(wanted: Iterable[WantedCheck], checks: set[str]) -> dict[Asked, list[dict[str, Any]]]:
    """Return the limits that entries set, by what they ask for; each request once, as a run asks for it."""
    found: dict[Asked, dict[str, dict[str, Any]]] = {}
    for one in wanted:
        if one.check.id not in checks or has_template(one.limits):
            continue  # of a template, only a run knows the limit: the original ones stay
        try:
            valid = validate(one.check, one.params)
        except ParameterError:
            continue  # a template
        asked = one.check.id, json.dumps(public(one.check.gather, valid), sort_keys=True)
        found.setdefault(asked, {})[json.dumps(valid, sort_keys=True)] = one.limits
    return {asked: list(same.values()) for asked, same in found.items()}
