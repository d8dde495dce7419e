"""Which rule takes a copy."""

from __future__ import annotations

from typing import Any

import pytest

from mailserver.routing.rules import (
    ask_who_sends,
    find_route,
    match_domain,
    match_rule,
    next_hop_of,
    passed_over,
)
from mailserver.settings.model import RouteSettings
from mailserver.values.address import Address

MARIE = Address("marie", "exemple.test")


def rule(name: str = "r", **fields: Any) -> RouteSettings:
    return RouteSettings(name=name, **fields)


def matched(
    *rules: RouteSettings,
    recipient: Address = MARIE,
    sender: Address | None = None,
    identifier: str | None = None,
) -> str | None:
    found = match_rule(rules, recipient=recipient, sender=sender, identifier=identifier)
    return found.name if found else None


@pytest.mark.parametrize(
    ("domains", "domain", "is_match"),
    [
        (("exemple.test",), "exemple.test", True),
        (("exemple.test",), "EXEMPLE.test.", True),
        (("exemple.test",), "sub.exemple.test", False),
        ((".exemple.test",), "sub.exemple.test", True),
        ((".exemple.test",), "a.b.exemple.test", True),
        ((".exemple.test",), "exemple.test", False),
        ((".exemple.test",), "anexemple.test", False),
        (("école.test",), "xn--cole-9oa.test", True),
        (("a.test", "b.test"), "b.test", True),
    ],
)
def test_recipient_domains(domains: tuple[str, ...], domain: str, is_match: bool) -> None:
    found = matched(rule(recipient_domains=domains), recipient=Address("x", domain))
    assert (found is not None) is is_match


@pytest.mark.parametrize(
    ("senders", "sender", "is_match"),
    [
        (("marie@exemple.test",), MARIE, True),
        (("Marie@EXEMPLE.test",), MARIE, True),
        (("exemple.test",), MARIE, True),
        ((".test",), MARIE, True),
        (("jean@exemple.test",), MARIE, False),
        (("exemple.test",), None, False),
    ],
)
def test_senders(senders: tuple[str, ...], sender: Address | None, is_match: bool) -> None:
    assert (matched(rule(senders=senders), sender=sender) is not None) is is_match


def test_accounts() -> None:
    assert matched(rule(accounts=("fmarot",)), identifier="fmarot") == "r"
    assert matched(rule(accounts=("fmarot",)), identifier=None) is None


def test_every_matcher_that_is_set_must_match() -> None:
    both = rule(recipient_domains=("exemple.test",), accounts=("fmarot",))
    assert matched(both, identifier="fmarot") == "r"
    assert matched(both, identifier="jdupont") is None


def test_only_rules_that_name_senders_ask_who_sends() -> None:
    plain = rule(recipient_domains=("a.test",), accounts=("jdupont",))
    assert not ask_who_sends([plain])
    assert ask_who_sends([plain, rule(senders=("b.test",))])


def test_the_first_rule_that_matches_decides() -> None:
    assert matched(rule("no", accounts=("x",)), rule("one"), rule("two")) == "one"


def test_a_rule_by_mx_waits_for_the_look_up() -> None:
    assert matched(rule(mx=("*.net.test",))) is None


def mx_matched(*rules: RouteSettings, hosts: tuple[str, ...], domain: str = "a.test") -> str | None:
    found = match_domain(rules, domain=domain, hosts=hosts)
    return found.name if found else None


def test_the_most_preferred_host_decides() -> None:
    one = rule(mx=("*.Net.test",))
    assert mx_matched(one, hosts=("mx1.net.test", "mx.other.test")) == "r"
    assert mx_matched(one, hosts=("mx.other.test", "mx1.net.test")) is None
    assert mx_matched(one, hosts=()) is None


def test_a_rule_by_mx_may_name_domains_too() -> None:
    one = rule(mx=("*.net.test",), recipient_domains=("b.test",))
    assert mx_matched(one, hosts=("mx.net.test",)) is None
    assert mx_matched(one, hosts=("mx.net.test",), domain="b.test") == "r"


def test_a_rule_for_a_domain_sets_its_tls() -> None:
    rules = (
        rule("other", recipient_domains=("a.test",), via="hold"),
        rule("some", recipient_domains=("a.test",), accounts=("x",)),
        rule("tls", recipient_domains=("a.test",), tls="verify"),
        rule("all"),
    )
    assert mx_matched(*rules, hosts=()) == "tls"
    assert mx_matched(*rules, hosts=(), domain="b.test") == "all"
    assert mx_matched(*rules[:3], hosts=(), domain="b.test") is None


def test_of_what_waits_for_a_domain_the_first_in_the_file_decides() -> None:
    leaves = rule("leaves", recipient_domains=("a.test",), via="mx")
    takes = rule("takes", mx=("*.net.test",), via="smarthost", host="x")
    assert mx_matched(leaves, takes, hosts=("mx.net.test",)) == "leaves"
    assert mx_matched(takes, leaves, hosts=("mx.net.test",)) == "takes"
    assert mx_matched(leaves, takes, hosts=("mx.net.test",), domain="b.test") == "takes"


def test_rules_by_mx_host_above_the_one_that_decided_are_named() -> None:
    rules = (
        rule("by-host", mx=("*.net.test",), via="hold"),
        rule("other", mx=("*.net.test",), recipient_domains=("b.test",), via="hold"),
        rule("one", recipient_domains=(".exemple.test",), via="smarthost", host="x"),
        rule("below", mx=("*",), via="hold"),
    )
    above = passed_over(rules, rules[2], Address("x", "sub.exemple.test"))
    assert [one.name for one in above] == ["by-host"]


@pytest.mark.parametrize(
    ("via", "next_hop"),
    [
        ("smarthost", "route:r"),
        ("lmtp", "route:r"),
        ("mx", "exemple.test"),
        ("hold", "exemple.test"),
        ("refuse", "exemple.test"),
    ],
)
def test_the_next_hop_is_known_without_dns(via: str, next_hop: str) -> None:
    assert next_hop_of(rule(via=via), MARIE) == next_hop


def test_without_a_rule_the_domain_is_the_next_hop_folded() -> None:
    assert next_hop_of(None, Address("x", "École.Test.")) == "xn--cole-9oa.test"
    assert next_hop_of(None, Address("x", "[192.0.2.1]")) == "[192.0.2.1]"


def test_a_route_is_found_by_its_next_hop() -> None:
    rules = (rule("a"), rule("b"))
    assert find_route(rules, "route:b") is rules[1]
    assert find_route(rules, "b") is rules[1]
    assert find_route(rules, "route:c") is None
