"""The port behind the gate: where credentials live.

Its first implementation is the store: identifier and NUMEN.  A directory
server or a single sign-on would be another, and pass the same contract suite.
Calls may take tens of milliseconds, and run in the hashing pool.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from mailserver.auth import passwords
from mailserver.auth.numen_key import NumenKey, NumenKeyMissing, load_key
from mailserver.people.uai import BadUai, find_code
from mailserver.settings.model import Settings
from mailserver.store.ports.accounts import Accounts, AccountState, SignIn
from mailserver.store.ports.recovery import FirstPasswords
from mailserver.telemetry.log import get_log
from mailserver.values.address import Address, fold_domain, fold_local
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret

HOLDER_SIGN = "*"
"""`jmarot*ce.0170705z`: jmarot, with their own password, in that mailbox."""


def name_of_both(authentication: bytes, authorization: bytes) -> bytes:
    """The user name for what SASL says in two (RFC 4616 §2): whose password, and acting for whom.

    None but oneself, or whose mailbox one holds: `jmarot` for `ce.0170705z` is the user name
    `jmarot*ce.0170705z`, which is nobody's where jmarot is no holder.
    """
    if not authorization.strip():
        return authentication
    key, acts_for = (user_name_key(text_of_name(one)) for one in (authentication, authorization))
    if acts_for in (key, key.rpartition(HOLDER_SIGN)[2]):
        return authentication
    return authentication + HOLDER_SIGN.encode("ascii") + authorization


def text_of_name(user_name: bytes) -> str:
    try:
        return user_name.decode("utf-8")
    except UnicodeDecodeError:
        return user_name.decode("latin-1")


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

    def set_numen(self, account_id: AccountId, numen: str) -> None:
        """Make the NUMEN, in its one form, the password; it must be changed."""
        ...

    def begin_grace(self, sign_in: SignIn, *, until_s: float) -> None:
        """A first password was used for the first time: programs may use it until then."""
        ...


class StoreOfPasswords(Protocol):
    """What the store offers to this backend."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def recovery(self) -> FirstPasswords: ...


class StoreBackend:
    """`CredentialBackend` over the store."""

    def __init__(
        self,
        store: StoreOfPasswords,
        *,
        numen_key: NumenKey | None = None,
        domains: Sequence[str] = (),
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """domains: ours, for holders who name a mailbox by its local part."""
        self._store = store
        self._numen_key = numen_key
        self._domains = tuple(domains)
        self._now_s = now_s

    def look_up(self, user_name: str) -> SignIn | None:
        holder, star, mailbox = user_name.rpartition(HOLDER_SIGN)
        if star and holder and mailbox:
            return self._look_up_holder(holder, mailbox)
        return self._find(user_name_key(user_name))

    def _find(self, key: str) -> SignIn | None:
        """An establishment also by its code without the key letter, and as `ce.` and its code."""
        found = self._store.accounts.find_sign_in(key)
        if found is not None:
            return found
        try:
            code = find_code(key)
        except BadUai:
            return None
        return None if code is None or code == key else self._store.accounts.find_sign_in(code)

    def _look_up_holder(self, holder_name: str, mailbox_name: str) -> SignIn | None:
        """The mailbox's account under the holder's credential, while the relation is in force."""
        holder = self._find(user_name_key(holder_name))
        mailbox = self._find_mailbox(user_name_key(mailbox_name))
        if holder is None or mailbox is None:
            return None
        if holder.account_id == mailbox.account_id:
            return holder
        is_open = mailbox.credential.state is AccountState.ACTIVE
        if not is_open or not self._store.accounts.holds(
            holder.account_id, mailbox.account_id, now_s=self._now_s()
        ):
            return None
        return replace(mailbox, credential=holder.credential, by_whom=holder.identifier)

    def _find_mailbox(self, key: str) -> SignIn | None:
        """By identifier, by address, or by the local part of an address."""
        names = [key] if "@" in key else [key, *(f"{key}@{domain}" for domain in self._domains)]
        return next(filter(None, map(self._find, names)), None)

    def verify(self, sign_in: SignIn | None, password: Secret[bytes]) -> bool:
        credential = None if sign_in is None else sign_in.credential
        if credential is None or credential.verifier is None:
            passwords.verify_nobody(password.reveal())
            return False
        is_right, better = passwords.verify(password.reveal(), credential.verifier, self._numen_key)
        if not is_right or credential.state is not AccountState.ACTIVE:
            return False
        if better is not None:
            self._store.accounts.replace_verifier(
                credential.account_id, version=credential.version, verifier=better
            )
        return True

    def set_password(
        self, account_id: AccountId, password: Secret[str], *, must_change: bool
    ) -> None:
        verifier = passwords.hash_password(password)
        self._store.accounts.write_credential(
            account_id, verifier=verifier, must_change=must_change
        )

    def set_numen(self, account_id: AccountId, numen: str) -> None:
        if self._numen_key is None:  # a store of tests, or an old service: argon2id alone
            self.set_password(account_id, Secret(numen), must_change=True)
            return
        verifier = passwords.hash_numen(numen, self._numen_key)
        self._store.accounts.write_credential(account_id, verifier=verifier, must_change=True)

    def begin_grace(self, sign_in: SignIn, *, until_s: float) -> None:
        credential = sign_in.credential
        self._store.recovery.start_grace(
            credential.account_id, version=credential.version, until_s=until_s
        )


def open_backend(store: StoreOfPasswords, settings: Settings) -> StoreBackend:
    """The store's credentials; without the key file, no NUMEN can be checked: temporary."""
    key: NumenKey | None = None
    try:
        key = load_key(settings.auth.numen_key)
    except NumenKeyMissing as error:
        get_log("auth").warning("no key for NUMENs", error=str(error))
    domains = tuple(map(fold_domain, settings.service.domains))
    return StoreBackend(store, numen_key=key, domains=domains)


def user_name_key(user_name: str) -> str:
    """The key of what was typed as user name: an identifier, or any address of the account.

    `ACADEMIE\\jmarot` is jmarot: profiles of Outlook that were made for Exchange keep the Windows
    domain in front.  No name that we give holds a backslash, so that nothing else is meant; with
    two (`DOMAIN\\user\\mailbox`) it stays nobody's.
    """
    windows_domain, backslash, name = user_name.partition("\\")
    typed = (name if backslash and windows_domain.strip() else user_name).strip()
    local, at, domain = typed.rpartition("@")
    return Address(local, domain).key if at else fold_local(typed)
