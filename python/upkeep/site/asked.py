"""What a host asks for, as far as its variables alone say it; nothing of the site's is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upkeep.judging.check import load
from upkeep.judging.entries import VARIABLES, has_template, is_template
from upkeep.judging.families import VARIABLE, version_of
from upkeep.judging.wanted import WantedCheck, is_opaque, merge
from upkeep.site.site import JOBS
from upkeep.site.templates import listed, resolved
from upkeep.system.release import version


@dataclass(frozen=True)
class AskedByHost:
    """What a host asks for. is_all: no template that only Ansible can resolve asks for more.

    release: the one whose families are meant. jobs: those that it opts in to; None if only Ansible can tell.
    """

    wanted: tuple[WantedCheck, ...]
    is_all: bool
    release: str
    jobs: tuple[str, ...] | None


def asked_by(host: str, variables: Mapping[str, Any]) -> AskedByHost:
    """Return what a host's variables ask for, as `ansible-inventory --list` gives them.

    Raises: ParameterError.
    """
    known = {"inventory_hostname": host, **listed(variables)}
    said = {name: resolved(one, known) for name, one in known.items() if name.startswith(VARIABLES)}
    plain = {name: one for name, one in said.items() if not is_template(one)}
    lists = [one for one in plain.values() if isinstance(one, list)]
    is_all = len(plain) == len(said) and not any(is_opaque(each) for one in lists for each in one)
    chosen = resolved(known.get(VARIABLE), known)
    if is_template(chosen):
        chosen, is_all = None, False
    release = version_of(chosen, version())
    jobs = resolved(known.get(JOBS, []), known)
    return AskedByHost(
        tuple(merge(plain, load(), release, skip_opaque=True)),
        is_all,
        release,
        None if has_template(jobs) else tuple(map(str, jobs)) if isinstance(jobs, list) else (),
    )
