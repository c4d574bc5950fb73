"""Options that many commands have, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

SiteOption = Annotated[
    str,
    typer.Option(
        "-i",
        "--inventory",
        metavar="SITE",
        help="The site's folder, or an Ansible inventory. This machine, if not given.",
    ),
]
Limit = Annotated[
    str, typer.Option("--limit", "-l", metavar="PATTERN", help="Only hosts of this pattern.")
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only what did not pass; nothing if all is well."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
