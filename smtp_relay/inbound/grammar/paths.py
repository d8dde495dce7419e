"""Reverse-paths and forward-paths, by one compiled expression.

    Path         = "<" [ A-d-l ":" ] Mailbox ">"
    A-d-l        = At-domain *( "," At-domain )      ; accepted, dropped
    Mailbox      = Local-part "@" ( Domain / address-literal )
    Local-part   = Dot-string / Quoted-string
    forward-path = Path / "<postmaster>"             ; any case
    reverse-path = Path / "<>"

RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3 for UTF-8.

Leniency, for everybody:

    ` <a@b>`           spaces behind the colon: old Outlook versions, many scanners
    `a..b@`, `.a@`     dots anywhere: providers in Japan gave such addresses to people
    more than 64       octets of local part: forwarders (`+caf_=`), SRS, bulk senders.
                       RFC 5321 §4.5.3.1: no limit where possible.  A path has at most
                       MAX_PATH_OCTETS, since it stands in lines of ours
    `a@b_c`, `a@b.`    an underscore is a host's in DNS; a final dot is dropped

And for our own people and machines (`complete_path`): no angle brackets, and
names without a domain, which is ours then.  Copiers write `MAIL FROM: scan@h`.

Anything else is refused.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from mailserver.values.address import Address
from mailserver.values.ip import parse_ip

MAX_PATH_OCTETS = 900  # a line of Received or Delivered-To has 998 (RFC 5322 §2.1.1)
MAX_DOMAIN_OCTETS = 255  # RFC 5321 §4.5.3.1.2
MAX_LABEL_OCTETS = 63  # RFC 1035 §2.3.4


class BadPath(ValueError):
    """Not a path.  The peer hears 501; what was wrong stays here."""


@dataclass(frozen=True, slots=True)
class Path:
    """What stood between the angle brackets.

    text: the mailbox as typed, without a source route and without the domain's final dot;
        empty for the null sender.
    address: None for the null sender.
    """

    text: str
    address: Address | None


NULL_PATH = Path("", None)

_UTF8 = "\u00a0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff"
_DOTTED = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.{_UTF8}-]++"
_LABEL = rf"[A-Za-z0-9_{_UTF8}]++(?:-++[A-Za-z0-9_{_UTF8}]++)*"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_QTEXT = rf"(?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*"
_PATH = re.compile(
    rf"[ \t]*+<(?:@{_DOMAIN}\.?(?:,@{_DOMAIN}\.?)*:)?"
    rf'((?:({_DOTTED})|"({_QTEXT})")@(?:({_DOMAIN})|\[([A-Za-z0-9:.]++)\]))'
    r"(?:(?<!\])\.)?>(?: ++(.*+))?"
)
_NULL = re.compile(r"[ \t]*+<>(?: ++(.*+))?")
_POSTMASTER = re.compile(r"[ \t]*+<(postmaster)>(?: ++(.*+))?", re.IGNORECASE)
_QUOTED_PAIR = re.compile(r"\\(.)")
_BARE = rf'(?:"{_QTEXT}"|[^\s<>"])+'
_UNBRACKETED = re.compile(rf"[ \t]*+(?:<[ \t]*+({_BARE})[ \t]*+>|({_BARE}))(?: ++(.*+))?")
_QUOTES = re.compile(rf'"{_QTEXT}"')


def parse_reverse_path(text: str) -> tuple[Path, str]:
    """Read what follows `FROM:`; return the path and the parameters behind it.

    Raises:
        BadPath: not a reverse-path (501 5.1.7).
    """
    found = _PATH.fullmatch(text)
    if found is not None:
        return _sender_path(*found.groups()[:5]), found[6] or ""
    null = _NULL.fullmatch(text)
    if null is None:
        raise BadPath(text)
    return NULL_PATH, null[1] or ""


def parse_forward_path(text: str) -> tuple[Path, str]:
    """Read what follows `TO:`; return the path and the parameters behind it.

    Raises:
        BadPath: not a forward-path (501 5.1.3); the null path is none.
    """
    found = _PATH.fullmatch(text)
    if found is not None:
        return _path(*found.groups()[:5]), found[6] or ""
    bare = _POSTMASTER.fullmatch(text)
    if bare is None:
        raise BadPath(text)
    return Path(bare[1], Address(bare[1], "")), bare[2] or ""


def complete_path(text: str, domain: str) -> str:
    """What one of our own people or machines meant: in brackets, and with our domain.

    The result is read by the two functions above, which may still refuse it.

    Raises:
        BadPath: nothing there could be a mailbox.
    """
    found = _UNBRACKETED.fullmatch(text)
    if found is None:
        raise BadPath(text)
    mailbox, parameters = found[1] or found[2], found[3] or ""
    if "@" not in _QUOTES.sub("", mailbox):
        mailbox = f"{mailbox}@{domain}"
    return f"<{mailbox}> {parameters}"


def is_domain(text: str) -> bool:
    """Is this a domain name that a trace header may show as it is?"""
    return _ASCII_DOMAIN.fullmatch(text) is not None and len(text) <= MAX_DOMAIN_OCTETS


def is_literal_of(domain: str, own: str) -> bool:
    """Is this literal, in its brackets, the address `own`, or one that only ever means here?"""
    address = parse_ip(domain[1:-1].lower().removeprefix("ipv6:"))
    if address is None:
        return False
    return address.is_loopback or address.is_unspecified or address == parse_ip(own)


_ASCII_LABEL = r"[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*"
_ASCII_DOMAIN = re.compile(rf"{_ASCII_LABEL}(?:\.{_ASCII_LABEL})*")


def _path(
    mailbox: str, dot_string: str, quoted: str | None, domain: str | None, literal: str
) -> Path:
    """The path of a mailbox whose parts were found; of the absent ones nothing is asked."""
    local = dot_string if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
    if domain is None:
        domain = _literal(literal)
    octets = len(mailbox) if mailbox.isascii() else len(mailbox.encode())
    if octets > MAX_PATH_OCTETS:
        raise BadPath("path too long")
    if len(domain) > MAX_LABEL_OCTETS:
        _check_domain(domain)
    return Path(mailbox, Address(local, domain))


_sender_path = lru_cache(maxsize=1024)(_path)  # few write much: the same ones come again and again


def _check_domain(domain: str) -> None:
    octets = domain.encode()
    if len(octets) > MAX_DOMAIN_OCTETS or max(map(len, octets.split(b"."))) > MAX_LABEL_OCTETS:
        raise BadPath("domain or label too long")


def _literal(text: str) -> str:
    """Check an address literal (RFC 5321 §4.1.3), without its brackets; return it with them."""
    tag, colon, rest = text.partition(":")
    try:
        if not colon:
            ipaddress.IPv4Address(text)
        elif tag.upper() == "IPV6":
            ipaddress.IPv6Address(rest)
        else:
            raise BadPath("unknown kind of address literal")
    except ipaddress.AddressValueError:
        raise BadPath("not an address literal") from None
    return f"[{text}]"
