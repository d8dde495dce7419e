"""`SmtpDoor`: aiosmtpd's SMTP as a thin shell around a `Connection`.

    asyncio  --connection_made, data_received...-->  SmtpDoor  --> Connection --> Commands
    aiosmtpd --smtp_EHLO, smtp_MAIL..., push----->      "            (has)         (has)

It owns no state: what the event loop or aiosmtpd calls is handed on.  The base class's
constructor is not called: it spends a third of a millisecond per connection on looking at its
own methods; what it would begin (a stream reader, a task, a timer) is not wanted here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiosmtpd.smtp import SMTP

from smtp_relay.inbound.commands.commands import COMMANDS, Commands
from smtp_relay.inbound.connection.connection import Connection
from smtp_relay.inbound.connection.voice import Voice
from smtp_relay.inbound.service import Listener, Service


class SmtpDoor(SMTP):
    """One connection to one of our listeners."""

    __slots__ = ("connection",)

    def __init__(self, service: Service, listener: Listener, *, voice: type[Voice] = Voice) -> None:
        self.connection = Connection(service, listener, Commands, voice=voice)

    def connection_made(self, transport: Any) -> None:
        self.connection.made(transport)

    def data_received(self, data: bytes) -> None:
        self.connection.received(data)

    def eof_received(self) -> bool:
        return self.connection.half_closed()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self.connection.lost()

    def pause_writing(self) -> None:
        self.connection.blocked()

    def resume_writing(self) -> None:
        self.connection.unblocked()

    async def push(self, status: str | bytes) -> None:
        """aiosmtpd's way to reply; `status` has no CRLF."""
        octets = status.encode("ascii", "replace") if isinstance(status, str) else status
        self.connection.voice.out.append(octets + b"\r\n")


def _handed_on(word: str) -> Callable[[SmtpDoor, str | None], Awaitable[None]]:
    async def carry_out(self: SmtpDoor, arg: str | None) -> None:
        line = word if arg is None else f"{word} {arg}"
        self.connection.carry_out(line.encode("utf-8", "surrogateescape"))

    return carry_out


for _command in COMMANDS:  # none of the base's own may answer
    setattr(SmtpDoor, f"smtp_{_command.word}", _handed_on(_command.word))
