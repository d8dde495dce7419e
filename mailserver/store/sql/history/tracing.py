"""Following the history for the index of journeys, and searching both.

    index     messages above the last one indexed, a slice at a time, by the keeper
    forget    a range of messages of which no copy is left, a slice at a time
    search    the newest messages that are not indexed yet, then the index

The order of message ids is the order of commits, so what is above the last
one indexed is exactly what the index has not seen.  An index that has seen
more than the history holds, or another message under the same number, belongs
to another history (a store that was put back) and starts over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mailserver.store.ports.history import UNINDEXED_LIMIT
from mailserver.store.sql.engine import Engine, Row, first
from mailserver.store.sql.history import fingerprints
from mailserver.store.sql.mail.bodies import ReadBeginning
from mailserver.values.ids import AcceptId, MessageId

SLICE = 250
"""Messages that are read at a time."""
COMMIT_MESSAGES = 2_000
"""Messages that one step indexes, where so many wait: some tens of milliseconds."""
COPIES_SLICE = 5_000
"""Recipients of one step; a message has all of its own in one."""

_LAST_MESSAGE = "SELECT value FROM counter WHERE name = 'message'"
_FIRST_KEPT = "SELECT min(message_id) FROM copy"
_ACCEPT_ID = "SELECT accept_id FROM message WHERE message_id = ?"
_LIMIT = fingerprints.HEADER_LIMIT_OCTETS
HEADER_BLOCK = f"""substr(body, 1, CAST(
            CASE WHEN header_octets < {_LIMIT} THEN header_octets ELSE {_LIMIT} END AS integer))"""
_MESSAGES = f"""
    SELECT message_id, accept_id, reverse_path, head, file_name, header_octets,
        {HEADER_BLOCK}
    FROM message WHERE message_id > ? AND message_id <= ? ORDER BY message_id LIMIT ?"""
_RECIPIENTS = """
    SELECT message_id, recipient FROM copy WHERE message_id > ? AND message_id <= ?
    ORDER BY message_id, copy_no LIMIT ?"""
_ANY_COPY = "SELECT 1 FROM copy WHERE message_id >= ? AND message_id <= ? LIMIT 1"

_ALL = 1 << 62
"""No limit."""

Keys = tuple[MessageId, set[int]]


@dataclass(frozen=True, slots=True)
class Progress:
    """The last message indexed."""

    message_id: MessageId
    accept_id: AcceptId


class TraceIndex(Protocol):
    """Where digests lead.  It may be lost at any time; then it knows nothing.

    Raises, where it writes:
        StoreUnavailable: nothing was written.
    """

    def progress(self) -> Progress | None: ...

    def find(self, digest: int, *, limit: int) -> list[MessageId]:
        """The newest first."""
        ...

    def add(self, keys: Iterable[tuple[MessageId, Iterable[int]]], progress: Progress) -> None: ...

    def oldest_range(self) -> tuple[MessageId, MessageId] | None:
        """First and last message id of what is forgotten together."""
        ...

    def forget(self, first: MessageId) -> int:
        """One slice of the range that begins there; how many rows."""
        ...

    def clear(self) -> None: ...


class SqlTracing:
    """See the module."""

    def __init__(self, engine: Engine, index: TraceIndex, *, read_beginning: ReadBeginning) -> None:
        self._engine = engine
        self._index = index
        self._read_beginning = read_beginning

    # --- by the keeper ------------------------------------------------------------

    def follow(self) -> int:
        """One slice of new messages, and one of forgotten ones; 0: nothing is left to do."""
        done = self._forget()
        last = self._last_message()
        after = self._indexed(last)
        if after >= last:
            return done
        if after == 0:
            row = first(self._engine.read(_FIRST_KEPT))
            after = last if row is None or row[0] is None else row[0] - 1
        keys, progress = self._slices(after, last)
        if progress is None:
            return done
        self._index.add(keys, progress)
        return done + len(keys)

    def _slices(self, after: int, last: int) -> tuple[list[Keys], Progress | None]:
        """Several slices for one commit: the keys of one bucket share its pages."""
        keys, progress = self._slice(after, last)
        while progress is not None and len(keys) < COMMIT_MESSAGES:
            more, further = self._slice(progress.message_id, last)
            if further is None:
                break
            keys, progress = keys + more, further
        return keys, progress

    def _indexed(self, last: int) -> int:
        """The last message indexed; 0 where the index is new, or of another history."""
        progress = self._index.progress()
        if progress is None:
            return 0
        if self._is_of_another_history(progress, last):
            self._index.clear()
            return 0
        return progress.message_id

    def _is_of_another_history(self, progress: Progress, last: int) -> bool:
        row = first(self._engine.read(_ACCEPT_ID, (progress.message_id,)))
        return progress.message_id > last or (row is not None and row[0] != progress.accept_id)

    def _slice(self, after: int, last: int) -> tuple[list[Keys], Progress | None]:
        """The keys of the next messages, and how far they reach."""
        messages = self._engine.read(_MESSAGES, (after, last, SLICE))
        if not messages:
            return [], None
        recipients, whole_to = self._recipients(after, messages[-1][0])
        kept = [row for row in messages if row[0] <= whole_to]
        keys = [(row[0], self._keys(row, recipients.get(row[0], []))) for row in kept]
        return keys, Progress(kept[-1][0], kept[-1][1])

    def _recipients(self, after: int, last: int) -> tuple[dict[int, list[str]], int]:
        """Recipients by message, and up to which message they are all there."""
        rows = self._engine.read(_RECIPIENTS, (after, last, COPIES_SLICE))
        whole_to = last
        if len(rows) == COPIES_SLICE:
            whole_to = rows[-1][0] - 1
            if whole_to < rows[0][0]:  # one message that is larger than a slice
                whole_to = rows[0][0]
                rows = self._engine.read(_RECIPIENTS, (whole_to - 1, whole_to, _ALL))
        found: dict[int, list[str]] = {}
        for message_id, recipient in rows:
            found.setdefault(message_id, []).append(recipient)
        return found, whole_to

    def _forget(self) -> int:
        """A range goes once the history has forgotten every copy in it."""
        oldest = self._index.oldest_range()
        if oldest is None or self._engine.read(_ANY_COPY, oldest):
            return 0
        return self._index.forget(oldest[0])

    # --- by those who ask ---------------------------------------------------------

    def search(self, digest: int, *, limit: int) -> tuple[list[MessageId], int]:
        """Messages, the newest first, and how many were not looked at."""
        last = self._last_message()
        progress = self._index.progress()
        if progress is not None and self._is_of_another_history(progress, last):
            progress = None  # the keeper has not looked yet
        indexed = progress.message_id if progress is not None else self._first_kept(last) - 1
        lowest = max(indexed, last - UNINDEXED_LIMIT)
        found = self._look(digest, lowest, last, limit)
        if len(found) < limit and progress is not None:
            older = self._index.find(digest, limit=limit)
            found += [one for one in older if one <= lowest][: limit - len(found)]
        return found, max(0, lowest - indexed)

    def header_id(self, message_id: MessageId, row: Row) -> bytes:
        """The Message-ID of a row of (head, file name, header octets, beginning of the body).

        Empty where the body is gone, or its file cannot be read.
        """
        head, file_name, header_octets, block = row
        if block is None and file_name is not None:
            wanted_octets = min(header_octets, fingerprints.HEADER_LIMIT_OCTETS)
            block = self._read_beginning(message_id, file_name, wanted_octets)
        block = block or b""
        return fingerprints.find_header_id(block) or fingerprints.find_header_id(head)

    def _look(self, digest: int, lowest: int, last: int, limit: int) -> list[MessageId]:
        """Among the newest, without the index."""
        found: list[MessageId] = []
        for upto in range(last, lowest, -SLICE):
            newest_first = reversed(list(self._all_keys(max(lowest, upto - SLICE), upto)))
            found += [message_id for message_id, digests in newest_first if digest in digests]
            if len(found) >= limit:
                break
        return found[:limit]

    def _all_keys(self, after: int, last: int) -> Iterator[Keys]:
        while after < last:
            keys, progress = self._slice(after, last)
            yield from keys
            if progress is None:
                return
            after = progress.message_id

    def _keys(self, row: Row, recipients: list[str]) -> set[int]:
        message_id, accept_id, reverse_path, *rest = row
        return fingerprints.of_message(
            accept_id, reverse_path, recipients, self.header_id(message_id, tuple(rest))
        )

    def _last_message(self) -> int:
        row = first(self._engine.read(_LAST_MESSAGE))
        return 0 if row is None else int(row[0])

    def _first_kept(self, last: int) -> int:
        row = first(self._engine.read(_FIRST_KEPT))
        return last + 1 if row is None or row[0] is None else int(row[0])
