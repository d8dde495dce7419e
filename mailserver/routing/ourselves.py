"""Are we the host that an MX record, or a rule, names?  For `mailserver.routing.mx.cut_loop`,
and for `config check`, which asks before any mail goes in circles.

| the address                                      | is ours at            |
| ------------------------------------------------ | --------------------- |
| unspecified (0.0.0.0, ::): the system takes it for this machine | any port |
| of this machine, where a listener of SMTP is bound to all of them | that listener's port |
| to which a listener of SMTP is bound              | that listener's port |
| `delivery.own_addresses`: what a gateway translates to us | the ports of SMTP |

IPv4 addresses that are written as IPv6 ones are the same (`mailserver.routing.reach`).
Behind a gateway that nobody named, our own name in the peer's greeting gives us away
(`client.opening`).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Final

from mailserver.routing.reach import Ip, plain
from mailserver.routing.rules import HAS_HOST, port_of
from mailserver.settings.bind import Bind
from mailserver.settings.listeners import SMTP, wanted_listeners
from mailserver.settings.model import Settings
from mailserver.values.address import fold_domain

IsOurs = Callable[[str, int], bool]
PATIENCE_S: Final = 3.0
STREAM: Final = socket.SOCK_STREAM
_SMTP_PORTS: Final = frozenset({25, 465, 587})


def find_own(settings: Settings) -> IsOurs:
    """Whether an address and port reach one of our own listeners of SMTP."""
    binds = tuple(one.bind for one in wanted_listeners(settings) if one.kind.door == SMTP)
    known = {plain(one) for one in settings.delivery.own_addresses}
    ports = _SMTP_PORTS | {settings.delivery.port} | {bind.port for bind in binds}

    def is_ours(address: str, port: int) -> bool:
        ip = plain(address)
        if ip.is_unspecified or (ip in known and port in ports):
            return True
        return any(bind.port == port and _reaches(bind, ip) for bind in binds)

    return is_ours


def circles(settings: Settings, addresses_of: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Words about each rule whose host is this service.  addresses_of: those of a host, or none."""
    is_ours = find_own(settings)
    for rule in settings.routes:
        if rule.via not in HAS_HOST or not rule.host:
            continue
        host, port = fold_domain(rule.host), port_of(rule)
        if host == settings.service.hostname:
            yield f"the route {rule.name} leads back here: {rule.host} is service.hostname"
            continue
        own = next((one for one in addresses_of(host) if is_ours(one, port)), None)
        if own is not None:
            yield (
                f"the route {rule.name} leads back here: {rule.host} port {port} is this service"
                f" ({own}), so its mail waits and comes back to its senders (4.4.6)"
            )


def addresses_of_host(host: str) -> list[str]:
    """As this machine finds them, within `PATIENCE_S`; none: it has none, or nobody answers."""
    literal = host.strip("[]")
    with suppress(ValueError):
        return [str(ip_address(literal))]
    found: list[str] = []

    def look() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(
                str(answer[4][0]) for answer in socket.getaddrinfo(host, None, type=STREAM)
            )

    thread = threading.Thread(target=look, daemon=True)  # the system's own look-up has no limit
    thread.start()
    thread.join(PATIENCE_S)
    return list(found)


def _reaches(bind: Bind, ip: Ip) -> bool:
    if bind.ip.is_unspecified:
        return is_of_this_machine(str(ip))
    return _without_scope(plain(bind.ip)) == _without_scope(ip)


def _without_scope(ip: Ip) -> str:
    return str(ip).partition("%")[0]


def is_of_this_machine(address: str) -> bool:
    """Only the machine's own addresses can be bound; nothing is sent.

    A link-local address is one on some link: which one is not asked.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    host = address
    if family == socket.AF_INET6:
        ip = IPv6Address(address)
        if ip.is_link_local and ip.scope_id is None:
            return any(
                is_of_this_machine(f"{address}%{number}") for number, _ in socket.if_nameindex()
            )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((host, 0))
    except OSError:
        return False
    return True
