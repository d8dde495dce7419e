"""What stands in a mailbox: one message as it is collected, and lists of them, a port of its own.

Who sent a message is the account that was authenticated when it was submitted,
as the accept recorded it; a From field is shown and decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from mailserver.values.ids import AccountId, MailboxId, Uid

if TYPE_CHECKING:
    from mailserver.store.body_faults import BodyFile

MAX_HEADER_OCTETS: Final = 65_536
"""Of one message's header block, for a list: longer ones are cut."""


@dataclass(slots=True, kw_only=True)
class StoredMessage:
    """One message as RETR sends it: `lead`, then the body from memory or from `fd`.

    Whoever gets it closes it, and reads it with `body_faults.read_body`.
    """

    lead: bytes  # Return-Path, Delivered-To, the rest of our head
    octets: bytes | None  # an inline body
    fd: int | None  # a filed body, else None
    body_octets: int
    dotted_line_count: int
    ends_with_crlf: bool
    body_file: BodyFile | None = None  # of `fd`

    @property
    def size_octets(self) -> int:
        return len(self.lead) + self.body_octets

    def close(self) -> None:
        """Close the file, if there is one.  May be called again."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


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
