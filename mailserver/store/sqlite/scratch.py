"""What need not survive a power cut, in a database of its own.

Recent log-ins, who was last seen where, what was collected, what each process reports.  No fsync
(`synchronous=OFF`), so a power cut may leave it unreadable; then it is made
anew.  Nothing here may ever decide whether mail is kept: a fault is logged by
nobody and answered with "not known".
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

from mailserver.peers.blocks import known_block_of
from mailserver.store.files.private import make_private_file, open_private
from mailserver.store.moments import SCRATCH, SKEW_S
from mailserver.store.ports.history import Collection
from mailserver.store.ports.shared.attempts import LogIn
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.shared.sending import SLOT_S
from mailserver.store.sqlite import faults, repeats, sent
from mailserver.store.sqlite.attempts import SCHEMA as ATTEMPTS_SCHEMA
from mailserver.store.sqlite.attempts import SqliteAttempts
from mailserver.store.sqlite.engine import is_full
from mailserver.store.sqlite.log_index import allocate_index
from mailserver.values.ids import AccountId, MailboxId, Uid

BUSY_MS = 100
LONGEST_TURN_S = 60.0  # of a block whose sign-ins are slowed
SEEN_AGAIN_S = 300.0  # the same account at the same door and peer is written once in that time
SEEN_MEMORY = 10_000
LISTED_AGAIN_S = 3600.0  # and once in that time counted in the account's history
ROWS_AT_ONCE = 1_000
SLIDE_FRACTION = 24  # a remembered log-in is written again after this part of its lifetime
_UNREADABLE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sign_in (digest BLOB PRIMARY KEY, used_at_s REAL NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    account_id INTEGER NOT NULL, door TEXT NOT NULL, peer TEXT NOT NULL, at_s REAL NOT NULL,
    PRIMARY KEY (account_id, door)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known_block (block TEXT PRIMARY KEY, at_s REAL NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS report (source TEXT PRIMARY KEY, at_s REAL NOT NULL,
    figures TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collected (
    mailbox_id INTEGER NOT NULL, first_uid INTEGER NOT NULL, last_uid INTEGER NOT NULL,
    at_s REAL NOT NULL, door TEXT NOT NULL, peer TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, at_s, first_uid)) STRICT, WITHOUT ROWID;
"""


class SqliteScratch:
    """The `Counters` and `Collections` ports.  Safe to call from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._local = threading.local()
        self._opened: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._guard = threading.Lock()
        self.sent = sent.SqliteSent(self._run)
        self.faults = faults.SqliteFaults(self._run)
        self.repeats = repeats.SqliteRepeats(self._run)
        self._seen: OrderedDict[tuple[int, str, str, str], float] = OrderedDict()
        self._listed: OrderedDict[tuple[int, str, str, str], float] = OrderedDict()
        self.attempts = SqliteAttempts(self._run)
        self._bind_attempts(self.attempts)

    def _bind_attempts(self, attempts: SqliteAttempts) -> None:
        self.read_failures = attempts.read_failures
        self.count_failing = attempts.count_failing
        self.note_failure = attempts.note_failure
        self.clear_failures = attempts.clear_failures
        self.take_turn = attempts.take_turn
        self.reserve_failure = attempts.reserve_failure
        self.return_failure = attempts.return_failure
        self.name_key = attempts.name_key
        self.read_asked = attempts.read_asked
        self.note_asked = attempts.note_asked
        self.count_act = attempts.count_act
        self.read_act = attempts.read_act
        self.note_log_in = attempts.note_log_in
        self.log_ins = attempts.log_ins

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        rows = self._run("SELECT used_at_s FROM sign_in WHERE digest = ?", (digest,))
        if not rows or not 0 <= now_s - rows[0][0] < lifetime_s:
            return False
        if now_s - rows[0][0] > lifetime_s / SLIDE_FRACTION:
            self.keep_sign_in(digest, now_s=now_s)
        return True

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None:
        self._run("INSERT OR REPLACE INTO sign_in VALUES (?, ?)", (digest, now_s))

    def forget_sign_ins(self, *, before_s: float) -> None:
        """Drop what has not been used since; called by the keeper."""
        self._run("DELETE FROM sign_in WHERE used_at_s < ?", (before_s,))

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None:
        key = (account_id, seen.door, seen.peer, seen.by_whom)
        if not _is_news(self._seen, key, seen.at_s, SEEN_AGAIN_S):
            return
        if _is_news(self._listed, key, seen.at_s, LISTED_AGAIN_S):
            self.attempts.note_log_in(account_id, _as_log_in(seen))
            known = (known_block_of(seen.peer), seen.at_s)
            self._run("INSERT OR REPLACE INTO known_block VALUES (?, ?)", known)
        parameters = (account_id, seen.door, seen.peer, seen.at_s)
        self._run("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", parameters)

    def knows_block(self, peer: str, *, since_s: float) -> bool:
        row = (known_block_of(peer), since_s)
        return bool(self._run("SELECT 1 FROM known_block WHERE block = ? AND at_s >= ?", row))

    def last_seen(self, account_id: AccountId) -> tuple[LastSeen, ...]:
        rows = self._run(
            "SELECT door, peer, at_s FROM seen WHERE account_id = ? ORDER BY at_s DESC",
            (account_id,),
        )
        return tuple(LastSeen(door=door, peer=peer, at_s=at_s) for door, peer, at_s in rows)

    def note_collected(
        self, mailbox_id: MailboxId, uids: Iterable[int], collection: Collection
    ) -> None:
        where = (collection.at_s, collection.door, collection.peer)
        rows = [(mailbox_id, first, last, *where) for first, last in ranges(uids)]
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            marks = ",".join(["(?, ?, ?, ?, ?, ?)"] * len(part))
            statement = f"INSERT OR REPLACE INTO collected VALUES {marks}"
            self._run(statement, list(chain.from_iterable(part)))

    def collected(self, mailbox_id: MailboxId, uid: Uid) -> tuple[Collection, ...]:
        rows = self._run(
            "SELECT at_s, door, peer FROM collected"
            " WHERE mailbox_id = ? AND first_uid <= ? AND last_uid >= ? ORDER BY at_s",
            (mailbox_id, uid, uid),
        )
        return tuple(Collection(at_s=at_s, door=door, peer=peer) for at_s, door, peer in rows)

    def forget_collected(self, *, before_s: float) -> None:
        """Drop what is older than the history; called by the keeper."""
        self._run("DELETE FROM collected WHERE at_s < ?", (before_s,))
        self._run("DELETE FROM known_block WHERE at_s < ?", (before_s,))

    def bound_moments(self, *, now_s: float) -> int:
        """Stamps that lie ahead become now; turns are over, and counts ahead are forgotten."""
        late_s = now_s + SKEW_S
        for table, columns in SCRATCH.items():
            for column in columns:
                if table == "sent":
                    self._run("DELETE FROM sent WHERE slot > ?", (int(late_s // SLOT_S),))
                elif table == "turn":
                    self._run("DELETE FROM turn WHERE next_at_s > ?", (late_s + LONGEST_TURN_S,))
                else:
                    self._run(
                        f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} > ?",
                        (now_s, late_s),
                    )
        return 0

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        figures = json.dumps(values)
        self._run("INSERT OR REPLACE INTO report VALUES (?, ?, ?)", (source, now_s, figures))

    def read_reports(self) -> dict[str, tuple[float, dict[str, float]]]:
        rows = self._run("SELECT source, at_s, figures FROM report", ())
        return {source: (at_s, _figures(figures)) for source, at_s, figures in rows}

    def close(self) -> None:
        with self._guard:
            opened = list(self._opened)
        for connection in opened:
            connection.close()

    def _run(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows, or none when the scratch does not answer: it is never worth an error."""
        try:
            return self._connection().execute(statement, parameters).fetchall()
        except apsw.Error as error:
            # Else it is busy, full, closed, or it cannot be opened.
            if isinstance(error, _UNREADABLE) and not is_full(
                error, getattr(self._local, "connection", None)
            ):
                self._start_anew()
        return []

    def _connection(self) -> apsw.Connection:
        try:
            connection: apsw.Connection = self._local.connection
        except AttributeError:
            connection = self._local.connection = self._open()
        return connection

    def _open(self) -> apsw.Connection:
        with suppress(OSError):  # SQLite says what is wrong
            make_private_file(self._path)
        connection = apsw.Connection(self._path)
        self._local.inode = _inode(self._path)
        connection.set_busy_timeout(BUSY_MS)
        connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1024")
        connection.execute(_SCHEMA + sent.SCHEMA + faults.SCHEMA + repeats.SCHEMA)
        connection.execute(ATTEMPTS_SCHEMA)
        allocate_index(self._path)
        with self._guard:
            self._opened.add(connection)
        return connection

    def _start_anew(self) -> None:
        """Move the unreadable files away, unless another process has done so already.

        Who has them open goes on with them until he fails, and then opens the new ones.
        """
        failed = self._local.__dict__.pop("inode", None)
        self._local.__dict__.pop("connection", None)
        try:
            with open(open_private(self._path + ".lock"), "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if failed is not None and failed == _inode(self._path):
                    for suffix in ("-wal", "-shm", ""):
                        with suppress(FileNotFoundError):
                            os.replace(self._path + suffix, self._path + ".unreadable" + suffix)
        except OSError:
            return  # no room, no right: what may be lost is not worth an error


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


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def _figures(text: str) -> dict[str, float]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
