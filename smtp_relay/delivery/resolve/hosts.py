"""Hosts and their addresses, all looked up at once; and the TLSA records that belong to them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mailserver.routing.mx import IpChoice, order_addresses
from smtp_relay.delivery.dns.answers import (
    Answer,
    Found,
    NoSuchName,
    RecordType,
    Unanswered,
)
from smtp_relay.delivery.dns.inquiry import Inquiry, lapse_words
from smtp_relay.delivery.security.dane import (
    DaneFinding,
    NoDane,
    Withheld,
    base_domains,
    choose_records,
    tlsa_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """What is known of one host's addresses.

    addresses: those that may be tried, in order.
    all_addresses: also those that `delivery.ip` leaves out.
    is_unanswered: at least one family had no answer; why: the first one that had none.
    """

    host: str
    addresses: tuple[str, ...]
    all_addresses: tuple[str, ...]
    canonical: str = ""
    is_authentic: bool = False
    is_unanswered: bool = False
    why: str = ""
    is_no_name: bool = False


async def locate_all(
    inquiry: Inquiry, hosts: Sequence[str], *, choice: IpChoice
) -> tuple[Located, ...]:
    """In the order of `hosts`."""
    pairs = await asyncio.gather(*(_ask_both(inquiry, host) for host in hosts))
    for host, (ipv4, ipv6) in zip(hosts, pairs, strict=True):
        inquiry.tell(host, RecordType.A, ipv4)
        inquiry.tell(host, RecordType.AAAA, ipv6)
    return tuple(
        read_addresses(host, ipv4, ipv6, choice=choice)
        for host, (ipv4, ipv6) in zip(hosts, pairs, strict=True)
    )


async def locate(inquiry: Inquiry, host: str, *, choice: IpChoice) -> Located:
    """A name by its addresses, an address as it is."""
    literal = _as_address(host)
    if literal is not None:
        return Located(host=literal, addresses=(literal,), all_addresses=(literal,))
    return (await locate_all(inquiry, (host,), choice=choice))[0]


def read_addresses(host: str, ipv4: Answer, ipv6: Answer, *, choice: IpChoice) -> Located:
    answers = (ipv4, ipv6)
    found = [answer for answer in answers if isinstance(answer, Found)]
    fours, sixes = _texts(ipv4), _texts(ipv6)
    lapses = [lapse_words(answer) for answer in answers if isinstance(answer, Unanswered)]
    return Located(
        host=host,
        addresses=order_addresses(fours, sixes, choice=choice),
        all_addresses=(*fours, *sixes),
        canonical=found[0].canonical if found else "",
        is_authentic=bool(found) and all(answer.is_authentic for answer in found),
        is_unanswered=bool(lapses),
        why=lapses[0] if lapses else "",
        is_no_name=any(isinstance(answer, NoSuchName) for answer in answers),
    )


async def find_dane(inquiry: Inquiry, located: Located, *, port: int) -> DaneFinding:
    """RFC 7672 §2.2.3: at the end of the aliases first, then at the host's own name.

    Call it only where the MX answer is authentic and the resolver is believed.
    """
    for base in await _bases(inquiry, located):
        name = tlsa_name(base, port)
        answer = await inquiry.ask(name, RecordType.TLSA)
        inquiry.tell(name, RecordType.TLSA, answer)
        match answer:
            case Unanswered():
                return Withheld(lapse_words(answer))
            case Found(is_authentic=True, records=records):
                return choose_records(records, base)
            case _:
                continue
    return NoDane()


async def _bases(inquiry: Inquiry, located: Located) -> tuple[str, ...]:
    """An alias that is signed may lead out of what is signed (RFC 7672 §2.2.2)."""
    is_alias = located.canonical not in {"", located.host}
    if located.is_authentic or not is_alias:
        return base_domains(
            located.host, canonical=located.canonical, is_authentic=located.is_authentic
        )
    alias = await inquiry.ask(located.host, RecordType.CNAME)
    inquiry.tell(located.host, RecordType.CNAME, alias)
    is_signed = isinstance(alias, Found) and alias.is_authentic
    return (located.host,) if is_signed else ()


async def _ask_both(inquiry: Inquiry, host: str) -> tuple[Answer, Answer]:
    return await asyncio.gather(inquiry.ask(host, RecordType.A), inquiry.ask(host, RecordType.AAAA))


def _texts(answer: Answer) -> list[str]:
    return [one.to_text() for one in answer.records] if isinstance(answer, Found) else []


def _as_address(host: str) -> str | None:
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None
