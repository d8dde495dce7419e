"""Whatever comes and goes: a plan settles, an undo restores, and a name is given once.

Homonyms, names that fold to one, schools of one name in one town, codes with
and without their letter, aliases that are somebody's name, people known by a
NUMEN, an id or both; across days, and across the end of the quarantine.
"""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailserver.store.ports.people import Doc, PersonDoc, UnitDoc
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.address import fold_local
from tests.directory.conftest import (
    DAY_S,
    NOW_S,
    QUARANTINE_S,
    UNITS,
    a_store,
    apply,
    docs,
    numen,
    plan_of,
    put,
    undo,
)

PAST, COMING = "01/10/2026", "31/12/2026"
ALIASES = ["", "", "jean.martin", "jean.martin2", "e-julesferry-saintes", "contact"]

codes = st.builds(
    lambda code, form: form(code),
    st.sampled_from(["0170705Z", "0170706A", "0170707B"]),
    st.sampled_from([str, str.lower, lambda code: code[:-1], lambda code: f" {code} "]),
)
units = st.tuples(
    codes,
    st.sampled_from(["école élémentaire", "Ecole Elementaire", "collège", "?"]),
    st.sampled_from(["École Jules Ferry", "Jules-Ferry", "ÉCOLE", "Rosa Parks"]),
    st.sampled_from(["Saintes", "SAINTES", ""]),
    st.sampled_from(ALIASES),
    st.sampled_from(["", "", "oui"]),
)
people = st.tuples(
    st.integers(0, 5),  # who
    st.sampled_from(["numen", "numen", "id", "both"]),
    st.sampled_from(
        [
            "Martin;Jean", "MARTIN;Jéan", "Martin;Jeanne", "Martin2;Jean", "Mar-tin;Jean",
            "d'Ormesson;Zoé", "D’ORMESSON;Zoe", "de La Tour;Anne-Marie",
        ]
    ),
    st.one_of(codes, st.just("")),
    st.sampled_from(["", "", "", PAST, COMING]),
)  # fmt: skip
steps = st.tuples(
    st.lists(units, max_size=3),
    st.lists(people, max_size=6),
    st.booleans(),  # complete
    st.sampled_from([1.0, 200.0, 200.0, 6 * 366.0]),  # days until the next one
)


def _files(
    drawn_units: list[tuple[str, ...]], drawn_people: list[tuple[int, str, str, str, str]]
) -> tuple[str, str]:
    """One row for each unit and for each person; the first wins."""
    of_code = {code.strip()[:7]: (code, *rest) for code, *rest in reversed(drawn_units)}
    of_who = {who: rest for who, *rest in reversed(drawn_people)}
    rows = ["code;nature;nom;ville;alias;ferme;parent"]
    rows += [";".join((*row, "D17")) for row in of_code.values()]
    lines = ["numen;id;nom;prenom;uai;depart"]
    for who, (known_by, name, code, end) in of_who.items():
        number = numen(who) if known_by != "id" else ""
        own_id = f"P{who}" if known_by != "numen" else ""
        lines.append(f"{number};{own_id};{name};{code};{end}")
    return "\n".join(rows), "\n".join(lines)


def _wanted(
    store: SqliteStore, files: tuple[str, str], now_s: float, *, complete: bool
) -> list[Doc | None]:
    plan = plan_of(store, *files, now_s=now_s, complete=complete)
    return [step.change.after for step in plan.steps]


class Owners:
    """Whose each name was; a subject is a source key or the code of a unit."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._subjects: dict[str, Doc] = {}

    def look(self, store: SqliteStore, now_s: float) -> None:
        """No two live or quarantined names are equal, and no numbered one has another owner."""
        for doc in docs(store):
            self._subjects[_subject(doc)] = doc
        given = {
            subject: set(store.people.given_to(doc, now_s=now_s))
            for subject, doc in self._subjects.items()
        }
        for one, other in combinations(given, 2):
            assert not given[one] & given[other], (one, other)
        live = {_subject(doc): doc for doc in docs(store)}
        for subject, doc in live.items():
            names = {fold_local(doc.identifier), *map(fold_local, doc.addresses)} - {""}
            assert names <= given[subject]
            for name in names:
                owner = self._owners.setdefault(name, subject)
                if owner != subject:  # an alias that was asked for, after the quarantine
                    assert isinstance(doc, UnitDoc) or isinstance(self._subjects[owner], UnitDoc)
                    assert name.partition("@")[0] in ALIASES
                    assert name not in given[owner]
                    self._owners[name] = subject


def _subject(doc: Doc) -> str:
    return doc.source_key if isinstance(doc, PersonDoc) else doc.code


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(steps, max_size=5))
def test_whatever_comes_and_goes_plans_settle_undo_restores_and_no_name_returns(
    drawn: list[tuple[list[tuple[str, ...]], list[tuple[int, str, str, str, str]], bool, float]],
) -> None:
    owners, now_s = Owners(), NOW_S
    assert 6 * 366 * DAY_S > QUARANTINE_S
    with a_store() as store:
        put(store, "\n".join(UNITS.splitlines()[:3]))
        for number, (some_units, some_people, complete, days) in enumerate(drawn):
            now_s += days * DAY_S
            files = _files(some_units, some_people)
            before = docs(store)
            plan = plan_of(store, *files, now_s=now_s, complete=complete)
            wanted = [step.change.after for step in plan.steps]
            for name in (f"first{number}", f"again{number}"):
                apply(store, plan, now_s=now_s, name=name)
                assert _wanted(store, files, now_s, complete=complete) == []
                owners.look(store, now_s)
                if name.startswith("first") and plan.steps:
                    undo(store, now_s=now_s)
                    assert sorted(map(repr, docs(store))) == sorted(map(repr, before))
                    plan = plan_of(store, *files, now_s=now_s, complete=complete)
                    assert [step.change.after for step in plan.steps] == wanted
