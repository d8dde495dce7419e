"""What changes in the header block of a post, octet by octet.

    Subject              `[name] ` in front, once; what is there stays as it is written
    List-*, Precedence   ours, in our own head; those of another list go, but for its List-Id
    DKIM-Signature       of our own domains: gone, a new one stands above.  Others stay
    From, Reply-To       only where the author's domain wants strict alignment (`dmarc`)
    everything else      untouched, in its order

RFC 2369, RFC 2919, RFC 6377 §5.  A list's name is put in as an
encoded word (RFC 2047) only where it is not ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from email.utils import quote as quote_name

from mailserver.lists.addresses import ListPurpose, address_for, id_of
from mailserver.lists.words import encode_words
from mailserver.store.ports.lists import MailingList, Posting
from mailserver.values.message import MAX_LINE_OCTETS
from mailserver.values.text.header_text import decode_words

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")

_REPLACED = frozenset(
    {
        b"list-post",
        b"list-help",
        b"list-subscribe",
        b"list-unsubscribe",
        b"list-unsubscribe-post",
        b"list-owner",
        b"list-archive",
        b"precedence",
        b"return-path",
    }
)
_SIGNING_DOMAIN = re.compile(rb"(?:^|;)[ \t\r\n]*d[ \t\r\n]*=[ \t\r\n]*([^;\s]+)")


@dataclass(frozen=True, slots=True)
class Field:
    """One field with its folds and its final CRLF; name in lower case, empty: no field."""

    name: bytes
    octets: bytes

    @property
    def value(self) -> bytes:
        """Unfolded, without white space around it."""
        raw = self.octets.partition(b":")[2]
        return raw.replace(b"\r\n", b"").strip(b" \t")


def split_fields(block: bytes) -> tuple[list[Field], bytes]:
    """(the fields, what is left: the empty line or nothing); together they are the block again."""
    fields: list[Field] = []
    position = 0
    while position < len(block):
        end = _end_of_field(block, position)
        octets = block[position:end]
        if octets == b"\r\n":
            return fields, block[position:]
        match = _FIELD.match(octets)
        fields.append(Field(b"" if match is None else match[1].lower(), octets))
        position = end
    return fields, b""


def _end_of_field(block: bytes, begin: int) -> int:
    """After its CRLF and those of its folds."""
    end = begin
    while True:
        found = block.find(b"\r\n", end)
        if found < 0:
            return len(block)
        end = found + 2
        if end == begin + 2 or block[end : end + 1] not in (b" ", b"\t"):
            return end


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """
    own_domains: A-labels in lower case; their signatures are replaced.
    author: the addresses of From, where it must be rewritten; else empty.
    """

    which: MailingList
    own_domains: Collection[str]
    author: str = ""
    author_name: str = ""


def rewrite(block: bytes, how: Rewriting) -> bytes:
    """The author's part of what members get, its final empty line included where there was one.

    `list_fields` stand above it, in our own head: what they say may differ for each reader.
    """
    fields, rest = split_fields(block)
    kept = [field for field in fields if not _goes(field, how)]
    if how.author:
        kept = list(_with_one_author(kept))
    lines = [_rewritten(field, how) for field in kept]
    if how.which.prefix and not any(field.name == b"subject" for field in kept):
        lines.append(b"Subject: " + prefix_words(how.which.prefix) + b"\r\n")
    if lines and not lines[-1].endswith(b"\r\n"):
        lines[-1] += b"\r\n"
    if how.author and not any(field.name == b"reply-to" for field in kept):
        lines.append(f"Reply-To: {how.author}\r\n".encode())
    return b"".join([*lines, rest])


def list_fields(which: MailingList) -> Iterator[bytes]:
    """What a list says of itself, each field with CRLF."""
    yield _list_id(which)
    posts = "NO" if which.posting is Posting.ANNOUNCE else f"<mailto:{which.address}>"
    yield f"List-Post: {posts}\r\n".encode()
    yield f"List-Help: <mailto:{address_for(which.address, ListPurpose.HELP)}>\r\n".encode()
    yield unsubscribe_fields(which)
    yield f"List-Owner: <mailto:{address_for(which.address, ListPurpose.OWNER)}>\r\n".encode()
    yield b"Precedence: list\r\n"


def unsubscribe_fields(which: MailingList, url: str = "") -> bytes:
    """url: of one reader's own page, for one click (RFC 8058 §3.1); empty: by mail only."""
    leave = f"<mailto:{address_for(which.address, ListPurpose.UNSUBSCRIBE)}>"
    if not url:
        return f"List-Unsubscribe: {leave}\r\n".encode()
    post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    return f"List-Unsubscribe: <{url}>,\r\n {leave}\r\n{post}\r\n".encode()


def with_prefix(subject: bytes, prefix: str) -> bytes:
    """A Subject's value with `[prefix] ` once: where it stands already, nothing changes."""
    if not prefix or _has_prefix(subject, prefix):
        return subject
    if subject[:1] not in (b" ", b"\t"):
        subject = b" " + subject
    # The space between two encoded words is not shown (RFC 2047 §6.2): it goes into the first.
    is_before_word = subject.lstrip().startswith(b"=?")
    words = b" " + prefix_words(prefix, space=" " if is_before_word else "")
    line_octets = len(b"Subject:") + len(words) + len(subject.partition(b"\r\n")[0])
    is_long = line_octets > MAX_LINE_OCTETS
    return words + (b"\r\n" if is_long and subject.strip() else b"") + subject


def prefix_words(prefix: str, *, space: str = "") -> bytes:
    """`[name]`, as one or several encoded words where it is not ASCII."""
    text = f"[{prefix}]"
    return text.encode("ascii") if text.isascii() else encode_words(text + space)


def _has_prefix(subject: bytes, prefix: str) -> bool:
    """Anywhere: behind reply words, behind another list's; read as a person sees it.

    Mail programs encode an answer's whole subject as soon as one of its letters needs it.
    """
    shown = decode_words(subject.replace(b"\r\n", b""))
    return f"[{prefix}]".casefold() in shown.casefold()


def _goes(field: Field, how: Rewriting) -> bool:
    if field.name in _REPLACED:
        return True
    if field.name == b"dkim-signature":
        found = _SIGNING_DOMAIN.search(field.octets.partition(b":")[2])
        return found is not None and found[1].decode("utf-8", "replace").lower() in how.own_domains
    return False


def _with_one_author(fields: Sequence[Field]) -> Iterator[Field]:
    """Without every From but the first, which stands for all of them (RFC 5322 §3.6)."""
    is_there = False
    for field in fields:
        if field.name != b"from" or not is_there:
            yield field
        is_there = is_there or field.name == b"from"


def _rewritten(field: Field, how: Rewriting) -> bytes:
    if field.name == b"subject":
        name, _, value = field.octets.partition(b":")
        return name + b":" + with_prefix(value, how.which.prefix)
    if field.name == b"from" and how.author:
        return _from_via(how)
    return field.octets


def _from_via(how: Rewriting) -> bytes:
    local = how.which.address.partition("@")[0]
    name = f"{how.author_name or how.author} via {how.which.prefix or local}"
    shown = f'"{quote_name(name)}"' if name.isascii() else encode_words(name).decode("ascii")
    return f"From: {shown}\r\n <{how.which.address}>\r\n".encode()


def _list_id(which: MailingList) -> bytes:
    words = " ".join(which.description.split())
    is_plain = words.isascii() and words.isprintable() and len(words) <= 60
    shown = f'"{quote_name(words)}"\r\n ' if words and is_plain else ""
    return f"List-Id: {shown}<{id_of(which)}>\r\n".encode()


def find_values(fields: Sequence[Field], name: bytes) -> list[bytes]:
    """The values of all fields of that name, in order."""
    return [field.value for field in fields if field.name == name]
