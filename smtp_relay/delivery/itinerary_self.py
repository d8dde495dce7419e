"""Are we the host that an MX record names?  A fact for `mailserver.routing.mx.cut_loop`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address

from mailserver.settings.bind import Bind, parse_bind
from mailserver.settings.model import Settings

IsOurs = Callable[[str, int], bool]


def find_own(settings: Settings) -> IsOurs:
    """Whether an address and port reach one of our own MX listeners.

    Behind a translated address only the host name gives us away.
    """
    binds = tuple(parse_bind(text) for text in settings.smtp.mx)
    return lambda address, port: any(_reaches(bind, _plain(address), port) for bind in binds)


def _plain(address: str) -> str:
    """An IPv4 address that is written as an IPv6 one (RFC 4291 §2.5.5) reaches the same."""
    mapped = getattr(ip_address(address), "ipv4_mapped", None)
    return str(mapped or address)


def _reaches(bind: Bind, address: str, port: int) -> bool:
    if bind.port != port:
        return False
    return is_of_this_machine(address) if bind.ip.is_unspecified else bind.host == address


def is_of_this_machine(address: str) -> bool:
    """Only the machine's own addresses can be bound; nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((address, 0))
    except OSError:
        return False
    return True
