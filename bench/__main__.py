"""`python -m bench`: this service against Postfix and Dovecot, side by side, in one run."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import ours, packages
from bench.report import Report, describe_machine, print_report, write_report
from bench.session import Findings, Plan, all_keys, make_plan, run_session
from bench.side import BenchError
from bench.table import FULL, QUICK

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(width=None if sys.stdout.isatty() else 140)


@app.command()
def bench(  # noqa: PLR0917 - the command line's options
    quick: Annotated[  # noqa: FBT002
        bool, typer.Option("--quick", help="One small round of each row: does the bench work?")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROW", help="Only this row; may be repeated.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Alternating rounds of each row (default 5).")
    ] = None,
    folder: Annotated[
        Path, typer.Option(help="Where both stores go; not on tmpfs.", exists=True, file_okay=False)
    ] = Path("/var/tmp"),
    out: Annotated[Path, typer.Option(help="Where the JSON and the Markdown go.")] = Path(
        "var/bench"
    ),
    install: Annotated[  # noqa: FBT002
        bool, typer.Option("--install", help="As root: install Postfix and Dovecot first.")
    ] = False,
    peer_only: Annotated[  # noqa: FBT002
        bool, typer.Option("--peer-only", help="Measure Postfix and Dovecot alone.")
    ] = False,
) -> None:
    """Measure this service and, with the same load, Postfix + Dovecot; print the ratios."""
    signal.signal(signal.SIGTERM, _leave)
    scale = QUICK if quick else FULL
    scale = replace(scale, rounds=rounds) if rounds is not None else scale
    wrong = sorted(set(only or ()) - set(all_keys()))
    if wrong:
        _fail(f"no row is called {wrong[0]}; the rows are {', '.join(all_keys())}")
    packages.extend_path()
    try:
        with_peer = _ready_peer(install=install)
        with_ours = not peer_only and _ready_ours()
        if not packages.has_smtp_source() or not (with_peer or with_ours):
            console.print("nothing can be measured here")
            return
        plan = make_plan(scale, only=only or (), with_ours=with_ours, with_peer=with_peer)
        found = _run(plan, folder)
    except BenchError as error:
        _fail(str(error))
    _show(found, out)


def _leave(_number: int, _frame: object) -> NoReturn:
    """SIGTERM ends as Ctrl-C does: with both services stopped and the folder removed."""
    raise KeyboardInterrupt


def _ready_peer(*, install: bool) -> bool:
    missing = packages.explain_missing()
    if missing and packages.may_install(os.environ, asked=install):
        console.print("installing Postfix and Dovecot")
        packages.install()
        missing = packages.explain_missing()
    if missing:
        console.print(f"[yellow]{missing}[/]", highlight=False)
    return missing is None


def _ready_ours() -> bool:
    missing = ours.explain_missing()
    if missing:
        console.print(f"[yellow]{missing}[/]", highlight=False)
    return missing is None


def _run(plan: Plan, folder: Path) -> Findings:
    columns = (BarColumn(30), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn())
    # Twice a second: drawing shares the machine with what is measured.
    with Progress(
        *columns,
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        refresh_per_second=2,
    ) as progress:
        task = progress.add_task("starting", total=plan.step_count)
        begun = 0

        def on_step(what: str) -> None:
            nonlocal begun
            progress.update(task, description=what, completed=begun)
            begun += 1

        return run_session(plan, folder, on_step)


def _show(found: Findings, out: Path) -> None:
    report = Report(
        command="python -m bench " + shlex.join(sys.argv[1:]),
        machine=describe_machine(),
        disk=found.disk,
        notes=found.notes,
        rows=found.rows,
        figures=found.figures,
    )
    print_report(console, report)
    write_report(out, report)
    console.print(f"written to {out / 'latest.md'} and {out / 'latest.json'}", highlight=False)


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"bench: {sentence}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app()
