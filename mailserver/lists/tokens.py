"""Secrets in addresses: of a moderator's note, of a wish, of a member's bounces.

A token of a note or a wish is random and used once; the store keeps its digest.
That of a bounces address is not kept: it is the number of the member (an `a` and that
of the account, for one by rule; a `p` before it, for what a list writes to see whether
a member can be reached) and a keyed digest of it under the list's own secret, so
that only who got a post can have one, and only for themselves.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass

from mailserver.values.ids import AccountId

TOKEN_OCTETS = 10
_SIGNATURE_LENGTH = 10  # 50 bits; a local part has 64 octets at most
_PROBE = re.compile(r"(p([1-9][0-9]{0,17}))\.([a-z2-7]{10})")
_SIGNED = re.compile(r"((a?)([1-9][0-9]{0,17}))\.([a-z2-7]{10})")


@dataclass(frozen=True, slots=True)
class ByHand:
    """A row of the list's members."""

    member_id: int


@dataclass(frozen=True, slots=True)
class ByRule:
    """An account that a rule of the list has found."""

    account_id: AccountId


Subscriber = ByHand | ByRule


def make_token(draw: Callable[[int], bytes]) -> str:
    """16 lower-case letters and digits: 80 bits."""
    return b32encode(draw(TOKEN_OCTETS)).decode("ascii").lower()


def digest_of(token: str) -> str:
    """What the store keeps of it; case does not matter."""
    return hashlib.sha256(token.lower().encode()).hexdigest()


def sign_subscriber(secret: bytes, who: Subscriber) -> str:
    """What stands behind the plus of one reader's bounces address: `17.SIGN`, `a2041.SIGN`."""
    match who:
        case ByHand(member_id):
            claim = str(member_id)
        case ByRule(account_id):
            claim = f"a{account_id}"
    return f"{claim}.{_signature(secret, claim)}"


def verify_subscriber(secret: bytes, text: str) -> Subscriber | None:
    """Whose bounces address it is; None: not one of ours."""
    found = _SIGNED.fullmatch(text.lower())
    if found is None:
        return None
    claim, kind, number, signature = found.groups()
    if not hmac.compare_digest(_signature(secret, claim), signature):
        return None
    return ByRule(AccountId(int(number))) if kind else ByHand(int(number))


def sign_probe(secret: bytes, member_id: int) -> str:
    """Of the one message that tells whether this member can be reached: `p17.SIGN`."""
    claim = f"p{member_id}"
    return f"{claim}.{_signature(secret, claim)}"


def verify_probe(secret: bytes, text: str) -> int | None:
    """The number of the member who was written to; None: no such address of ours."""
    found = _PROBE.fullmatch(text.lower())
    if found is None:
        return None
    claim, number, signature = found.groups()
    is_ours = hmac.compare_digest(_signature(secret, claim), signature)
    return int(number) if is_ours else None


def _signature(secret: bytes, claim: str) -> str:
    digest = hmac.digest(secret, b"bounces:" + claim.encode("ascii"), hashlib.sha256)
    return b32encode(digest).decode("ascii").lower()[:_SIGNATURE_LENGTH]
