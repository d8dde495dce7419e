"""Reading replies, and the beginnings of conversations that many tests share."""

from __future__ import annotations

import base64
import re

import pytest

from smtp_relay.inbound.service import Listener
from tests.smtp_relay.inbound.fakes import MX, PASSWORD, Hall, Stage

SIZES = pytest.mark.parametrize("size", [None, 1, 7], ids=["whole", "octet by octet", "by seven"])

_REPLY_LINE = re.compile(rb"[2-5][0-9]{2}[ -][ -~]*\r\n")

HELLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<a@example.org>\r\n"
RCPT = b"RCPT TO:<marie@ac-exemple.fr>\r\n"
DATA = b"DATA\r\n"
ENVELOPE = HELLO + MAIL + RCPT + DATA
PLAIN = base64.b64encode(b"\0mdupont\0" + PASSWORD)
AUTH = b"AUTH PLAIN " + PLAIN + b"\r\n"
SUBMIT_ENVELOPE = (
    HELLO
    + AUTH
    + b"MAIL FROM:<marie.dupont@ac-exemple.fr>\r\nRCPT TO:<pierre@ac-exemple.fr>\r\nDATA\r\n"
)


def lines(heard: bytes) -> list[str]:
    """The reply lines; every octet of them is well formed."""
    assert re.fullmatch(rb"(?:" + _REPLY_LINE.pattern + rb")*", heard), heard
    return heard.decode("ascii").split("\r\n")[:-1]


def codes(heard: bytes) -> list[str]:
    """Code and enhanced code of each reply (`250 2.1.0`); an EHLO reply counts once."""
    found = []
    for line in lines(heard):
        if line[3] == " ":
            enhanced = re.match(r"[245]\.\d+\.\d+(?= )", line[4:])
            found.append(line[:3] + (f" {enhanced[0]}" if enhanced else ""))
    return found


def begin(stage: Stage, octets: bytes) -> None:
    """Send what only leads up to the point of the test."""
    stage.send(octets)
    stage.heard()


def say(
    hall: Hall, octets: bytes, *, size: int | None = None, listener: Listener = MX
) -> list[str]:
    """Codes of all that a new connection hears, the banner left out."""
    stage = Stage(hall, listener)
    assert codes(stage.heard()) == ["220"]
    return codes(stage.send(octets, size=size))
