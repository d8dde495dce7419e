"""What we put in front of a message: the trace header and the return path.

    Received: from mail.example.org ([192.0.2.7])
    \tby mail.ac-exemple.fr with ESMTPS id 0a1b2c...
    \t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits))
    \tfor <pierre@ac-exemple.fr>; Tue, 24 Nov 2026 01:45:37 +0000

RFC 5321 §4.4; the `with` word: RFC 3848, RFC 6531 §4.3.  `for` stands only
when there is one recipient: with several it would tell each about the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate

from smtp_relay.inbound.grammar.paths import is_domain

_LITERAL = re.compile(r"\[[A-Za-z0-9:.]{3,64}\]")
_UNPRINTABLE = re.compile(r"[^!-'*-\[\]-~]")  # nor "(", ")", "\\": it stands in a comment
MAX_SHOWN_HELLO = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a session reached us: constant from EHLO on."""

    hello: str
    peer: str  # an IP address
    hostname: str  # ours
    is_extended: bool
    is_signed_in: bool
    tls: str  # "TLSv1.3 with cipher ... (256 bits)", or empty


def protocol_word(arrival: Arrival, *, smtputf8: bool) -> str:
    """The `with` word, as in ESMTPSA."""
    if not arrival.is_extended:
        return "SMTP"
    word = "UTF8SMTP" if smtputf8 else "ESMTP"
    return word + ("S" if arrival.tls else "") + ("A" if arrival.is_signed_in else "")


def trace_beginning(arrival: Arrival, *, smtputf8: bool) -> bytes:
    """The header up to the id: the same for every message of a session."""
    word = protocol_word(arrival, smtputf8=smtputf8)
    return (f"Received: from {_origin(arrival)}\r\n\tby {arrival.hostname} with {word} id ").encode(
        "ascii"
    )


def trace_end(arrival: Arrival, *, recipient: str | None, date: str) -> bytes:
    """What follows the id; `recipient` only when there is one."""
    tls = f"\r\n\t(using {arrival.tls})" if arrival.tls else ""
    told = f"\r\n\tfor <{recipient}>" if recipient is not None else ""
    return f"{tls}{told}; {date}\r\n".encode()


def return_path_line(reverse_path: str) -> bytes:
    return b"Return-Path: <" + reverse_path.encode() + b">\r\n"


def mark_lines(marks: Sequence[str]) -> bytes:
    """For whom this message was sent on: opaque, and the same whenever it passes here."""
    return "".join(f"X-Loop: {mark}\r\n" for mark in marks).encode("ascii")


def is_circle(block: bytes, marks: Sequence[str]) -> bool:
    """Was it sent on for one of them before?"""
    lines = {line.strip().lower() for line in block.split(b"\n") if line[:7].lower() == b"x-loop:"}
    return any(f"x-loop: {mark}".encode("ascii") in lines for mark in marks)


def _origin(arrival: Arrival) -> str:
    """A hello that is no domain is shown in a comment, harmless octets only."""
    literal = address_literal(arrival.peer)
    hello = arrival.hello
    if is_domain(hello) or _LITERAL.fullmatch(hello):
        return f"{hello} ({literal})"
    shown = _UNPRINTABLE.sub("?", hello)[:MAX_SHOWN_HELLO]
    return f"{literal} (hello {shown})"


def address_literal(peer: str) -> str:
    """RFC 5321 §4.1.3; a zone (`%eth0`) is nobody's business."""
    address = peer.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


class DateText:
    """The date of RFC 5322 §3.3, in UTC, written once a second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def at(self, now_s: float) -> str:
        second = int(now_s)
        if second != self._second:
            self._second, self._text = second, formatdate(second)[:-5] + "+0000"
        return self._text
