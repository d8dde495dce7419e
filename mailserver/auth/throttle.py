"""Who must wait before a password is even looked at.  A core over counters that processes share.

    counted                                      free    then
    one name from one block                      5       1 s, 2 s, 4 s ... 15 min
    the same where it signed in lately           50      the same
    one name from anywhere, where it did not     50      the same
    different names from one block               50      one sign-in at a time, 1 s ... 60 s apart;
                                                         names that signed in there lately: at once

A try counts from the moment it is admitted, in one step for all processes, and is taken back when
the password was right: of many tries at one instant no more are looked at than the table says.

Only *different* wrong passwords count: a program that tries the same wrong one
every minute counts once, and is let in the moment it is corrected.  Counts end
an hour after the last new one.  Where addresses do not say who connects (a
gateway's, a trusted network's), only names are counted.

Who must wait is answered as "temporary", without a hash: a mail program then
keeps the password and tries later, where a denial would make it ask for
another one.  Names that nobody has wait likewise, after the same reads and
writes, so nothing is told by it.  That is why names are counted as they were
typed, not accounts: an identifier that waits for what was tried under an
address would tell that both are somebody's.  (Accounts are counted too, for the
eyes of administrators; nothing is decided by it.)
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from mailserver.peers.blocks import block_of
from mailserver.settings.model import AuthSettings, Network
from mailserver.store.ports.accounts import SignIn
from mailserver.store.ports.shared.attempts import Attempts, Failures, LogIn
from mailserver.values.ids import AccountId
from mailserver.values.ip import parse_ip

ANYWHERE = ""
"""The block that stands for all addresses together: of accounts, for administrators."""
BY_NAME = "*"
"""The same of names, which decides."""
RECALL_PAUSE_S = 10.0
"""While a name waits in its own block, a remembered log-in is looked for so often and no more."""
MOST_TURNS = 100
"""Of one try to be reserved; each time another try was faster."""
WINDOW_S = 3600.0
LONGEST_WAIT_S = 900.0
LONGEST_PAUSE_S = 60.0
KNOWN_FACTOR = 10  # free failures of a name where it signed in lately, and from anywhere
NAMES_TO_DOUBLE = 10  # this many more failing names double a block's pause
DAY_S = 86_400.0
NOBODY = AccountId(0)
"""The account of names that nobody has: its log-ins are noted and read like anybody's."""
REMEMBERED_S = 60.0
REMEMBERED_COUNT = 4096
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleLimits:
    free_count: int
    block_count: int
    ipv4_bits: int
    ipv6_bits: int
    known_s: float
    trusted: tuple[Network, ...]


def limits_of(auth: AuthSettings) -> ThrottleLimits:
    return ThrottleLimits(
        free_count=auth.free_failures,
        block_count=auth.block_accounts,
        ipv4_bits=auth.block_ipv4_bits,
        ipv6_bits=auth.block_ipv6_bits,
        known_s=auth.known_days * DAY_S,
        trusted=auth.trusted_networks,
    )


def wait_s(distinct_count: int, free_count: int) -> float:
    """How long after the last new wrong password the next sign-in is looked at."""
    over = distinct_count - free_count
    return 0.0 if over < 0 else float(min(2.0 ** min(over, _MOST_DOUBLINGS), LONGEST_WAIT_S))


def pause_s(failing_count: int, free_count: int) -> float:
    """How far apart a block's sign-ins are looked at; 0: not slowed."""
    over = failing_count - free_count
    doublings = min(over / NAMES_TO_DOUBLE, _MOST_DOUBLINGS)
    return 0.0 if over <= 0 else float(min(2.0**doublings, LONGEST_PAUSE_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who tries to sign in, where.  who: the name that was typed, as a keyed digest.

    whose: the account whose password it is; for a name that nobody has, the name again.
    account_id: whose mailbox it is, for its list of log-ins; `NOBODY`: the name is nobody's.
    """

    who: str
    whose: str
    account_id: AccountId
    by_whom: str
    peer: str
    door: str


@dataclass(frozen=True, slots=True)
class Admission:
    """A try that was let in, and counts: in which places, and what stood there before."""

    caller: Caller
    digest: str
    at_s: float
    places: list[tuple[str, Failures]] = field(default_factory=list)


def _waits(failures: Failures, free_count: int, now_s: float) -> bool:
    age_s = now_s - failures.last_at_s
    return 0 <= age_s < wait_s(failures.distinct_count, free_count)


def caller_of(sign_in: SignIn | None, *, who: str, peer: str, door: str) -> Caller:
    if sign_in is None:
        return Caller(who=who, whose=who, account_id=NOBODY, by_whom="", peer=peer, door=door)
    return Caller(
        who=who,
        whose=f"account:{sign_in.credential.account_id}",
        account_id=sign_in.account_id,
        by_whom=sign_in.by_whom,
        peer=peer,
        door=door,
    )


class Throttle:
    """One per process."""

    def __init__(
        self,
        attempts: Attempts,
        limits: ThrottleLimits,
        *,
        addresses_say_who: Callable[[], bool] = lambda: True,
        gateways: Collection[object] = (),
    ) -> None:
        """gateways: addresses of this machine's own network that may stand for anybody."""
        self._attempts = attempts
        self._limits = limits
        self._addresses_say_who = addresses_say_who
        self._gateways = gateways
        self._known: OrderedDict[tuple[AccountId, str, str], tuple[bool, float]] = OrderedDict()
        self._lock = threading.Lock()  # doors ask on their loop, the pool's threads tell

    def must_wait(self, caller: Caller, *, now_s: float) -> bool:
        """A few reads; a turn is taken in a block that is slowed."""
        block = self.block(caller.peer)
        is_known = self._is_known(caller, block, now_s)
        for place, free_count in self._places(block, is_known=is_known):
            if _waits(self._read(caller.who, place, now_s), free_count, now_s):
                return True
        return bool(block) and not is_known and self._must_take_turns(block, now_s)

    def may_recall(self, caller: Caller, *, now_s: float) -> bool:
        """May a remembered log-in be taken for the password?

        Not while the name waits here: whoever guesses would get any number of answers.  But
        now and then, or anybody in a school could lock their neighbours out.
        """
        block = self.block(caller.peer)
        place, free_count = self._places(block, is_known=bool(block))[0]
        if not _waits(self._read(caller.who, place, now_s), free_count, now_s):
            return True
        if not block:
            return False
        turn = f"recall {block} {caller.who}"
        return self._attempts.take_turn(turn, now_s=now_s, pause_s=RECALL_PAUSE_S)

    def admit(self, caller: Caller, *, digest: str, now_s: float) -> Admission | None:
        """None: it must wait.  Else the try counts as failed, until it is told otherwise.

        digest: of the password.
        """
        block = self.block(caller.peer)
        is_known = self._is_known(caller, block, now_s)
        if block and not is_known and self._must_take_turns(block, now_s):
            return None
        admission = Admission(caller, digest, now_s)
        for place, free_count in self._places(block, is_known=is_known):
            if not self._reserve(admission, place, free_count):
                self.withdraw(admission)
                return None
        return admission

    def withdraw(self, admission: Admission) -> None:
        """It was not looked at."""
        for place, seen in admission.places:
            self._attempts.return_failure(
                admission.caller.who,
                place,
                admission.digest,
                seen=seen,
                now_s=admission.at_s,
            )

    def denied(self, admission: Admission) -> None:
        """The password was wrong: it stays counted."""
        caller, now_s = admission.caller, admission.at_s
        counted = [(ANYWHERE, caller.whose)]
        digest = admission.digest
        self._attempts.note_failure(counted, digest, now_s=now_s, since_s=now_s - WINDOW_S)
        self._note(caller, now_s)

    def granted(self, admission: Admission) -> None:
        """The password was right."""
        self.withdraw(admission)
        self.succeeded(admission.caller)

    def name_key(self) -> bytes:
        return self._attempts.name_key()

    def _places(self, block: str, *, is_known: bool) -> list[tuple[str, int]]:
        """Where a name is counted, and how many tries are free there."""
        many = self._limits.free_count * KNOWN_FACTOR
        if is_known:
            return [(block, many)]
        by_name = (BY_NAME, many)
        return [(block, self._limits.free_count), by_name] if block else [by_name]

    def _reserve(self, admission: Admission, place: str, free_count: int) -> bool:
        """False: the name must wait."""
        who, now_s = admission.caller.who, admission.at_s
        for _ in range(MOST_TURNS):
            seen = self._read(who, place, now_s)
            if _waits(seen, free_count, now_s):
                return False
            count = self._attempts.reserve_failure(
                who, place, admission.digest, seen=seen, now_s=now_s, since_s=now_s - WINDOW_S
            )
            if count and count != seen.distinct_count:  # this password was not counted before
                admission.places.append((place, seen))
            if count or self._read(who, place, now_s) == seen:  # else another try was faster
                return True
        return False

    def _read(self, who: str, place: str, now_s: float) -> Failures:
        return self._attempts.read_failures(who, place, since_s=now_s - WINDOW_S)

    def failed(self, caller: Caller, *, digest: str, now_s: float) -> None:
        """A try that nobody has reserved.  digest: of the wrong password."""
        block = self.block(caller.peer)
        is_known = self._is_known(caller, block, now_s)
        counted = [(place, caller.who) for place, _ in self._places(block, is_known=is_known)]
        counted.append((ANYWHERE, caller.whose))
        self._attempts.note_failure(counted, digest, now_s=now_s, since_s=now_s - WINDOW_S)
        self._note(caller, now_s)

    def succeeded(self, caller: Caller) -> None:
        """After a hash; the door notes the log-in, and what is remembered costs nothing here."""
        block = self.block(caller.peer)
        if block:
            self._attempts.clear_failures(caller.who, block)
            with self._lock:  # it is known now: look again
                self._known.pop((caller.account_id, caller.by_whom, block), None)

    def _note(self, caller: Caller, now_s: float) -> None:
        log_in = LogIn(
            at_s=now_s,
            last_at_s=now_s,
            door=caller.door,
            peer=caller.peer,
            is_success=False,
            by_whom=caller.by_whom,
        )
        self._attempts.note_log_in(caller.account_id, log_in)

    def _must_take_turns(self, block: str, now_s: float) -> bool:
        limit = self._limits.block_count
        most = limit + NAMES_TO_DOUBLE * 6
        failing = self._attempts.count_failing(block, since_s=now_s - WINDOW_S, limit=most)
        pause = pause_s(failing, limit)
        return pause > 0 and not self._attempts.take_turn(block, now_s=now_s, pause_s=pause)

    def _is_known(self, caller: Caller, block: str, now_s: float) -> bool:
        """Did this person sign in to this account from there lately?

        Remembered for a minute: an account with a long list of log-ins would else answer
        later than a name that nobody has, each time.
        """
        if not block:
            return False
        key = (caller.account_id, caller.by_whom, block)
        with self._lock:
            is_known, until_s = self._known.get(key, (False, 0.0))
        if now_s < until_s <= now_s + REMEMBERED_S:
            return is_known
        is_known = any(
            one.is_success
            and one.by_whom == caller.by_whom
            and 0 <= now_s - one.last_at_s < self._limits.known_s
            and self.block(one.peer) == block
            for one in self._attempts.log_ins(caller.account_id)
        )
        self._remember(key, is_known=is_known, until_s=now_s + REMEMBERED_S)
        return is_known

    def _remember(self, key: tuple[AccountId, str, str], *, is_known: bool, until_s: float) -> None:
        with self._lock:
            self._known[key] = (is_known, until_s)
            self._known.move_to_end(key)
            if len(self._known) > REMEMBERED_COUNT:
                self._known.popitem(last=False)

    def block(self, peer: str) -> str:
        """The block to count by; empty where the address does not say who connects."""
        block = block_of(peer, self._limits.ipv4_bits, self._limits.ipv6_bits) if peer else ""
        if not block or not self._addresses_say_who():
            return ANYWHERE
        if not self._limits.trusted and not self._gateways:
            return block
        address = parse_ip(peer)
        is_nobodys = address in self._gateways or any(
            address in network for network in self._limits.trusted
        )
        return ANYWHERE if is_nobodys else block


def account_waits_until_s(
    attempts: Attempts, account_id: AccountId, limits: ThrottleLimits, *, now_s: float
) -> float:
    """Until when one account waits for what was tried from anywhere; a past moment: it does not."""
    whose, free_count = f"account:{account_id}", limits.free_count * KNOWN_FACTOR
    failures = attempts.read_failures(whose, ANYWHERE, since_s=now_s - WINDOW_S)
    pause = wait_s(failures.distinct_count, free_count)
    return min(failures.last_at_s, now_s) + pause if pause else 0.0
