"""Turning an account that was just made into that of a function: a port of its own."""

from __future__ import annotations

from typing import Protocol

from mailserver.store.people import Kind
from mailserver.values.ids import AccountId


class Kinds(Protocol):
    def set_kind(self, account_id: AccountId, kind: Kind) -> None:
        """Say what the account stands for; nothing else changes."""
        ...
