"""From rows of people to the documents that are wanted.

One person may have several rows, one for each post.  They are one subject: if
one row is bad, all wait until it is corrected, for half a person would lose
the other posts.

known again by    the id of the import, else the keyed digest of the NUMEN; a person who has
                  come with a NUMEN only is found by it when an id is added later
keeps             identifier and addresses, always; another name adds a canonical address
                  in front, and only where the name folds to another base
a missing column  leaves what is kept as it is
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from mailserver.directory.deciding.facts import ImportFacts
from mailserver.directory.deciding.life import SERVING, Dates, decide_life, leave
from mailserver.directory.deciding.moves import with_posts
from mailserver.directory.deciding.naming import Homonym, NameGiver
from mailserver.directory.deciding.plan import PlanStep, RefusedRow, person_act
from mailserver.directory.deciding.reasons import person_reasons
from mailserver.directory.imports import KeptDocuments
from mailserver.directory.reading.codes import Guesses, hint
from mailserver.directory.reading.problems import Problem
from mailserver.directory.reading.rows import BadRow, Origin, PersonRow
from mailserver.people.names import address_base
from mailserver.people.spelling import has_particle, name_doubt, name_fault
from mailserver.store.ports.people import Change, Life, PersonDoc, PostDoc
from mailserver.texts.plurals import noun
from mailserver.values.secret import Secret
from mailserver.values.words import BadName

_DATES: Final = frozenset({"arrival", "departure", "retirement", "leave"})
_ID_PREFIX: Final = "id:"
SHOWN_PARTICLES: Final = 5


@dataclass(slots=True)
class PeopleDecided:
    steps: list[PlanStep] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kept_count: int = 0


class Identities:
    """Under which source key a row's person is known.  The only place that opens a NUMEN."""

    def __init__(self, facts: ImportFacts) -> None:
        self._digests = facts.digests

    def keys(self, row: PersonRow | BadRow) -> list[str]:
        """The best first; empty where nobody can tell who it is."""
        keys = [_ID_PREFIX + row.import_id] if row.import_id else []
        if row.numen is not None:
            keys.append(self._digests.source(row.numen.reveal()))
        return keys

    def verifier(self, numen: Secret[str]) -> str:
        return self._digests.verifier(numen.reveal())


def decide_people(
    rows: Sequence[PersonRow],
    bad: Sequence[BadRow],
    kept: KeptDocuments,
    names: NameGiver,
    facts: ImportFacts,
    *,
    unit_codes: Iterable[str],
    may_leave: bool,
) -> PeopleDecided:
    """bad: rows of people that did not parse: theirs stay untouched, and keep their rows back.

    may_leave: the files are complete, and it is known whom each bad row is about.
    """
    deciding = _People(kept, names, facts, frozenset(unit_codes))
    return deciding.decide(rows, bad, may_leave=may_leave)


class _People:
    def __init__(
        self, kept: KeptDocuments, names: NameGiver, facts: ImportFacts, codes: frozenset[str]
    ) -> None:
        self._store, self._names, self._facts, self._codes = kept, names, facts, codes
        self._identities = Identities(facts)
        subjects = kept.read_subjects(PersonDoc)
        self._kept = {one.source_key: one for one in subjects if isinstance(one, PersonDoc)}
        self._guesses = Guesses()
        self._particles: list[PersonDoc] = []
        self._aliases: dict[str, str] = {}  # a digest of a NUMEN -> the id that stood beside it
        serving = sum(one.life in SERVING for one in self._kept.values())
        self._out = PeopleDecided(kept_count=serving)

    def decide(
        self, rows: Sequence[PersonRow], bad: Sequence[BadRow], *, may_leave: bool
    ) -> PeopleDecided:
        grouped = self._grouped(map(self._with_unit, rows))
        spoilt = self._keys_of_bad(bad)
        for key, group in grouped.items():
            if key in spoilt:
                self._refuse_all(group, f"waits for {spoilt[key].place}, of the same person")
            elif not (self._is_refused(group) or self._is_doubtful(key, group)):
                self._decide_one(key, group)
        if may_leave:
            self._let_missing_leave({*grouped, *spoilt})
        self._out.notes += [*self._guesses.notes(), *particle_notes(self._particles)]
        return self._out

    def _with_unit(self, row: PersonRow) -> PersonRow:
        typed = str(row.values.get("unit", ""))
        unit = self._guesses.known(typed, self._codes, row.origin.place)
        return row if unit == typed else replace(row, values={**row.values, "unit": unit})

    # --- whose rows

    def _grouped(self, rows: Iterable[PersonRow]) -> dict[str, list[PersonRow]]:
        groups: dict[str, list[PersonRow]] = {}
        for row in rows:
            groups.setdefault(self._key(row), []).append(row)
        return groups

    def _key(self, row: PersonRow | BadRow) -> str:
        """The one that is known already, of somebody who is gone too; else the best."""
        keys = self._identities.keys(row)
        if not keys:
            return ""
        if len(keys) == 1:
            return self._aliases.get(keys[0], keys[0])
        known = next(filter(self._is_known, keys), keys[0])
        for one in keys:
            self._aliases.setdefault(one, known)
        return self._aliases[keys[0]]

    def _is_known(self, key: str) -> bool:
        return key in self._kept or self._store.read_person(key) is not None

    def _numen_is_anothers(self, row: PersonRow) -> bool:
        keys = self._identities.keys(row)
        return len(keys) > 1 and self._aliases[keys[0]] != self._aliases[keys[1]]

    def _keys_of_bad(self, bad: Iterable[BadRow]) -> dict[str, Origin]:
        found = {self._key(row): row.origin for row in bad}
        found.pop("", None)
        return found

    # --- which go in

    def _is_refused(self, group: Sequence[PersonRow]) -> bool:
        """One row that contradicts another, or names no unit, holds all of them back."""
        for row in group:
            column, words = self._problem(row, group[0])
            if words:
                self._refuse(row.origin, column, words)
                rest = [one for one in group if one is not row]
                self._refuse_all(rest, f"waits for {row.origin.place}, of the same person")
                return True
        return False

    def _problem(self, row: PersonRow, first: PersonRow) -> tuple[str, str]:
        if (row.surname, row.given_name) != (first.surname, first.given_name):
            name = f"{first.given_name} {first.surname}"
            return "surname", f"{first.origin.place} calls the same person {name}: which is right?"
        if self._numen_is_anothers(row):
            return "numen", "another line has the same NUMEN beside another id: which is right?"
        unit = row.values.get("unit", "")
        if unit and unit not in self._codes:
            words = f"there is no unit {unit}: add it to the units, or correct the code{hint(unit)}"
            return "unit", words
        if not unit and row.values.get("correspondent"):
            return "unit", "is empty: write the unit whose correspondent this is"
        try:
            address_base(row.given_name, row.surname)
        except BadName as error:
            return "surname", str(error)
        return "", ""

    def _is_doubtful(self, key: str, group: Sequence[PersonRow]) -> bool:
        """A name that makes an identifier and an address, and should be another one."""
        row = group[0]
        fault = next(
            (
                (column, words)
                for column, text in (("surname", row.surname), ("given_name", row.given_name))
                if (words := name_fault(text)) is not None
            ),
            None,
        )
        doubt = fault or name_doubt(row.given_name, row.surname)
        is_confirmed = any(one.values.get("confirmed") for one in group)
        if doubt is None or (fault is None and is_confirmed) or self._is_called_so(key, row):
            return False
        column, words = doubt
        if fault is None:
            words += ", or, where it is right, oui under the header confirmed"
        self._refuse(row.origin, column, words, may_confirm=fault is None)
        self._refuse_all(group[1:], f"waits for {row.origin.place}, of the same person")
        return True

    def _is_called_so(self, key: str, row: PersonRow) -> bool:
        """They have the names already that come from this one."""
        known = self._kept.get(key) or self._store.read_person(key)
        name = (row.given_name, row.surname)
        return known is not None and (known.given_name, known.surname) == name

    def _refuse(
        self, origin: Origin, column: str, words: str, *, may_confirm: bool = False
    ) -> None:
        problem = Problem(place=origin.place, column=column, words=words, may_confirm=may_confirm)
        self._out.refused.append(RefusedRow(origin, (problem,)))

    def _refuse_all(self, rows: Iterable[PersonRow], words: str) -> None:
        for row in rows:
            self._refuse(row.origin, "", words)

    # --- documents

    def _decide_one(self, key: str, group: Sequence[PersonRow]) -> None:
        before = self._kept.get(key)
        known = before or self._gone(key)
        homonyms: list[Homonym] = []
        life, until_s = self._life(known, group)
        if life is Life.GONE:
            if before is not None:  # whatever else the rows say, it comes too late
                after = replace(before, life=life, life_until_s=None)
                self._step(before, known, after, group, homonyms)
            return
        named = self._named(key, known, group[0], homonyms)
        if before is not None and life is Life.LEFT is before.life:
            until_s = before.life_until_s  # since when is known already
        if "unit" in group[0].values:
            named = with_posts(named, self._posts(group))
        after = replace(named, **self._plain(group), life=life, life_until_s=until_s)
        self._step(before, known, after, group, homonyms)

    def _gone(self, key: str) -> PersonDoc | None:
        """With the names that went to nobody else since."""
        doc = self._store.read_person(key)
        if doc is None:
            return None
        mine = {
            one for one in (doc.identifier, *doc.addresses) if self._names.may_have_back(doc, one)
        }
        return replace(
            doc,
            identifier=doc.identifier if doc.identifier in mine else "",
            addresses=tuple(one for one in doc.addresses if one in mine),
        )

    def _named(
        self, key: str, known: PersonDoc | None, row: PersonRow, homonyms: list[Homonym]
    ) -> PersonDoc:
        """With identifier and addresses: those they have, those they lack."""
        given, family = row.given_name, row.surname
        if known is None:
            identifier, of_identifier = self._names.identifier(given, family)
            address, of_address = self._names.address(given, family)
            homonyms += [of_identifier, of_address]
            new = PersonDoc(
                source_key=key,
                identifier=identifier,
                given_name=given,
                surname=family,
                addresses=(address,),
            )
            if has_particle(family):
                self._particles.append(new)
            return new
        named = replace(known, given_name=given, surname=family)
        if not named.identifier:
            identifier, homonym = self._names.identifier(given, family)
            homonyms.append(homonym)
            named = replace(named, identifier=identifier)
        base = address_base(given, family)
        if named.addresses and base == address_base(known.given_name, known.surname):
            return named
        own = self._names.had(known, base)
        if own is None:
            own, homonym = self._names.address(given, family)
            homonyms.append(homonym)
        return replace(named, addresses=tuple(dict.fromkeys((own, *named.addresses))))

    def _life(
        self, known: PersonDoc | None, group: Sequence[PersonRow]
    ) -> tuple[Life, float | None]:
        if known is not None and not _DATES & set(group[0].values):
            here = known.life not in {Life.LEFT, Life.GONE}
            return (known.life, known.life_until_s) if here else (Life.PRESENT, None)
        departures = [row.departure for row in group]
        dates = Dates(
            arrival=min((row.arrival for row in group if row.arrival), default=None)
            if all(row.arrival for row in group)
            else None,
            departure=_latest(departures),
            retirement=_first(group, "retirement"),
            leave=_first(group, "leave"),
        )
        facts = self._facts
        return decide_life(dates, calendar=facts.calendar, now_s=facts.now_s, left_s=facts.left_s)

    def _plain(self, group: Sequence[PersonRow]) -> dict[str, Any]:
        """What the columns say; without a column, what is kept."""
        columns = group[0].values
        plain: dict[str, Any] = {
            name: _first(group, name) or ""
            for name in ("telephone", "class_name", "language")
            if name in columns
        }
        if "hidden" in columns:
            plain["is_hidden"] = any(row.values.get("hidden") for row in group)
        if "correspondent" in columns:
            units = {row.values["unit"] for row in group if row.values.get("correspondent")}
            plain["correspondent_of"] = tuple(sorted(units))
        return plain

    def _posts(self, group: Sequence[PersonRow]) -> tuple[PostDoc, ...]:
        """Those of rows whose own end has not come; of one who has left, the last ones."""
        going_on = [row for row in group if not _has_ended(row, self._facts)] or group
        posts = {
            PostDoc(
                row.values["unit"], row.values.get("function", ""), row.values.get("subject", "")
            )
            for row in going_on
            if row.values.get("unit")
        }
        return tuple(sorted(posts))

    # --- steps

    def _step(
        self,
        before: PersonDoc | None,
        known: PersonDoc | None,
        after: PersonDoc,
        group: Sequence[PersonRow],
        homonyms: Sequence[Homonym],
    ) -> None:
        if before == after:
            return
        numen = next((row.numen for row in group if row.numen is not None), None)
        verifier = self._identities.verifier(numen) if before is None and numen else None
        places = tuple(dict.fromkeys(row.origin.place for row in group))
        change = Change(
            before=before,
            after=after,
            verifier=verifier,
            reasons=person_reasons(known, after, places=places, calendar=self._facts.calendar),
            homonyms=tuple(homonyms),
        )
        self._out.steps.append(PlanStep(act=person_act(known, after), change=change, places=places))

    def _let_missing_leave(self, present: set[str]) -> None:
        facts = self._facts
        for key, before in self._kept.items():
            if key in present or before.life in {Life.LEFT, Life.GONE}:
                continue
            life, until_s = leave(facts.now_s, now_s=facts.now_s, left_s=facts.left_s)
            self._step(before, before, replace(before, life=life, life_until_s=until_s), [], [])


def _has_ended(row: PersonRow, facts: ImportFacts) -> bool:
    end_s = Dates(departure=row.departure).end_s(facts.calendar)
    return end_s is not None and end_s <= facts.now_s


def _latest(days: Sequence[date | None]) -> date | None:
    """The last day of all posts; None: one of them has none."""
    known = [day for day in days if day is not None]
    return max(known) if len(known) == len(days) else None


def _first(group: Sequence[PersonRow], name: str) -> Any:
    """What the first row says that says anything."""
    values: list[Mapping[str, Any]] = [row.values for row in group]
    return next((one[name] for one in values if one.get(name)), None)


def particle_notes(docs: Sequence[PersonDoc]) -> list[str]:
    """Whoever is asked about `de` should hear it before the first identifier is printed."""
    if not docs:
        return []
    shown = ", ".join(f"{one.surname}: {one.identifier}" for one in docs[:SHOWN_PARTICLES])
    more = f" and {len(docs) - SHOWN_PARTICLES} more" if len(docs) > SHOWN_PARTICLES else ""
    begin = noun(len(docs), "surname begins", "surnames begin")
    return [f"{len(docs)} new {begin} with a particle, which is part of the names: {shown}{more}"]
