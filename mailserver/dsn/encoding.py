"""Octets that any mail path carries: quoted-printable, folded fields, encoded words, xtext.

RFC 2045 §6.7, RFC 5322 §2.2.3, RFC 2047 §2, RFC 3461 §4.
"""

from __future__ import annotations

import base64
import re

from mailserver.values.message import MAX_LINE_OCTETS, BodyFacts

CRLF = b"\r\n"

_FOLD_AT = 76
# A longer word is cut, so that no line is over the limit; letters take up to 4 octets.
_LONGEST_ASCII_WORD, _LONGEST_WORD = 900, 230
_ENCODED_WORD_OCTETS = 39  # of UTF-8: 52 characters of base64, 64 with what stands around them
_QUOTED_OCTETS = 76  # RFC 2045 §6.7, rule 5
_PLAIN_LINE = re.compile(rb"(?:[ -<>-~]*[!-<>-~])?")
_QUOTED = [
    bytes([octet]) if octet == 9 or (32 <= octet < 127 and octet != 61) else b"=%02X" % octet
    for octet in range(256)
]
# Line breaks of every kind, controls, and marks that turn the direction of what follows.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_XTEXT_HEX = re.compile(r"\+([0-9A-F]{2})")
_LONG_GAP = re.compile(" {40,}")
_PRINTABLE = re.compile(r"[ -~]++")


def visible(text: str) -> str:
    """One line, nothing in it that a screen would obey: such characters are shown as `\\x0a`."""
    return _UNSHOWN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def ascii_only(text: str) -> str:
    """`visible`, and what is not ASCII as `\\xe9`."""
    return visible(text).encode("ascii", "backslashreplace").decode("ascii")


def quoted_printable(octets: bytes) -> bytes:
    """Lines stay lines; lone CR and LF, NUL and what is not ASCII are escaped."""
    return CRLF.join(_quoted_line(line) for line in octets.split(CRLF))


def _quoted_line(line: bytes) -> bytes:
    """One line without its CRLF, cut by soft line breaks (`=` CRLF) at 76 characters."""
    if len(line) <= _QUOTED_OCTETS and _PLAIN_LINE.fullmatch(line):
        return line
    words = [_QUOTED[octet] for octet in line]
    if line[-1:] in {b" ", b"\t"}:
        words[-1] = b"=%02X" % line[-1]
    rows, row = [], b""
    for word in words:
        if len(row) + len(word) > _QUOTED_OCTETS - 1:
            rows.append(row)
            row = b""
        row += word
    return b"=\r\n".join([*rows, row])


def field(name: str, value: str) -> str:
    """`Name: value` CRLF, folded at spaces.  value: one line, of any length."""
    line, lines = f"{name}:", []
    for word in _short_words(_LONG_GAP.sub(" ", value.strip(" "))):
        # No fold before a second space: a line of spaces alone is obsolete (RFC 5322 §4.2).
        if word and len(line) + 1 + len(word) > _FOLD_AT and line != f"{name}:":
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"


def _short_words(value: str) -> list[str]:
    longest = _LONGEST_ASCII_WORD if value.isascii() else _LONGEST_WORD
    return [
        word[start : start + longest]
        for word in value.split(" ")
        for start in range(0, max(len(word), 1), longest)
    ]


def encoded_words(text: str) -> str:
    """An unstructured value: as it is where it is plain ASCII, else in encoded words."""
    text = visible(text)
    if text.isascii() and "=?" not in text:
        return text
    words, piece = [], ""
    for character in text:
        if len((piece + character).encode()) > _ENCODED_WORD_OCTETS:
            words.append(piece)
            piece = ""
        piece += character
    return " ".join(f"=?utf-8?b?{base64.b64encode(w.encode()).decode()}?=" for w in [*words, piece])


def decode_xtext(text: str) -> str | None:
    """What ENVID or ORCPT stands for; None: no xtext, or not printable once decoded."""
    if not _XTEXT.fullmatch(text):
        return None
    decoded = _XTEXT_HEX.sub(lambda found: chr(int(found[1], 16)), text)
    return decoded if _PRINTABLE.fullmatch(decoded) else None


class Measure:
    """What `BodyFacts` says, and whether MIME may carry it as it is; fed in pieces, in order."""

    __slots__ = ("_line_octets", "_longest_ended_octets", "_tail", "dotted_line_count",
                 "has_lone_cr_or_lf", "has_nul", "is_8bit", "size_octets")  # fmt: skip

    def __init__(self) -> None:
        self._tail = CRLF  # the last octets before the next piece
        self._line_octets = 0
        self.size_octets = 0
        self._longest_ended_octets = 0
        self.dotted_line_count = 0
        self.is_8bit = False
        self.has_nul = False
        self.has_lone_cr_or_lf = False

    def feed(self, piece: bytes) -> None:
        """A piece may end anywhere, in the middle of a CRLF too."""
        if not piece:
            return
        self.size_octets += len(piece)
        self.is_8bit = self.is_8bit or not piece.isascii()
        self.has_nul = self.has_nul or b"\0" in piece
        window = self._tail + piece
        self.dotted_line_count += window.count(b"\r\n.")
        fresh = window[1:]  # the octet before the piece, and the piece
        pair_count = fresh.count(CRLF)
        if fresh[1:].count(b"\n") != pair_count or fresh[:-1].count(b"\r") != pair_count:
            self.has_lone_cr_or_lf = True
        self._measure_lines(piece)
        self._tail = window[-2:]

    def _measure_lines(self, piece: bytes) -> None:
        first, *rest = piece.split(b"\n")
        self._line_octets += len(first)
        for line in rest:
            # The CR that was counted with the line is not part of it.
            self._longest_ended_octets = max(self._longest_ended_octets, self._line_octets - 1)
            self._line_octets = len(line)

    @property
    def longest_line_octets(self) -> int:
        open_octets = self._line_octets - (self._tail[-1:] == b"\r")
        return max(self._longest_ended_octets, open_octets)

    @property
    def is_mime_text(self) -> bool:
        """May it stand unencoded in a 7bit or 8bit part (RFC 2045 §2.7, §2.8)?"""
        return (
            not self.has_nul
            and not self.has_lone_cr_or_lf
            and self._tail[-1:] != b"\r"
            and self.longest_line_octets <= MAX_LINE_OCTETS
        )

    def facts(self, *, header_octets: int) -> BodyFacts:
        is_long = self.longest_line_octets > MAX_LINE_OCTETS
        return BodyFacts(
            header_octets=header_octets,
            ends_with_crlf=self._tail == CRLF,
            is_8bit=self.is_8bit,
            has_nul=self.has_nul,
            longest_line_octets=self.longest_line_octets if is_long else 0,
            dotted_line_count=self.dotted_line_count,
        )
