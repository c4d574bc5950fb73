"""The sample of a site's own check, as docs/write-a-check.md prints it."""

from __future__ import annotations

import textwrap
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "write-a-check.md"
ID = "unwanted_file_system"


def sample() -> str:
    """Return the text of the file."""
    section = (
        DOCUMENT.read_text(encoding="utf-8").split("## A site's own check\n")[1].split("\n## ")[0]
    )
    lines = section.splitlines()
    code = [line for line in lines if line.startswith("    ") or not line]
    text = textwrap.dedent("\n".join(code)).strip() + "\n"
    compile(text, DOCUMENT, "exec")
    return text
