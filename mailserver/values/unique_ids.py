"""Unique-ids of POP3: what names one message in one mailbox for ever (RFC 1939 §7).

    unique-id = epoch "." uid [ "." nonce ]     ; nonce in hexadecimal
    epoch     of the mailbox, random
    uid       of the entry, decimal; ascending in its mailbox
    nonce     random, of the commit that made the entry; absent where it is 0

A store that is put back from a copy gives the UIDs of what came after the
copy a second time, and nothing in it says so.  The nonce is what makes the
unique-ids differ: it comes from no clock and no counter, so two copies of one
store that live on side by side differ as well.  Entries older than nonces
keep the unique-id that they had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MAX_UNIQUE_ID_OCTETS: Final = 70  # RFC 1939 §7
NONCE_OCTETS: Final = 6
MAX_UID_DIGITS: Final = 20
MAX_NONCE_DIGITS: Final = 2 * NONCE_OCTETS


class BadEpoch(ValueError):
    """This epoch cannot stand in a unique-id.  Our fault."""


def make_nonce(draw: Callable[[int], bytes]) -> int:
    """A number of 47 random bits, never 0; `draw(n)` gives n random octets.

    A UID that is given twice has the same one with a probability of 1 in 10^14.
    """
    return int.from_bytes(draw(NONCE_OCTETS), "big") >> 1 or 1


def unique_id_prefix(epoch: str) -> bytes:
    """What stands before the UID in every unique-id of a mailbox.

    `unique-id: one to 70 characters in the range 0x21 to 0x7E` (RFC 1939 §7)

    Raises:
        BadEpoch: other characters, or too long to leave room for any UID and nonce.
    """
    prefix = epoch.encode("utf-8") + b"."
    if len(prefix) + MAX_UID_DIGITS + 1 + MAX_NONCE_DIGITS > MAX_UNIQUE_ID_OCTETS:
        raise BadEpoch(f"the epoch has {len(epoch)} characters")
    if not all(0x21 <= octet <= 0x7E for octet in prefix):
        raise BadEpoch("the epoch has a character outside 0x21 to 0x7E")
    return prefix


def unique_id_templates(prefix: bytes) -> tuple[bytes, bytes]:
    """For `%` with a UID, and with a UID and a nonce: those without a nonce, those with one."""
    literal = prefix.replace(b"%", b"%%")
    return literal + b"%d", literal + b"%d.%x"


def unique_id(prefix: bytes, uid: int, nonce: int) -> bytes:
    """`prefix`: see `unique_id_prefix`."""
    older, newer = unique_id_templates(prefix)
    return newer % (uid, nonce) if nonce else older % uid
