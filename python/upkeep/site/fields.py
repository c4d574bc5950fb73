"""The kinds of values that a site's files hold: durations, zones, rules, times of day; each says what it expects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
)

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import load as load_checks
from upkeep.model.nearest import nearest
from upkeep.site import rule_words

OWN = "astral.upkeep."
PLAYBOOKS = Path(payload.__file__).parents[2] / "playbooks"
ROLES = PLAYBOOKS.with_name("roles")
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST = 365_250 * UNITS["d"]
"""A thousand years: beyond that no date can be reckoned with."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def seconds_of(value: Any) -> float:
    """Return seconds; a duration is a number with a unit, such as `45 min`.

    Raises: ValueError with what is expected.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([^\W\d]\w*)", str(value).strip())
    if not found:
        raise ValueError("a number with a unit, such as '45 min' or '2 h'")
    number, unit = found.groups()
    if unit not in UNITS:
        known = ", ".join(UNITS)
        raise ValueError(f"one of the units {known}{nearest(unit, UNITS)}")
    if not float(number):
        raise ValueError("more than nothing")
    seconds = float(number) * UNITS[unit]
    if seconds > LONGEST:
        raise ValueError(f"at most {LONGEST / UNITS['d']:.0f} d")
    return seconds


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"a time zone of the IANA list{nearest(name, available_timezones())}")
    return name


def _rule(text: str) -> str:
    """Return the rule or the words as they were written: whoever lists them shows those."""
    rule_words.parse(text)
    return text


def _playbook(name: str, info: ValidationInfo) -> str:
    """Return a playbook's name, which must be a file of the site, or one of ours, or one of another collection."""
    if name.endswith((".yml", ".yaml")):
        folder = (info.context or {}).get("folder")
        if folder and not is_inside(folder / name, folder):
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


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether the file is there, and within the folder also after links are followed."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _check_id(name: str) -> str:
    if name not in load_checks():
        raise ValueError(f"the id of a check{nearest(name, load_checks())}")
    return name


def _local(value: Any) -> Any:
    """Return a local time of the schedule's zone; a date is its first moment."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("a date or a local time, such as 2026-12-24 18:00") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time())
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ValueError("a local time without an offset: its zone is said by time_zone")
    if not isinstance(value, datetime):
        raise ValueError("a date or a local time, such as 2026-12-24 18:00")  # noqa: TRY004 - pydantic's way
    return value


def _clock(value: Any) -> Any:
    """Return a time of day. YAML 1.1 reads 09:30 without quotes as a number of base 60."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return time(value // 60, value % 60)
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        raise ValueError("a time of day, such as '09:00'") from None


def _missed(value: Any) -> Any:
    """Return `run`, `skip`, or within how many seconds."""
    try:
        return value if value in ("run", "skip") else seconds_of(value)
    except ValueError:
        near = nearest(str(value), ("run", "skip"))
        raise ValueError(f"'run', 'skip' or a duration such as '6 h'{near}") from None


def _holiday(value: Any, info: ValidationInfo) -> Any:
    """Return a date, or the name of an .ics file of the site."""
    if isinstance(value, date):
        return value
    if isinstance(value, str) and value.endswith(".ics"):
        folder = (info.context or {}).get("folder")
        if folder and not is_inside(folder / value, folder):
            files = [str(path.relative_to(folder)) for path in folder.glob("**/*.ics")]
            raise ValueError(f"an .ics file within the site{nearest(value, files)}")
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("a date such as 2026-12-25, or an .ics file of the site") from None


def _day(name: str) -> str:
    if name not in DAYS:
        raise ValueError(f"one of {', '.join(DAYS)}{nearest(name, DAYS)}")
    return name


class _CheckIdSchema:
    """An editor offers the checks there are, and takes one that comes with a later version."""

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(load_checks())}, {"type": "string"}]}


DURATION = rf"^\s*\d+(\.\d+)?\s*({'|'.join(UNITS)})\s*$"
DURATION_SCHEMA = {"type": "string", "pattern": DURATION}
Seconds = Annotated[float, BeforeValidator(seconds_of), WithJsonSchema(DURATION_SCHEMA)]
Zone = Annotated[str, AfterValidator(_zone)]
Rule = Annotated[str, AfterValidator(_rule)]
Playbook = Annotated[str, AfterValidator(_playbook)]
CheckId = Annotated[str, AfterValidator(_check_id), _CheckIdSchema()]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=100)]
Missed = Annotated[
    str | float,
    BeforeValidator(_missed),
    WithJsonSchema({"anyOf": [{"enum": ["run", "skip"]}, DURATION_SCHEMA]}),
]
Holiday = Annotated[date | str, BeforeValidator(_holiday), WithJsonSchema({"type": "string"})]
LocalTime = Annotated[datetime, BeforeValidator(_local), WithJsonSchema({"type": "string"})]
ClockTime = Annotated[
    time,
    BeforeValidator(_clock),
    WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d(:\d\d)?$"}),
]
Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"enum": list(DAYS)})]
Variable = Annotated[str, Field(pattern=r"^UPKEEP_(CHANNEL_|HEARTBEAT)[A-Z0-9_]*$")]


def within(seconds: float, holds: Mapping[str, int] = UNITS) -> str:
    """Return seconds as a site's file would say them: `45 min`."""
    for unit, size in sorted(holds.items(), key=lambda one: -one[1]):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
