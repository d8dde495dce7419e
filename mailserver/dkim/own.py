"""Is a message from outside one that we signed?  Needs no name server: the keys are ours.

Only what our own signatures look like counts (`signature`): relaxed on both sides,
over From and the whole body, without `l=`.  It covers all fields of the kinds that we sign:
a Reply-To or a Content-Type that somebody put above would lead an honest author's readers
elsewhere, or show them another text.  Sender and Resent-From, which others honestly add, are
let be where they hold no address of ours.  A line that is no lawful field (RFC 5322 §2.2) may be
another author to some programs, and is none of ours.

A signature that another service of our domains made, with a key that we do not have, is
nobody's here.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from mailserver.dkim.canonical import canonical_line, canonical_value, lines_of, parse_fields
from mailserver.dkim.keys import SigningKey
from mailserver.dkim.signature import MAX_SIGNED_FIELDS, SIGNED
from mailserver.values.address import fold_domain

_NAME: Final = b"dkim-signature"
_MAX_LOOKED_AT: Final = 10
_COVERED: Final = frozenset(SIGNED) - {b"sender"}
_OTHERS: Final = frozenset({b"sender", b"resent-from", b"resent-sender"})
_LAWFUL: Final = re.compile(rb"[!-9;-~]+[ \t]*:.*", re.DOTALL)
_SPACES: Final = re.compile(rb"[ \t\r\n]+")
_SIGNATURE_TAG: Final = re.compile(rb"((?:\A|;)[ \t]*b[ \t]*=)[^;]*")


def is_signed_by(
    keys: Sequence[SigningKey],
    domains: Collection[str],
    header_block: bytes,
    body_hash: bytes,
) -> bool:
    """Does one of these keys' signatures hold, over From and the whole body?

    header_block: as it came.  body_hash: `BodyHash.digest` of what follows it.
    domains: ours, as A-labels in lower case.
    """
    fields = list(parse_fields(header_block))
    if not all(map(_LAWFUL.fullmatch, lines_of(header_block))):
        return False
    found = [value for name, value in fields if name == _NAME][:_MAX_LOOKED_AT]
    return any(_holds(value, fields, keys, domains, body_hash) for value in found)


def _holds(
    value: bytes,
    fields: Sequence[tuple[bytes, bytes]],
    keys: Sequence[SigningKey],
    domains: Collection[str],
    body_hash: bytes,
) -> bool:
    tags = _tags(value)
    names = [name.strip().lower() for name in tags.get(b"h", b"").split(b":")]
    key = _key_named(keys, tags.get(b"s", b""), tags.get(b"a", b""))
    is_like_ours = (
        tags.get(b"v") == b"1"
        and tags.get(b"c") == b"relaxed/relaxed"
        and b"l" not in tags
        and tags.get(b"bh") == b64encode(body_hash)
        and b"from" in names
        and len(names) <= 2 * MAX_SIGNED_FIELDS
        and not _leaves_out(names, fields, domains)
        and fold_domain(tags.get(b"d", b"").decode("ascii", "replace")) in domains
    )
    if key is None or not is_like_ours:
        return False
    own_line = _NAME + b":" + canonical_value(_SIGNATURE_TAG.sub(rb"\1", value, count=1))
    return _verifies(key, tags.get(b"b", b""), _lines(names, fields) + own_line)


def _leaves_out(
    names: Sequence[bytes], fields: Sequence[tuple[bytes, bytes]], domains: Collection[str]
) -> bool:
    """Does a field stand there that this signature should cover, and does not?"""
    there = Counter(
        name
        for name, value in fields
        if name in _COVERED or (name in _OTHERS and _may_be_ours(value, domains))
    )
    return any(count > names.count(name) for name, count in there.items())


def _may_be_ours(value: bytes, domains: Collection[str]) -> bool:
    """What is encoded in any way is not read, and may be."""
    lowered = value.lower()
    is_plain = value.isascii() and b"=?" not in value
    return not is_plain or any(domain.encode("ascii") in lowered for domain in domains)


def _tags(value: bytes) -> dict[bytes, bytes]:
    """RFC 6376 §3.2; a tag that stands twice counts as none: the field is not ours."""
    tags: dict[bytes, bytes] = {}
    for part in value.split(b";"):
        name, _, text = part.partition(b"=")
        name = name.strip()
        if name in tags:
            return {}
        if name:
            tags[name] = _SPACES.sub(b"", text)
    return tags


def _key_named(keys: Iterable[SigningKey], selector: bytes, algorithm: bytes) -> SigningKey | None:
    for key in keys:
        if key.selector.encode("ascii") == selector and key.algorithm.value.encode() == algorithm:
            return key
    return None


def _lines(names: Iterable[bytes], fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """What was signed: each name takes the lowest field that none has taken (§5.4.2)."""
    left: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for name, value in fields:
        left[name].append(value)
    return b"".join(canonical_line(name, left[name].pop()) for name in names if left[name])


def _verifies(key: SigningKey, encoded: bytes, octets: bytes) -> bool:
    try:
        signature = b64decode(encoded, validate=True)
        match key.key:
            case RSAPrivateKey():
                key.key.public_key().verify(signature, octets, PKCS1v15(), SHA256())
            case Ed25519PrivateKey():
                key.key.public_key().verify(signature, hashlib.sha256(octets).digest())
            case _:
                assert_never(key.key)
    except (InvalidSignature, ValueError):
        return False
    return True
