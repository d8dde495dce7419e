"""Which rule of the configuration takes a copy, and the name of its next hop.

    next-hop = domain            ; by its MX records (or its addresses)
             / "[" address "]"   ; a literal (RFC 5321 §4.1.3)
             / "route:" name     ; the smarthost or LMTP server of that rule

The next hop is known without DNS, so that accepting never waits for a name
server.  A rule that matches by MX host can only be applied by the delivery
agent, once it has looked: `match_domain`.

Rules are for what leaves.  An address of our own domains that is in the
directory is deposited here, whatever the rules say.  One that nobody here has
goes on only where a rule names its domain in `recipient_domains` and has a
host of its own (smarthost or LMTP): the domain is then hosted partly here,
partly there (`match_own`).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Final

from mailserver.settings.model import RouteSettings
from mailserver.values.address import Address, fold_domain

ROUTE_PREFIX: Final = "route:"
SMTP_PORT: Final = 25
SUBMISSION_PORT: Final = 587
SUBMISSIONS_PORT: Final = 465
LMTP_PORT: Final = 24
HAS_HOST: Final = frozenset({"smarthost", "lmtp"})
"""Ways that name their host."""
_ROUTING_MARKS: Final = frozenset("%!@")


def match_rule(
    rules: Sequence[RouteSettings],
    *,
    recipient: Address,
    sender: Address | None,
    identifier: str | None,
) -> RouteSettings | None:
    """The first rule that matches by recipient, sender and account; None: the domain's MX.

    sender: None for the null sender.  identifier: of the account that submitted it.
    """
    for rule in rules:
        if not rule.mx and _matches(rule, recipient, sender, identifier):
            return rule
    return None


def ask_who_sends(rules: Sequence[RouteSettings]) -> bool:
    """May `match_rule` find another rule for another sender?"""
    return any(rule.senders for rule in rules)


def match_own(
    rules: Sequence[RouteSettings],
    *,
    recipient: Address,
    sender: Address | None,
    identifier: str | None,
) -> RouteSettings | None:
    """The rule that takes what nobody here has of one of our domains; None: nobody does.

    A local part with `%`, `!` or `@` is never handed on: the next host might read
    another address in it, and relay for a stranger (RFC 5321 §3.6.1, appendix F.2).
    """
    if not _ROUTING_MARKS.isdisjoint(recipient.local):
        return None
    for rule in rules:
        names_a_host = rule.via in {"smarthost", "lmtp"} and not rule.mx
        if (
            names_a_host
            and rule.recipient_domains
            and _matches(rule, recipient, sender, identifier)
        ):
            return rule
    return None


def match_domain(
    rules: Sequence[RouteSettings], *, domain: str, hosts: Sequence[str]
) -> RouteSettings | None:
    """The first rule that decides what waits for a domain: by its most preferred host, or `mx`.

    Rules without `mx` that lead elsewhere decided when the message was accepted. Those for
    senders or accounts say nothing here: a domain's mail is carried together.

    hosts: in the order of preference, lower case, without the final dot.
    """
    for rule in rules:
        if rule.senders or rule.accounts or not (rule.mx or rule.via == "mx"):
            continue
        if rule.recipient_domains and not _is_domain_in(domain, rule.recipient_domains):
            continue
        if not rule.mx or _has_host(rule, hosts):
            return rule
    return None


def _has_host(rule: RouteSettings, hosts: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(host, pattern.lower()) for host in hosts[:1] for pattern in rule.mx
    )


def passed_over(
    rules: Sequence[RouteSettings], decided: RouteSettings, recipient: Address
) -> list[RouteSettings]:
    """Rules by MX host above the one that decided, which were not asked: no host was known."""
    domain = fold_domain(recipient.domain)
    above = rules[: rules.index(decided)]
    return [
        rule
        for rule in above
        if rule.mx and (not rule.recipient_domains or _is_domain_in(domain, rule.recipient_domains))
    ]


def next_hop_of(rule: RouteSettings | None, recipient: Address) -> str:
    """The name under which a copy waits."""
    if rule is not None and rule.via in {"smarthost", "lmtp"}:
        return ROUTE_PREFIX + rule.name
    return fold_domain(recipient.domain)


def find_route(rules: Sequence[RouteSettings], name: str) -> RouteSettings | None:
    """The rule that a `route:` next hop, or the fall-back relay, names."""
    wanted = name.removeprefix(ROUTE_PREFIX)
    return next((rule for rule in rules if rule.name == wanted), None)


def port_of(rule: RouteSettings) -> int:
    """RFC 6409 §3.1, RFC 8314 §3.3; LMTP has no port of its own, 24 is the custom."""
    if rule.port:
        return rule.port
    if rule.via == "lmtp":
        return LMTP_PORT
    if rule.tls == "implicit":
        return SUBMISSIONS_PORT
    return SUBMISSION_PORT if rule.user_name else SMTP_PORT


def _matches(
    rule: RouteSettings, recipient: Address, sender: Address | None, identifier: str | None
) -> bool:
    if rule.recipient_domains and not _is_domain_in(
        fold_domain(recipient.domain), rule.recipient_domains
    ):
        return False
    if rule.senders and (sender is None or not _is_sender_in(sender, rule.senders)):
        return False
    return not rule.accounts or identifier in rule.accounts


def _is_sender_in(sender: Address, wanted: Sequence[str]) -> bool:
    domain = fold_domain(sender.domain)
    return any(
        sender.key == _fold_address(one) if "@" in one else _is_domain_in(domain, (one,))
        for one in wanted
    )


def _fold_address(text: str) -> str:
    local, _, domain = text.rpartition("@")
    return Address(local, domain).key


def _is_domain_in(domain: str, wanted: Sequence[str]) -> bool:
    """`.example.org` means all below it, `example.org` itself alone."""
    for one in wanted:
        folded = fold_domain(one.removeprefix("."))
        if domain == folded if not one.startswith(".") else domain.endswith("." + folded):
            return True
    return False
