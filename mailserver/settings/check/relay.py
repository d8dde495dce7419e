"""Would this configuration relay for strangers?  Do its routes lead anywhere?

A trusted network may send elsewhere under any name, so it must hold nobody
that we do not know.  Refused:

- a network that is not private (RFC 1918, RFC 4193, loopback, link-local) and
  wider than a small block: a /24 of IPv4, a /64 of IPv6;
- in a container, a network that holds the default gateway's address: where the
  host passes connections on, every client seems to come from there;
- loopback, where every SMTP listener is bound to loopback: then a proxy or a
  tunnel brings the clients, and all of them seem to be this machine.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Collection, Iterator
from ipaddress import ip_network
from pathlib import Path

from mailserver.settings.check.finding import Finding, error, warning
from mailserver.settings.check.routes import check_order
from mailserver.settings.gateway import Gateway, default_gateways, is_in_container
from mailserver.settings.listeners import SMTP, wanted_listeners
from mailserver.settings.model import Network, RouteSettings, Settings
from mailserver.values.address import fold_domain

SMALL_BLOCK_BITS = {4: 24, 6: 64}
_PRIVATE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip
_MAPPED = ip_network("::ffff:0:0/96")  # IPv4 addresses written as IPv6
_TRUSTED = "relay.trusted_networks"
_HAS_HOST = frozenset({"smarthost", "lmtp"})
_IN_CLEAR = frozenset({"none", "opportunistic"})


def check_relay(settings: Settings) -> Iterator[Finding]:
    """All findings of [relay], [delivery] and [[routes]]."""
    yield from check_trusted(settings, gateways=default_gateways(), in_container=is_in_container())
    yield from _check_delivery(settings)
    for rule in settings.routes:
        yield from _check_matchers(rule)
        yield from _check_route(rule)
        yield from _check_own_domains(rule, settings.service.domains)
    yield from check_order(settings)


# --- strangers ------------------------------------------------------------------


def check_trusted(
    settings: Settings, *, gateways: Collection[Gateway], in_container: bool
) -> Iterator[Finding]:
    """gateways: this machine's; in_container: then they may stand for any client."""
    for network in settings.relay.trusted_networks:
        if _is_public_and_wide(network):
            bits = SMALL_BLOCK_BITS[network.version]
            yield error(
                _TRUSTED,
                f"{network} holds strangers, who could send to anybody: write single machines"
                f" (as 10.1.2.3/32), private networks, or public blocks of at most a /{bits}",
            )
        elif in_container and any(gateway in network for gateway in gateways):
            yield error(
                _TRUSTED,
                f"{network} holds this container's gateway, from which every client may seem to"
                " come: write the addresses of the machines themselves",
            )
    yield from _check_loopback(settings)


def _check_loopback(settings: Settings) -> Iterator[Finding]:
    loopback = [network for network in settings.relay.trusted_networks if network.is_loopback]
    binds = [one.bind for one in wanted_listeners(settings) if one.kind.door == SMTP]
    if loopback and binds and all(bind.is_loopback for bind in binds):
        yield error(
            _TRUSTED,
            f"{loopback[0]} with listeners on loopback only: whatever passes connections on to"
            " them makes every client look like this machine; let programs here sign in",
        )


def _is_public_and_wide(network: Network) -> bool:
    if any(network.version == known.version and _is_within(network, known) for known in _PRIVATE):
        return False
    if network.version == _MAPPED.version and _is_within(network, _MAPPED):
        return True  # IPv4 in disguise: it is to be written as what it is
    return network.prefixlen < SMALL_BLOCK_BITS[network.version]


def _is_within(network: Network, known: Network) -> bool:
    return network.prefixlen >= known.prefixlen and network.network_address in known


# --- delivery and routes ----------------------------------------------------------


def _check_delivery(settings: Settings) -> Iterator[Finding]:
    delivery = settings.delivery
    if delivery.port != 25:
        yield warning(
            "delivery.port", f"{delivery.port}: other servers take mail on port 25 and nowhere else"
        )
    if delivery.processes == 0:
        yield warning("delivery.processes", "0: nothing that is for other servers leaves the queue")
    rules = {rule.name: rule for rule in settings.routes}
    fallback = rules.get(delivery.fallback)
    if delivery.fallback and (fallback is None or fallback.via not in _HAS_HOST):
        known = ", ".join(name for name, rule in rules.items() if rule.via in _HAS_HOST)
        yield error(
            "delivery.fallback",
            f"no route {delivery.fallback!r} with a host: write the name of one ({known or 'none'})"
            ' or ""',
        )
    for name, count in Counter(rule.name for rule in settings.routes).items():
        if count > 1:
            yield error("routes.name", f"{count} routes are called {name}: give each its own name")


def _check_matchers(rule: RouteSettings) -> Iterator[Finding]:
    """MX hosts are known to the delivery agent alone, and it carries all senders' mail together."""
    is_of_somebody = bool(rule.senders or rule.accounts)
    if rule.mx and is_of_somebody:
        yield error(
            "routes.mx",
            f"the route {rule.name} has mx beside senders or accounts: it would take everybody's"
            " mail; write recipient_domains instead of mx, or leave the others out",
        )
    if rule.via == "mx" and is_of_somebody and (rule.tls or rule.max_connections or rule.pause_s):
        yield warning(
            "routes.tls",
            f'the route {rule.name}: tls, max_connections and pause_s of via = "mx" hold for'
            " domains and MX hosts, not for senders or accounts",
        )


def _check_route(rule: RouteSettings) -> Iterator[Finding]:
    if rule.via in _HAS_HOST and not rule.host:
        yield error("routes.host", f"the route {rule.name} ({rule.via}) needs a host")
    if rule.via not in _HAS_HOST and rule.host:
        yield warning("routes.host", f"the route {rule.name} ({rule.via}) never uses its host")
    if bool(rule.user_name) != (rule.password_file is not None):
        yield error(
            "routes.user_name", f"the route {rule.name}: write user_name and password_file, or none"
        )
    if rule.password_file is None:
        return
    if rule.tls in _IN_CLEAR:
        yield error(
            "routes.tls",
            f"the route {rule.name} would send its password in clear: write"
            ' "encrypt", "verify" or "implicit"',
        )
    yield from _check_password_file(rule.name, rule.password_file)


def _check_password_file(name: str, path: Path) -> Iterator[Finding]:
    key = "routes.password_file"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        is_empty = not path.read_bytes().strip()
    except FileNotFoundError:
        yield error(key, f"the route {name}: {path} does not exist")
    except OSError as failure:
        yield error(key, f"the route {name}: {path} cannot be read: {failure.strerror}")
    else:
        if mode & stat.S_IRWXO:
            told = f"{path} can be read by everybody (mode {mode:o}): chmod 600 it"
            yield error(key, f"the route {name}: {told}")
        if is_empty:
            yield error(key, f"the route {name}: {path} holds no password")


def _check_own_domains(rule: RouteSettings, domains: Collection[str]) -> Iterator[Finding]:
    """Our own mail is deposited here; only a rule with a host may take what nobody here has."""
    ours = {fold_domain(domain) for domain in domains}
    own = [domain for domain in rule.recipient_domains if fold_domain(domain) in ours]
    if own and (rule.via not in _HAS_HOST or rule.mx):
        yield warning(
            "routes.recipient_domains",
            f"the route {rule.name} does nothing for {own[0]}: mail for our own domains is"
            " deposited here; only smarthost and lmtp, without mx, take what nobody here has",
        )
