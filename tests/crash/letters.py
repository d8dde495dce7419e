"""Letters whose octets follow from their id, so that whoever finds one can check it.

An id is `sender-number-size`, as in `s3-00017-4096`.  Some lines begin with a
dot, some hold eight-bit octets; each says its number, so that a lost, doubled or
exchanged block shows.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

DOMAIN = "ac-exemple.fr"
ELSEWHERE = "elsewhere.test"
ELSEWHERE_WITH_DSN = "notary.test"  # RFC 3461
_MARK = re.compile(rb"^X-Letter: ([a-z]+[0-9]+-[0-9]{5}-[0-9]+)\r?$", re.MULTILINE)
_LINE = b"%s%07d %s \xc3\xa9t\xc3\xa9 de la lettre %s\r\n"


class NotALetter(Exception):
    """The octets are not a letter, or not the letter that they say they are."""


def make_id(sender: str, number: int, size_octets: int) -> str:
    return f"{sender}-{number:05d}-{size_octets}"


def make_address(kind: str, letter_id: str, what: object, domain: str) -> str:
    """Of one recipient (or sender) of one letter alone, elsewhere.

    kind: `ok`; `no`: refused for good at RCPT; `spam`: at the dot.
    """
    return f"{kind}.{letter_id}.{what}@{domain}"


def is_elsewhere(address: str) -> bool:
    return address.endswith((f"@{ELSEWHERE}", f"@{ELSEWHERE_WITH_DSN}"))


@lru_cache(maxsize=64)
def letter_octets(letter_id: str) -> bytes:
    """The letter as DATA carries it before dot-stuffing: at least the size that its id says."""
    sender, _, size = letter_id.split("-")
    head = (
        f"X-Letter: {letter_id}\r\n"
        f"From: <{sender}@{DOMAIN}>\r\n"
        "Date: Mon, 24 Nov 2025 08:00:00 +0100\r\n"
        f"Message-ID: <{letter_id}@{DOMAIN}>\r\n"
        f"Subject: {letter_id}\r\n\r\n"
    ).encode("ascii")
    tag = hashlib.blake2b(letter_id.encode("ascii"), digest_size=8).hexdigest().encode("ascii")
    line_octets = len(_LINE % (b"", 0, tag, letter_id.encode("ascii")))
    count = max(0, int(size) - len(head)) // line_octets + 1
    dots = (b".", b"", b"..", b"")
    return head + b"".join(
        _LINE % (dots[n % 4], n, tag, letter_id.encode("ascii")) for n in range(count)
    )


def read_letter(stored: bytes) -> str:
    """The id of a letter as a reader gets it, after checking every octet below our own head.

    Raises:
        NotALetter: see there.
    """
    letter_id = find_letter_id(stored)
    if stored[stored.index(b"X-Letter: ") :] != letter_octets(letter_id):
        raise NotALetter(f"letter {letter_id} has other octets than were sent")
    return letter_id


def find_letter_id(octets: bytes) -> str:
    """The id in the header of a letter, nothing else looked at.

    Raises:
        NotALetter: there is none.
    """
    found = _MARK.search(octets)
    if found is None:
        raise NotALetter(f"no letter: {octets[:200]!r}")
    return found.group(1).decode("ascii")


def stuffed(octets: bytes) -> bytes:
    """As it goes over the wire, before the final dot (RFC 5321 §4.5.2)."""
    inner = octets.replace(b"\r\n.", b"\r\n..")
    return b"." + inner if inner.startswith(b".") else inner


def unstuffed(octets: bytes) -> bytes:
    """What a multi-line POP3 answer carries (RFC 1939 §3)."""
    inner = octets.replace(b"\r\n.", b"\r\n")
    return inner[1:] if inner.startswith(b".") else inner
