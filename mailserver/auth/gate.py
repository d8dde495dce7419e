"""The one gate: every door asks here whether a name and a password go together.

A log-in that succeeded lately is recognised without a hash: the keyed digest
of account, credential version and password is remembered in the store's
scratch, under a secret that only the memory of running processes holds.  The
version is read at each log-in, so a change of password or a suspension ends
every remembered log-in at once.

All refusals are one answer and cost the same work: nobody learns whether a
name exists.  Who tries many wrong passwords must wait (`auth.throttle`).

A first password is good for ever, unless it is to be changed (`passwords.change_first`):
then mail programs go on with it for its grace, which begins with its first use, and
are denied after that; a door where it can be changed lets it in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from mailserver.auth.backend import CredentialBackend, open_backend, text_of_name, user_name_key
from mailserver.auth.passwords import MAX_PASSWORD_OCTETS
from mailserver.auth.throttle import Caller, Throttle, caller_of, limits_of
from mailserver.settings.model import Settings
from mailserver.store.clock import ServiceClock
from mailserver.store.ports import AccountState, Credential, Scratch, SignIn, Store, StoreError
from mailserver.telemetry.log import get_log
from mailserver.telemetry.peers import PeerWatch
from mailserver.values.ids import AccountId, MailboxId
from mailserver.values.secret import Secret

HOUR_S = 3600.0
DAY_S = 86_400.0
WEBMAIL = "webmail"
"""The door where a first password can be changed, and so never ends."""
_SHORT_OCTETS = 8  # of a digest that only tells apart
MAX_USER_NAME_OCTETS = 641
"""Of a holder and a mailbox: two addresses that we gave (RFC 5321 §4.5.3.1), and a star."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The person is who they say."""

    account_id: AccountId
    identifier: str
    inbox_id: MailboxId
    must_change: bool
    version: int  # of the credential that fitted: a later one ends what this one opened
    by_account: AccountId | None = None  # a holder, who signed in to this account as themselves
    by_whom: str = ""  # the holder's identifier


@dataclass(frozen=True, slots=True)
class Denied:
    """Unknown, wrong, suspended or without a password: the peer hears one answer for all."""


@dataclass(frozen=True, slots=True)
class FirstPasswordEnded(Denied):
    """It is the right password, and a first one whose grace is over."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """We cannot tell now: too many hashes wait, or the store does not answer."""


@dataclass(frozen=True, slots=True)
class Throttled(Unavailable):
    """Too many different wrong passwords: nothing was looked at; the right one may come later."""


Verdict = Granted | Denied | Unavailable
OnDone = Callable[[Verdict], None]


class Authenticator(Protocol):
    """What a door needs of the gate."""

    def authenticate(
        self,
        user_name: bytes,
        password: Secret[bytes],
        *,
        peer: str,
        door: str,
        on_done: OnDone,
    ) -> Verdict | None:
        """See `Gate.authenticate`."""
        ...


class HashingPool:
    """A bounded number of threads, and of jobs that wait for them."""

    def __init__(self, *, thread_count: int, waiting_count: int) -> None:
        self._places = threading.BoundedSemaphore(thread_count + waiting_count)
        self._threads = ThreadPoolExecutor(thread_count, thread_name_prefix="hash")

    def try_submit(self, job: Callable[[], None]) -> bool:
        """False: the pool is full, nothing was begun."""
        if not self._places.acquire(blocking=False):
            return False
        self._threads.submit(self._run, job)
        return True

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            self._places.release()


class Gate:
    """Made once per process, after the fork."""

    def __init__(
        self,
        backend: CredentialBackend,
        scratch: Scratch,
        pool: HashingPool,
        *,
        secret: Secret[bytes],
        remember_s: float,
        grace_s: float = 0.0,
        change_first: bool = True,
        throttle: Throttle | None = None,
        now_s: Callable[[], float] = time.time,
        ends_s: Callable[[], float] | None = None,
    ) -> None:
        """remember_s: a log-in is remembered this long after its last use; 0: never.

        grace_s: mail programs may use a first password for so long; 0: for ever.
        change_first: is it to be changed at all?
        ends_s: by which a grace ends (`mailserver.values.clock`); None: by `now_s`.
        """
        self._backend = backend
        self._scratch = scratch
        self._pool = pool
        self._secret = secret
        self._remember_s = remember_s
        self._grace_s = grace_s if change_first else 0.0
        self._change_first = change_first
        self._throttle = throttle
        self._now_s = now_s
        self._ends_s = ends_s or now_s
        self._log = get_log("auth")

    def authenticate(
        self,
        user_name: bytes,
        password: Secret[bytes],
        *,
        peer: str,
        door: str,
        on_done: OnDone,
    ) -> Verdict | None:
        """A verdict at once when it costs no hash; else None, and `on_done` once, from a thread.

        user_name: identifier or address, any case, spaces around it ignored.
        peer, door: for the log.
        """
        try:
            sign_in = self._look_up(user_name)
            is_remembered = self._is_remembered(sign_in, password, door)
            if sign_in is not None and is_remembered:
                return self._granted(sign_in)
            caller = self._caller(user_name, sign_in, peer=peer, door=door)
            if self._throttle and self._throttle.must_wait(caller, now_s=self._now_s()):
                self._log.warning("sign-in slowed", door=door, peer=peer, who=caller.whose)
                return Throttled()
        except StoreError as error:
            self._log.error("sign-in without store", door=door, peer=peer, exc_info=error)
            return Unavailable()
        if not self._pool.try_submit(lambda: on_done(self._decide(sign_in, password, caller))):
            self._log.warning("hashing pool is full", door=door, peer=peer)
            return Unavailable()
        return None

    def close(self) -> None:
        self._pool.close()

    def _look_up(self, user_name: bytes) -> SignIn | None:
        if len(user_name) > MAX_USER_NAME_OCTETS:
            return None
        return self._backend.look_up(text_of_name(user_name))

    def _decide(self, sign_in: SignIn | None, password: Secret[bytes], caller: Caller) -> Verdict:
        """In a thread of the pool: hash, compare, remember."""
        try:
            known = sign_in
            if len(password) > MAX_PASSWORD_OCTETS:
                # Too long for any password that was ever set: the work of a hash, then no.
                known, password = None, Secret(password.reveal()[:MAX_PASSWORD_OCTETS])
            if not self._backend.verify(known, password) or sign_in is None:
                self._note_denied(sign_in, password, caller, why="wrong name or password")
                return Denied()
            if self._is_grace_over(sign_in, caller.door):
                why = "the first password was not changed in time"
                self._note_denied(sign_in, password, caller, why=why)
                return FirstPasswordEnded()
            self._let_in(sign_in, password, caller)
            return self._granted(sign_in)
        except Exception as error:  # noqa: BLE001 - the top of the job
            self._log.error("sign-in failed", door=caller.door, peer=caller.peer, exc_info=error)
            return Unavailable()

    def _note_denied(
        self, sign_in: SignIn | None, password: Secret[bytes], caller: Caller, *, why: str
    ) -> None:
        self._log.info(
            "sign-in denied", door=caller.door, peer=caller.peer, who=caller.whose, why=why
        )
        if self._throttle is not None:
            digest = self._digest(sign_in, password)[:_SHORT_OCTETS].hex()
            self._throttle.failed(caller, digest=digest, now_s=self._now_s())

    def _let_in(self, sign_in: SignIn, password: Secret[bytes], caller: Caller) -> None:
        if self._throttle is not None:
            self._throttle.succeeded(caller)
        credential = sign_in.credential
        if credential.must_change and self._grace_s > 0 and credential.must_change_by_s is None:
            self._backend.begin_grace(sign_in, until_s=self._now_s() + self._grace_s)
        if self._remember_s > 0:
            digest = self._digest(sign_in, password)
            self._scratch.keep_sign_in(digest, now_s=self._now_s())

    def _is_grace_over(self, sign_in: SignIn, door: str) -> bool:
        credential = sign_in.credential
        if not credential.must_change or self._grace_s <= 0 or door == WEBMAIL:
            return False
        by_s = credential.must_change_by_s
        return by_s is not None and self._now_s() >= by_s and self._ends_s() >= by_s

    def _caller(self, user_name: bytes, sign_in: SignIn | None, *, peer: str, door: str) -> Caller:
        """The name is folded as a look-up folds it: all spellings of one count as one."""
        key = user_name_key(text_of_name(user_name[:MAX_USER_NAME_OCTETS])).encode(
            "utf-8", "replace"
        )
        digest = hmac.digest(self._secret.reveal(), b"name:" + key, hashlib.sha256)
        who = "name:" + digest[:_SHORT_OCTETS].hex()
        return caller_of(sign_in, who=who, peer=peer, door=door)

    def _is_remembered(self, sign_in: SignIn | None, password: Secret[bytes], door: str) -> bool:
        """A name that nobody has takes the same read."""
        if self._remember_s <= 0:
            return False
        is_kept = self._scratch.recall_sign_in(
            self._digest(sign_in, password), now_s=self._now_s(), lifetime_s=self._remember_s
        )
        if sign_in is None or sign_in.credential.state is not AccountState.ACTIVE:
            return False
        return is_kept and not self._is_grace_over(sign_in, door)

    def _granted(self, sign_in: SignIn) -> Granted:
        return Granted(
            account_id=sign_in.account_id,
            identifier=sign_in.identifier,
            inbox_id=sign_in.inbox_id,
            must_change=sign_in.credential.must_change and self._change_first,
            version=sign_in.credential.version,
            by_account=sign_in.credential.account_id if sign_in.by_whom else None,
            by_whom=sign_in.by_whom,
        )

    def _digest(self, sign_in: SignIn | None, password: Secret[bytes]) -> bytes:
        whose = (0, 0, 0)
        if sign_in is not None:
            credential = sign_in.credential
            whose = (credential.account_id, credential.version, sign_in.account_id)
        message = b"%d:%d:%d:" % whose + password.reveal()
        return hmac.digest(self._secret.reveal(), message, hashlib.sha256)


def open_gate(
    store: Store,
    settings: Settings,
    secret: Secret[bytes],
    *,
    peers: PeerWatch | None = None,
    gateways: Collection[object] = (),
) -> Gate:
    """The gate over the store's own credentials, with the pool that the settings ask for.

    peers: the door's own watch, which knows whether addresses say who connects.
    """
    cores = os.cpu_count() or 1
    pool = HashingPool(
        thread_count=settings.auth.hash_threads or cores, waiting_count=settings.auth.hash_queue
    )
    throttle = Throttle(
        store,
        limits_of(settings.auth),
        addresses_say_who=lambda: peers is None or peers.addresses_say_who,
        gateways=gateways,
    )
    return Gate(
        open_backend(store, settings),
        store,
        pool,
        secret=secret,
        remember_s=settings.auth.cache_hours * HOUR_S,
        grace_s=settings.passwords.grace_days * DAY_S,
        change_first=settings.passwords.change_first,
        throttle=throttle,
        ends_s=ServiceClock(store).ends_s,
    )


class SignInsStore(Protocol):
    """What tells whether a sign-in still holds."""

    def read_credential(self, account_id: AccountId) -> Credential | None: ...

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool: ...


def is_over(store: SignInsStore, granted: Granted, *, now_s: float) -> bool:
    """Suspended, deleted, another password, no longer a holder: what it opened must end."""
    whose = granted.account_id if granted.by_account is None else granted.by_account
    credential = store.read_credential(whose)
    if credential is None or credential.version != granted.version:
        return True
    if granted.by_account is None:
        return False
    mailbox = store.read_credential(granted.account_id)
    if mailbox is None or mailbox.state is not AccountState.ACTIVE:
        return True
    return not store.holds(granted.by_account, granted.account_id, now_s=now_s)
