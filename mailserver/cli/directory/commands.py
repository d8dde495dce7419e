"""`mailserver directory`: plan what the personnel office's files say, apply it, take it back."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.directory import work
from mailserver.cli.directory.words import (
    blocked_words,
    plan_facts,
    print_plan,
    run_facts,
    run_words,
    say_done,
    say_undone,
    unfinished_words,
)
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.cli.queue.acts import whoever
from mailserver.texts.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailserver.settings.model import Settings
    from mailserver.store.ports.imports import ImportRun
    from mailserver.store.ports.store import Store

app = typer.Typer(help="People and units, from the files of an office.", no_args_is_help=True)

FilesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="CSV or JSON, of units, of people, or of both."),
]
PlanOrFilesArgument = Annotated[
    list[Path], typer.Argument(metavar="PLAN|FILE...", help="A plan; or files, planned first.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="PLAN", help="Where the plan goes. Default: FILE.plan."),
]
CompleteOption = Annotated[
    bool,
    typer.Option(
        "--complete", help="Who is not in the files leaves; units that are not in them close."
    ),
]
RunArgument = Annotated[
    int | None,
    typer.Argument(metavar="RUN", help="Number of the import, as `directory imports` lists it."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it, however many it takes away.")]


@app.command()
def plan(
    files: FilesArgument,
    *,
    out: OutOption = None,
    complete: CompleteOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the files would change, with reasons, and write it as a plan. Changes nothing."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        made = work.make_plan(store, settings, files, out=out, is_complete=complete)
    if as_json:
        print(json.dumps(plan_facts(made), ensure_ascii=False))
    else:
        print_plan(made)
        what = f"to apply it: mailserver directory apply {made.path}"
        print(what if made.plan.steps else "nothing to change")
    if made.plan.refused:
        raise Mistake


@app.command()
def apply(
    files: PlanOrFilesArgument,
    *,
    out: OutOption = None,
    complete: CompleteOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply a plan, or plan these files and apply that. The same again goes on after a crash."""
    settings = read_settings(config)
    with opened_store(settings) as store:
        if work.is_plan_file(files):
            _apply(store, settings, work.load_plan(settings, files[0]), yes=yes, as_json=as_json)
            return
        path = work.plan_path(files, out)
        if (unfinished := work.unfinished_plan(store.people, settings, path)) is not None:
            print(f"{path} stopped half-way: it goes on first", file=sys.stderr)
            _apply(store, settings, unfinished, yes=True, as_json=as_json)
        made = work.make_plan(store, settings, files, out=out, is_complete=complete)
        if not as_json:
            print_plan(made)
        _apply(store, settings, made, yes=yes, as_json=as_json)
    if made.plan.refused:
        raise Mistake


@app.command()
def undo(
    run: RunArgument = None,
    *,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back one apply: every subject is again what it was before. Again, it changes nothing."""
    from mailserver.directory.applying import LaterRuns, count_undo, undo_run
    from mailserver.directory.service import quarantine_s
    from mailserver.store.clock import ServiceClock

    settings = read_settings(config)
    with opened_store(settings) as store:
        wanted = _run_named(store.people.list_imports(), run)
        if wanted.state == "undone":
            say_undone(wanted, count=0, undone=None, as_json=as_json)
            return
        count = count_undo(store.people, wanted)
        if not yes:
            _ask(f"Take back {counted(count, 'change')} of {run_words(wanted)}?")
        try:
            with work.bar("undoing", count) as progress:
                undone = undo_run(
                    store.people,
                    wanted,
                    quarantine_s=quarantine_s(settings),
                    progress=progress,
                    clock=ServiceClock(store.clock).ends_s,
                )
        except LaterRuns as later:
            raise Mistake(blocked_words(wanted, later.runs)) from later
    say_undone(wanted, count=count, undone=undone, as_json=as_json)
    if undone.conflicts:
        raise Failure


@app.command()
def last(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the last apply that was not taken back: when, by whom, how far."""
    with opened_store(read_settings(config)) as store:
        run = store.people.last_import()
    if as_json:
        print(json.dumps(None if run is None else run_facts(run), ensure_ascii=False))
    elif run is None:
        print("no import yet, or all were taken back: `mailserver directory imports`")
    else:
        print(f"{run_words(run)}; `mailserver directory undo {run.run_id}` takes it back")


@app.command()
def imports(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List every apply, the latest first, with the number that `undo` wants."""
    with opened_store(read_settings(config)) as store:
        runs = store.people.list_imports()
    if as_json:
        print(json.dumps([run_facts(run) for run in runs], ensure_ascii=False))
        return
    for run in runs:
        print(run_words(run))
    if not runs:
        print("no import yet", file=sys.stderr)


def _run_named(runs: Sequence[ImportRun], number: int | None) -> ImportRun:
    """
    Raises:
        Mistake: there is no such run; or none was named, because the same words typed twice
            would take back the one before as well.
    """
    if not runs:
        raise Mistake("no import to take back")
    if number is None:
        last_run = next((one for one in runs if one.state != "undone"), None)
        if last_run is None:
            raise Mistake("every import was taken back before")
        raise Mistake(
            f"which import?  The last one is {run_words(last_run)}:"
            f" `mailserver directory undo {last_run.run_id}`; `directory imports` lists all"
        )
    found = next((one for one in runs if one.run_id == number), None)
    if found is None:
        raise Mistake(f"no import {number}: `mailserver directory imports` lists them")
    return found


def _apply(
    store: Store, settings: Settings, made: work.MadePlan, *, yes: bool, as_json: bool
) -> None:
    """
    Raises:
        Mistake: too many would leave, or another import stands half applied.
        Failure: some changes were in conflict; the file says which.
    """
    from mailserver.directory.applying import OtherRun

    if not made.plan.steps:
        print(json.dumps({"applied": 0}) if as_json else "nothing to change")
        return
    last_run = store.people.last_import()
    if last_run is not None and (last_run.digest, last_run.state) == (made.digest, "applied"):
        print(json.dumps({"applied": 0}) if as_json else f"done before: {run_words(last_run)}")
        return
    _check_share(made, settings, is_sure=yes)
    began_s = time.monotonic()
    try:
        applied = work.apply_plan(store, settings, made, by_whom=f"cli:{whoever()}")
    except OtherRun as other:
        raise Mistake(f"{run_words(other.run)}: {unfinished_words(other.run)}") from other
    say_done(applied, made, took_s=time.monotonic() - began_s, as_json=as_json)
    if applied.conflict_count:
        raise Failure


def _check_share(made: work.MadePlan, settings: Settings, *, is_sure: bool) -> None:
    share, most = made.plan.losing_percent(), settings.directory.max_leaving_percent
    if is_sure or share <= most:
        return
    raise Mistake(
        f"{share:.1f} % would leave, be suspended or close, and {most:g} % is the most"
        f" (directory.max_leaving_percent): look at {made.path}, then add --yes"
    )


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Mistake(f"{question} Nobody to ask: add --yes")
    typer.confirm(question, abort=True)
