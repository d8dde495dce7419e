"""The relaxed canonical form of header fields, on octets (RFC 6376 §3.4.2).

    "SubJect :  a\\r\\n\\t b \\r\\n"   ->   name b"subject", line b"subject:a b\\r\\n"

White space is SP and HTAB only (RFC 5234 §B.1): other control octets are
content.  A line that is no field is nobody's: it cannot be signed, and the
fields around it are read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_CRLF: Final = b"\r\n"
_RUNS: Final = (b" " * 8, b" " * 2)  # what indents HTML first
_TABS_TO_SPACES: Final = bytes.maketrans(b"\t", b" ")


def squeeze(octets: bytes) -> bytes:
    """Each run of white space becomes one space."""
    if b"\t" in octets:
        octets = octets.translate(_TABS_TO_SPACES)
    # Whole passes over the octets, each of which shortens every run: faster than a regular
    # expression where runs are short and many, and not much slower where they are long.
    for run in _RUNS:
        while run in octets:
            octets = octets.replace(run, b" ")
    return octets


def parse_fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of a header block from top to bottom: lower-case name, value as it stands.

    block: fields with CRLF line ends; ends at its first empty line, or with the octets.
    Values are unfolded (the CRLF of each fold is taken out) and otherwise untouched.
    """
    for line in lines_of(block):
        name, colon, value = line.partition(b":")
        if colon:
            yield name.rstrip(b" \t").lower(), value


def lines_of(block: bytes) -> list[bytes]:
    """The same, unfolded, those that are no fields too; not the empty one at the end."""
    end = block.find(b"\r\n\r\n")
    text = block.removesuffix(_CRLF) if end < 0 else block[:end]
    return _unfold(text).split(_CRLF)


def canonical_value(value: bytes) -> bytes:
    """The relaxed form of an unfolded value."""
    return squeeze(value).strip(b" ")


def canonical_line(name: bytes, value: bytes) -> bytes:
    """The octets that are hashed for one field; `name` in lower case, `value` unfolded."""
    return name + b":" + canonical_value(value) + _CRLF


def _unfold(text: bytes) -> bytes:
    """RFC 5322 §2.2.3."""
    return text.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
