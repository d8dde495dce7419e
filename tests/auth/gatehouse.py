"""A gate over one person in memory: no store, no thread, no hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from mailserver.auth.gate import Gate, HashingPool, Verdict
from mailserver.auth.passwords import MAX_PASSWORD_OCTETS
from mailserver.auth.throttle import Admission, Caller, Throttle
from mailserver.peers.notices import Notices
from mailserver.store.ports.accounts import AccountState, Credential, SignIn
from mailserver.store.ports.shared.scratch import Scratch
from mailserver.values.ids import AccountId, MailboxId
from mailserver.values.secret import Secret

NOW_S = 1_800_000_000.0
RIGHT = b"correct horse"


def sign_in(
    *,
    account: int = 1,
    version: int = 7,
    state: AccountState = AccountState.ACTIVE,
    must_change: bool = False,
    by_s: float | None = None,
    mailbox: int | None = None,
) -> SignIn:
    return SignIn(
        account_id=AccountId(mailbox or account),
        identifier="fmarot",
        inbox_id=MailboxId(mailbox or account),
        credential=Credential(
            account_id=AccountId(account),
            version=version,
            state=state,
            verifier="v",
            must_change=must_change,
            must_change_by_s=by_s,
        ),
        by_whom="fmarot" if mailbox else "",
    )


class People:
    """One person, and how often a password was compared."""

    def __init__(self, known: SignIn | None) -> None:
        self.known = known
        self.hashes = 0
        self.asked: list[str] = []
        self.graces: list[float] = []
        self.fault: Exception | None = None

    def look_up(self, user_name: str) -> SignIn | None:
        self.asked.append(user_name)
        return self.known

    def verify(self, known: SignIn | None, password: Secret[bytes]) -> bool:
        self.hashes += 1
        if self.fault is not None:
            raise self.fault
        assert len(password.reveal()) <= MAX_PASSWORD_OCTETS
        return known is not None and password.reveal() in (RIGHT, b"x" * MAX_PASSWORD_OCTETS)

    def begin_grace(self, sign_in: SignIn, *, until_s: float) -> None:
        self.graces.append(until_s)

    def set_password(
        self, account_id: AccountId, password: Secret[str], *, must_change: bool
    ) -> None:
        raise NotImplementedError

    def set_numen(self, account_id: AccountId, numen: str) -> None:
        raise NotImplementedError


class Memory:
    """What was kept, and when."""

    def __init__(self) -> None:
        self.kept: dict[bytes, float] = {}

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        return now_s - self.kept.get(digest, float("-inf")) < lifetime_s

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None:
        self.kept[digest] = now_s


class AtOnce:
    """A pool that does a job when it is given one, or has no place."""

    is_full = False

    def try_submit(self, job: Callable[[], None]) -> bool:
        if not self.is_full:
            job()
        return not self.is_full


class Watchman:
    """Stands for the throttle: says what it was told to, and writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.callers: list[Caller] = []
        self.is_shut = self.forbids_recall = False
        self.key = b"key"

    def admit(self, caller: Caller, *, digest: str, now_s: float) -> Admission | None:
        self.callers.append(caller)
        return None if self.is_shut else Admission(caller, digest, now_s)

    def withdraw(self, tried: Admission) -> None:
        self.heard.append("withdraw")

    def denied(self, tried: Admission) -> None:
        self.heard.append("denied")

    def granted(self, tried: Admission) -> None:
        self.heard.append("granted")

    def may_recall(self, caller: Caller, *, now_s: float) -> bool:
        return not self.forbids_recall

    def block(self, peer: str) -> str:
        return peer

    def name_key(self) -> bytes:
        self.heard.append("key")
        return self.key


class House:
    """A gate over all of them."""

    def __init__(
        self,
        known: SignIn | None,
        *,
        grace_s: float = 0.0,
        throttle: Watchman | None = None,
        notices: Notices | None = None,
        remember_s: float = 100.0,
    ) -> None:
        self.people, self.memory, self.pool = People(known), Memory(), AtOnce()
        self.now_s = self.ends_s = NOW_S
        self.gate = Gate(
            self.people,
            cast("Scratch", self.memory),
            cast("HashingPool", self.pool),
            secret=Secret(b"s" * 32),
            remember_s=remember_s,
            grace_s=grace_s,
            throttle=cast("Throttle | None", throttle),
            notices=notices,
            now_s=lambda: self.now_s,
            ends_s=lambda: self.ends_s,
        )

    def ask(
        self,
        password: bytes = RIGHT,
        *,
        name: bytes = b"fmarot",
        door: str = "pop3",
        peer: str = "p",
    ) -> Verdict:
        told: list[Verdict] = []
        verdict = self.gate.authenticate(
            name, Secret(password), peer=peer, door=door, on_done=told.append
        )
        assert len(told) == (verdict is None)
        return told[0] if verdict is None else verdict

    def at(self, moment_s: float) -> House:
        self.now_s = self.ends_s = moment_s
        return self
