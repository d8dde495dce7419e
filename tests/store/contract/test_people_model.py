"""Whatever the order of arrivals and departures: no name has two owners, no number two lives.

The model is two dictionaries: who has which name, and until when it is kept
for them.  After each step the store says the same of every name.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mailserver.people.names import numbered
from mailserver.store.ports.errors import NameTaken
from mailserver.store.ports.people import Change, Conflict, PersonDoc
from mailserver.store.ports.store import Store
from tests.store.letters import NOW_S
from tests.store.places import ENGINES, PLACES, Place, examples_on

QUARANTINE_S = 100.0
KEYS = ("", "k1", "k2", "k3")
NAMES = ("a", "b", "c", "a@d.fr", "b@d.fr", "c@d.fr")

keys = st.sampled_from(KEYS[1:])
identifiers = st.sampled_from(["a", "B", "c"])
addresses = st.lists(st.sampled_from(["A@d.fr", "b@d.fr", "c@d.fr"]), unique=True, max_size=3)


@dataclass
class Kept:
    """Whose a name is.  until_s: None: in use."""

    owner: str
    until_s: float | None = None


class NamesMachine(RuleBasedStateMachine):
    """The store's names beside their model; owners are source keys, or `hand` and a number."""

    engine = "sqlite"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.place: Place = PLACES[self.engine](self.folder.name + "/store")
        self.place.make()
        self.store: Store = self.place.open()
        self.names: dict[str, Kept] = {}
        self.docs: dict[str, PersonDoc] = {}
        self.numbers: dict[str, str] = {}
        self.now_s = NOW_S
        self.hands = 0
        self.runs: list[tuple[int, Change]] = []

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.leave()
            self.folder.cleanup()

    @rule(key=keys, identifier=identifiers, wanted=addresses)
    def arrive_or_rename(self, key: str, identifier: str, wanted: list[str]) -> None:
        """An import says what this person's names are."""
        after = PersonDoc(
            source_key=key,
            identifier=identifier,
            given_name="Jean",
            surname=key,
            addresses=tuple(wanted),
        )
        change = Change(before=self.docs.get(key), after=after)
        result = self._apply(change)
        if self._may_have(key, after):
            assert result is None
            self._take(key, after)
        else:
            assert isinstance(result, Conflict)

    @rule(key=keys)
    def depart(self, key: str) -> None:
        """The person goes; the names stay theirs for a while."""
        change = Change(before=self.docs.get(key), after=None)
        assert self._apply(change) is None
        self._leave(key)

    @rule()
    def undo_the_last(self) -> None:
        """Take back the last change, if nothing came between."""
        if not self.runs:
            return
        run_id, change = self.runs.pop()
        subject = change.after or change.before
        key = subject.source_key if isinstance(subject, PersonDoc) else ""
        before = change.before if isinstance(change.before, PersonDoc) else None
        is_as_left = self.docs.get(key) == change.after
        may = is_as_left and (before is None or self._may_have(key, before))
        result = self.store.people.undo_changes(
            run_id, [1], now_s=self.now_s, quarantine_s=QUARANTINE_S
        )
        self.store.people.end_import(run_id)
        assert (result == [None]) == may
        if may and before is None:
            self._leave(key)
        elif may and before is not None:
            self._take(key, before)

    @rule(identifier=identifiers, wanted=addresses)
    def add_by_hand(self, identifier: str, wanted: list[str]) -> None:
        """`mailserver account add`: it has everything, or nothing."""
        self.hands += 1
        owner = f"hand{self.hands}"
        names = [identifier.lower(), *map(str.lower, wanted)]
        if all(self._is_free(name, owner) for name in names):
            self.store.accounts.add_account(
                identifier=identifier, name="X", addresses=wanted, now_s=self.now_s
            )
            self._give(owner, names)
        else:
            with pytest.raises(NameTaken):
                self.store.accounts.add_account(
                    identifier=identifier, name="X", addresses=wanted, now_s=self.now_s
                )

    @rule(name=st.sampled_from(["a", "b", "c"]), address=st.sampled_from(NAMES[3:]))
    def add_an_alias(self, name: str, address: str) -> None:
        """Whose document an import keeps keeps it as the import says, so only those by hand."""
        account = self.store.accounts.find_account(name)
        kept = self.names.get(name)
        if account is None or kept is None or not kept.owner.startswith("hand"):
            return
        held = self.names.get(address)
        is_theirs = held is not None and held.owner == kept.owner and held.until_s is None
        if self._is_free(address, kept.owner) and not is_theirs:
            self.store.accounts.add_address(account.account_id, address, now_s=self.now_s)
            self._give(kept.owner, [address])
        else:
            with pytest.raises(NameTaken):
                self.store.accounts.add_address(account.account_id, address, now_s=self.now_s)

    @rule(passed_s=st.sampled_from([1.0, 60.0, 100.0]))
    def wait(self, passed_s: float) -> None:
        self.now_s += passed_s

    @rule(base=st.sampled_from(["jmarot", "fpetit"]), ordinal=st.integers(1, 9))
    def number_a_homonym(self, base: str, ordinal: int) -> None:
        """Somebody new takes the next number, and may leave again at once."""
        number = self.store.people.last_homonym(base) + 1
        name = numbered(base, number)
        if self.store.people.who_had(name, now_s=self.now_s) is not None:
            return
        doc = PersonDoc(
            source_key=f"h{len(self.numbers)}",
            identifier=name,
            given_name="J",
            surname="M",
            addresses=(),
        )
        change = Change(before=None, after=doc, homonyms=((base, number),))
        assert self._apply(change) is None
        assert name not in self.numbers, "a number was given again"
        self.numbers[name] = doc.source_key
        self.runs.clear()
        if ordinal > 4:
            assert self._apply(Change(before=doc, after=None)) is None
            self.runs.clear()

    @invariant()
    def every_name_is_whose_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        for name in NAMES:
            kept = self.names.get(name)
            is_kept = kept is not None and (kept.until_s is None or kept.until_s > self.now_s)
            assert (self.store.people.who_had(name, now_s=self.now_s) is not None) == is_kept, name

    @invariant()
    def documents_and_addresses_are_what_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        for key in KEYS[1:]:
            doc = self.store.people.read_person(key)
            there = doc if doc is not None and doc.life.value != "gone" else None
            assert there == self.docs.get(key)
        for name in NAMES[3:]:
            kept = self.names.get(name)
            leads = self.store.accounts.find_mailbox(name) is not None
            assert leads == (kept is not None and kept.until_s is None), name

    def _apply(self, change: Change) -> Conflict | None:
        run = self.store.people.begin_import(
            by_whom="x", digest=f"{self.now_s} {len(self.runs)}", total=1, now_s=self.now_s
        )
        (result,) = self.store.people.apply_changes(
            run.run_id, [change], now_s=self.now_s, quarantine_s=QUARANTINE_S
        )
        self.store.people.end_import(run.run_id)
        if result is None and (change.before or change.after):
            self.runs.append((run.run_id, replace(change, homonyms=())))
        return result

    def _may_have(self, key: str, doc: PersonDoc) -> bool:
        return all(self._is_free(name, key) for name in _names_of(doc))

    def _is_free(self, name: str, owner: str) -> bool:
        kept = self.names.get(name)
        if kept is None or kept.owner == owner:
            return True
        return kept.until_s is not None and kept.until_s <= self.now_s

    def _give(self, owner: str, names: list[str]) -> None:
        for name in names:
            self.names[name] = Kept(owner)

    def _take(self, key: str, doc: PersonDoc) -> None:
        old = self.docs.get(key)
        for name in _names_of(old) if old is not None else []:
            if name not in _names_of(doc):
                self.names[name] = Kept(key, self.now_s + QUARANTINE_S)
        self._give(key, _names_of(doc))
        self.docs[key] = doc

    def _leave(self, key: str) -> None:
        doc = self.docs.pop(key, None)
        for name in _names_of(doc) if doc is not None else []:
            self.names[name] = Kept(key, self.now_s + QUARANTINE_S)


def _names_of(doc: PersonDoc) -> list[str]:
    return [doc.identifier.lower(), *(address.lower() for address in doc.addresses)]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_name_has_two_owners_and_no_number_two_lives(engine: str) -> None:
    machine = type("Machine", (NamesMachine,), {"engine": engine})
    examples = examples_on(engine, settings().max_examples // 3)
    steps = settings(max_examples=examples, stateful_step_count=30)
    run_state_machine_as_test(machine, settings=steps)
