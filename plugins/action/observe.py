# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe a host in one round trip, and judge what comes back; documented in plugins/modules/observe.py."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

with contextlib.suppress(ImportError):
    from upkeep.system import bytecode

    bytecode.use()  # before the first of what it is about

from ansible_collections.astral.upkeep.plugins.plugin_utils import (
    outside,
    payload,
    secrets,
    transport,
)
from ansible_collections.astral.upkeep.plugins.plugin_utils.bounds import BoundsError

try:
    from upkeep.judging.check import CONNECTION, load
    from upkeep.judging.entries import VARIABLES, ParameterError, validate
    from upkeep.judging.families import VARIABLE, version_of
    from upkeep.judging.judge import EVERYTHING, judge_answer, unseen
    from upkeep.judging.limits import public
    from upkeep.judging.sources import (
        CONTROLLER,
        SOURCES,
        by_source,
        kinds_of,
        of_requests,
        source_of,
    )
    from upkeep.judging.wanted import WantedCheck, merge, of_list
    from upkeep.model.answer import Due, Observed, Outcome, Request, to_json
    from upkeep.model.errors import ConfigurationError
    from upkeep.model.text import safe, status_sign
    from upkeep.model.verdicts import Severity, Status
    from upkeep.site.own_checks import ENVIRONMENT, FOLDER, use_own_checks
    from upkeep.system.release import version
except ImportError as exc:
    MISSING: str | None = str(exc)
else:
    MISSING = None
    # Before Ansible forks: a worker that had to do this would do it once per host.
    OWN_CHECKS = os.environ.get(ENVIRONMENT, "")
    if OWN_CHECKS:
        use_own_checks(Path(OWN_CHECKS).parent)
    load()
    payload.prepare()
    PROGRAM = version()

TIMEOUT_SECONDS = 120
CONNECTION_SECONDS = 15
"""What the controller grants beyond the host's own time, for connecting and for the way back."""

LOCAL = "local"
"""Ansible's name of a connection to this very machine."""
FOLDER_ARGUMENT = "folder"
"""The parameter of gathers of sources that says where relative paths begin; empty is the site's folder."""
MESSAGE_LIMIT_CHARACTERS = 4_000
# In ASCII JSON, where a backslash is two: control characters, and those that change the direction of a text or take no
# room. Ansible shows a failed task's whole result, and escapes only some of them.
UNSEEN = re.compile(
    r"\\(?:\\|u(?:00[0189][0-9a-f]|007f|00ad|061c|180e|200[b-f]|202[89a-e]|206[0-9a-f]|feff))"
)


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible's own packages carry no types
    """Ships the gathers that are due, runs them once, judges what comes back."""

    TRANSFERS_FILES = False
    _supports_check_mode = True  # it observes then too: it never changes a host
    _VALID_ARGS = frozenset({"procedure", "checks", "entries", "timeout_seconds", "fail_on"})

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return Ansible's result with the host's verdicts under `upkeep`."""
        super().run(tmp, task_vars)
        if MISSING is not None:
            raise AnsibleActionFail(
                f"astral.upkeep.observe needs the Python package upkeep beside ansible-core: {MISSING}."
                f" Install it on the controller: {shlex.quote(sys.executable)} -m pip install upkeep"
                " (the collection's *_info modules do without it)"
            )
        variables = task_vars or {}
        _use_checks_of(variables)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "procedure": {"type": "str", "default": ""},
                "checks": {"type": "list", "elements": "str"},
                "entries": {"type": "list", "elements": "raw"},
                "timeout_seconds": {"type": "int"},
                "fail_on": {"type": "str", "choices": [one.value for one in Severity]},
            }
        )
        host = variables["inventory_hostname"]
        timeout = int(
            arguments["timeout_seconds"]
            or self._templar.template(variables.get("upkeep_host_timeout_seconds"))
            or variables.get("upkeep_default_timeout_seconds")
            or TIMEOUT_SECONDS
        )
        asked: Sequence[str] = ()
        by_hand = arguments["entries"] is not None
        if by_hand:
            entries = self._given(arguments["entries"], variables)
        else:
            entries = self._entries(variables)
            asked = [EVERYTHING] if arguments["checks"] is None else arguments["checks"]
        wanted = resolve(entries, arguments["checks"])
        declared = self._declared(entries, variables if by_hand else {})
        hidden = self._hidden(wanted, variables)
        given = self._observe(host, wanted, declared, timeout, variables, hidden)
        given = [replace(one, asked=tuple(asked)) for one in given]
        return self._result(given, hidden, arguments["fail_on"], variables)

    def _why_no_sources(self, host: str, wanted: Resolved, variables: Mapping[str, Any]) -> str:
        """Return why a host that is asked about sources cannot look at them; empty if it can, or is not asked.

        A fact that a host tells may set a variable; how it is connected to, it cannot tell.
        """
        if not wanted.sources:
            return ""
        named = ", ".join(sorted(wanted.sources))
        remedy = (
            f"set {CONTROLLER}: true and ansible_connection: local on the one host that reads "
            "sources"
        )
        if not boolean(self._templar.template(variables.get(CONTROLLER, False)), strict=False):
            return f"{host} does not read sources ({named}): {remedy}"
        if self._connection.transport != LOCAL:
            found = f"connected to by {self._connection.transport}"
            return f"{host} cannot read sources ({named}), {found}: {remedy}"
        return ""

    def _entries(self, variables: dict[str, Any]) -> list[WantedCheck]:
        """Return what the host's groups ask for, merged."""
        asked = {name: value for name, value in variables.items() if name.startswith(VARIABLES)}
        try:
            return merge(
                {name: self._templar.template(asked[name]) for name in asked},
                load(),
                self._family_version(variables),
            )
        except ParameterError as exc:
            raise AnsibleActionFail(f"{exc}{_place(exc.entry)}") from exc

    def _given(self, entries: Sequence[Any], variables: dict[str, Any]) -> list[WantedCheck]:
        """Return what the task's own entries ask for."""
        try:
            return of_list(entries, load(), self._family_version(variables))
        except ParameterError as exc:
            raise AnsibleActionFail(f"{exc}{_place(exc.entry)}") from exc

    def _family_version(self, variables: dict[str, Any]) -> str:
        """Return the release whose families the host's variables mean.

        Raises: ParameterError.
        """
        said = variables.get(VARIABLE)
        value = self._templar.template(said)
        try:
            return version_of(value, PROGRAM)
        except ParameterError as exc:
            raise ParameterError(str(exc), exc.key, said) from exc

    def _declared(
        self, entries: Sequence[WantedCheck], variables: dict[str, Any]
    ) -> dict[str, list[str]]:
        """Return by gather all places that the host's groups declare, whatever is due now.

        variables: the host's if the entries are another's, of a check by hand; the groups' come first then too.
        """
        if not any(sign in str(one.params) for one in entries for sign in ("//", "?", "@")):
            return {}
        with contextlib.suppress(AnsibleActionFail):  # nobody asked for them
            entries = [*self._entries(variables), *entries]
        declared: dict[str, list[str]] = {}
        for one in entries:
            declared.setdefault(one.check.gather, []).extend(secrets.places(one.params))
        return declared

    def _hidden(
        self,
        wanted: Resolved,
        variables: dict[str, Any],
    ) -> tuple[str, ...]:
        """Return the secrets that must not come back: the gathers' own and the connection's."""
        texts = [*secrets.of_connection(self._templar.template(_connection(variables)))]
        for request, params in zip(wanted.requests, wanted.private, strict=True):
            texts += secrets.values(payload.gathers()[request.gather].ARGUMENTS, params)
        return secrets.worth_hiding(texts)

    def _observe(
        self,
        host: str,
        wanted: Resolved,
        declared: Mapping[str, Sequence[str]],
        timeout: int,
        variables: dict[str, Any],
        hidden: Sequence[str],
    ) -> list[Observed]:
        """Return what the host gave of itself, then of each source that it is asked about.

        A host that gave nothing is unknown for every check that is due.
        """
        due, requests, private, sources = wanted
        if not due:
            return [skipped(host), *(skipped(one, host, (sources[one],)) for one in sources)]
        refused: list[Observed] = []
        if why := self._why_no_sources(host, wanted, variables):
            own, refused = without_sources(host, wanted, why, datetime.now(UTC))
            due, requests, private, _sources = own
            if not due:
                return [skipped(host), *refused]
        folder = _folder(variables)
        private = [
            {**one, FOLDER_ARGUMENT: folder} if one.get(FOLDER_ARGUMENT) == "" else one
            for one in private
        ]
        nonce = transport.new_nonce()
        program = payload.build(
            [(request.gather, params) for request, params in zip(requests, private, strict=True)],
            timeout,
            nonce,
        )

        interpreter = self._templar.template(variables.get("ansible_python_interpreter", ""))
        if interpreter.startswith("auto"):
            interpreter = ""
        carried = transport.carry(
            self._low_level_execute_command,
            program,
            nonce,
            interpreter,
            timeout + CONNECTION_SECONDS,
            partial(clean, hidden),
        )
        asked = [(one.gather, own) for one, own in zip(requests, private, strict=True)]

        def completed(answer: dict[str, Any]) -> None:
            secrets.name_subjects(answer, asked, declared)
            outside.add_tries(answer, [one.gather for one in requests], self._address())

        given = taken(carried, host, due, requests, hidden, datetime.now(UTC), completed)
        given += refused
        seen = {one.host for one in given}
        idle = [skipped(one, host, (sources[one],)) for one in sources if one not in seen]
        return [*given, *idle]

    def _address(self) -> str:
        """Return where the controller connects to; empty if that is not by SSH, or through another host."""
        if self._connection.transport != "ssh":
            return ""
        return str(self._connection.get_option("host") or "")

    def _result(
        self,
        given: Sequence[Observed],
        hidden: Sequence[str],
        fail_on: str | None,
        variables: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the task's result, and show the verdicts unless the driver does."""
        observed, *sources = given
        # Through JSON: plain values, without Ansible's tags of origin and trust.
        said = to_json(observed)
        text = json.dumps({**said, SOURCES: list(map(to_json, sources))} if sources else said)
        if secrets.mentioned(text, hidden):
            text = json.dumps(secrets.scrub(json.loads(text), hidden))
        if os.environ.get("UPKEEP_DRIVER") != "1":
            shown = [observed, *(one for one in sources if one.outcome is not Outcome.SKIPPED)]
            for line in (line for one in shown for line in _lines(one)):
                Display().display(line)
            # The driver keeps what hosts say to the letter; here Ansible shows it on a terminal.
            text = spelled_out(text)
        result: dict[str, Any] = {"changed": False, "upkeep": json.loads(text)}
        # The driver cannot know otherwise how many hosts a pattern matches.
        result["upkeep"]["play_hosts"] = len(variables.get("ansible_play_hosts_all", ()))
        if observed.outcome in (Outcome.UNREACHABLE, Outcome.TIMED_OUT):
            result |= {"unreachable": True, "msg": observed.message}
        elif observed.outcome is Outcome.FAILED:
            result |= {"failed": True, "msg": observed.message}
        elif fail_on:
            limit = Severity(fail_on).rank
            results = [one for each in given for one in each.results]
            bad = [one for one in results if one.severity and one.severity.rank <= limit]
            if bad:
                result |= {"failed": True, "msg": f"{len(bad)} checks failed at {fail_on} or above"}
        return result


def without_sources(
    host: str, wanted: Resolved, why: str, now: datetime
) -> tuple[Resolved, list[Observed]]:
    """Return what is wanted of a host itself, and of each source that it cannot look at an answer that says why."""
    asked = by_source(wanted.requests)
    own = asked.pop("")
    checks = load()
    refused = [
        replace(
            unseen(
                source,
                Outcome.FAILED,
                why,
                of_requests(wanted.due, those),
                [wanted.requests[index] for index in those],
                {one.check: checks[one.check] for one in of_requests(wanted.due, those)},
                now,
            ),
            seen_from=host,
        )
        for source, those in asked.items()
    ]
    due = of_requests(wanted.due, own)
    requests = [wanted.requests[index] for index in own]
    private = [wanted.private[index] for index in own]
    return Resolved(due, requests, private, wanted.sources), refused


def taken(
    carried: transport.Carried,
    host: str,
    due: Sequence[Due],
    requests: Sequence[Request],
    hidden: Sequence[str],
    now: datetime,
    complete: Callable[[dict[str, Any]], None] = lambda _answer: None,
) -> list[Observed]:
    """Return what the host gave, judged, of itself, then of each source that it was asked about.

    Whatever that is, there is a verdict for each check that is due. complete: gives the subjects of an answer the names
    by which they are known here, and adds what only the controller can say.
    """
    checks = load()
    asked = by_source(requests)
    problem, kind = clean(hidden, carried.problem), carried.kind
    if not problem:
        try:
            answer = payload.parse(carried.answer, [request.gather for request in requests])
            complete(answer)
            answer = secrets.scrub(answer, hidden)
            return [
                replace(
                    judge_answer(
                        source or host,
                        of_requests(due, those),
                        [requests[index] for index in those],
                        {**answer, "answers": [answer["answers"][index] for index in those]},
                        checks,
                        now,
                        carried.seconds,
                    ),
                    seen_from=host if source else "",
                )
                for source, those in asked.items()
            ]
        except Exception as exc:
            problem = f"the host's answer cannot be read: {clean(hidden, _why(exc))}"
            kind = Outcome.FAILED.value
    # What is wrong with the way to the host is said of the host alone.
    of_sources = {id_: one for id_, one in checks.items() if one.gather != CONNECTION}
    return [
        replace(
            unseen(
                source or host,
                Outcome(kind),
                problem,
                of_requests(due, those),
                [requests[index] for index in those],
                of_sources if source else checks,
                now,
            ),
            seconds=round(carried.seconds, 3),
            seen_from=host if source else "",
        )
        for source, those in asked.items()
    ]


def skipped(name: str, seen_from: str = "", requests: Sequence[Request] = ()) -> Observed:
    """Return that no check is due of a host, or of a source that a host is asked about."""
    observed = unseen(
        name, Outcome.SKIPPED, "no check is due here", (), requests, {}, datetime.now(UTC)
    )
    return replace(observed, seen_from=seen_from)


def clean(hidden: Sequence[str], text: str) -> str:
    """Return what others said as one line without secrets and without anything that is no character to see.

    Secrets first: half of one, or one that is spelled in another way, would not be found again.
    """
    return safe(" ".join(secrets.scrub(text, hidden).split()), MESSAGE_LIMIT_CHARACTERS)


def spelled_out(text: str) -> str:
    r"""Return ASCII JSON in whose texts each character of UNSEEN is the six of its escape, such as `\u009b`."""
    return UNSEEN.sub(lambda found: found[0] if len(found[0]) == 2 else "\\" + found[0], text)


class Resolved(NamedTuple):
    """What is due, the requests behind it without secrets, and in private their parameters with them.

    sources: those that the entries ask about, due now or not, each with one request that does.
    """

    due: list[Due]
    requests: list[Request]
    private: list[dict[str, Any]]
    sources: dict[str, Request]


def resolve(entries: Sequence[WantedCheck], only: Sequence[str] | None) -> Resolved:
    """Return what is due, and the requests behind it.

    only: the check ids that the procedure asks for; None for all that the host's groups ask for. Checks that want
    the same of the same gather share its request.
    Raises: AnsibleActionFail with the place of a wrong entry.
    """
    due: list[Due] = []
    requests: list[Request] = []
    private: list[dict[str, Any]] = []
    places: dict[tuple[str, str], int] = {}
    sources: dict[str, Request] = {}
    for one in entries:
        check = one.check
        is_due = only is None or check.id in only
        if not is_due and not kinds_of(check.gather):
            continue
        try:
            valid = validate(check, one.params)
            source = source_of(check.gather, valid)
        except ParameterError as exc:
            raise AnsibleActionFail(f"{exc}{_place(one.source)}") from exc
        if source and source not in sources:
            sources[source] = _request(check.gather, valid)
        if not is_due:
            continue
        key = (check.gather, json.dumps(valid, sort_keys=True))
        if key not in places:
            places[key] = len(requests)
            requests.append(_request(check.gather, valid))
            private.append(valid)
        due.append(Due(check.id, places[key], one.limits))
    return Resolved(due, requests, private, sources)


def _request(gather: str, params: dict[str, Any]) -> Request:
    """Return a request as it is stored, without secrets."""
    return Request(gather, public(gather, params))


def _folder(variables: Mapping[str, Any]) -> str:
    """Return the folder of the site, where relative paths of sources begin: it holds that of the inventory."""
    inventory = variables.get("inventory_dir") or ""
    return str(Path(inventory).parent) if inventory else ""


def _why(exc: Exception) -> str:
    """Return the text that was written for readers, else with the exception's type."""
    return str(exc) if isinstance(exc, BoundsError) else f"{type(exc).__name__}: {exc}"


def _use_checks_of(variables: Mapping[str, Any]) -> None:
    """Make the checks of the site known that the inventory belongs to, in a run that no driver has begun."""
    folder = Path(variables.get("inventory_dir") or "").parent
    if OWN_CHECKS or not variables.get("inventory_dir") or not (folder / "schedule.yml").is_file():
        return
    if (folder / FOLDER).is_dir():
        try:
            use_own_checks(folder)
        except ConfigurationError as exc:
            raise AnsibleActionFail(str(exc)) from exc


def _place(value: Any) -> str:
    """Return ` (file:line)` of what stands in an inventory file; core knows it, but only privately."""
    try:
        from ansible._internal._datatag._tags import Origin
    except ImportError:
        return ""
    origin = Origin.get_tag(value)
    return f" ({origin.path}:{origin.line_num})" if origin and origin.path else ""


def _connection(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that hold the connection's passwords."""
    return {name: variables[name] for name in secrets.CONNECTION_SECRETS if name in variables}


def _lines(observed: Observed) -> list[str]:
    """Return the host's verdicts as lines for a plain playbook run."""
    passed = sum(result.status is Status.PASS for result in observed.results)
    host = safe(observed.host)
    lines = [
        f"{host}: {status_sign(one.status, one.severity)} {one.check} {safe(one.subject)}:"
        f" {safe(one.message)}"
        for one in observed.results
        if one.status is not Status.PASS
    ]
    lines.append(f"{host}: {passed} of {len(observed.results)} results pass")
    if observed.deferred:
        lines.append(f"{host}: left to upkeep's driver: {', '.join(observed.deferred)}")
    return lines
