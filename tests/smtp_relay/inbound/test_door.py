"""The shell on aiosmtpd owns nothing, and none of the base's own commands can answer."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from aiosmtpd.smtp import SMTP

from smtp_relay.inbound.commands.commands import COMMANDS
from smtp_relay.inbound.door import SmtpDoor
from tests.smtp_relay.inbound.fakes import Hall, Stage
from tests.smtp_relay.inbound.wire import ENVELOPE, codes


def test_every_command_of_the_base_is_handed_on() -> None:
    words = {name for name in dir(SMTP) if name.startswith("smtp_")}
    assert words <= {f"smtp_{command.word}" for command in COMMANDS}
    assert all(getattr(SmtpDoor, word) is not getattr(SMTP, word) for word in words)


def test_a_command_called_as_aiosmtpd_does_is_carried_out(
    loop: asyncio.AbstractEventLoop, hall: Hall
) -> None:
    stage = Stage(hall)
    stage.heard()

    async def play() -> None:
        await stage.door.smtp_EHLO("client.example")
        await stage.door.smtp_MAIL("FROM:<a@example.org>")
        await stage.door.push("250 said by the base")

    loop.run_until_complete(play())
    assert codes(stage.send(b"NOOP\r\n")) == ["250", "250 2.1.0", "250", "250 2.0.0"]


def test_the_shell_has_a_connection_and_nothing_else(hall: Hall) -> None:
    assert not vars(Stage(hall).door)


@pytest.mark.parametrize("octets", [b"", b"EHLO x\r\n", ENVELOPE + b"Subject: x\r\n\r\nhal"])
def test_a_connection_that_has_gone_is_freed_at_once(hall: Hall, octets: bytes) -> None:
    stage = Stage(hall)
    stage.send(octets)
    connection = weakref.ref(stage.door.connection)
    gc.disable()
    try:
        stage.drop()
        del stage.door, stage.transport
        assert connection() is None
    finally:
        gc.enable()
