"""Signatures that our own keys made, and that say too little: none of them vouches.

Changing a text breaks its signature whatever it says; so here each is made anew, octet by
octet from RFC 6376, as a key of ours might have signed elsewhere, or long ago.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from mailserver.dkim.keys import Algorithm, SigningKey
from mailserver.dkim.own import is_signed_by
from mailserver.dkim.signature import MAX_SIGNED_FIELDS
from tests.dkim.verifier import KEYS, make_signing_key

FIELDS = {b"from": b"pierre@a.test", b"subject": b"un sujet", b"to": b"paul@b.test"}
BODY_HASH = hashlib.sha256(b"bonjour\r\n").digest()
TAGS = {
    "v": "1",
    "a": "rsa-sha256",
    "c": "relaxed/relaxed",
    "d": "a.test",
    "s": "mo1",
    "h": "from:subject:to",
    "bh": b64encode(BODY_HASH).decode(),
}


def by_hand(
    tags: dict[str, str], *, key: SigningKey = KEYS[0], names: str | None = None, tail: str = ""
) -> bytes:
    """A header block, in canonical form already, with the signature of `names` above it."""
    block = b"".join(name + b":" + value + b"\r\n" for name, value in FIELDS.items())
    signed = tags.get("h", "") if names is None else names
    lines = b"".join(
        name + b":" + FIELDS[name] + b"\r\n"
        for name in (one.strip().encode() for one in signed.split(":"))
        if name in FIELDS
    )
    own = "dkim-signature:" + "; ".join(f"{tag}={value}" for tag, value in tags.items()) + tail
    octets = lines + own.encode() + b"; b="
    match key.key:
        case RSAPrivateKey():
            signature = key.key.sign(octets, PKCS1v15(), SHA256())
        case Ed25519PrivateKey():
            signature = key.key.sign(hashlib.sha256(octets).digest())
    return own.encode() + b"; b=" + b64encode(signature) + b"\r\n" + block


def is_ours(block: bytes, keys: tuple[SigningKey, ...] = KEYS) -> bool:
    return is_signed_by(keys, {"a.test", "xn--9ca.test"}, block + b"\r\n", BODY_HASH)


def test_what_is_signed_by_hand_as_we_sign_is_ours() -> None:
    assert is_ours(by_hand(TAGS))
    assert is_ours(by_hand(TAGS | {"d": "A.Test", "t": "1764000000", "h": "From : Subject : To"},
                           names="from:subject:to"))  # fmt: skip
    assert is_ours(by_hand(TAGS | {"d": "xn--9ca.test"}))


@pytest.mark.parametrize(
    "other",
    [
        {"v": "2"},
        {"c": "relaxed/simple"},
        {"c": "simple/relaxed"},
        {"c": "relaxed"},  # the body is simple where it says nothing (RFC 6376 §3.5)
        {"l": "9"},  # a body of which anybody writes the rest
        {"l": "0"},
        {"bh": b64encode(hashlib.sha256(b"other\r\n").digest()).decode()},
        {"bh": ""},
        {"h": "subject:to"},
        {"h": "from:to"},  # what a reader sees of its subject is anybody's
        {"h": ""},
        {"d": "b.test"},
        {"d": "sub.a.test"},
        {"s": "mo2"},
        {"s": ""},
        {"a": "rsa-sha1"},
        {"a": "ed25519-sha256"},
    ],
)
def test_a_signature_of_our_key_that_says_too_little_vouches_for_nobody(
    other: dict[str, str],
) -> None:
    assert not is_ours(by_hand(TAGS | other))


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_no_tag_may_be_missing(tag: str) -> None:
    assert not is_ours(by_hand({name: value for name, value in TAGS.items() if name != tag}))


@pytest.mark.parametrize("tail", ["; v=1", "; x=1; x=2", "; h=to", "; l=9"])
def test_a_tag_that_stands_twice_vouches_for_nobody(tail: str) -> None:
    assert not is_ours(by_hand(TAGS, tail=tail))


@pytest.mark.parametrize("tail", ["; x=1", ";", "; ;"])
def test_what_is_not_read_in_a_signature_does_no_harm(tail: str) -> None:
    assert is_ours(by_hand(TAGS, tail=tail))


def test_as_many_names_as_we_ever_sign_and_no_more() -> None:
    most = 2 * MAX_SIGNED_FIELDS
    for count in (most, most + 1):
        names = ":".join([TAGS["h"], *("x" for _ in range(count - 3))])
        assert is_ours(by_hand(TAGS | {"h": names})) == (count == most)


@pytest.mark.parametrize("place", range(4))
def test_the_key_is_the_one_of_that_selector_and_that_algorithm(place: int) -> None:
    keys = tuple(
        make_signing_key(algorithm, selector)
        for selector in ("mo1", "mo2")
        for algorithm in (Algorithm.RSA, Algorithm.ED25519)
    )
    key = keys[place]
    tags = TAGS | {"s": key.selector, "a": key.algorithm.value}
    assert is_ours(by_hand(tags, key=key), keys)


def test_ten_signatures_are_looked_at_whatever_other_fields_stand_there() -> None:
    other = b"dkim-signature:v=1; d=b.test\r\n"
    assert is_ours(b"received:by x\r\n" * 20 + by_hand(TAGS))
    assert is_ours(other * 9 + by_hand(TAGS))
    assert not is_ours(other * 10 + by_hand(TAGS))
