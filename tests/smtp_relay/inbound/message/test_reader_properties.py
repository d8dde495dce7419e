"""Any octets, in any pieces: no fault, bounded memory, well-formed replies, one meaning."""

from __future__ import annotations

import asyncio
import json
import re
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.inbound.message.body import DataReader
from tests.smtp_relay.inbound.fakes import MX, SUBMISSION, Hall, Stage
from tests.smtp_relay.inbound.wire import (
    AUTH,
    DATA,
    ENVELOPE,
    HELLO,
    MAIL,
    RCPT,
    SUBMIT_ENVELOPE,
    begin,
    codes,
    lines,
)

DATA_FOLDER = Path(__file__).parents[5] / "shared/data"
VECTORS = DATA_FOLDER / "vectors/smuggling/end-of-data.json"
MESSAGES = DATA_FOLDER / "messages.tar.gz"

PIECES = st.sampled_from(
    [
        HELLO,
        AUTH,
        MAIL,
        RCPT,
        DATA,
        b"RSET\r\n",
        b"NOOP\r\n",
        b"AUTH LOGIN\r\n",
        b"From: marie@ac-exemple.fr\r\n",
        b"\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b".",
        b"..\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"*\r\n",
        b"MAIL FROM:<",
        b"x" * 3000,
        SUBMIT_ENVELOPE,
    ]
)
TALK = st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(min_value=1, max_value=60), max_size=40)


def cut(octets: bytes, cuts: list[int]) -> list[bytes]:
    pieces, start = [], 0
    for size in cuts:
        pieces.append(octets[start : start + size])
        start += size
    return [piece for piece in (*pieces, octets[start:]) if piece]


@pytest.mark.slow
@given(talk=TALK, cuts=CUTS, is_mx=st.booleans())
def test_any_talk_in_any_pieces_has_one_meaning_and_no_fault(
    talk: bytes, cuts: list[int], is_mx: bool
) -> None:
    loop = asyncio.new_event_loop()
    try:
        heard, stored = [], []
        for pieces in ([talk], cut(talk, cuts)):
            hall = Hall(loop)
            stage = Stage(hall, MX if is_mx else SUBMISSION)
            for piece in pieces:
                stage.send(piece)
            stage.end()
            assert hall.service.counters.faults == 0
            heard.append(codes(b"".join(stage.transport.writes)))
            stored.append([hall.body(number) for number in range(len(hall.writer.writes))])
            lines(b"".join(stage.transport.writes))
        assert heard[0] == heard[1]
        assert stored[0] == stored[1]
    finally:
        loop.close()


BODIES = st.lists(
    st.one_of(
        st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"ab", b":", b">", b"From ", b"A: b\r\n"]),
        st.binary(max_size=6),
    )
).map(b"".join)


def reader_of(*, mends: bool) -> DataReader:
    return DataReader(
        max_octets=10**6,
        max_header_octets=10**6,
        keep_header=True,
        mends_line_ends=mends,
        drops_separators=mends,
    )


@pytest.mark.parametrize("mends", [False, True])
@given(body=BODIES, cuts=CUTS)
def test_the_reader_finds_the_same_end_and_the_same_facts_in_any_pieces(
    body: bytes, cuts: list[int], *, mends: bool
) -> None:
    wire = body + b"\r\n.\r\nrest"
    whole = reader_of(mends=mends)
    stored = whole.feed(wire)
    parts = reader_of(mends=mends)
    collected, fed = b"", 0
    for piece in cut(wire, cuts):
        collected += parts.feed(piece)
        fed += len(piece)
        if parts.rest is not None:
            break
    assert collected == stored
    assert whole.rest is not None
    assert parts.rest is not None
    assert parts.rest + wire[fed:] == whole.rest
    assert parts.facts == whole.facts
    assert parts.has_bare_cr_or_lf == whole.has_bare_cr_or_lf
    assert parts.has_header == whole.has_header
    assert parts.header.take() == whole.header.take()


@given(body=BODIES)
def test_mended_text_is_the_lines_without_one_dot_and_with_crlf(body: bytes) -> None:
    reader = reader_of(mends=True)
    stored = reader.feed(body + b"\r\n.\r\n")
    assert reader.rest is not None
    end = (b"\r\n" + body + b"\r\n.\r\n").find(b"\r\n.\r\n")
    lines = re.split(rb"\r\n|\n", (body + b"\r\n")[:end])
    meant = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-1])
    separator = meant.removesuffix(stored)
    assert separator + stored == meant
    assert all(re.match(rb">*From ", line) for line in separator.split(b"\r\n")[:-1])
    assert reader.has_bare_cr_or_lf == (b"\r" in stored.replace(b"\r\n", b""))
    assert reader.size_octets == len(stored)
    dotted = sum(line.startswith(b".") for line in stored.split(b"\r\n"))
    assert reader.facts.dotted_line_count == dotted


@given(
    lengths=st.lists(st.one_of(st.integers(990, 1010), st.integers(0, 3000)), max_size=8), cuts=CUTS
)
def test_the_longest_line_over_the_limit_is_measured_in_any_pieces(
    lengths: list[int], cuts: list[int]
) -> None:
    wire = b"".join(b"x" * length + b"\r\n" for length in lengths) + b".\r\n"
    reader = DataReader(max_octets=10**6, max_header_octets=10**6, keep_header=False)
    for piece in cut(wire, cuts):
        reader.feed(piece)
    longest = max(lengths, default=0)
    assert reader.facts.longest_line_octets == (longest if longest > 998 else 0)


@given(body=st.lists(st.binary(max_size=30).filter(lambda b: not set(b) & set(b"\r\n"))))
def test_stuffed_lines_come_out_as_they_were(body: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in body)
    wire = b"".join((b"." if line[:1] == b"." else b"") + line + b"\r\n" for line in body)
    reader = DataReader(max_octets=10**6, max_header_octets=10**6, keep_header=False)
    assert reader.feed(wire + b".\r\n") == message
    assert reader.rest == b""
    assert not reader.has_bare_cr_or_lf
    assert reader.facts.dotted_line_count == sum(line[:1] == b"." for line in body)
    assert reader.facts.longest_line_octets == 0
    assert reader.facts.has_nul == (b"\0" in message)
    assert reader.facts.is_8bit == (not message.isascii())
    end = (b"\r\n" + message).find(b"\r\n\r\n")
    header_octets = len(message) if end < 0 else end + 2
    assert reader.facts.header_octets == (header_octets if reader.has_header else 0)
    assert reader.has_header == bool(re.match(rb"\r\n|[!-9;-~]+[ \t]*:", message))


@pytest.mark.slow
@pytest.mark.skipif(not MESSAGES.exists(), reason="no ../shared/data/messages.tar.gz here")
def test_real_messages_are_stored_octet_for_octet(hall: Hall) -> None:
    """Lines are ended with CR LF first: SMTP carries no others."""
    count = 0
    with tarfile.open(MESSAGES) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            message = re.sub(rb"\r\n|\r|\n", b"\r\n", file.read())
            message += b"" if message.endswith(b"\r\n") else b"\r\n"
            stuffed = re.sub(rb"(?m)^\.", b"..", message)
            for size in (None, 4093):
                stage = Stage(hall)
                begin(stage, ENVELOPE)
                assert codes(stage.send(stuffed + b".\r\n", size=size)) == ["250 2.0.0"], member
                assert hall.body() == message, member.name
                stage.drop()
            count += 1
    assert count > 500


@pytest.mark.skipif(not VECTORS.exists(), reason="no ../shared/data/vectors/smuggling here")
@pytest.mark.parametrize("size", [None, 1, 3])
def test_no_message_can_hold_another_one(hall: Hall, size: int | None) -> None:
    for sequence in json.loads(VECTORS.read_text(encoding="utf-8"))["sequences"]:
        hall.writer.writes.clear()
        stage = Stage(hall)
        smuggled = b"MAIL FROM:<smuggled@t>\r\nRCPT TO:<marie@ac-exemple.fr>\r\nDATA\r\nhidden\r\n"
        heard = codes(
            stage.send(
                ENVELOPE + b"Subject: x\r\n\r\nbody" + sequence.encode("latin-1") + smuggled
                + b".\r\nNOOP\r\n",
                size=size,
            )
        )  # fmt: skip
        assert len(heard) == 7, (sequence, heard)
        assert heard[-2] in {"250 2.0.0", "550 5.6.0"}, (sequence, heard)
        assert all(write.reverse_path == "a@example.org" for write in hall.writer.writes)


@pytest.mark.slow
def test_an_endless_body_takes_bounded_memory(hall: Hall) -> None:
    stage = Stage(hall)
    stage.send(ENVELOPE)
    hall.store.fails_at_write = True  # nothing may be kept but what waits for the disk
    piece = b"x" * 262_144
    tracemalloc.start()
    try:
        for _ in range(180):  # 47 MB in one line, under the size limit
            stage.door.data_received(piece)
            stage.turn()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
