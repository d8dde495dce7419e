"""Documents of people and units, as imports make them."""

from __future__ import annotations

from collections.abc import Sequence

from mailserver.store.ports.people import Change, Conflict, Doc, Life, PersonDoc, PostDoc, UnitDoc
from mailserver.store.ports.store import Store
from tests.store.letters import NOW_S

DAY_S = 86_400.0
QUARANTINE_S = 1000 * DAY_S
SCHOOL, COLLEGE = "0170705z", "0170706a"


def unit(code: str = SCHOOL, *, parent: str = "", kind: str = "service", name: str = "") -> UnitDoc:
    """A unit without a mailbox."""
    return UnitDoc(code=code, kind=kind, name=name or f"Unité {code}", parent_code=parent)


def school(code: str = SCHOOL, *, parent: str = "", town: str = "Saintes") -> UnitDoc:
    """An establishment with its mailbox."""
    return UnitDoc(
        code=code,
        kind="establishment",
        name="École Jules Ferry",
        nature="ecole",
        parent_code=parent,
        town=town,
        identifier=code,
        addresses=(f"ce.{code}@d.fr", f"ce.{code[:-1]}@d.fr"),
    )


def teacher(
    identifier: str = "jmarot",
    *,
    key: str | None = None,
    given_name: str = "Jean",
    surname: str = "Marot",
    addresses: Sequence[str] | None = None,
    posts: Sequence[PostDoc] = (),
    life: Life = Life.PRESENT,
) -> PersonDoc:
    return PersonDoc(
        source_key=f"key-{identifier}" if key is None else key,
        identifier=identifier,
        given_name=given_name,
        surname=surname,
        addresses=(f"{identifier}@d.fr",) if addresses is None else tuple(addresses),
        posts=tuple(posts),
        life=life,
    )


def put(
    store: Store, before: Doc | None, after: Doc | None, *, at_s: float = NOW_S
) -> Conflict | None:
    """One change outside of any import."""
    change = Change(before=before, after=after)
    return store.people.put(change, by_whom="cli:root", now_s=at_s, quarantine_s=QUARANTINE_S)


def made(store: Store, *docs: Doc, at_s: float = NOW_S) -> None:
    """New subjects, which must be free of conflicts."""
    for doc in docs:
        assert put(store, None, doc, at_s=at_s) is None


def apply(
    store: Store, run_id: int, changes: Sequence[Change], *, at_s: float = NOW_S
) -> list[Conflict | None]:
    return store.people.apply_changes(run_id, changes, now_s=at_s, quarantine_s=QUARANTINE_S)


def begin(store: Store, total: int, *, digest: str = "plan") -> int:
    run = store.people.begin_import(by_whom="cli:root", digest=digest, total=total, now_s=NOW_S)
    return run.run_id


def undo(store: Store, run_id: int, *, at_s: float = NOW_S, slice_size: int = 3) -> None:
    """Take a whole run back, in slices, the last change first."""
    numbers = [number for number, _ in store.people.read_changes(run_id, after=0, limit=10_000)]
    numbers.reverse()
    for start in range(0, len(numbers), slice_size):
        part = numbers[start : start + slice_size]
        results = store.people.undo_changes(run_id, part, now_s=at_s, quarantine_s=QUARANTINE_S)
        assert results == [None] * len(part)
    store.people.end_import(run_id)


def creations(docs: Sequence[Doc]) -> list[Change]:
    return [Change(before=None, after=doc) for doc in docs]


def documents(store: Store) -> tuple[list[Doc], list[Doc]]:
    """All that is kept: units, people."""
    return list(store.people.read_subjects(UnitDoc)), list(store.people.read_subjects(PersonDoc))
