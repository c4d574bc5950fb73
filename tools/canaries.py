#!/usr/bin/env python3
"""Make the canaries that come from recorded files anew, with the gathers as they are now.

    tools/canaries.py

A canary says in `recorded` which file of the tree it is made of; others are from hosts that were brought into that
state by hand, and stay as they are. Look at what changed before you commit it: a canary must stay a known-bad input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.canaries import SUFFIX
from upkeep.judging.check import load

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / "python" / "upkeep" / "checks"


def made_anew() -> Iterator[tuple[Path, str]]:
    """Yield the file of each canary of a recorded file, and the text that it would have today."""
    for path in sorted(CHECKS.rglob(f"*{SUFFIX}")):
        canary = json.loads(path.read_text(encoding="utf-8"))
        if "recorded" in canary:
            seen = _seen(path.name.removesuffix(SUFFIX), canary)
            canary["observation"] |= {"data": seen.data, "raw": seen.raw}
            yield path, json.dumps(canary, ensure_ascii=False, indent=1) + "\n"


def _seen(check: str, canary: dict[str, Any]) -> Any:
    sys.path.append(str(ROOT / "tests" / "helpers"))
    from recorded_host import RecordedHost

    gather, subject = payload.gathers()[load()[check].gather], canary["observation"]["subject"]
    text = (ROOT / canary["recorded"]).read_bytes()
    host = RecordedHost({subject: text}, clock=datetime.fromisoformat(canary["now"]).timestamp())
    params = {name: known["default"] for name, known in gather.ARGUMENTS.items()}
    if "utc_offset" in params:  # lines of a log may name no zone
        params["utc_offset"] = "Z"
    (seen,) = gather.gather(params | {"paths": [subject]}, host)
    return seen


def main() -> None:
    """Write what has changed, and say which files these are."""
    for path, text in made_anew():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
