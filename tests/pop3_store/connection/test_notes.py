"""What a session collected is noted at its end, off the loop, and costs the session nothing."""

from __future__ import annotations

import threading
from array import array

import structlog

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.history import Collection
from pop3_store.connection.notes import MAX_WAITING, NoteThread
from pop3_store.session.listing import Collected
from pop3_store.session.states import Signal
from tests.pop3_store.connection.test_connections import House
from tests.pop3_store.fakes import INBOX, PASSWORD, FakeStore, Shell, store_of

SIGN_IN = b"USER frot\r\nPASS " + PASSWORD + b"\r\n"
AT = Collection(at_s=1000.0, door="pop3s", peer="192.0.2.1")
LONG = b"x" * 70 + b"\r\n"


def collected(store: FakeStore, commands: bytes) -> Collected | None:
    shell = Shell(store)
    shell.feed(SIGN_IN + commands)
    return shell.session.access.take_collected()


def test_what_was_retrieved_is_told_once_with_when_and_from_where() -> None:
    shell = Shell(store_of(b"a\r\n", b"b\r\n", b"c\r\n"))
    shell.feed(SIGN_IN + b"RETR 1\r\nRETR 3\r\nQUIT\r\n")
    found = shell.session.access.take_collected()
    assert found is not None
    assert (found.mailbox_id, list(found.uids), found.collection) == (INBOX, [11, 13], AT)
    assert shell.session.access.take_collected() is None


def test_top_and_list_collect_nothing() -> None:
    assert collected(store_of(b"a\r\n\r\nb\r\n"), b"TOP 1 5\r\nLIST\r\nUIDL\r\nQUIT\r\n") is None


def test_a_filed_message_counts_once_its_last_chunk_was_handed_out() -> None:
    found = collected(store_of(LONG * 20_000, filed=[1]), b"RETR 1\r\nQUIT\r\n")
    assert found is not None
    assert list(found.uids) == [11]


def test_a_message_whose_reader_left_half_way_was_not_collected() -> None:
    shell = Shell(store_of(b"a\r\n", LONG * 20_000, filed=[2]))
    shell.feed(SIGN_IN + b"RETR 1\r\n")
    shell.session.receive(b"RETR 2\r\n")
    assert shell.session.advance() is Signal.FLUSH
    shell.lose()
    found = shell.session.access.take_collected()
    assert found is not None
    assert list(found.uids) == [11]


def test_the_protocol_notes_it_when_the_connection_is_gone() -> None:
    house = House(store_of(b"a\r\n"))
    protocol, _ = house.connect()
    protocol.dataReceived(SIGN_IN + b"RETR 1\r\n")
    assert house.notebook.noted == []
    protocol.connectionLost()
    (noted,) = house.notebook.noted
    assert list(noted.uids) == [11]


def test_the_thread_writes_what_waits_before_it_stops() -> None:
    store = FakeStore()
    notes = NoteThread(store, log=structlog.get_logger())
    for uid in range(1, 4):
        notes.note(Collected(INBOX, array("Q", [uid]), AT))
    notes.stop()
    assert [uids for _, uids, _ in store.collected_uids] == [(1,), (2,), (3,)]


def test_a_fault_costs_one_note_and_no_more() -> None:
    store = FakeStore(broken={"note_collected": StoreUnavailable("busy")})
    notes = NoteThread(store, log=structlog.get_logger())
    notes.note(Collected(INBOX, array("Q", [1]), AT))
    notes.stop()
    assert store.collected_uids == []


def test_what_does_not_fit_is_forgotten_and_nobody_waits() -> None:
    may_go = threading.Event()

    class Slow(FakeStore):
        def note_collected(self, *arguments: object) -> None:
            may_go.wait(30)

    notes = NoteThread(Slow(), log=structlog.get_logger())
    for _ in range(MAX_WAITING + 10):
        notes.note(Collected(INBOX, array("Q", [1]), AT))
    may_go.set()
    notes.stop()


def test_a_worker_that_saw_no_retrieval_has_no_thread_to_stop() -> None:
    NoteThread(FakeStore(), log=structlog.get_logger()).stop()
