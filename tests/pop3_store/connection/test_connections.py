"""The sweep, the limits and the drain, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.testing import StringTransport

from pop3_store.connection.connections import CLOSE_GRACE_S, HANDSHAKE_S, Connections
from pop3_store.connection.protocol import MAX_WAITING_OCTETS, Pop3Protocol
from tests.pop3_store.fakes import (
    INBOX,
    PASSWORD,
    FakeCommitter,
    FakeGate,
    FakeNotebook,
    FakeStore,
    make_circuit,
    make_server,
    store_of,
)
from tests.pop3_store.transcripts import BODIES

IDLE_S = 600.0
SIGN_IN = b"USER frot\r\nPASS " + PASSWORD + b"\r\n"


class ManualLoop:
    """Runs what was asked for when the test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []

    def callFromThread(self, f: Callable[..., object], *args: object) -> object:  # noqa: N802
        return self.callLater(0, f, *args)

    def callLater(self, delay: float, f: Callable[..., object], *args: object) -> object:  # noqa: N802
        self.due.append(lambda: f(*args))
        return None

    def run(self) -> None:
        while self.due:
            self.due.pop(0)()


class Wire(StringTransport):
    """A peer that reads nothing while `unsent_octets` says so."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.unsent_octets = 0
        self.is_aborted = False

    def said(self) -> bytes:
        octets: bytes = self.value()  # type: ignore[no-untyped-call]
        self.clear()  # type: ignore[no-untyped-call]
        return octets

    def was_cut(self) -> bool:
        return self.is_aborted

    def abortConnection(self) -> None:  # noqa: N802
        self.is_aborted = True


class House:
    def __init__(self, store: FakeStore, *, gate: FakeGate | None = None) -> None:
        self.store = store
        self.gate = gate or FakeGate()
        self.committer = FakeCommitter(store)
        self.notebook = FakeNotebook()
        self.loop = ManualLoop()
        self.connections = Connections(
            server=make_server(store),
            gate=self.gate,
            committer=self.committer,
            notebook=self.notebook,
            loop=self.loop,
            max_connections=10,
            idle_timeout_s=IDLE_S,
            worker_name="t",
        )

    def connect(self, *, is_tls: bool = False) -> tuple[Pop3Protocol, Wire]:
        circuit = make_circuit(is_tls=is_tls, clear=True)
        no_tls: Any = None
        protocol = Pop3Protocol(self.connections, circuit, no_tls)
        wire = Wire()
        protocol.makeConnection(wire)  # type: ignore[no-untyped-call]
        return protocol, wire


def test_an_idle_session_is_closed_without_a_word_and_deletes_nothing() -> None:
    house = House(store_of(*BODIES))
    protocol, wire = house.connect()
    protocol.dataReceived(SIGN_IN + b"DELE 1\r\n")
    house.connections.sweep(now_s=100.0)
    wire.said()
    house.connections.sweep(now_s=100.0 + IDLE_S - 1)
    assert not wire.was_cut()
    house.connections.sweep(now_s=100.0 + IDLE_S)
    assert wire.was_cut()
    assert wire.said() == b""
    assert house.store.held == set()
    assert house.committer.written == []


def test_any_command_puts_the_autologout_off() -> None:
    house = House(store_of(*BODIES))
    protocol, wire = house.connect()
    protocol.dataReceived(SIGN_IN)
    for minute in range(0, 120, 9):
        protocol.dataReceived(b"NOOP\r\n")
        house.connections.sweep(now_s=minute * 60.0)
    assert not wire.was_cut()


def test_octets_that_never_make_a_line_do_not_put_it_off() -> None:
    house = House(store_of(*BODIES))
    protocol, wire = house.connect()
    for minute in range(12):
        protocol.dataReceived(b"x")
        house.connections.sweep(now_s=minute * 60.0)
    assert wire.was_cut()


def test_a_slow_reader_lives_as_long_as_it_reads() -> None:
    house = House(store_of(*BODIES))
    _, wire = house.connect()
    for unsent, now_s in ((3000, 0.0), (2000, 599.0), (1000, 1198.0), (1000, 1797.0)):
        wire.unsent_octets = unsent
        house.connections.sweep(now_s=now_s)
        assert not wire.was_cut()
    house.connections.sweep(now_s=1798.0)
    assert wire.was_cut()


def test_a_peer_that_does_not_see_our_close_is_cut_off() -> None:
    house = House(store_of(*BODIES))
    protocol, wire = house.connect()
    protocol.dataReceived(b"QUIT\r\n")
    assert wire.disconnecting
    assert house.connections.is_empty
    house.connections.sweep(now_s=0.0)
    house.connections.sweep(now_s=CLOSE_GRACE_S)
    assert wire.was_cut()


def test_a_handshake_that_never_ends_is_cut_off() -> None:
    house = House(store_of(*BODIES))
    _, stuck = house.connect(is_tls=True)
    done, wire = house.connect(is_tls=True)
    done.handshakeCompleted()
    house.connections.sweep(now_s=0.0)
    house.connections.sweep(now_s=HANDSHAKE_S)
    assert stuck.was_cut()
    assert not wire.was_cut()


def test_commands_stop_while_the_transport_is_full() -> None:
    house = House(store_of(*BODIES))
    protocol, wire = house.connect()
    protocol.dataReceived(SIGN_IN)
    wire.said()
    protocol.pauseProducing()
    protocol.dataReceived(b"DELE 1\r\nQUIT\r\n")
    assert wire.said() == b""
    protocol.connectionLost()
    assert house.committer.written == []
    assert house.store.held == set()


def test_reading_stops_when_a_busy_session_has_enough_and_goes_on_later() -> None:
    gate = FakeGate(holds_back=True)
    house = House(store_of(*BODIES), gate=gate)
    protocol, wire = house.connect()
    protocol.dataReceived(SIGN_IN)
    protocol.dataReceived(b"NOOP\r\n" * (MAX_WAITING_OCTETS // 6 + 1))
    assert wire.producerState == "paused"
    gate.release()
    house.loop.run()
    assert wire.producerState == "producing"
    assert wire.said().count(b"+OK Nothing to do\r\n") == MAX_WAITING_OCTETS // 6 + 1


def test_replies_to_pipelined_commands_go_out_in_one_write() -> None:
    house = House(store_of(*BODIES))
    protocol, wire = house.connect()
    written: list[bytes] = []
    wire.write = written.append  # type: ignore[method-assign]
    protocol.dataReceived(SIGN_IN + b"STAT\r\nUIDL\r\nRETR 1\r\nQUIT\r\n")
    assert len(written) == 1


def test_draining_finishes_a_running_quit() -> None:
    house = House(store_of(*BODIES))
    house.committer.holds_back = True
    protocol, wire = house.connect()
    _, idle_wire = house.connect()
    protocol.dataReceived(SIGN_IN + b"DELE 1\r\nQUIT\r\n")
    house.connections.drain()
    assert idle_wire.disconnecting
    assert house.connections.pending_removals == 1
    house.committer.release()
    assert wire.said().endswith(b"+OK Goodbye\r\n")
    assert wire.disconnecting
    assert house.connections.is_empty


def test_a_removal_outlives_its_connection() -> None:
    house = House(store_of(*BODIES))
    house.committer.holds_back = True
    protocol, _ = house.connect()
    protocol.dataReceived(SIGN_IN + b"DELE 1\r\nQUIT\r\n")
    protocol.connectionLost()
    assert house.connections.pending_removals == 1
    assert house.store.held == {INBOX}
    house.committer.release()
    assert house.connections.is_empty
    assert house.store.held == set()


def test_one_session_cannot_keep_the_loop_to_itself() -> None:
    house = House(store_of(*([b"x" * 50_000] * 60)))
    protocol, wire = house.connect()
    protocol.dataReceived(SIGN_IN + b"".join(b"RETR %d\r\n" % n for n in range(1, 61)))
    assert 1_000_000 < len(wire.said()) < 2_000_000
    house.loop.run()
    assert len(wire.said()) > 1_000_000


class BrokenGate(FakeGate):
    def authenticate(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError("inner text")


def test_a_gate_that_fails_is_sys_temp() -> None:
    house = House(store_of(), gate=BrokenGate())
    protocol, wire = house.connect()
    protocol.dataReceived(SIGN_IN)
    assert wire.said().endswith(b"-ERR [SYS/TEMP] Service unavailable, try again later\r\n")
