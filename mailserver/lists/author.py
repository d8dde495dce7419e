"""Who wrote a post, as its From says: enough to ask for the domain's policy and to show a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import getaddresses

from mailserver.lists.header import Field, find_values
from mailserver.values.address import fold_domain

MAX_FROM_OCTETS = 8 * 1024
MAX_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Author:
    """name: decoded, printable, may be empty.  address: as written."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return fold_domain(self.address.rpartition("@")[2])


def find_author(fields: Sequence[Field]) -> Author | None:
    """The first address of the first From; None: there is none that can be read."""
    for value in find_values(fields, b"from")[:1]:
        text = value[:MAX_FROM_OCTETS].decode("utf-8", "replace")
        for name, address in getaddresses([text]):
            local, at, domain = address.rpartition("@")
            if at and local and domain and address.isprintable() and " " not in address:
                return Author(_decoded(name), address)
    return None


def subject_of(fields: Sequence[Field]) -> str:
    """For a person to read: decoded, one line."""
    for value in find_values(fields, b"subject")[:1]:
        return _decoded(value[:MAX_FROM_OCTETS].decode("utf-8", "replace"), 200)
    return ""


def _decoded(text: str, max_length: int = MAX_NAME_LENGTH) -> str:
    try:
        decoded = str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        decoded = text
    shown = "".join(c if c.isprintable() else " " for c in decoded)
    return " ".join(shown.split())[:max_length]
