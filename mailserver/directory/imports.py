"""What provisioning asks of the store: a part of `mailserver.store.ports.people.People`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from mailserver.store.ports.imports import ImportRun
from mailserver.store.ports.people import Change, Conflict, Doc, Names, PersonDoc, Unit, UnitDoc


class KeptDocuments(Names, Protocol):
    """What is there already: read while a plan is made."""

    def read_subjects(self, kind: type[Doc]) -> Iterator[Doc]: ...

    def read_person(self, source_key: str) -> PersonDoc | None: ...

    def read_unit(self, code: str) -> UnitDoc | None: ...

    def find_unit(self, code: str) -> Unit | None: ...


class Imports(Protocol):
    """Runs of changes: applied, and taken back."""

    def begin_import(self, *, by_whom: str, digest: str, total: int, now_s: float) -> ImportRun: ...

    def apply_changes(
        self, run_id: int, changes: Sequence[Change], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]: ...

    def end_import(self, run_id: int) -> None: ...

    def last_import(self) -> ImportRun | None: ...

    def list_imports(self) -> list[ImportRun]: ...

    def begin_undo(self, run_id: int) -> list[ImportRun]: ...

    def read_changes(self, run_id: int, *, after: int, limit: int) -> list[tuple[int, Change]]: ...

    def undo_changes(
        self, run_id: int, numbers: Sequence[int], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]: ...
