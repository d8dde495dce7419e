"""The demo as its people see it: ports, passwords, and what lies in a mailbox."""

from __future__ import annotations

import json
import poplib
import re
import smtplib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from mailserver.demo.academy import DemoService
from mailserver.settings.listeners import wanted_listeners

PATIENCE_S = 30.0
# Our own header lines: what is in front of the octets that were sent.
_TRACE = re.compile(
    rb"Return-Path: <[^\r]*>\r\nDelivered-To: [^\r]*\r\nReceived: (?:[^\r]*\r\n[ \t])*[^\r]*\r\n"
)
BODY = (
    b".un point\r\n..deux points\r\n.\r\nFrom la ligne de tous les dangers\r\n"
    + "l'été à Marennes\r\n".encode()
    + b"x" * 990
    + b"\r\n\r\nfin\r\n"
)
"""What mail programs and servers like to change: dots, `From `, 8-bit octets, a long line."""


@dataclass(frozen=True, slots=True)
class Academy:
    """A demo that runs."""

    demo: DemoService

    @property
    def authority(self) -> str:
        """The file with the certificate to trust."""
        return str(self.demo.authority)

    def port(self, listener: str) -> int:
        wanted = wanted_listeners(self.demo.settings)
        return next(one.bind.port for one in wanted if one.kind.name == listener)

    def password(self, identifier: str) -> str:
        return self.demo.cast.member(identifier).password

    def address(self, identifier: str) -> str:
        return self.demo.cast.member(identifier).address

    def write(self, identifier: str, message_id: str) -> bytes:
        """Deposit a message from outside; its octets."""
        to = self.address(identifier)
        octets = (
            f"From: a@example.org\r\nTo: {to}\r\nMessage-ID: <{message_id}>\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        ).encode() + BODY
        with smtplib.SMTP("localhost", self.port("mx"), timeout=PATIENCE_S) as smtp:
            smtp.sendmail("a@example.org", [to], octets, ["BODY=8BITMIME"])
        return octets

    def mailbox(self, identifier: str) -> list[bytes]:
        """Every message of a mailbox as it was sent: without our own header lines."""
        context = ssl.create_default_context(cafile=self.authority)
        pop = poplib.POP3_SSL("localhost", self.port("pop3s"), timeout=PATIENCE_S, context=context)
        try:
            pop.user(identifier)
            pop.pass_(self.password(identifier))
            found = [_retrieved(pop, number) for number in range(1, pop.stat()[0] + 1)]
        finally:
            pop.quit()
        return [octets[trace.end() if (trace := _TRACE.match(octets)) else 0 :] for octets in found]


def _retrieved(pop: poplib.POP3, number: int) -> bytes:
    _, lines, octets = pop.retr(number)
    text = b"\r\n".join([*lines, b""])
    # poplib counts the dots of dot-stuffing: what it took away may only be those.
    assert len(text) <= octets
    return text


def complaints(log: Iterable[bytes]) -> list[bytes]:
    """The lines of a service's log that say something is wrong, or that a peer was refused."""
    return [line for line in log if _complains(line)]


def _complains(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return b"Traceback" in line
    event = json.loads(line)
    is_loud = event["level"] not in {"debug", "info"}
    return is_loud or any(word in event["event"] for word in ("denied", "refused", "aborted"))
