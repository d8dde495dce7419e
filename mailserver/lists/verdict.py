"""What a moderator answered: read with care, bounded.

The verdict is the first word of the Subject (`mailto:` links set it), else the
first word of the first line that is not a quotation.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import default

from mailserver.store.ports.operators import Act, Deed
from mailserver.values.address import fold_local

MAX_READ_OCTETS = 64 * 1024
APPROVED = "approved"
REJECTED = "rejected"
_YES = frozenset({"approve", "approved", "accept", "oui", "yes", "ok", "approuver", "accepter"})
_NO = frozenset({"reject", "rejected", "refuse", "non", "no", "refuser", "rejeter"})
_WORD = re.compile(r"[^\W\d_]+")


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
