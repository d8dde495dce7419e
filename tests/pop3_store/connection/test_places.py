"""One peer cannot take all places of the door."""

from __future__ import annotations

from typing import Any

from mailserver.peers.board import PeersBoard
from mailserver.peers.seats import Seat, Seats
from mailserver.settings.model import ConnectionsSettings
from pop3_store.connection.protocol import Pop3Protocol
from pop3_store.session.texts import Say
from tests.pop3_store.connection.test_connections import SIGN_IN, House, Wire
from tests.pop3_store.fakes import make_circuit, store_of

STRANGER, OTHER = "203.0.113.9", "198.51.100.1"


class Places(House):
    def __init__(self, *, most: int = 20, **limits: Any) -> None:
        super().__init__(store_of(b"a\r\n"))
        self.now_s = 1000.0
        self.connections.clock_s = lambda: self.now_s
        self.connections.seats = Seats(
            ConnectionsSettings(**({"per_block": 1000} | limits)),
            most=most,
            listeners=["pop3", "pop3s"],
            board=PeersBoard(None, now_s=self.now_s),
        )

    def come(self, peer: str = STRANGER) -> tuple[Pop3Protocol, Wire, Say | None]:
        no_tls: Any = None
        protocol = Pop3Protocol(self.connections, make_circuit(is_tls=False, clear=True), no_tls)
        refusal = self.connections.seat(protocol, door="pop3", peer=peer)
        wire = Wire()
        if refusal is None:
            protocol.makeConnection(wire)  # type: ignore[no-untyped-call]
            wire.said()
        return protocol, wire, refusal


def test_one_address_gets_so_many() -> None:
    house = Places(per_block=3)
    came = [house.come()[2] for _ in range(5)]
    assert came == [None] * 3 + [Say.TOO_MANY_FROM_THERE] * 2
    assert house.come(OTHER)[2] is None


def test_who_signs_in_makes_room_for_the_next_of_a_school() -> None:
    house = Places(per_block=1)
    for _ in range(5):
        protocol, _, refusal = house.come()
        assert refusal is None
        protocol.dataReceived(SIGN_IN)
        if protocol.maildrop_id is None:  # one maildrop, and it is taken
            protocol.connectionLost()
    assert house.connections.seats is not None
    assert len(house.connections.seats) == 1


def test_when_all_is_full_an_idle_stranger_hears_why_and_goes() -> None:
    house = Places(most=20)
    crowd = [one for one in (house.come() for _ in range(20)) if one[2] is None]
    assert house.come(OTHER)[2] is None
    said = [wire.said() for _, wire, _ in crowd]
    (word,) = filter(None, said)
    assert word.startswith(b"-ERR [SYS/TEMP] All places are taken")


def test_a_session_that_is_signed_in_stays() -> None:
    house = Places(most=10, per_account=1)
    protocol, _, _ = house.come()
    protocol.dataReceived(SIGN_IN)
    house.now_s += 100
    for number in range(100):
        house.come(f"10.{number}.0.1")
        house.now_s += 20
    assert protocol.maildrop_id is not None
    assert isinstance(protocol.seat, Seat)


def test_who_goes_leaves_nothing_behind() -> None:
    house = Places()
    for _ in range(5):
        house.come()[0].connectionLost()
    assert house.connections.seats is not None
    assert len(house.connections.seats) == 0
