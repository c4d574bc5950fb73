# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Isolate a host, confirm that it is still controlled, and release it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from dataclasses import replace
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.containment import (
    dead_man,
    probes,
    reboot,
    snapshot,
    watch,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.asked import (
    CONFIRM_SECONDS,
    LONGEST_HOURS,
    bounded,
    new_id,
    source_of,
    target_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.cut import (
    Cut,
    cut,
    shown,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.look import (
    Surroundings,
    look,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.obstacles import (
    Obstacle,
    as_row,
    obstacles,
    refusal,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.others import (
    others_differ,
    without_expiring,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    Openings,
    as_rows,
    families,
    forbidden,
    transaction,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.sockets import (
    foreign,
    listeners,
    open_sockets,
    own_session,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.standing import (
    LOADED_AGAIN,
    iso,
    standing,
    under_way,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    ARMED,
    CONFIRMED,
    KEPT,
    LAST,
    LOADED,
    NONE,
    OTHERS,
    RELEASED,
    RULES,
    boot_id,
    last,
    phase_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.tables import (
    AS_LOADED,
    listed,
    tables,
    tables_there,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.timers import (
    UNIT,
    DeadMan,
    problem,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.told import (
    gateways_of,
    kept_results,
    kept_words,
    phase_words,
    session_row,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.writing import (
    OwnCase,
    alone,
    make_current,
    make_private,
    own_current,
    uptime,
    write_whole,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

NFT_SECONDS = 30.0
WATCH = "watch.py"
STANDING = ("id", "state", "by", "why")
REMEMBERED = ("by", "why", "since", "until", "boot_id", "reboot")


class Containment:
    """One call of the module: what is asked of which host."""

    def __init__(self, host: Host, asked: Dict[str, Any]) -> None:
        by = " ".join(str(asked.get("by") or "somebody").split())[:100]
        self.host, self.asked = host, {**asked, "by": by}
        self.confirm_seconds = bounded(asked, "confirm_seconds", CONFIRM_SECONDS)
        self.longest_seconds = bounded(asked, "longest_hours", LONGEST_HOURS) * 3600
        self.targets = tuple(
            target_of(one, number) for number, one in enumerate(asked.get("probe") or [], 1)
        )
        self.warnings: List[str] = []

    def plan(self) -> Dict[str, Any]:
        """Return what would be done; nothing is changed.

        Raises: IsolationError, HostError.
        """
        case = own_current()
        looked = look(self.host, self.asked, under_way(case))
        stands = self._stands(case)
        if stands is None:
            self._warn_of_tables()
        return {
            **self._told(looked.plan),
            **(_standing(stands) if stands else {"state": NONE}),
            "obstacles": [as_row(one) for one in self._obstacles(looked, case)],
            "cut": {"sockets": 0, "left": shown(self._foreign(looked.plan))},
            "ruleset": self._text(looked.plan),
            "ports": listeners(open_sockets(self.host)),
        }

    def _warn_of_tables(self) -> None:
        with contextlib.suppress(HostError):  # without nft, that stands against it anyway
            there = ", ".join(self._tables_there())
            if there:
                self.warnings.append(
                    f"tables of Upkeep are loaded ({there}), and no isolation is confirmed: release the host first"
                )

    def isolate(self) -> Tuple[bool, Dict[str, Any]]:
        """Load the rules; return whether something was changed, and what.

        Until it is confirmed, the dead man's timer releases the host.

        Raises: IsolationError if nothing was changed, HostError.
        """
        case = own_current()
        looked = look(self.host, self.asked, under_way(case))
        found = self._obstacles(looked, case)
        refused = [one for one in found if not one.overridden]
        if refused:
            raise IsolationError(refusal([as_row(one) for one in refused]))
        if case is not None and self._stands(case):
            return self._again(case, looked)
        return True, {**self._begin(looked), "obstacles": [as_row(one) for one in found]}

    def _begin(self, looked: Surroundings) -> Dict[str, Any]:
        case = OwnCase(str(self.asked.get("id") or new_id()))
        case.make()
        state = self._first_state(looked)
        case.write(RULES, transaction(looked.plan))
        case.write(reboot.CORE, transaction(replace(looked.plan, devices=())))
        case.write(WATCH, source_of(watch))
        case.write(dead_man.RELEASE, dead_man.script_of(case, looked.facts.nft), 0o700)
        case.write(OTHERS, self._others())
        self._nft("--check", "--file", case.path(RULES))
        state["snapshot"] = snapshot.take(self.host, os.path.join(KEPT, case.id))
        missing = {"bridge", "ingress", "egress"} - set(looked.plan.hooks)
        if missing:
            self.warnings.append(
                f"this kernel has no hook {', '.join(sorted(missing))}: "
                "guests that are bridged or on macvlan, and raw sockets, may not be cut off"
            )
        name = f"confirm-{secrets.token_hex(3)}"
        armed = dead_man.arm(self.host, case, looked.facts.nft, name, self.confirm_seconds)
        state["dead_men"] = [armed.as_row()]
        try:
            state["unless_confirmed_at"] = self.host.now() + self.confirm_seconds
            case.save(state)
            make_current(case)
            case.tell(ARMED, f"by {state['by']}")
            self._load(case, state)
        except (IsolationError, HostError):
            if not self._tables_there():
                dead_man.disarm(self.host, armed)
                case.tell("given_up")
                case.save({**state, "phase": NONE})
            raise
        done = self._cut(looked.plan, state)
        state["cut"] = {"sockets": done.sockets, "left": done.left, "entries": done.entries}
        case.save(state)
        late = problem(self.host, armed)
        if late:
            self.warnings.append(f"dead man's timer: {late}")
        return self._result(case, state, {"ruleset": case.read(RULES)})

    def _load(self, case: OwnCase, state: Dict[str, Any]) -> None:
        """Load the rules, and write down how they are listed.

        Raises: IsolationError if nft refuses them: it takes all of them or none.
        """
        self._nft("--file", case.path(RULES))
        state.update(
            phase=LOADED,
            since=self.host.now(),
            loaded_uptime=uptime(),
            listed={family: listed(self.host, family) or "" for family in state["families"]},
        )
        case.save(state)
        case.tell(LOADED, f"by {state['by']}")
        self._watch(case)

    def _watch(self, case: OwnCase) -> None:
        """Start the watch of the tables: by systemd if it runs the host, for it may end what a session has started."""
        command = [sys.executable or "/usr/bin/python3", "-I", "-S", case.path(WATCH), case.folder]
        if dead_man.runs_systemd():
            unit = f"--unit={UNIT}-watch-{secrets.token_hex(3)}"
            ran = self.host.run(["systemd-run", "--quiet", "--collect", unit, *command])
            if ran.status:
                self.warnings.append(
                    f"the tables are not watched: {(ran.err or ran.out).strip()[:200]}"
                )
            return
        dead_man.start_apart(command)

    def _again(self, case: OwnCase, looked: Surroundings) -> Tuple[bool, Dict[str, Any]]:
        """Return what stands; let it be confirmed anew if that is asked, or if the host was booted since."""
        state = case.state()
        if state.get("kept") != as_rows(looked.plan):
            raise IsolationError(
                f"the host is isolated already, by {state.get('by')} since {iso(state.get('since'))}. What stays is "
                f"{kept_words(state.get('kept') or [])}; asked for: {kept_words(as_rows(looked.plan))}. Release it "
                "first, or ask for the same"
            )
        is_whole = all(one["state"] == AS_LOADED for one in tables(self.host, state))
        if not is_whole:
            self._load_again(case)
        # Whatever came while the tables were gone.
        done = self._cut(looked.plan, state)
        dead = [problem(self.host, DeadMan(**one)) for one in state["dead_men"]]
        needs = (
            not is_whole
            or bool(self.asked.get("renew"))
            or state.get("boot_id") != boot_id()
            or any(dead)
        )
        if needs:
            state["nonce"] = str(self.asked.get("nonce") or "")
            state["loaded_uptime"] = uptime()
            state["session"] = session_row(looked)
            case.save(state)
        return not is_whole or done.sockets > 0, self._result(
            case, state, {"needs_confirmation": needs}
        )

    def _cut(self, plan: Openings, state: Dict[str, Any]) -> Cut:
        """Cut what is foreign, unless its sockets are kept as evidence."""
        done = cut(self.host, plan, bool(state.get("keep_sockets")))
        self.warnings += done.warnings
        return done

    def _load_again(self, case: OwnCase) -> None:
        """Put tables back that somebody has changed more often than the watch puts up with."""
        self._nft("--file", case.path(RULES))
        case.tell(LOADED_AGAIN, f"by {self.asked['by']}")

    def confirm(self) -> Tuple[bool, Dict[str, Any]]:
        """Keep the host isolated, if a new connection says so.

        Raises: IsolationError if this is not one, or too late.
        """
        case = own_current()
        state = case.state() if case else {}
        phase = phase_of(state, case.events()) if case else NONE
        if case is None or phase not in (LOADED, CONFIRMED):
            raise IsolationError(
                f"there is nothing to confirm: the host is {phase_words(case, state, phase)}"
            )
        nonce = str(self.asked.get("nonce") or "")
        if case.id != self.asked.get("id") or not nonce or nonce != state.get("nonce"):
            raise IsolationError(
                f"the isolation that stands is {case.id}, by {state.get('by')}; it is confirmed by whoever has begun it"
            )
        self._must_be_new(state)
        plan = look(self.host, self.asked, "").plan
        state["targets"] = forbidden(plan, self.targets, gateways_of(state))
        state["proofs"] = probes.prove(self.host, state["targets"])
        state["ports"] = list(self.asked.get("ports") or state.get("ports") or [])
        before = [DeadMan(**one) for one in state.get("dead_men") or []]
        name = f"longest-{secrets.token_hex(3)}"
        after = dead_man.arm(self.host, case, str(state["nft"]), name, self.longest_seconds)
        for one in before:
            dead_man.disarm(self.host, one)
        if last(case.events(), "releasing", "released"):
            dead_man.disarm(self.host, after)
            raise IsolationError("the host was released just before this: isolate it again")
        is_after_boot = state.get("boot_id") != boot_id()
        if is_after_boot:
            reboot.end_visit(self.host)
        state.update(
            phase=CONFIRMED,
            dead_men=[after.as_row()],
            until=self.host.now() + self.longest_seconds,
            boot_id=boot_id(),
            nonce="",
        )
        state["reboot"] = self._survive(case, state)
        case.save(state)
        case.tell(CONFIRMED, f"by {state['by']}")
        self._remember(case, state)
        if is_after_boot:
            self._watch(case)
        return True, self._result(case, state, {})

    def _remember(self, case: OwnCase, state: Dict[str, Any]) -> None:
        """Write down, where a reboot does not reach it, that the host is isolated."""
        said = {name: state.get(name) for name in REMEMBERED}
        try:
            make_private(KEPT)
            write_whole(LAST, json.dumps({**said, "id": case.id}))
        except IsolationError as exc:
            self.warnings.append(
                f"after a reboot nothing will say that the host was isolated: {exc}"
            )

    def _must_be_new(self, state: Dict[str, Any]) -> None:
        """Refuse a connection that was there before the rules: it proves nothing of the next one."""
        session = own_session(self.host)
        if session is None:
            if "connection" in (self.asked.get("even_if") or []):
                self.warnings.append(
                    "no new connection has proved that the host is still controlled"
                )
                return
            raise IsolationError("no SSH connection leads to this program: it proves nothing")
        same = [session.peer, session.peer_port] == list(state.get("session") or ["", 0])[:2]
        if same or session.begun + 0.02 < float(state.get("loaded_uptime") or 0):
            raise IsolationError(
                f"this connection, from {session.peer} port {session.peer_port}, is older than the rules: it proves "
                "nothing; open a new one, without ControlPersist"
            )

    def _survive(self, case: OwnCase, state: Dict[str, Any]) -> str:
        if self.asked.get("reboot") == "released":
            return "released"
        case.save({**state, "reboot": "isolated"})
        try:
            reboot.survive(self.host, case, str(state["nft"]))
        except (IsolationError, HostError) as exc:
            self.warnings.append(f"a reboot releases the host: {exc}")
            return "released"
        return "isolated"

    def release(self) -> Tuple[bool, Dict[str, Any]]:
        """Delete our tables, and tell what others have changed meanwhile. Never refuses.

        It needs nothing that was written down, and nothing that can be: not on a full disk either.

        Raises: IsolationError if a table is left, or if nobody knows.
        """
        case = self._case_to_release()
        state = case.state()
        phase = phase_of(state, case.events())
        there = self._tables_there()
        if not there and phase in (NONE, RELEASED) and not os.path.exists(LAST):
            return False, self._ended(case, state)
        if phase in (LOADED, CONFIRMED):
            # What came while the tables were gone, or was tried meanwhile, does not go on either.
            with contextlib.suppress(HostError, IsolationError, ValueError):
                self._cut(look(self.host, self.asked, "").plan, state)
        by, nft = f"by {self.asked['by']}", self.host.which("nft") or "nft"
        ran = self.host.run(dead_man.command_of(case, nft, by))
        if ran.status or self._tables_there():
            said = (ran.err or ran.out).strip()[:300] or "its tables are there again"
            raise IsolationError(
                f"the host is not released: {said}; on its console: nft list tables"
            )
        for one in state.get("dead_men") or []:
            with contextlib.suppress(TypeError):
                dead_man.disarm(self.host, DeadMan(**one))
        return True, {**self._ended(case, state), **self._released(case, by)}

    def _case_to_release(self) -> OwnCase:
        """Return the newest isolation; of tables without a word of where they are from a new one, for they are ours."""
        with contextlib.suppress(HostError, IsolationError):
            found = own_current()
            if found:
                found.events()  # what cannot be read cannot be written to either
                return found
        case = OwnCase(new_id())
        if self._tables_there():
            try:
                case.make()
                make_current(case)
            except IsolationError as exc:
                self.warnings.append(f"this cannot be written down: {exc}")
        return case

    def _released(self, case: OwnCase, by: str) -> Dict[str, Any]:
        """Return that the host is released, where that could not be written down."""
        if last(case.events(), "released"):
            return {}
        self.warnings.append(f"{case.folder}: that it was released could not be written down")
        return {"state": RELEASED, "released_at": iso(self.host.now()), "released_by": by}

    def _ended(self, case: OwnCase, state: Dict[str, Any]) -> Dict[str, Any]:
        stands = standing(self.host)
        changed: Sequence[str] = ()
        if os.path.exists(case.path(OTHERS)):
            changed = others_differ(case.read(OTHERS), self._others())
        return {
            **stands,
            **kept_results(state),
            "others_changed": list(changed),
            "warnings": self.warnings,
        }

    def _first_state(self, looked: Surroundings) -> Dict[str, Any]:
        return {
            "phase": ARMED,
            "began": self.host.now(),
            "by": self.asked["by"],
            "why": str(self.asked.get("why") or "")[:300],
            "nonce": str(self.asked.get("nonce") or ""),
            "nft": looked.facts.nft,
            "boot_id": boot_id(),
            "session": session_row(looked),
            "kept": as_rows(looked.plan),
            "families": list(families(looked.plan)),
            "gateways": list(looked.gateways),
            "keep_sockets": bool(self.asked.get("keep_sockets")),
            "reboot": "released",
        }

    def _stands(self, case: OwnCase | None) -> Dict[str, Any] | None:
        """Return the state of an isolation that is confirmed and stands, if one does."""
        if case is None:
            return None
        state = case.state()
        if phase_of(state, case.events()) != CONFIRMED:
            return None
        return {**state, "id": case.id, "state": CONFIRMED}

    def _obstacles(self, looked: Surroundings, case: OwnCase | None) -> List[Obstacle]:
        found = obstacles(looked.facts, looked.plan, self.asked.get("even_if") or [])
        if case is None or not self._stands(case):
            return found
        return [one for one in found if one.firm]  # it is isolated: they were decided about

    def _told(self, plan: Openings) -> Dict[str, Any]:
        return {
            "kept": as_rows(plan),
            "families": list(families(plan)),
            "devices": list(plan.devices),
            "warnings": self.warnings,
        }

    def _text(self, plan: Openings) -> str:
        return transaction(plan) if plan.controls else ""

    def _foreign(self, plan: Openings) -> List[Any]:
        return foreign(open_sockets(self.host), plan) if plan.controls else []

    def _result(self, case: OwnCase, state: Dict[str, Any], more: Dict[str, Any]) -> Dict[str, Any]:
        changed = others_differ(case.read(OTHERS), self._others())
        return {
            **standing(self.host),
            **kept_results(state),
            "tables": tables(self.host, state),
            "others_changed": list(changed),
            "unless_confirmed_at": iso(state.get("unless_confirmed_at")),
            "warnings": self.warnings,
            **more,
        }

    def _others(self) -> str:
        """Return other people's rules, without what comes and goes by itself."""
        ran = self.host.run(["nft", "--stateless", "list", "ruleset"], NFT_SECONDS)
        if ran.status:
            self.warnings.append(f"others' rules could not be listed: {ran.err.strip()[:200]}")
            return ""
        return without_expiring(ran.out)

    def _tables_there(self) -> List[str]:
        return tables_there(self.host)

    def _nft(self, *words: str) -> None:
        ran = self.host.run(["nft", *words], NFT_SECONDS)
        if ran.status:
            said = (ran.err or ran.out).strip()[:500]
            raise IsolationError(
                f"nft refuses the rules, and those before are as they were: {said}"
            )


def _standing(state: Dict[str, Any]) -> Dict[str, Any]:
    """Return how an isolation that stands already is told in a plan: as it is in the result of an act."""
    times = {name: iso(state.get(name)) for name in ("since", "until")}
    return {**{name: str(state.get(name) or "") for name in STANDING}, **times}


def do(host: Host, asked: Dict[str, Any], check_mode: bool = False) -> Dict[str, Any]:
    """Do what is asked, alone, and return what the module returns.

    Raises: IsolationError, HostError.
    """
    one = Containment(host, asked)
    state = asked.get("state") or "isolated"
    if state == "planned" or check_mode:
        found = one.plan()
        is_up = found["state"] == CONFIRMED
        return {"changed": is_up if state == RELEASED else not is_up, "isolation": found}
    acts = {"isolated": one.isolate, "confirmed": one.confirm, RELEASED: one.release}
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(alone())
        except IsolationError as exc:
            if state != RELEASED:
                raise
            # Whoever isolates meanwhile finds it released, and is not confirmed.
            one.warnings.append(f"released beside somebody else: {exc}")
        changed, found = acts[state]()
    return {"changed": changed, "isolation": found}
