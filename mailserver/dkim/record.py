"""The DNS record of a key, as a zone file writes it (RFC 6376 §3.6.2, RFC 1035 §5.1)."""

from __future__ import annotations

from typing import Final

_STRING_OCTETS: Final = 255  # RFC 1035 §3.3: of one character-string
_SUBDOMAIN: Final = "_domainkey"


def record_name(selector: str, domain: str) -> str:
    """Where verifiers look; `domain` without its final dot."""
    return f"{selector}.{_SUBDOMAIN}.{domain}"


def zone_text(text: str) -> str:
    """The strings of one TXT record; who reads it joins them again.  `text`: without quotes."""
    strings = [text[at : at + _STRING_OCTETS] for at in range(0, len(text), _STRING_OCTETS)]
    return " ".join(f'"{string}"' for string in strings)
