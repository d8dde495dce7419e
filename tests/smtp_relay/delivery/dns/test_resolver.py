"""The resolver's front, against a name server that answers well, badly, late, falsely or never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import dns.edns
import dns.flags
import dns.message
import dns.rdata
import dns.rrset
import pytest
import pytest_asyncio

from mailserver.settings.model import DnsSettings
from mailserver.settings.name_servers import find_servers
from smtp_relay.delivery.dns.answers import (
    Found,
    Lapse,
    NoData,
    NoSuchName,
    RecordType,
    Unanswered,
)
from smtp_relay.delivery.dns.inquiry import words_of
from smtp_relay.delivery.dns.resolver import CachingResolver
from tests.smtp_relay.delivery.dns import liar

RECORDS = {
    "a.test MX": ["20 mx2.a.test.", "10 mx1.a.test."],
    "mx1.a.test A": ["192.0.2.1"],
    "alias.test CNAME": ["mx1.a.test."],
    "loop.test CNAME": ["pool.test."],
    "pool.test CNAME": ["loop.test."],
    "long.test CNAME": ["l0.test."],
    **{f"l{n}.test CNAME": [f"l{n + 1}.test."] for n in range(30)},
    "dangling.test CNAME": ["nowhere.test."],
    "big.test TXT": ['"' + "x" * 250 + '"' for _ in range(1)],
}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest_asyncio.fixture
async def server() -> AsyncIterator[liar.Server]:
    async with liar.lying(dict(RECORDS)) as one:
        yield one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def resolver(server: liar.Server, clock: Clock) -> AsyncIterator[CachingResolver]:
    quick = DnsSettings(servers=(str(server.bind),), timeout_s=0.05, lifetime_s=0.1)
    one = CachingResolver(quick, clock=clock)
    yield one
    await one.close()


@pytest.mark.asyncio
async def test_records_are_found_with_their_time_to_live(resolver: CachingResolver) -> None:
    answer = await resolver.ask("a.test", RecordType.MX)
    assert isinstance(answer, Found)
    texts = sorted(record.to_text() for record in answer.records)
    assert texts == ["10 mx1.a.test.", "20 mx2.a.test."]
    assert (answer.ttl_s, answer.is_authentic, answer.canonical) == (120, False, "a.test")


@pytest.mark.asyncio
async def test_the_authentic_bit_is_handed_on(
    resolver: CachingResolver, server: liar.Server
) -> None:
    server.ad = True
    answers = [
        await resolver.ask("a.test", RecordType.MX),
        await resolver.ask("a.test", RecordType.A),
        await resolver.ask("no.test", RecordType.A),
    ]
    kinds = [type(answer) for answer in answers]
    assert kinds == [Found, NoData, NoSuchName]
    assert all(not isinstance(one, Unanswered) and one.is_authentic for one in answers)


@pytest.mark.asyncio
async def test_an_alias_is_followed_and_its_end_named(resolver: CachingResolver) -> None:
    answer = await resolver.ask("alias.test", RecordType.A)
    assert isinstance(answer, Found)
    assert answer.canonical == "mx1.a.test"


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["loop.test", "long.test"])
async def test_aliases_without_end_are_unanswered(resolver: CachingResolver, name: str) -> None:
    answer = await resolver.ask(name, RecordType.A)
    assert isinstance(answer, Unanswered)


@pytest.mark.asyncio
async def test_an_alias_to_nothing_is_no_data(resolver: CachingResolver) -> None:
    assert isinstance(await resolver.ask("dangling.test", RecordType.A), NoData)


@pytest.mark.asyncio
async def test_nxdomain_no_data_and_servfail_are_three_answers(
    resolver: CachingResolver, server: liar.Server
) -> None:
    server.changes["broken.test"] = liar.servfail
    assert isinstance(await resolver.ask("nothing.test", RecordType.MX), NoSuchName)
    assert isinstance(await resolver.ask("mx1.a.test", RecordType.AAAA), NoData)
    answer = await resolver.ask("broken.test", RecordType.MX)
    assert isinstance(answer, Unanswered)
    assert answer.why == f"SERVFAIL from 127.0.0.1 port {server.bind.port}"


@pytest.mark.asyncio
async def test_refused_is_unanswered(resolver: CachingResolver, server: liar.Server) -> None:
    server.changes["a.test"] = liar.refused
    answer = await resolver.ask("a.test", RecordType.MX)
    assert isinstance(answer, Unanswered)
    assert answer.why.startswith("REFUSED")


@pytest.mark.asyncio
@pytest.mark.parametrize("lie", [liar.silence, liar.wrong_id, liar.wrong_question])
async def test_silence_and_lies_are_unanswered(
    resolver: CachingResolver, server: liar.Server, lie: liar.Change
) -> None:
    server.changes["mx1.a.test"] = lie
    answer = await resolver.ask("mx1.a.test", RecordType.A)
    assert isinstance(answer, Unanswered)
    assert "no answer from 127.0.0.1" in answer.why


@pytest.mark.asyncio
async def test_records_of_another_name_are_no_answer(
    resolver: CachingResolver, server: liar.Server
) -> None:
    server.changes["mx1.a.test"] = liar.other_name
    assert isinstance(await resolver.ask("mx1.a.test", RecordType.A), Unanswered)


@pytest.mark.asyncio
async def test_a_record_that_cannot_be_read_makes_its_set_unanswered(
    resolver: CachingResolver, server: liar.Server
) -> None:
    server.changes["_25._tcp.a.test"] = liar.malformed_tlsa
    answer = await resolver.ask("_25._tcp.a.test", RecordType.TLSA)
    assert isinstance(answer, Unanswered)
    assert answer.lapse is Lapse.MALFORMED
    assert words_of(answer, "_25._tcp.a.test").startswith("malformed TLSA record from 127.0.0.1")


def _with_text(code: int) -> liar.Change:
    def change(reply: dns.message.Message) -> dns.message.Message:
        option = dns.edns.EDEOption(dns.edns.EDECode.make(code), "as it is")
        liar.servfail(reply).use_edns(0, options=[option])
        return reply

    return change


def _unchecked(reply: dns.message.Message) -> dns.message.Message:
    """A resolver that vouches for nothing, and hands it on where nobody asks it to."""
    return reply if reply.flags & dns.flags.CD else liar.servfail(reply)


def _with_a_tail(reply: dns.message.Message) -> dns.message.Message:
    one = reply.question[0]
    rrset = dns.rrset.RRset(one.name, one.rdclass, one.rdtype)
    rrset.add(dns.rdata.GenericRdata(one.rdclass, one.rdtype, b"12345"), 120)
    reply.answer = [rrset]
    return reply


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "lapse", "words"),
    [
        (liar.silence, Lapse.SILENT, "no answer from"),
        (liar.servfail, Lapse.FAILED, "SERVFAIL from"),
        (liar.refused, Lapse.REFUSED, "REFUSED from"),
        (_with_text(6), Lapse.BOGUS, "its DNSSEC signatures do not hold: SERVFAIL from"),
        (_with_text(7), Lapse.BOGUS, "its DNSSEC signatures do not hold: SERVFAIL from"),
        (_unchecked, Lapse.BOGUS, "its DNSSEC signatures do not hold: SERVFAIL from"),
        (_with_text(22), Lapse.LAME, "none of its own name servers can be asked: SERVFAIL"),
        (_with_text(23), Lapse.LAME, "none of its own name servers can be asked: SERVFAIL"),
        (liar.other_name, Lapse.ASTRAY, "records of another name"),
        (_with_a_tail, Lapse.MALFORMED, "malformed A record from"),
    ],
)
async def test_each_kind_of_trouble_has_its_own_words(
    server: liar.Server, change: liar.Change, lapse: Lapse, words: str
) -> None:
    quick = DnsSettings(servers=(str(server.bind),), timeout_s=0.05, lifetime_s=0.1)
    resolver = CachingResolver(quick, tells_bogus=True)
    server.changes["mx1.a.test"] = change
    answer = await resolver.ask("mx1.a.test", RecordType.A)
    await resolver.close()
    assert isinstance(answer, Unanswered)
    assert answer.lapse is lapse
    assert words_of(answer, "mx1.a.test").startswith(words)


@pytest.mark.asyncio
async def test_what_was_cut_is_asked_again_over_tcp(
    resolver: CachingResolver, server: liar.Server
) -> None:
    server.changes["big.test"] = liar.truncated
    assert isinstance(await resolver.ask("big.test", RecordType.TXT), Found)
    assert server.over_tcp == ["big.test"]


@pytest.mark.asyncio
async def test_a_late_answer_counts_for_nobody(
    resolver: CachingResolver, server: liar.Server
) -> None:
    """What comes after the time-out is not taken for the next question's answer."""
    server.changes["mx1.a.test"] = liar.silence
    assert isinstance(await resolver.ask("mx1.a.test", RecordType.A), Unanswered)
    assert server.send_late() > 0
    assert isinstance(await resolver.ask("a.test", RecordType.MX), Found)
    assert isinstance(await resolver.ask("mx1.a.test", RecordType.A), Unanswered)


@pytest.mark.asyncio
async def test_twenty_who_ask_the_same_cause_one_question(
    resolver: CachingResolver, server: liar.Server
) -> None:
    answers = await asyncio.gather(*(resolver.ask("a.test", RecordType.MX) for _ in range(20)))
    assert len({id(answer) for answer in answers}) == 1
    assert server.asked == ["a.test MX"]


@pytest.mark.asyncio
async def test_whoever_gives_up_leaves_the_others_their_answer(
    resolver: CachingResolver, server: liar.Server
) -> None:
    first = asyncio.ensure_future(resolver.ask("a.test", RecordType.MX))
    second = asyncio.ensure_future(resolver.ask("a.test", RecordType.MX))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, Found)
    assert server.asked == ["a.test MX"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "kept_s"), [("a.test", 120), ("nothing.test", 60), ("broken.test", 10)]
)
async def test_each_kind_of_answer_is_kept_for_its_time(
    resolver: CachingResolver, server: liar.Server, clock: Clock, name: str, kept_s: float
) -> None:
    server.changes["broken.test"] = liar.servfail
    await resolver.ask(name, RecordType.MX)
    clock.now_s += kept_s - 1
    again = await resolver.ask(name, RecordType.MX)
    assert (len(server.asked), again.ttl_s) == (1, 1)
    clock.now_s += 1
    await resolver.ask(name, RecordType.MX)
    assert len(server.asked) == 2


@pytest.mark.asyncio
async def test_the_cache_is_bounded(server: liar.Server, clock: Clock) -> None:
    settings = DnsSettings(servers=(str(server.bind),))
    resolver = CachingResolver(settings, clock=clock, max_cached=2)
    for name in ("a.test", "b.test", "c.test", "c.test", "a.test"):
        await resolver.ask(name, RecordType.MX)
    await resolver.close()
    assert [one.partition(".")[0] for one in server.asked] == ["a", "b", "c", "a"]


@pytest.mark.asyncio
async def test_the_second_server_is_asked_when_the_first_fails(server: liar.Server) -> None:
    async with liar.lying({}) as broken:
        broken.changes["a.test"] = liar.servfail
        both = DnsSettings(servers=(str(broken.bind), str(server.bind)), timeout_s=0.5)
        resolver = CachingResolver(both)
        assert isinstance(await resolver.ask("a.test", RecordType.MX), Found)
        await resolver.close()
        assert broken.asked == ["a.test MX"]


def test_servers_come_from_the_settings_port_included() -> None:
    (server,) = find_servers(DnsSettings(servers=("127.0.0.1:5300",)))
    assert str(server) == "127.0.0.1:5300"


@pytest.mark.asyncio
async def test_a_name_that_is_none_is_unanswered(resolver: CachingResolver) -> None:
    answer = await resolver.ask("a" * 70 + ".test", RecordType.MX)
    assert isinstance(answer, Unanswered)
