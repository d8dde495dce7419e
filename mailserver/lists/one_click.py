"""The link that takes one reader off one list: `<web.url>/leave/7-k3bqzt5yxa2cwm4h...`.

    7                  the list
    letters, digits    who leaves, sealed under the list's own secret: `#2041`, an account;
                       `paul@exemple.net`, a member outside, by the key of the address

RFC 8058 §3.1: opaque, and nobody can make the link of somebody else.  RFC 8058 §3.2: who
posts to it has no cookie and no session, so that the link alone says who leaves.  It names a
reader, no row of members: of who has left and joins again, each link that they ever got is
good.  Sealed by AES-SIV (RFC 5297), which needs no nonce: the same link each time, and
a changed one opens to nothing.  Letters, digits and hyphens only: no mail program quotes,
cuts or encodes them, and their case does not matter.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32decode, b32encode
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from mailserver.store.ports.lists import MailingList
from mailserver.values.ids import AccountId, ListId

LEAVE_PATH: Final = "leave"
"""What stands between the service's address and the token."""
# An address has 320 octets at most (RFC 5321 §4.5.3.1), and the seal 16 more: 538 letters.
_TOKEN: Final = re.compile(r"([1-9][0-9]{0,17})-([a-z2-7]{16,1024})")
_ACCOUNT: Final = re.compile(r"#([1-9][0-9]{0,17})")
_LETTERS: Final = 8
"""Of base 32: they stand for five octets (RFC 4648 §6)."""


@dataclass(frozen=True, slots=True)
class Inside:
    """One of ours, a member by hand or by rule."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class OutsideReader:
    """A member by hand that is an address.  address_key: folded (`Address.key`)."""

    address_key: str


Leaver = Inside | OutsideReader


def leave_url(base_url: str, which: MailingList, who: Leaver) -> str:
    """base_url: of the web door, as https://mail.exemple.fr; a slash at its end is no matter."""
    return f"{base_url.rstrip('/')}/{LEAVE_PATH}/{make_leave_token(which, who)}"


def make_leave_token(which: MailingList, who: Leaver) -> str:
    """The last piece of the link's path."""
    match who:
        case Inside(account_id):
            claim = f"#{account_id}"
        case OutsideReader(address_key):
            claim = address_key
    sealed = _seal(which).encrypt(claim.encode("utf-8"), [_bound_to(which)])
    return f"{which.list_id}-{_letters_of(sealed)}"


def list_of_token(token: str) -> ListId | None:
    """Which list's secret it must be read with; None: no token of ours, whatever the secret."""
    found = _TOKEN.fullmatch(token.lower())
    return None if found is None else ListId(int(found[1]))


def read_leave_token(which: MailingList, token: str) -> Leaver | None:
    """Who leaves; None: not of this list, or not made by us."""
    found = _TOKEN.fullmatch(token.lower())
    if found is None or int(found[1]) != which.list_id:
        return None
    try:
        sealed = _octets_of(found[2])
        claim = _seal(which).decrypt(sealed, [_bound_to(which)]).decode("utf-8")
    except (InvalidTag, ValueError):
        return None
    account = _ACCOUNT.fullmatch(claim)
    return OutsideReader(claim) if account is None else Inside(AccountId(int(account[1])))


def _seal(which: MailingList) -> AESSIV:
    """Never under the key of `tokens`: that is for `bounces:`."""
    return AESSIV(hmac.digest(which.secret, b"one-click:", hashlib.sha512))


def _bound_to(which: MailingList) -> bytes:
    return str(which.list_id).encode("ascii")


def _letters_of(octets: bytes) -> str:
    return b32encode(octets).decode("ascii").rstrip("=").lower()


def _octets_of(letters: str) -> bytes:
    """
    Raises:
        ValueError: not as `_letters_of` writes it; it has one form only.
    """
    octets = b32decode(letters.upper() + "=" * (-len(letters) % _LETTERS))
    if _letters_of(octets) != letters:
        raise ValueError("letters that stand for nothing")
    return octets
