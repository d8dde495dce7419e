"""How a message begins: has it a header at all, and does a line of a mailbox file stand above it?

    begins with               is                                     our own block ends with
    a field                   a header block                         nothing more
    an empty line             a message without header               nothing more
    `From ` or `>From `, and  a header block under the separator     a field's name, whose value the
      then a field            of a mailbox file, which scripts and   line becomes; on submission the
                              old programs send along                line is dropped
    anything else, nothing    text only (RFC 5322 §2.1)              an empty line

The header of a message ends at its first empty line; where it brings neither,
what we put above it would run into its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIELD_OF_SEPARATOR = b"X-Mailbox-Line: "  # Postfix calls it so
MAX_OPENING_OCTETS = 2048
"""What has not begun a field by then begins none: a line has 1,000 (RFC 5322 §2.1.1)."""

_FIELD_START = re.compile(rb"[!-9;-~]++[ \t]*+:")
_SEPARATOR = re.compile(rb">*From [^\r\n]*\r\n")
_BEGINNING = re.compile(
    rb"[!-9;-~]*[ \t]*"  # of a field
    rb"|>*(?:F(?:r(?:o(?:m(?: [^\r\n]*)?)?)?)?)?"  # of a separator
)


@dataclass(frozen=True, slots=True)
class Opening:
    """separator_octets: of lines in front of the header."""

    has_header: bool
    separator_octets: int = 0


_TEXT, _HEADER = Opening(has_header=False), Opening(has_header=True)


def read_opening(octets: bytes, *, is_all: bool, most_separators: int) -> Opening | None:
    """What begins so; None: that cannot be said yet.

    octets: the message from its first octet on, never ending within a CRLF.
    is_all: nothing follows.
    most_separators: lines above a header; more of them are text.
    """
    if _FIELD_START.match(octets, 0, MAX_OPENING_OCTETS) or octets.startswith(b"\r\n"):
        return _HEADER
    is_cut = len(octets) > MAX_OPENING_OCTETS
    octets = octets[:MAX_OPENING_OCTETS]
    at = count = 0
    while (line := _SEPARATOR.match(octets, at)) is not None:
        at, count = line.end(), count + 1
    if 0 < count <= most_separators and _FIELD_START.match(octets, at) is not None:
        return Opening(has_header=True, separator_octets=at)
    if is_all or is_cut or not _BEGINNING.fullmatch(octets, at):
        return _TEXT
    return None
