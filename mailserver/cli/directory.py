"""`mailserver directory`: plan what the personnel office's files say, apply it, take it back."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailserver.cli import directory_work as work
from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.directory_words import plan_facts, print_plan, run_facts, run_words, say_done
from mailserver.cli.mistake import Failure, Mistake
from mailserver.cli.options import ConfigOption, JsonOption
from mailserver.cli.queue_acts import whoever

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports import Store

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
        if (unfinished := work.unfinished_plan(store, settings, path)) is not None:
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
    *, yes: YesOption = False, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Take back the last apply: every subject is again what it was before."""
    from mailserver.directory.applying import count_undo, undo_run
    from mailserver.directory.service import quarantine_s

    settings = read_settings(config)
    with opened_store(settings) as store:
        run = store.last_import()
        if run is None:
            raise Mistake("no import to take back")
        count = count_undo(store, run)
        if not yes:
            _ask(f"Take back {count} changes of {run_words(run)}?")
        with work.bar("undoing", count) as progress:
            undone = undo_run(store, run, quarantine_s=quarantine_s(settings), progress=progress)
    if as_json:
        facts = {"run": run.run_id, "undone": undone.done_count, "conflicts": undone.conflicts}
        print(json.dumps(facts, ensure_ascii=False))
    else:
        print(f"{undone.done_count} of {count} changes taken back")
        for words in undone.conflicts:
            print(f"left as it is: {words}", file=sys.stderr)
    if undone.conflicts:
        raise Failure


@app.command()
def last(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the last apply: when, by whom, how far; what `undo` would take back."""
    with opened_store(read_settings(config)) as store:
        run = store.last_import()
    if as_json:
        print(json.dumps(None if run is None else run_facts(run), ensure_ascii=False))
    else:
        print("no import yet" if run is None else run_words(run))


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
    last_run = store.last_import()
    if last_run is not None and (last_run.digest, last_run.state) == (made.digest, "applied"):
        print(json.dumps({"applied": 0}) if as_json else f"done before: {run_words(last_run)}")
        return
    _check_share(made, settings, is_sure=yes)
    began_s = time.monotonic()
    try:
        applied = work.apply_plan(store, settings, made, by_whom=f"cli:{whoever()}")
    except OtherRun as other:
        raise Mistake(
            f"{run_words(other.run)}: apply its plan again to end it, or"
            " `mailserver directory undo` to take it back"
        ) from other
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
