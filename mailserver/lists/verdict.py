"""What a moderator answered, and what a notice of non-delivery says: read with care, bounded.

The verdict is the first word of the Subject (`mailto:` links set it), else the
first word of the first line that is not a quotation.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import default

from mailserver.store.queueing import Act, Deed
from mailserver.values.address import fold_local

MAX_READ_OCTETS = 64 * 1024
APPROVED = "approved"
REJECTED = "rejected"
_YES = frozenset({"approve", "approved", "accept", "oui", "yes", "ok", "approuver", "accepter"})
_NO = frozenset({"reject", "rejected", "refuse", "non", "no", "refuser", "rejeter"})
_WORD = re.compile(r"[^\W\d_]+")
_FAILED = re.compile(rb"^action[ \t]*:[ \t]*failed", re.IGNORECASE | re.MULTILINE)
_HARD = re.compile(rb"^status[ \t]*:[ \t]*5\.", re.IGNORECASE | re.MULTILINE)


def read_verdict(octets: bytes) -> str:
    """`approved`, `rejected`, or empty: neither was said.

    octets: the answer as it came, the first `MAX_READ_OCTETS` of it.
    """
    try:
        message = message_from_bytes(octets, policy=default)
        subject, text = str(message["subject"] or ""), _text_of(message)
    except (HeaderParseError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return ""  # the parser of the standard library gives up on some octets
    return _meaning(subject) or _meaning(_first_line(text))


def deed_of(verdict: str, *, by: str, at_s: float) -> Deed:
    """An approved post goes out, another one back to its author."""
    act = Act.RELEASE if verdict == APPROVED else Act.RETURN
    return Deed(act=act, by=by, reason=f"a moderator of the list: {verdict}", at_s=at_s)


_RECIPIENT = re.compile(
    rb"^(?:final|original)-recipient[ \t]*:[ \t]*rfc822[ \t]*;[ \t]*<?([^\s<>;]+@[^\s<>;]+)",
    re.IGNORECASE | re.MULTILINE,
)
_MAX_ADDRESSES = 100


def is_hard_bounce(octets: bytes) -> bool:
    """Does it say that an address failed for good? (RFC 3464 §2.3.3, §2.3.4)"""
    return bool(_FAILED.search(octets) and _HARD.search(octets))


def failed_addresses(octets: bytes) -> list[str]:
    """The recipients that a notice names (RFC 3464 §2.3.1, §2.3.2), each once."""
    found = _RECIPIENT.findall(octets)[:_MAX_ADDRESSES]
    return list(dict.fromkeys(one.decode("utf-8", "replace") for one in found))


def _text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    return "" if part is None else str(part.get_content())


def _first_line(text: str) -> str:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith(">"):
            return line
    return ""


def _meaning(line: str) -> str:
    match = _WORD.search(line)
    word = fold_local(match[0]) if match is not None else ""
    if word in _YES:
        return APPROVED
    return REJECTED if word in _NO else ""
