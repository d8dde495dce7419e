"""From and Sender of what people submit: found, and read so strictly that all read the same.

`find_fields` reads a kept header block once, by lines, and decodes nothing.  Then:

A program shows the address, or only the name, or whatever it makes of what is
malformed.  So a field passes where there is one way to read it:

    mailbox = [name] "<" addr-spec ">" [comment] / addr-spec [comment]     between commas
    name    = atoms, quoted strings, encoded words, comments; no "@" but in quotes / addr-spec

and where no text that stands beside the address, in any of its readings
(`authors.readings`), is an address of ours that belongs to another.  No groups, no
routes, nothing behind an address but a comment, no controls and no marks that turn
the direction of what is read.

Where programs end a comment or a quoted string at different places, the rest may be
one more author to some: a comment that holds a parenthesis (mailparse and nodemailer end
it at the first one, MailTools shows it without the inner one) has no sign
of an address in it, and beside an escaped quote, or a separator in a comment or
out of an encoded word, an address is one's own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from mailserver.values.address import Address, fold_domain
from mailserver.values.text.header_text import decode_octets
from smtp_relay.inbound.authors.readings import decoded, every_reading
from smtp_relay.inbound.grammar.paths import BadPath, parse_reverse_path

MAX_AUTHORS = 100
MAX_AUTHORS_OCTETS = 64 * 1024  # of one field: reading it must not keep the others waiting

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
_SIGNS = re.compile(rb'[@<>,;:"]|=\?')
_SEPARATORS = re.compile("[,;:]")
_UNSEEN = {"Cf", "Cc"}  # what takes no room, as a soft hyphen


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


_LOOSE_TOKEN = re.compile(
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
    for words in _unquoted_mailboxes(value):
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


def _unquoted_mailboxes(value: bytes) -> list[list[bytes]]:
    """Split at commas and group marks; comments fall out (they nest, RFC 5322 §3.2.2)."""
    mailboxes: list[list[bytes]] = [[]]
    depth = position = 0
    while position < len(value):
        token = _COMMENT.match(value, position) if depth else _LOOSE_TOKEN.match(value, position)
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


def _address(spec: bytes) -> Address:
    try:
        path, rest = parse_reverse_path(f"<{spec.decode('utf-8').strip()}>")
    except (BadPath, UnicodeDecodeError):
        raise BadAddressList("not an address") from None
    if path.address is None or rest:
        raise BadAddressList("not an address")
    return path.address


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
    for text, is_own_only in _texts_beside(value):
        if _TURNED.search(text):
            return True
        angled = [found for found in _ANGLED.findall(text) if "@" in found]
        if not all(_is_own(found, owns_address) for found in angled):
            return True
        for local, domain in _SHOWN.findall(text):
            folded = fold_domain("".join(domain.split()))
            is_concerned = is_own_only or folded in own_domains
            if is_concerned and not owns_address(Address(local, folded)):
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
            _check_comment(value[position + 1 : end - 1])
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


def _check_comment(text: bytes) -> None:
    if (b"(" in text or b")" in text) and _SIGNS.search(text):
        raise BadAddressList("a comment in a comment, with a sign of an address")


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


def _texts_beside(value: bytes) -> Iterator[tuple[str, bool]]:
    """Name (or the address alone) and comments of each mailbox, as programs may show them.

    And with each: may some program take an address in it for one more author?
    """
    for tokens in _mailboxes(value):
        name = b"".join(text for kind, text in tokens if kind not in {"angle", "comment"})
        comments = [text[1:-1] for kind, text in tokens if kind == "comment"]
        for octets in (name, *comments):
            written = decode_octets(octets, most_octets=len(octets))
            for text in decoded(written):
                # Some know no comments before an address, and split there.
                is_split = text != written or octets is not name
                is_author = b'\\"' in octets or (is_split and _SEPARATORS.search(text) is not None)
                for reading in every_reading(text):
                    yield _as_seen(reading), is_author


def _as_seen(text: str) -> str:
    """Without quotes and what takes no room; full-width letters as others."""
    plain = unicodedata.normalize("NFKC", text.replace('"', "").replace("\\", ""))
    return "".join(
        c for c in plain if unicodedata.category(c) not in _UNSEEN or _TURNED.match(c) is not None
    )
