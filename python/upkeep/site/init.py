"""Write a small, commented site to start from, and the schemas that editors take."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from upkeep.model.errors import UsageError
from upkeep.site.schedule_file import Schedule
from upkeep.site.settings import FILE, ID

EXAMPLE = Path(__file__).parents[1] / "data" / "example"
SCHEMA = "schedule.schema.json"


def id_for(folder: Path) -> str:
    """Return an id for a site that is made in a folder: the folder's name, as far as an id can be like it."""
    words = re.findall("[a-z0-9]+", folder.absolute().name.lower())
    return "-".join(words)[:63].strip("-") or "site"


def write_site(folder: Path, site_id: str = "") -> list[Path]:
    """Write the example site into a new or empty folder; return its files. site_id: its id, if it gets one.

    Raises: UsageError if it is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        remedy = "name a new or an empty folder; nothing was written"
        raise UsageError(f"{folder}: there is something already", remedy=remedy)
    try:
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
        settings = folder / FILE
        if site_id:
            line = f'{ID} = "{site_id}"'
            settings.write_text(settings.read_text().replace(f'# {ID} = "bakery"', line, 1))
        (folder / SCHEMA).write_text(json.dumps(schedule_schema(), indent=2) + "\n")
    except OSError as exc:
        raise UsageError(f"{exc.filename or folder}: {(exc.strerror or str(exc)).lower()}") from exc
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def schedule_schema() -> dict[str, Any]:
    """Return the JSON Schema of schedule.yml."""
    return Schedule.model_json_schema()
