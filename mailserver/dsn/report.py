"""One report as octets: multipart/report (RFC 6522) around an original that is never rewritten.

    header                                  ASCII, but for an SMTPUTF8 sender's address in To
    part 1  text/plain                      quoted-printable UTF-8, for people
    part 2  message/delivery-status         or message/global-delivery-status (RFC 6533)
    part 3  message/rfc822, message/global  octet for octet, or
            text/rfc822-headers, message/global-headers

What is always true of it: CRLF lines of at most 998 octets, no NUL, 7-bit
unless its way is 8-bit clean, and a boundary that occurs nowhere inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import quote

from mailserver.dsn.encoding import CRLF, Measure, encoded_words, field, quoted_printable, visible
from mailserver.dsn.explanation import explain, subject_line
from mailserver.dsn.facts import Original, Task
from mailserver.dsn.original import Returned, decide_return, header_lines, message_id_of
from mailserver.dsn.status import date, delivery_status
from mailserver.dsn.words import FROM_NAME
from mailserver.values.address import quote_mailbox
from mailserver.values.message import BodyFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """lead, then the whole original if `original` says so, then tail."""

    lead: bytes
    original: Original | None
    tail: bytes
    facts: BodyFacts
    size_octets: int
    smtputf8: bool

    def pieces(self) -> Iterator[bytes]:
        """All of it, from its beginning, at each call."""
        yield self.lead
        if self.original is not None:
            yield from self.original.pieces()
        yield self.tail

    def body_pieces(self) -> Iterator[bytes]:
        """What follows the header and its empty line."""
        pieces = self.pieces()
        yield next(pieces)[self.header_octets :]
        yield from pieces

    @property
    def header_octets(self) -> int:
        return self.facts.header_octets


def compose(task: Task) -> Report:
    """Make the report.  An original that does not come back whole is not read."""
    returned = decide_return(task)
    explanation = explain(task, has_full_original=returned.content is None)
    part_1 = quoted_printable(explanation.replace("\n", "\r\n").encode())
    encoding_2, part_2 = _part_2(task)
    boundary = _free_boundary(task, returned, (part_1, part_2))
    is_8bit = "8bit" in {encoding_2, returned.encoding}
    header = _header(task, boundary, is_8bit=is_8bit)
    begin = f"\r\n--{boundary}\r\n".encode("ascii")
    lead = b"".join(
        (
            header,
            begin.removeprefix(CRLF),
            _part_header("text/plain; charset=utf-8", "quoted-printable"),
            part_1,
            begin,
            _part_header(_status_type(task), encoding_2),
            part_2,
            begin,
            _part_header(returned.content_type, returned.encoding),
            returned.content or b"",
        )
    )
    tail = f"\r\n--{boundary}--\r\n".encode("ascii")
    return _measured(task, lead, tail, header_octets=len(header), is_full=returned.content is None)


def _part_2(task: Task) -> tuple[str, bytes]:
    octets = delivery_status(task).encode("utf-8", "backslashreplace")
    if octets.isascii():
        return "7bit", octets
    # RFC 6533 §6: unlike message/delivery-status it may be encoded, where the way is not clean.
    return (
        ("8bit", octets) if task.is_8bit_clean else ("quoted-printable", quoted_printable(octets))
    )


def _status_type(task: Task) -> str:
    return "message/global-delivery-status" if task.is_international else "message/delivery-status"


def _header(task: Task, boundary: str, *, is_8bit: bool) -> bytes:
    names = [FROM_NAME.in_language(language) for language in task.languages]
    message_id = message_id_of(header_lines(task.original.block))
    lines = [
        field("From", f"{_phrase(' / '.join(names))} <mailer-daemon@{task.organisation.domain}>"),
        # Nobody reads what is sent to the daemon, and people do answer.
        f"Reply-To: <{task.organisation.help}>\r\n",
        field("To", visible(quote_mailbox(task.to))),
        field("Subject", encoded_words(subject_line(task))),
        field("Date", date(task.organisation, task.made_at_s)),
        f"Message-ID: <{task.id_text}@{task.organisation.hostname}>\r\n",
        "Auto-Submitted: auto-replied\r\n",  # RFC 3834 §5
    ]
    if message_id:
        lines += [f"In-Reply-To: {message_id}\r\n", f"References: {message_id}\r\n"]
    lines += [
        "MIME-Version: 1.0\r\n",
        f"Content-Language: {', '.join(task.languages)}\r\n",
        "Content-Type: multipart/report; report-type=delivery-status;\r\n",
        f'\tboundary="{boundary}"\r\n',
        f"Content-Transfer-Encoding: {'8bit' if is_8bit else '7bit'}\r\n",
        "\r\n",
    ]
    return "".join(lines).encode()


def _phrase(text: str) -> str:
    return f'"{quote(text)}"' if text.isascii() else encoded_words(text)


def _part_header(content_type: str, encoding: str) -> bytes:
    return (
        f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode("ascii")


def _free_boundary(task: Task, returned: Returned, parts: tuple[bytes, ...]) -> str:
    """One that is in no part: whoever sent the original may have guessed the first."""
    number = 0
    while True:
        boundary = f"=_{task.id_text}_{number}"
        wanted = boundary.encode("ascii")
        is_in_parts = any(wanted in part for part in (*parts, returned.content or b""))
        if not is_in_parts and not (returned.content is None and _holds(task.original, wanted)):
            return boundary
        number += 1


def _holds(original: Original, wanted: bytes) -> bool:
    tail = b""
    for piece in original.pieces():
        window = tail + piece
        if wanted in window:
            return True
        tail = window[-len(wanted) :]
    return False


def _measured(task: Task, lead: bytes, tail: bytes, *, header_octets: int, is_full: bool) -> Report:
    original = task.original if is_full else None
    measure = Measure()
    measure.feed(lead)
    for piece in original.pieces() if original is not None else ():
        measure.feed(piece)
    measure.feed(tail)
    return Report(
        lead=lead,
        original=original,
        tail=tail,
        facts=measure.facts(header_octets=header_octets),
        size_octets=measure.size_octets,
        smtputf8=task.smtputf8,
    )
