# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolate a host, and confirm it by a new connection; documented in plugins/modules/isolation.py."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.astral.upkeep.plugins.module_utils.containment.asked import new_id
from ansible_collections.astral.upkeep.plugins.module_utils.containment.look import (
    network_here,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.obstacles import (
    refusal,
)
from ansible_collections.astral.upkeep.plugins.plugin_utils.outside import reached
from ansible_collections.astral.upkeep.plugins.plugin_utils.second_connection import beside

MODULE = "astral.upkeep.isolation"
AT_MOST = 3
CONNECTIONS = ("ssh", "local")
"""Of a local one the host itself says what is against it."""
PROVED_PORTS = 3
UNRECORDED = (
    "nothing of this is recorded but on the host itself: no driver of Upkeep runs this play"
)
ASK_AGAIN = "upkeep_confirm"


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible's own packages carry no types
    """Looks, refuses or acts, opens a new connection, confirms, and proves from both sides."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what was done."""
        super().run(tmp, task_vars)
        self._variables = task_vars or {}
        given = dict(self._task.args)
        given["by"] = given.get("by") or getpass.getuser()
        given["controller_network"] = network_here()
        wanted = given.get("state") or "isolated"
        if wanted != "isolated":
            return self._recorded(given, self._module(self, given))
        try:
            return self._recorded(given, self._isolate(given))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _isolate(self, given: dict[str, Any]) -> dict[str, Any]:
        planned = self._module(self, {**given, "state": "planned"})
        if planned.get("failed"):
            return planned
        plan = planned["isolation"]
        plan["obstacles"] = [*self._obstacles(given), *plan["obstacles"]]
        if self._task.check_mode:
            return _shown(planned, plan)
        stands = plan["state"] == "confirmed"
        refused = [one for one in plan["obstacles"] if not one["overridden"]]
        if refused:
            return {"failed": True, "changed": False, "msg": refusal(refused), "isolation": plan}
        open_before = [] if stands else self._open_ports(plan.get("ports") or [])
        marks = {"id": "" if stands else new_id(), "nonce": secrets.token_hex(16)}
        done = self._module(self, {**given, **marks})
        if done.get("failed"):
            return done
        found = done["isolation"]
        if not done["changed"] and not found.get("needs_confirmation"):
            return done
        return self._confirm(given, {**marks, "id": found["id"]}, done, open_before)

    def _confirm(
        self,
        given: dict[str, Any],
        marks: dict[str, Any],
        done: dict[str, Any],
        open_before: Sequence[int],
    ) -> dict[str, Any]:
        """Confirm over a new connection what was done over the first."""
        begun = done["isolation"]
        try:
            asked = {**given, **marks, "state": "confirmed", "ports": list(open_before)}
            said = self._module(beside(self, is_new=True), asked)
        except AnsibleError as exc:
            said = {"failed": True, "msg": f"no new connection to the host: {exc}"}
        if said.get("failed"):
            why = said.get("msg") or "the host gave no reason"
            ends = begun.get("unless_confirmed_at") or "its time"
            return {
                **done,
                "failed": True,
                "msg": f"not confirmed: {why}. The host releases itself at {ends}, unless it has done so",
            }
        kept = {name: begun[name] for name in ("obstacles", "ruleset") if begun.get(name)}
        found = {**said["isolation"], **kept}
        found["warnings"] = list(dict.fromkeys([*begun["warnings"], *found["warnings"]]))
        found["proofs"] = [
            _proof("a new connection, as Ansible makes it", "it succeeds", "it succeeds", True),
            *self._tried(open_before),
            *({**one, "side": "host"} for one in found["proofs"]),
        ]
        result = {**done, "changed": True, "isolation": found}
        leaks = [one for one in found["proofs"] if one["ok"] is False]
        if leaks:
            tried = "; ".join(f"{one['what']}: {one['found']}" for one in leaks)
            result.update(
                failed=True,
                msg=f"the host is isolated, but not tight: {tried}; see its rules with nft list ruleset",
            )
        return result

    def _module(self, action: Any, given: dict[str, Any]) -> dict[str, Any]:
        """Return what the module says over an action's connection."""
        said: dict[str, Any] = action._execute_module(
            module_name=MODULE, module_args=given, task_vars=self._variables
        )
        if not said.get("failed") and not isinstance(said.get("isolation"), dict):
            return {**said, "failed": True, "msg": "the host did not say how it stands"}
        return said

    def _recorded(self, given: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """Return the result with its warnings where Ansible shows them."""
        result.pop("invocation", None)
        found = result.get("isolation")
        if not isinstance(found, dict):
            return result
        said = list(found.get("warnings") or [])
        if not given.get("run") and not self._task.check_mode:
            said.append(UNRECORDED)
        found["warnings"] = said
        result["warnings"] = [*(result.get("warnings") or []), *said]
        return result

    def _obstacles(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what the controller has against it."""
        hosts = list(self._variables.get("ansible_play_hosts_all") or [])
        accepted = given.get("even_if") or []
        found: list[dict[str, Any]] = []
        if not self._task.check_mode:
            found += _unconfirmed(str(given.get("confirm") or ""), hosts)
        transport = str(self._connection.transport)
        if transport not in CONNECTIONS:
            found.append(
                _obstacle(
                    "connection",
                    f"the connection {transport} cannot be opened anew beside the first",
                    "set ansible_connection: ssh for this host",
                    firm=True,
                )
            )
        at_most = int(given.get("at_most") or AT_MOST)
        if len(hosts) > at_most:
            found.append(
                _obstacle(
                    "too_many_hosts",
                    f"the play has {len(hosts)} hosts, and isolation_at_most is {at_most}",
                    "isolate fewer at once",
                    overridden="too_many_hosts" in accepted,
                )
            )
        return found

    def _open_ports(self, ports: Iterable[int]) -> list[int]:
        """Return which of the host's ports the controller reaches by itself, without a jump host."""
        control = {int(self._connection._options.get("port") or 22), 22}
        others = [one for one in ports if one not in control]
        return reached(self._address(), others)[:PROVED_PORTS]

    def _tried(self, ports: Sequence[int]) -> list[dict[str, Any]]:
        """Return what becomes of connections that succeeded before."""
        rows = []
        still = reached(self._address(), ports)
        for port in ports:
            is_open = port in still
            found = "connected" if is_open else "no connection"
            what = f"TCP from the controller to port {port}, which was open"
            rows.append(_proof(what, "no connection", found, not is_open))
        if not rows:
            what = "TCP from the controller to another port than SSH's"
            rows.append(_proof(what, "no connection", "no such port was open before", None))
        return rows

    def _address(self) -> str:
        return str(self._connection._options.get("host") or "")


def _unconfirmed(confirm: str, hosts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the obstacle that the second confirmation does not repeat the hosts of the play."""
    repeated = {one.strip() for one in confirm.split(",") if one.strip()}
    if repeated == set(hosts):
        return []
    found = f"found {', '.join(sorted(repeated))}" if repeated else "it is not set"
    return [
        _obstacle(
            "unconfirmed",
            f"{ASK_AGAIN} must repeat the names of the hosts that are isolated: {found}",
            f"look with --check --diff, then add -e {ASK_AGAIN}={','.join(hosts)}",
            firm=True,
        )
    ]


def _obstacle(
    name: str, said: str, remedy: str, *, firm: bool = False, overridden: bool = False
) -> dict[str, Any]:
    return {"id": name, "said": said, "remedy": remedy, "firm": firm, "overridden": overridden}


def _proof(what: str, expected: str, found: str, ok: bool | None) -> dict[str, Any]:
    return {"side": "controller", "what": what, "expected": expected, "found": found, "ok": ok}


def _shown(planned: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan, with its rules as what would be there."""
    return {
        **planned,
        "isolation": plan,
        "diff": {
            "before_header": "rules of Upkeep",
            "after_header": "rules of Upkeep",
            "before": "",
            "after": plan.get("ruleset") or "",
        },
    }
