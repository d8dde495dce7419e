"""PLACEHOLDER: the contract that doors build on; the implementation follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailserver.values.ids import AccountId, MailboxId
from mailserver.values.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    account_id: AccountId
    identifier: str
    inbox_id: MailboxId
    must_change: bool


@dataclass(frozen=True, slots=True)
class Denied:
    """Unknown, wrong, suspended or without a password: the peer hears one answer for all."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """We cannot tell now: too many hashes wait, or the store does not answer."""


Verdict = Granted | Denied | Unavailable


class Gate:
    def authenticate(
        self,
        user_name: bytes,
        password: Secret[bytes],
        *,
        peer: str,
        door: str,
        on_done: Callable[[Verdict], None],
    ) -> Verdict | None:
        """A verdict at once when it costs no hash; else None, and `on_done` is called once, from another thread."""
        raise NotImplementedError
