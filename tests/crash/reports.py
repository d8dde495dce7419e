"""Reports as their readers get them, taken apart by the standard library's parser."""

from __future__ import annotations

import email.policy
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

from tests.crash.letters import NotALetter, find_letter_id

_PARSER = BytesParser(policy=email.policy.compat32)
_PARTS = 3  # for people, for programs, the original


class NotAReport(Exception):
    """The octets are something else, or a report that contradicts itself."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """What one report says of one copy.  action: failed, delayed, delivered or relayed."""

    letter_id: str
    recipient: str
    action: str


@dataclass(frozen=True, slots=True)
class ReportRead:
    message_id: str
    lines: tuple[ReportLine, ...]


def read_report(octets: bytes) -> ReportRead:
    """
    Raises:
        NotAReport: see there.
    """
    message = _PARSER.parsebytes(octets)
    parts = message.get_payload()
    if message.get_content_type() != "multipart/report" or not isinstance(parts, list):
        raise NotAReport(f"no report: {octets[:200]!r}")
    if len(parts) != _PARTS:
        raise NotAReport(f"{len(parts)} parts")
    groups = _part(parts, 1).get_payload()
    if not isinstance(groups, list) or not isinstance(groups[0], Message):
        raise NotAReport("no delivery status")
    letter_id = str(groups[0]["Original-Envelope-Id"])
    _check_original(letter_id, _part(parts, 2))
    lines = tuple(
        _read_line(letter_id, group) for group in groups[1:] if isinstance(group, Message)
    )
    return ReportRead(str(message["Message-ID"]), lines)


def _part(parts: Sequence[object], index: int) -> Message:
    part = parts[index]
    if not isinstance(part, Message):
        raise NotAReport(f"part {index + 1} is no part")
    return part


def _check_original(letter_id: str, part: Message) -> None:
    inner = part.get_payload()
    octets = (
        inner[0].as_bytes()
        if isinstance(inner, list) and isinstance(inner[0], Message)
        else part.get_payload(decode=True)
    )
    try:
        found = find_letter_id(octets if isinstance(octets, bytes) else b"")
    except NotALetter as error:
        raise NotAReport(f"the original of a report about {letter_id}: {error}") from error
    if found != letter_id:
        raise NotAReport(f"a report about {letter_id} has the original {found}")


def _read_line(letter_id: str, group: Message) -> ReportLine:
    _, _, recipient = str(group["Final-Recipient"]).partition(";")
    return ReportLine(letter_id, recipient.strip(), str(group["Action"]))
