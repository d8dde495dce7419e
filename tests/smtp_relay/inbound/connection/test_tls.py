"""Handshakes on uvloop over fakes, contexts, and certificates that change."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
import uvloop

from mailserver.routing.relaying import Role
from mailserver.settings.model import Settings
from mailserver.supervisor import contract
from mailserver.tls.contexts import make_contexts
from smtp_relay.inbound.connection.watch import Watch
from smtp_relay.inbound.door import SmtpDoor
from smtp_relay.inbound.service import Listener
from smtp_relay.inbound.worker import make_listener
from tests.smtp_relay.inbound import house
from tests.smtp_relay.inbound.fakes import Hall


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    house.write_certificate(tmp_path)
    return house.make_settings(tmp_path, {})


class Live:
    """The door on a real socket, inside the test's own loop."""

    def __init__(self, hall: Hall, listener: Listener) -> None:
        self.hall = hall
        self._listener = listener
        self._server: asyncio.Server | None = None
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._server = await self.hall.loop.create_server(
            lambda: SmtpDoor(self.hall.service, self._listener), "127.0.0.1", 0
        )
        port = self._server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        await self.reader.readline()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        self.hall.service.last_words.close()  # as a worker does at its end

    async def talk(self, octets: bytes) -> bytes:
        """Send one command; its reply's last line."""
        self.writer.write(octets)
        while (line := await self.reader.readline())[3:4] == b"-":
            pass
        return line

    async def until_no_session(self) -> None:
        while self.hall.service.sessions:  # noqa: ASYNC110 - nobody signals the last one's end
            await asyncio.sleep(0)


def submission(settings: Settings) -> Listener:
    contexts = make_contexts(settings)
    return Listener(name="submission", role=Role.SUBMISSION, language="en", tls=contexts.modern)


def test_a_handshake_forgets_what_was_said_in_clear(
    loop: asyncio.AbstractEventLoop, settings: Settings, tmp_path: Path
) -> None:
    async def play() -> None:
        async with Live(Hall(loop), submission(settings)) as live:
            await live.talk(b"EHLO x\r\n")
            assert (await live.talk(b"STARTTLS\r\n")).startswith(b"220")
            trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            await live.writer.start_tls(trust, server_hostname="localhost")
            assert (await live.talk(b"AUTH PLAIN =\r\n")).startswith(b"503")
            assert (await live.talk(b"EHLO x\r\n")).startswith(b"250")
            assert (await live.talk(b"STARTTLS\r\n")).startswith(b"503")
            (session,) = live.hall.service.sessions
            assert isinstance(session, Watch)
            assert session.connection.is_over_tls
            assert (await live.talk(b"QUIT\r\n")).startswith(b"221")
            await live.until_no_session()

    loop.run_until_complete(play())


@pytest.mark.parametrize("junk", [b"no handshake\r\n" * 20, b""], ids=["junk", "end of file"])
def test_a_handshake_that_fails_leaves_no_session(
    loop: asyncio.AbstractEventLoop, settings: Settings, junk: bytes
) -> None:
    async def play() -> None:
        hall = Hall(loop)
        async with Live(hall, submission(settings)) as live:
            await live.talk(b"EHLO x\r\n")
            await live.talk(b"STARTTLS\r\n")
            live.writer.write(junk)
            live.writer.close()
            await live.until_no_session()
        assert hall.service.counters.open_connections == 0
        assert hall.service.counters.faults == 0

    loop.run_until_complete(play())


def test_the_legacy_listener_takes_old_tls_and_only_its_networks(tmp_path: Path) -> None:
    house.write_certificate(tmp_path)
    settings = house.make_settings(
        tmp_path, {"legacy.enabled": True, "legacy.networks": ["192.0.2.0/24", "2001:db8::/32"]}
    )
    contexts = make_contexts(settings)
    assert contexts.legacy is not None
    assert contexts.legacy.minimum_version == ssl.TLSVersion.TLSv1
    assert contexts.modern.minimum_version == ssl.TLSVersion.TLSv1_2
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        listener = make_listener(
            contract.Listener(name="legacy-submissions", sock=sock), settings, contexts
        )
    assert listener.is_tls
    assert listener.role is Role.SUBMISSION
    for peer in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        assert listener.admits(peer)
    for peer in ("198.51.100.1", "::1", "fe80::1%eth0"):
        assert not listener.admits(peer)


@pytest.mark.parametrize(
    ("name", "role", "is_tls", "language"),
    [
        ("mx", Role.MX, False, "en"),
        ("submission", Role.SUBMISSION, False, "fr"),
        ("submissions", Role.SUBMISSION, True, "fr"),
    ],
)
def test_what_a_listeners_name_means(
    tmp_path: Path, name: str, role: Role, language: str, *, is_tls: bool
) -> None:
    house.write_certificate(tmp_path)
    settings = house.make_settings(tmp_path, {"service.language": "fr"})
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        listener = make_listener(
            contract.Listener(name=name, sock=sock), settings, make_contexts(settings)
        )
    assert (listener.role, listener.is_tls, listener.language) == (role, is_tls, language)
    assert not listener.allows_plaintext


@pytest.mark.parametrize(
    "case",
    [(b"", b"421 4.7.0 ", "silent"), (b"\x16\x03\x01\x02\x00\x01", b"", "too_slow")],
)
def test_a_handshake_has_an_end_and_who_was_silent_hears_what_the_port_speaks(
    loop: asyncio.AbstractEventLoop,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[bytes, bytes, str],
) -> None:
    octets, heard, counter = case
    monkeypatch.setattr("smtp_relay.inbound.connection.handshake.HANDSHAKE_TIMEOUT_S", 0.2)
    hall = Hall(loop)
    listener = replace(submission(settings), name="submissions", is_tls=True)

    async def play() -> None:
        server = await loop.create_server(lambda: SmtpDoor(hall.service, listener), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(octets)
        assert (await reader.read()).startswith(heard)
        writer.close()
        server.close()
        await server.wait_closed()

    loop.run_until_complete(play())
    assert hall.service.handshakes.counters() == {f"tls.failed.{counter}": 1.0}
    assert not hall.service.sessions
    hall.service.last_words.close()
