"""DANE holds only where every answer on the way to it is signed and believed (RFC 7672 §2)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mailserver.settings.model import RouteSettings
from smtp_relay.delivery.dns.answers import Answer
from smtp_relay.delivery.plan import DeliveryPlan, TlsLevel, Unroutable
from tests.smtp_relay.delivery.dns.table import found, no_data, servfail, settings_with
from tests.smtp_relay.delivery.resolve.test_hop_resolver import find

pytestmark = pytest.mark.asyncio

TLSA = "3 1 1 " + "ab" * 32
SIGNED: Mapping[str, Answer] = {
    "MX a.test": found("MX", "10 mx.a.test.", signed=True),
    "A mx.a.test": found("A", "192.0.2.1", signed=True),
    "AAAA mx.a.test": found("AAAA", "2001:db8::1", signed=True),
    "TLSA _25._tcp.mx.a.test": found("TLSA", TLSA, signed=True),
}


async def level(
    changes: Mapping[str, Answer | None] | None = None,
    *,
    validates: str = "yes",
    dane: bool = True,
    tls: str | None = None,
) -> TlsLevel:
    table = {key: answer for key, answer in {**SIGNED, **(changes or {})}.items() if answer}
    rule = RouteSettings(name="r", recipient_domains=("a.test",), tls=tls)
    settings = settings_with(
        dns={"validates": validates}, dane=dane, routes=(rule,) if tls is not None else ()
    )
    resolution = await find(table, settings=settings)
    assert isinstance(resolution, DeliveryPlan), resolution
    return resolution.hops[0].tls.level


async def test_where_all_is_signed_the_record_counts() -> None:
    assert await level() is TlsLevel.DANE


@pytest.mark.parametrize(
    "changes",
    [
        {"MX a.test": found("MX", "10 mx.a.test.")},
        {"A mx.a.test": found("A", "192.0.2.1"), "AAAA mx.a.test": found("AAAA", "2001:db8::1")},
        {"TLSA _25._tcp.mx.a.test": found("TLSA", TLSA)},
        {"TLSA _25._tcp.mx.a.test": None},
        {"TLSA _25._tcp.mx.a.test": no_data(signed=True)},
    ],
)
async def test_what_is_not_signed_or_not_there_is_no_record(
    changes: Mapping[str, Answer | None],
) -> None:
    assert await level(changes) is not TlsLevel.DANE


async def test_a_signed_host_needs_no_second_family() -> None:
    assert await level({"AAAA mx.a.test": no_data()}) is TlsLevel.DANE


async def test_a_resolver_that_is_not_believed_makes_no_record_count() -> None:
    assert await level(validates="no") is not TlsLevel.DANE


async def test_dane_may_be_off_and_a_rule_may_ask_for_less() -> None:
    assert await level(dane=False) is not TlsLevel.DANE
    assert await level(tls="opportunistic") is TlsLevel.OPPORTUNISTIC
    assert await level(tls="verify") is TlsLevel.DANE


async def test_a_record_that_is_withheld_lets_nothing_through() -> None:
    """Or whoever stands between could do without it."""
    table = {**SIGNED, "TLSA _25._tcp.mx.a.test": servfail()}
    resolution = await find(table)
    assert isinstance(resolution, Unroutable)
    assert not resolution.is_permanent


# --- limits of a rule ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "is_alone"),
    [
        ({}, False),
        ({"max_connections": 2}, True),
        ({"pause_s": 3.0}, True),
        ({"max_connections": 2, "pause_s": 3.0}, True),
    ],
)
async def test_a_rule_with_limits_of_its_own_has_connections_of_its_own(
    limits: Mapping[str, float], *, is_alone: bool
) -> None:
    rule = RouteSettings(name="slow", recipient_domains=("a.test",), **limits)
    by_rule = await find(SIGNED, settings=settings_with(routes=(rule,)))
    without = await find(SIGNED, settings=settings_with())
    assert isinstance(by_rule, DeliveryPlan)
    assert isinstance(without, DeliveryPlan)
    assert (by_rule.site != without.site) == is_alone
    assert by_rule.max_connections == limits.get("max_connections", 0)
    assert by_rule.pause_s == limits.get("pause_s", 0)
    assert (without.max_connections, without.pause_s) == (0, 0)
