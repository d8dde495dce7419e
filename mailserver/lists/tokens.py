"""Secrets in addresses: of a moderator's note, of a wish, of a member's bounces.

A token of a note or a wish is random and used once; the store keeps its digest.
That of a bounces address is not kept: it is the member's number and a keyed
digest of it under the list's own secret, so that only who got a post can have
one, and only for themselves.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Callable

TOKEN_OCTETS = 10
_SIGNATURE_LENGTH = 10  # 50 bits; a local part has 64 octets at most


def make_token(draw: Callable[[int], bytes]) -> str:
    """16 lower-case letters and digits: 80 bits."""
    return b32encode(draw(TOKEN_OCTETS)).decode("ascii").lower()


def digest_of(token: str) -> str:
    """What the store keeps of it; case does not matter."""
    return hashlib.sha256(token.lower().encode()).hexdigest()


def sign_member(secret: bytes, member_id: int) -> str:
    """What stands behind the plus of a member's bounces address."""
    return f"{member_id}.{_signature(secret, str(member_id))}"


def verify_member(secret: bytes, text: str) -> int | None:
    """Whose bounces address it is; None: not one of ours."""
    member, _, signature = text.partition(".")
    wanted = _signature(secret, member)
    is_ours = hmac.compare_digest(wanted.encode(), signature.lower().encode())
    return int(member) if is_ours and member.isascii() and member.isdigit() else None


def _signature(secret: bytes, member: str) -> str:
    digest = hmac.digest(secret, b"bounces:" + member.encode(), hashlib.sha256)
    return b32encode(digest).decode("ascii").lower()[:_SIGNATURE_LENGTH]
