"""What a notice of non-delivery says of an address: read with care, bounded (RFC 3464).

A membership ends because an address fails, not because a message does: a
refusal of content (5.6.z), of policy (5.7.z), a full mailbox, a server or a
network in trouble say nothing about who may be written to.

| counts                              | does not                                            |
| ----------------------------------- | --------------------------------------------------- |
| 5.1.z: no such address, no such     | 5.1.7, 5.1.8: the *sender's* address                |
| domain, it takes no mail            | 5.1.9: what came of passing it on                   |
| 5.2.1: the mailbox is closed        | 5.2.2 full, 5.2.3 too large, 5.2.4 a list           |
| 550, 551, 553 to RCPT without a     | the same to MAIL, DATA or the end of the message,   |
| status, where the report is ours    | or where nobody says to what                        |
|                                     | 5.3.z, 5.4.z, 5.5.z, 5.6.z, 5.7.z; 4.y.z that has   |
|                                     | expired; delayed                                    |

(RFC 3463 §3.2, §3.3.)  The parts of a report are told by their boundaries, so
that nothing in the message that it returns can pose as its fields; a notice
without such a part is read whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from quopri import decodestring
from typing import Final

from mailserver.queue.reports import PHASE_FIELD

_MAX_FAILURES: Final = 100
_PART = re.compile(
    rb"^content-type[ \t]*:[ \t]*message/(?:global-)?delivery-status[^\n]*\n",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED = re.compile(
    rb"^content-transfer-encoding[ \t]*:[ \t]*quoted-printable", re.IGNORECASE | re.MULTILINE
)
_BLANK = re.compile(rb"\r?\n[ \t]*\r?\n")
_BOUNDARY = re.compile(rb"^--[^\r\n]", re.MULTILINE)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_STATUS = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
_CODE = re.compile(r"smtp\s*;\s*([245][0-9]{2})\b", re.IGNORECASE)
_OF_MAILBOX: Final = frozenset({"1"})  # X.2.1
_NOT_OF_RECIPIENT: Final = frozenset({"7", "8", "9"})  # X.1.7, ...
_CODES_OF_ADDRESS: Final = frozenset({"550", "551", "553"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureNotice:
    """One recipient that a notice names.

    statuses: what it says, the most exact first: in the remote's words, then its own.
    code: of the remote's reply, where it had no status; phase: to which command, in our reports.
    """

    address: str
    action: str
    statuses: tuple[str, ...]
    code: str
    phase: str


def read_failures(octets: bytes) -> list[FailureNotice]:
    """octets: the notice as it came, or its beginning."""
    groups = list(_groups(_status_part(octets)))[:_MAX_FAILURES]
    return [failure for group in groups if (failure := _failure(group)) is not None]


def is_of_address(failure: FailureNotice) -> bool:
    """Does it say that nobody can be reached at this address, for good?"""
    if failure.action != "failed" or failure.phase == "MAIL":
        return False
    for status in failure.statuses:
        kind, subject, detail = status.split(".")
        if (subject, detail) == ("0", "0"):
            continue  # it says nothing: what else is there?
        if kind != "5":
            return False
        if subject == "1":
            return detail not in _NOT_OF_RECIPIENT
        return subject == "2" and detail in _OF_MAILBOX
    return failure.phase == "RCPT" and failure.code in _CODES_OF_ADDRESS


def _status_part(octets: bytes) -> bytes:
    found = _PART.search(octets)
    if found is None:
        return octets
    blank = _BLANK.search(octets, found.end() - 1)
    if blank is None:
        return b""
    end = _BOUNDARY.search(octets, blank.end())
    part = octets[blank.end() : end.start() if end is not None else len(octets)]
    begin = octets.rfind(b"\n--", 0, found.start())
    is_quoted = _QUOTED.search(octets, max(begin, 0), blank.end()) is not None
    return decodestring(part) if is_quoted else part


def _groups(part: bytes) -> Iterator[dict[str, str]]:
    """The fields of each recipient, by name, the first of each name."""
    for block in _BLANK.split(part):
        fields: dict[str, str] = {}
        for line in _FOLD.sub(b" ", block).splitlines():
            name, colon, value = line.decode("utf-8", "replace").partition(":")
            if colon:
                fields.setdefault(name.strip().lower(), value.strip())
        if "action" in fields:
            yield fields


def _failure(fields: dict[str, str]) -> FailureNotice | None:
    named = fields.get("final-recipient") or fields.get("original-recipient", "")
    words = fields.get("diagnostic-code", "")
    found = [_STATUS.search(words), _STATUS.search(fields.get("status", ""))]
    code = _CODE.search(words)
    return FailureNotice(
        address=named.partition(";")[2].strip().strip("<>"),
        action=fields["action"].split(" ")[0].strip().lower(),
        statuses=tuple(match[0] for match in found if match is not None),
        code="" if code is None else code[1],
        phase=fields.get(PHASE_FIELD.lower(), ""),
    )
