"""`mailserver route`: where mail for an address would go, and why.  Nothing is sent."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, cast

import typer

from mailserver.cli.access import account_named, opened_store, read_settings
from mailserver.cli.mistake import Mistake
from mailserver.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from mailserver.settings.model import RouteSettings, Settings
    from mailserver.store.ports.lists import Lists
    from mailserver.store.ports.policies import Policies
    from mailserver.store.ports.store import Store
    from mailserver.store.ports.targets import Target
    from mailserver.values.address import Address

# The door that answers; by name, since the core imports no door.
EXPLAIN_MODULE: Final = "smtp_relay.delivery.resolve.explain"

AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="The recipient, as marie@example.org.")
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="ADDRESS", help='The sender; "<>" is the null sender.'),
]
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="IDENTIFIER", help="Who would submit it.")
]
Facts = dict[str, Any]


class _Explainer(Protocol):
    def explain(self, settings: Settings, next_hop: str, policies: Policies) -> Facts: ...


def route(
    address: AddressArgument,
    *,
    sender: FromOption = None,
    account: AccountOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain where mail for ADDRESS goes: mailbox, rule, look-ups, hosts, TLS. Sends nothing."""
    recipient = _parse(address)
    writer = None if sender is None or sender in {"", "<>"} else _parse(sender)
    settings = read_settings(config)
    with opened_store(settings) as store:
        if account is not None:
            account_named(store.accounts, account)
        asked = (settings, store, recipient, writer, account)
        facts = _local_facts(*asked) or _relay_facts(*asked)
    facts = {"address": str(recipient), **facts}
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _show(facts)


def _parse(text: str) -> Address:
    """
    Raises:
        Mistake: not an address.
    """
    from mailserver.routing.mx import parse_literal
    from mailserver.settings.names import check_domain
    from mailserver.values.address import Address

    local, at, domain = text.strip().removeprefix("<").removesuffix(">").rpartition("@")
    if not at or not local or not domain:
        raise Mistake(f"{text!r} is not an address: write one, as marie@example.org")
    try:
        if parse_literal(domain) is None:
            check_domain(domain)
    except ValueError as error:
        raise Mistake(f"{text!r} is not an address: {error}") from None
    return Address(local, domain)


def _local_facts(
    settings: Settings,
    store: Store,
    recipient: Address,
    sender: Address | None,
    account: str | None,
) -> Facts | None:
    """None: it is not for one of our domains."""
    from mailserver.routing.local import (
        Elsewhere,
        Misplaced,
        OurDomains,
        Unknown,
        always_open,
        find_local,
    )
    from mailserver.routing.rules import match_own

    ours = OurDomains.of(settings, store.people)
    postmaster = store.accounts.find_account(settings.service.postmaster)
    found = find_local(
        recipient,
        ours=ours,
        find=store.people.find_target,
        postmaster=always_open(postmaster) if postmaster else None,
    )
    if isinstance(found, Elsewhere):
        return None
    if isinstance(found, Misplaced):
        words = (
            "the directory has this address, or had it by another domain, and neither"
            " service.domain nor extra_domains says so any more: mail for it is put off (451 4.3.5)"
        )
        return _refused("4.3.5", words)
    if isinstance(found, Unknown):
        rule = match_own(settings.routes, recipient=recipient, sender=sender, identifier=account)
        if rule is not None:
            return _explained(settings, store.policies, recipient, rule)
        words = "one of our domains, and nobody there has this name"
        return _refused("5.1.1", words)
    owner = find_local(recipient, ours=ours, find=store.accounts.find_sign_in, postmaster=None)
    identifier = None if isinstance(owner, Elsewhere | Misplaced | Unknown) else owner.identifier
    return _target_facts(settings, store.lists, found, identifier)


def _target_facts(
    settings: Settings, lists: Lists, target: Target, identifier: str | None
) -> Facts:
    """A mailbox, a list, or somebody who gets no mail here."""
    if target.list_id is not None:
        which = lists.read_list(target.list_id)
        return {"outcome": "expand", "list": which.address if which else "", "steps": []}
    forward = target.forward_to if settings.forwarding.enabled else ""
    has_left = target.life.value == "left"
    if target.life.value in _SHUT and not (has_left and forward):
        return _refused(*_SHUT[target.life.value])
    facts: Facts = {"outcome": "deposit", "account": identifier, "steps": []}
    if forward:
        facts |= {"forward": forward, "keeps_copy": target.keeps_copy and not has_left}
    return facts


def _refused(status: str, words: str) -> Facts:
    return {"outcome": "refuse", "status": status, "words": words, "steps": []}


def _relay_facts(
    settings: Settings,
    store: Store,
    recipient: Address,
    sender: Address | None,
    account: str | None,
) -> Facts:
    from mailserver.routing.rules import match_rule, passed_over

    rule = match_rule(settings.routes, recipient=recipient, sender=sender, identifier=account)
    if rule is None or rule.via == "mx":
        return _explained(settings, store.policies, recipient, rule)
    facts: Facts = (
        {"rule": rule.name} | _stopped(rule)
        if rule.via in {"hold", "refuse"}
        else _explained(settings, store.policies, recipient, rule)
    )
    unasked = [
        f"rule {one.name} was not asked: by MX host, after the rules that need none"
        for one in passed_over(settings.routes, rule, recipient)
    ]
    return facts | {"steps": unasked + facts["steps"]}


def _explained(
    settings: Settings, policies: Policies, recipient: Address, rule: RouteSettings | None
) -> Facts:
    """What the delivery agent would find out now."""
    from mailserver.routing.rules import next_hop_of

    explainer = cast("_Explainer", importlib.import_module(EXPLAIN_MODULE))
    said: Facts = {"rule": rule.name if rule else None}
    return said | explainer.explain(settings, next_hop_of(rule, recipient), policies)


def _stopped(rule: RouteSettings) -> Facts:
    facts: Facts = {"outcome": rule.via, "words": rule.text, "steps": []}
    return facts | ({"status": "5.7.1"} if rule.via == "refuse" else {})


_POSTMASTER: Final = "the postmaster's"
_SHUT: Final = {
    "expected": ("5.2.1", "this mailbox is not open yet"),
    "left": ("5.1.6", "this person has left, and named no other address"),
    "gone": ("5.2.1", "this mailbox is closed"),
}
_VERDICTS: Final = {
    "deposit": "deposited here",
    "expand": "sent to the members of a list",
    "relay": "relayed",
    "hold": "held",
    "refuse": "refused, or returned to its sender",
    "defer": "kept, and tried again later",
}


def _show(facts: Facts) -> None:
    print(f"{facts['address']}: {_VERDICTS[facts['outcome']]}{_why(facts)}")
    if facts["outcome"] == "deposit":
        print(f"    account    {facts['account'] or _POSTMASTER}")
        if "forward" in facts:
            kept = "a copy stays" if facts["keeps_copy"] else "nothing stays"
            print(f"    forward    {facts['forward']} ({kept})")
        return
    if facts["outcome"] == "expand":
        print(f"    list       {facts['list']}")
        return
    if "rule" in facts:
        print(f"    rule       {facts['rule'] or 'none: by MX'}")
    for name in ("next_hop", "dane", "user_name", "fallback"):
        if facts.get(name):
            print(f"    {name.replace('_', ' '):<10} {facts[name]}")
    for step in facts["steps"]:
        print(f"    - {step}")
    for place, host in enumerate(facts.get("hosts", ()), 1):
        _show_host(place, host, facts["protocol"])


def _why(facts: Facts) -> str:
    said = " ".join(str(facts[name]) for name in ("status", "words") if facts.get(name))
    return f": {said}" if said else ""


def _show_host(place: int, host: Facts, protocol: str) -> None:
    tls = host["tls"]
    names = f", for {', '.join(tls['names'])}" if tls["names"] else ""
    implicit = ", from the first octet" if tls["is_implicit"] else ""
    print(f"    {place}. {host['host']} port {host['port']} ({protocol.upper()})")
    print(f"       addresses  {', '.join(host['addresses'])}")
    print(f"       TLS        {tls['level']}{names}{implicit} ({tls['source']})")
