"""What the product says of a host: an entry of a site, through the gather of its check, to the check's results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.results import to_wire
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.check import load
from upkeep.judge import judge_answer
from upkeep.observed import Due, Request
from upkeep.parameters import split, validate
from upkeep.verdicts import Result


def judged(entry: dict[str, Any], host: Host) -> list[Result]:
    """Return the results of the entry's check on this host, at the time of its clock.

    As observe and the program on a host do it: the parameters by Ansible's rules, the observations as they cross the
    wire, what a gather raises as its error.
    """
    check = load()[entry["check"]]
    given, limits = split(check, entry)
    params = validate(check, given)
    request = Request(check.gather, params)
    answer: dict[str, Any] = {"observations": [], "error": ""}
    try:
        seen = payload.gathers()[check.gather].gather(params, host)
        answer["observations"] = [to_wire(one) for one in seen]
    except Exception as exc:  # as the program does
        answer["error"] = str(exc)
    observed = judge_answer(
        "host",
        [Due(check.id, 0, limits)],
        [request],
        {"answers": [answer]},
        load(),
        datetime.fromtimestamp(host.now(), UTC),
        0.0,
    )
    return list(observed.results)
