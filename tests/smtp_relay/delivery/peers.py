"""A next hop that does what a test tells it: a loopback server that plays scripts.

    async def script(wire: Wire) -> None:
        await wire.greet("PIPELINING")
        await wire.expect("MAIL FROM:<marie@a.test>")
        ...

    async with Peer(script) as peer:
        ... peer.port, peer.heard ...

Each connection plays the next script, the last one for ever.  When a script
returns, the connection is closed; one that fails, fails the test at the end of
the `async with`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

import trustme

LOOPBACK = "127.0.0.1"
GIGABYTE = 1 << 30


class Gone(Exception):
    """The client has closed the connection."""


class Wire:
    """One connection, from the server's side.

    lines: the commands, decoded, without CRLF.  messages: the contents, still stuffed.
    said_octets: handed to the connection so far.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.lines: list[str] = []
        self.messages: list[bytes] = []
        self.said_octets = 0

    async def say(self, *lines: str) -> None:
        """In one packet."""
        await self.say_octets("".join(f"{line}\r\n" for line in lines).encode())

    async def say_octets(self, octets: bytes) -> None:
        self.writer.write(octets)
        self.said_octets += len(octets)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def line(self) -> str:
        """The next command.

        Raises:
            Gone: there is none.
        """
        try:
            octets = await self._reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error
        self.lines.append(octets[:-2].decode())
        return self.lines[-1]

    async def expect(self, *beginnings: str) -> None:
        for beginning in beginnings:
            line = await self.line()
            assert line.startswith(beginning), f"{line!r} is not {beginning!r}"

    async def greet(self, *offers: str) -> None:
        """Banner and the answer to EHLO or LHLO."""
        await self.say("220 peer.test ESMTP")
        await self.answer_hello(*offers)

    async def answer_hello(self, *offers: str) -> None:
        line = await self.line()
        assert line[:5] in {"EHLO ", "LHLO "}
        lines = ("peer.test", *offers)
        await self.say(*(f"250-{one}" for one in lines[:-1]), f"250 {lines[-1]}")

    async def envelope(self, recipient_count: int = 1) -> None:
        """Take MAIL, RCPT and DATA as they come."""
        for _ in range(recipient_count + 1):
            await self.line()
            await self.say("250 2.1.0 ok")
        await self.expect("DATA")
        await self.say("354 go")

    async def message(self) -> bytes:
        """All up to the final dot."""
        try:
            octets = await self._reader.readuntil(b"\r\n.\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error
        self.messages.append(octets)
        return octets

    async def say_for_ever(self, octets: bytes) -> None:
        """Again and again, until the client has enough of it: a gigabyte at most."""
        while self.said_octets < GIGABYTE and not self.writer.transport.is_closing():
            await self.say_octets(octets)

    async def packet(self) -> bytes:
        """What came together; nothing where the client has gone."""
        return await self._reader.read(1 << 20)

    async def octets(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    async def rest(self) -> bytes:
        """All that the client still says, until it goes."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    async def take_all(self, answer: str = "250 2.0.0 queued") -> None:
        """Take message after message until QUIT."""
        with contextlib.suppress(Gone):
            while (line := await self.line()) != "QUIT":
                if line == "DATA":
                    await self.say("354 go")
                    await self.message()
                    await self.say(answer)
                else:
                    await self.say("250 2.1.0 ok")
            await self.say("221 bye")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self.expect("STARTTLS")
        await self.say("220 go")
        await self.writer.start_tls(context)

    def stop_reading(self) -> None:
        """What the client sends from now on fills the sockets, and no more."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def stall(self) -> None:
        """Say nothing and read nothing more until the test has ended."""
        await asyncio.Event().wait()

    def cut(self) -> None:
        """End the connection as a crash does."""
        self.writer.transport.abort()


Script = Callable[[Wire], Awaitable[None]]


class Peer:
    """wires: one for each connection so far.  tls: from the first octet."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._wanted_port = port
        self._scripts = list(scripts)
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: list[BaseException] = []
        self._server: asyncio.Server | None = None
        self.wires: list[Wire] = []
        self.port = 0

    @property
    def heard(self) -> list[str]:
        """Every command, in the order of connections."""
        return [line for wire in self.wires for line in wire.lines]

    @property
    def messages(self) -> list[bytes]:
        return [message for wire in self.wires for message in wire.messages]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._play, LOOPBACK, self._wanted_port, ssl=self._tls, limit=64 * 1024 * 1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in self.wires:
            wire.writer.transport.abort()
        await self._server.wait_closed()
        for fault in self._faults:
            raise fault

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = Wire(reader, writer)
        script = self._scripts[min(len(self.wires), len(self._scripts) - 1)]
        self.wires.append(wire)
        try:
            await script(wire)
        except (Gone, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            pass
        except Exception as error:  # noqa: BLE001 - the test fails with it, at its end
            self._faults.append(error)
        finally:
            writer.close()


async def take_all(wire: Wire) -> None:
    """The peer that just works."""
    await wire.greet("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES")
    await wire.take_all()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
