"""Addresses to listen on, as the settings write them: `127.0.0.1:25`, `[::1]:25`.

Only IP addresses: a name could resolve to something else at every start.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Bind:
    """One address and port.  Port 0 lets the system choose (for tests)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        return ip_address(self.host)

    @property
    def is_loopback(self) -> bool:
        return self.ip.is_loopback


def parse_bind(text: str) -> Bind:
    """Read `host:port`; an IPv6 address stands in square brackets.

    Raises:
        ValueError: the sentence says what to write instead.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise ValueError(f"{text!r} has no port: write an address and a port, as 127.0.0.1:2525")
    if int(port) > MAX_PORT:
        raise ValueError(f"{text!r}: the last port is {MAX_PORT}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in square brackets, as [::1]:2525")
    try:
        ip = ip_address(host)
    except ValueError:
        raise ValueError(
            f"{host!r} is not an IP address: write one, as 127.0.0.1:2525 or [::]:25"
        ) from None
    return Bind(str(ip), int(port))


def check_bind(text: str) -> str:
    """Validate for the model; the text itself stays.

    Raises:
        ValueError: not an address and a port.
    """
    parse_bind(text)
    return text
