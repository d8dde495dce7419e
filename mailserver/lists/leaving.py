"""Leaving a list: by mail as an account, or by the link of one click.

Blocks: the store is read and written.  Whoever has left may ask again; nothing changes then.
"""

from __future__ import annotations

from mailserver.lists.one_click import ByHand, ByRule, Subscriber, list_of_token, read_leave_token
from mailserver.store.lists import ListLookUps, Lists, MailingList
from mailserver.values.address import Address
from mailserver.values.ids import AccountId


def leave(lists: Lists, which: MailingList, account_id: AccountId) -> None:
    """One by hand goes; one who is a member by rule too is noted as getting no mail."""
    lists.remove_member(which.list_id, account_id=account_id)
    if lists.standing(which.list_id, account_id=account_id, address_key="").is_member:
        lists.stop_mail(which.list_id, "asked", account_id=account_id)


def find_link(lists: ListLookUps, token: str) -> tuple[MailingList, Subscriber] | None:
    """Whose link it is, and of which list; None: not one of ours, or of a list that is gone."""
    list_id = list_of_token(token)
    which = None if list_id is None else lists.read_list(list_id)
    who = None if which is None else read_leave_token(which, token)
    return None if which is None or who is None else (which, who)


def leave_by_link(lists: Lists, which: MailingList, who: Subscriber) -> bool:
    """False: they were no member any more.  Numbers of members are never given again."""
    match who:
        case ByHand(member_id):
            member = lists.find_member(member_id)
            if member is None:
                return False
            if member.account_id is not None:
                leave(lists, which, member.account_id)
                return True
            local, _, domain = member.address.rpartition("@")
            return lists.remove_member(which.list_id, address_key=Address(local, domain).key)
        case ByRule(account_id):
            standing = lists.standing(which.list_id, account_id=account_id, address_key="")
            if standing.is_member:
                leave(lists, which, account_id)
            return standing.is_member
