"""Where an address leads, with all that RCPT must know; what accounts use; what they forward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mailserver.store.ports.people import Life
from mailserver.values.ids import AccountId, ListId, MailboxId


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an address of ours leads, with all that RCPT must know, from one read.

    The octets and the count are of the whole account.
    """

    mailbox_id: MailboxId | None
    list_id: ListId | None
    account_id: AccountId | None
    class_name: str
    used_octets: int
    used_count: int
    life: Life
    forward_to: str
    keeps_copy: bool
    shows_forward: bool = False  # may senders read where to?


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


class Targets(Protocol):
    def find_target(self, address_key: str) -> Target | None: ...

    def read_class(self, account_id: AccountId) -> str:
        """Of its quota and its sending limits; empty: the default one."""
        ...

    def answerable_for(self, identifier: str, *, now_s: float) -> list[str]:
        """Identifiers of those, other than itself, who are correspondents of its units now.

        Its units: where it has a post, or whose own mailbox it is.  Where none
        of them has one who may sign in: those of the nearest units above.
        """
        ...

    def list_usage(self) -> Iterator[Usage]:
        """Every account by identifier, read in slices."""
        ...

    # Forwarding

    def read_forward(self, account_id: AccountId) -> tuple[str, bool, bool]:
        """(where to, or empty; does a copy stay?; may senders read where to?)."""
        ...

    def set_forward(
        self,
        account_id: AccountId,
        to: str,
        *,
        keeps_copy: bool,
        is_shown: bool = False,
        by_whom: str,
        now_s: float,
    ) -> None:
        """The account and its history, in one transaction.  Empty: no more.

        is_shown: reports to senders may name it.
        """
        ...
