"""Next hops of other people's making: smtp-sink, Postfix, aiosmtpd."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from bench.process import find_free_ports, greets, wait_until
from mailserver.store.ports.queue import QueuedMessage
from smtp_relay.delivery.plan import Protocol, TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import Kind
from tests import programs
from tests.smtp_relay.delivery.client.letters import HEAD, make_message, make_transaction
from tests.smtp_relay.delivery.client.live import Listener, connect, run
from tests.smtp_relay.delivery.private_postfix import open_folder, running_postfix
from tests.store.opened import reader_of

WISHED = TlsDemand(level=TlsLevel.OPPORTUNISTIC, source="default")
_LINE = b".a line that begins with a dot, \xc3\xa9\r\n"

_RULES = """\
virtual_mailbox_limit = 0
message_size_limit = 104857600
smtpd_relay_restrictions = reject_unauth_destination
local_header_rewrite_clients =
"""


class Keeper:
    """aiosmtpd's handler: keeps what came."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.contents.append(content)
        return "250 2.0.0 kept"


def filed(folder: Path, octets: int) -> QueuedMessage:
    """A large message in a file: lines that begin with a dot, 8-bit."""
    body = b"Subject: large\r\n\r\n" + _LINE * (octets // len(_LINE))
    path = folder / "body"
    path.write_bytes(body)
    return make_message(body, octets=None, reader=reader_of(os.open(path, os.O_RDONLY)))


async def deliver(port: int, *messages: QueuedMessage, tls: TlsDemand = WISHED) -> Listener:
    """All of them over one connection."""
    listener = Listener(more=[make_transaction(message=message) for message in messages])
    connection = await connect(port, listener, tls=tls)
    listener.feed(connection)
    await listener.until_done(len(messages))
    connection.close()
    assert await listener.until_lost() is None
    return listener


@pytest.mark.slow
@programs.needs_program("smtp-sink")
def test_smtp_sink_takes_small_and_large(tmp_path: Path) -> None:
    (port,) = find_free_ports(1)
    user = ["-u", "postfix"] if os.geteuid() == 0 else []
    sink = subprocess.Popen(["smtp-sink", *user, f"127.0.0.1:{port}", "100"])
    message = filed(tmp_path, 20 * 1024 * 1024)

    async def play() -> None:
        small = [make_message() for _ in range(100)]
        listener = await deliver(port, *small, message, *small)
        assert listener.kinds() == [Kind.TAKEN] * 201

    try:
        wait_until(lambda: greets(port, b"220 "), what="smtp-sink", timeout_s=10)
        run(play())
    finally:
        message.close()
        sink.terminate()
        sink.wait()


@pytest.fixture
def postfix() -> Iterator[tuple[int, Path]]:
    """A private one; its port, and the folder where mail for jean lands."""
    (port,) = find_free_ports(1)
    with (
        open_folder("client-postfix-") as folder,
        running_postfix(
            folder, port=port, hostname="mail.b.test", domain="b.test", rules=_RULES
        ) as mailbox,
    ):
        yield port, mailbox


@pytest.mark.slow
@programs.needs_program("postfix")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a private Postfix")
def test_postfix_takes_a_large_message_octet_for_octet(
    postfix: tuple[int, Path], tmp_path: Path
) -> None:
    port, mailbox = postfix
    message = filed(tmp_path, 30 * 1024 * 1024)
    mixed = make_transaction("nobody@b.test", "x@elsewhere.test")

    async def play() -> None:
        listener = Listener(more=[make_transaction(message=message), mixed])
        connection = await connect(port, listener, tls=WISHED)
        listener.feed(connection)
        await listener.until_done(2)
        connection.close()
        await listener.until_lost()
        assert listener.kinds() == [Kind.TAKEN, Kind.REFUSED, Kind.REFUSED]
        assert "queued as" in listener.done[0][1][0].words
        assert listener.done[0][1][0].has_dsn
        assert [verdict.status for verdict in listener.done[1][1]] == ["5.1.1", "5.7.1"]

    try:
        run(play())
    finally:
        message.close()
    wait_until(lambda: any(mailbox.glob("*")), what="the mailbox", timeout_s=20)
    (landed,) = mailbox.iterdir()
    sent = (HEAD + (tmp_path / "body").read_bytes()).replace(b"\r\n", b"\n")
    assert landed.read_bytes().endswith(sent)


@pytest.mark.parametrize("protocol", [Protocol.SMTP, Protocol.LMTP])
def test_aiosmtpd_keeps_what_was_sent(protocol: Protocol) -> None:
    """One command at a time: it offers no PIPELINING."""
    keeper = Keeper()
    server_class = LMTP if protocol is Protocol.LMTP else SMTP

    async def play() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: server_class(keeper, hostname="peer.test", loop=loop), "127.0.0.1", 0
        )
        async with server:
            port = server.sockets[0].getsockname()[1]
            listener = Listener(
                more=[make_transaction(message=make_message(b"\r\n.x")) for _ in "abc"]
            )
            connection = await connect(port, listener, protocol=protocol)
            listener.feed(connection)
            await listener.until_done(3)
            connection.close()
            await listener.until_lost()
        assert listener.kinds() == [Kind.TAKEN] * 3
        assert keeper.contents == [HEAD + b"\r\n.x\r\n"] * 3

    run(play())
