"""From rows of units to the documents that are wanted.

A unit whose code is a UAI has a mailbox: the code is its identifier, and its
addresses are, in this order:

    ce.0170705z@    the official one, shown
    ce.0170705@     the same without its letter
    the alias of the import's own column, else the one of the rules
    every other address it had

A column that the file does not have leaves what is kept as it is; an empty
cell empties it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from mailserver.directory.deciding.facts import ImportFacts
from mailserver.directory.deciding.naming import Homonym, NameGiver
from mailserver.directory.deciding.plan import PlanStep, RefusedRow, unit_act
from mailserver.directory.deciding.reasons import unit_reasons
from mailserver.directory.imports import KeptDocuments
from mailserver.directory.reading.codes import Guesses, hint
from mailserver.directory.reading.problems import Problem
from mailserver.directory.reading.rows import Origin, UnitRow
from mailserver.people.reserved import is_reserved
from mailserver.people.uai import find_lookalike, has_letter, official_locals
from mailserver.store.ports.people import Change, UnitDoc
from mailserver.values.address import fold_domain

ESTABLISHMENT: Final = "establishment"
_UAI = re.compile(r"[0-9]{7}[a-z]", re.ASCII)
_PLAIN = ("street", "postcode", "town", "telephone", "web_site", "name", "kind")


@dataclass(slots=True)
class UnitsDecided:
    """wanted: every unit after the plan, by code."""

    steps: list[PlanStep] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wanted: dict[str, UnitDoc] = field(default_factory=dict)
    kept_count: int = 0


def decide_units(
    rows: Sequence[UnitRow],
    kept: KeptDocuments,
    names: NameGiver,
    facts: ImportFacts,
    *,
    spoilt: AbstractSet[str],
    may_close: bool,
) -> UnitsDecided:
    """spoilt: codes of rows that did not parse; those units stay as they are.

    may_close: the files are complete, and it is known which unit each bad row is about.
    """
    return _Units(kept, names, facts).decide(rows, spoilt=spoilt, may_close=may_close)


class _Units:
    def __init__(self, kept: KeptDocuments, names: NameGiver, facts: ImportFacts) -> None:
        self._store, self._names, self._facts = kept, names, facts
        subjects = kept.read_subjects(UnitDoc)
        self._kept = {doc.code: doc for doc in subjects if isinstance(doc, UnitDoc)}
        self._out = UnitsDecided(kept_count=sum(not one.is_closed for one in self._kept.values()))
        self._homonyms: dict[str, Homonym] = {}
        self._unknown_natures: set[str] = set()
        self._guesses = Guesses()

    def decide(
        self, rows: Sequence[UnitRow], *, spoilt: AbstractSet[str], may_close: bool
    ) -> UnitsDecided:
        rows = [self._with_code(row) for row in rows]
        named = {*spoilt, *(row.code for row in rows)}
        good = self._of_good_kind(self._firsts(rows))
        good = {code: self._with_parent(row, {*self._kept, *good}) for code, row in good.items()}
        aliases = self._claim_aliases(good)
        good = self._below_good_parents({code: good[code] for code in aliases})
        docs = {code: self._document(row, aliases[code]) for code, row in good.items()}
        if may_close:
            gone = {code: doc for code, doc in self._kept.items() if code not in named}
            docs |= {code: replace(doc, is_closed=True) for code, doc in gone.items()}
        self._out.wanted = {**self._kept, **docs}
        for code in _parents_first(docs):
            self._step(docs[code], good.get(code))
        self._note_natures()
        self._out.notes.extend(self._guesses.notes())
        return self._out

    # --- which rows go in

    def _refuse(self, origin: Origin, column: str, words: str) -> None:
        problem = Problem(place=origin.place, column=column, words=words)
        self._out.refused.append(RefusedRow(origin, (problem,)))

    def _with_code(self, row: UnitRow) -> UnitRow:
        """A school's code that was mistyped is guessed where its key letter proves it."""
        guess = None if _UAI.fullmatch(row.code) else find_lookalike(row.code)
        kept = self._kept.get(row.code)
        kind = row.values.get("kind") or (kept.kind if kept else "")
        if guess is None or kind not in {"", ESTABLISHMENT} or not has_letter(row.code):
            return row
        self._guesses.made(row.code, guess, row.origin.place)
        return replace(row, code=guess, values={**row.values, "code": guess})

    def _with_parent(self, row: UnitRow, codes: Container[str]) -> UnitRow:
        typed = str(row.values.get("parent", ""))
        parent = self._guesses.known(typed, codes, row.origin.place)
        return row if parent == typed else replace(row, values={**row.values, "parent": parent})

    def _firsts(self, rows: Iterable[UnitRow]) -> dict[str, UnitRow]:
        firsts: dict[str, UnitRow] = {}
        for row in rows:
            before = firsts.setdefault(row.code, row)
            if before is not row:
                words = f"{row.code} is in {before.origin.place} already: keep one of the two"
                self._refuse(row.origin, "code", words)
        return firsts

    def _of_good_kind(self, rows: Mapping[str, UnitRow]) -> dict[str, UnitRow]:
        good = {}
        for row in rows.values():
            column, words = self._kind_problem(row)
            if words:
                self._refuse(row.origin, column, words)
            else:
                good[row.code] = row
        return good

    def _below_good_parents(self, good: dict[str, UnitRow]) -> dict[str, UnitRow]:
        """A row that fails takes the rows below it along."""
        while bad := {row.code: self._parent_problem(row, good) for row in good.values()}:
            bad = {code: words for code, words in bad.items() if words}
            if not bad:
                break
            for code, words in bad.items():
                self._refuse(good[code].origin, "parent", words)
            good = {code: row for code, row in good.items() if code not in bad}
        return good

    def _kind_problem(self, row: UnitRow) -> tuple[str, str]:
        kind = self._kind(row)
        if not kind:
            words = "is missing: write academy, department, district, sector or service"
            return "kind", words + hint(row.code)
        if kind == ESTABLISHMENT and not _UAI.fullmatch(row.code):
            words = "an establishment has a UAI code: write 7 digits and a letter"
            return "code", words + hint(row.code)
        return "", ""

    def _kind(self, row: UnitRow) -> str:
        if kind := row.values.get("kind", ""):
            return str(kind)
        kept = self._kept.get(row.code)
        if kept is not None:
            return kept.kind
        return ESTABLISHMENT if _UAI.fullmatch(row.code) else ""

    def _parent_problem(self, row: UnitRow, good: Mapping[str, UnitRow]) -> str:
        parent = self._parent(row)
        if not parent:
            return ""
        if parent not in good and parent not in self._kept:
            return (
                f"there is no unit {parent}: add a line for it, or correct its line{hint(parent)}"
            )
        seen: set[str] = set()
        while parent:
            if parent == row.code:
                return f"{row.code} would stand below itself: write the unit above it"
            if parent in seen:
                return f"{parent}, above it, would stand below itself: correct that line first"
            seen.add(parent)
            above, kept = good.get(parent), self._kept.get(parent)
            parent = self._parent(above) if above else kept.parent_code if kept else ""
        return ""

    def _parent(self, row: UnitRow) -> str:
        kept = self._kept.get(row.code)
        return str(row.values.get("parent", kept.parent_code if kept else ""))

    # --- aliases that were asked for

    def _claim_aliases(self, good: Mapping[str, UnitRow]) -> dict[str, str]:
        """The alias of the file's own column for each row that stays; empty: by the rules."""
        claimed: dict[str, str] = {}
        for code, row in good.items():
            asked = str(row.values.get("alias", ""))
            address = self._names.at_domain(asked) if "@" not in asked else asked
            words = self._alias_problem(code, address) if asked else ""
            if words:
                self._refuse(row.origin, "alias", words)
                continue
            claimed[code] = address if asked else ""
            if asked:
                self._names.take(address)
        return claimed

    def _alias_problem(self, code: str, address: str) -> str:
        if fold_domain(address.rpartition("@")[2]) != fold_domain(self._facts.domain):
            return f"{address} is not in {self._facts.domain}: write the part before the @ only"
        if not _UAI.fullmatch(code):
            return "only a unit with a UAI code has a mailbox: leave the alias out"
        kept = self._kept.get(code)
        if kept is not None and address in kept.addresses:
            return ""
        if is_reserved(address):
            return f"{address} is a name of the service's own: write another alias"
        if self._names.is_free(address) or self._was_theirs(code, address):
            return ""
        return f"{address} belongs to another: write another alias"

    def _was_theirs(self, code: str, address: str) -> bool:
        unit = UnitDoc(code=code, kind="", name="")
        given = self._store.given_to(unit, now_s=self._facts.now_s)
        return self._names.key(address) in given

    # --- documents

    def _document(self, row: UnitRow, alias: str) -> UnitDoc:
        kept = self._kept.get(row.code)
        doc = kept or UnitDoc(code=row.code, kind=self._kind(row), name=row.values["name"])
        given = {name: row.values[name] for name in _PLAIN if row.values.get(name)}
        emptied = {name: "" for name in _PLAIN[:-2] if name in row.values and not row.values[name]}
        doc = replace(
            doc,
            **(given | emptied),
            nature=self._nature(row, doc),
            parent_code=self._parent(row),
            is_hidden=row.values.get("hidden", doc.is_hidden),
            is_closed=row.values.get("closed", False),
        )
        if not _UAI.fullmatch(row.code):
            return doc
        return replace(doc, identifier=row.code, addresses=self._addresses(doc, alias))

    def _nature(self, row: UnitRow, doc: UnitDoc) -> str:
        text = str(row.values.get("nature", doc.nature))
        found = self._facts.rules.find_nature(text)
        if found is None and text:
            self._unknown_natures.add(text)
        return found.name if found else text

    def _addresses(self, doc: UnitDoc, alias: str) -> tuple[str, ...]:
        official = tuple(map(self._names.at_domain, official_locals(doc.code)))
        friendly = alias or self._alias_by_rules(doc)
        wanted = (*official, *([friendly] if friendly else ()), *doc.addresses)
        return tuple(dict.fromkeys(wanted))

    def _alias_by_rules(self, doc: UnitDoc) -> str:
        base = self._facts.rules.alias(nature=doc.nature, name=doc.name, town=doc.town)
        if base is None:
            return ""
        if (address := self._names.had(doc, base)) is not None:
            return address
        address, self._homonyms[doc.code] = self._names.alias(base)
        return address

    def _step(self, doc: UnitDoc, row: UnitRow | None) -> None:
        before = self._kept.get(doc.code)
        if before == doc:
            return
        homonym = self._homonyms.get(doc.code)
        place = row.origin.place if row else ""
        change = Change(
            before=before,
            after=doc,
            reasons=unit_reasons(before, doc, place=place),
            homonyms=(homonym,) if homonym else (),
        )
        step = PlanStep(act=unit_act(before, doc), change=change, places=(place,) if place else ())
        self._out.steps.append(step)

    def _note_natures(self) -> None:
        known = ", ".join(nature.name for nature in self._facts.rules.natures)
        self._out.notes.extend(
            f"nature {nature!r} is not known, so no alias by the rules: they know {known}"
            for nature in sorted(self._unknown_natures)
        )


def _parents_first(docs: Mapping[str, UnitDoc]) -> list[str]:
    """A unit stands after every unit above it; else as in the file."""
    placed: dict[str, None] = {}
    for each in docs:
        code, path = each, []
        while code in docs and code not in placed and code not in path:
            path.append(code)
            code = docs[code].parent_code
        placed.update(dict.fromkeys(reversed(path)))
    return list(placed)
