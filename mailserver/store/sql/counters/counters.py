"""The `Counters` and `Collections` ports over tables that may be lost.

Recent log-ins, who was last seen where, what was collected, what each process reports.  Nothing
here may ever decide whether mail is kept: a fault is logged by nobody and
answered with "not known".
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from mailserver.peers.blocks import known_block_of
from mailserver.store.moments import SCRATCH, SKEW_S
from mailserver.store.ports.history import Collection
from mailserver.store.ports.shared.attempts import LogIn
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.shared.sending import SLOT_S
from mailserver.store.sql.bulk import insert
from mailserver.store.sql.counters import attempts, faults, repeats, sent
from mailserver.store.sql.dialect import Dialect
from mailserver.store.sql.engine import Parameters, Row
from mailserver.values.ids import AccountId, MailboxId, Uid

LONGEST_TURN_S: Final = 60.0  # of a block whose sign-ins are slowed
SEEN_AGAIN_S: Final = 300.0  # the same account at one door and peer is written once in that time
SEEN_MEMORY: Final = 10_000
LISTED_AGAIN_S: Final = 3600.0  # and once in that time counted in the account's history
SLIDE_FRACTION: Final = 24  # a remembered log-in is written again after this part of its lifetime

_OWN_SCHEMA = """
CREATE {lossy}TABLE IF NOT EXISTS sign_in (digest {blob} PRIMARY KEY, used_at_s {real} NOT NULL)
    {clustered};
CREATE {lossy}TABLE IF NOT EXISTS seen (
    account_id {integer} NOT NULL, door TEXT NOT NULL, peer TEXT NOT NULL, at_s {real} NOT NULL,
    PRIMARY KEY (account_id, door)) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS known_block (block TEXT PRIMARY KEY, at_s {real} NOT NULL)
    {clustered};
CREATE {lossy}TABLE IF NOT EXISTS report (source TEXT PRIMARY KEY, at_s {real} NOT NULL,
    figures TEXT NOT NULL) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS collected (
    mailbox_id {integer} NOT NULL, first_uid {integer} NOT NULL, last_uid {integer} NOT NULL,
    at_s {real} NOT NULL, door TEXT NOT NULL, peer TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, at_s, first_uid)) {clustered};
"""
SCHEMA: Final = _OWN_SCHEMA + sent.SCHEMA + faults.SCHEMA + repeats.SCHEMA + attempts.SCHEMA
_KEEP_SIGN_IN = """
    INSERT INTO sign_in (digest, used_at_s) VALUES (?, ?)
    ON CONFLICT (digest) DO UPDATE SET used_at_s = excluded.used_at_s"""
_NOTE_BLOCK = """
    INSERT INTO known_block (block, at_s) VALUES (?, ?)
    ON CONFLICT (block) DO UPDATE SET at_s = excluded.at_s"""
_NOTE_SEEN = """
    INSERT INTO seen (account_id, door, peer, at_s) VALUES (?, ?, ?, ?)
    ON CONFLICT (account_id, door) DO UPDATE SET peer = excluded.peer, at_s = excluded.at_s"""
_NOTE_COLLECTED = """
    INSERT INTO collected (mailbox_id, first_uid, last_uid, at_s, door, peer)
    {rows:integer integer integer real text text}
    ON CONFLICT (mailbox_id, at_s, first_uid) DO UPDATE SET last_uid = excluded.last_uid,
        door = excluded.door, peer = excluded.peer"""
_REPORT = """
    INSERT INTO report (source, at_s, figures) VALUES (?, ?, ?)
    ON CONFLICT (source) DO UPDATE SET at_s = excluded.at_s, figures = excluded.figures"""
_COLLECTED_NOW = """
    INSERT INTO collected (mailbox_id, first_uid, last_uid, at_s, door, peer)
    SELECT mailbox_id, first_uid, last_uid, CAST(? AS double precision), door, peer
    FROM collected WHERE at_s > ?
    ON CONFLICT DO NOTHING"""


class SqlCounters(ABC):
    """Safe to call from any thread, where `execute` is."""

    def __init__(self) -> None:
        self.sent = sent.SqlSent(self)
        self.faults = faults.SqlFaults(self.execute)
        self.repeats = repeats.SqlRepeats(self.execute)
        self._seen: OrderedDict[tuple[int, str, str, str], float] = OrderedDict()
        self._listed: OrderedDict[tuple[int, str, str, str], float] = OrderedDict()
        self.attempts = attempts.SqlAttempts(self.execute)
        self._bind_attempts(self.attempts)

    @property
    @abstractmethod
    def dialect(self) -> Dialect: ...

    @abstractmethod
    def execute(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Rows, or none when the tables do not answer: they are never worth an error."""

    def _bind_attempts(self, found: attempts.SqlAttempts) -> None:
        self.read_failures = found.read_failures
        self.count_failing = found.count_failing
        self.note_failure = found.note_failure
        self.clear_failures = found.clear_failures
        self.take_turn = found.take_turn
        self.reserve_failure = found.reserve_failure
        self.return_failure = found.return_failure
        self.name_key = found.name_key
        self.read_asked = found.read_asked
        self.note_asked = found.note_asked
        self.count_act = found.count_act
        self.read_act = found.read_act
        self.note_log_in = found.note_log_in
        self.log_ins = found.log_ins

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        rows = self.execute("SELECT used_at_s FROM sign_in WHERE digest = ?", (digest,))
        if not rows or not 0 <= now_s - rows[0][0] < lifetime_s:
            return False
        if now_s - rows[0][0] > lifetime_s / SLIDE_FRACTION:
            self.keep_sign_in(digest, now_s=now_s)
        return True

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None:
        self.execute(_KEEP_SIGN_IN, (digest, now_s))

    def forget_sign_ins(self, *, before_s: float) -> None:
        """Drop what has not been used since; called by the keeper."""
        self.execute("DELETE FROM sign_in WHERE used_at_s < ?", (before_s,))

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None:
        key = (account_id, seen.door, seen.peer, seen.by_whom)
        if not _is_news(self._seen, key, seen.at_s, SEEN_AGAIN_S):
            return
        if _is_news(self._listed, key, seen.at_s, LISTED_AGAIN_S):
            self.attempts.note_log_in(account_id, _as_log_in(seen))
            known = (known_block_of(seen.peer), seen.at_s)
            self.execute(_NOTE_BLOCK, known)
        parameters = (account_id, seen.door, seen.peer, seen.at_s)
        self.execute(_NOTE_SEEN, parameters)

    def knows_block(self, peer: str, *, since_s: float) -> bool:
        row = (known_block_of(peer), since_s)
        return bool(self.execute("SELECT 1 FROM known_block WHERE block = ? AND at_s >= ?", row))

    def last_seen(self, account_id: AccountId) -> tuple[LastSeen, ...]:
        rows = self.execute(
            "SELECT door, peer, at_s FROM seen WHERE account_id = ? ORDER BY at_s DESC",
            (account_id,),
        )
        return tuple(LastSeen(door=door, peer=peer, at_s=at_s) for door, peer, at_s in rows)

    def note_collected(
        self, mailbox_id: MailboxId, uids: Iterable[int], collection: Collection
    ) -> None:
        where = (collection.at_s, collection.door, collection.peer)
        rows = [(mailbox_id, first, last, *where) for first, last in ranges(uids)]
        insert(self, _NOTE_COLLECTED, rows)

    def collected(self, mailbox_id: MailboxId, uid: Uid) -> tuple[Collection, ...]:
        rows = self.execute(
            "SELECT at_s, door, peer FROM collected"
            " WHERE mailbox_id = ? AND first_uid <= ? AND last_uid >= ? ORDER BY at_s",
            (mailbox_id, uid, uid),
        )
        return tuple(Collection(at_s=at_s, door=door, peer=peer) for at_s, door, peer in rows)

    def forget_collected(self, *, before_s: float) -> None:
        """Drop what is older than the history; called by the keeper."""
        self.execute("DELETE FROM collected WHERE at_s < ?", (before_s,))
        self.execute("DELETE FROM known_block WHERE at_s < ?", (before_s,))

    def bound_moments(self, *, now_s: float) -> int:
        """Stamps that lie ahead become now; turns are over, and counts ahead are forgotten."""
        late_s = now_s + SKEW_S
        for table, columns in SCRATCH.items():
            for column in columns:
                if table == "sent":
                    self.execute("DELETE FROM sent WHERE slot > ?", (int(late_s // SLOT_S),))
                elif table == "turn":
                    self.execute("DELETE FROM turn WHERE next_at_s > ?", (late_s + LONGEST_TURN_S,))
                elif table == "collected":  # where it is a part of the key
                    self.execute(_COLLECTED_NOW, (now_s, late_s))
                    self.execute("DELETE FROM collected WHERE at_s > ?", (late_s,))
                else:
                    self.execute(
                        f"UPDATE {table} SET {column} = ? WHERE {column} > ?", (now_s, late_s)
                    )
        return 0

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        figures = json.dumps(values)
        self.execute(_REPORT, (source, now_s, figures))

    def read_reports(self) -> dict[str, tuple[float, dict[str, float]]]:
        rows = self.execute("SELECT source, at_s, figures FROM report", ())
        return {source: (at_s, _figures(figures)) for source, at_s, figures in rows}


def _is_news(
    memory: OrderedDict[tuple[int, str, str, str], float],
    key: tuple[int, str, str, str],
    at_s: float,
    again_s: float,
) -> bool:
    """Was it not written lately?  Then it is now, as far as the memory goes."""
    if 0 <= at_s - memory.get(key, -again_s) < again_s:
        return False
    memory[key] = at_s
    if len(memory) > SEEN_MEMORY:
        memory.popitem(last=False)
    return True


def _as_log_in(seen: LastSeen) -> LogIn:
    return LogIn(
        at_s=seen.at_s,
        last_at_s=seen.at_s,
        door=seen.door,
        peer=seen.peer,
        is_success=True,
        by_whom=seen.by_whom,
    )


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """`3, 1, 2, 7` as (1, 3), (7, 7)."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _figures(text: str) -> dict[str, float]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
