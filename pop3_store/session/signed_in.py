"""Does what opened a maildrop still hold?  A new password or a suspension ends open sessions."""

from __future__ import annotations

from mailserver.auth.gate import Granted, SignInsStore, is_over
from mailserver.store.ports.mail import RemovedBy
from mailserver.values.ids import AccountId

CHECK_AGAIN_S = 1.0
"""A session ends at its first command after this time, or at QUIT, which deletes."""


class SignedIn:
    """One per session, from PASS on."""

    __slots__ = ("_checked_at_s", "_granted", "_store")

    def __init__(self, store: SignInsStore, granted: Granted, *, now_s: float) -> None:
        self._store = store
        self._granted = granted
        self._checked_at_s = now_s

    def as_remover(self, *, door: str, peer: str) -> RemovedBy:
        """For what its QUIT removes."""
        return RemovedBy(door, peer, self._granted.by_whom)

    @property
    def account_id(self) -> AccountId:
        """Whose password it was."""
        return self._granted.by_account or self._granted.account_id

    def has_ended(self, *, now_s: float, is_last: bool) -> bool:
        """One indexed read, once in a while.  is_last: look now."""
        if not is_last and 0 <= now_s - self._checked_at_s < CHECK_AGAIN_S:
            return False
        self._checked_at_s = now_s
        return is_over(self._store, self._granted, now_s=now_s)
