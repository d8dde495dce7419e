"""Between the words of `mailserver directory` and the room that plans and applies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mailserver.cli.access import moment_for
from mailserver.cli.mistake import Mistake

if TYPE_CHECKING:
    from mailserver.directory.applying import Applied
    from mailserver.directory.deciding.facts import ImportFacts
    from mailserver.directory.deciding.plan import ImportPlan, PlanStep
    from mailserver.settings.model import Settings
    from mailserver.store.ports.store import PeopleAndUnits, Store

_BAR_FROM = 500
"""From here on a bar shows how far it has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePlan:
    """found: what the reader saw in the files.  corrections: the files to correct."""

    plan: ImportPlan
    path: Path
    digest: str
    found: tuple[str, ...] = ()
    corrections: tuple[Path, ...] = ()

    @property
    def conflicts_path(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.conflicts.csv")


def make_plan(
    store: Store,
    settings: Settings,
    files: Sequence[Path],
    *,
    out: Path | None,
    is_complete: bool,
) -> MadePlan:
    """Decide, and write the plan and the files to correct.

    Raises:
        Mistake: a file cannot be read at all.
    """
    from mailserver.directory.deciding.decide import decide, read_files
    from mailserver.directory.plan_file import write_plan
    from mailserver.directory.reading.problems import BadFile

    path, now_s = plan_path(files, out), moment_for(store.clock)
    try:
        read = read_files([(file.name, _octets_of(file)) for file in files])
    except BadFile as error:
        raise Mistake(str(error)) from error
    made = decide(
        read, store.people, _facts(store.people, settings, now_s=now_s, is_complete=is_complete)
    )
    digest = write_plan(path, made, domain=settings.service.domain, made_at_s=now_s)
    return MadePlan(
        plan=made,
        path=path,
        digest=digest,
        found=read.found,
        corrections=tuple(_write_corrections(read.tables, made, path)),
    )


def load_plan(settings: Settings, path: Path) -> MadePlan:
    """
    Raises:
        Mistake: it is no plan of this service.
    """
    from mailserver.directory.plan_file import digest_of, read_plan
    from mailserver.directory.reading.problems import BadFile

    octets = _octets_of(path)
    try:
        plan = read_plan(octets, name=str(path), domain=settings.service.domain)
    except BadFile as error:
        raise Mistake(str(error)) from error
    return MadePlan(plan=plan, path=path, digest=digest_of(octets))


def is_plan_file(files: Sequence[Path]) -> bool:
    """
    Raises:
        Mistake: a plan among other files; or one that is no file.
    """
    from mailserver.directory.plan_file import is_plan

    plans = []
    for file in files:
        _check_file(file)
        with file.open("rb") as opened:
            plans.append(is_plan(opened.read(16)))
    if any(plans) and len(files) > 1:
        raise Mistake("a plan is applied alone: name it only, or the files only")
    return plans[0]


def unfinished_plan(people: PeopleAndUnits, settings: Settings, path: Path) -> MadePlan | None:
    """The plan that an apply of the same files left half done."""
    from mailserver.directory.plan_file import digest_of

    run = people.last_import()
    if run is None or run.state != "applying" or not path.is_file():
        return None
    is_it = digest_of(path.read_bytes()) == run.digest
    return load_plan(settings, path) if is_it else None


def _octets_of(file: Path) -> bytes:
    _check_file(file)
    return file.read_bytes()


def _check_file(file: Path) -> None:
    """
    Raises:
        Mistake: there is none; or a folder, or a pipe, which nobody can read a second time.
    """
    if not file.exists():
        raise Mistake(f"no file {file}: write its name as it is, CSV or JSON")
    if not file.is_file():
        raise Mistake(f"{file} is not a file: save what it holds as CSV or JSON, and name that")


def plan_path(files: Sequence[Path], out: Path | None) -> Path:
    """
    Raises:
        Mistake: it would overwrite one of the files.
    """
    from mailserver.directory.plan_file import SUFFIX

    path = out or files[0].with_suffix(SUFFIX)
    if path.exists() and any(path.samefile(file) for file in files if file.exists()):
        raise Mistake(f"{path} is a file to import: name another one for the plan with --out")
    return path


def apply_plan(store: Store, settings: Settings, made: MadePlan, *, by_whom: str) -> Applied:
    """Conflicts go to a file beside the plan as they happen.

    Raises:
        OtherRun: another import stands half applied.
    """
    from mailserver.directory.applying import apply_steps
    from mailserver.directory.service import quarantine_s
    from mailserver.store.clock import ServiceClock

    run = store.people.last_import()
    if run is None or run.digest != made.digest:
        made.conflicts_path.unlink(missing_ok=True)
    steps = made.plan.steps
    with bar("applying", len(steps)) as progress:
        return apply_steps(
            store.people,
            steps,
            digest=made.digest,
            by_whom=by_whom,
            quarantine_s=quarantine_s(settings),
            progress=progress,
            tell=lambda conflicts: _append_conflicts(made.conflicts_path, conflicts),
            clock=ServiceClock(store.clock).ends_s,
        )


@contextmanager
def bar(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """On a terminal, where there is much to do."""
    if total < _BAR_FROM or not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(words, total=total)
        yield lambda count: progress.update(task, advance=count)


def _facts(
    people: PeopleAndUnits, settings: Settings, *, now_s: float, is_complete: bool
) -> ImportFacts:
    """
    Raises:
        Mistake: the key for NUMENs is gone, or the rules for aliases are not good.
    """
    from mailserver.auth.numen_key import NumenKeyMissing
    from mailserver.directory.service import facts_of
    from mailserver.people.establishments import BadRules

    try:
        return facts_of(settings, people, now_s=now_s, is_complete=is_complete)
    except NumenKeyMissing as error:
        raise Mistake(str(error)) from error
    except BadRules as error:
        raise Mistake(f"{settings.directory.alias_rules}: {error}") from error


def _write_corrections(tables: Sequence[object], plan: ImportPlan, path: Path) -> Iterator[Path]:
    """One file for each table with refused rows, beside the plan; an old one goes."""
    from mailserver.directory.corrections import correction_octets
    from mailserver.directory.plan_file import write_private
    from mailserver.directory.reading.tables import Table

    for number, table in enumerate(tables):
        assert isinstance(table, Table)
        refused = [one for one in plan.refused if one.origin.table_no == number]
        name = Path(table.name)
        kind = "" if table.kind is None else f".{table.kind.value}"
        target = path.parent / f"{name.stem}{kind}.to-correct{name.suffix}"
        if refused:
            write_private(target, correction_octets(table, refused))
            yield target
        else:
            target.unlink(missing_ok=True)


def _append_conflicts(path: Path, conflicts: list[tuple[PlanStep, str]]) -> None:
    from mailserver.directory.corrections import conflict_octets

    with path.open("ab") as file:
        path.chmod(0o600)
        file.write(conflict_octets(conflicts, with_header=file.tell() == 0))
