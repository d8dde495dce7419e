"""The part of the store that provisioning uses, in memory; as the port says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from mailserver.store.people import (
    Change,
    Conflict,
    Doc,
    ImportRun,
    Life,
    PersonDoc,
    Unit,
    UnitDoc,
)
from mailserver.values.address import Address, fold_local
from mailserver.values.ids import AccountId, UnitId


@dataclass
class GivenName:
    owner: int
    free_at_s: float | None = None


@dataclass
class PeopleInMemory:
    docs: dict[str, Doc] = field(default_factory=dict)  # by subject
    gone: dict[str, PersonDoc] = field(default_factory=dict)
    verifiers: dict[str, str] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)  # subject -> account
    given: dict[str, GivenName] = field(default_factory=dict)
    homonyms: dict[str, int] = field(default_factory=dict)
    runs: list[ImportRun] = field(default_factory=list)
    changes: dict[int, dict[int, Change]] = field(default_factory=dict)

    # --- names

    def who_had(self, name_key: str, *, now_s: float) -> AccountId | None:
        row = self.given.get(name_key)
        if row is None or (row.free_at_s is not None and row.free_at_s <= now_s):
            return None
        return AccountId(row.owner)

    def last_homonym(self, base_key: str) -> int:
        return self.homonyms.get(base_key, 0)

    # --- reading

    def read_subjects(self, kind: type[Doc]) -> Iterator[Doc]:
        return iter([doc for doc in self.docs.values() if isinstance(doc, kind)])

    def read_person(self, source_key: str) -> PersonDoc | None:
        doc = self.docs.get(f"p:{source_key}")
        if isinstance(doc, PersonDoc):
            return doc
        gone = self.gone.get(source_key)
        return None if gone is None else replace(gone, life=Life.GONE, life_until_s=None)

    def read_unit(self, code: str) -> UnitDoc | None:
        doc = self.docs.get(f"u:{code}")
        return doc if isinstance(doc, UnitDoc) else None

    def find_unit(self, code: str) -> Unit | None:
        doc = self.read_unit(code)
        if doc is None:
            return None
        owner = self.owners.get(f"u:{code}")
        return Unit(
            unit_id=UnitId(1),
            doc=doc,
            account_id=None if owner is None else AccountId(owner),
            child_count=0,
            people_count=0,
        )

    # --- runs

    def begin_import(self, *, by_whom: str, digest: str, total: int, now_s: float) -> ImportRun:
        last = self.runs[-1] if self.runs else None
        if last is not None and last.digest == digest and last.state == "applying":
            return last
        run = ImportRun(
            run_id=len(self.runs) + 1,
            at_s=now_s,
            by_whom=by_whom,
            digest=digest,
            state="applying",
            done=0,
            total=total,
        )
        self.runs.append(run)
        self.changes[run.run_id] = {}
        return run

    def apply_changes(
        self, run_id: int, changes: Sequence[Change], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        answers = []
        for change in changes:
            run = self.runs[run_id - 1]
            answer = self._make(change, now_s=now_s, quarantine_s=quarantine_s)
            self.runs[run_id - 1] = replace(run, done=run.done + 1)
            if answer is None:
                self.changes[run_id][run.done + 1] = change
            answers.append(answer)
        return answers

    def end_import(self, run_id: int) -> None:
        run = self.runs[run_id - 1]
        state = "applied" if run.state == "applying" else "undone"
        self.runs[run_id - 1] = replace(run, state=state)

    def last_import(self) -> ImportRun | None:
        return next((run for run in reversed(self.runs) if run.state != "undone"), None)

    def read_changes(self, run_id: int, *, after: int, limit: int) -> list[tuple[int, Change]]:
        rows = sorted(self.changes[run_id].items())
        return [row for row in rows if row[0] > after][:limit]

    def undo_changes(
        self, run_id: int, numbers: Sequence[int], *, now_s: float, quarantine_s: float
    ) -> list[Conflict | None]:
        self.runs[run_id - 1] = replace(self.runs[run_id - 1], state="undoing")
        answers = []
        for number in numbers:
            change = self.changes[run_id].pop(number)
            back = Change(before=change.after, after=change.before)
            answers.append(self._make(back, now_s=now_s, quarantine_s=quarantine_s))
        return answers

    # --- one change

    def _make(self, change: Change, *, now_s: float, quarantine_s: float) -> Conflict | None:
        doc = change.after or change.before
        assert doc is not None
        subject = _subject(doc)
        if self.docs.get(subject) != change.before:
            return Conflict(f"{subject} is not what it was when the plan was made")
        owner = self.owners.setdefault(subject, len(self.owners) + 1)
        wanted = _name_keys(change.after)
        for key in wanted:
            if self.who_had(key, now_s=now_s) not in {None, owner}:
                return Conflict(f"{key} belongs to another")
        self._name(owner, wanted, free_at_s=now_s + quarantine_s)
        for base, number in change.homonyms:
            self.homonyms[base] = max(number, self.homonyms.get(base, 0))
        self._put(subject, change)
        return None

    def _name(self, owner: int, wanted: list[str], *, free_at_s: float) -> None:
        for key, row in self.given.items():
            if row.owner == owner and row.free_at_s is None and key not in wanted:
                row.free_at_s = free_at_s
        for key in wanted:
            self.given[key] = GivenName(owner)

    def _put(self, subject: str, change: Change) -> None:
        before, after = change.before, change.after
        if after is None or (isinstance(after, PersonDoc) and after.life is Life.GONE):
            last = after or before
            if isinstance(last, PersonDoc):
                self.gone[last.source_key] = last
            del self.docs[subject]
            return
        self.docs[subject] = after
        if change.verifier is not None:
            self.verifiers.setdefault(subject, change.verifier)


def _subject(doc: Doc) -> str:
    return f"p:{doc.source_key}" if isinstance(doc, PersonDoc) else f"u:{doc.code}"


def _name_keys(doc: Doc | None) -> list[str]:
    if doc is None or (isinstance(doc, PersonDoc) and doc.life is Life.GONE):
        return []
    parts = [one.rpartition("@") for one in doc.addresses]
    keys = [Address(local, domain).key for local, _, domain in parts]
    return [fold_local(doc.identifier), *keys] if doc.identifier else keys
