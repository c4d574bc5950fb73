"""A site: its inventory, its schedule and its settings, validated when they are loaded."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upkeep.judging import entries as parameters
from upkeep.judging.check import Check
from upkeep.judging.check import load as load_checks
from upkeep.judging.entries import ParameterError
from upkeep.judging.examine import examine_list
from upkeep.judging.families import FIRST, newest_first, version_of
from upkeep.judging.families import VARIABLE as FAMILY_VERSION
from upkeep.judging.sources import CONTROLLER
from upkeep.model.answer import why_no_host
from upkeep.model.errors import ConfigurationError, UsageError
from upkeep.model.nearest import nearest
from upkeep.site.declared_groups import unknown_groups
from upkeep.site.fields import ROLES, is_inside
from upkeep.site.own_checks import ENVIRONMENT, FOLDER, use_own_checks
from upkeep.site.schedule_file import Procedure, Schedule, load_schedule, parse_schedule
from upkeep.site.settings import Settings, load_settings
from upkeep.site.trust import trusted_code, trusted_inventory, trusted_tree
from upkeep.site.yaml_file import Key, YamlFile, parse, read
from upkeep.site.yaml_file import load as load_yaml
from upkeep.system.release import version

# The other variables of an inventory that this program reads, and how much a name is like one that it is taken for.
JOBS = "upkeep_jobs"
READ = (
    JOBS,
    "upkeep_environment",
    "upkeep_host_timeout_seconds",
    "upkeep_at_once",
    CONTROLLER,
    FAMILY_VERSION,
)
LIKENESS = 0.8
EMBEDDED = Path(__file__).parents[1] / "data" / "local"
SCHEDULE = "schedule.yml"


@dataclass(frozen=True)
class Identity:
    """What stands for a site in the store, and why. id: as its upkeep.toml says; empty without one.

    folder: its path, as it was typed, or the list of hosts; empty for the embedded one.
    """

    id: str
    folder: str

    @property
    def key(self) -> str:
        """What stands for it: its id, else its path."""
        return self.id or self.folder


@dataclass(frozen=True)
class Site:
    """A site, ready to be run.

    name: the folder as it was given; empty for the embedded one. inventory: what Ansible is given. text: what its
    schedule.yml says; empty if it has none, and the embedded procedures serve.
    """

    name: str
    folder: Path
    inventory: Path | str
    schedule: Schedule
    settings: Settings
    text: str = field(default="", repr=False)

    def procedure(self, name: str) -> Procedure:
        """Return the procedure.

        Raises: UsageError with what there is.
        """
        found = self.schedule.procedures.get(name)
        if found is None:
            there = ", ".join(self.schedule.procedures)
            message = f"there is no procedure {name!r}{nearest(name, self.schedule.procedures)}"
            raise UsageError(message, remedy=f"there is: {there}")
        return found

    def playbook(self, procedure: Procedure) -> str:
        """Return the procedure's playbook as Ansible takes it.

        Raises: ConfigurationError if it is not there.
        """
        name = procedure.playbook
        if not name.endswith((".yml", ".yaml")):
            return name
        path = self.folder / name
        if not is_inside(path, self.folder):
            raise ConfigurationError(
                f"{self.folder / SCHEDULE}: no playbook {name!r} within the site"
            )
        return str(path.resolve())

    @property
    def identity(self) -> Identity:
        """What stands for the site in the store, and its folder."""
        return identity_of(self.name, self.settings)

    @property
    def key(self) -> str:
        """What stands for the site in the store."""
        return self.identity.key

    @property
    def title(self) -> str:
        """What to call the site where its path says too much: its id, or its folder's name."""
        return self.identity.id or Path(self.identity.folder).name or "this machine"

    @property
    def config(self) -> Path | None:
        """The site's own ansible.cfg, if it has one."""
        path = self.folder / "ansible.cfg"
        return path.absolute() if self.name and path.is_file() else None

    @property
    def environment(self) -> dict[str, str]:
        """What every program of Ansible must be told to read this site as a run reads it."""
        told = {}
        if self.settings.vault_password_file:
            told["ANSIBLE_VAULT_PASSWORD_FILE"] = str(self.settings.vault_password_file)
        if self.name and (self.folder / FOLDER).is_dir():
            told[ENVIRONMENT] = str((self.folder / FOLDER).absolute())
        if self.config:
            told["ANSIBLE_CONFIG"] = str(self.config)
        return told


def load_site(name: str, dropped: list[str] | None = None, text: str = "") -> Site:
    """Return the site of that folder, or of that inventory of Ansible's; the embedded one if name is empty.

    dropped: see `load_schedule`. text: what counts as the site's schedule.yml, whatever the file says now. Raises
    ConfigurationError with every problem, one a line: file, line, key, what was found and expected.
    """
    folder = Path(name) if name else EMBEDDED
    if name and not folder.exists():
        if "," in name:  # Ansible's list of hosts
            for one in name.split(","):
                if why := why_no_host(one):
                    raise ConfigurationError(f"{name}: {why}")
            use_own_checks(None)
            settings = load_settings(None)
            trusted_code(None, settings.vault_password_file)
            return Site(name, EMBEDDED, name, load_schedule(EMBEDDED / SCHEDULE), settings)
        raise _no_such(name)
    if not text and not (folder / SCHEDULE).is_file():
        # An inventory without a schedule: the embedded procedures serve.
        use_own_checks(None)
        settings = load_settings(folder if folder.is_dir() else folder.parent)
        schedule = load_schedule(EMBEDDED / SCHEDULE)
        site = Site(name, EMBEDDED, folder.absolute(), schedule, settings)
        trusted_inventory(folder)
    else:
        site = _load_folder(name, folder, dropped, text)
    trusted_code(site.config, site.settings.vault_password_file)
    problems = list(lint_entries(Path(site.inventory)))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return site


def absolute(name: str) -> str:
    """Return a site's name as it is understood in any working folder; a list of hosts is not a path."""
    return str(Path(name).absolute()) if name and Path(name).exists() else name


def identity_of(name: str, settings: Settings) -> Identity:
    """Return what stands for a site in the store. An id is its folder's, not that of a file in it."""
    return Identity(settings.id if name and Path(name).is_dir() else "", key_of(name))


def key_of(name: str) -> str:
    """Return what stands for a site without an id: its path, however it was typed; a link to it is a site of its own.

    A list of hosts stands for itself, in whichever folder it was typed.
    """
    if "," in name and not Path(name).exists():
        return name
    return os.path.normpath(Path(name).absolute()) if name else ""


def settings_of(name: str) -> Settings:
    """Return a site's settings without loading the whole of it: what is stored can be shown though it is broken."""
    path = Path(name)
    if not name or (not path.exists() and "," in name):
        return load_settings(None)
    if not path.exists():
        raise _no_such(name)
    return load_settings(path if path.is_dir() else path.parent)


def _no_such(name: str) -> UsageError:
    return UsageError(
        f"{name}: no such site or inventory", remedy="upkeep init my-site  # writes one"
    )


def _load_folder(name: str, folder: Path, dropped: list[str] | None, text: str) -> Site:
    """Return the site in a folder with a schedule, or with a text that counts as it."""
    inventory = folder / "inventory"
    if not inventory.exists():
        raise ConfigurationError(
            f"{folder}: a site without inventory/",
            remedy="upkeep init my-site  # writes one that has it",
        )
    settings = load_settings(folder if name else None)
    if name:  # the embedded one is as much to be trusted as this program
        trusted_tree(folder, besides=[settings.state, settings.workspace])
    use_own_checks(folder if name else None)
    text = text or read(folder / SCHEDULE)
    schedule = parse_schedule(folder / SCHEDULE, text, dropped)
    site = Site(name, folder, inventory.absolute(), schedule, settings, text)
    for procedure in schedule.procedures.values():
        site.playbook(procedure)
    if any(one.group is not None for one in schedule.alerts.owners):
        file = parse(folder / SCHEDULE, text)
        if problems := list(unknown_groups(schedule, inventory, file)):
            raise ConfigurationError("\n".join(problems))
    return site


def lint_entries(inventory: Path) -> Iterator[str]:
    """Yield what is wrong with an inventory's YAML files: upkeep_checks_<name>, names like it, hosts of our name.

    What a template gives is only known when Ansible runs; `observe` looks at it again then.
    """
    files = [load_yaml(path) for path in _yaml_files(inventory)]
    releases = releases_of(
        value
        for file in [*files, *_other_files(inventory)]
        for key, value in _variables(file.value, ())
        if key[-1] == FAMILY_VERSION
    )
    for file in files:
        for place in _own_names(file.value, ()):
            yield f"{file.place(place)}: {why_no_host(str(place[-1]))}"
        for key, value in _variables(file.value, ()):
            name = str(key[-1])
            meant = misspelt(name)
            if meant:
                yield f"{file.place(key)}: nothing reads {name!r}; did you mean {meant!r}?"
            elif name.startswith(parameters.VARIABLES):
                yield from _lint_variable(file, key, value, releases)
            elif name == JOBS:
                yield from _lint_jobs(file, key, value)
            elif name == FAMILY_VERSION and not parameters.is_template(value):
                try:
                    version_of(value, version())
                except ParameterError as exc:
                    yield f"{file.place(key)}: {exc}"


def releases_of(said: Iterable[Any]) -> list[str]:
    """Return the releases whose families hosts may mean, the newest first, by all values of upkeep_family_version."""
    found = set()
    for value in said:
        with contextlib.suppress(ParameterError):  # told where it stands
            found.add(version_of(version() if parameters.is_template(value) else value, ""))
    return newest_first(found or {FIRST})


def wrong_in(
    entries: Sequence[Any], checks: Mapping[str, Check], releases: Sequence[str]
) -> list[ParameterError]:
    """Return what is wrong in a list of checks, in whichever of these releases its families are meant.

    Which host means which, and which none, only a run knows.
    """
    meant = dict.fromkeys((*releases, FIRST))
    found = [list(examine_list(entries, checks, release)) for release in meant]
    return found[0] if all(found) else []


@dataclass(frozen=True)
class Definition:
    """Where the inventory's files say a variable. inline: in a file of hosts, not below group_vars or host_vars.

    group: of which group; empty if it is one host's own. host: that host.
    """

    variable: str
    value: Any
    group: str
    host: str
    inline: bool
    file: YamlFile
    key: Key

    @property
    def place(self) -> str:
        """Return `file:line`."""
        return self.file.place(self.key)


def definitions(inventory: Path) -> Iterator[Definition]:
    """Yield all variables that an inventory's YAML files say, but for those that are vaulted as a whole."""
    for path in [*_yaml_files(inventory), *_other_variable_files(inventory)]:
        parts = path.parts[len((inventory if inventory.is_dir() else inventory.parent).parts) :]
        try:
            file = load_yaml(path)
        except ConfigurationError:
            continue  # of a YAML file, whoever loads the site tells; another one may be anything
        if not isinstance(file.value, Mapping):
            continue
        if parts[0] in ("group_vars", "host_vars") and len(parts) > 1:
            name = parts[1].removesuffix(path.suffix) if len(parts) == 2 else parts[1]
            group, host = (name, "") if parts[0] == "group_vars" else ("", name)
            for key, value in file.value.items():
                yield Definition(str(key), value, group, host, False, file, (str(key),))
        else:
            for name, value in file.value.items():
                yield from _inline(file, (str(name),), value)


def _inline(file: YamlFile, key: Key, group: Any) -> Iterator[Definition]:
    """Yield what a group of a file of hosts says, and the groups and hosts in it."""
    if not isinstance(group, Mapping):
        return
    name = str(key[-1])
    of_group, hosts, children = (group.get(one) for one in ("vars", "hosts", "children"))
    for one, value in of_group.items() if isinstance(of_group, Mapping) else ():
        yield Definition(str(one), value, name, "", True, file, (*key, "vars", str(one)))
    for host, variables in hosts.items() if isinstance(hosts, Mapping) else ():
        for one, value in variables.items() if isinstance(variables, Mapping) else ():
            place = (*key, "hosts", str(host), str(one))
            yield Definition(str(one), value, "", str(host), True, file, place)
    for child, inner in children.items() if isinstance(children, Mapping) else ():
        yield from _inline(file, (*key, "children", str(child)), inner)


def _lint_jobs(file: YamlFile, key: Key, jobs: Any) -> Iterator[str]:
    """Yield jobs that are meant to be one of ours and are not: they would never run. Others are the site's own."""
    known = sorted(one.name for one in ROLES.iterdir() if one.is_dir())
    for index, job in enumerate(jobs if isinstance(jobs, list) else ()):
        meant = difflib.get_close_matches(str(job), known, n=1, cutoff=LIKENESS)
        if meant and job not in known:
            yield f"{file.place((*key, index))}: {JOBS}: there is no job {job!r}; did you mean {meant[0]!r}?"


def _own_names(value: Any, key: Key) -> Iterator[Key]:
    """Yield where an inventory lists a host of a name that none can have: under a group's `hosts`."""
    if not isinstance(value, Mapping):
        return
    for name, inner in value.items():
        place = (*key, str(name))
        if name == "hosts" and isinstance(inner, Mapping):
            yield from ((*place, str(one)) for one in inner if why_no_host(str(one)))
        yield from _own_names(inner, place)


def misspelt(name: str) -> str:
    """Return which variable the name is taken for that nothing reads; empty if it is one, or a site's own.

    A list of checks under another name would be lost without a word.
    """
    if name in READ or name.startswith(parameters.VARIABLES):
        return ""
    start = parameters.VARIABLES.rstrip("_")
    if difflib.SequenceMatcher(None, name[: len(start)], start).ratio() >= LIKENESS:
        return f"{parameters.VARIABLES}<name>"
    return next(iter(difflib.get_close_matches(name, READ, n=1, cutoff=LIKENESS)), "")


def _lint_variable(
    file: YamlFile, key: Key, entries: Any, releases: Sequence[str]
) -> Iterator[str]:
    if parameters.is_template(entries):
        return
    if not isinstance(entries, list):
        found = f"found {type(entries).__name__}; expected a list of checks"
        yield f"{file.place(key)}: {key[-1]}: {found}"
        return
    for exc in wrong_in(entries, load_checks(), releases):
        yield f"{file.place((*key, *exc.path))}: {key[-1]}: {exc}"


def _variables(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """Yield the variables that are ours, or look so, with the path to them, wherever in the file they stand."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if str(name).startswith((parameters.VARIABLES, JOBS, FAMILY_VERSION)) or misspelt(
                str(name)
            ):
                yield (*key, str(name)), inner
            else:
                yield from _variables(inner, (*key, str(name)))


def _yaml_files(inventory: Path) -> list[Path]:
    """Return the inventory's YAML files, and those of group_vars and host_vars beside or in it."""
    if inventory.is_file():
        beside = [inventory.parent / name for name in ("group_vars", "host_vars")]
        own = [inventory] if inventory.suffix in (".yml", ".yaml") else []
        return own + [path for folder in beside for path in _yaml_files(folder) if folder.is_dir()]
    if not inventory.is_dir():
        return []
    return sorted(
        path
        for path in inventory.rglob("*")
        if path.suffix in (".yml", ".yaml") and path.is_file() and not _vaulted(path)
    )


def _other_variable_files(inventory: Path) -> list[Path]:
    """Return the files below group_vars and host_vars that Ansible reads without being called .yml or .yaml."""
    folder = inventory if inventory.is_dir() else inventory.parent
    return sorted(
        path
        for name in ("group_vars", "host_vars")
        for path in (folder / name).rglob("*")
        if path.suffix in ("", ".json")
        and not path.name.startswith(".")
        and not path.name.endswith("~")
        and path.is_file()
        and not _vaulted(path)
    )


def _other_files(inventory: Path) -> Iterator[YamlFile]:
    """Yield those of them that are YAML; another one may be anything."""
    for path in _other_variable_files(inventory):
        with contextlib.suppress(ConfigurationError):
            yield load_yaml(path)


def _vaulted(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(14) == b"$ANSIBLE_VAULT"
