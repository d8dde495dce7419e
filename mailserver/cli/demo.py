"""`mailserver demo`: a fictional academy to try things with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailserver.cli.options import ConfigOption

app = typer.Typer(help="A fictional academy, to try things with.", no_args_is_help=True)

FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of the demo; made at the first time.")
]
DEMO_FILE = Path("var/demo/mailserver.toml")


@app.command()
def create(folder: FolderArgument) -> None:
    """Make the academy: people, schools, certificate, a welcome message in each mailbox."""
    from mailserver.demo.academy import create_academy

    made = create_academy(folder)
    print(f"{folder}: {'made' if made else 'is there already'}")


@app.command("run")
def run_demo(folder: FolderArgument = DEMO_FILE.parent) -> None:
    """Make the academy where it is missing, run it, and show what to try."""
    from mailserver.cli.run import start
    from mailserver.demo.academy import create_academy
    from mailserver.demo.screen import what_to_try
    from mailserver.settings.load import FILE_NAME, load_settings

    create_academy(folder)
    settings = load_settings(folder / FILE_NAME)
    start(settings, only_doors=[], greeting=what_to_try(settings))


@app.command()
def tour(*, config: ConfigOption = None) -> None:
    """Send one message from one person to five schools, and follow it. The demo must be running."""
    from mailserver.cli.access import read_settings
    from mailserver.demo.tour import run_tour

    is_here = config is not None or Path("mailserver.toml").is_file()
    run_tour(read_settings(config if is_here else DEMO_FILE))
