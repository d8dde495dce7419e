"""Whatever octets come: whole replies, or a fault in words, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.delivery.client.replies import (
    MAX_LINE_OCTETS,
    MAX_LINES,
    MAX_REPLY_OCTETS,
    MAX_WORDS,
    Reply,
    ReplyReader,
    readable,
)

PIECES = st.sampled_from(
    [b"250 2.0.0 Ok\r\n", b"250-a\r\n", b"250 b\r\n", b"354\r\n", b"421 x\n", b"99", b"\r\n"]
)
OCTETS = st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=20).map(b"".join)


def read(*chunks: bytes) -> tuple[list[Reply], str]:
    reader = ReplyReader()
    replies = [reply for chunk in chunks for reply in reader.feed(chunk)]
    return replies, reader.fault


def test_replies_come_whole_however_the_packets_are_cut() -> None:
    octets = b"250-5 lines\r\n250 done\r\n354 go\r\n"
    whole = [Reply(250, (b"5 lines", b"done")), Reply(354, (b"go",))]
    assert read(octets) == (whole, "")
    assert read(*(octets[i : i + 1] for i in range(len(octets)))) == (whole, "")


def test_a_code_alone_and_a_bare_lf_are_taken() -> None:
    assert read(b"250\r\n221 bye\n") == ([Reply(250, (b"",)), Reply(221, (b"bye",))], "")


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"hello\r\n", "makes no sense: hello"),
        (b"150 x\r\n", "makes no sense"),
        (b"600 x\r\n", "makes no sense"),
        (b"2500 x\r\n", "makes no sense"),
        (b"\r\n", "makes no sense"),
        (b"250-a\r\n550 b\r\n", "two codes"),
        (b"250 " + b"x" * MAX_LINE_OCTETS + b"\r\n", "a line of more than"),
        (b"250-x\r\n" * (MAX_LINES + 1), "lines"),
        ((b"250-" + b"x" * 4000 + b"\r\n") * 17, f"{MAX_REPLY_OCTETS} octets"),
    ],
)
def test_nonsense_is_a_fault_in_words(octets: bytes, words: str) -> None:
    replies, fault = read(octets)
    assert replies == []
    assert words in fault


def test_a_banner_of_a_gigabyte_is_given_up_after_one_line() -> None:
    reader = ReplyReader()
    chunk = b"x" * 65536
    assert reader.feed(b"220-" + chunk) == []
    assert reader.fault
    for _ in range(16):
        assert reader.feed(chunk) == []
    assert reader.is_empty


def test_replies_before_the_nonsense_still_count() -> None:
    replies, fault = read(b"250 ok\r\nnonsense\r\n250 never\r\n")
    assert replies == [Reply(250, (b"ok",))]
    assert fault


@given(octets=OCTETS, cuts=st.lists(st.integers(1, 9), max_size=40), junk=st.binary(max_size=9))
def test_whatever_comes_has_one_meaning_in_any_pieces(
    octets: bytes, cuts: list[int], junk: bytes
) -> None:
    whole = read(octets + junk)
    start, pieces = 0, []
    for size in cuts:
        pieces.append((octets + junk)[start : start + size])
        start += size
    assert read(*pieces, (octets + junk)[start:]) == whole


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (Reply(250, (b"2.0.0 Ok: queued",)), "2.0.0", "250 2.0.0 Ok: queued"),
        (Reply(250, (b"Ok",)), "2.0.0", "250 Ok"),
        (Reply(550, (b"5.1.1 No such", b"5.1.1 user")), "5.1.1", "550 5.1.1 No such user"),
        (Reply(450, (b"5.1.1 lies",)), "4.0.0", "450 5.1.1 lies"),
        (Reply(550, (b"5.1.1234 x",)), "5.0.0", "550 5.1.1234 x"),
        (Reply(550, (b"a\x1b[2Jb",)), "5.0.0", "550 a\\x1b[2Jb"),
        (Reply(550, (b"d\xc3\xa9sol\xc3\xa9",)), "5.0.0", "550 désolé"),
        (Reply(550, (b"5.1.1 d\xe9sol\xe9", b"5.1.1 \x80 \x96")), "5.1.1", "550 5.1.1 désolé € –"),
        (Reply(550, (b"d\xe9 \x81\x1b",)), "5.0.0", "550 dé \\x81\\x1b"),
        (Reply(550, (b"x" * 995 + "é".encode(),)), "5.0.0", "550 " + "x" * 995),
        (Reply(550, ("a\u202eb".encode(),)), "5.0.0", "550 a\\u202eb"),
    ],
)
def test_what_people_read_of_a_reply(reply: Reply, status: str, words: str) -> None:
    assert (reply.status, reply.words) == (status, words)


@given(octets=st.binary(max_size=3000))
def test_whatever_a_peer_says_is_printable_and_short(octets: bytes) -> None:
    text = readable(octets)
    assert text.isprintable()
    assert len(text) <= MAX_WORDS
