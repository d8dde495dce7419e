"""Leaving a list by the link of one click: whose it is, and what it does.

Blocks: the store is read and written.  Whoever has left may ask again; nothing changes then.
"""

from __future__ import annotations

from mailserver.lists.one_click import (
    Inside,
    Leaver,
    OutsideReader,
    leave_url,
    list_of_token,
    read_leave_token,
)
from mailserver.lists.tokens import ByHand, ByRule, Subscriber
from mailserver.store.ports.lists import ListLookUps, Lists, MailingList
from mailserver.values.address import key_of

BY_LINK = "by link"
"""Why one by rule gets no mail any more, as `mailserver list members` says it."""


def find_link(lists: ListLookUps, token: str) -> tuple[MailingList, Leaver] | None:
    """Whose link it is, and of which list; None: not one of ours, or it leads nowhere now."""
    list_id = list_of_token(token)
    which = None if list_id is None else lists.read_list(list_id)
    who = None if which is None else read_leave_token(which, token)
    return None if which is None or who is None or is_archive(which, who) else (which, who)


def make_link(lists: Lists, base_url: str, which: MailingList, reader: Subscriber) -> str:
    """Empty: none for this reader, who has left meanwhile, or is the archive."""
    who = _leaver(lists, reader)
    return "" if who is None or is_archive(which, who) else leave_url(base_url, which, who)


def is_archive(which: MailingList, who: Leaver) -> bool:
    """An archive is not there to be left: its reader must not end it."""
    return isinstance(who, Inside) and who.account_id == which.archive_account_id


def leave_by_link(lists: Lists, which: MailingList, who: Leaver) -> int | None:
    """The number of the member; None: they had left before."""
    match who:
        case Inside(account_id):
            return lists.leave(which.list_id, BY_LINK, account_id=account_id)
        case OutsideReader(address_key):
            return lists.leave(which.list_id, BY_LINK, address_key=address_key)


def _leaver(lists: Lists, reader: Subscriber) -> Leaver | None:
    match reader:
        case ByRule(account_id):
            return Inside(account_id)
        case ByHand(member_id):
            member = lists.find_member(member_id)
            if member is None:
                return None
            if member.account_id is not None:
                return Inside(member.account_id)
            return OutsideReader(key_of(member.address))
