"""Whatever octets a peer sends, in whatever pieces: each transaction ends once, nothing raises."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.delivery.plan import Protocol, TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import Kind, Transaction, Verdict
from tests.smtp_relay.delivery.client.letters import Side, make_message, make_transaction

EHLO = b"250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
ANSWERS = st.sampled_from(
    [
        b"220 peer\r\n",
        EHLO,
        b"250 plain\r\n",
        b"250-peer\r\n250-STARTTLS\r\n250 LIMITS MAILMAX=2 RCPTMAX=1\r\n",
        b"250 2.0.0 ok\r\n",
        b"250 ok\r\n250 ok\r\n354 go\r\n",
        b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
        b"354 go\r\n",
        b"452 4.5.3 more\r\n",
        b"550-5.1.1 no\r\n550 5.1.1 no\r\n",
        b"421 bye\r\n",
        b"250-",
        b"nonsense\r\n",
    ]
)
TALK = st.lists(st.one_of(ANSWERS, st.binary(max_size=6)), max_size=20)
USUAL = [b"220 peer\r\n", EHLO]


class Ledger:
    """Every transaction that was offered, what was said, and how it ended."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.offered: list[Transaction] = []
        self._said = b""

    def hear(self, octets: bytes) -> None:
        self._said += self.side.hear_octets(octets)

    def feed(self, kinds: int) -> None:
        """Offer what there is room for; the number says what kind of transaction."""
        while self.side.talk.has_room and len(self.offered) < 40:
            recipients = ["jean@b.test", "anne@b.test"][: 1 + kinds % 2]
            letter = b"letter %d;" % len(self.offered)
            body = b".dot " + letter if kinds % 3 == 0 else b"S: x\r\n\r\n" + letter + b"\r\n"
            transaction = make_transaction(*recipients, message=make_message(body))
            self.offered.append(transaction)
            self._said += self.side.offer(transaction)

    def check(self) -> None:
        ended = [id(transaction) for transaction, _ in self.side.done]
        ended += [id(transaction) for transaction in self.side.talk.untouched]
        assert sorted(ended) == sorted(map(id, self.offered))
        for transaction, verdicts in self.side.done:
            assert len(verdicts) == len(transaction.copies)
            assert all(isinstance(verdict, Verdict) for verdict in verdicts)
            if any(verdict.kind is Kind.TAKEN for verdict in verdicts):
                assert self._is_said(transaction)
        assert not any(map(self._is_said, self.side.talk.untouched))
        failure = self.side.talk.failure
        if failure is not None and failure.lost_past_dot:
            assert self.side.talk.untouched
            assert all(verdict.kind is not Kind.BROKEN for verdict in self.side.last())

    def _is_said(self, transaction: Transaction) -> bool:
        number = next(n for n, one in enumerate(self.offered) if one is transaction)
        return b"letter %d;" % number in self._said


@given(
    talk=TALK,
    cuts=st.lists(st.integers(1, 30), max_size=30),
    kinds=st.integers(0, 5),
    is_lmtp=st.booleans(),
    is_usual=st.booleans(),
    is_silent=st.booleans(),
    level=st.sampled_from([TlsLevel.NONE, TlsLevel.OPPORTUNISTIC, TlsLevel.DANE]),
)
def test_whatever_a_peer_says_each_transaction_ends_once(
    talk: list[bytes],
    cuts: list[int],
    kinds: int,
    level: TlsLevel,
    *,
    is_lmtp: bool,
    is_usual: bool,
    is_silent: bool,
) -> None:
    demand = TlsDemand(level=TlsLevel.NONE if is_usual else level, source="test")
    side = Side(protocol=Protocol.LMTP if is_lmtp else Protocol.SMTP, demand=demand)
    ledger = Ledger(side)
    if is_usual:
        for octets in USUAL:
            ledger.hear(octets)
        ledger.feed(kinds)
    octets, start = b"".join(talk), 0
    for size in [*cuts, len(octets)]:
        ledger.hear(octets[start : start + size])
        start += size
        ledger.feed(kinds)
        if side.talk.wants_handshake and size % 2:
            side.talk.be_encrypted()
    if is_silent:
        side.talk.time_out(300)
    side.talk.close()
    side.said()
    side.talk.end_of_stream()
    side.take_finished()
    assert side.talk.is_over
    ledger.check()


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"250-" + b"x" * 90 + b"\r\n", b"x" * 96, b"250 ok\r\n", b"2"])
def test_sixty_megabytes_of_anything_cost_little_memory(line: bytes) -> None:
    side = Side()
    side.hear("220 peer")
    chunk = line * (65536 // len(line))
    tracemalloc.start()
    try:
        for _ in range(1000):
            side.hear_octets(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert side.talk.is_over
    assert peak < 4 * 1024 * 1024


RCPT_REPLIES = st.sampled_from(
    [
        b"250 ok\r\n",
        b"250 fine\r\n",
        b"550 5.1.1 no\r\n",
        b"452 4.5.3 more\r\n",
        b"250-a\r\n250 b\r\n",
    ]
)


@given(
    replies=st.lists(RCPT_REPLIES, min_size=1, max_size=12),
    missing=st.integers(0, 2),
    rest=st.lists(st.sampled_from([b"354 go\r\n", b"250 taken\r\n", b"421 bye\r\n"]), max_size=2),
)
def test_many_replies_in_one_read_mean_what_they_mean_one_by_one(
    replies: list[bytes], missing: int, rest: list[bytes]
) -> None:
    recipients = [f"r{number}@b.test" for number in range(len(replies) + missing)]
    transaction = make_transaction(*recipients, message=make_message(b"S: x\r\n\r\ny\r\n"))
    octets = b"250 sender ok\r\n" + b"".join(replies)
    ends = []
    for size in (len(octets), 1):
        side = Side()
        said = [side.hear_octets(one) for one in USUAL]
        said.append(side.offer(transaction))
        pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
        said += [side.hear_octets(one) for one in [*pieces, *rest]]
        side.talk.end_of_stream()
        side.take_finished()
        verdicts = [verdicts for _, verdicts in side.done]
        ends.append((b"".join(said), verdicts, repr(side.talk.failure)))
    assert ends[0] == ends[1]
