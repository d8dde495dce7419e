"""Does the web door's address lead to it, and is nothing said in clear to strangers?"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from mailserver.settings.bind import parse_bind
from mailserver.settings.check.finding import Finding, error, warning
from mailserver.settings.model import Settings

_EVERYBODY = frozenset({ip_network("0.0.0.0/0"), ip_network("::/0")})


def check_web(settings: Settings) -> Iterator[Finding]:
    """All findings of [web]."""
    web = settings.web
    is_open = bool(web.https or web.http)
    if web.url and not is_open:
        yield error(
            "web.url",
            f"{web.url} is promised, but nothing answers there: give web.https an address, or"
            ' web.http one for your reverse proxy, or write url = ""',
        )
    if is_open and not web.url:
        yield warning(
            "web.url", "empty: the web door is open, but no message of a list leads to it"
        )
    if web.url and not settings.dkim.enabled:
        yield warning(
            "dkim.enabled",
            "false: what lists send is not signed, and no message promises one click; write true",
        )
    for text in web.http:
        if not parse_bind(text).is_loopback and not web.proxies:
            yield error(
                "web.http",
                f"{text} would be answered without TLS: bind 127.0.0.1 or ::1, or name your"
                " reverse proxies in web.proxies, or use web.https",
            )
    for network in web.proxies:
        if network in _EVERYBODY:
            yield error(
                "web.proxies",
                f"{network} is everybody: write the addresses of your reverse proxies",
            )
