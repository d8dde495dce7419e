"""Imports: lists of (before, after) documents, applied and undone through the same call.

Each slice is one transaction: subjects, names, events, progress.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailserver.store.ports.people import Change, Conflict, Doc, PersonDoc, UnitDoc


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRun:
    run_id: int
    at_s: float
    by_whom: str
    digest: str
    state: str  # applying, applied, undoing, undone
    done: int
    total: int


class Imports(Protocol):
    def read_subjects(self, kind: type[Doc]) -> Iterator[Doc]:
        """Every person (or unit) that an import made and that is not gone, in slices.

        Units: by code.  People: as they were made.
        """
        ...

    def read_person(self, source_key: str) -> PersonDoc | None:
        """One who is gone too, with life GONE and the names they had."""
        ...

    def read_unit(self, code: str) -> UnitDoc | None: ...

    def begin_import(self, *, by_whom: str, digest: str, total: int, now_s: float) -> ImportRun:
        """The unfinished run with this digest if there is one, so that an apply resumes."""
        ...

    def apply_changes(
        self, run_id: int, changes: Sequence[Change], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        """The next slice of the run, one transaction: subjects, names, events, progress.

        Conflicts are counted as done, and are not taken back by an undo.

        Raises:
            StoreUnavailable: there is no such run, or it is not being applied.
        """
        ...

    def end_import(self, run_id: int) -> None:
        """All is in (applied), or all was taken back (undone)."""
        ...

    def last_import(self) -> ImportRun | None:
        """The latest that was not undone: what an undo takes back, or goes on taking back."""
        ...

    def list_imports(self) -> list[ImportRun]:
        """Every run, the latest first."""
        ...

    def begin_undo(self, run_id: int) -> list[ImportRun]:
        """This run is being taken back from now on; `end_import` says that all of it was.

        Returns the later runs of which something is in, the latest first: then nothing was done.

        Raises:
            StoreUnavailable: there is no such run, or it was taken back before.
        """
        ...

    def read_changes(self, run_id: int, *, after: int, limit: int) -> list[tuple[int, Change]]:
        """(number, change) of what is in and was not undone; numbers above `after`, ascending.

        The first number is 1.
        """
        ...

    def undo_changes(
        self, run_id: int, numbers: Sequence[int], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        """Take these changes back, one transaction; numbers in the order to undo: the last first.

        Those that make a conflict are left as they are, and are not offered again.
        """
        ...
