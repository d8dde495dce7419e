"""The hash of a body: the same for every cutting, and what the RFC's text says."""

from __future__ import annotations

import hashlib
import tracemalloc
from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailserver.dkim.body_hash import BodyHash

EMPTY = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # RFC 6376 §3.4.4


def hash_of(*pieces: bytes) -> bytes:
    body_hash = BodyHash()
    for piece in pieces:
        body_hash.feed(piece)
    return body_hash.digest()


def canonical_by_lines(body: bytes) -> bytes:
    """RFC 6376 §3.4.4, line by line and octet by octet."""
    lines = []
    for line in body.split(b"\r\n"):
        kept = bytearray()
        for octet in line.replace(b"\t", b" "):
            if octet != 0x20 or not kept.endswith(b" "):
                kept.append(octet)
        lines.append(bytes(kept[:-1] if kept.endswith(b" ") else kept))
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def digest_by_lines(body: bytes) -> bytes:
    return hashlib.sha256(canonical_by_lines(body)).digest()


PIECES = st.lists(
    st.one_of(
        st.lists(
            st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b"b c", b"\r\n\r\n", b"\0"])
        ).map(b"".join),
        st.binary(max_size=20),
    ),
    max_size=12,
)


@given(PIECES)
@example([b"a \r", b"\n"])
@example([b"a", b" ", b"\t", b"\r", b"\n", b"\r", b"\n", b"b"])
@example([b"\r", b"\r\n", b"\n\r\n"])
def test_any_cutting_of_a_body_gives_the_hash_of_its_canonical_lines(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    expected = digest_by_lines(body)
    assert hash_of(*pieces) == expected
    assert hash_of(body) == expected
    assert hash_of(*(body[at : at + 1] for at in range(len(body)))) == expected


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n \r\n\t\r\n", b" "])
def test_a_body_of_nothing_but_empty_lines_is_the_empty_one(body: bytes) -> None:
    assert b64encode(hash_of(body)).decode("ascii") == EMPTY


def test_the_example_of_the_standard_has_its_canonical_form() -> None:
    # RFC 6376 §3.4.5, Example 1.
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert hash_of(body) == hashlib.sha256(b" C\r\nD E\r\n").digest()


def test_a_body_without_a_final_line_end_gets_one() -> None:
    assert hash_of(b"a") == hash_of(b"a\r\n") == hash_of(b"a \r\n\r\n")


def test_white_space_in_front_of_a_line_counts() -> None:
    assert hash_of(b"\r\n a\r\n") != hash_of(b"\r\na\r\n")


def test_empty_lines_and_spaces_without_end_take_no_memory() -> None:
    for filler in (b"\r\n" * 32_000, b" " * 64_000, b" \r\n" * 21_000):
        body_hash = BodyHash()
        tracemalloc.start()
        for _ in range(100):
            body_hash.feed(filler)
        kept_octets, _ = tracemalloc.get_traced_memory()
        body_hash.feed(b"x")
        _, most_octets = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert kept_octets < 10_000
        assert most_octets < 1_000_000
