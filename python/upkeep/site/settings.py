"""The program's own settings: UPKEEP_* in the environment over SITE/upkeep.toml over defaults."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from upkeep.model.errors import ConfigurationError
from upkeep.model.nearest import nearest
from upkeep.site.expectations import expected
from upkeep.site.trust import GROUPS, trusted
from upkeep.system import account

PREFIX = "UPKEEP_"
FILE = "upkeep.toml"
FILE_URL = "sqlite:///"
PATHS = frozenset({"state", "workspace", "vault_password_file"})
ELSEWHERE = frozenset({"UPKEEP_DRIVER", "UPKEEP_SAMPLES", "UPKEEP_METRICS_TOKEN", GROUPS})
"""Variables of this prefix that are no settings: one that the driver sets, one of the tests, a secret of the page, and
what decides if a file of settings is read."""
ID = "id"
"""The one setting of the file alone: a variable of the environment would give every site its name."""
ID_PATTERN = r"[a-z0-9][a-z0-9-]{0,62}"
URLS = ("UPKEEP_CHANNEL_", "UPKEEP_HEARTBEAT")
"""Nor are these: addresses that a site's schedule names by their variable, for they hold secrets."""


def _default_state() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/upkeep")
    home = account.home()
    named = os.environ.get("XDG_STATE_HOME") or (home / ".local" / "state" if home else None)
    if not named:
        message = f"{account.own_name()}: this account has no home folder to keep the state in"
        raise ConfigurationError(
            message, remedy="set UPKEEP_STATE and UPKEEP_WORKSPACE, each to a folder"
        )
    return Path(named) / "upkeep"


def _default_workspace() -> Path:
    """Return a folder in memory where there is one: what runs write there must not stay on a disk."""
    return next(one for one, why in workspaces() if not why)


def workspaces() -> Iterator[tuple[Path, str]]:
    """Yield the folders in which runs may work, the best first, each with why it cannot be taken; the last always can.

    In a folder that everybody can write, anybody may have made ours first.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    shared = Path("/dev/shm")  # noqa: S108 - with this user's number, made 0700 and checked
    in_memory = [Path(runtime) / "upkeep"] if runtime else []
    for path in (*in_memory, shared / f"upkeep-{os.geteuid()}"):
        if os.access(path.parent, os.W_OK):
            yield path, why_not_private(path)
    yield _default_state() / "work", ""


def passed_over(workspace: Path) -> list[str]:
    """Return why the better folders than this one are not taken, if it is one that is taken by itself."""
    passed: list[str] = []
    for path, why in workspaces():
        if path == workspace:
            return passed
        if not why:
            break  # somebody has said which
        passed.append(why)
    return []


def why_not_private(folder: Path) -> str:
    """Return why a folder is not this account's alone; empty if it is, or is not there yet."""
    try:
        trusted(folder)
        status = folder.stat() if folder.exists() else None
    except (ConfigurationError, OSError) as exc:
        return str(exc)
    if status and not stat.S_ISDIR(status.st_mode):
        return f"{folder}: is not a folder"
    if status and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        return f"{folder}: belongs to others too; a run's workspace must be private"
    return ""


def is_id(text: str) -> bool:
    """Return whether a text may be a site's id."""
    return re.fullmatch(ID_PATTERN, text) is not None


class Settings(BaseModel):
    """Each is a key of upkeep.toml and, but for `id`, a variable of the environment in capitals behind UPKEEP_."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        default="",
        description="What stands for the site in the database, wherever its folder lies. Only in the file.",
    )
    state: Path = Field(
        default_factory=_default_state, description="Folder of the database and the reports."
    )
    database: str = Field(
        default="",
        description="URL such as postgresql://upkeep@db.example.org/upkeep; a SQLite file in the"
        " state folder if empty.",
    )
    workspace: Path = Field(
        default_factory=_default_workspace, description="Private folder of runs, best in memory."
    )
    forks: int = Field(default=10, ge=1, le=500, description="Hosts in work at the same time.")
    runs_at_once: int = Field(
        default=4, ge=1, le=100, description="Runs of the schedule at the same time."
    )
    host_timeout_seconds: int = Field(
        default=120, ge=1, description="How long the gathers may take on a host."
    )
    absent_hosts_percent: int = Field(
        default=20,
        ge=0,
        le=100,
        description="When more of the hosts leave the inventory at once, what was found on them stays open for a day.",
    )
    run_timeout_seconds: float = Field(default=3600, gt=0, description="How long a run may take.")
    keep_runs_days: int = Field(default=400, ge=1, description="Runs and their results.")
    keep_observations_days: int = Field(
        default=90, ge=1, description="Observations and the evidence behind them."
    )
    keep_measures_days: int = Field(default=800, ge=1, description="Series of measures.")
    keep_findings_days: int = Field(
        default=2200, ge=1, description="Resolved findings; open ones are always kept."
    )
    vault_password_file: Path | None = Field(
        default=None, description="File or program that gives Ansible Vault's password."
    )
    fast_key_exchange: bool = Field(
        default=False,
        description="Offer SSH only curve25519-sha256: cheaper, and not safe against quantum computers.",
    )

    @field_validator("id")
    @classmethod
    def _readable(cls, found: str) -> str:
        if not is_id(found):
            raise ValueError("at most 63 lower-case letters, digits and -, a letter or digit first")
        return found

    @property
    def database_url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.state.absolute() / 'upkeep.db'}"


def load_settings(folder: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings for a site's folder.

    A relative path in the file is taken from the site's folder, one in the environment from the working folder; so is
    a SQLite file's.

    Raises: ConfigurationError with the place of what is wrong.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    path = folder / FILE if folder else None
    if folder and path and path.exists():
        text = _read_trusted(path)
        values = {name: _from(folder, name, value) for name, value in _parse(path, text).items()}
        places = {name: f"{path}:{_line_of(text, name)}" for name in values}
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        # Empty is the shell's way to take a variable back.
        if variable in ELSEWHERE or variable.startswith(URLS):
            continue
        if variable.startswith(PREFIX) and value:
            if name == ID:
                message = f"environment variable {variable}: a site's id stands in its {FILE} only"
                raise ConfigurationError(message, remedy=f"unset {variable}")
            values[name] = _from(Path(), name, value)
            places[name] = f"environment variable {variable}"
    try:
        settings = Settings(**values)
    except ValidationError as exc:
        raise ConfigurationError("\n".join(_problems(exc, places))) from exc
    _refuse_state_of_others(settings.state)
    return settings


def _refuse_state_of_others(state: Path) -> None:
    """Raise ConfigurationError if others could put another database in the place of ours."""
    try:
        trusted(state)
    except ConfigurationError as exc:
        owner = account.name_of(state.stat().st_uid) if state.exists() else ""
        as_owner = f"call it as {owner}, or " if owner not in ("", account.own_name()) else ""
        remedy = f"{exc.remedy}; or {as_owner}set UPKEEP_STATE to another folder"
        raise ConfigurationError(f"state: {exc}", remedy=remedy) from exc


def told(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the settings in the environment as this very program must be told them in another working folder."""
    environ = os.environ if environ is None else environ
    names = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields if name != ID}
    return {
        variable: str(_from(Path(), names[variable], value))
        for variable, value in environ.items()
        if variable in names and value
    }


def _from(folder: Path, name: str, value: Any) -> Any:
    """Return a path, or the URL of a file, as seen from the folder; anything else as it is."""
    if not value or not isinstance(value, str):
        return value
    if name in PATHS:
        return (folder / Path(value).expanduser()).absolute()
    if name == "database" and value.startswith(FILE_URL) and value != FILE_URL:
        return FILE_URL + str((folder / value.removeprefix(FILE_URL)).absolute())
    return value


def _read_trusted(path: Path) -> str:
    try:
        trusted(path)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path}: not UTF-8 (byte {exc.start})") from exc
    except OSError as exc:
        raise ConfigurationError(f"{path}: {(exc.strerror or str(exc)).lower()}") from exc


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        found = re.search(r"\(at line (\d+)", str(exc))
        place = f"{path}:{found[1]}" if found else str(path)
        said = str(exc).split(" (at")[0].lower()
        line = text.splitlines()[int(found[1]) - 1] if found else ""
        # Only the key: the value may be a password.
        key = re.match(r"\s*([\w-]+)\s*=\s*(.?)", line)
        if key:
            said = f"{key[1]}: {said}" if key[2] else f"{key[1]} has no value"
        raise ConfigurationError(f"{place}: {said}") from exc


def _line_of(text: str, name: str) -> int:
    """Return the line on which a key of the file stands."""
    pattern = re.compile(rf"\s*\[*[\"']?{re.escape(name)}[\"']?\s*[=.\]]")
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), 1)


def _problems(exc: ValidationError, places: Mapping[str, str]) -> list[str]:
    """Return a line for each wrong setting."""
    problems = []
    for error in exc.errors():
        name = str(error["loc"][0])
        if error["type"] == "extra_forbidden":
            what = f"there is no setting {name!r}{nearest(name, Settings.model_fields)}"
        else:
            found = f"{error['input']!r:.80}"
            what = f"{name}: found {found}; expected {expected(error, name)}"
        problems.append(f"{places.get(name, FILE)}: {what}")
    return problems
