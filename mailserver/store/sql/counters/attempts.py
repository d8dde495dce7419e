"""The `Attempts` port over tables that may be lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from mailserver.peers.guessers import Asked
from mailserver.store.ports.shared.attempts import (
    KEPT_LOG_INS_COUNT,
    MERGED_WITHIN_S,
    NO_FAILURES,
    Failures,
    LogIn,
)
from mailserver.values.ids import AccountId

Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
MAX_DIGESTS_CHARACTERS = 1024
"""Of the last wrong passwords under one name; older ones count anew."""

SCHEMA = """
CREATE {lossy}TABLE IF NOT EXISTS failure (
    block TEXT NOT NULL, who TEXT NOT NULL, digests TEXT NOT NULL, count {integer} NOT NULL,
    last_at_s {real} NOT NULL, PRIMARY KEY (block, who)) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS turn (block TEXT PRIMARY KEY, next_at_s {real} NOT NULL)
    {clustered};
CREATE {lossy}TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value {blob} NOT NULL)
    {clustered};
CREATE {lossy}TABLE IF NOT EXISTS asked (block TEXT PRIMARY KEY, since_s {real} NOT NULL,
    unknown {integer} NOT NULL, accepted {integer} NOT NULL) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS act (key TEXT PRIMARY KEY, since_s {real} NOT NULL,
    count {integer} NOT NULL) {clustered};
CREATE {lossy}TABLE IF NOT EXISTS log_in (
    account_id {integer} NOT NULL, is_success {integer} NOT NULL, number {integer} NOT NULL,
    at_s {real} NOT NULL, last_at_s {real} NOT NULL, door TEXT NOT NULL, peer TEXT NOT NULL,
    by_whom TEXT NOT NULL, count {integer} NOT NULL,
    PRIMARY KEY (account_id, is_success, number)) {clustered};
"""
_READ = "SELECT count, last_at_s FROM failure WHERE block = ? AND who = ? AND last_at_s >= ?"
_FAILING = """
    SELECT count(*) FROM (SELECT 1 FROM failure WHERE block = ? AND last_at_s >= ? LIMIT ?)
        AS failing"""
# Digests are told apart by taking one out: hexadecimal, they stand in one another nowhere.
_IS_KNOWN = "replace(failure.digests, ?3, '') <> failure.digests"
_FAILED = f"""
    INSERT INTO failure (block, who, digests, count, last_at_s) VALUES (?1, ?2, ?3, 1, ?4)
    ON CONFLICT (block, who) DO UPDATE SET
        count = CASE WHEN failure.last_at_s < ?5 THEN 1 WHEN {_IS_KNOWN} THEN failure.count
            ELSE failure.count + 1 END,
        digests = CASE WHEN failure.last_at_s < ?5 THEN ?3 WHEN {_IS_KNOWN} THEN failure.digests
            ELSE substr(?3 || ' ' || failure.digests, 1, {MAX_DIGESTS_CHARACTERS}) END,
        last_at_s = CASE WHEN failure.last_at_s >= ?5 AND {_IS_KNOWN} THEN failure.last_at_s
            ELSE ?4 END"""
_RESERVE = f"""{_FAILED}
    WHERE failure.last_at_s < ?5 OR (failure.count = ?6 AND failure.last_at_s = ?7)
    RETURNING count"""
_RETURN = f"""
    UPDATE failure SET count = count - 1, digests = trim(replace(digests, ?3, '')),
        last_at_s = CASE WHEN last_at_s = ?4 THEN ?5 ELSE last_at_s END
    WHERE block = ?1 AND who = ?2 AND {_IS_KNOWN}"""
_RETURNED = "DELETE FROM failure WHERE block = ? AND who = ? AND count <= 0"
_MAKE_NAME_KEY = """
    INSERT INTO secret (name, value) VALUES ('names', ?) ON CONFLICT (name) DO NOTHING"""
_NAME_KEY = "SELECT value FROM secret WHERE name = 'names'"
_CLEAR = "DELETE FROM failure WHERE block = ? AND who = ?"
_TURN = """
    INSERT INTO turn (block, next_at_s) VALUES (?1, ?2)
    ON CONFLICT (block) DO UPDATE SET next_at_s = ?2 WHERE turn.next_at_s <= ?3 RETURNING 1"""
_ACT = """
    INSERT INTO act (key, since_s, count) VALUES (?1, ?2, 1)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN act.since_s < ?3 THEN 1 ELSE act.count + 1 END,
        since_s = CASE WHEN act.since_s < ?3 THEN ?2 ELSE act.since_s END
    RETURNING count"""
_READ_ACT = "SELECT count FROM act WHERE key = ? AND since_s >= ?"
_READ_ASKED = "SELECT unknown, accepted, since_s FROM asked WHERE block = ? AND since_s >= ?"
_IS_OPEN = "asked.since_s BETWEEN ?3 AND ?2"
_NOTE_ASKED = f"""
    INSERT INTO asked (block, since_s, unknown, accepted) VALUES (?1, ?2, ?4, ?5)
    ON CONFLICT (block) DO UPDATE SET
        unknown = CASE WHEN {_IS_OPEN} THEN asked.unknown ELSE 0 END + ?4,
        accepted = CASE WHEN {_IS_OPEN} THEN asked.accepted ELSE 0 END + ?5,
        since_s = CASE WHEN {_IS_OPEN} THEN asked.since_s ELSE ?2 END
    RETURNING unknown, accepted, since_s"""
_MERGE = """
    UPDATE log_in SET last_at_s = ?, count = count + 1
    WHERE account_id = ? AND is_success = ? AND door = ? AND peer = ? AND by_whom = ? AND at_s > ?
    RETURNING 1"""
_INSERT = """
    INSERT INTO log_in (account_id, is_success, number, at_s, last_at_s, door, peer, by_whom, count)
    SELECT ?1, ?2, 1 + coalesce(max(number), 0), ?3, ?3, ?4, ?5, ?6, 1
    FROM log_in WHERE account_id = ?1 AND is_success = ?2"""
_TRIM = """
    DELETE FROM log_in WHERE account_id = ?1 AND is_success = ?2 AND number <=
        (SELECT max(number) FROM log_in WHERE account_id = ?1 AND is_success = ?2) - ?3"""
_LOG_INS = """
    SELECT at_s, last_at_s, door, peer, is_success, by_whom, count FROM log_in
    WHERE account_id = ? ORDER BY last_at_s DESC, number DESC"""
_FORGET = (
    "DELETE FROM failure WHERE last_at_s < ?",
    "DELETE FROM turn WHERE next_at_s < ?",
    "DELETE FROM act WHERE since_s < ?",
    "DELETE FROM asked WHERE since_s < ?",
)


class SqlAttempts:
    """`run` answers with no rows where the scratch is not readable."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def read_failures(self, who: str, block: str, *, since_s: float) -> Failures:
        rows = self._run(_READ, (block, who, since_s))
        return Failures(*rows[0]) if rows else NO_FAILURES

    def count_failing(self, block: str, *, since_s: float, limit: int) -> int:
        rows = self._run(_FAILING, (block, since_s, limit))
        return int(rows[0][0]) if rows else 0

    def note_failure(
        self, counted: Sequence[tuple[str, str]], digest: str, *, now_s: float, since_s: float
    ) -> None:
        for block, who in counted:
            self._run(_FAILED, (block, who, digest, now_s, since_s))

    def reserve_failure(
        self, who: str, block: str, digest: str, *, seen: Failures, now_s: float, since_s: float
    ) -> int:
        row = (block, who, digest, now_s, since_s, seen.distinct_count, seen.last_at_s)
        rows = self._run(_RESERVE, row)
        return int(rows[0][0]) if rows else 0

    def return_failure(
        self, who: str, block: str, digest: str, *, seen: Failures, now_s: float
    ) -> None:
        self._run(_RETURN, (block, who, digest, now_s, seen.last_at_s))
        self._run(_RETURNED, (block, who))

    def name_key(self) -> bytes:
        if not (rows := self._run(_NAME_KEY, ())):
            self._run(_MAKE_NAME_KEY, (os.urandom(32),))
            rows = self._run(_NAME_KEY, ())
        return bytes(rows[0][0]) if rows else b""

    def clear_failures(self, who: str, block: str) -> None:
        self._run(_CLEAR, (block, who))

    def take_turn(self, block: str, *, now_s: float, pause_s: float) -> bool:
        return bool(self._run(_TURN, (block, now_s + pause_s, now_s)))

    def count_act(self, key: str, *, now_s: float, window_s: float) -> int:
        rows = self._run(_ACT, (key, now_s, now_s - window_s))
        return int(rows[0][0]) if rows else 1

    def read_act(self, key: str, *, now_s: float, window_s: float) -> int:
        rows = self._run(_READ_ACT, (key, now_s - window_s))
        return int(rows[0][0]) if rows else 0

    def read_asked(self, block: str, *, since_s: float) -> Asked:
        rows = self._run(_READ_ASKED, (block, since_s))
        return Asked(*rows[0]) if rows else Asked()

    def note_asked(
        self, block: str, *, unknown: int, accepted: int, now_s: float, since_s: float
    ) -> Asked:
        rows = self._run(_NOTE_ASKED, (block, now_s, since_s, unknown, accepted))
        return Asked(*rows[0]) if rows else Asked()

    def note_log_in(self, account_id: AccountId, log_in: LogIn) -> None:
        which = (account_id, int(log_in.is_success))
        where = (log_in.door, log_in.peer, log_in.by_whom)
        at_s = log_in.at_s
        if self._run(_MERGE, (at_s, *which, *where, at_s - MERGED_WITHIN_S)):
            return
        self._run(_INSERT, (*which, at_s, *where))
        self._run(_TRIM, (*which, KEPT_LOG_INS_COUNT))

    def log_ins(self, account_id: AccountId) -> tuple[LogIn, ...]:
        return tuple(
            LogIn(
                at_s=at_s,
                last_at_s=last_at_s,
                door=door,
                peer=peer,
                is_success=bool(is_success),
                by_whom=by_whom,
                count=count,
            )
            for at_s, last_at_s, door, peer, is_success, by_whom, count in self._run(
                _LOG_INS, (account_id,)
            )
        )

    def forget(self, *, before_s: float) -> None:
        """Drop what throttles no longer count; called by the keeper."""
        for statement in _FORGET:
            self._run(statement, (before_s,))
