"""What stands in a mailbox, for lists of messages: a port of its own.

Who sent a message is the account that was authenticated when it was submitted,
as the accept recorded it; a From field is shown and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mailserver.values.ids import AccountId, MailboxId, Uid

MAX_HEADER_OCTETS: Final = 65_536
"""Of one message's header block, for a list: longer ones are cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message in a mailbox.  header: the header block as received, without our head."""

    uid: Uid
    accepted_at_s: float
    size_octets: int
    submitter: AccountId | None  # None: it came from outside, or from a machine
    submitter_identifier: str  # empty where there is none
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Messages of this account, accepted from `since_s` on and before `until_s`."""

    account_id: AccountId
    since_s: float
    until_s: float | None


class MailboxContents(Protocol):
    def list_items(
        self,
        mailbox_id: MailboxId,
        *,
        before: Uid | None,
        limit: int,
        only: Sequence[Span] | None = None,
    ) -> list[Item]:
        """The latest first, below the UID `before`.

        only: messages that one of these allows; none of them allows nothing.  None: all.
        """
        ...
