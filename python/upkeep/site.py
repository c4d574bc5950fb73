"""A site: its inventory, its schedule and its settings, validated when they are loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from dateutil.rrule import rrulestr
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep import parameters
from upkeep.check import load as load_checks
from upkeep.errors import ConfigurationError, UsageError
from upkeep.expectations import expected
from upkeep.parameters import ParameterError, nearest
from upkeep.settings import Settings, load_settings, trusted, trusted_tree
from upkeep.yaml_file import Key, YamlFile
from upkeep.yaml_file import load as load_yaml

OWN = "astral.upkeep."
PLAYBOOKS = Path(payload.__file__).parents[2] / "playbooks"
EMBEDDED = Path(__file__).parent / "data" / "local"
SCHEDULE = "schedule.yml"
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def _duration(value: Any) -> Any:
    """Return seconds; a duration is a number with a unit, such as `45 min`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(\w+)", str(value).strip())
    if not found:
        raise ValueError("a number with a unit, such as '45 min' or '2 h'")
    number, unit = found.groups()
    if unit not in UNITS:
        known = ", ".join(UNITS)
        raise ValueError(f"one of the units {known}{nearest(unit, UNITS)}")
    if not float(number):
        raise ValueError("more than nothing")
    return float(number) * UNITS[unit]


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"a time zone of the IANA list{nearest(name, available_timezones())}")
    return name


def _rule(text: str) -> str:
    try:
        rrulestr(text, dtstart=datetime(2026, 1, 1))  # only its syntax matters here
    except (ValueError, TypeError, KeyError) as exc:
        raise ValueError(
            f"a recurrence rule of RFC 5545, such as 'FREQ=DAILY;BYHOUR=3' ({exc})"
        ) from exc
    return text


def _playbook(name: str, info: ValidationInfo) -> str:
    """Return a playbook's name, which must be a file of the site, or one of ours, or one of another collection."""
    if name.endswith((".yml", ".yaml")):
        folder = (info.context or {}).get("folder")
        if folder and not _is_inside(folder / name, folder):
            files = [str(path.relative_to(folder)) for path in folder.glob("*/*.yml")]
            raise ValueError(f"a file within the site{nearest(name, files)}")
        return name
    own = [OWN + path.stem for path in sorted(PLAYBOOKS.glob("*.yml"))]
    if not re.fullmatch(r"\w+\.\w+\.\w+", name):
        near = nearest(OWN + name, own)
        raise ValueError(f"a collection's playbook or a file such as playbooks/mine.yml{near}")
    if name.startswith(OWN) and name not in own:
        raise ValueError(f"one of {', '.join(own)}{nearest(name, own)}")
    return name


def _is_inside(path: Path, folder: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _check_id(name: str) -> str:
    if name not in load_checks():
        raise ValueError(f"the id of a check{nearest(name, load_checks())}")
    return name


class _CheckIdSchema:
    """An editor offers the checks there are, and takes one that comes with a later version."""

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(load_checks())}, {"type": "string"}]}


DURATION = rf"^\s*\d+(\.\d+)?\s*({'|'.join(UNITS)})\s*$"
Seconds = Annotated[
    float, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": DURATION})
]
Zone = Annotated[str, AfterValidator(_zone)]
Rule = Annotated[str, AfterValidator(_rule)]
Playbook = Annotated[str, AfterValidator(_playbook)]
CheckId = Annotated[str, AfterValidator(_check_id), _CheckIdSchema()]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Procedure(_Part):
    """What is run, where and when."""

    title: str = Field(description="For people.")
    playbook: Playbook = Field(
        default="astral.upkeep.observe",
        description="Of a collection, such as astral.upkeep.daily, or a file within the site.",
    )
    hosts: str = Field(default="all", min_length=1, description="Ansible's pattern.")
    checks: tuple[CheckId, ...] | None = Field(
        default=None,
        min_length=1,
        description="What is due; all that the hosts ask for, if not given.",
    )
    rule: Rule | None = Field(
        default=None, description="RFC 5545 recurrence rule; by hand if not given."
    )
    time_zone: Zone = Field(default="UTC", description="IANA time zone of the rule.")
    owner: str = Field(default="", description="The team or person that has it.")
    duration: Seconds = Field(
        default=3600.0,
        description="How long it may take, such as 45 min.",
        json_schema_extra={"default": "1 h"},
    )
    missed: Literal["run", "skip"] = Field(
        default="run", description="What to do with an occurrence that was missed."
    )


class Schedule(_Part):
    """The site's schedule.yml."""

    procedures: dict[Id, Procedure] = Field(
        description="By id.", min_length=1, json_schema_extra={"additionalProperties": False}
    )


@dataclass(frozen=True)
class Site:
    """A site, ready to be run.

    name: the folder as it was given; empty for the embedded one. inventory: what Ansible is given.
    """

    name: str
    folder: Path
    inventory: Path | str
    schedule: Schedule
    settings: Settings

    def procedure(self, name: str) -> Procedure:
        """Return the procedure; raise UsageError with what there is."""
        found = self.schedule.procedures.get(name)
        if found is None:
            there = ", ".join(self.schedule.procedures)
            message = f"there is no procedure {name!r}{nearest(name, self.schedule.procedures)}"
            raise UsageError(message, remedy=f"there is: {there}")
        return found

    def playbook(self, procedure: Procedure) -> str:
        """Return the procedure's playbook as Ansible takes it; raise ConfigurationError if it is not there."""
        name = procedure.playbook
        if not name.endswith((".yml", ".yaml")):
            return name
        path = self.folder / name
        if not _is_inside(path, self.folder):
            raise ConfigurationError(
                f"{self.folder / SCHEDULE}: no playbook {name!r} within the site"
            )
        trusted(path)
        return str(path.resolve())

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
        if self.config:
            told["ANSIBLE_CONFIG"] = str(self.config)
        return told


def load_site(name: str) -> Site:
    """Return the site of that folder, or of that inventory of Ansible's; the embedded one if name is empty.

    Raises ConfigurationError with every problem, one a line: file, line, key, what was found and expected.
    """
    folder = Path(name) if name else EMBEDDED
    if name and not folder.exists():
        if "," in name:  # Ansible's list of hosts
            return Site(
                name, EMBEDDED, name, load_schedule(EMBEDDED / SCHEDULE), load_settings(None)
            )
        raise UsageError(f"{name}: no such site or inventory", remedy="upkeep init DIR writes one")
    if not (folder / SCHEDULE).is_file():
        # An inventory without a schedule: the embedded procedures serve.
        trusted_tree(folder)
        settings = load_settings(folder if folder.is_dir() else folder.parent)
        schedule = load_schedule(EMBEDDED / SCHEDULE)
        site = Site(name, EMBEDDED, folder.absolute(), schedule, settings)
    else:
        site = _load_folder(name, folder)
    problems = list(lint_entries(Path(site.inventory)))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return site


def _load_folder(name: str, folder: Path) -> Site:
    """Return the site in a folder with a schedule."""
    inventory = folder / "inventory"
    if not inventory.exists():
        raise ConfigurationError(f"{folder}: a site without inventory/", remedy="upkeep init DIR")
    if name:  # the embedded one is as much to be trusted as this program
        trusted(folder / SCHEDULE)
        trusted_tree(inventory)
    settings = load_settings(folder if name else None)
    schedule = load_schedule(folder / SCHEDULE)
    site = Site(name, folder, inventory.absolute(), schedule, settings)
    if site.config:
        trusted(site.config)
    for procedure in schedule.procedures.values():
        site.playbook(procedure)
    return site


def load_schedule(path: Path) -> Schedule:
    """Return the schedule; raise ConfigurationError with every problem in it."""
    file = load_yaml(path)
    value = file.value if file.value is not None else {}
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise ConfigurationError(
            f"{file.place()}: found a {kind}; expected a mapping with `procedures`"
        )
    try:
        return Schedule.model_validate(value, context={"folder": path.parent})
    except ValidationError as exc:
        raise ConfigurationError(
            "\n".join(_problem(file, error) for error in exc.errors())
        ) from exc


def lint_entries(inventory: Path) -> Iterator[str]:
    """Yield what is wrong with the variables upkeep_checks_<name> in an inventory's YAML files.

    A value with a template in it is only known when Ansible runs; `observe` looks at it again then.
    """
    for path in _yaml_files(inventory):
        file = load_yaml(path)
        for key, entries in _variables(file.value, ()):
            yield from _lint_variable(file, key, entries)


def _lint_variable(file: YamlFile, key: Key, entries: Any) -> Iterator[str]:
    if isinstance(entries, str) and "{{" in entries:
        return
    if not isinstance(entries, list):
        found = f"found {type(entries).__name__}; expected a list of checks"
        yield f"{file.place(key)}: {key[-1]}: {found}"
        return
    for index, entry in enumerate(entries):
        place = (*key, index)
        try:
            check = parameters.find(entry, load_checks())
            params, _limits = parameters.split(check, without_templates(entry))
            parameters.validate(check, params, partly=_has_template(entry))
        except ParameterError as exc:
            yield f"{file.place((*place, exc.key) if exc.key else place)}: {key[-1]}: {exc}"


def _has_template(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_template(one) for one in value.values())
    if isinstance(value, list):
        return any(_has_template(one) for one in value)
    return isinstance(value, str) and "{{" in value


def without_templates(entry: Any) -> Any:
    """Return the entry without the parameters that hold a template."""
    if not isinstance(entry, Mapping):
        return entry
    return {name: value for name, value in entry.items() if not _has_template(value)}


def _variables(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """Yield the variables of our prefix with the path to them, wherever in the file they stand."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if str(name).startswith(parameters.VARIABLES):
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


def _vaulted(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(14) == b"$ANSIBLE_VAULT"


def _problem(file: YamlFile, error: Any) -> str:
    """Return one of pydantic's errors with its place."""
    key: Key = tuple(one for one in error["loc"] if one != "[key]")
    name = ".".join(str(part) for part in key)
    if error["type"] == "extra_forbidden":
        known = Procedure.model_fields if len(key) > 1 else Schedule.model_fields
        what = f"there is no key {str(key[-1])!r}{nearest(str(key[-1]), known)}"
    elif error["type"] == "missing":
        what = f"{key[-1]} is missing"
    elif error["type"] == "string_pattern_mismatch":
        what = (
            f"id {key[-1]!r}: found {error['input']!r:.80}; expected small letters, digits, - and _"
        )
    else:
        what = f"found {error['input']!r:.80}; expected {expected(error)}"
    return f"{file.place(key)}: {name}: {what}"
