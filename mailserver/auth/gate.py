"""The one gate: every door asks here whether a name and a password go together.

A log-in that succeeded lately is recognised without a hash: the keyed digest
of account, credential version and password is remembered in the store's
scratch, under a secret that only the memory of running processes holds.  The
version is read at each log-in, so a change of password or a suspension ends
every remembered log-in at once.

All refusals are one answer and cost the same work: nobody learns whether a
name exists.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from mailserver.auth.backend import CredentialBackend, StoreBackend
from mailserver.auth.passwords import MAX_PASSWORD_OCTETS
from mailserver.settings.model import Settings
from mailserver.store.ports import AccountState, Scratch, SignIn, Store, StoreError
from mailserver.telemetry.log import get_log
from mailserver.values.ids import AccountId, MailboxId
from mailserver.values.secret import Secret

HOUR_S = 3600.0
MAX_USER_NAME_OCTETS = 320  # RFC 5321 §4.5.3.1: 64 of local part, "@", 255 of domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The person is who they say."""

    account_id: AccountId
    identifier: str
    inbox_id: MailboxId
    must_change: bool
    version: int  # of the credential that fitted: a later one ends what this one opened


@dataclass(frozen=True, slots=True)
class Denied:
    """Unknown, wrong, suspended or without a password: the peer hears one answer for all."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """We cannot tell now: too many hashes wait, or the store does not answer."""


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
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """remember_s: a log-in is remembered this long after its last use; 0: never."""
        self._backend = backend
        self._scratch = scratch
        self._pool = pool
        self._secret = secret
        self._remember_s = remember_s
        self._now_s = now_s
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
            if sign_in is not None and self._is_remembered(sign_in, password):
                return _granted(sign_in)
        except StoreError as error:
            self._log.error("sign-in without store", door=door, peer=peer, exc_info=error)
            return Unavailable()
        if not self._pool.try_submit(
            lambda: on_done(self._decide(sign_in, password, peer=peer, door=door))
        ):
            self._log.warning("hashing pool is full", door=door, peer=peer)
            return Unavailable()
        return None

    def close(self) -> None:
        self._pool.close()

    def _look_up(self, user_name: bytes) -> SignIn | None:
        if len(user_name) > MAX_USER_NAME_OCTETS:
            return None
        try:
            text = user_name.decode("utf-8")
        except UnicodeDecodeError:
            text = user_name.decode("latin-1")
        return self._backend.look_up(text)

    def _decide(
        self, sign_in: SignIn | None, password: Secret[bytes], *, peer: str, door: str
    ) -> Verdict:
        """In a thread of the pool: hash, compare, remember."""
        try:
            known = sign_in
            if len(password) > MAX_PASSWORD_OCTETS:
                # Too long for any password that was ever set: the work of a hash, then no.
                known, password = None, Secret(password.reveal()[:MAX_PASSWORD_OCTETS])
            if not self._backend.verify(known, password) or sign_in is None:
                self._log.info("sign-in denied", door=door, peer=peer)
                return Denied()
            if self._remember_s > 0:
                digest = self._digest(sign_in, password)
                self._scratch.keep_sign_in(digest, now_s=self._now_s())
            return _granted(sign_in)
        except Exception as error:  # noqa: BLE001 - the top of the job
            self._log.error("sign-in failed", door=door, peer=peer, exc_info=error)
            return Unavailable()

    def _is_remembered(self, sign_in: SignIn, password: Secret[bytes]) -> bool:
        if self._remember_s <= 0 or sign_in.credential.state is not AccountState.ACTIVE:
            return False
        return self._scratch.recall_sign_in(
            self._digest(sign_in, password), now_s=self._now_s(), lifetime_s=self._remember_s
        )

    def _digest(self, sign_in: SignIn, password: Secret[bytes]) -> bytes:
        credential = sign_in.credential
        message = b"%d:%d:" % (credential.account_id, credential.version) + password.reveal()
        return hmac.digest(self._secret.reveal(), message, hashlib.sha256)


def open_gate(store: Store, settings: Settings, secret: Secret[bytes]) -> Gate:
    """The gate over the store's own credentials, with the pool that the settings ask for."""
    cores = os.cpu_count() or 1
    pool = HashingPool(
        thread_count=settings.auth.hash_threads or cores, waiting_count=settings.auth.hash_queue
    )
    return Gate(
        StoreBackend(store),
        store,
        pool,
        secret=secret,
        remember_s=settings.auth.cache_hours * HOUR_S,
    )


def _granted(sign_in: SignIn) -> Granted:
    return Granted(
        account_id=sign_in.account_id,
        identifier=sign_in.identifier,
        inbox_id=sign_in.inbox_id,
        must_change=sign_in.credential.must_change,
        version=sign_in.credential.version,
    )
