"""The delivery plan of a domain by its MX records (RFC 5321 §5.1), or of an address literal.

| what the name servers say                  | comes to                     |
| ------------------------------------------ | ---------------------------- |
| MX: NXDOMAIN                               | 5.1.2, for good              |
| MX: the root alone                         | 5.1.10, for good (RFC 7505)  |
| MX, A and AAAA: no data                    | 5.1.2, for good              |
| the best host is ourselves                 | 5.4.6, for good              |
| hosts at loopback, link-local ... only     | 5.4.4, for good              |
| hosts at private addresses only            | 4.4.4                        |
| no host with an address, none unanswered   | 4.4.4                        |
| no host with an address, some unanswered   | 4.4.3                        |
| hosts, but none that its policy allows     | 4.7.5                        |
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from dns.rdtypes.ANY.MX import MX

from mailserver.routing.mx import MxRecord, NullMx, cut_loop, order_hosts, parse_literal
from mailserver.routing.ourselves import IsOurs
from mailserver.routing.reach import Reach, reach_of
from mailserver.routing.rules import match_domain
from mailserver.settings.model import RouteSettings, Settings
from mailserver.store.ports.policies import StsPolicy
from smtp_relay.delivery.dns.answers import (
    Found,
    Lapse,
    NoData,
    NoSuchName,
    RecordType,
    Unanswered,
)
from smtp_relay.delivery.dns.inquiry import Inquiry, lapse_words
from smtp_relay.delivery.dns.validation import Validation
from smtp_relay.delivery.plan import (
    DeliveryPlan,
    Diverted,
    Hop,
    Protocol,
    Resolution,
    TlsDemand,
    TlsLevel,
    Unroutable,
)
from smtp_relay.delivery.resolve.connection_key import site_of
from smtp_relay.delivery.resolve.hosts import Located, find_dane, locate_all
from smtp_relay.delivery.resolve.rule import RouteFinder
from smtp_relay.delivery.security.dane import NoDane
from smtp_relay.delivery.security.demand import Untrusted, decide_demand, settings_demand
from smtp_relay.delivery.security.sts_keeper import StsKeeper

_SHOWN_ADDRESSES = 3
_HEARD = frozenset({Lapse.MALFORMED, Lapse.BOGUS})
_UNUSABLE = {
    False: "name servers did not answer for",
    True: "what name servers answered cannot be used for",
}


class _Unresolved(Exception):
    """Ends the search: the arguments of the `Unroutable`."""

    def __init__(self, status: str, words: str, *, is_permanent: bool = False) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.is_permanent = is_permanent


class MxFinder:
    def __init__(
        self,
        settings: Settings,
        *,
        routes: RouteFinder,
        validation: Validation,
        sts: StsKeeper | None,
        is_ours: IsOurs,
        chance: random.Random,
    ) -> None:
        self._settings = settings
        self._routes = routes
        self._validation = validation
        self._sts = sts
        self._is_ours = is_ours
        self._chance = chance

    async def find(self, next_hop: str, inquiry: Inquiry) -> Resolution:
        """next_hop: a domain, folded, or an address literal."""
        try:
            return await self._find(next_hop, inquiry)
        except _Unresolved as error:
            return Unroutable(
                next_hop=next_hop,
                is_permanent=error.is_permanent,
                status=error.status,
                words=error.words,
                steps=tuple(inquiry.steps),
            )

    async def _find(self, next_hop: str, inquiry: Inquiry) -> Resolution:
        literal = _parse_literal(next_hop)
        if literal is not None:
            return self._to_literal(next_hop, literal, inquiry)
        records, is_signed, is_implied = await self._ask_mx(next_hop, inquiry)
        rule = match_domain(self._settings.routes, domain=next_hop, hosts=_best_first(records))
        if rule is not None:
            _say_rule(rule, records, inquiry)
            if rule.via != "mx":
                return await self._divert(next_hop, rule, inquiry)
        located, sts = await asyncio.gather(
            locate_all(inquiry, [one.host for one in records], choice=self._settings.delivery.ip),
            self._sts_policy(next_hop, inquiry),
        )
        if is_implied:
            _refuse_emptiness(next_hop, located[0])
        usable = self._usable(next_hop, records, located, inquiry)
        hops = await self._secure(next_hop, usable, sts, rule, inquiry, is_signed=is_signed)
        return self._plan(next_hop, hops, rule, inquiry)

    async def _ask_mx(
        self, domain: str, inquiry: Inquiry
    ) -> tuple[tuple[MxRecord, ...], bool, bool]:
        """The hosts in order; is the answer signed; is the domain its own host."""
        answer = await inquiry.ask(domain, RecordType.MX)
        inquiry.tell(domain, RecordType.MX, answer)
        match answer:
            case Found(records=records, is_authentic=is_authentic):
                pairs = [(r.preference, str(r.exchange)) for r in records if isinstance(r, MX)]
                hosts = order_hosts(pairs, shuffle=self._chance.shuffle)
                if isinstance(hosts, NullMx):
                    raise _Unresolved(
                        "5.1.10", f"{domain} takes no mail (null MX)", is_permanent=True
                    )
                return hosts, is_authentic, False
            case NoData(is_authentic=is_authentic):
                inquiry.say(f"{domain} has no MX: its own addresses count (RFC 5321 §5.1)")
                return (MxRecord(0, domain),), is_authentic, True
            case NoSuchName():
                raise _Unresolved("5.1.2", f"the domain {domain} does not exist", is_permanent=True)
            case Unanswered():
                words = f"{_UNUSABLE[answer.lapse in _HEARD]} {domain}: {lapse_words(answer)}"
                raise _Unresolved("4.4.3", words)
            case _:
                assert_never(answer)

    async def _divert(self, domain: str, rule: RouteSettings, inquiry: Inquiry) -> Resolution:
        """Where a rule that matches by MX host takes the domain's mail."""
        match rule.via:
            case "smarthost" | "lmtp":
                return await self._routes.follow(rule, domain, inquiry)
            case "hold":
                reason = rule.text or f"held by rule {rule.name}"
                return Diverted(
                    next_hop=domain, rule=rule.name, reason=reason, steps=tuple(inquiry.steps)
                )
            case "refuse":
                words = rule.text or f"refused by rule {rule.name}"
                raise _Unresolved("5.7.1", words, is_permanent=True)
            case "mx":
                raise AssertionError("it leaves the hosts alone")
            case _:
                assert_never(rule.via)

    def _usable(
        self,
        domain: str,
        records: Sequence[MxRecord],
        located: Sequence[Located],
        inquiry: Inquiry,
    ) -> list[tuple[MxRecord, Located]]:
        """Those nearer than ourselves that have an address."""
        ours = {one.host for one in located if self._is_own(one)}
        kept = cut_loop(records, ours)
        for record in records:
            if record not in kept:
                inquiry.say(f"{record.host}: left out, it is no nearer than this server")
        if not kept:
            words = f"mail for {domain} loops back to this server"
            raise _Unresolved("5.4.6", words, is_permanent=True)
        pairs = [(r, one) for r, one in zip(records, located, strict=True) if r in kept]
        refused: list[tuple[str, Reach]] = []
        usable = []
        for record, one in pairs:
            reached = self._reached(one, refused, inquiry)
            if reached.addresses:
                usable.append((record, reached))
        if usable:
            return usable
        if refused and not any(one.is_unanswered for _, one in pairs):
            has_all = all(one.all_addresses for _, one in pairs)
            raise _out_of_reach(f"the mail hosts of {domain} have", refused, has_all=has_all)
        if any(one.is_unanswered for _, one in pairs):
            silent = next(one for _, one in pairs if one.is_unanswered)
            words = f"name servers did not answer for the mail hosts of {domain}"
            raise _Unresolved("4.4.3", f"{words}: {silent.host}: {silent.why}")
        raise _Unresolved("4.4.4", f"no mail host of {domain} has an address that we may use")

    def _reached(
        self, located: Located, refused: list[tuple[str, Reach]], inquiry: Inquiry
    ) -> Located:
        """Without the addresses to which the DNS of others may not send us."""
        out = dict(self._out_of_reach(located.addresses))
        for address, reach in out.items():
            refused.append((address, reach))
            inquiry.say(f"{located.host}: {address} left out, {_NOT_PUBLIC[reach]}")
        kept = tuple(one for one in located.addresses if one not in out)
        return replace(located, addresses=kept) if out else located

    def _out_of_reach(self, addresses: Sequence[str]) -> Iterator[tuple[str, Reach]]:
        for address in addresses:
            reach = reach_of(address, internal=self._settings.delivery.internal_networks)
            if reach is not Reach.PUBLIC:
                yield address, reach

    def _is_own(self, located: Located) -> bool:
        port = self._settings.delivery.port
        hostname = self._settings.service.hostname
        return hostname in {located.host, located.canonical} or any(
            self._is_ours(address, port) for address in located.all_addresses
        )

    async def _sts_policy(self, domain: str, inquiry: Inquiry) -> StsPolicy | None:
        if self._sts is None:
            return None
        name = f"_mta-sts.{domain}"
        answer = await inquiry.ask(name, RecordType.TXT)
        steps: list[str] = []
        policy = await self._sts.policy_for(domain, answer, steps.append)
        inquiry.tell(name, RecordType.TXT, answer)
        for step in steps:
            inquiry.say(step)
        if policy is not None and policy.mode == "testing":
            inquiry.say("MTA-STS: a policy in testing is not enforced")
        return policy

    async def _secure(
        self,
        domain: str,
        usable: Sequence[tuple[MxRecord, Located]],
        sts: StsPolicy | None,
        rule: RouteSettings | None,
        inquiry: Inquiry,
        *,
        is_signed: bool,
    ) -> list[Hop]:
        hops = []
        for record, one in usable:
            demand = await self._demand(
                domain, one, sts=sts, rule=rule, inquiry=inquiry, is_signed=is_signed
            )
            if isinstance(demand, Untrusted):
                inquiry.say(f"{one.host}: left out, {demand.why}")
                continue
            inquiry.say(f"{one.host}: TLS {_words(demand)}")
            hops.append(self._hop(one, demand, record.preference))
        if not hops:
            raise _Unresolved("4.7.5", f"no mail host of {domain} meets its TLS policy")
        return hops

    async def _demand(
        self,
        domain: str,
        one: Located,
        *,
        sts: StsPolicy | None,
        rule: RouteSettings | None,
        inquiry: Inquiry,
        is_signed: bool,
    ) -> TlsDemand | Untrusted:
        delivery = self._settings.delivery
        minimum = settings_demand(delivery, rule, host=one.host)
        is_rule = rule is not None and rule.tls is not None
        is_weakened = is_rule and minimum.level <= TlsLevel.OPPORTUNISTIC
        has_dane = is_signed and delivery.dane and not is_weakened
        has_dane = has_dane and await self._validation.is_trusted()
        dane = await find_dane(inquiry, one, port=delivery.port) if has_dane else NoDane()
        return decide_demand(
            host=one.host,
            domain=domain,
            dane=dane,
            sts=sts,
            minimum=minimum,
            is_rule=is_rule,
        )

    def _hop(self, one: Located, demand: TlsDemand, preference: int) -> Hop:
        return Hop(
            host=one.host,
            addresses=one.addresses,
            port=self._settings.delivery.port,
            tls=demand,
            preference=preference,
        )

    def _plan(
        self, next_hop: str, hops: list[Hop], rule: RouteSettings | None, inquiry: Inquiry
    ) -> DeliveryPlan:
        has_limits = rule is not None and (rule.max_connections or rule.pause_s)
        name = rule.name if rule is not None and has_limits else ""
        return DeliveryPlan(
            next_hop=next_hop,
            site=site_of(hops, protocol=Protocol.SMTP, login=None, rule=name),
            hops=tuple(hops),
            max_connections=rule.max_connections if rule is not None else 0,
            pause_s=rule.pause_s if rule is not None else 0,
            is_by_dns=True,
            steps=tuple(inquiry.steps),
        )

    def _to_literal(self, next_hop: str, address: str, inquiry: Inquiry) -> DeliveryPlan:
        if self._is_ours(address, self._settings.delivery.port):
            raise _Unresolved("5.4.6", f"{next_hop} is this server", is_permanent=True)
        if refused := list(self._out_of_reach((address,))):
            raise _out_of_reach(f"{next_hop} is", refused, has_all=True, is_literal=True)
        located = Located(host=address, addresses=(address,), all_addresses=(address,))
        demand = settings_demand(self._settings.delivery, None, host=address)
        inquiry.say(f"{address}: an address literal; TLS {_words(demand)}")
        return self._plan(next_hop, [self._hop(located, demand, 0)], None, inquiry)


_NOT_PUBLIC = {
    Reach.NOWHERE: "not an address of another machine",
    Reach.PRIVATE: "a private address that delivery.internal_networks does not name",
}


def _out_of_reach(
    what: str, refused: Sequence[tuple[str, Reach]], *, has_all: bool, is_literal: bool = False
) -> _Unresolved:
    """For good, unless a host may still get an address, or the network is one of ours."""
    is_private = any(reach is Reach.PRIVATE for _, reach in refused)
    addresses = ", ".join(address for address, _ in refused[:_SHOWN_ADDRESSES])
    kind = "private addresses" if is_private else "addresses that are no other machine's"
    if is_literal:
        words = f"{what} {'a private address' if is_private else 'no address of another machine'}"
    else:
        words = f"{what} {kind} only ({addresses})"
    if has_all and (is_literal or not is_private):
        return _Unresolved("5.4.4", f"{words}: no mail goes there", is_permanent=True)
    return _Unresolved("4.4.4", f"{words}: no mail goes there")


def _parse_literal(next_hop: str) -> str | None:
    try:
        return parse_literal(next_hop)
    except ValueError as error:
        words = f"{next_hop} is no address literal: {error}"
        raise _Unresolved("5.1.3", words, is_permanent=True) from None


def _refuse_emptiness(domain: str, located: Located) -> None:
    """No MX, no A and no AAAA: nothing there could ever take mail."""
    if located.is_unanswered or located.all_addresses:
        return
    raise _Unresolved("5.1.2", f"{domain} has neither MX nor address records", is_permanent=True)


def _say_rule(rule: RouteSettings, records: Sequence[MxRecord], inquiry: Inquiry) -> None:
    what = f"the MX host {_best_first(records)[0]}" if rule.mx else "the domain"
    inquiry.say(f"rule {rule.name}: matches {what}")


def _best_first(records: Sequence[MxRecord]) -> list[str]:
    """Without chance, so that the same rule matches every time."""
    return [one.host for one in sorted(records, key=lambda one: (one.preference, one.host))]


def _words(demand: TlsDemand) -> str:
    names = f" for {', '.join(demand.names)}" if demand.names else ""
    return f"{demand.level.name.lower()}{names} ({demand.source})"
