"""Secrets in addresses and links: of a moderator's note, of a wish, of one click.

A token of a note or a wish is random and used once; the store keeps its digest.
The one of a link is not kept: it is the member's number and a keyed digest of
it under the list's own secret (RFC 8058 §3.1: hard to forge, names the member).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Callable

TOKEN_OCTETS = 10
_SIGNATURE_LENGTH = 26


def make_token(draw: Callable[[int], bytes]) -> str:
    """16 lower-case letters and digits: 80 bits."""
    return b32encode(draw(TOKEN_OCTETS)).decode("ascii").lower()


def digest_of(token: str) -> str:
    """What the store keeps of it; case does not matter."""
    return hashlib.sha256(token.lower().encode()).hexdigest()


def sign_member(secret: bytes, member: str) -> str:
    """member: `17` for one by hand, `a5` for an account.  For the link of one click."""
    return f"{member}.{_signature(secret, member)}"


def verify_member(secret: bytes, text: str) -> str | None:
    """The member that a link names; None: not one of ours."""
    member, _, signature = text.partition(".")
    wanted = _signature(secret, member)
    is_ours = hmac.compare_digest(wanted.encode(), signature.lower().encode())
    return member if is_ours and member else None


def _signature(secret: bytes, member: str) -> str:
    digest = hmac.new(secret, b"unsubscribe:" + member.encode(), hashlib.sha256).digest()
    return b32encode(digest).decode("ascii").lower()[:_SIGNATURE_LENGTH]
