"""What programs make of a text that stands in a field of authors: every reading of it.

    decoded      encoded words, also those that come out of others (RFC 2047); of what
                 cannot be read, some show a mark, some nothing
    without      comments, or only their parentheses: MailTools drops what they hold,
                 Python's email.utils the signs alone
    bare         quotes, brackets, backslashes and controls left out
    turned       "last, first" as "first last" (MailTools)

    squeezed     spaces left out, too: a domain is found so, but words of a name run together

All of them are normalised (NFKC): a full-width letter is shown as others are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from mailserver.values.text.header_text import Errors, read_words

NOISE: Final = bytes([*range(33), *b'"\\[]', 127])
"""Beside which a domain may stand, or hold it."""
_NOISE_IN_TEXT = dict.fromkeys(NOISE)
_SIGNS_IN_TEXT = {code: None for code in NOISE if not chr(code).isspace()}
_ESCAPED = re.compile(r"\\[()]")
_COMMENT = re.compile(r"\([^()]*\)")
_PARENTHESES = dict.fromkeys(map(ord, "()"))
_ABOUT_A_DOT = re.compile(r" ?\. ?")
_TURNED = re.compile(r"\A\s*+([^\s,]++) ?, ?(.*)", re.DOTALL)
_MOST_NESTED: Final = 8  # comments in comments, and encoded words in encoded words


def decoded(text: str) -> list[str]:
    """The text as it is written, and what its encoded words say, and those that this holds."""
    found = {text: None}
    errors: Errors
    for errors in ("replace", "ignore"):
        said = text
        for _ in range(_MOST_NESTED):
            if "=?" not in said:
                break
            said = read_words(said, errors=errors)
            found[said] = None
    return list(found)


def every_reading(text: str) -> set[str]:
    """Of one text, for whoever looks for an address in it."""
    plain = {unicodedata.normalize("NFKC", one) for one in decoded(text)}
    return plain | {form for one in plain for form in _forms(one)}


def squeezed(reading: str) -> tuple[str, str]:
    """For whoever looks for a domain only (RFC 5322 §4.4: spaces about a dot)."""
    return _ABOUT_A_DOT.sub(".", " ".join(reading.split())), reading.translate(_NOISE_IN_TEXT)


def _forms(text: str) -> Iterator[str]:
    outer = _ESCAPED.sub("", text)
    for _ in range(_MOST_NESTED):
        if "(" not in outer:
            break
        outer = _COMMENT.sub("", outer)
    for one in {text, outer, text.translate(_PARENTHESES)}:
        bare = one.translate(_SIGNS_IN_TEXT)
        yield from (one, bare)
        if turned := _TURNED.match(bare):
            yield f"{turned[2]} {turned[1]}"
