"""Who may post to a list: one pure decision, asked at RCPT and again before the post goes out.

| posting   | owner, moderator | poster | member | inside | anybody else |
| --------- | ---------------- | ------ | ------ | ------ | ------------ |
| members   | yes              | yes    | yes    | no     | no           |
| inside    | yes              | yes    | yes    | yes    | no           |
| named     | yes              | yes    | no     | no     | no           |
| moderated | yes              | yes    | held   | held   | held         |
| announce  | yes              | yes    | no     | no     | no           |

A list of the first two kinds that has members outside answers all strangers alike: who is no
member waits for a moderator (`is_asked_of_a_moderator`).

Somebody of ours counts as what they signed in as: an address of ours in a
reverse-path that nobody signed in for is a stranger's.  A member outside is
known by the reverse-path alone.  The null sender never posts (RFC 3834 §4).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mailserver.store.ports.lists import ListRole, MailingList, Posting, Standing


class Permission(Enum):
    YES = "yes"
    HELD = "held"  # a moderator must see it
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """is_signed_in: an account of ours submitted it.  is_null: the null reverse-path."""

    is_signed_in: bool
    is_null: bool
    standing: Standing


def is_asked_of_a_moderator(which: MailingList, sender: Sender, *, is_ours: bool) -> bool:
    """Does a stranger's refused post wait, instead of being refused?

    Of strangers the reverse-path is all there is, and anybody can write any: were a post of a
    member outside taken and another one refused, everybody could ask who is a member.

    is_ours: is the reverse-path at a domain of ours?  It proves nothing without signing in.
    """
    is_open_to_members = which.posting in {Posting.MEMBERS, Posting.INSIDE}
    is_stranger = not (sender.is_signed_in or sender.is_null or is_ours)
    return is_open_to_members and which.has_outside and is_stranger


_ALWAYS = frozenset(ListRole)


def decide_post(which: MailingList, sender: Sender) -> Permission:
    """May this sender post to this list?"""
    if sender.is_null:
        return Permission.NO
    if sender.is_signed_in and sender.standing.roles & _ALWAYS:
        return Permission.YES
    match which.posting:
        case Posting.MEMBERS:
            may = sender.standing.is_member
        case Posting.INSIDE:
            may = sender.is_signed_in or sender.standing.is_member
        case Posting.MODERATED:
            return Permission.HELD
        case Posting.NAMED | Posting.ANNOUNCE:
            may = False
    return Permission.YES if may else Permission.NO
