"""The port behind the gate: where credentials live.

Its first implementation is the store: identifier and NUMEN.  A directory
server or a single sign-on would be another, and pass the same contract suite.
Calls may take tens of milliseconds, and run in the hashing pool.
"""

from __future__ import annotations

from typing import Protocol

from mailserver.auth import passwords
from mailserver.store.ports import AccountState, Credentials, Directory, SignIn
from mailserver.values.address import Address, fold_local
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret


class CredentialBackend(Protocol):
    """Verify, set, must-change."""

    def look_up(self, user_name: str) -> SignIn | None:
        """Whose name is it?  Cheap: no hash, one indexed read."""
        ...

    def verify(self, sign_in: SignIn | None, password: Secret[bytes]) -> bool:
        """Is it the password?  None, a suspended account, one without password: the same work."""
        ...

    def set_password(
        self, account_id: AccountId, password: Secret[str], *, must_change: bool
    ) -> None:
        """Replace the password; every earlier one and every remembered log-in ends at once."""
        ...


class DirectoryAndCredentials(Directory, Credentials, Protocol):
    """What the store offers to this backend."""


class StoreBackend:
    """`CredentialBackend` over the store."""

    def __init__(self, store: DirectoryAndCredentials) -> None:
        self._store = store

    def look_up(self, user_name: str) -> SignIn | None:
        return self._store.find_sign_in(user_name_key(user_name))

    def verify(self, sign_in: SignIn | None, password: Secret[bytes]) -> bool:
        credential = None if sign_in is None else sign_in.credential
        if credential is None or credential.verifier is None:
            passwords.verify_nobody(password.reveal())
            return False
        is_right, better = passwords.verify(password.reveal(), credential.verifier)
        if not is_right or credential.state is not AccountState.ACTIVE:
            return False
        if better is not None:
            self._store.replace_verifier(
                credential.account_id, version=credential.version, verifier=better
            )
        return True

    def set_password(
        self, account_id: AccountId, password: Secret[str], *, must_change: bool
    ) -> None:
        verifier = passwords.hash_password(password)
        self._store.write_credential(account_id, verifier=verifier, must_change=must_change)


def user_name_key(user_name: str) -> str:
    """The key of what was typed as user name: an identifier, or any address of the account."""
    typed = user_name.strip()
    local, at, domain = typed.rpartition("@")
    return Address(local, domain).key if at else fold_local(typed)
