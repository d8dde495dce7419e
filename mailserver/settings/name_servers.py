"""Which name servers are asked: those of the settings, else the system's."""

from __future__ import annotations

from typing import Final

import dns.resolver

from mailserver.settings.bind import Bind, parse_bind
from mailserver.settings.model import DnsSettings

DNS_PORT: Final = 53
_LAST_RESORT: Final = Bind("127.0.0.1", DNS_PORT)  # resolv.conf(5): without a line, this machine


def find_servers(settings: DnsSettings) -> tuple[Bind, ...]:
    """The servers of the settings, else the system's."""
    if settings.servers:
        return tuple(parse_bind(text) for text in settings.servers)
    try:
        system = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return (_LAST_RESORT,)
    names = [str(server) for server in system.nameservers]
    return tuple(Bind(name, system.port) for name in names) or (_LAST_RESORT,)
