"""Names that the settings and the command line take: domains, identifiers, addresses."""

from __future__ import annotations

import re

from mailserver.settings.bind import MAX_PORT
from mailserver.values.address import fold_domain, is_dot_string, is_loose_dot_string
from mailserver.values.moments import zone_named

MAX_DOMAIN_OCTETS = 253  # RFC 1035 §2.3.4, without the root's dot
MAX_IDENTIFIER_LENGTH = 64
MAX_LOCAL_OCTETS = 64  # RFC 5321 §4.5.3.1.1: of what we give, and of people's own elsewhere
# RFC 1123 §2.1: letters, digits and hyphens; labels of at most 63.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# RFC 2181 §11: the DNS takes any octet; real domains of mail have underscores, and Postfix's
# `valid_hostname` takes them, too.
_LABEL_ELSEWHERE = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ELSEWHERE = re.compile(rf"{_LABEL_ELSEWHERE}(?:\.{_LABEL_ELSEWHERE})*")
_IDENTIFIER = re.compile(r"[^\W_](?:[\w.-]*\w)?")
_ROUTE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_WEB_ADDRESS = re.compile(r"https://([a-z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?")
# RFC 6761 §6.3, §6.4: names that no name server may answer for.
_NEVER_IN_DNS = frozenset({"localhost", "invalid"})


def check_domain(text: str) -> str:
    """Return the domain as it was written.

    Raises:
        ValueError: it is no domain name.
    """
    folded = fold_domain(text)
    if len(folded) > MAX_DOMAIN_OCTETS or not _DOMAIN.fullmatch(folded):
        raise ValueError(f"{text!r} is not a domain name: write one, as ac-exemple.fr")
    return text


def check_address(text: str) -> str:
    """Return an address elsewhere without the spaces around it, its domain as DNS has it.

    The local part is ASCII and needs no quotes: another one is not sure to get there.  Its dots
    may stand anywhere, as in `a..b@`, which some providers gave to people.

    Raises:
        ValueError: it is no such address.
    """
    local, _, domain = text.strip().rpartition("@")
    folded = fold_domain(domain)
    is_plain = local.isascii() and is_loose_dot_string(local) and len(local) <= MAX_LOCAL_OCTETS
    if not is_plain or not is_name_in_dns(folded):
        raise ValueError(f"{text!r} is not an address: write one, as marie@example.org")
    return f"{local}@{domain.rstrip('.') if domain.isascii() else folded}"


def check_own_local(local: str) -> str:
    """Return the local part of an address of ours, as it was written.

    Raises:
        ValueError: it needs quotes, has a dot where none may stand, or is too long.
    """
    if not is_dot_string(local) or len(local.encode()) > MAX_LOCAL_OCTETS:
        raise ValueError(
            f"{local!r} cannot be given: letters, digits and signs that need no quotes, one dot"
            f" between two of them, at most {MAX_LOCAL_OCTETS} octets"
        )
    return local


def check_identifier(text: str) -> str:
    """Return the identifier as it was written: what a person logs in with, never an address.

    Raises:
        ValueError: the sentence says what an identifier is.
    """
    if len(text) > MAX_IDENTIFIER_LENGTH or not _IDENTIFIER.fullmatch(text):
        raise ValueError(
            f"{text!r} is not an identifier: write letters, digits, dots and hyphens, as fmarot"
        )
    return text


def check_time_zone(text: str) -> str:
    """Return the name of a time zone as it was written; empty: as the machine is set.

    Raises:
        ValueError: there is none of that name here.
    """
    zone_named(text)
    return text


def check_route_name(text: str) -> str:
    """Return the name of a route as it was written: it stands in queues and on command lines.

    Raises:
        ValueError: the sentence says what a name is.
    """
    if not _ROUTE_NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a name for a route: write letters, digits and hyphens, as provider"
        )
    return text


def check_web_address(text: str) -> str:
    """Return the address under https without a slash at its end; empty stays empty.

    Raises:
        ValueError: it is no such address, or more than a host and a port.
    """
    if not text:
        return text
    address = text.strip().rstrip("/")
    found = _WEB_ADDRESS.fullmatch(address.lower())
    if found is None or int(found[2] or 443) > MAX_PORT or not _DOMAIN.fullmatch(found[1]):
        raise ValueError(
            f"{text!r} is not an address under https: write a name and nothing behind it,"
            " as https://mel.ac-exemple.fr"
        )
    return address.lower()


def is_name_in_dns(folded: str) -> bool:
    """Could this domain, folded, have records?  Labels, at least one dot, no number at its end.

    Underscores stand anywhere but in a top-level domain (RFC 1123 §2.1, RFC 3696 §2).
    RFC 1123 §2.1: the last label of a name is not numeric, so `192.0.2.1` is an address
    without its brackets.
    """
    last = folded.rpartition(".")[2]
    return (
        "." in folded
        and len(folded) <= MAX_DOMAIN_OCTETS
        and _ELSEWHERE.fullmatch(folded) is not None
        and _DOMAIN.fullmatch(last) is not None
        and not last.isdigit()
        and last not in _NEVER_IN_DNS
    )
