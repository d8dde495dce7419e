"""Which TLS a host must offer: DANE, MTA-STS, rules and the minimum, in their order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from mailserver.settings.bind import Bind
from mailserver.settings.model import RouteSettings
from mailserver.store.ports.policies import StsPolicy
from smtp_relay.delivery.dns.answers import Answer
from smtp_relay.delivery.dns.validation import Validation
from smtp_relay.delivery.plan import DeliveryPlan, Resolution, TlsDemand, TlsLevel, Unroutable
from smtp_relay.delivery.resolve.hop_resolver import HopResolver
from smtp_relay.delivery.security.sts_keeper import StsKeeper
from tests.smtp_relay.delivery.dns.table import (
    TableResolver,
    found,
    no_data,
    servfail,
    settings_with,
)
from tests.smtp_relay.delivery.security.policies import KeptPolicies, NoFetch

pytestmark = pytest.mark.asyncio

DIGEST = "ab" * 32
NAME = "TLSA _25._tcp.mx.a.test"
SIGNED: dict[str, Answer] = {
    "MX a.test": found("MX", "10 mx.a.test.", signed=True),
    "A mx.a.test": found("A", "192.0.2.1", signed=True),
}
EE = found("TLSA", f"3 1 1 {DIGEST}", signed=True)


def sts(mode: str = "enforce", *hosts: str) -> StsPolicy:
    return StsPolicy(
        domain="a.test",
        policy_id="1",
        mode=mode,
        hosts=hosts or ("mx.a.test",),
        max_age_s=86400,
        fetched_at_s=0,
    )


async def find(
    table: Mapping[str, Answer],
    *,
    policy: StsPolicy | None = None,
    validates: str = "yes",
    rule: RouteSettings | None = None,
    **delivery: Any,
) -> Resolution:
    settings = settings_with(
        routes=(rule,) if rule else (), dns={"validates": validates}, **delivery
    )
    resolver = TableResolver(table)
    keeper = StsKeeper(KeptPolicies(policy), NoFetch(), clock=lambda: 1.0)
    finder = HopResolver(
        settings,
        resolver,
        validation=Validation(
            resolver, servers=(Bind("127.0.0.1", 53),), validates=settings.dns.validates
        ),
        sts=keeper,
        is_ours=lambda _address, _port: False,
        chance=random.Random(1),
    )
    return await finder.find("a.test")


async def demand(table: Mapping[str, Answer], **more: Any) -> TlsDemand:
    resolution = await find(table, **more)
    assert isinstance(resolution, DeliveryPlan), resolution
    return resolution.hops[0].tls


def rule(tls: Any) -> RouteSettings:
    return RouteSettings(name="r", recipient_domains=("a.test",), tls=tls)


# --- DANE ---------------------------------------------------------------------------


async def test_a_usable_record_in_a_signed_chain_is_dane() -> None:
    wanted = await demand({**SIGNED, NAME: EE})
    assert (wanted.level, wanted.source) == (TlsLevel.DANE, "DANE")
    assert [(one.usage, one.data.hex()) for one in wanted.tlsa] == [(3, DIGEST)]
    assert wanted.names == ("mx.a.test",)


@pytest.mark.parametrize(
    "unsigned",
    [
        {"MX a.test": found("MX", "10 mx.a.test.")},
        {"A mx.a.test": found("A", "192.0.2.1")},
        {NAME: found("TLSA", f"3 1 1 {DIGEST}")},
    ],
)
async def test_one_unsigned_connection_and_there_is_no_dane(unsigned: dict[str, Answer]) -> None:
    wanted = await demand({**SIGNED, NAME: EE, **unsigned})
    assert wanted.level is TlsLevel.OPPORTUNISTIC


async def test_a_domain_without_mx_may_have_dane() -> None:
    table: dict[str, Answer] = {
        "MX a.test": no_data(signed=True),
        "A a.test": found("A", "192.0.2.1", signed=True),
        "TLSA _25._tcp.a.test": EE,
    }
    assert (await demand(table)).level is TlsLevel.DANE


@pytest.mark.parametrize(
    "record",
    ["0 1 1 " + DIGEST, "1 1 1 " + DIGEST, "3 2 1 " + DIGEST, "3 1 9 " + DIGEST],
)
async def test_records_that_nobody_can_check_ask_for_encryption_alone(record: str) -> None:
    wanted = await demand({**SIGNED, NAME: found("TLSA", record, signed=True)})
    assert (wanted.level, wanted.tlsa) == (TlsLevel.ENCRYPT, ())


async def test_of_mixed_records_the_usable_ones_count() -> None:
    mixed = found("TLSA", f"1 1 1 {DIGEST}", f"2 0 2 {'cd' * 64}", signed=True)
    wanted = await demand({**SIGNED, NAME: mixed})
    assert [(one.usage, one.matching) for one in wanted.tlsa] == [(2, 2)]


async def test_under_a_trust_anchor_the_domains_name_counts_too() -> None:
    wanted = await demand({**SIGNED, NAME: found("TLSA", f"2 0 1 {DIGEST}", signed=True)})
    assert wanted.names == ("mx.a.test", "a.test")


async def test_records_that_cannot_be_had_leave_the_host_out() -> None:
    table = {
        **SIGNED,
        "MX a.test": found("MX", "10 mx.a.test.", "20 mx2.a.test.", signed=True),
        "A mx2.a.test": found("A", "192.0.2.2", signed=True),
        NAME: servfail(),
    }
    resolution = await find(table)
    assert isinstance(resolution, DeliveryPlan)
    assert [hop.host for hop in resolution.hops] == ["mx2.a.test"]
    assert any(step.startswith("mx.a.test: left out, its TLSA") for step in resolution.steps)


async def test_records_that_cannot_be_had_of_any_host_defer() -> None:
    resolution = await find({**SIGNED, NAME: servfail()})
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status) == (False, "4.7.5")


async def test_the_end_of_the_aliases_is_asked_first() -> None:
    table = {
        **SIGNED,
        "A mx.a.test": found("A", "192.0.2.1", signed=True, canonical="real.test"),
        "TLSA _25._tcp.real.test": EE,
        NAME: found("TLSA", "3 1 1 " + "ff" * 32, signed=True),
    }
    wanted = await demand(table)
    assert wanted.names == ("real.test",)
    assert wanted.tlsa[0].data.hex() == DIGEST


async def test_the_hosts_own_name_comes_after_the_end_of_its_aliases() -> None:
    alias = found("A", "192.0.2.1", signed=True, canonical="real.test")
    assert (await demand({**SIGNED, "A mx.a.test": alias, NAME: EE})).names == ("mx.a.test",)


@pytest.mark.parametrize(("signed", "level"), [(True, TlsLevel.DANE), (False, 1)])
async def test_an_alias_that_leaves_the_signed_world_counts_if_it_is_signed_itself(
    signed: bool, level: TlsLevel
) -> None:
    table = {
        **SIGNED,
        "A mx.a.test": found("A", "192.0.2.1", canonical="real.test"),
        "CNAME mx.a.test": found("CNAME", "real.test.", signed=signed),
        NAME: EE,
    }
    assert (await demand(table)).level == level


async def test_dane_can_be_turned_off() -> None:
    assert (await demand({**SIGNED, NAME: EE}, dane=False)).level is TlsLevel.OPPORTUNISTIC


async def test_a_resolver_that_is_not_believed_turns_dane_off_and_mail_flows() -> None:
    wanted = await demand({**SIGNED, NAME: servfail()}, validates="no")
    assert wanted.level is TlsLevel.OPPORTUNISTIC


# --- MTA-STS --------------------------------------------------------------------------


async def test_enforce_asks_for_the_hosts_own_certificate() -> None:
    wanted = await demand(SIGNED, policy=sts("enforce", "*.a.test"))
    assert (wanted.level, wanted.source) == (TlsLevel.VERIFY, "MTA-STS enforce")
    assert wanted.names == ("mx.a.test",)


async def test_enforce_leaves_out_hosts_that_it_does_not_name() -> None:
    resolution = await find(SIGNED, policy=sts("enforce", "mx.b.test"))
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status) == (False, "4.7.5")


@pytest.mark.parametrize("mode", ["testing", "none"])
async def test_only_enforce_is_enforced(mode: str) -> None:
    resolution = await find(SIGNED, policy=sts(mode, "mx.b.test"))
    assert isinstance(resolution, DeliveryPlan)
    assert resolution.hops[0].tls.level is TlsLevel.OPPORTUNISTIC
    assert any("testing is not enforced" in step for step in resolution.steps) is (
        mode == "testing"
    )


async def test_dane_comes_before_mta_sts() -> None:
    wanted = await demand({**SIGNED, NAME: EE}, policy=sts("enforce", "mx.b.test"))
    assert wanted.level is TlsLevel.DANE


async def test_mta_sts_may_ask_for_more_than_unusable_records() -> None:
    unusable = found("TLSA", f"1 1 1 {DIGEST}", signed=True)
    wanted = await demand({**SIGNED, NAME: unusable}, policy=sts())
    assert wanted.level is TlsLevel.VERIFY


async def test_mta_sts_can_be_turned_off() -> None:
    wanted = await demand(SIGNED, policy=sts(), mta_sts=False)
    assert wanted.level is TlsLevel.OPPORTUNISTIC


# --- settings ---------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["opportunistic", "encrypt", "verify"])
async def test_the_settings_minimum(level: str) -> None:
    wanted = await demand(SIGNED, tls=level)
    assert (wanted.level.name.lower(), wanted.source) == (level, "delivery.tls")


@pytest.mark.parametrize("level", ["encrypt", "verify"])
async def test_a_rule_sets_the_minimum_of_a_destination(level: str) -> None:
    wanted = await demand(SIGNED, rule=rule(level))
    assert (wanted.level.name.lower(), wanted.source) == (level, "route r")
    assert (await demand({**SIGNED, NAME: EE}, rule=rule(level))).level is TlsLevel.DANE


@pytest.mark.parametrize("level", ["none", "opportunistic"])
async def test_a_rule_may_take_a_destination_out_of_every_policy(level: str) -> None:
    wanted = await demand(
        {**SIGNED, NAME: servfail()}, rule=rule(level), policy=sts(), tls="verify"
    )
    assert (wanted.level.name.lower(), wanted.source) == (level, "route r")


async def test_a_rule_that_says_nothing_of_tls_changes_no_policy() -> None:
    slow = RouteSettings(name="slow", recipient_domains=("a.test",), pause_s=1)
    assert (await demand({**SIGNED, NAME: EE}, rule=slow)).level is TlsLevel.DANE
    assert (await demand(SIGNED, rule=slow, policy=sts())).source == "MTA-STS enforce"


async def test_domains_with_the_same_hosts_and_other_policies_never_share_connections() -> None:
    plain = await find(SIGNED)
    bound = await find(SIGNED, policy=sts())
    assert isinstance(plain, DeliveryPlan)
    assert isinstance(bound, DeliveryPlan)
    assert plain.site != bound.site
