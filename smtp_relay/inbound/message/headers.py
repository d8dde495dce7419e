"""The header block: found while the message streams by, kept only when wanted, bounded.

The block ends with the first empty line (RFC 5322 §2.1); a message without one
is all header, but one whose first line is no header field has none (`opening`).

On submission `find_fields` reads the kept block once, by lines: whose From and
Sender it is, and whether Date and Message-ID are there.  Nothing is decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailserver.values.address import Address
from smtp_relay.inbound.grammar.paths import BadPath, parse_reverse_path
from smtp_relay.inbound.message.cleaning import Cleaning, FieldFilter

_EMPTY_LINE = b"\r\n\r\n"
_RECEIVED = b"\nreceived:"
_TAIL_OCTETS = len(_RECEIVED) - 1  # what a piece may hold of a mark that the next one ends
MAX_AUTHORS = 100
MAX_AUTHORS_OCTETS = 64 * 1024  # of one field: reading it must not keep the others waiting


class HeaderBlock:
    """Looks for the end of the header block, and takes out what does not go on.

    octets: the length of what stays, empty line included.  received_count: its Received
        fields, one for each server that the message has passed.
    is_complete: set from outside where there is none at all.
    """

    __slots__ = ("_cleaning", "_filter", "_keep", "_kept", "_max_octets", "_tail", "is_complete",
                 "is_too_large", "octets", "received_count")  # fmt: skip

    def __init__(self, *, max_octets: int, keep: bool, cleaning: Cleaning | None = None) -> None:
        self._max_octets = max_octets
        self._keep = keep
        self._cleaning = cleaning
        self._filter: FieldFilter | None = None
        self._kept: list[bytes] = []
        self._tail = b"\r\n"  # an empty first line ends the block too
        self.octets = 0
        self.received_count = 0
        self.is_complete = False
        self.is_too_large = False

    def feed(self, piece: bytes, *, is_last: bool = False) -> bytes:
        """Take the next octets of the message, dot-unstuffed; what stays of them.

        Not called once complete.  is_last: nothing follows.
        """
        window = self._tail + piece
        text = b""
        found = window.find(_EMPTY_LINE)
        if found >= 0:
            taken = found + len(_EMPTY_LINE) - len(self._tail)
            self.is_complete = True
            piece, text = piece[:taken], piece[taken:]
            window = window[:found]
        else:
            self._tail = window[-_TAIL_OCTETS:]
        lowered = window.lower()
        self.received_count += lowered.count(_RECEIVED)
        if self._cleaning is not None:
            piece = self._clean(piece, lowered, is_last=is_last or self.is_complete)
        self.octets += len(piece)
        if self.octets > self._max_octets:
            self.is_too_large = True
            self._kept = []
        elif self._keep:
            self._kept.append(piece)
        return piece + text if text else piece

    def _clean(self, piece: bytes, lowered: bytes, *, is_last: bool) -> bytes:
        """Nearly always the first piece holds the block, and nothing that goes."""
        assert self._cleaning is not None
        if self._filter is None:
            if is_last and not self._cleaning.may_be_in(lowered):
                return piece
            self._filter = FieldFilter(self._cleaning)
        return self._filter.feed(piece, is_last=is_last)

    def kept(self) -> bytes:
        """The kept block as far as it has come."""
        return b"".join(self._kept)

    def take(self) -> bytes:
        """The kept block; forgets it."""
        block, self._kept = b"".join(self._kept), []
        return block


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedFields:
    """What submission wants to know of a header block; values without their field name."""

    authors: tuple[bytes, ...]  # each From field
    senders: tuple[bytes, ...]  # each Sender field
    resenders: tuple[bytes, ...]  # each Resent-From and Resent-Sender field
    has_date: bool
    has_message_id: bool
    has_bad_line: bool  # neither a field nor folded; or with controls, which some read as line ends


_WANTED = (b"from", b"sender", b"resent-from", b"resent-sender", b"date", b"message-id")
_FIELD = re.compile(rb"[!-9;-~]++:[^\x00-\x08\x0a-\x1a\x1c-\x1f]*+")  # RFC 5322 §2.2
_FOLDED = re.compile(rb"[ \t][^\x00-\x08\x0a-\x1a\x1c-\x1f]*+")


def find_fields(block: bytes) -> SubmittedFields:
    """Read the block by lines; folded lines are joined to their field."""
    values: dict[bytes, list[list[bytes]]] = {name: [] for name in _WANTED}
    current: list[bytes] | None = None  # the lines of the field that may be folded
    has_bad_line = False
    for line in block.split(b"\r\n"):
        if not line:
            break
        if line[:1] in b" \t":
            has_bad_line = has_bad_line or _FOLDED.fullmatch(line) is None
            if current is not None:
                has_bad_line = has_bad_line or not line.strip()  # some end the header here
                current.append(line)
            continue
        has_bad_line = has_bad_line or _FIELD.fullmatch(line) is None
        name, _, value = line.partition(b":")
        fields = values.get(name.rstrip(b" \t").lower())
        current = None if fields is None else [value]
        if fields is not None and current is not None:
            fields.append(current)
    joined = {name: tuple(b"".join(lines) for lines in found) for name, found in values.items()}
    return SubmittedFields(
        authors=joined[b"from"],
        senders=joined[b"sender"],
        resenders=joined[b"resent-from"] + joined[b"resent-sender"],
        has_date=bool(joined[b"date"]),
        has_message_id=bool(joined[b"message-id"]),
        has_bad_line=has_bad_line,
    )


class BadAddressList(ValueError):
    """A From or Sender that we cannot read without guessing."""


_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*"'  # quoted-string
    rb"|<[^<>]*+>"  # route-addr
    rb"|[()]|[,:;]"
    rb'|[^"<>(),:;\\]++'
    rb"|\\.",
    re.DOTALL,
)


def parse_authors(value: bytes) -> list[Address]:
    """The addresses of a From or Sender field, in order; names and comments are dropped.

        mailbox      = [display-name] "<" addr-spec ">" / addr-spec
        address-list = mailbox *("," mailbox), groups allowed      ; RFC 5322 §3.4

    Raises:
        BadAddressList: no address, too many, or octets that are no address list.
    """
    if len(value) > MAX_AUTHORS_OCTETS:
        raise BadAddressList("too long")
    authors: list[Address] = []
    for words in _mailboxes(value):
        angled = [word for word in words if word.startswith(b"<")]
        if len(angled) > 1:
            raise BadAddressList("two addresses in one mailbox")
        if angled:
            # `boss@b.fr <me@b.fr>`: some programs show the first one, so it counts too.
            authors.extend(map(_address, _bare_addresses(words)))
        spec = angled[0][1:-1] if angled else b"".join(words)
        authors.append(_address(spec))
        if len(authors) > MAX_AUTHORS:
            raise BadAddressList("too many authors")
    if not authors:
        raise BadAddressList("no author")
    return authors


def _bare_addresses(words: list[bytes]) -> list[bytes]:
    """What looks like an address in a display name, or behind the angle brackets, unquoted."""
    unquoted = (word for word in words if word[:1] not in b'<"')
    return [part for word in unquoted for part in word.split() if b"@" in part.strip(b"@")]


def _mailboxes(value: bytes) -> list[list[bytes]]:
    """Split at commas and group marks; comments fall out (they nest, RFC 5322 §3.2.2)."""
    mailboxes: list[list[bytes]] = [[]]
    depth = position = 0
    while position < len(value):
        token = _COMMENT_TEXT.match(value, position) if depth else _TOKEN.match(value, position)
        if token is None:
            raise BadAddressList("unexpected octet")
        position = token.end()
        text = token[0]
        if text == b"(":
            depth += 1
        elif text == b")":
            depth -= 1
            if depth < 0:
                raise BadAddressList("unbalanced comment")
        elif depth:
            continue
        elif text == b":":
            mailboxes[-1] = []  # a group's name
        elif text in {b",", b";"}:
            mailboxes.append([])
        elif text.strip():
            mailboxes[-1].append(text.strip())
    if depth:
        raise BadAddressList("unbalanced comment")
    return [words for words in mailboxes if words]


_COMMENT_TEXT = re.compile(rb"[()]|[^()\\]++|\\.", re.DOTALL)


def _address(spec: bytes) -> Address:
    try:
        path, rest = parse_reverse_path(f"<{spec.decode('utf-8').strip()}>")
    except (BadPath, UnicodeDecodeError):
        raise BadAddressList("not an address") from None
    if path.address is None or rest:
        raise BadAddressList("not an address")
    return path.address
