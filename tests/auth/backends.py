"""Each `CredentialBackend` under test, with one account and the means to change it.

A new backend (a directory server) adds a class here and an entry in
`BACKENDS`, and passes `test_backend` and `test_gate` like the store.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from mailserver.auth.backend import CredentialBackend, StoreBackend
from mailserver.auth.numen_key import NumenKey
from mailserver.store.ports.accounts import AccountState, Credential
from mailserver.store.ports.shared.scratch import Scratch
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret
from tests.store.template import put_new_store


class Setting(Protocol):
    """A backend whose account `fmarot` has the address Frédéric.Marot@ac-exemple.fr."""

    backend: CredentialBackend
    scratch: Scratch
    account_id: AccountId

    def set_state(self, state: AccountState) -> None: ...

    def delete(self) -> None: ...

    def set_verifier(self, verifier: str) -> None:
        """Put a verifier in place as an earlier release of ours would have made it."""
        ...

    def forget_verifier(self) -> None:
        """As of an account that never had a password."""
        ...

    def credential(self) -> Credential: ...

    def close(self) -> None: ...


class StoreSetting:
    """The store's own credentials."""

    def __init__(self, folder: Path) -> None:
        self._store = SqliteStore(put_new_store(folder / "store"))
        self.scratch: Scratch = self._store.counters
        self.backend: CredentialBackend = StoreBackend(
            self._store, numen_key=NumenKey(Secret(b"k" * 32)), domains=["ac-exemple.fr"]
        )
        self.account_id = self._store.accounts.add_account(
            identifier="fmarot",
            name="Frédéric Marot",
            addresses=["Frédéric.Marot@ac-exemple.fr", "f.marot@ac-exemple.fr"],
            now_s=1.0,
        ).account_id

    def set_state(self, state: AccountState) -> None:
        self._store.accounts.set_state(self.account_id, state)

    def delete(self) -> None:
        self._store.accounts.delete_account(self.account_id, now_s=2.0)

    def set_verifier(self, verifier: str) -> None:
        self._store.accounts.write_credential(self.account_id, verifier=verifier, must_change=False)

    def forget_verifier(self) -> None:
        engine = self._store._engine
        with engine.write_turn(), engine.transaction() as connection:
            connection.execute("UPDATE account SET verifier = NULL")

    def credential(self) -> Credential:
        credential = self._store.accounts.read_credential(self.account_id)
        assert credential is not None
        return credential

    def close(self) -> None:
        self._store.close()


BACKENDS: Final[dict[str, Callable[[Path], Setting]]] = {"store": StoreSetting}
