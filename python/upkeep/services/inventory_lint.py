"""What a schedule and its inventory say that cannot both be meant: patterns without hosts, groups that disagree.

The inventory is given as it was listed, without running anything of the site's or as a run lists it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from upkeep.judging import entries as parameters
from upkeep.judging.check import Check, load
from upkeep.judging.entries import ParameterError, has_template, is_template
from upkeep.judging.families import VARIABLE as FAMILY_VERSION
from upkeep.judging.families import newer, newest_first
from upkeep.judging.sources import CONTROLLER, source_of
from upkeep.judging.wanted import CHECKS, WITHOUT, is_opaque, words_of
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.services.schedule_lint import Remark
from upkeep.site.asked import asked_by
from upkeep.site.connections import LOCAL
from upkeep.site.host_groups import Groups, groups_of, matching, split, unmatched
from upkeep.site.host_groups import is_opaque as is_opaque_pattern
from upkeep.site.inventory import ENVIRONMENT, PROGRAM, hosts_of
from upkeep.site.machines import machine_of
from upkeep.site.schedule_file import Schedule
from upkeep.site.site import READ, Definition, releases_of, wrong_in
from upkeep.site.templates import DEPTH, resolved
from upkeep.site.yaml_file import Key, YamlFile

NAMED = 3
"""Of many hosts, this many are named."""
PRIORITY = "ansible_group_priority"
NAME = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")


@dataclass(frozen=True)
class KnownInventory:
    """An inventory as far as it is known. environments: what hosts say as upkeep_environment; None if not all is known.

    given: the variables of each host as they were listed; effective: those that a run gives, not only what the files of
    hosts say. graph: the command that shows it. path: where it is.
    """

    groups: Groups
    said: tuple[Definition, ...] = ()
    environments: frozenset[str] | None = None
    graph: str = "ansible-inventory --graph"
    path: str = ""
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    effective: bool = False


def inventory_of(
    path: Path, listing: Mapping[str, Any], said: Sequence[Definition], *, effective: bool = False
) -> KnownInventory:
    """Return what is known of an inventory: as it was listed, and what its files say."""
    given = hosts_of(listing)
    values = [one[ENVIRONMENT] for one in given.values() if ENVIRONMENT in one]
    values += [one.value for one in said if one.variable == ENVIRONMENT]
    program = shutil.which("ansible-inventory") or str(PROGRAM)
    graph = shlex.join([program, "-i", str(path), "--graph"])
    environments = environments_of(values)
    return KnownInventory(
        groups_of(listing), tuple(said), environments, graph, str(path), given, effective
    )


def environments_of(values: Iterable[Any]) -> frozenset[str] | None:
    """Return the environments that hosts say; None if a template says one of them."""
    found = frozenset(str(one) for one in values)
    return None if any(is_template(one) for one in found) else found


def lint(
    schedule: Schedule, inventory: KnownInventory, file: YamlFile | None = None
) -> list[Remark]:
    """Return all remarks, in the order of the schedule, then of the inventory's. file: schedule.yml, for places."""
    found = [
        *_of_patterns(schedule, inventory),
        *_of_severities(schedule, inventory),
        *_of_owners(schedule, inventory),
        *_of_drill_hosts(schedule, inventory),
        *_of_nobody(inventory),
        *disagreements(inventory),
        *_of_sources(inventory),
    ]
    return [one.at(file) for one in found]


# --- patterns --------------------------------------------------------------------------------------------------------
def _of_patterns(schedule: Schedule, inventory: KnownInventory) -> Iterator[Remark]:
    """Yield the procedures whose pattern, or a part of it, matches no host."""
    groups = inventory.groups
    if not groups.hosts:
        text = "the inventory has no host, so nothing is checked"
        remedy = "below `all:` in inventory/hosts.yml: `hosts: {web1: {ansible_host: 192.0.2.10}}`"
        yield Remark("inventory", "no host", text, remedy, place=inventory.path)
        return
    for name, procedure in schedule.procedures.items():
        key: Key = ("procedures", name, "hosts")
        if is_opaque_pattern(procedure.hosts):
            continue
        about, parts = f"procedure {name}", unmatched(procedure.hosts, groups)
        nothing = not matching(procedure.hosts, groups)
        if nothing and parts != split(procedure.hosts):
            text = f"hosts: {procedure.hosts!r} matches no host"
            yield Remark(about, "no host", text, inventory.graph, key=key)
        for part in parts:
            where = "" if part == procedure.hosts else f"in {procedure.hosts!r}, "
            text = f"hosts: {where}{part!r} matches no host{_meant(part, groups)}"
            yield Remark(about, "no host", text, inventory.graph, key=key)


def _of_severities(schedule: Schedule, inventory: KnownInventory) -> Iterator[Remark]:
    """Yield the rules of severities that fit no host."""
    groups, environments = inventory.groups, inventory.environments
    if not groups.hosts:
        return
    for index, rule in enumerate(schedule.alerts.severities):
        about, key = f"severity rule {index + 1}", ("alerts", "severities", index)
        if rule.group is not None and not groups.members.get(rule.group):
            text = f"no host is in the group {rule.group!r}{_meant(rule.group, groups)}"
            yield Remark(about, "no host", text, inventory.graph, key=(*key, "group"))
        if rule.environment is None or environments is None:
            continue
        if rule.environment not in environments:
            text = f"no host has {ENVIRONMENT}: {rule.environment}{nearest(rule.environment, environments)}"
            remedy = f"`{ENVIRONMENT}: {rule.environment}` in group_vars of those that are meant"
            yield Remark(about, "no host", text, remedy, key=(*key, "environment"))


def _of_owners(schedule: Schedule, inventory: KnownInventory) -> Iterator[Remark]:
    """Yield the rules of owners whose group has no host."""
    groups = inventory.groups
    for index, rule in enumerate(schedule.alerts.owners if groups.hosts else ()):
        if rule.group is not None and not groups.members.get(rule.group):
            text = f"no host is in the group {rule.group!r}{_meant(rule.group, groups)}"
            key: Key = ("alerts", "owners", index, "group")
            yield Remark(f"owner {index + 1}", "no host", text, inventory.graph, key=key)


def _of_drill_hosts(schedule: Schedule, inventory: KnownInventory) -> Iterator[Remark]:
    """Yield the hosts of drills that the inventory does not have."""
    groups = inventory.groups
    for index, host in enumerate(schedule.incidents.drill_hosts if groups.hosts else ()):
        if host not in groups.hosts:
            text = f"the inventory has no such host: {host!r}{nearest(host, groups.hosts)}"
            key: Key = ("incidents", "drill_hosts", index)
            yield Remark("drill hosts", "no host", text, inventory.graph, key=key)


def _of_nobody(inventory: KnownInventory) -> Iterator[Remark]:
    """Yield the groups and hosts that files give variables of ours, and that no host is in or is."""
    groups = inventory.groups
    seen = set()
    for one in inventory.said:
        name = one.group or one.host
        there = groups.members.get(name) if one.group else name in groups.hosts
        if not groups.hosts or there or not _is_ours(one.variable) or (name, one.file.path) in seen:
            continue
        seen.add((name, one.file.path))
        what = "group" if one.group else "host"
        known = groups.members if one.group else groups.hosts
        why = (
            "no host is in it"
            if name in groups.members and one.group
            else f"the inventory has no such {what}"
        )
        text = f"{one.variable} is set for the {what} {name!r}, and {why}{_near(name, known)}"
        yield Remark(f"{what} {name}", "no host", text, inventory.graph, place=one.place)


def asked_sources(inventory: KnownInventory) -> dict[str, list[str]]:
    """Return the sources of which the inventory says it, each with the hosts that are asked about it.

    Only as a run lists it: else the variables of groups are not among those that are given.
    """
    found: dict[str, list[str]] = {}
    for host, variables in inventory.given.items() if inventory.effective else ():
        with contextlib.suppress(ParameterError):  # of which others tell
            wanted = asked_by(host, variables).wanted
            sources = {source_of(one.check.gather, one.params) for one in wanted}
            for source in sorted(sources - {""}):
                found.setdefault(source, []).append(host)
    return found


def _of_sources(inventory: KnownInventory) -> Iterator[Remark]:
    """Yield the hosts that are asked about sources and cannot be, and the sources that two hosts are asked about."""
    asked = asked_sources(inventory)
    hosts = dict.fromkeys(host for those in asked.values() for host in those)
    for host in hosts:
        variables = inventory.given[host]
        machine = machine_of(host, variables)
        is_local = machine is None or machine.kind in LOCAL
        if not boolean(variables.get(CONTROLLER, False), strict=False) or not is_local:
            some = ", ".join([one for one, those in asked.items() if host in those][:NAMED])
            text = f"is asked about {some}, but is not marked as the controller"
            remedy = (
                f"`{CONTROLLER}: true` and `ansible_connection: local` for the one host that "
                "reads sources"
            )
            yield Remark(
                f"host {host}", "no controller", text, remedy, "error", place=inventory.path
            )
    for source, those in asked.items():
        if len(those) > 1:
            text = (
                f"is asked of {' and '.join(those[:NAMED])}: only the last answer of a run is kept"
            )
            remedy = "ask one host about it"
            yield Remark(f"source {source}", "asked twice", text, remedy, place=inventory.path)


def host_globs(globs: Iterable[tuple[str, str, str]], hosts: Collection[str]) -> Iterator[Remark]:
    """Yield what covers no host, of: what it is, its pattern of hosts, the command that ends it."""
    for about, pattern, remedy in globs:
        if hosts and not any(pattern == one or fnmatchcase(one, pattern) for one in hosts):
            text = f"its hosts {pattern!r} match no host of the inventory{nearest(pattern, hosts)}"
            yield Remark(about, "no host", text, remedy)


def _meant(pattern: str, groups: Groups) -> str:
    return ": the group is empty" if pattern in groups.members else _near(pattern, groups.names())


def _near(name: str, known: Collection[str]) -> str:
    """Return which of the names is meant, if another one is like it."""
    return nearest(name, [one for one in known if one != name])


def _is_ours(variable: str) -> bool:
    return variable in READ or variable.startswith(parameters.VARIABLES)


# --- values ----------------------------------------------------------------------------------------------------------
def disagreements(inventory: KnownInventory) -> Iterator[Remark]:
    """Yield where two groups of a host say other values of a variable of ours, and which of them holds."""
    variables: dict[str, list[Definition]] = {}
    for one in inventory.said:
        if _is_ours(one.variable):
            variables.setdefault(one.variable, []).append(one)
    rank = _ranks(inventory)
    members = {name: frozenset(hosts) for name, hosts in inventory.groups.members.items()}
    for variable, unsorted in variables.items():
        said = sorted(unsorted, key=rank)
        own = {one.host for one in said if one.host}
        found: dict[tuple[str, str], tuple[Definition, Definition, list[str]]] = {}
        for host in inventory.groups.hosts:
            if host in own:
                continue  # a host's own word holds over all groups
            of_host = [one for one in said if one.group and host in members.get(one.group, ())]
            holds = _holding(of_host, variable, host, inventory)
            for other in of_host if holds else ():
                if holds and _loses(other, holds, inventory.groups):
                    place = (other.place, holds.place)
                    found.setdefault(place, (other, holds, []))[2].append(host)
        for other, holds, hosts in found.values():
            yield _disagreement(variable, other, holds, hosts)


def holding(variable: str, host: str, inventory: KnownInventory) -> Definition | None:
    """Return which definition of a variable holds for a host; None if it is none that can be read."""
    said = [one for one in inventory.said if one.variable == variable]
    own = [one for one in said if one.host == host]
    members = inventory.groups.members
    of_groups = [one for one in said if one.group and host in members.get(one.group, ())]
    return _holding(own or sorted(of_groups, key=_ranks(inventory)), variable, host, inventory)


def _holding(
    of_host: Sequence[Definition], variable: str, host: str, inventory: KnownInventory
) -> Definition | None:
    """Return which definition holds, of those in Ansible's order; None if something else that cannot be read does."""
    given = inventory.given.get(host, {})
    if not of_host or variable not in given:
        return of_host[-1] if of_host else None
    same = [one for one in of_host if one.value == given[variable]]
    return (same if inventory.effective else of_host)[-1] if same else None


def _disagreement(
    variable: str, other: Definition, holds: Definition, hosts: Sequence[str]
) -> Remark:
    named = ", ".join(hosts[:NAMED]) + (
        f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
    )
    text = (
        f"{named}: group {holds.group} says {_short(holds.value)} at {holds.place}, and group {other.group} "
        f"{_short(other.value)} at {other.place}; by Ansible's precedence, the value of "
        f"{holds.group} is used"
    )
    if variable.startswith(parameters.VARIABLES):
        other_name = f"{parameters.VARIABLES}{_word(other.group)}_more"
        remedy = (
            f"give one of the two lists another name, such as {other_name}: a host gets the "
            "checks of all lists"
        )
    else:
        remedy = f"set it in one of the two, or in host_vars/{hosts[0]}.yml"
    return Remark(variable, "groups disagree", text, remedy, place=other.place)


def _loses(other: Definition, holds: Definition, groups: Groups) -> bool:
    """Return whether a value is lost that nobody can have meant to be replaced.

    A group within another one says otherwise by intent, of a single value; of a list of checks it takes away what the
    outer group asks for, unless it says that there are none.
    """
    if other is holds or other.value == holds.value:
        return False
    if other.group == holds.group or not groups.holds(other.group, holds.group):
        return True
    if not holds.variable.startswith(parameters.VARIABLES) or holds.value == []:
        return False
    if not isinstance(other.value, list) or not isinstance(holds.value, list):
        return True
    return any(one not in holds.value for one in other.value)


def _ranks(inventory: KnownInventory) -> Callable[[Definition], tuple[Any, ...]]:
    """Return what orders definitions as Ansible takes them, the last of which holds.

    Sources: ansible.vars.manager, and VARIABLE_PRECEDENCE: files of hosts first, `all` before the other groups; then
    group_vars, `all` first; of each, by depth, priority and name.
    """
    priorities = {
        one.group: int(one.value)
        for one in inventory.said
        if one.variable == PRIORITY and one.inline and str(one.value).isdecimal()
    }

    def rank(one: Definition) -> tuple[Any, ...]:
        outer = one.group == "all"
        kind = (0 if outer else 1) if one.inline else (2 if outer else 3)
        depth = inventory.groups.depth(one.group)
        return kind, depth, priorities.get(one.group, 1), one.group, str(one.file.path)

    return rank


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return repr(value)[:60]


def _word(group: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in group)


def said_once(said: Sequence[Definition]) -> dict[str, Definition]:
    """Return the variables that just one place says, by name."""
    by_name: dict[str, list[Definition]] = {}
    for one in said:
        by_name.setdefault(one.variable, []).append(one)
    return {name: ones[0] for name, ones in by_name.items() if len(ones) == 1}


def wrong_values(said: Sequence[Definition]) -> Iterator[Remark]:
    """Yield what is wrong in the values that templates of upkeep_checks_<name> give, where one place says them."""
    once = said_once(said)
    known = {name: one.value for name, one in once.items()}
    releases = releases_of(one.value for one in said if one.variable == FAMILY_VERSION)
    for one in said:
        if not one.variable.startswith(parameters.VARIABLES) or not has_template(one.value):
            continue
        entries = resolved(one.value, known)
        for exc in wrong_in(entries if isinstance(entries, list) else (), load(), releases):
            place = origin(one, exc.path, once)
            text = (
                f"{exc} (as the template at {one.file.place((*one.key, *exc.path[:1]))} gives it)"
            )
            remedy = (
                f"{command('check', 'list')}  # lists the checks; with an id, all that one takes"
            )
            yield Remark(one.variable, "wrong value", text, remedy, "error", place=place)


def new_checks(said: Sequence[Definition], checks: Mapping[str, Check]) -> Iterator[Remark]:
    """Yield where a family has checks that came after the release whose families the site means."""
    releases = releases_of(one.value for one in said if one.variable == FAMILY_VERSION)
    release = releases[-1]
    for one in said:
        if not one.variable.startswith(parameters.VARIABLES) or not isinstance(one.value, list):
            continue
        for index, entry in enumerate(one.value):
            entry = {CHECKS: entry} if isinstance(entry, str) else entry
            if not isinstance(entry, Mapping) or CHECKS not in entry or is_opaque(entry):
                continue
            try:
                found = list(
                    newer(words_of(entry, CHECKS), words_of(entry, WITHOUT), checks, release)
                )
            except ParameterError:
                continue  # of which others tell
            if found:
                names = ", ".join(f"{each.id} (since {each.since})" for each in found)
                text = (
                    f"{', '.join(words_of(entry, CHECKS))}: not included, because "
                    f"{FAMILY_VERSION} is {release}: {names}"
                )
                newest = newest_first(each.since for each in found)[0]
                remedy = (
                    f"`{FAMILY_VERSION}: {newest}` in group_vars/all.yml asks for all of them;"
                    f" `{WITHOUT}: [{', '.join(each.id for each in found)}]` for none"
                )
                place = one.file.place((*one.key, index))
                yield Remark(one.variable, "new check", text, remedy, place=place)


def blind_entries(said: Sequence[Definition], checks: Mapping[str, Check]) -> Iterator[Remark]:
    """Yield entries that ask for a check without what it needs: it is due, and looks at nothing."""
    for one in said:
        if not one.variable.startswith(parameters.VARIABLES) or not isinstance(one.value, list):
            continue
        for index, entry in enumerate(one.value):
            given = {"check": entry} if isinstance(entry, str) else entry
            known = checks.get(str(given.get("check"))) if isinstance(given, Mapping) else None
            missing = [name for name in known.needs if name not in given] if known else []
            if known and missing:
                text = f"{known.id} without {' and '.join(missing)}: it checks nothing"
                remedy = f"{command('explain', known.id)}  # prints an entry to start from"
                place = one.file.place((*one.key, index))
                yield Remark(one.variable, "looks at nothing", text, remedy, place=place)


def origin(one: Definition, path: Key, once: Mapping[str, Definition]) -> str:
    """Return the place of a part of a value, also where a template that is just a name leads elsewhere."""
    file, key, value = one.file, one.key, one.value
    steps = list(path)
    for _step in range(len(path) + DEPTH):
        name = NAME.fullmatch(value) if isinstance(value, str) else None
        if name and name[1] in once:
            file, key, value = once[name[1]].file, once[name[1]].key, once[name[1]].value
        elif steps:
            step = steps.pop(0)
            key = (*key, step)
            inside = isinstance(value, Mapping) or (
                isinstance(value, list) and isinstance(step, int)
            )
            value = (
                dict(enumerate(value) if isinstance(value, list) else value).get(step)
                if inside
                else None
            )
    return file.place(key)
