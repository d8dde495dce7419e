"""From and Sender of what people submit: read so strictly that every program reads the same.

A program shows the address, or only the name, or whatever it makes of what is
malformed.  So a field passes where there is one way to read it:

    mailbox = [name] "<" addr-spec ">" [comment] / addr-spec [comment]     between commas
    name    = atoms, quoted strings, encoded words, comments; no "@" but in quotes / addr-spec

and where no text that stands beside the address, as it is written, decoded
(RFC 2047) or without its quotes and comments, is an address of ours that belongs
to another.  No groups, no routes, nothing behind an address but a comment, no
controls and no marks that turn the direction of what is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence

from mailserver.values.address import Address, fold_domain
from mailserver.values.header_text import decode_octets, read_words
from smtp_relay.inbound.message.headers import MAX_AUTHORS_OCTETS, BadAddressList, parse_authors

_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TURNED = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TOKEN = re.compile(
    rb'(?P<quoted>"[^"\\]*+(?:\\.[^"\\]*+)*")'
    rb"|(?P<angle><[^<>]*+>)"
    rb"|(?P<open>\()"
    rb"|(?P<comma>,)"
    rb'|(?P<atom>[^\s"<>(),:;\\\[\]]++)'
    rb"|(?P<space>[ \t]++)",
    re.DOTALL,
)
_COMMENT = re.compile(rb"[()]|[^()\\]++|\\.", re.DOTALL)
# From the beginning of a word only, and without a step back: in time that grows with the text.
_SHOWN = re.compile(
    r"(?<![^\s<>\"(),:;@])([^\s<>\"(),:;@]++)\s*+@\s*+([\w-]++(?:\s*+\.\s*+[\w-]++)*)"
)
_ANGLED = re.compile(r"<([^<>]*+)>")
_UNSEEN = {"Cf", "Cc"}  # what takes no room, as a soft hyphen


def read_strictly(value: bytes) -> list[Address]:
    """The addresses; each mailbox has one, and one only.

    Raises:
        BadAddressList: two programs might read two different things.
    """
    if len(value) > MAX_AUTHORS_OCTETS or _CONTROLS.search(value):
        raise BadAddressList("too long, or a control character")
    for tokens in _mailboxes(value):
        _check_mailbox(tokens)
    return parse_authors(value)


def names_another(
    value: bytes, *, owns_address: Callable[[Address], bool], own_domains: Collection[str]
) -> bool:
    """Is what stands beside the addresses an address of ours that is somebody else's?

    value: one that `read_strictly` has read.
    """
    for text in _texts_beside(value):
        if _TURNED.search(text):
            return True
        angled = [found for found in _ANGLED.findall(text) if "@" in found]
        if not all(_is_own(found, owns_address) for found in angled):
            return True
        for local, domain in _SHOWN.findall(text):
            folded = fold_domain("".join(domain.split()))
            if folded in own_domains and not owns_address(Address(local, folded)):
                return True
    return False


def _is_own(angled: str, owns_address: Callable[[Address], bool]) -> bool:
    """Programs that decode before they read take it for the address."""
    local, _, domain = angled.strip().rpartition("@")
    return owns_address(Address(local, domain))


_Token = tuple[str, bytes]


def _tokens(value: bytes) -> Iterator[_Token]:
    position = 0
    while position < len(value):
        found = _TOKEN.match(value, position)
        if found is None or found.lastgroup is None:
            raise BadAddressList("unexpected octet")
        if found.lastgroup == "open":
            end = _comment_end(value, position)
            yield "comment", value[position:end]
            position = end
        else:
            yield found.lastgroup, found[0]
            position = found.end()


def _comment_end(value: bytes, begin: int) -> int:
    depth, position = 0, begin
    while position < len(value):
        found = _COMMENT.match(value, position)
        if found is None:
            break
        position = found.end()
        depth += (found[0] == b"(") - (found[0] == b")")
        if depth == 0:
            return position
    raise BadAddressList("unbalanced comment")


def _mailboxes(value: bytes) -> Iterator[list[_Token]]:
    mailbox: list[_Token] = []
    for kind, text in _tokens(value):
        if kind == "comma":
            yield mailbox
            mailbox = []
        else:
            mailbox.append((kind, text))
    yield mailbox


def _check_mailbox(tokens: Sequence[_Token]) -> None:
    kinds = [kind for kind, _ in tokens if kind != "space"]
    while kinds and kinds[-1] == "comment":
        kinds.pop()
    if not kinds:
        raise BadAddressList("an empty place in the list")
    if "angle" in kinds:
        if kinds.index("angle") != len(kinds) - 1:
            raise BadAddressList("something behind the address")
        _check_name(tokens)
    elif "comment" in kinds:
        raise BadAddressList("a comment that is not at the end")


def _check_name(tokens: Sequence[_Token]) -> None:
    """An `@` outside quotes: only where the name is an address and nothing else."""
    name = [text for kind, text in tokens if kind not in {"space", "comment"}]
    if name.pop().startswith(b"<@"):
        raise BadAddressList("a route")
    is_unquoted = any(kind == "atom" and b"@" in text for kind, text in tokens)
    if is_unquoted and (len(name) > 1 or name[0].startswith(b"@") or name[0].endswith(b"@")):
        raise BadAddressList("an at sign in a name: it belongs into quotes")


def _texts_beside(value: bytes) -> Iterator[str]:
    """Name (or the address alone) and comments of each mailbox, as programs may show them."""
    for tokens in _mailboxes(value):
        name = b"".join(text for kind, text in tokens if kind not in {"angle", "comment"})
        for octets in (name, *(text for kind, text in tokens if kind == "comment")):
            written = decode_octets(octets, most_octets=len(octets))
            decoded = read_words(written)
            for text in dict.fromkeys((written, decoded, read_words(decoded))):
                yield _as_seen(text)


def _as_seen(text: str) -> str:
    """Without quotes and what takes no room; full-width letters as others."""
    plain = unicodedata.normalize("NFKC", text.replace('"', "").replace("\\", ""))
    return "".join(
        c for c in plain if unicodedata.category(c) not in _UNSEEN or _TURNED.match(c) is not None
    )
