"""What the product says of a host: an entry of a site, through the gather of its check, to the check's results."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire
from ansible_collections.astral.upkeep.plugins.plugin_utils import bounds, payload
from upkeep.judging.check import load
from upkeep.judging.entries import split, validate
from upkeep.judging.judge import judge_answer
from upkeep.model.answer import Due, Request
from upkeep.model.verdicts import Result


def judged(entry: dict[str, Any], host: Host) -> list[Result]:
    """Return the results of the entry's check on this host, at the time of its clock."""
    check = load()[entry["check"]]
    given, limits = split(check, entry)
    return _judged(check.gather, validate(check, given), [Due(check.id, 0, limits)], host)


def judged_all(gather: str, params: dict[str, Any], host: Host) -> list[Result]:
    """Return the results of all checks of the gather with these parameters, by their own limits."""
    due = [Due(check.id, 0, {}) for check in load().values() if check.gather == gather]
    given = validate(load()[due[0].check], params)
    return _judged(gather, given, due, host)


def _judged(gather: str, params: dict[str, Any], due: list[Due], host: Host) -> list[Result]:
    """As observe and the program on a host do it: what crosses the wire, and what a gather raises as its error."""
    answer: dict[str, Any] = {"observations": [], "error": ""}
    try:
        seen = payload.gathers()[gather].gather(params, host)
        answer["observations"] = [to_wire(one) for one in seen]
        json.dumps(answer, allow_nan=False)
    except Exception as exc:  # as the program does
        answer = {"observations": [], "error": str(exc) or type(exc).__name__}
    part = bounds.part(json.dumps(answer), payload.limit_bytes(gather))
    now = datetime.fromtimestamp(host.now(), UTC)
    requests = [Request(gather, params)]
    return list(judge_answer("host", due, requests, {"answers": [part]}, load(), now, 0.0).results)
