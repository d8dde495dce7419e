"""A maildrop in use: PASS waits, in the order of arrival, and a vanished holder makes room."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailserver.peers.board import PeersBoard
from mailserver.store.ports.errors import StoreError, StoreUnavailable
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.values.ids import MailboxId
from pop3_store.connection.connections import Connections
from pop3_store.connection.protocol import Pop3Protocol
from pop3_store.connection.waiting import MOST_REFUSED, SUSPECT_S, WANTED_S, MaildropQueue
from tests.pop3_store.connection.test_connections import SIGN_IN, ManualLoop, Wire
from tests.pop3_store.fakes import (
    INBOX,
    FakeCommitter,
    FakeGate,
    FakeNotebook,
    FakeStore,
    make_circuit,
    make_server,
    store_of,
)

WAIT_S, YIELD_S = 5.0, 60.0


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(eq=False)
class Someone:
    told: list[MaildropLock | StoreError | None] = field(default_factory=list)

    def conclude_waiting(self, lock: MaildropLock | StoreError | None) -> None:
        self.told.append(lock)


@dataclass(eq=False)
class SomeHolder:
    maildrop_id: MailboxId | None = INBOX
    silent_s: float = 0.0
    reasons: list[str] = field(default_factory=list)

    def is_suspect(self, *, after_s: float) -> bool:
        return self.silent_s >= after_s

    def abort(self, reason: str) -> None:
        self.reasons.append(reason)


class House:
    """One process; several share a board's file."""

    def __init__(self, store: FakeStore, clock: Clock, path: Path | None = None) -> None:
        self.board = PeersBoard(path, now_s=clock.now_s)
        self.queue = MaildropQueue(store, self.board, clock_s=clock, wait_s=WAIT_S, yield_s=YIELD_S)


@pytest.fixture
def store() -> FakeStore:
    return store_of(b"a\r\n")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def hold(store: FakeStore) -> MaildropLock:
    lock = store.lock_maildrop(INBOX)
    assert lock is not None
    return lock


def test_the_first_who_came_is_the_first_let_in(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    lock, people = hold(store), [Someone() for _ in range(3)]
    for one in people:
        queue.enter(one, INBOX)
        clock.now_s += 0.1
    queue.tick()
    assert not any(one.told for one in people)
    lock.release()
    queue.tick()
    assert [len(one.told) for one in people] == [1, 0, 0]
    (given,) = people[0].told
    assert not isinstance(given, StoreError)
    assert given is not None
    given.release()
    queue.serve(INBOX)
    assert [len(one.told) for one in people] == [1, 1, 0]


def test_the_wait_ends(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    hold(store)
    one = Someone()
    queue.enter(one, INBOX)
    clock.now_s += WAIT_S
    queue.tick()
    assert one.told == [None]
    assert len(queue) == 0


def test_who_has_left_is_not_waited_for(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    lock, one, two = hold(store), Someone(), Someone()
    queue.enter(one, INBOX)
    queue.enter(two, INBOX)
    queue.leave(one)
    lock.release()
    queue.tick()
    assert (len(one.told), len(two.told)) == (0, 1)


def test_a_store_that_does_not_answer_is_told_to_who_waits(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    hold(store)
    one = Someone()
    queue.enter(one, INBOX)
    store.broken["lock_maildrop"] = StoreUnavailable("no descriptors")
    queue.tick()
    assert isinstance(one.told[0], StoreUnavailable)


def test_all_processes_make_one_queue(store: FakeStore, clock: Clock, tmp_path: Path) -> None:
    here, there = (House(store, clock, tmp_path / "board") for _ in range(2))
    for house in (here, there):
        house.board.beat(now_s=clock.now_s)
    lock, early, late = hold(store), Someone(), Someone()
    here.queue.enter(early, INBOX)
    clock.now_s += 0.1
    assert there.queue.is_waited_for(INBOX)  # a fresh PASS queues behind
    there.queue.enter(late, INBOX)
    lock.release()
    there.queue.tick()
    assert late.told == []
    here.queue.tick()
    assert len(early.told) == 1
    given = early.told[0]
    assert not isinstance(given, StoreError)
    assert given is not None
    given.release()
    there.queue.tick()
    assert len(late.told) == 1


def test_a_suspect_holder_makes_room_at_the_second_look(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    hold(store)
    holder, other = SomeHolder(silent_s=61.0), SomeHolder(MailboxId(99), silent_s=61.0)
    queue.look([holder, other])
    assert not holder.reasons  # nobody waits
    queue.enter(Someone(), INBOX)
    queue.look([holder, other])
    clock.now_s += SUSPECT_S - 0.1
    queue.look([holder, other])
    assert not holder.reasons
    clock.now_s += 0.1
    queue.look([holder, other])
    assert len(holder.reasons) == 1
    assert not other.reasons


def test_a_holder_that_answers_in_between_stays(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    hold(store)
    holder = SomeHolder(silent_s=61.0)
    queue.enter(Someone(), INBOX)
    queue.look([holder])
    holder.silent_s = 0.0
    clock.now_s += 1.0
    queue.look([holder])
    holder.silent_s = 61.0
    clock.now_s += SUSPECT_S
    queue.look([holder])
    assert not holder.reasons


def test_a_holder_is_asked_for_by_another_process(
    store: FakeStore, clock: Clock, tmp_path: Path
) -> None:
    here, there = (House(store, clock, tmp_path / "board") for _ in range(2))
    for house in (here, there):
        house.board.beat(now_s=clock.now_s)
    hold(store)
    holder = SomeHolder(silent_s=61.0)
    here.queue.enter(Someone(), INBOX)
    there.queue.look([holder])
    clock.now_s += SUSPECT_S
    there.queue.look([holder])
    assert len(holder.reasons) == 1


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_suspect_holder_makes_room_also_for_who_was_refused_at_once(
    store: FakeStore, clock: Clock, tmp_path: Path, *, is_elsewhere: bool
) -> None:
    here, there = (House(store, clock, tmp_path / "board") for _ in range(2))
    for house in (here, there):
        house.board.beat(now_s=clock.now_s)
    looks = there.queue if is_elsewhere else here.queue
    hold(store)
    holder = SomeHolder(silent_s=61.0)
    here.queue.note_refused(INBOX)
    assert not looks.is_waited_for(INBOX), "nobody waits: whoever comes next may have it"
    looks.look([holder])
    clock.now_s += SUSPECT_S
    looks.look([holder])
    assert len(holder.reasons) == 1


def test_what_was_wanted_a_while_ago_is_so_no_more(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    queue.note_refused(INBOX)
    clock.now_s += WANTED_S
    queue.look([SomeHolder(silent_s=61.0)])
    assert queue.wanted() == set()


def test_refusals_without_end_cost_bounded_memory(store: FakeStore, clock: Clock) -> None:
    queue = House(store, clock).queue
    for number in range(2 * MOST_REFUSED):
        queue.note_refused(MailboxId(number))
    assert len(queue.wanted()) == MOST_REFUSED


# --- through the door ---------------------------------------------------------------------


class Door:
    def __init__(self, store: FakeStore, clock: Clock, *, wait_s: float = WAIT_S) -> None:
        self.loop = ManualLoop()
        self.store, self.clock = store, clock
        self.queue = House(store, clock).queue
        server = make_server(store)
        self.connections = Connections(
            server=type(server)(
                store=store,
                replies=server.replies,
                max_failures=server.max_failures,
                clock=server.clock,
                on_broken=server.on_broken,
                log=server.log,
                tally=server.tally,
                lock_wait_s=wait_s,
                is_waited_for=self.queue.is_waited_for,
                on_unlock=self._unlocked,
                on_in_use=self.queue.note_refused,
            ),
            queue=self.queue,
            gate=FakeGate(),
            committer=FakeCommitter(store),
            notebook=FakeNotebook(),
            loop=self.loop,
            max_connections=50,
            idle_timeout_s=600.0,
            worker_name="t",
        )

    def _unlocked(self, mailbox_id: MailboxId) -> None:
        self.connections.unlocked(mailbox_id)

    def connect(self) -> tuple[Pop3Protocol, Wire]:
        protocol, wire = Pop3Protocol(self.connections, make_circuit(), None), Wire()  # type: ignore[arg-type]
        protocol.makeConnection(wire)  # type: ignore[no-untyped-call]
        wire.said()
        return protocol, wire

    def turn(self) -> None:
        """What is due now; a tick asks for the next one."""
        due, self.loop.due = self.loop.due, []
        for act in due:
            act()


@pytest.fixture
def door(store: FakeStore, clock: Clock) -> Door:
    return Door(store, clock)


def sign_in(door: Door) -> tuple[Pop3Protocol, Wire]:
    protocol, wire = door.connect()
    protocol.dataReceived(SIGN_IN)
    return protocol, wire


def test_pass_waits_until_the_holder_has_left(door: Door) -> None:
    first, _ = sign_in(door)
    second, wire = door.connect()
    second.dataReceived(SIGN_IN + b"STAT\r\n")  # what is pipelined waits too
    assert wire.said() == b"+OK Now send the password with PASS\r\n"
    door.turn()
    assert wire.said() == b""
    first.dataReceived(b"QUIT\r\n")
    door.turn()
    assert wire.said().startswith(b"+OK 1 message (")
    assert second.maildrop_id == INBOX


def test_pass_does_not_wait_for_ever(door: Door, clock: Clock) -> None:
    sign_in(door)
    _, wire = sign_in(door)
    clock.now_s += WAIT_S
    door.turn()
    assert b"-ERR [IN-USE] " in wire.said()


def test_a_herd_is_let_in_one_after_the_other(door: Door) -> None:
    herd = [sign_in(door) for _ in range(20)]
    order = []
    for _ in range(60):
        for number, (protocol, _) in enumerate(herd):
            if protocol.maildrop_id == INBOX:
                order.append(number)
                protocol.dataReceived(b"QUIT\r\n")
        door.turn()
    assert order == list(range(20))


def test_a_client_that_leaves_while_it_waits_leaves_no_lock(door: Door, store: FakeStore) -> None:
    first, _ = sign_in(door)
    second, _ = sign_in(door)
    second.connectionLost()
    first.dataReceived(b"QUIT\r\n")
    door.turn()
    door.turn()
    assert not store.held
    assert len(door.queue) == 0


def test_a_password_changed_meanwhile_does_not_open_it(door: Door, store: FakeStore) -> None:
    first, _ = sign_in(door)
    _, wire = sign_in(door)
    store.version = 2
    first.connectionLost()
    door.turn()
    assert b"-ERR [AUTH] " in wire.said()
    assert not store.held


def test_at_the_end_of_the_process_nobody_waits(door: Door) -> None:
    sign_in(door)
    _, wire = sign_in(door)
    door.connections.drain()
    assert b"-ERR [IN-USE] " in wire.said()


@pytest.mark.parametrize("wait_s", [0.0, 1.0])
def test_whoever_does_not_wait_long_has_the_next_try_for_a_holder_that_vanished(
    store: FakeStore, clock: Clock, wait_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.pop3_store.connection.test_waiting.WAIT_S", wait_s)
    door = Door(store, clock, wait_s=wait_s)
    holder, _ = sign_in(door)
    monkeypatch.setattr(Pop3Protocol, "is_suspect", lambda _self, *, after_s: after_s == YIELD_S)
    _, wire = sign_in(door)
    clock.now_s += wait_s
    door.turn()
    assert b"-ERR [IN-USE] " in wire.said()
    door.connections.look_at_holders()
    clock.now_s += SUSPECT_S
    door.connections.look_at_holders()
    holder.connectionLost()  # as its loop says after the abort
    _, wire = sign_in(door)
    assert b"+OK 1 message (" in wire.said()
