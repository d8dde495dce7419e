"""The original as a report needs it: what it was called, and how it is given back.

What comes back (RFC 3461 §4.3, §6.3; RFC 3462 §2):

| the report says | RET  | the original                           | comes back    |
| --------------- | ---- | -------------------------------------- | ------------- |
| anything        | HDRS | any                                    | its header    |
| failed          | FULL | up to `FULL_LIMIT_OCTETS`              | all of it     |
| failed          | -    | up to `UNASKED_LIMIT_OCTETS`           | all of it     |
| anything else   | any  | any                                    | its header    |

All of it only where MIME may carry its octets as they are: message/rfc822 is
never encoded (RFC 2046 §5.2.1).  A header is encoded where it must be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailserver.dsn.encoding import CRLF, Measure, quoted_printable, visible
from mailserver.dsn.facts import Task
from mailserver.queue.reports import ReportKind
from mailserver.values.text.header_text import decode_words

FULL_LIMIT_OCTETS = 10 * 1024 * 1024
"""Larger ones come back as headers even where RET=FULL: the report must be deliverable."""
UNASKED_LIMIT_OCTETS = 64 * 1024

_FIELD = re.compile(rb"[!-9;-~]++[ \t]*+:")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,800}@[!-;=?-~]{1,90}>")
_MAX_SUBJECT = 100
_SPACES = re.compile("[\t ]+")  # a fold may begin with any of them (RFC 5322 §2.2.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Part 3.  content: its octets; None: the original itself, piece by piece."""

    content_type: str
    encoding: str  # 7bit, 8bit or quoted-printable
    content: bytes | None


def header_lines(block: bytes) -> list[bytes]:
    """The lines of a block as far as they are header fields, folded ones included.

    An author's header may be none at all: what follows is not shown as one.
    """
    lines: list[bytes] = []
    for line in block.split(CRLF):
        is_folded = bool(lines) and line[:1] in {b" ", b"\t"}
        if not is_folded and _FIELD.match(line) is None:
            break
        lines.append(line)
    return lines


def find_field(lines: list[bytes], name: bytes) -> bytes | None:
    """The value of the last field of that name, unfolded: ours stand in front."""
    found: list[bytes] | None = None
    current: list[bytes] | None = None
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            if current is not None:
                current.append(line)
            continue
        key, _, value = line.partition(b":")
        current = [value] if key.rstrip(b" \t").lower() == name else None
        found = found if current is None else current
    return None if found is None else b"".join(found).strip(b" \t")


def message_id_of(lines: list[bytes]) -> str:
    """The original's Message-ID if it is one, else empty."""
    value = (find_field(lines, b"message-id") or b"").decode("ascii", "replace")
    return value if _MESSAGE_ID.fullmatch(value) else ""


def subject_of(lines: list[bytes]) -> str:
    """The original's subject for people, on one line, cut; empty where there is none."""
    written = _SPACES.sub(" ", decode_words(find_field(lines, b"subject") or b""))
    text = " ".join(visible(written).split())
    return text if len(text) <= _MAX_SUBJECT else text[: _MAX_SUBJECT - 1] + "…"


def decide_return(task: Task) -> Returned:
    """All of it, or its header.  Reads the whole original only where it may come back."""
    if not _is_full_wanted(task):
        return _header_only(task)
    whole = Measure()
    for piece in task.original.pieces():
        whole.feed(piece)
    if not _is_sendable(task, whole):
        return _header_only(task)
    return Returned(
        content_type="message/global" if _is_global(task) else "message/rfc822",
        encoding="8bit" if whole.is_8bit else "7bit",
        content=None,
    )


def _is_sendable(task: Task, measure: Measure) -> bool:
    """As it is, unencoded, on the way to this reader."""
    return measure.is_mime_text and (not measure.is_8bit or task.is_8bit_clean)


def _is_full_wanted(task: Task) -> bool:
    original = task.original
    if task.owed.kind is not ReportKind.FAILED or original.return_content.upper() == "HDRS":
        return False
    is_asked = original.return_content.upper() == "FULL"
    return original.size_octets <= (FULL_LIMIT_OCTETS if is_asked else UNASKED_LIMIT_OCTETS)


def _header_only(task: Task) -> Returned:
    block = b"".join(line + CRLF for line in header_lines(task.original.block))
    measure = Measure()
    measure.feed(block)
    is_as_it_is = _is_sendable(task, measure)
    encoding = "quoted-printable" if not is_as_it_is else "8bit" if measure.is_8bit else "7bit"
    return Returned(
        content_type="message/global-headers" if _is_global(task) else "text/rfc822-headers",
        encoding=encoding,
        content=block if is_as_it_is else quoted_printable(block),
    )


def _is_global(task: Task) -> bool:
    """RFC 6533 §4: only what was sent as SMTPUTF8, and is UTF-8."""
    block = task.original.block
    if not task.original.smtputf8 or block.isascii():
        return False
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
