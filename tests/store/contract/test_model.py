"""Whatever the order of acts, the store is what a plain model of it says.

The model is dictionaries; the machine accepts, removes, locks, opens, reclaims
and expires in any order, on two handles of one store, and compares after each.
"""

from __future__ import annotations

import tempfile
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailserver.store.ports.errors import NameTaken
from mailserver.store.ports.mail import Listing, Maildrop
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted, Failed, Removed, Write
from mailserver.values.ids import MailboxId, Uid
from tests.store.letters import (
    NOW_S,
    as_fetched,
    fetch,
    letter,
    people,
    person,
    removal,
    unique_ids_of,
)
from tests.store.places import (
    ENGINES,
    PLACES,
    Place,
    count,
    examples_on,
    recount,
    recount_removed,
    removed_totals,
)

KEEP_REMOVED_S = 50.0
KEEP_HISTORY_S = 200.0
BOXES = 3
GONE = MailboxId(999_999)

boxes = st.integers(0, BOXES - 1)
bodies = st.binary(max_size=40)
envelopes = st.lists(st.tuples(boxes, st.sampled_from(["un@d", "é@d", "deux@d"])), min_size=1)


@dataclass
class Box:
    """What the model knows of one mailbox."""

    next_uid: int = 1
    visible: dict[int, bytes] = field(default_factory=dict)
    hidden: dict[int, tuple[float, bytes]] = field(default_factory=dict)
    lock: MaildropLock | None = None
    opened: tuple[Maildrop, dict[int, bytes]] | None = None
    births: dict[int, int] = field(default_factory=dict)  # UID -> which deposit of all time
    names: dict[int, bytes] = field(default_factory=dict)  # UID -> the unique-id that was seen


@dataclass
class Past:
    """What the model knew when the store was copied."""

    place: Place
    boxes: list[Box]
    journeys: list[tuple[float, int]]
    given: set[str]


class StoreMachine(RuleBasedStateMachine):
    """The store beside its model."""

    engine = "sqlite"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.place: Place = PLACES[self.engine](self.folder.name + "/store")
        self.place.make()
        self._start()
        self.ids = people(self.stores[0], BOXES)
        self.given = {f"personne{n}" for n in range(BOXES)}
        self.past: Past | None = None
        self.copy_count = self.birth_count = 0
        self.named: dict[bytes, int] = {}  # every unique-id that was ever seen: its deposit
        self.boxes = [Box() for _ in self.ids]
        self.journeys: list[tuple[float, int]] = []
        self.now_s = NOW_S

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self.place.leave()
            self.folder.cleanup()

    @rule(which=st.integers(0, 1), batch=st.lists(st.tuples(envelopes, bodies), max_size=4))
    def accept(self, which: int, batch: list[tuple[list[tuple[int, str]], bytes]]) -> None:
        """Some messages in one batch, each to some names in some mailboxes."""
        writes: list[Write] = [self._letter(envelope, body) for envelope, body in batch]
        outcomes = self.stores[which].writes.apply(writes)
        assert [type(outcome) for outcome in outcomes] == [Accepted] * len(batch)
        for envelope, body in batch:
            self._expect(envelope, body)

    @rule(which=st.integers(0, 1), envelope=envelopes, body=bodies, box=boxes)
    def accept_beside_a_bad_one(
        self, which: int, envelope: list[tuple[int, str]], body: bytes, box: int
    ) -> None:
        """A message to a mailbox that is gone fails, its neighbours do not."""
        bad = letter(("un@d", self.ids[box]), ("parti@d", GONE), at_s=self.now_s)
        outcomes = self.stores[which].writes.apply([bad, self._letter(envelope, body)])
        assert [type(outcome) for outcome in outcomes] == [Failed, Accepted]
        self._expect(envelope, body)

    @rule(which=st.integers(0, 1), box=boxes, uids=st.sets(st.integers(1, 12), max_size=5))
    def remove(self, which: int, box: int, uids: set[int]) -> None:
        """Some of what is there, and some of what is not."""
        model = self.boxes[box]
        found = uids & model.visible.keys()
        (outcome,) = self.stores[which].writes.apply(
            [removal(self.ids[box], uids, at_s=self.now_s)]
        )
        assert outcome == Removed(len(found))
        for uid in found:
            model.hidden[uid] = (self.now_s, model.visible.pop(uid))

    @rule(
        which=st.integers(0, 1),
        box=boxes,
        uids=st.sets(st.integers(1, 12), max_size=5),
        as_new=st.booleans(),
    )
    def put_messages_back(self, which: int, box: int, uids: set[int], as_new: bool) -> None:
        """Some of what was removed, and some of what was not; while no session is open."""
        model = self.boxes[box]
        if model.lock is not None:
            return
        found = sorted(uids & model.hidden.keys())
        store = self.stores[which]
        back = store.mail.restore_removed(self.ids[box], [Uid(u) for u in uids], as_new=as_new)
        assert sorted(back) == found
        for uid in found:
            model.visible[uid] = model.hidden.pop(uid)[1]
            if as_new:
                model.names.pop(uid, None)

    @rule(which=st.integers(0, 1), box=boxes)
    def lock(self, which: int, box: int) -> None:
        """A session begins, if none is there."""
        model = self.boxes[box]
        lock = self.stores[which].locks.lock_maildrop(self.ids[box])
        assert (lock is None) == (model.lock is not None)
        if lock is not None:
            model.lock = lock
            model.opened = (
                self.stores[which].mail.open_maildrop(self.ids[box]),
                dict(model.visible),
            )

    @rule(box=boxes)
    def release(self, box: int) -> None:
        """A session ends."""
        model = self.boxes[box]
        if model.lock is not None:
            model.lock.release()
        model.lock = model.opened = None

    @rule(passed_s=st.sampled_from([1.0, 30.0, 60.0, 250.0]))
    def wait(self, passed_s: float) -> None:
        """Time goes by."""
        self.now_s += passed_s

    @rule()
    def reclaim(self) -> None:
        """Everything whose time is over and that no session lists."""
        freed = 0
        while entry_count := self.stores[0].upkeep.reclaim(now_s=self.now_s).entry_count:
            freed += entry_count
        expected = 0
        for model in self.boxes:
            over = [
                u for u, (at_s, _) in model.hidden.items() if at_s <= self.now_s - KEEP_REMOVED_S
            ]
            if model.lock is None:
                expected += len(over)
                for uid in over:
                    del model.hidden[uid]
        assert freed == expected

    @rule()
    def expire(self) -> None:
        """The history that is old enough."""
        forgotten = 0
        while copies := self.stores[0].upkeep.expire_history(now_s=self.now_s):
            forgotten += copies
        old = [journey for journey in self.journeys if journey[0] < self.now_s - KEEP_HISTORY_S]
        self.journeys = [journey for journey in self.journeys if journey not in old]
        assert forgotten == sum(copies for _, copies in old)

    @rule()
    def checkpoint(self) -> None:
        """Moving the log changes nothing that anyone sees."""
        self.stores[0].upkeep.checkpoint()

    @precondition(lambda self: self.stores)
    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        """A process ends and another one starts."""
        self.stores[which].close()
        self.stores[which] = self.place.open(
            keep_removed_s=KEEP_REMOVED_S, keep_history_s=KEEP_HISTORY_S
        )

    @rule()
    def copy_the_store(self) -> None:
        """Everything stops, somebody copies the folder, and all starts again."""
        self._end_sessions()
        self.copy_count += 1
        copy = self.place.copy(f"{self.folder.name}/copy{self.copy_count}")
        self.past = Past(copy, deepcopy(self.boxes), list(self.journeys), set(self.given))
        self._start()

    @precondition(lambda self: self.past is not None)
    @rule()
    def put_the_copy_back(self) -> None:
        """What came since is gone, and nothing says so."""
        assert self.past is not None
        self._end_sessions()
        self.place.put_back(self.past.place)
        self.boxes, self.journeys = deepcopy(self.past.boxes), list(self.past.journeys)
        self.given = set(self.past.given)
        self._start()

    @rule(name=st.sampled_from(["personne0", "libre"]))
    def add_account(self, name: str) -> None:
        """Accounts come and go beside the mail; a name that was given is not given again."""
        if name in self.given:
            before = self._accounts()
            with pytest.raises(NameTaken):
                person(self.stores[0], name)
            assert self._accounts() == before
        else:
            added = person(self.stores[0], name)
            self.stores[1].accounts.delete_account(added.account_id, now_s=self.now_s)
            self.given.add(name)

    @invariant()
    def mailboxes_are_what_the_model_says(self) -> None:
        for mailbox_id, model in zip(self.ids, self.boxes, strict=True):
            for store in self.stores:
                maildrop = store.mail.open_maildrop(mailbox_id)
                assert maildrop.next_uid == model.next_uid
                self._compare(store.mail.list_maildrop(maildrop), model.visible)
            assert (maildrop.count, maildrop.octets) == recount(self.place, mailbox_id)
            totals = removed_totals(self.place, mailbox_id)
            assert totals == recount_removed(self.place, mailbox_id)
            assert totals[0] == len(model.hidden)
            listed = self.stores[0].mail.list_removed(mailbox_id, since_s=0.0, limit=1000)
            assert sorted(one.item.uid for one in listed) == sorted(model.hidden)
            if model.opened is not None:
                self._compare(self.stores[1].mail.list_maildrop(model.opened[0]), model.opened[1])

    @invariant()
    def a_unique_id_names_one_message_for_ever(self) -> None:
        for mailbox_id, model in zip(self.ids, self.boxes, strict=True):
            listed = zip(
                sorted(model.visible), unique_ids_of(self.stores[0], mailbox_id), strict=True
            )
            for uid, name in listed:
                assert model.names.setdefault(uid, name) == name
                assert self.named.setdefault(name, model.births[uid]) == model.births[uid]

    @invariant()
    def every_message_answers_octet_for_octet(self) -> None:
        for mailbox_id, model in zip(self.ids, self.boxes, strict=True):
            known = model.visible | {uid: octets for uid, (_, octets) in model.hidden.items()}
            for uid in range(1, model.next_uid + 1):
                assert fetch(self.stores[uid % 2], mailbox_id, uid) == known.get(uid)

    @invariant()
    def copies_are_those_of_the_journeys(self) -> None:
        assert count(self.place, "copy") == sum(copies for _, copies in self.journeys)

    def _start(self) -> None:
        self.stores: list[Store] = [
            self.place.open(keep_removed_s=KEEP_REMOVED_S, keep_history_s=KEEP_HISTORY_S)
            for _ in range(2)
        ]

    def _end_sessions(self) -> None:
        for model in self.boxes:
            if model.lock is not None:
                model.lock.release()
            model.lock = model.opened = None

    def _accounts(self) -> list[int]:
        """How many accounts, mailboxes, addresses and given names there are."""
        tables = ("account", "mailbox", "address", "given_name")
        return [count(self.place, table) for table in tables]

    def _letter(self, envelope: list[tuple[int, str]], body: bytes) -> Write:
        recipients = [(name, self.ids[box]) for box, name in envelope]
        return letter(*recipients, body=body, at_s=self.now_s)

    def _expect(self, envelope: list[tuple[int, str]], body: bytes) -> None:
        self.journeys.append((self.now_s, len(envelope)))
        first_name = dict(reversed(envelope))
        for box, name in first_name.items():
            model = self.boxes[box]
            model.visible[model.next_uid] = as_fetched(name, body)
            self.birth_count += 1
            model.births[model.next_uid] = self.birth_count
            model.next_uid += 1

    @staticmethod
    def _compare(listing: Listing, expected: dict[int, bytes]) -> None:
        listed = dict(zip(listing.uids, listing.sizes_octets, strict=True))
        assert list(listing.uids) == sorted(expected)
        assert listed == {uid: len(octets) for uid, octets in expected.items()}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_whatever_the_order_of_acts_the_store_is_what_its_model_says(engine: str) -> None:
    machine = type("StoreMachine", (StoreMachine,), {"engine": engine})
    examples = examples_on(engine, settings().max_examples // 6)
    steps = settings(max_examples=examples, stateful_step_count=25)
    run_state_machine_as_test(machine, settings=steps)
