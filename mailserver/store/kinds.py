"""What an account stands for, and what a relation is over, in words: a port of its own."""

from __future__ import annotations

from typing import Protocol

from mailserver.store.people import Kind, Relation
from mailserver.values.ids import AccountId


class Kinds(Protocol):
    def set_kind(self, account_id: AccountId, kind: Kind) -> None:
        """Say what the account stands for; nothing else changes."""
        ...

    def name_over(self, relation: Relation) -> str:
        """The identifier or the code of what the relation is over; empty: gone for good."""
        ...
