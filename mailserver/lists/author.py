"""Who wrote a post, as its From says: enough to ask for the domain's policy and to show a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import getaddresses

from mailserver.lists.header import Field, find_values
from mailserver.values.address import fold_domain
from mailserver.values.text.header_text import decode_octets, decode_words, read_words

MAX_FROM_OCTETS = 8 * 1024
MAX_NAME_LENGTH = 60
MAX_SUBJECT_LENGTH = 200
MAX_AUTHORS = 4
_MAX_NESTED = 32  # comments and groups, into which the library's parser descends


@dataclass(frozen=True, slots=True)
class Author:
    """name: decoded, printable, may be empty.  address: as written."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return fold_domain(self.address.rpartition("@")[2])


def find_authors(fields: Sequence[Field]) -> list[Author]:
    """Every address of every From that can be read, `MAX_AUTHORS` at most."""
    found: list[Author] = []
    for value in find_values(fields, b"from")[:MAX_AUTHORS]:
        text = decode_octets(value, most_octets=MAX_FROM_OCTETS)
        if text.count("(") + text.count(":") > _MAX_NESTED:
            continue
        # Some Pythons read nothing at all where a comma stands at the end (RFC 5322 §4.4).
        for name, address in getaddresses([text.strip(", \t\r\n")])[:MAX_AUTHORS]:
            local, at, domain = address.rpartition("@")
            if at and local and domain and address.isprintable() and " " not in address:
                found.append(Author(_shown(read_words(name), MAX_NAME_LENGTH), address))
    return found[:MAX_AUTHORS]


def find_author(fields: Sequence[Field]) -> Author | None:
    """The first one; None: there is none that can be read."""
    return next(iter(find_authors(fields)), None)


def subject_of(fields: Sequence[Field]) -> str:
    """For a person to read: decoded, one line."""
    values = find_values(fields, b"subject")
    return _shown(decode_words(values[0]), MAX_SUBJECT_LENGTH) if values else ""


def _shown(text: str, max_length: int) -> str:
    """In one line, nothing in it that cannot be printed."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())[:max_length]
