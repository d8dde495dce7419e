"""The link that takes one member off one list: `<web.url>/leave/7-m17-k3bq...`.

    7                 the list
    m17, a2041        a member by hand; an account that is a member by rule
    16 characters     a keyed digest of both, under the list's own secret

RFC 8058 §3.1: nobody can make the link of somebody else.  RFC 8058 §3.2: who posts to it
has no cookie and no session, so that the link alone says who leaves.  Letters, digits and
hyphens only: no mail program quotes, cuts or encodes them, and their case does not matter.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from dataclasses import dataclass
from typing import Final

from mailserver.store.lists import MailingList
from mailserver.values.ids import AccountId, ListId

LEAVE_PATH: Final = "leave"
"""What stands between the service's address and the token."""
_SIGNATURE_LENGTH: Final = 16  # 80 bits
_TOKEN: Final = re.compile(r"([1-9][0-9]{0,17})-([ma])([1-9][0-9]{0,17})-([a-z2-7]{16})")


@dataclass(frozen=True, slots=True)
class ByHand:
    """A row of the list's members."""

    member_id: int


@dataclass(frozen=True, slots=True)
class ByRule:
    """An account that a rule of the list has found."""

    account_id: AccountId


Subscriber = ByHand | ByRule


def leave_url(base_url: str, which: MailingList, who: Subscriber) -> str:
    """base_url: of the web door, as https://mail.exemple.fr; a slash at its end is no matter."""
    return f"{base_url.rstrip('/')}/{LEAVE_PATH}/{make_leave_token(which, who)}"


def make_leave_token(which: MailingList, who: Subscriber) -> str:
    """The last piece of the link's path."""
    match who:
        case ByHand(member_id):
            claim = f"{which.list_id}-m{member_id}"
        case ByRule(account_id):
            claim = f"{which.list_id}-a{account_id}"
    return f"{claim}-{_signature(which.secret, claim)}"


def list_of_token(token: str) -> ListId | None:
    """Which list's secret it must be read with; None: no token of ours, whatever the secret."""
    found = _TOKEN.fullmatch(token.lower())
    return None if found is None else ListId(int(found[1]))


def read_leave_token(which: MailingList, token: str) -> Subscriber | None:
    """Who leaves; None: not of this list, or not made by us.  In constant time."""
    found = _TOKEN.fullmatch(token.lower())
    if found is None:
        return None
    claim = f"{found[1]}-{found[2]}{found[3]}"
    is_ours = hmac.compare_digest(_signature(which.secret, claim), found[4])
    if not is_ours or int(found[1]) != which.list_id:
        return None
    number = int(found[3])
    return ByHand(number) if found[2] == "m" else ByRule(AccountId(number))


def _signature(secret: bytes, claim: str) -> str:
    """Never one of `tokens`: those are for `bounces:`."""
    digest = hmac.digest(secret, b"one-click:" + claim.encode("ascii"), hashlib.sha256)
    return b32encode(digest).decode("ascii").lower()[:_SIGNATURE_LENGTH]
