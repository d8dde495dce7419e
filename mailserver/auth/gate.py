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
from typing import Any, Protocol

from mailserver.auth.backend import (
    HOLDER_SIGN,
    CredentialBackend,
    open_backend,
    text_of_name,
    user_name_key,
)
from mailserver.auth.passwords import MAX_PASSWORD_OCTETS
from mailserver.auth.throttle import Admission, Caller, Throttle, caller_of, limits_of
from mailserver.peers.notices import Notices
from mailserver.settings.model import Settings
from mailserver.store.clock import ServiceClock
from mailserver.store.ports.accounts import AccountState, Credential, SignIn
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.shared.scratch import Scratch
from mailserver.store.ports.store import Store
from mailserver.telemetry.log import get_log
from mailserver.values.ids import AccountId, MailboxId
from mailserver.values.secret import Secret

HOUR_S = 3600.0
NAME_KEY_S = 60.0
"""How long the key of names is kept in memory."""
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
        notices: Notices | None = None,
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
        self._notices = notices  # None: every line is written
        self._name_key_octets, self._name_key_at_s = b"", float("-inf")
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
            caller = self._caller(user_name, sign_in, peer=peer, door=door)
            is_remembered = self._is_remembered(sign_in, password, caller)
            if sign_in is not None and is_remembered:
                return self._granted(sign_in)
            tried = self._admit(sign_in, password, caller)
            if tried is None:
                self._note("sign-in slowed", caller, say=self._log.warning)
                return Throttled()
        except StoreError as error:
            self._log.error("sign-in without store", door=door, peer=peer, exc_info=error)
            return Unavailable()
        if not self._pool.try_submit(lambda: on_done(self._decide(sign_in, password, tried))):
            self._withdraw(tried)
            self._note("hashing pool is full", caller, say=self._log.warning)
            return Unavailable()
        return None

    def close(self) -> None:
        self._pool.close()

    def _look_up(self, user_name: bytes) -> SignIn | None:
        if len(user_name) > MAX_USER_NAME_OCTETS:
            return None
        return self._backend.look_up(text_of_name(user_name))

    def _admit(
        self, sign_in: SignIn | None, password: Secret[bytes], caller: Caller
    ) -> Admission | None:
        """Counted before it is looked at; None: it must wait."""
        digest = self._digest(sign_in, password)[:_SHORT_OCTETS].hex()
        if self._throttle is None:
            return Admission(caller, digest, self._now_s())
        return self._throttle.admit(caller, digest=digest, now_s=self._now_s())

    def _withdraw(self, tried: Admission) -> None:
        if self._throttle is not None:
            self._throttle.withdraw(tried)

    def _note(
        self, event: str, caller: Caller, *, say: Callable[..., Any] | None = None, **facts: Any
    ) -> None:
        """What a peer can cause: so many lines for each block of addresses."""
        if self._notices is None or self._notices.allows(caller.peer):
            say = say or self._log.info
            say(event, door=caller.door, peer=caller.peer, who=caller.whose, **facts)

    def _decide(self, sign_in: SignIn | None, password: Secret[bytes], tried: Admission) -> Verdict:
        """In a thread of the pool: hash, compare, remember."""
        caller = tried.caller
        try:
            known = sign_in
            if len(password) > MAX_PASSWORD_OCTETS:
                # Too long for any password that was ever set: the work of a hash, then no.
                known, password = None, Secret(password.reveal()[:MAX_PASSWORD_OCTETS])
            if not self._backend.verify(known, password) or sign_in is None:
                self._note_denied(tried, why="wrong name or password")
                return Denied()
            if self._is_grace_over(sign_in, caller.door):
                why = "the first password was not changed in time"
                self._note_denied(tried, why=why)
                return FirstPasswordEnded()
            self._let_in(sign_in, password, tried)
            return self._granted(sign_in)
        except Exception as error:  # noqa: BLE001 - the top of the job
            self._log.error("sign-in failed", door=caller.door, peer=caller.peer, exc_info=error)
            self._withdraw(tried)
            return Unavailable()

    def _note_denied(self, tried: Admission, *, why: str) -> None:
        self._note("sign-in denied", tried.caller, why=why)
        if self._throttle is not None:
            self._throttle.denied(tried)

    def _let_in(self, sign_in: SignIn, password: Secret[bytes], tried: Admission) -> None:
        if self._throttle is not None:
            self._throttle.granted(tried)
        credential = sign_in.credential
        if credential.must_change and self._grace_s > 0 and credential.must_change_by_s is None:
            self._backend.begin_grace(sign_in, until_s=self._now_s() + self._grace_s)
        if self._remember_s > 0:
            digest = self._digest(sign_in, password, self._block(tried.caller))
            self._scratch.keep_sign_in(digest, now_s=self._now_s())

    def _is_grace_over(self, sign_in: SignIn, door: str) -> bool:
        credential = sign_in.credential
        if not credential.must_change or self._grace_s <= 0 or door == WEBMAIL:
            return False
        by_s = credential.must_change_by_s
        return by_s is not None and self._now_s() >= by_s and self._ends_s() >= by_s

    def _caller(self, user_name: bytes, sign_in: SignIn | None, *, peer: str, door: str) -> Caller:
        """The name is folded as a look-up folds it: all spellings of one count as one."""
        name = text_of_name(user_name[:MAX_USER_NAME_OCTETS])
        holder, _, mailbox = name.rpartition(HOLDER_SIGN)  # one password, whichever mailbox
        key = user_name_key(holder if holder and mailbox else name).encode("utf-8", "replace")
        digest = hmac.digest(self._name_key(), b"name:" + key, hashlib.sha256)
        who = "name:" + digest[:_SHORT_OCTETS].hex()
        return caller_of(sign_in, who=who, peer=peer, door=door)

    def _name_key(self) -> bytes:
        """As old as what is counted, so that a restart forgets nothing and containers agree."""
        now_s = self._now_s()
        if self._throttle is not None and not 0 <= now_s - self._name_key_at_s < NAME_KEY_S:
            self._name_key_octets = self._throttle.name_key()
            self._name_key_at_s = now_s
        return self._name_key_octets or self._secret.reveal()

    def _block(self, caller: Caller) -> str:
        return "" if self._throttle is None else self._throttle.block(caller.peer)

    def _is_remembered(
        self, sign_in: SignIn | None, password: Secret[bytes], caller: Caller
    ) -> bool:
        """Where it was let in before, and nowhere else.  A name that nobody has takes the same."""
        if self._remember_s <= 0:
            return False
        is_kept = self._scratch.recall_sign_in(
            self._digest(sign_in, password, self._block(caller)),
            now_s=self._now_s(),
            lifetime_s=self._remember_s,
        )
        if self._throttle and not self._throttle.may_recall(caller, now_s=self._now_s()):
            return False
        if sign_in is None or sign_in.credential.state is not AccountState.ACTIVE:
            return False
        return is_kept and not self._is_grace_over(sign_in, caller.door)

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

    def _digest(self, sign_in: SignIn | None, password: Secret[bytes], block: str = "") -> bytes:
        whose = (0, 0, 0)
        if sign_in is not None:
            credential = sign_in.credential
            whose = (credential.account_id, credential.version, sign_in.account_id)
        place = b"%s:" % block.encode("ascii") if block else b""
        message = b"%d:%d:%d:" % whose + place + password.reveal()
        return hmac.digest(self._secret.reveal(), message, hashlib.sha256)


def open_gate(
    store: Store,
    settings: Settings,
    secret: Secret[bytes],
    *,
    gateways: Collection[object] = (),
) -> Gate:
    """The gate over the store's own credentials, with the pool that the settings ask for.

    gateways: of this machine, besides those that the settings name.
    """
    cores = os.cpu_count() or 1
    pool = HashingPool(
        thread_count=settings.auth.hash_threads or cores, waiting_count=settings.auth.hash_queue
    )
    throttle = Throttle(
        store.counters,
        limits_of(settings.auth),
        gateways=frozenset([*gateways, *settings.connections.gateways]),
    )
    return Gate(
        open_backend(store, settings),
        store.counters,
        pool,
        secret=secret,
        remember_s=settings.auth.cache_hours * HOUR_S,
        grace_s=settings.passwords.grace_days * DAY_S,
        change_first=settings.passwords.change_first,
        throttle=throttle,
        notices=Notices(get_log("auth"), clock_s=time.monotonic),
        ends_s=ServiceClock(store.clock).ends_s,
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
