"""Posts that go to nobody: loops, automatic answers, notices of non-delivery.

| sign                                       | why                                       |
| ------------------------------------------ | ----------------------------------------- |
| List-Id of this list                       | it has been here                          |
| Delivered-To with this list's address      | a member's mailbox sends it back          |
| more Received fields than hops are allowed | it goes round                             |
| null reverse-path                          | a notice (RFC 5321 §4.5.5)                |
| Auto-Submitted: auto-replied               | an absence notice (RFC 3834 §5)           |
| Auto-Submitted: auto-notified              | a notice of a filter (RFC 5436 §2.7.1)    |
| Precedence: bulk, junk, auto_reply         | the same, of older programs               |
| X-Autoreply, X-Autorespond                 | the same                                  |

What a program wrote by itself (`auto-generated`) is a post like another.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailserver.lists.addresses import id_of
from mailserver.lists.header import Field, find_values
from mailserver.store.ports.lists import MailingList

_MASS = frozenset({b"bulk", b"junk", b"auto_reply"})


def why_not(
    which: MailingList, fields: Sequence[Field], *, reverse_path: str, max_hops: int
) -> str:
    """Words for the journey, or empty: nothing speaks against it."""
    own_id = f"<{id_of(which)}>".encode()
    if any(own_id in value.lower() for value in find_values(fields, b"list-id")):
        return "a loop: it has been through this list"
    own = which.address.lower().encode()
    if any(value.lower() == own for value in find_values(fields, b"delivered-to")):
        return "a loop: it was delivered to this list before"
    if sum(field.name == b"received" for field in fields) > max_hops:
        return "a loop: it has passed too many servers"
    if not reverse_path:
        return "a notice, not a post: it has no sender"
    if _is_automatic_answer(fields):
        return "an automatic answer, not a post"
    return ""


def _is_automatic_answer(fields: Sequence[Field]) -> bool:
    for value in find_values(fields, b"auto-submitted"):
        if value.lower().startswith((b"auto-replied", b"auto-notified")):
            return True
    if any(value.lower() in _MASS for value in find_values(fields, b"precedence")):
        return True
    return any(field.name in (b"x-autoreply", b"x-autorespond") for field in fields)
