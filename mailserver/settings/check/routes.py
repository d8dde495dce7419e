"""Rules of [[routes]] that can never decide, because another one always does before them.

both without mx, or both with it    the first in the file
without mx, via a host, hold, refuse   before every rule with mx: when the message is accepted
without mx, via mx, for domains     with the rules by MX host, the first in the file
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence

from mailserver.settings.check.finding import Finding, warning
from mailserver.settings.model import RouteSettings, Settings
from mailserver.values.address import fold_domain


def check_order(settings: Settings) -> Iterator[Finding]:
    """One finding for each rule that is never reached, and for each that a later one overrules."""
    rules = settings.routes
    ours = {fold_domain(domain) for domain in settings.service.domains}
    for number, rule in enumerate(rules):
        if rule.name == settings.delivery.fallback:
            continue  # it has its use without deciding
        if any(fold_domain(domain) in ours for domain in rule.recipient_domains):
            continue  # it is for what nobody here has, where other rules do not count
        first = next(
            (one for place, one in enumerate(rules) if _hides(one, rule, is_above=place < number)),
            None,
        )
        if first is not None:
            yield warning(
                "routes",
                f"the route {rule.name} never decides: {first.name} does before it, for all that it"
                f" matches{_why(first, rule)}; put {rule.name} first, or drop one",
            )
    yield from _check_overruled(rules)


def _why(first: RouteSettings, rule: RouteSettings) -> str:
    if not rule.mx or first.mx or first.via == "mx":
        return ""
    return " (rules without mx decide when a message is accepted, before any MX host is known)"


def _hides(one: RouteSettings, rule: RouteSettings, *, is_above: bool) -> bool:
    """Does the one always decide before the rule, and match whatever that matches?"""
    if one is rule:
        return False
    if rule.mx and not one.mx and one.via != "mx":
        is_before = True
    elif rule.mx and not one.mx and (one.senders or one.accounts):
        return False
    else:
        is_before = is_above and (bool(rule.mx) or not one.mx)
    return (
        is_before
        and _covers(one.recipient_domains, rule.recipient_domains, _has_domain)
        and _covers(one.senders, rule.senders, _has_sender)
        and _covers(one.accounts, rule.accounts, str.__eq__)
        and _covers(one.mx, rule.mx, _has_host)
    )


def _covers(wide: Sequence[str], narrow: Sequence[str], has: Callable[[str, str], bool]) -> bool:
    """A list that is empty matches everything."""
    if not wide:
        return True
    return bool(narrow) and all(any(has(a, b) for a in wide) for b in narrow)


def _has_domain(wide: str, narrow: str) -> bool:
    """`.example.org`: all below it."""
    if not wide.startswith("."):
        return not narrow.startswith(".") and fold_domain(wide) == fold_domain(narrow)
    dot = "." if narrow.startswith(".") else ""
    return (dot + fold_domain(narrow.removeprefix("."))).endswith("." + fold_domain(wide[1:]))


def _has_sender(wide: str, narrow: str) -> bool:
    """An address, or a domain as above."""
    if "@" in wide:
        return wide.casefold() == narrow.casefold()
    return _has_domain(wide, narrow.rpartition("@")[2])


def _has_host(wide: str, narrow: str) -> bool:
    return wide.casefold() == narrow.casefold() or fnmatch.fnmatchcase(
        narrow.casefold(), wide.casefold()
    )


def _check_overruled(rules: Sequence[RouteSettings]) -> Iterator[Finding]:
    """The delivery agent carries all senders' mail to a domain together."""
    by_host = next((rule for rule in rules if rule.mx), None)
    for rule in rules:
        if by_host is not None and rule.via == "mx" and (rule.senders or rule.accounts):
            yield warning(
                "routes.via",
                f'the route {rule.name} (via = "mx", for senders or accounts) does not keep their'
                f" mail from {by_host.name}, which decides by MX host for everybody's",
            )
