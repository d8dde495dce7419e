"""DANE for SMTP: where to look for TLSA records, and which of them count (RFC 7672).

Usage 2 (DANE-TA) and 3 (DANE-EE) only; 0 and 1 are unusable between mail
servers (§3.1.3).  A secure set without one usable record still asks for
encryption (§2.2).  That a set cannot be had, although its zone is signed,
means that somebody may be hiding it: the host is not used (§2.1.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dns.rdata import Rdata
from dns.rdtypes.ANY.TLSA import TLSA

from smtp_relay.delivery.plan import Tlsa

DANE_TA: Final = 2
DANE_EE: Final = 3
_SELECTORS: Final = frozenset({0, 1})
_DIGEST_OCTETS: Final = {1: 32, 2: 64}  # SHA-256, SHA-512


@dataclass(frozen=True, slots=True)
class NoDane:
    """Nothing is signed there, or there is no TLSA record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """base: the name at which the records stand (§2.2.3)."""

    base: str
    tlsa: tuple[Tlsa, ...]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A secure set without a record that we can check."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """The set cannot be had."""

    why: str


DaneFinding = NoDane | Usable | Unusable | Withheld


def base_domains(host: str, *, canonical: str, is_authentic: bool) -> tuple[str, ...]:
    """Where TLSA records may stand, first to last (RFC 7672 §2.2.2, §2.2.3).

    canonical: where the aliases of the host led.
    is_authentic: the whole answer is, aliases included.
    """
    if not is_authentic:
        return ()
    return (host,) if canonical in {"", host} else (canonical, host)


def tlsa_name(base: str, port: int) -> str:
    return f"_{port}._tcp.{base}"


def choose_records(records: Sequence[Rdata], base: str) -> Usable | Unusable:
    """The usable ones of a secure set."""
    chosen = tuple(
        Tlsa(one.usage, one.selector, one.mtype, one.cert)
        for one in records
        if isinstance(one, TLSA) and _is_usable(one)
    )
    return Usable(base=base, tlsa=chosen) if chosen else Unusable()


def reference_names(found: Usable, *, host: str, domain: str) -> tuple[str, ...]:
    """Which names a certificate under a trust anchor may bear (§3.2.2), the base first.

    With DANE-EE alone names mean nothing (§3.1.1): the base is all, so that
    domains which share hosts share connections.
    """
    has_anchor = any(one.usage == DANE_TA for one in found.tlsa)
    wanted = (found.base, host, domain) if has_anchor else (found.base,)
    return tuple(dict.fromkeys(wanted))


def _is_usable(record: TLSA) -> bool:
    if record.usage not in {DANE_TA, DANE_EE} or record.selector not in _SELECTORS:
        return False
    if record.mtype == 0:
        return bool(record.cert)
    return len(record.cert) == _DIGEST_OCTETS.get(record.mtype, -1)
