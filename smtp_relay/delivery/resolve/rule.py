"""The plan for the host that a rule of the settings names: a smarthost or an LMTP server.

What goes wrong here is ours or the administrator's, never the recipient's: it
is temporary, whatever the name servers say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mailserver.keys.files import read_key
from mailserver.routing.ourselves import IsOurs
from mailserver.routing.rules import ROUTE_PREFIX, find_route, port_of
from mailserver.settings.model import RouteSettings, Settings
from mailserver.telemetry.log import Log
from mailserver.values.address import fold_domain
from mailserver.values.secret import Secret
from smtp_relay.delivery.dns.inquiry import Inquiry
from smtp_relay.delivery.plan import DeliveryPlan, Hop, Login, Protocol, TlsDemand, Unroutable
from smtp_relay.delivery.resolve.connection_key import site_of
from smtp_relay.delivery.resolve.hosts import Located, locate
from smtp_relay.delivery.security.demand import settings_demand

MAX_PASSWORD_OCTETS: Final = 1024
SETTINGS_STATUS: Final = "4.3.5"  # RFC 3463: system incorrectly configured


class _NoPassword(Exception):
    """The password file cannot be used; the text says why."""


class RouteFinder:
    def __init__(self, settings: Settings, *, is_ours: IsOurs, log: Log) -> None:
        self._settings = settings
        self._is_ours = is_ours
        self._log = log

    async def find(self, next_hop: str, inquiry: Inquiry) -> DeliveryPlan | Unroutable:
        """next_hop: `route:NAME`."""
        name = next_hop.removeprefix(ROUTE_PREFIX)
        rule = find_route(self._settings.routes, name)
        if rule is None or rule.via not in {"smarthost", "lmtp"}:
            words = f"the settings have no smarthost or LMTP route {name!r}"
            self._log.error("mail waits for a route that is gone", route=name)
            return _not_now(next_hop, SETTINGS_STATUS, words, inquiry)
        return await self.follow(rule, next_hop, inquiry)

    async def follow(
        self, rule: RouteSettings, next_hop: str, inquiry: Inquiry
    ) -> DeliveryPlan | Unroutable:
        """Through the host of this rule, whatever the next hop is called."""
        inquiry.say(f"route {rule.name}: {rule.via} {rule.host}")
        try:
            login = self._read_login(rule)
        except _NoPassword as error:
            self._log.error("a route's password cannot be read", route=rule.name, why=str(error))
            words = f"the password of route {rule.name} cannot be read"
            return _not_now(next_hop, SETTINGS_STATUS, words, inquiry)
        located = await locate(inquiry, fold_domain(rule.host), choice=self._settings.delivery.ip)
        port = port_of(rule)
        fault = self._fault_of(rule, located, port)
        if fault is not None:
            return _not_now(next_hop, *fault, inquiry)
        demand = settings_demand(
            self._settings.delivery, rule, host=located.host, has_login=login is not None
        )
        inquiry.say(f"{located.host}: TLS {demand.level.name.lower()} ({demand.source})")
        return _plan(rule, next_hop, located=located, demand=demand, login=login, inquiry=inquiry)

    def _fault_of(self, rule: RouteSettings, located: Located, port: int) -> tuple[str, str] | None:
        """Why the rule's host cannot be used: a status and words."""
        if self._settings.service.hostname in {located.host, located.canonical} or any(
            self._is_ours(address, port) for address in located.all_addresses
        ):
            return "4.4.6", f"route {rule.name} leads back to this server"
        if located.addresses:
            return None
        if located.is_unanswered:
            return "4.4.3", f"name servers did not answer for {located.host}: {located.why}"
        return "4.4.4", f"{located.host}, of route {rule.name}, has no address"

    def _read_login(self, rule: RouteSettings) -> Login | None:
        if not rule.user_name:
            return None
        if rule.password_file is None:
            raise _NoPassword("user_name is set, password_file is not")
        source = self._settings.source
        path = (source.parent if source else Path()) / rule.password_file
        return Login(user_name=rule.user_name, password=_read_password(path))


def _read_password(path: Path) -> Secret[str]:
    try:
        octets = read_key(path)
        text = octets.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise _NoPassword(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise _NoPassword(f"{path}: not UTF-8") from None
    if not text or len(octets) > MAX_PASSWORD_OCTETS:
        raise _NoPassword(f"{path}: empty, or over {MAX_PASSWORD_OCTETS} octets")
    return Secret(text)


def _plan(
    rule: RouteSettings,
    next_hop: str,
    *,
    located: Located,
    demand: TlsDemand,
    login: Login | None,
    inquiry: Inquiry,
) -> DeliveryPlan:
    protocol = Protocol.LMTP if rule.via == "lmtp" else Protocol.SMTP
    hop = Hop(host=located.host, addresses=located.addresses, port=port_of(rule), tls=demand)
    return DeliveryPlan(
        next_hop=next_hop,
        site=site_of((hop,), protocol=protocol, login=login, rule=rule.name),
        hops=(hop,),
        protocol=protocol,
        login=login,
        max_connections=rule.max_connections,
        pause_s=rule.pause_s,
        steps=tuple(inquiry.steps),
    )


def _not_now(next_hop: str, status: str, words: str, inquiry: Inquiry) -> Unroutable:
    return Unroutable(
        next_hop=next_hop,
        is_permanent=False,
        status=status,
        words=words,
        steps=tuple(inquiry.steps),
    )
