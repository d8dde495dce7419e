"""What a peer says it can do: its answer to EHLO or LHLO, read once."""

from __future__ import annotations

from dataclasses import dataclass

from smtp_relay.delivery.client.replies import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """max_octets, max_recipients, max_messages: None where the peer sets no limit."""

    starttls: bool = False
    pipelining: bool = False
    eight_bit: bool = False  # 8BITMIME, RFC 6152
    utf8: bool = False  # SMTPUTF8, RFC 6531
    dsn: bool = False  # RFC 3461
    chunking: bool = False  # RFC 3030
    size: bool = False  # RFC 1870
    max_octets: int | None = None
    max_recipients: int | None = None  # of one transaction (RFC 9422 §3)
    max_messages: int | None = None  # of one connection
    mechanisms: frozenset[str] = frozenset()  # of AUTH, RFC 4954


NO_OFFERS = Offers()
"""Of a peer that knows only HELO."""


def parse_offers(reply: Reply) -> Offers:
    """Keywords compare without case; what cannot be read is as if it were not there."""
    keywords = dict(_split(line) for line in reversed(reply.lines[1:]))
    limits = dict(part.partition("=")[::2] for part in keywords.get("LIMITS", []))
    return Offers(
        starttls="STARTTLS" in keywords,
        pipelining="PIPELINING" in keywords,
        eight_bit="8BITMIME" in keywords,
        utf8="SMTPUTF8" in keywords,
        dsn="DSN" in keywords,
        chunking="CHUNKING" in keywords,
        size="SIZE" in keywords,
        max_octets=_limit("".join(keywords.get("SIZE", [])[:1])),
        max_recipients=_limit(limits.get("RCPTMAX", "")),
        max_messages=_limit(limits.get("MAILMAX", "")),
        mechanisms=_mechanisms(keywords),
    )


def _split(line: bytes) -> tuple[str, list[str]]:
    words = line.decode("ascii", "replace").upper().split()
    return (words[0], words[1:]) if words else ("", [])


def _mechanisms(keywords: dict[str, list[str]]) -> frozenset[str]:
    """`AUTH=LOGIN` is how servers for the oldest Outlook spell it, beside the right form."""
    old = [key.removeprefix("AUTH=") for key in keywords if key.startswith("AUTH=")]
    return frozenset([*keywords.get("AUTH", []), *old])


def _limit(digits: str) -> int | None:
    """0 means that there is none (RFC 1870 §4)."""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 20):
        return None
    return int(digits) or None
