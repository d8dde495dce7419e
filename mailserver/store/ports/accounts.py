"""Accounts: who signs in, with what, and which addresses are theirs.

A change is durable when its call has returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from mailserver.store.ports.people import Life
from mailserver.values.ids import AccountId, MailboxId


class AccountState(Enum):
    ACTIVE = "active"
    SUSPENDED = "suspended"  # may not sign in; mail is still deposited


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    account_id: AccountId
    identifier: str
    name: str
    state: AccountState
    inbox_id: MailboxId
    created_at_s: float
    addresses: tuple[str, ...] = field(default=())  # as given; the first is the canonical one
    life: Life = Life.PRESENT
    life_since_s: float | None = None
    life_until_s: float | None = None  # when its next step is due


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The verifiers of one account, written together when the password is set."""

    account_id: AccountId
    version: int  # grows with every change of password or state
    state: AccountState
    verifier: str | None  # passlib's modular crypt form; None: no password was set yet
    must_change: bool
    must_change_by_s: float | None = None  # mail programs sign in until then; None: not begun


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What a log-in needs to know.

    A holder signs in to another account's mailbox: then `credential` is the
    holder's, the rest the mailbox's.
    """

    account_id: AccountId
    identifier: str
    inbox_id: MailboxId
    credential: Credential
    by_whom: str = ""  # the holder's identifier


class Directory(Protocol):
    def find_mailbox(self, address_key: str) -> MailboxId | None:
        """Where an address deposits; `address_key` is `Address.key`.

        None for a list's, and for that of somebody who is gone.
        """
        ...

    def find_sign_in(self, user_name_key: str) -> SignIn | None:
        """By identifier or any address of the account, both folded."""
        ...

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool:
        """May the first sign in to the second's mailbox?  A relation of a holder is in force."""
        ...

    def owns_address(self, account_id: AccountId, address_key: str) -> bool: ...

    def spelling_of(self, address_key: str) -> str:
        """The address as it was given; empty: nobody has it."""
        ...

    def find_account(self, identifier: str) -> Account | None: ...

    def list_accounts(self) -> Iterator[Account]:
        """All accounts by identifier, read in slices."""
        ...

    def count_accounts(self) -> int: ...

    def add_account(
        self, *, identifier: str, name: str, addresses: Sequence[str], now_s: float
    ) -> Account:
        """Create the account, its INBOX and its addresses, in one transaction.

        Raises:
            NameTaken: the identifier or an address is not free.
        """
        ...

    def add_address(self, account_id: AccountId, address: str, *, now_s: float) -> None:
        """Give the account another address (an alias).

        Raises:
            NameTaken: it is not free.
        """
        ...

    def set_state(self, account_id: AccountId, state: AccountState) -> None:
        """Change the state and the credential's version together."""
        ...

    def delete_account(self, account_id: AccountId, *, now_s: float) -> None:
        """For good: mail goes in slices, by the reclaimer.

        Its names lead nowhere at once, and are nobody's until their quarantine
        is over, which the store was opened with.
        """
        ...


class Credentials(Protocol):
    def read_credential(self, account_id: AccountId) -> Credential | None: ...

    def write_credential(
        self, account_id: AccountId, *, verifier: str, must_change: bool
    ) -> Credential:
        """Set the verifier; the version grows, so every cached log-in ends."""
        ...

    def replace_verifier(self, account_id: AccountId, *, version: int, verifier: str) -> None:
        """Re-hash of the same password: keeps the version; does nothing if it has moved on."""
        ...


class Accounts(Directory, Credentials, Protocol):
    """All that `store.accounts` answers."""
