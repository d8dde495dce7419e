"""From a next hop to the way there: each thing that name servers may say, and each rule."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mailserver.routing.ourselves import find_own
from mailserver.settings.bind import Bind
from mailserver.settings.model import RouteSettings, Settings, SmtpSettings
from mailserver.telemetry.log import get_log
from smtp_relay.delivery.dns.answers import Answer, Unanswered
from smtp_relay.delivery.dns.validation import Validation
from smtp_relay.delivery.plan import (
    DeliveryPlan,
    Diverted,
    Protocol,
    Resolution,
    TlsLevel,
    Unroutable,
)
from smtp_relay.delivery.resolve.hop_resolver import HopResolver, open_hop_resolver
from tests.smtp_relay.delivery.dns.table import (
    TableResolver,
    found,
    no_data,
    servfail,
    settings_with,
)
from tests.smtp_relay.delivery.security.policies import KeptPolicies

pytestmark = pytest.mark.asyncio

ONE = {"MX a.test": found("MX", "10 mx.a.test."), "A mx.a.test": found("A", "192.0.2.1")}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def hop_resolver(
    table: Mapping[str, Answer] | TableResolver, settings: Settings | None = None, **more: Any
) -> HopResolver:
    settings = settings or settings_with()
    resolver = table if isinstance(table, TableResolver) else TableResolver(table)
    servers = (Bind("127.0.0.1", 53),)
    return HopResolver(
        settings,
        resolver,
        validation=Validation(resolver, servers=servers, validates=settings.dns.validates),
        sts=None,
        is_ours=find_own(settings),
        **{"chance": random.Random(1), **more},
    )


async def find(
    table: Mapping[str, Answer], next_hop: str = "a.test", settings: Settings | None = None
) -> Resolution:
    return await hop_resolver(table, settings).find(next_hop)


async def found_way(
    table: Mapping[str, Answer], next_hop: str = "a.test", settings: Settings | None = None
) -> DeliveryPlan:
    resolution = await find(table, next_hop, settings)
    assert isinstance(resolution, DeliveryPlan), resolution
    return resolution


# --- by MX --------------------------------------------------------------------------


async def test_hosts_come_in_the_order_of_preference_with_their_addresses() -> None:
    resolution = await found_way(
        {
            "MX a.test": found("MX", "20 mx2.b.test.", "10 MX1.b.test."),
            "A mx1.b.test": found("A", "192.0.2.1"),
            "AAAA mx1.b.test": found("AAAA", "2001:db8::1"),
            "A mx2.b.test": found("A", "192.0.2.2"),
        }
    )
    assert [(hop.host, hop.addresses) for hop in resolution.hops] == [
        ("mx1.b.test", ("2001:db8::1", "192.0.2.1")),
        ("mx2.b.test", ("192.0.2.2",)),
    ]
    assert [(hop.port, hop.preference) for hop in resolution.hops] == [(25, 10), (25, 20)]
    assert resolution.hops[0].tls.level is TlsLevel.OPPORTUNISTIC
    assert "MX of a.test: 10 MX1.b.test., 20 mx2.b.test." in resolution.steps


async def test_without_mx_the_domain_itself_is_the_host() -> None:
    resolution = await found_way({"A a.test": found("A", "192.0.2.9")})
    assert [(hop.host, hop.addresses) for hop in resolution.hops] == [("a.test", ("192.0.2.9",))]


@pytest.mark.parametrize(
    ("table", "status"),
    [
        ({}, "5.1.2"),
        ({"MX a.test": found("MX", "0 .")}, "5.1.10"),
        ({"TXT a.test": found("TXT", '"x"')}, "5.1.2"),
        ({"MX a.test": found("MX", "10 mail.home.test.")}, "5.4.6"),
    ],
)
async def test_what_is_permanent(table: Mapping[str, Answer], status: str) -> None:
    resolution = await find(table)
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status) == (True, status)


@pytest.mark.parametrize(
    ("table", "status"),
    [
        ({"MX a.test": servfail()}, "4.4.3"),
        ({"MX a.test": no_data(), "A a.test": servfail()}, "4.4.3"),
        ({"MX a.test": no_data(), "AAAA a.test": servfail()}, "4.4.3"),
        ({"MX a.test": found("MX", "10 mx.a.test."), "A mx.a.test": servfail()}, "4.4.3"),
        ({"MX a.test": found("MX", "10 gone.test.")}, "4.4.4"),
        ({"MX a.test": found("MX", "10 h.test."), "TXT h.test": no_data()}, "4.4.4"),
    ],
)
async def test_what_is_unanswered_is_temporary(table: Mapping[str, Answer], status: str) -> None:
    resolution = await find(table)
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status) == (False, status)


async def test_a_host_that_does_not_exist_is_skipped() -> None:
    table = {**ONE, "MX a.test": found("MX", "5 gone.test.", "10 mx.a.test.")}
    resolution = await found_way(table)
    assert [hop.host for hop in resolution.hops] == ["mx.a.test"]
    assert "A of gone.test: no such name (NXDOMAIN)" in resolution.steps


async def test_a_step_is_bounded() -> None:
    many = found("A", *(f"192.0.2.{n}" for n in range(200)))
    resolution = await found_way({**ONE, "A mx.a.test": many})
    assert max(map(len, resolution.steps)) < 1100


async def test_one_family_without_an_answer_leaves_the_other() -> None:
    resolution = await found_way({**ONE, "AAAA mx.a.test": servfail()})
    assert resolution.hops[0].addresses == ("192.0.2.1",)


@pytest.mark.parametrize("choice", ["ipv4", "ipv6"])
async def test_only_the_family_that_the_settings_want(choice: str) -> None:
    table = {**ONE, "AAAA mx.a.test": found("AAAA", "2001:db8::1")}
    resolution = await found_way(table, settings=settings_with(ip=choice))
    (address,) = resolution.hops[0].addresses
    assert (":" in address) is (choice == "ipv6")


async def test_an_address_that_the_settings_leave_out_is_not_permanent() -> None:
    table = {"AAAA a.test": found("AAAA", "2001:db8::1")}
    resolution = await find(table, settings=settings_with(ip="ipv4"))
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status) == (False, "4.4.4")


async def test_a_host_that_is_an_alias_is_used() -> None:
    table = {**ONE, "A mx.a.test": found("A", "192.0.2.1", canonical="real.test")}
    resolution = await found_way(table)
    assert resolution.hops[0].host == "mx.a.test"
    assert "A of mx.a.test: 192.0.2.1 (alias of real.test)" in resolution.steps


async def test_our_name_among_the_hosts_cuts_it_and_what_is_no_nearer() -> None:
    table = {
        "MX a.test": found("MX", "10 near.test.", "20 mail.home.test.", "20 c.test.", "30 d.test."),
        **{f"A {host}.test": found("A", "192.0.2.7") for host in ("near", "mail.home", "c", "d")},
    }
    resolution = await found_way(table)
    assert [hop.host for hop in resolution.hops] == ["near.test"]


@pytest.mark.parametrize(("port", "is_loop"), [(25, True), (2525, False)])
async def test_our_address_with_our_port_is_ourselves(port: int, is_loop: bool) -> None:
    settings = settings_with(mx=(f"192.0.2.1:{port}",))
    resolution = await find(ONE, settings=settings)
    assert isinstance(resolution, Unroutable) is is_loop


@pytest.mark.parametrize(
    "table",
    [
        {**ONE, "A mx.a.test": found("A", "192.0.2.9", canonical="mail.home.test")},
        {**ONE, "A mx.a.test": no_data(), "AAAA mx.a.test": found("AAAA", "::ffff:192.0.2.200")},
    ],
    ids=["an alias of our name", "our address in the other family"],
)
async def test_ourselves_in_disguise_are_ourselves(table: dict[str, Answer]) -> None:
    resolution = await find(table)
    assert isinstance(resolution, Unroutable)
    assert (resolution.status, resolution.is_permanent) == ("5.4.6", True)


WILD = "0.0.0.0:25"


@pytest.mark.parametrize("port", [25, 2525])
@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("A", "0.0.0.0"),
        ("AAAA", "::"),
        ("AAAA", "::ffff:0.0.0.0"),
        ("AAAA", "64:ff9b::0.0.0.0"),
        ("AAAA", "2002::"),
    ],
)
async def test_the_unspecified_address_is_ourselves_at_any_port(
    kind: str, address: str, port: int
) -> None:
    table = {"MX a.test": found("MX", "10 mx.a.test."), f"{kind} mx.a.test": found(kind, address)}
    resolution = await find(table, settings=settings_with(mx=("192.0.2.200:25",), port=port))
    assert isinstance(resolution, Unroutable)
    assert (resolution.status, resolution.is_permanent) == ("5.4.6", True)
    assert "loops back to this server" in resolution.words


@pytest.mark.parametrize(
    ("mx", "address", "is_loop"),
    [
        (WILD, "127.0.0.1", True),
        (WILD, "127.200.1.1", True),
        (WILD, "::ffff:127.0.0.1", True),
        (WILD, "64:ff9b::127.0.0.1", True),
        ("[::]:25", "::1", True),
        ("[::]:25", "127.0.0.1", True),
        ("192.0.2.1:25", "::ffff:192.0.2.1", True),
        ("[::ffff:192.0.2.1]:25", "192.0.2.1", True),
        ("192.0.2.1:25", "192.0.2.2", False),
        ("192.0.2.1:2525", "192.0.2.1", False),
        (WILD, "192.0.2.1", False),
    ],
)
async def test_our_listeners_are_ourselves_under_any_address_of_theirs(
    mx: str, address: str, is_loop: bool
) -> None:
    kind = "AAAA" if ":" in address else "A"
    table = {"MX a.test": found("MX", "10 mx.a.test."), f"{kind} mx.a.test": found(kind, address)}
    resolution = await find(table, settings=settings_with(mx=(mx,)))
    assert isinstance(resolution, Unroutable) is is_loop
    assert not isinstance(resolution, Unroutable) or resolution.status == "5.4.6"


async def test_what_a_gateway_translates_to_us_is_ourselves() -> None:
    settings = settings_with(own_addresses=("192.0.2.1",))
    resolution = await find(ONE, settings=settings)
    assert isinstance(resolution, Unroutable)
    assert resolution.status == "5.4.6"


async def test_hosts_behind_the_unspecified_address_are_no_nearer_and_those_before_it_are() -> None:
    table = {
        "MX a.test": found("MX", "5 near.test.", "10 zero.test.", "20 far.test."),
        "A near.test": found("A", "192.0.2.5"),
        "A zero.test": found("A", "0.0.0.0"),
        "A far.test": found("A", "192.0.2.6"),
    }
    resolution = await found_way(table)
    assert [hop.host for hop in resolution.hops] == ["near.test"]
    assert "far.test: left out, it is no nearer than this server" in resolution.steps


@pytest.mark.parametrize(
    ("addresses", "status", "is_permanent"),
    [
        (("127.0.0.1",), "5.4.4", True),
        (("169.254.169.254",), "5.4.4", True),
        (("224.0.0.1", "127.0.0.1"), "5.4.4", True),
        (("10.1.2.3",), "4.4.4", False),
        (("10.1.2.3", "127.0.0.1"), "4.4.4", False),
    ],
)
async def test_the_dns_of_a_stranger_sends_us_nowhere_where_only_we_can_go(
    addresses: tuple[str, ...], status: str, is_permanent: bool
) -> None:
    table = {**ONE, "A mx.a.test": found("A", *addresses)}
    resolution = await find(table, settings=settings_with(internal_networks=()))
    assert isinstance(resolution, Unroutable)
    assert (resolution.status, resolution.is_permanent) == (status, is_permanent)
    assert addresses[0] in resolution.words
    assert any(step.startswith(f"mx.a.test: {addresses[0]} left out") for step in resolution.steps)


async def test_of_a_host_with_public_addresses_only_those_are_asked() -> None:
    table = {**ONE, "A mx.a.test": found("A", "10.0.0.1", "192.0.2.1", "127.0.0.1")}
    resolution = await found_way(table, settings=settings_with(internal_networks=()))
    assert resolution.hops[0].addresses == ("192.0.2.1",)


async def test_networks_of_our_own_may_be_reached() -> None:
    table = {**ONE, "A mx.a.test": found("A", "10.0.0.1", "10.9.0.1")}
    resolution = await found_way(table, settings=settings_with(internal_networks=("10.0.0.0/16",)))
    assert resolution.hops[0].addresses == ("10.0.0.1",)


@pytest.mark.parametrize("next_hop", ["[127.0.0.1]", "[10.0.0.1]", "[IPv6:fe80::1]", "[IPv6:::1]"])
async def test_a_literal_leads_nowhere_either(next_hop: str) -> None:
    resolution = await find({}, next_hop, settings_with(internal_networks=()))
    assert isinstance(resolution, Unroutable)
    assert (resolution.status, resolution.is_permanent) == ("5.4.4", True)


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "192.0.2.200", "mail.home.test"])
async def test_a_rule_and_the_fall_back_do_not_lead_back_to_us(host: str) -> None:
    rule = RouteSettings(name="provider", via="smarthost", host=host, port=587)
    settings = settings_with(routes=(rule,), fallback="provider").model_copy(
        update={"smtp": SmtpSettings(mx=(WILD,), submission=("0.0.0.0:587", "192.0.2.200:587"))}
    )
    resolution = await find(
        {"A mail.home.test": found("A", "192.0.2.7")}, "route:provider", settings
    )
    assert isinstance(resolution, Unroutable)
    assert (resolution.status, resolution.is_permanent) == ("4.4.6", False)
    assert "leads back to this server" in resolution.words


async def test_a_wildcard_listener_is_every_address_of_this_machine() -> None:
    table = {**ONE, "A mx.a.test": found("A", "127.0.0.7")}
    resolution = await find(table, settings=settings_with(mx=("0.0.0.0:25",)))
    assert isinstance(resolution, Unroutable)
    assert resolution.status == "5.4.6"


async def test_domains_are_found_by_their_a_labels() -> None:
    table = {"A xn--cole-9oa.test": found("A", "192.0.2.1")}
    assert (await found_way(table, "xn--cole-9oa.test")).hops[0].host == "xn--cole-9oa.test"


# --- literals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("next_hop", "address"),
    [("[192.0.2.5]", "192.0.2.5"), ("[IPv6:2001:db8::5]", "2001:db8::5")],
)
async def test_a_literal_is_its_own_way(next_hop: str, address: str) -> None:
    resolution = await found_way({}, next_hop)
    assert [(hop.host, hop.addresses) for hop in resolution.hops] == [(address, (address,))]


async def test_a_literal_that_is_none_is_permanent() -> None:
    resolution = await find({}, "[a.test]")
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status) == (True, "5.1.3")


async def test_a_literal_of_ourselves_is_a_loop() -> None:
    resolution = await find({}, "[192.0.2.200]")
    assert isinstance(resolution, Unroutable)
    assert resolution.status == "5.4.6"


# --- rules -----------------------------------------------------------------------------


def smarthost(**fields: Any) -> RouteSettings:
    return RouteSettings(**{"name": "provider", "via": "smarthost", "host": "relay.test", **fields})


RELAY = {"A relay.test": found("A", "192.0.2.30")}


@pytest.mark.parametrize(
    ("fields", "port", "level"),
    [
        ({}, 25, TlsLevel.OPPORTUNISTIC),
        ({"user_name": "u"}, 587, TlsLevel.VERIFY),
        ({"user_name": "u", "tls": "implicit"}, 465, TlsLevel.VERIFY),
        ({"user_name": "u", "tls": "encrypt"}, 587, TlsLevel.ENCRYPT),
        ({"via": "lmtp"}, 24, TlsLevel.OPPORTUNISTIC),
        ({"port": 2500, "tls": "none"}, 2500, TlsLevel.NONE),
    ],
)
async def test_ports_and_tls_of_a_route(
    tmp_path: Path, fields: dict[str, Any], port: int, level: TlsLevel
) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    settings = settings_with(routes=(smarthost(password_file=secret, **fields),))
    resolution = await found_way(RELAY, "route:provider", settings)
    (hop,) = resolution.hops
    assert (hop.host, hop.addresses, hop.port) == ("relay.test", ("192.0.2.30",), port)
    assert (hop.tls.level, hop.tls.is_implicit) == (level, fields.get("tls") == "implicit")
    assert resolution.protocol is (Protocol.LMTP if fields.get("via") == "lmtp" else Protocol.SMTP)
    if "user_name" in fields:
        assert resolution.login is not None
        assert (resolution.login.user_name, resolution.login.password.reveal()) == ("u", "s3cret")
        assert "s3cret" not in repr(resolution)


async def test_a_route_to_an_address_asks_nobody() -> None:
    resolver = TableResolver({})
    settings = settings_with(routes=(smarthost(host="[2001:db8::9]"),))
    resolution = await hop_resolver(resolver, settings).find("route:provider")
    assert isinstance(resolution, DeliveryPlan)
    assert resolution.hops[0].addresses == ("2001:db8::9",)
    assert not resolver.asked


@pytest.mark.parametrize(
    ("routes", "table", "status"),
    [
        ((), {}, "4.3.5"),
        ((smarthost(),), {}, "4.4.4"),
        ((smarthost(),), {"A relay.test": servfail()}, "4.4.3"),
        ((smarthost(host="mail.home.test"),), {}, "4.4.6"),
        ((smarthost(host="192.0.2.200"),), {}, "4.4.6"),
        ((smarthost(user_name="u"),), RELAY, "4.3.5"),
        ((smarthost(user_name="u", password_file=Path("/nowhere/pw")),), RELAY, "4.3.5"),
    ],
)
async def test_what_is_wrong_with_a_route_is_never_the_recipients_fault(
    routes: tuple[RouteSettings, ...], table: Mapping[str, Answer], status: str
) -> None:
    resolution = await find(table, "route:provider", settings_with(routes=routes))
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status) == (False, status)
    assert "/nowhere" not in resolution.words  # senders may read it


async def test_a_rule_by_mx_host_sends_the_domain_through_its_smarthost() -> None:
    routes = (smarthost(mx=("mx.a.*",), max_connections=3, pause_s=1.5),)
    resolution = await found_way({**ONE, **RELAY}, settings=settings_with(routes=routes))
    assert (resolution.next_hop, resolution.hops[0].host) == ("a.test", "relay.test")
    assert (resolution.max_connections, resolution.pause_s) == (3, 1.5)
    assert "rule provider: matches the MX host mx.a.test" in resolution.steps


async def test_a_rule_above_it_keeps_a_domain_out_of_a_rule_by_mx_host() -> None:
    leaves = RouteSettings(name="leaves", recipient_domains=("a.test",), pause_s=2)
    routes = (leaves, smarthost(mx=("mx.a.*",)))
    resolution = await found_way({**ONE, **RELAY}, settings=settings_with(routes=routes))
    assert (resolution.hops[0].host, resolution.pause_s) == ("mx.a.test", 2)
    assert "rule leaves: matches the domain" in resolution.steps


async def test_a_rule_by_mx_host_may_hold() -> None:
    routes = (RouteSettings(name="wait", mx=("mx.a.test",), via="hold", text="moving"),)
    resolution = await find(ONE, settings=settings_with(routes=routes))
    assert isinstance(resolution, Diverted)
    assert (resolution.rule, resolution.reason) == ("wait", "moving")


async def test_a_rule_by_mx_host_may_refuse() -> None:
    routes = (RouteSettings(name="no", mx=("mx.a.test",), via="refuse", text="not there"),)
    resolution = await find(ONE, settings=settings_with(routes=routes))
    assert isinstance(resolution, Unroutable)
    assert (resolution.is_permanent, resolution.status, resolution.words) == (
        True,
        "5.7.1",
        "not there",
    )


async def test_the_fallback_is_the_way_of_its_route() -> None:
    finder = hop_resolver(RELAY, settings_with(routes=(smarthost(),), fallback="provider"))
    resolution = await finder.fallback()
    assert resolution is not None
    assert resolution.hops[0].host == "relay.test"
    assert await hop_resolver(RELAY).fallback() is None
    broken = settings_with(routes=(smarthost(),), fallback="provider")
    assert await hop_resolver({}, broken).fallback() is None


# --- the cache ----------------------------------------------------------------------------


async def test_a_way_is_kept_until_its_earliest_answer_ends() -> None:
    clock = Clock()
    table = {**ONE, "A mx.a.test": found("A", "192.0.2.1", ttl_s=60)}
    resolver = TableResolver(table)
    finder = hop_resolver(resolver, clock=clock)
    first = await finder.find("a.test")
    assert isinstance(first, DeliveryPlan)
    assert first.valid_until_s == 1060
    asked_count = len(resolver.asked)
    clock.now_s += 59
    assert await finder.find("a.test") is first
    assert len(resolver.asked) == asked_count
    clock.now_s += 1
    assert await finder.find("a.test") is not first


async def test_no_plan_is_kept_too() -> None:
    clock = Clock()
    resolver = TableResolver({"MX a.test": servfail()})
    finder = hop_resolver(resolver, clock=clock)
    for _ in range(5):
        await finder.find("a.test")
    assert len(resolver.asked) == 1
    clock.now_s += 10
    await finder.find("a.test")
    assert len(resolver.asked) == 2


async def test_all_who_ask_at_once_share_one_search() -> None:
    resolver = TableResolver(ONE)
    finder = hop_resolver(resolver)
    resolutions = await asyncio.gather(*(finder.find("a.test") for _ in range(10)))
    assert len({id(resolution) for resolution in resolutions}) == 1
    assert resolver.asked.count("MX a.test") == 1


async def test_what_is_forgotten_is_looked_for_again() -> None:
    finder = hop_resolver(ONE)
    first = await finder.find("a.test")
    finder.forget("a.test")
    assert await finder.find("a.test") is not first


async def test_one_budget_of_time_for_all_questions() -> None:
    class Never(TableResolver):
        async def ask(self, *_question: object) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

    settings = settings_with(dns={"lifetime_s": 0.05, "validates": "no"})
    resolution = await hop_resolver(Never({}), settings).find("a.test")
    assert isinstance(resolution, Unroutable)
    assert resolution.status == "4.4.3"
    assert "longer than 0.05 s" in resolution.words


async def test_close_ends_a_search() -> None:
    began = asyncio.Event()

    class Never(TableResolver):
        async def ask(self, *_question: object) -> Answer:
            began.set()
            await asyncio.Event().wait()
            return Unanswered(why="", ttl_s=0)

    finder = hop_resolver(Never({}))
    search = asyncio.ensure_future(finder.find("a.test"))
    await began.wait()
    await finder.close()
    with pytest.raises(asyncio.CancelledError):
        await search


@pytest.mark.parametrize(("dane", "warned"), [(True, ["DANE is off"]), (False, [])])
async def test_that_dane_is_off_is_said_to_whoever_wants_it(dane: bool, warned: list[str]) -> None:
    settings = settings_with(dns={"servers": ("192.0.2.53:53",)}, dane=dane)
    with capture_logs() as logs:
        await open_hop_resolver(settings, KeptPolicies(), log=get_log("delivery")).close()
    assert [told["event"] for told in logs] == warned


# --- sites ----------------------------------------------------------------------------------


async def test_domains_with_the_same_hosts_share_a_site() -> None:
    table = {**ONE, "MX b.test": found("MX", "10 mx.a.test.")}
    finder = hop_resolver(table)
    one, other = await finder.find("a.test"), await finder.find("b.test")
    assert isinstance(one, DeliveryPlan)
    assert isinstance(other, DeliveryPlan)
    assert one.site == other.site
    assert one.site.startswith("mx.a.test#")


async def test_another_demand_is_another_site() -> None:
    table = {**ONE, "MX b.test": found("MX", "10 mx.a.test.")}
    strict = RouteSettings(name="strict", recipient_domains=("b.test",), tls="verify")
    finder = hop_resolver(table, settings_with(routes=(strict,)))
    one, other = await finder.find("a.test"), await finder.find("b.test")
    assert isinstance(one, DeliveryPlan)
    assert isinstance(other, DeliveryPlan)
    assert one.site != other.site
    assert other.hops[0].tls.source == "route strict"


async def test_the_order_of_equal_hosts_does_not_change_the_site() -> None:
    table = {
        "MX a.test": found("MX", "10 x.test.", "10 y.test."),
        "A x.test": found("A", "192.0.2.1"),
        "A y.test": found("A", "192.0.2.2"),
    }
    seen = set()
    for seed in range(10):
        resolution = await hop_resolver(table, chance=random.Random(seed)).find("a.test")
        assert isinstance(resolution, DeliveryPlan)
        seen.add((resolution.hops[0].host, resolution.site))
    assert len(seen) == 2
    assert len({site for _, site in seen}) == 1
