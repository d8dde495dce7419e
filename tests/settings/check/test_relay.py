"""A configuration that would relay for strangers is refused, and so are routes to nowhere."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from mailserver.settings.check.finding import Finding, Level
from mailserver.settings.check.relay import check_relay, check_trusted
from mailserver.settings.gateway import parse_ipv4_routes, parse_ipv6_routes
from mailserver.settings.model import Settings

EVERYWHERE = {"mx": ["0.0.0.0:25"], "submission": [], "submissions": []}
HERE = {"mx": ["127.0.0.1:25"], "submission": ["[::1]:587"], "submissions": []}


def settings_for(**sections: Any) -> Settings:
    service = {"domain": "a.test", "hostname": "mail.a.test"}
    return Settings.model_validate({"service": service, "smtp": EVERYWHERE, **sections})


def trusting(
    *networks: str, smtp: dict[str, list[str]] = EVERYWHERE, in_container: bool = False
) -> list[Finding]:
    settings = settings_for(relay={"trusted_networks": networks}, smtp=smtp)
    gateways = (ip_address("172.18.0.1"), ip_address("fe80::1"))
    return list(check_trusted(settings, gateways=gateways, in_container=in_container))


@pytest.mark.parametrize(
    "network",
    ["0.0.0.0/0", "::/0", "0.0.0.0/1", "8.0.0.0/8", "192.0.2.0/23", "2001:db8::/48", "::/1",
     "100.64.0.0/10", "172.0.0.0/8", "::ffff:0:0/96"],
)  # fmt: skip
def test_a_wide_public_network_is_refused(network: str) -> None:
    (finding,) = trusting(network)
    assert (finding.level, finding.key) == (Level.ERROR, "relay.trusted_networks")
    assert network in finding.sentence


@pytest.mark.parametrize(
    "network",
    ["10.0.0.0/8", "172.18.0.0/16", "192.168.1.0/24", "192.0.2.0/24", "192.0.2.7/32",
     "2001:db8::/64", "2001:db8::7/128", "fd00::/8", "fe80::/10", "127.0.0.0/8", "::1/128"],
)  # fmt: skip
def test_private_networks_and_small_blocks_may_be_trusted(network: str) -> None:
    assert trusting(network) == []


def test_the_gateway_of_a_container_is_refused() -> None:
    for network in ("172.18.0.0/16", "fe80::/10"):
        (finding,) = trusting(network, in_container=True)
        assert "this container's gateway" in finding.sentence
    assert trusting("172.19.0.0/16", "172.18.0.5/32", in_container=True) == []


def test_loopback_behind_a_proxy_is_refused() -> None:
    (finding,) = trusting("127.0.0.0/8", smtp=HERE)
    assert finding.level is Level.ERROR
    assert "listeners on loopback only" in finding.sentence


def found(**sections: Any) -> list[str]:
    return [f"{one.level.value} {one.key}" for one in check_relay(settings_for(**sections))]


def route(**values: Any) -> list[str]:
    return found(routes=[{"name": "r", **values}])


def test_routes_that_lead_nowhere_are_found() -> None:
    assert route(via="smarthost") == ["error routes.host"]
    assert route(via="lmtp") == ["error routes.host"]
    assert route(via="mx", host="x") == ["warning routes.host"]
    assert route(via="smarthost", host="x", user_name="me") == ["error routes.user_name"]
    assert route(via="smarthost", host="x") == []
    assert route(via="refuse", recipient_domains=["x.test"]) == []


@pytest.mark.parametrize("whose", [{"senders": ["a@a.test"]}, {"accounts": ["a"]}])
def test_a_rule_by_mx_host_cannot_be_for_somebody(whose: dict[str, Any]) -> None:
    assert route(via="hold", mx=["*.b.test"], **whose) == ["error routes.mx"]
    assert route(via="hold", mx=["*.b.test"], recipient_domains=["b.test"]) == []
    assert route(via="mx", tls="verify", **whose) == ["warning routes.tls"]
    assert route(via="mx", tls="verify", recipient_domains=["b.test"]) == []
    assert route(via="mx", **whose) == []


HOST = {"via": "smarthost", "host": "x"}
BY_HOST = {"name": "b", "mx": ["*.net.test"], "via": "hold"}


@pytest.mark.parametrize(
    ("first", "then", "hidden"),
    [
        ({**HOST}, {"recipient_domains": ["b.test"], "via": "hold"}, "then"),
        ({"recipient_domains": ["b.test"], **HOST}, {"via": "hold"}, None),
        ({"recipient_domains": [".b.test"], **HOST}, {"recipient_domains": ["c.B.test"]}, "then"),
        ({"recipient_domains": [".b.test"], **HOST}, {"recipient_domains": [".c.b.test"]}, "then"),
        ({"recipient_domains": [".b.test"], **HOST}, {"recipient_domains": ["b.test"]}, None),
        ({"recipient_domains": ["b.test"]}, {"recipient_domains": ["b.test", "c.test"]}, None),
        ({"senders": ["x.test"], **HOST}, {"senders": ["a@x.test"]}, "then"),
        ({"senders": ["a@x.test"], **HOST}, {"senders": ["x.test"]}, None),
        ({"accounts": ["a", "b"], **HOST}, {"accounts": ["b"], "senders": ["x.test"]}, "then"),
        ({"accounts": ["a"], **HOST}, {"recipient_domains": ["b.test"]}, None),
        ({"mx": ["*.net.test"], **HOST}, {"mx": ["mx.net.test"], "via": "hold"}, "then"),
        ({"mx": ["*.net.test"], **HOST}, {"recipient_domains": ["b.test"], "via": "hold"}, None),
        ({"mx": ["*.net.test"], "recipient_domains": ["b.test"], **HOST},
         {"recipient_domains": ["b.test"], "via": "hold"}, "first"),
        ({"mx": ["*.net.test"], **HOST}, {"via": "hold"}, "first"),
        ({"mx": ["*.net.test"], **HOST}, {"via": "mx"}, None),
        ({"via": "mx"}, {"mx": ["*.net.test"], **HOST}, "then"),
        ({"recipient_domains": ["a.test"], **HOST}, {"recipient_domains": ["a.test"]}, None),
    ],
)  # fmt: skip
def test_a_rule_that_never_decides_is_told(
    first: dict[str, Any], then: dict[str, Any], hidden: str | None
) -> None:
    rules = [{"name": "first", **first}, {"name": "then", **then}]
    told = [
        one.sentence
        for one in check_relay(settings_for(routes=rules))
        if one.key == "routes" and one.level is Level.WARNING
    ]
    assert [sentence.split()[2] for sentence in told] == ([hidden] if hidden else [])


def test_a_rule_for_somebody_cannot_keep_their_mail_from_a_rule_by_mx_host() -> None:
    theirs = {"name": "theirs", "accounts": ["a"], "via": "mx"}
    assert found(routes=[theirs, BY_HOST]) == ["warning routes.via"]
    assert found(routes=[{**theirs, **HOST}, BY_HOST]) == []


@pytest.mark.parametrize("via", ["mx", "hold", "refuse"])
def test_a_rule_that_our_own_mail_never_meets_is_told(via: str) -> None:
    told = route(via=via, recipient_domains=["A.test"])
    assert told == ["warning routes.recipient_domains"]
    assert route(via="lmtp", host="x", recipient_domains=["a.test"]) == []


def test_two_routes_of_one_name_are_refused() -> None:
    one, other = ({"name": "r", "recipient_domains": [name]} for name in ("b.test", "c.test"))
    assert found(routes=[one, other]) == ["error routes.name"]


def test_the_fall_back_must_be_a_route_with_a_host() -> None:
    routes = [
        {"name": "h", "via": "hold", "recipient_domains": ["b.test"]},
        {"name": "direct", "via": "mx"},
        {"name": "p", "via": "smarthost", "host": "x"},
    ]
    assert found(delivery={"fallback": "p"}, routes=routes) == []
    for wrong in ("h", "q"):
        told = found(delivery={"fallback": wrong}, routes=routes)
        assert told == ["error delivery.fallback", "warning routes"]


def test_another_port_and_no_agent_are_worth_a_look() -> None:
    assert found(delivery={"port": 2525}) == ["warning delivery.port"]
    assert found(delivery={"processes": 0}) == ["warning delivery.processes"]


@pytest.mark.parametrize("tls", ["none", "opportunistic"])
def test_a_password_must_not_travel_in_clear(tmp_path: Path, tls: str) -> None:
    assert password_route(tmp_path, b"x", 0o600, tls=tls) == ["error routes.tls"]


def password_route(folder: Path, octets: bytes, mode: int, **values: Any) -> list[str]:
    file = folder / "password"
    file.write_bytes(octets)
    file.chmod(mode)
    given = {"via": "smarthost", "host": "x", "user_name": "me", "password_file": file}
    return route(**given, **values)


def test_the_file_of_a_password_must_be_there_and_nobody_elses(tmp_path: Path) -> None:
    missing = {"via": "smarthost", "host": "x", "user_name": "me", "password_file": "/no/such"}
    assert route(**missing) == ["error routes.password_file"]
    assert password_route(tmp_path, b"x\n", 0o644) == ["error routes.password_file"]
    assert password_route(tmp_path, b"\n", 0o600) == ["error routes.password_file"]
    assert password_route(tmp_path, b"x\n", 0o600) == []


def test_default_gateways_are_read_from_the_tables_of_the_kernel() -> None:
    ipv4 = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert [str(one) for one in parse_ipv4_routes(ipv4)] == ["172.18.0.1"]
    zero = "0" * 32
    ipv6 = (
        f"{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n"
        f"{zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"
    )
    assert [str(one) for one in parse_ipv6_routes(ipv6)] == ["fe80::1"]
    assert list(parse_ipv4_routes("")) == list(parse_ipv6_routes("")) == []
