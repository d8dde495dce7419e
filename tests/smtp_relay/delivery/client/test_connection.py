"""Connections to scripted peers on real sockets."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from mailserver.settings.model import DeliverySettings
from mailserver.values.secret import Secret
from smtp_relay.delivery.client.options import ConnectionOptions, Times, make_times
from smtp_relay.delivery.plan import Login, Protocol
from smtp_relay.delivery.verdicts import ConnectionFailure, Kind, Phase
from tests.smtp_relay.delivery.client.letters import BODY, HEAD, make_message, make_transaction
from tests.smtp_relay.delivery.client.live import Listener, connect, contexts, refused, run
from tests.smtp_relay.delivery.peers import Peer, Wire, take_all
from tests.store.opened import reader_of

BRIEF = Times(greeting_s=0.05, command_s=0.05, data_s=0.05, block_s=0.05, dot_s=0.05, quit_s=0.05)


def test_messages_one_after_the_other_and_quit() -> None:
    async def play() -> None:
        async with Peer(take_all) as peer:
            listener = Listener(more=[make_transaction() for _ in range(10)])
            connection = await connect(peer.port, listener)
            assert connection.facts.address == f"[127.0.0.1]:{peer.port}"
            assert connection.facts.tls == "in clear (STARTTLS not tried: test)"
            listener.feed(connection)
            await listener.until_done(10)
            connection.close()
            assert await listener.until_lost() is None
            assert listener.kinds() == [Kind.TAKEN] * 10
            assert peer.messages == [HEAD + BODY + b".\r\n"] * 10
            assert peer.heard[-1] == "QUIT"
            assert len(peer.wires) == 1

    run(play())


def test_a_large_file_streams_through(tmp_path: Path) -> None:
    body = b"S: x\r\n\r\n" + (b".dotted\r\n" + b"x" * 997 + b"\r\n") * 10_000
    path = tmp_path / "body"
    path.write_bytes(body)

    async def play() -> None:
        fd = os.open(path, os.O_RDONLY)
        message = make_message(body, octets=None, reader=reader_of(fd))
        async with Peer(take_all) as peer:
            listener = Listener(more=[make_transaction(message=message), make_transaction()])
            connection = await connect(peer.port, listener)
            listener.feed(connection)
            await listener.until_done(2)
            connection.close()
            await listener.until_lost()
            message.close()
            assert listener.kinds() == [Kind.TAKEN] * 2
            first = peer.messages[0]
            assert first.replace(b"\r\n..", b"\r\n.") == HEAD + body + b".\r\n"

    run(play())


def test_a_peer_that_stops_reading_a_large_message_is_given_up(tmp_path: Path) -> None:
    size = 64 * 1024 * 1024
    path = tmp_path / "body"
    path.touch()
    os.truncate(path, size)

    async def script(wire: Wire) -> None:
        await wire.greet("PIPELINING")
        await wire.envelope()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.stall()

    async def play() -> None:
        fd = os.open(path, os.O_RDONLY)
        message = make_message(b"", octets=None, reader=reader_of(fd, size), body_octets=size)
        async with Peer(script) as peer:
            listener = Listener(more=[make_transaction(message=message)])
            connection = await connect(peer.port, listener, times=Times(block_s=0.05))
            listener.feed(connection)
            failure = await listener.until_lost()
            message.close()
            assert failure is not None
            assert failure.phase is Phase.BODY
            (verdict,) = listener.done[0][1]
            assert (verdict.kind, verdict.is_after_dot) == (Kind.BROKEN, False)

    run(play())


async def _silent(wire: Wire) -> None:
    await wire.stall()


async def _silent_at_ehlo(wire: Wire) -> None:
    await wire.say("220 peer")
    await wire.stall()


async def _dribbling(wire: Wire) -> None:
    await wire.say("220-peer", "220-still")
    await wire.stall()


@pytest.mark.parametrize("script", [_silent, _silent_at_ehlo, _dribbling])
def test_a_peer_that_is_silent_before_it_is_open(script: object) -> None:
    async def play() -> None:
        async with Peer(script) as peer:  # type: ignore[arg-type]
            failure = await refused(peer.port, times=BRIEF)
            assert failure.status == "4.4.2"
            assert "no answer in" in failure.words

    run(play())


@pytest.mark.parametrize(
    ("silent_after", "times"),
    [
        ("MAIL", Times(command_s=0.1)),
        ("DATA", Times(data_s=0.05)),
        (".", Times(dot_s=0.05)),
    ],
)
def test_a_peer_that_falls_silent_in_a_transaction(silent_after: str, times: Times) -> None:
    async def script(wire: Wire) -> None:
        await wire.greet()
        if silent_after != "MAIL":
            await wire.line()
            await wire.say("250 ok")
            await wire.line()
            await wire.say("250 ok")
            if silent_after == ".":
                await wire.line()
                await wire.say("354 go")
        await wire.stall()

    async def play() -> None:
        async with Peer(script) as peer:
            listener = Listener(more=[make_transaction(), make_transaction()])
            connection = await connect(peer.port, listener, times=times)
            listener.feed(connection)
            await listener.until_lost()
            assert listener.kinds() == [Kind.BROKEN]
            assert listener.done[0][1][0].is_after_dot is (silent_after == ".")
            assert len(listener.lost[0][1]) == 1

    run(play())


async def _shouting(wire: Wire) -> None:
    while not wire.writer.is_closing():
        await wire.say_octets(b"x" * 65536)


async def _endless(wire: Wire) -> None:
    while not wire.writer.is_closing():
        await wire.say_octets(b"220-more\r\n" * 8000)


async def _senseless(wire: Wire) -> None:
    await wire.say("HTTP/1.1 200 OK")
    await wire.rest()


@pytest.mark.parametrize("script", [_shouting, _endless, _senseless])
def test_a_banner_that_never_ends_or_is_none(script: object) -> None:
    async def play() -> None:
        async with Peer(script) as peer:  # type: ignore[arg-type]
            failure = await refused(peer.port)
            assert (failure.phase, failure.status) == (Phase.GREETING, "4.5.0")
            assert not failure.is_permanent

    run(play())


def test_a_refused_connection_and_a_refusing_banner() -> None:
    async def script(wire: Wire) -> None:
        await wire.say("554 5.7.1 not you")
        await wire.rest()

    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        failure = await refused(port)
        assert (failure.phase, failure.status) == (Phase.CONNECT, "4.4.1")
        assert failure.words == "no connection: Connection refused"
        async with Peer(script) as peer:
            failure = await refused(peer.port)
            assert failure.is_permanent
            assert failure.words == "554 5.7.1 not you"

    run(play())


def test_a_connection_that_is_not_taken_in_time() -> None:
    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as sock:
            address = sock.getsockname()
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            failure = await refused(address[1], times=Times(connect_s=0.05))
            assert (failure.phase, failure.status) == (Phase.CONNECT, "4.4.1")
            for filler in fillers:
                filler.close()

    run(play())


def test_a_connection_that_is_cut_after_the_dot() -> None:
    async def script(wire: Wire) -> None:
        await wire.greet("PIPELINING")
        await wire.envelope()
        await wire.message()
        wire.cut()

    async def play() -> None:
        async with Peer(script) as peer:
            listener = Listener(more=[make_transaction()])
            connection = await connect(peer.port, listener)
            listener.feed(connection)
            failure = await listener.until_lost()
            (verdict,) = listener.done[0][1]
            assert (verdict.kind, verdict.is_after_dot) == (Kind.BROKEN, True)
            assert failure is not None
            assert failure.status == "4.4.2"

    run(play())


def test_lmtp_over_a_socket() -> None:
    async def script(wire: Wire) -> None:
        await wire.greet("PIPELINING")
        await wire.envelope(recipient_count=2)
        await wire.message()
        await wire.say("250 2.0.0 in", "452 4.2.2 full")
        await wire.rest()

    async def play() -> None:
        async with Peer(script) as peer:
            listener = Listener(more=[make_transaction("a@b.test", "c@b.test")])
            connection = await connect(peer.port, listener, protocol=Protocol.LMTP)
            listener.feed(connection)
            await listener.until_done(1)
            connection.abort()
            assert peer.heard[0] == "LHLO us.test"
            assert listener.kinds() == [Kind.TAKEN, Kind.LATER]
            await listener.until_lost()

    run(play())


def test_a_password_crosses_loopback_in_clear() -> None:
    async def script(wire: Wire) -> None:
        await wire.greet("AUTH PLAIN")
        await wire.expect("AUTH PLAIN AHVzAHNlY3JldA==")
        await wire.say("235 2.7.0 welcome")
        await wire.rest()

    async def play() -> None:
        async with Peer(script) as peer:
            login = Login(user_name="us", password=Secret("secret"))
            connection = await connect(peer.port, login=login)
            connection.abort()

    run(play())


def test_what_a_hop_cannot_take_is_told_after_offer_returns() -> None:
    async def play() -> None:
        async with Peer(take_all) as peer:
            listener = Listener(more=[make_transaction("\u00e9@b.test") for _ in range(3000)])
            connection = await connect(peer.port, listener)
            listener.feed(connection)
            assert listener.done == []
            await listener.until_done(3000)
            connection.abort()
            await listener.until_lost()
            assert set(listener.kinds()) == {Kind.REFUSED}

    run(play())


def test_a_peer_that_never_answers_quit_is_left_all_the_same() -> None:
    async def script(wire: Wire) -> None:
        await wire.greet("PIPELINING")
        await wire.expect("QUIT")
        await wire.stall()

    async def play() -> None:
        async with Peer(script) as peer:
            listener = Listener()
            connection = await connect(peer.port, listener, times=Times(quit_s=0.05))
            connection.close()
            assert await listener.until_lost() is None

    run(play())


def test_abort_gives_back_what_was_not_touched() -> None:
    async def script(wire: Wire) -> None:
        await wire.greet("PIPELINING")
        await wire.stall()

    async def play() -> None:
        async with Peer(script) as peer:
            second = make_transaction()
            listener = Listener(more=[make_transaction(), second])
            connection = await connect(peer.port, listener)
            listener.feed(connection)
            connection.abort()
            failure = await listener.until_lost()
            assert isinstance(failure, ConnectionFailure)
            assert listener.kinds() == [Kind.BROKEN]
            assert listener.lost[0][1] == [second]

    run(play())


def test_a_peer_always_meets_the_same_of_our_addresses() -> None:
    ours = (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"), IPv6Address("2001:db8::1"))
    options = ConnectionOptions(
        hostname="us.test",
        contexts=contexts(),
        is_still_ours=lambda: True,
        source_addresses=ours,
    )
    first = options.source_for("198.51.100.7")
    assert first in {("192.0.2.1", 0), ("192.0.2.2", 0)}
    assert options.source_for("198.51.100.7") == first
    assert options.source_for("2001:db8::2") == ("2001:db8::1", 0)
    sources = {options.source_for(f"198.51.100.{n}") for n in range(20)}
    assert len(sources) == 2


def test_the_times_are_those_of_the_settings() -> None:
    times = make_times(DeliverySettings(dot_timeout_s=7, connect_timeout_s=3))
    assert (times.of(Phase.DOT), times.of(Phase.CONNECT), times.of(Phase.MAIL)) == (7, 3, 300)
    assert times.tick_s == 7 / 4
