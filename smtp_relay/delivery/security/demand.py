"""Which TLS a host must offer: the order of the policies, as one decision.

    a rule's tls "none" or "opportunistic"   replaces all that follows
    DANE                                     RFC 7672; wins over MTA-STS (RFC 8461 §2)
    MTA-STS enforce                          of the recipient's domain
    a rule's tls "encrypt", "verify"         at least; else `delivery.tls`

An unusable TLSA set asks for encryption at least, and MTA-STS may ask for more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from mailserver.settings.model import DeliverySettings, RouteSettings
from mailserver.store.ports.policies import StsPolicy
from smtp_relay.delivery.plan import TlsDemand, TlsLevel
from smtp_relay.delivery.security.dane import (
    DaneFinding,
    NoDane,
    Unusable,
    Usable,
    Withheld,
    reference_names,
)
from smtp_relay.delivery.security.sts import matches_pattern

LEVELS: Final = {
    "none": TlsLevel.NONE,
    "opportunistic": TlsLevel.OPPORTUNISTIC,
    "encrypt": TlsLevel.ENCRYPT,
    "verify": TlsLevel.VERIFY,
    "implicit": TlsLevel.VERIFY,
}


@dataclass(frozen=True, slots=True)
class Untrusted:
    """The host must not be used now."""

    why: str


def settings_demand(
    delivery: DeliverySettings, rule: RouteSettings | None, *, host: str, has_login: bool = False
) -> TlsDemand:
    """What the settings alone ask: the rule's `tls`, else the default of its kind.

    has_login: a password goes there, so the default is to know to whom.
    """
    if rule is not None and rule.tls is not None:
        return _named(
            LEVELS[rule.tls], f"route {rule.name}", host, is_implicit=rule.tls == "implicit"
        )
    if rule is not None and has_login:
        return _named(TlsLevel.VERIFY, f"route {rule.name}: it has a password", host)
    return _named(LEVELS[delivery.tls], "delivery.tls", host)


def decide_demand(
    *,
    host: str,
    domain: str,
    dane: DaneFinding,
    sts: StsPolicy | None,
    minimum: TlsDemand,
    is_rule: bool,
) -> TlsDemand | Untrusted:
    """One host of a domain's MX.

    minimum: of `settings_demand`.  is_rule: the `tls` of a rule says it.
    """
    if is_rule and minimum.level <= TlsLevel.OPPORTUNISTIC:
        return minimum
    match dane:
        case Withheld(why):
            return Untrusted(f"its TLSA records cannot be had ({why})")
        case Usable():
            names = reference_names(dane, host=host, domain=domain)
            return TlsDemand(level=TlsLevel.DANE, source="DANE", names=names, tlsa=dane.tlsa)
        case Unusable():
            encrypt = TlsDemand(level=TlsLevel.ENCRYPT, source="DANE, no usable record")
            minimum = max(minimum, encrypt, key=lambda demand: demand.level)
        case NoDane():
            pass
        case _:
            assert_never(dane)
    if sts is None or sts.mode != "enforce":
        return minimum
    if not matches_pattern(host, sts.hosts):
        return Untrusted(f"the MTA-STS policy of {domain} does not name it")
    return _named(TlsLevel.VERIFY, "MTA-STS enforce", host)


def _named(level: TlsLevel, source: str, host: str, *, is_implicit: bool = False) -> TlsDemand:
    """RFC 8461 §4.2, RFC 6125: the certificate bears the name of the host that was chosen."""
    names = (host,) if level is TlsLevel.VERIFY else ()
    return TlsDemand(level=level, source=source, names=names, is_implicit=is_implicit)
