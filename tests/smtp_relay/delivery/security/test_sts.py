"""MTA-STS: records, policies, patterns, and which policy is in force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.ports.policies import StsPolicy
from smtp_relay.delivery.dns.answers import Answer
from smtp_relay.delivery.security.sts import (
    MAX_AGE_S,
    BadPolicy,
    find_policy_id,
    matches_pattern,
    parse_policy,
)
from smtp_relay.delivery.security.sts_keeper import PAUSE_S, REFRESH_S, StsKeeper
from tests.smtp_relay.delivery.dns.table import found, no_data, servfail
from tests.smtp_relay.delivery.security.policies import KeptPolicies, TableFetch

BODY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.a.test\r\nmx: *.b.test\r\nmax_age: 604800\r\n"
RECORD = found("TXT", '"v=STSv1; id=20260101;"')
OTHER = found("TXT", '"v=STSv1; id=20260202;"')


def parse(octets: bytes) -> StsPolicy:
    return parse_policy(octets, domain="a.test", policy_id="1", now_s=5)


@pytest.mark.parametrize(
    ("texts", "policy_id"),
    [
        ([b"v=STSv1; id=20260101;"], "20260101"),
        ([b"v=STSv1;id=a"], "a"),
        ([b"v=STSv1 ; x=y ; id=A1 ;"], "A1"),
        ([b"v=spf1 -all", b"v=STSv1; id=1"], "1"),
        ([b"v=STSv1; id=1", b"v=STSv1; id=2"], None),
        ([b"v=STSv2; id=1"], None),
        ([b"v=STSv1"], None),
        ([b"v=STSv1; id="], None),
        ([b"v=STSv1; id=" + b"x" * 33], None),
        ([b"v=STSv1; id=a-b"], None),
        ([b"\xff\xfe"], None),
        ([], None),
    ],
)
def test_the_record_names_the_policy(texts: list[bytes], policy_id: str | None) -> None:
    assert find_policy_id(texts) == policy_id


@given(st.lists(st.binary(max_size=100), max_size=3))
def test_whatever_the_records_there_is_an_id_or_none(texts: list[bytes]) -> None:
    found_id = find_policy_id(texts)
    assert found_id is None or (found_id.isalnum() and len(found_id) <= 32)


def test_a_policy_is_read() -> None:
    policy = parse(BODY)
    assert (policy.mode, policy.hosts) == ("enforce", ("mx.a.test", "*.b.test"))
    assert (policy.max_age_s, policy.fetched_at_s) == (604800, 5)


def test_bare_line_feeds_unknown_fields_and_second_ones_are_passed_over() -> None:
    body = b"version: STSv1\nmode: none\nmode: enforce\nx-new: 1\nmax_age: 99999999\n\n"
    policy = parse(body)
    assert (policy.mode, policy.hosts, policy.max_age_s) == ("none", (), MAX_AGE_S)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"STSv1", b"STSv2"),
        (b"version: STSv1\r\n", b""),
        (b"enforce", b"perhaps"),
        (b"mode: enforce\r\n", b""),
        (b"604800", b"-1"),
        (b"604800", b"1e9"),
        (b"max_age: 604800\r\n", b""),
        (b"mx: mx.a.test\r\nmx: *.b.test\r\n", b""),
        (b"mx.a.test", b"*"),
        (b"mx.a.test", b"*.*.a.test"),
        (b"mx.a.test", b"\xff"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(BadPolicy):
        parse(BODY.replace(old, new))


@given(st.binary(max_size=300), st.integers(0, len(BODY)))
def test_whatever_the_octets_there_is_a_policy_or_a_refusal(junk: bytes, place: int) -> None:
    for octets in (junk, BODY[:place], BODY[:place] + junk, BODY + junk):
        try:
            assert parse(octets).mode in {"enforce", "testing", "none"}
        except BadPolicy:
            continue


@pytest.mark.parametrize(
    ("host", "pattern", "is_match"),
    [
        ("mx.a.test", "mx.a.test", True),
        ("mx.a.test", "*.a.test", True),
        ("a.test", "*.a.test", False),
        ("x.mx.a.test", "*.a.test", False),
        ("mx.ba.test", "*.a.test", False),
        ("mx.a.test", "*.test", False),
    ],
)
def test_a_star_is_one_label(host: str, pattern: str, is_match: bool) -> None:
    assert matches_pattern(host, [pattern]) is is_match


# --- which policy is in force --------------------------------------------------------------


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


class House:
    def __init__(self, **bodies: bytes) -> None:
        self.clock = Clock()
        self.fetch = TableFetch(dict(bodies))
        self.policies = KeptPolicies()
        self.steps: list[str] = []
        self.keeper = StsKeeper(self.policies, self.fetch, clock=self.clock)

    async def policy(self, record: Answer) -> StsPolicy | None:
        return await self.keeper.policy_for("a", record, self.steps.append)


@pytest.mark.asyncio
async def test_a_policy_is_fetched_once_and_kept() -> None:
    house = House(a=BODY)
    first = await house.policy(RECORD)
    assert first is not None
    assert first.policy_id == "20260101"
    assert await house.policy(RECORD) == first
    assert house.fetch.asked == ["a"]
    assert house.policies.kept["a"] == first


@pytest.mark.asyncio
async def test_without_a_record_nothing_is_fetched() -> None:
    house = House(a=BODY)
    assert await house.policy(no_data()) is None
    assert not house.fetch.asked


@pytest.mark.asyncio
@pytest.mark.parametrize("record", [no_data(), servfail()])
async def test_a_kept_policy_holds_while_its_record_is_hidden(record: Answer) -> None:
    house = House(a=BODY)
    kept = await house.policy(RECORD)
    assert await house.policy(record) == kept


@pytest.mark.asyncio
async def test_another_id_fetches_again() -> None:
    house = House(a=BODY)
    await house.policy(RECORD)
    house.fetch.bodies["a"] = BODY.replace(b"enforce", b"none")
    policy = await house.policy(OTHER)
    assert policy is not None
    assert (policy.policy_id, policy.mode) == ("20260202", "none")


@pytest.mark.asyncio
async def test_the_kept_policy_holds_where_the_new_one_cannot_be_had() -> None:
    house = House(a=BODY)
    kept = await house.policy(RECORD)
    house.fetch.bodies.clear()
    assert await house.policy(OTHER) == kept
    assert "MTA-STS: the policy cannot be had: nobody there" in house.steps


@pytest.mark.asyncio
async def test_no_policy_where_none_was_ever_had_and_no_hurry_to_try_again() -> None:
    house = House()
    assert await house.policy(RECORD) is None
    assert await house.policy(RECORD) is None
    assert house.fetch.asked == ["a"]
    house.clock.now_s += PAUSE_S
    await house.policy(RECORD)
    assert house.fetch.asked == ["a", "a"]


@pytest.mark.asyncio
async def test_a_policy_is_refreshed_after_a_day_and_holds_where_that_fails() -> None:
    house = House(a=BODY)
    kept = await house.policy(RECORD)
    house.clock.now_s += REFRESH_S
    house.fetch.bodies.clear()
    assert await house.policy(RECORD) == kept
    assert len(house.fetch.asked) == 2


@pytest.mark.asyncio
async def test_a_policy_ends_with_its_age() -> None:
    house = House(a=BODY)
    await house.policy(RECORD)
    house.clock.now_s += 604800
    house.fetch.bodies.clear()
    assert await house.policy(RECORD) is None
    assert not house.policies.kept


@pytest.mark.asyncio
async def test_a_policy_that_makes_no_sense_is_none() -> None:
    house = House(a=b"<html>")
    assert await house.policy(RECORD) is None
    assert "MTA-STS: the policy cannot be had: its version is not STSv1" in house.steps
