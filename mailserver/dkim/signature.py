"""The DKIM-Signature field: which fields are signed, what is hashed, how it is written.

    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=ac-exemple.fr; s=mo1;
    \tt=1795487137; h=from:from:subject:subject:date:date:to:to:cc:message-id;
    \tbh=...;
    \tb=...

RFC 6376 §3.5 and §3.7.  There is no `l=`: what was appended behind a signed
length would pass as ours.  There is no `x=`: old mail stays as true as it was.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from mailserver.dkim.canonical import canonical_line, canonical_value

MAX_COLUMNS: Final = 76
MAX_SIGNED_FIELDS: Final = 100
"""Each kind stands once in honest mail; beyond this the `h=` tag itself would be an attack."""

# One more than there are: a field of that name that somebody adds breaks the signature
# (RFC 6376 §8.15).
_OVERSIGNED: Final = (b"from", b"subject", b"date", b"to", b"cc")
SIGNED: Final = (
    *_OVERSIGNED,
    b"sender",
    b"reply-to",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# Likewise, where they stand: no button of a mail program shall lead to a link of somebody else's.
_OVERSIGNED_OF_LIST: Final = (b"list-unsubscribe", b"list-unsubscribe-post")
# RFC 2369, RFC 2919, RFC 8058.  Letters only: a name may hold `;`, and must not write tags of ours.
_LIST: Final = re.compile(rb"list-[a-z0-9-]{1,32}")
_NAME: Final = b"DKIM-Signature"
_SHORT: Final = MAX_COLUMNS - 1  # after the tab of a folded line
_BODY_HASH: Final = re.compile(rb"\r\n\tbh=([A-Za-z0-9+/]{43}=);")  # as `draft_signature` folds it
_NAMES: Final = re.compile(rb"[^:]+(?::|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFields:
    """What a signature covers of a header block.

    names: the value of `h=`.  lines: the canonical fields in that order.
    """

    names: bytes
    lines: bytes


class TooManyFields(ValueError):
    """More fields of the signed kinds than `MAX_SIGNED_FIELDS`."""


def select_fields(fields: Iterable[tuple[bytes, bytes]]) -> SignedFields:
    """Choose what is signed; several fields of one name from the bottom up (RFC 6376 §5.4.2).

    fields: as `parse_fields` gives them.

    Raises:
        TooManyFields: of the kinds that are signed.
    """
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    count = 0
    for name, value in fields:
        if name in _SIGNED_SET or _LIST.fullmatch(name):
            found[name].append(value)
            count += 1
    if count > MAX_SIGNED_FIELDS:
        raise TooManyFields(f"{count} fields")
    others = sorted(found.keys() - _SIGNED_SET)
    names: list[bytes] = []
    lines: list[bytes] = []
    for name in (*SIGNED, *others):
        values = found.get(name, ())
        lines += [canonical_line(name, value) for value in reversed(values)]
        names += [name] * (len(values) + (name in _OVERSIGNED_SET))
    return SignedFields(names=b":".join(names), lines=b"".join(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A field without its signature.

    octets: as it is sent, up to and with `b=`.
    to_sign: what the signature is made of (RFC 6376 §3.7).
    """

    octets: bytes
    to_sign: bytes

    def signed(self, signature: bytes) -> bytes:
        """The field, with CRLF."""
        encoded = b64encode(signature)
        room = MAX_COLUMNS - len(b"\tb=")
        lines = [encoded[:room]]
        lines += [encoded[at : at + _SHORT] for at in range(room, len(encoded), _SHORT)]
        return self.octets + b"\r\n\t".join(lines) + b"\r\n"


def draft_signature(
    fields: SignedFields,
    *,
    algorithm: str,
    domain: str,
    selector: str,
    body_hash: bytes,
    at_s: int,
) -> Draft:
    """Write the field of one key; `domain` as A-labels."""
    tags = (
        b"v=1;",
        b"a=%b;" % algorithm.encode("ascii"),
        b"c=relaxed/relaxed;",
        b"d=%b;" % domain.encode("ascii"),
        b"s=%b;" % selector.encode("ascii"),
        b"t=%d;" % at_s,
    )
    lines = list(_fill(_NAME + b":", tags, glue=b" "))
    lines += _fill(b"h=", _NAMES.findall(fields.names + b";"), glue=b"")
    lines += [b"bh=%b;" % b64encode(body_hash), b"b="]
    octets = b"\r\n\t".join(lines)
    value = octets[len(_NAME) + 1 :].replace(b"\r\n", b"")
    own_line = _NAME.lower() + b":" + canonical_value(value)  # without CRLF
    return Draft(octets=octets, to_sign=fields.lines + own_line)


def read_body_hash(signature: bytes) -> bytes | None:
    """What a field that `draft_signature` wrote says of the body; None: another wrote it.

    Who signs a changed header block over the same body need not read the body again.
    """
    found = _BODY_HASH.search(signature)
    return None if found is None else b64decode(found[1])


def _fill(line: bytes, words: Iterable[bytes], *, glue: bytes) -> Iterator[bytes]:
    """Lines of at most MAX_COLUMNS where the words allow it; `line` begins the first."""
    for word in words:
        if len(line) + len(glue) + len(word) > _SHORT:
            yield line
            line = word
        else:
            line += glue + word
    yield line


_SIGNED_SET: Final = frozenset(SIGNED)
_OVERSIGNED_SET: Final = frozenset(_OVERSIGNED + _OVERSIGNED_OF_LIST)
