"""A resolver that is a table, and settings for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from mailserver.settings.model import (
    DeliverySettings,
    DnsSettings,
    RouteSettings,
    ServiceSettings,
    Settings,
    SmtpSettings,
)
from smtp_relay.delivery.dns.answers import (
    Answer,
    Found,
    NoData,
    NoSuchName,
    RecordType,
    Unanswered,
)

TTL_S = 300.0


def found(
    record_type: str, *texts: str, signed: bool = False, canonical: str = "", ttl_s: float = TTL_S
) -> Found:
    """Records as a zone file writes them."""
    kind = dns.rdatatype.from_text(record_type)
    records = tuple(dns.rdata.from_text(dns.rdataclass.IN, kind, text) for text in texts)
    return Found(records=records, canonical=canonical, is_authentic=signed, ttl_s=ttl_s)


def servfail() -> Unanswered:
    return Unanswered(why="SERVFAIL from 127.0.0.1 port 53", ttl_s=10)


def no_data(*, signed: bool = False) -> NoData:
    return NoData(is_authentic=signed, ttl_s=TTL_S)


def no_name(*, signed: bool = False) -> NoSuchName:
    return NoSuchName(is_authentic=signed, ttl_s=TTL_S)


class TableResolver:
    """`table`: "MX a.test" to an answer.  A name that is nowhere has NXDOMAIN, else no data."""

    def __init__(self, table: Mapping[str, Answer]) -> None:
        self.table = dict(table)
        self.asked: list[str] = []

    async def ask(self, name: str, record_type: RecordType) -> Answer:
        key = f"{record_type.value} {name}"
        self.asked.append(key)
        known = {one.partition(" ")[2] for one in self.table}
        return self.table.get(key) or (no_data() if name in known else no_name())

    async def close(self) -> None:
        """Nothing is open."""


def settings_with(
    *,
    routes: tuple[RouteSettings, ...] = (),
    mx: tuple[str, ...] = ("192.0.2.200:25",),
    dns: Mapping[str, Any] | None = None,
    **delivery: Any,
) -> Settings:
    """Peers of tests are on loopback, which counts as ours unless the test says otherwise."""
    delivery.setdefault("internal_networks", ("127.0.0.0/8",))
    return Settings(
        service=ServiceSettings(domain="home.test", hostname="mail.home.test"),
        smtp=SmtpSettings(mx=mx),
        delivery=DeliverySettings(**delivery),
        dns=DnsSettings(**(dns or {"validates": "yes"})),
        routes=routes,
    )
