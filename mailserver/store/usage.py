"""What accounts use of the store.  Values only."""

from __future__ import annotations

from dataclasses import dataclass

from mailserver.values.ids import AccountId, MailboxId


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one account keeps, in all its mailboxes."""

    account_id: AccountId
    identifier: str
    class_name: str
    language: str
    inbox_id: MailboxId
    octets: int
    count: int
