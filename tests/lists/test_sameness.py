"""Two messages are the same where Message-ID and text are: different ones are never merged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.sameness import Sameness

NAMED = b"Message-ID: <1@b.fr>\r\nSubject: x\r\n\r\n"
UNNAMED = b"Subject: x\r\n\r\n"
TEXT = b"bonjour\r\n"


def key(block: bytes = NAMED, *texts: bytes, target: str = "list 1") -> bytes:
    one = Sameness(block)
    for text in texts or (TEXT,):
        one.feed(text)
    return one.key_for(target)


@pytest.mark.parametrize(
    "block",
    [
        b"Received: by x\r\n" + NAMED,  # another way here
        b"message-id:\r\n <1@b.fr>\r\n\r\n",
        b"Message-ID: <1@b.fr> \r\nSubject: [list] x\r\n\r\n",  # what others did to its header
    ],
)
def test_the_same_name_over_the_same_text_is_the_same_message(block: bytes) -> None:
    assert key(block) == key()


@pytest.mark.parametrize(
    ("block", "texts", "target"),
    [
        (NAMED.replace(b"<1@", b"<2@"), (TEXT,), "list 1"),
        (NAMED, (b"bonsoir\r\n",), "list 1"),
        (NAMED, (TEXT, b"."), "list 1"),
        (NAMED, (b"",), "list 1"),
        (NAMED, (TEXT,), "list 11"),
        (b"Message-ID: <2@b.fr>\r\n" + NAMED, (TEXT,), "list 1"),
        (UNNAMED, (TEXT,), "list 1"),
        (b"<1@b.fr>", (TEXT,), "list 1"),  # a header that reads as the other's name
        (b"Message-ID: \r\nSubject: x\r\n\r\n", (TEXT,), "list 1"),
    ],
)
def test_another_name_text_or_target_is_another_message(
    block: bytes, texts: tuple[bytes, ...], target: str
) -> None:
    assert key(block, *texts, target=target) != key()


def test_without_a_name_it_is_the_same_where_all_of_it_is() -> None:
    assert key(UNNAMED) == key(UNNAMED)
    assert key(UNNAMED) != key(b"Received: by x\r\n" + UNNAMED)
    assert key(UNNAMED) != key(UNNAMED, TEXT + b"x")


@given(st.lists(st.binary(max_size=5), max_size=9))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    assert key(NAMED, *pieces, b"") == key(NAMED, b"".join(pieces))


def test_one_message_has_a_key_for_each_target_in_any_order() -> None:
    one = Sameness(NAMED)
    one.feed(TEXT)
    first, second = one.key_for("list 1"), one.key_for("list 2")
    assert (first, second) == (key(), key(target="list 2"))
    assert one.key_for("list 1") == first
    assert key(target="\udcff") != first
