"""`upkeep serve`: the process that stays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import SiteOption
from upkeep.rules.actions import Action

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("serve")
@does(Action.MAINTAIN)
def serve_command(
    inventory: SiteOption = "",
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Where the page is.")
    ] = "127.0.0.1:8470",
    web_only: Annotated[
        bool, typer.Option("--web-only", help="Only the page: no keys to hosts, no schedule.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, PEM.")
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--behind-proxy", metavar="CIDR", help="A proxy that does TLS comes from here."
        ),
    ] = None,
) -> None:
    """Run the schedule, send alerts, serve the web page.

    It runs until it is stopped.
    """
    from upkeep.serve.serve import listening
    from upkeep.serve.serve import serve as serve_page

    place = listening(listen, certificate, key, proxy or [])
    raise typer.Exit(serve_page(inventory, place, web_only=web_only))
