"""Resolutions found through a real validating resolver: signed, plain and bogus zones."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from smtp_relay.delivery.plan import DeliveryPlan, Resolution, TlsLevel, Unroutable
from smtp_relay.delivery.resolve.hop_resolver import HopResolver, open_hop_resolver
from tests.programs import needs_program
from tests.smtp_relay.delivery.dns import signed
from tests.smtp_relay.delivery.dns.table import settings_with
from tests.smtp_relay.delivery.security.policies import KeptPolicies

pytestmark = [pytest.mark.slow, needs_program("knotd"), needs_program("unbound")]

DIGEST = "ab" * 32
ZONE = f"""
@ MX 10 mx1
@ MX 20 mx2
mx1 A 127.0.0.1
mx2 A 127.0.0.2
mx2 AAAA ::1
_25._tcp.mx1 TLSA 3 1 1 {DIGEST}
_25._tcp.mx2 TLSA 1 1 1 {DIGEST}
outside MX 10 mx.plain.test.
withheld MX 10 mx.bogus.test.
half MX 10 alias
alias CNAME mx1
null MX 0 .
nomx A 127.0.0.3
text TXT "no mail here"
www CNAME nomx
"""
PLAIN = f"""
@ MX 10 mx
mx A 127.0.0.4
_25._tcp.mx TLSA 3 1 1 {DIGEST}
loop CNAME pool
pool CNAME loop
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[signed.NameServers]:
    folder: Path = tmp_path_factory.mktemp("dns")
    with signed.running(
        folder, signed=ZONE, plain=PLAIN, bogus="@ MX 10 mx\nmx A 127.0.0.5\n"
    ) as up:
        yield up


@pytest_asyncio.fixture
async def finder(servers: signed.NameServers) -> AsyncIterator[HopResolver]:
    settings = settings_with(
        dns={
            "servers": (f"127.0.0.1:{servers.resolver_port}",),
            "validates": "yes",
            "timeout_s": 10,
        }
    )
    one = open_hop_resolver(settings, KeptPolicies(), https_context=ssl.create_default_context())
    yield one
    await one.close()


def hosts_and_levels(resolution: Resolution) -> dict[str, TlsLevel]:
    assert isinstance(resolution, DeliveryPlan), resolution
    return {hop.host: hop.tls.level for hop in resolution.hops}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("signed.test", {"mx1.signed.test": TlsLevel.DANE, "mx2.signed.test": TlsLevel.ENCRYPT}),
        ("plain.test", {"mx.plain.test": TlsLevel.OPPORTUNISTIC}),
        ("outside.signed.test", {"mx.plain.test": TlsLevel.OPPORTUNISTIC}),
        ("half.signed.test", {"alias.signed.test": TlsLevel.DANE}),
        ("nomx.signed.test", {"nomx.signed.test": TlsLevel.OPPORTUNISTIC}),
        ("www.signed.test", {"www.signed.test": TlsLevel.OPPORTUNISTIC}),
    ],
)
async def test_ways_and_their_tls(
    finder: HopResolver, domain: str, expected: dict[str, TlsLevel]
) -> None:
    assert hosts_and_levels(await finder.find(domain)) == expected


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("domain", "is_permanent", "status"),
    [
        ("null.signed.test", True, "5.1.10"),
        ("nowhere.signed.test", True, "5.1.2"),
        ("text.signed.test", True, "5.1.2"),
        ("bogus.test", False, "4.4.3"),
        ("withheld.signed.test", False, "4.4.3"),
        ("loop.plain.test", False, "4.4.3"),
    ],
)
async def test_where_there_is_no_plan(
    finder: HopResolver, domain: str, is_permanent: bool, status: str
) -> None:
    resolution = await finder.find(domain)
    assert isinstance(resolution, Unroutable), resolution
    assert (resolution.is_permanent, resolution.status) == (is_permanent, status)


@pytest.mark.asyncio
async def test_bad_signatures_are_called_by_their_name(finder: HopResolver) -> None:
    resolution = await finder.find("bogus.test")
    assert isinstance(resolution, Unroutable), resolution
    assert "DNSSEC" in resolution.words
    assert any(
        step.startswith("MX of bogus.test: its DNSSEC signatures") for step in resolution.steps
    )
