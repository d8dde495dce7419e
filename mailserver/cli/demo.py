"""`mailserver demo`: a fictional academy to try things with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption
from mailserver.texts.plurals import counted

if TYPE_CHECKING:
    from mailserver.demo.academy import DemoService
    from mailserver.settings.model import Settings

app = typer.Typer(help="A fictional academy, to try things with.", no_args_is_help=True)

FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of the demo; made at the first time.")
]
PeopleOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=1_000_000, help="How many people.")
]
SeedOption = Annotated[int, typer.Option(metavar="S", help="One seed, one academy.")]
OutOption = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the two files.")]
ApplyOption = Annotated[bool, typer.Option("--apply", help="Import them into the service.")]
DEMO_FILE = Path("var/demo/mailserver.toml")


@app.command()
def create(folder: FolderArgument = DEMO_FILE.parent) -> None:
    """Make the academy: people, schools, certificate, a welcome message in each mailbox."""
    demo = _create(folder)
    print(f"{folder}: {'made' if demo.is_new else 'is there already'}")


@app.command("run")
def run_demo(folder: FolderArgument = DEMO_FILE.parent) -> None:
    """Make the academy where it is missing, run it, and show what to try."""
    from rich.console import Console

    from mailserver.cli.run import start
    from mailserver.demo.screen import greeting, program_name

    demo = _create(folder)
    page = greeting(demo, Console(), program=program_name(sys.argv[0]))
    start(demo.settings, only_doors=[], greeting=page)


@app.command()
def people(*, config: ConfigOption = None) -> None:
    """List everybody in the academy, with the password they were given."""
    from rich.console import Console

    from mailserver.demo.academy import NotADemo, read_demo
    from mailserver.demo.screen import people as everybody

    file = _settings(config).source
    assert file is not None, "these came from a file"
    try:
        Console().print(everybody(read_demo(file)), soft_wrap=True, end="")
    except NotADemo as error:
        raise Mistake(str(error)) from error


@app.command()
def academy(
    *,
    people: PeopleOption = 200,
    seed: SeedOption = 1,
    out: OutOption = Path("var/academy"),
    apply: ApplyOption = False,
    config: ConfigOption = None,
) -> None:
    """Write a fictional academy as units.csv and people.csv; import them with --apply."""
    from mailserver.demo.generator import make_academy
    from mailserver.directory.plan_file import write_private

    made = make_academy(people_count=people, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "units.csv", out / "people.csv"]
    for file, octets in zip(files, (made.units, made.people), strict=True):
        write_private(file, octets)
        print(f"{file}: {counted(len(octets.splitlines()) - 1, 'row')}")
    if apply:
        _import(files, config)
    else:
        print(f"to import them: mailserver directory plan {files[0]} {files[1]}")


@app.command()
def tour(*, config: ConfigOption = None) -> None:
    """Send one message from one person to five schools, and follow it. The demo must be running."""
    from rich.console import Console

    from mailserver.demo.academy import NotADemo
    from mailserver.demo.client import TourError
    from mailserver.demo.tour import run

    try:
        run(_settings(config), Console(highlight=False))
    except NotADemo as error:
        raise Mistake(str(error)) from error
    except TourError as error:
        raise Failure(str(error)) from error


def _import(files: list[Path], config: Path | None) -> None:
    """As `mailserver directory apply` does, which says what would be lost."""
    from mailserver.cli.directory import commands as directory

    settings = _settings(config)
    directory.apply(files, yes=True, config=settings.source)


def _create(folder: Path) -> DemoService:
    """
    Raises:
        Mistake: the folder holds something else.
    """
    from rich.console import Console

    from mailserver.demo.academy import NotADemo
    from mailserver.demo.academy import create as create_demo
    from mailserver.demo.screen import creation_bar

    try:
        with creation_bar(Console(stderr=True)) as progress:
            demo = create_demo(folder, progress=progress)
    except NotADemo as error:
        raise Mistake(str(error)) from error
    _bring_crowd(demo)
    return demo


def _bring_crowd(demo: DemoService) -> None:
    import time

    from mailserver.cli.access import opened_store
    from mailserver.demo.crowd import import_crowd

    with opened_store(demo.settings) as store:
        import_crowd(store.people, demo.settings, now_s=time.time())


def _settings(config: Path | None) -> Settings:
    """Of the file that was named; else of the demo that `make run` makes, else as usual."""
    from mailserver.cli.access import read_settings

    if config is None and DEMO_FILE.is_file() and not Path("mailserver.toml").is_file():
        config = DEMO_FILE
    if config is None and not Path("mailserver.toml").is_file():
        raise Mistake(f"no demo at {DEMO_FILE.parent}: `mailserver demo run` makes and starts one")
    return read_settings(config)
