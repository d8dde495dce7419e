"""What first passwords and recovery need of the store.

Codes are kept as keyed digests only, the NUMEN as a verifier only.  A change is
durable when its call has returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from mailserver.values.ids import AccountId, MailboxId

CODE_NAME_OCTETS = 4
"""How a digest of a code begins: with that of its first symbols, by which it is known."""


class Purpose(Enum):
    """What a code is good for."""

    RESET = "reset"  # mailed to the recovery address
    HANDED = "handed"  # by a correspondent or an administrator
    PROVE_ADDRESS = "prove-address"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAddress:
    address: str
    proved_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCode:
    """digest: the name's octets first (`CODE_NAME_OCTETS`), then the whole code's.

    details: the address to prove; never a secret.
    """

    account_id: AccountId
    purpose: Purpose
    digest: bytes
    given_by: str
    made_at_s: float
    expires_at_s: float
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittingCode:
    code_id: int
    given_by: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the rules for passwords and letters must know of an account.

    numen: the verifier of the NUMEN, kept when the password is changed; hidden from `repr`.
    """

    account_id: AccountId
    kind: str  # person, establishment, function
    identifier: str
    name: str
    given_name: str
    surname: str
    language: str  # empty: the service's
    inbox_id: MailboxId
    address: str  # the canonical one, or empty
    numen: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueWarning:
    """A first password whose grace ends.  told_count: warnings that were sent already."""

    account_id: AccountId
    version: int
    must_change_by_s: float
    told_count: int


class Recovery(Protocol):
    def read_subject(self, account_id: AccountId) -> Subject | None: ...

    def read_recovery_address(self, account_id: AccountId) -> RecoveryAddress | None:
        """Only one that was proved."""
        ...

    def prove_address(
        self, account_id: AccountId, code: FittingCode, *, now_s: float
    ) -> RecoveryAddress | None:
        """Use the code and keep the address that it proves (its details), or nothing of both.

        Codes on their way to the address before end.  None: the code was used or replaced.
        """
        ...

    def remove_recovery_address(self, account_id: AccountId) -> RecoveryAddress | None:
        """Also the codes that are on their way there.  What it was; None: there was none."""
        ...

    def add_code(self, code: NewCode) -> None:
        """Earlier ones of the same account and purpose end."""
        ...

    def try_code(
        self,
        account_id: AccountId,
        purpose: Purpose,
        digest: bytes,
        *,
        now_s: float,
        max_tries: int,
    ) -> FittingCode | None:
        """Does it fit the code that is in force?

        Only what has the name of that code and is not it counts as a try, durably: whoever
        does not know the code cannot end it, and writes nothing, so no time tells of it.
        """
        ...

    def count_try(self, code_id: int) -> None:
        """What was needed beside the code was wrong."""
        ...

    def use_code(self, code_id: int, *, now_s: float) -> bool:
        """True once, whatever the number of processes; False once it is over."""
        ...

    def end_codes(self, account_id: AccountId) -> None:
        """None of those that were not used is good any more."""
        ...

    def forget_codes(self, *, before_s: float) -> int:
        """Drop what expired before; returns how many."""
        ...


class FirstPasswords(Protocol):
    def start_grace(self, account_id: AccountId, *, version: int, until_s: float) -> None:
        """At the first use; does nothing where it began already or the password is another."""
        ...

    def due_warnings(self, *, until_s: float, told_count: int, limit: int) -> list[DueWarning]:
        """Whose grace ends before `until_s`, and who had fewer than `told_count` warnings."""
        ...

    def mark_warned(self, account_id: AccountId, *, version: int, told_count: int) -> None: ...

    def has_numens(self) -> bool:
        """Is the verifier of any NUMEN kept?"""
        ...

    def count_numen_passwords(self) -> dict[str, int]:
        """Name of a key -> accounts that still sign in with a NUMEN digested under it."""
        ...

    def read_quick_numens(self, *, after: AccountId, limit: int) -> list[tuple[AccountId, str]]:
        """Verifiers of imports, a keyed digest that is quick to try, in the order of accounts."""
        ...

    def replace_numens(self, found: Sequence[tuple[AccountId, str, str]]) -> None:
        """(account, old verifier, new one): where the old one still stands, one transaction."""
        ...


class RecoveryAndFirstPasswords(Recovery, FirstPasswords, Protocol):
    """All that `store.recovery` answers."""
