"""One post to all members of a list, slice by slice, from wherever it has come.

    by hand, in the order of members; then by rule, in the order of accounts

A slice and its cursor are one transaction: see `mailserver.store.ports.lists`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mailserver.store.ports.errors import StoreBroken, StoreError
from mailserver.store.ports.lists import (
    DONE,
    SLICE_COPIES,
    AddCopies,
    Cursor,
    Lists,
    MailingList,
    Progress,
    Reader,
    Stage,
)
from mailserver.store.ports.queue import CopyRef, Settled
from mailserver.store.ports.writes import Outcome, Write
from mailserver.values.message import NewCopy
from smtp_relay.delivery.lists.copies import Copies

_TRIES = 3


class Interrupted(Exception):
    """The process is ending: what is left goes back to the queue."""


@dataclass(slots=True)
class Part:
    """What one transaction adds: a member who forwards and keeps a copy has two."""

    copies: list[NewCopy] = field(default_factory=list)
    reader_count: int = 0

    def take(self, copies: Sequence[NewCopy]) -> None:
        """All of one member; none where there is no room, or nowhere to go."""
        self.copies += copies
        self.reader_count += bool(copies)


class Slices:
    """Used by the expander's thread."""

    def __init__(
        self,
        *,
        lists: Lists,
        write: Callable[[Write], Outcome],
        wall_s: Callable[[], float],
        is_stopped: Callable[[], bool],
    ) -> None:
        self._lists = lists
        self._write = write
        self._wall_s = wall_s
        self._is_stopped = is_stopped

    def hand_out(
        self, which: MailingList, source: CopyRef, progress: Progress, copies_of: Copies
    ) -> Progress:
        """All slices that are left."""
        by_rule = self._lists.accounts_by_rule(which)
        tries = 0
        while progress.cursor != DONE:
            if self._is_stopped():
                raise Interrupted
            part, now = self._next_slice(which, by_rule, progress.cursor, copies_of)
            try:
                progress = self.add(source, part, progress.cursor, now)
                tries = 0
                continue
            except StoreBroken:
                raise
            except StoreError:
                # A mailbox went between the look and the write: look again.
                tries += 1
                if tries == _TRIES:
                    raise
            progress = self._progress(source)
        return progress

    def _progress(self, source: CopyRef) -> Progress:
        found = self._lists.post_progress(source)
        assert found is not None, "it was begun"
        return found

    def add(self, source: CopyRef, part: Part, was: Cursor, now: Cursor) -> Progress:
        """Where another agent was faster, nothing is added: its progress is what there is."""
        write = AddCopies(
            source=source,
            copies=tuple(part.copies),
            reader_count=part.reader_count,
            was=was,
            now=now,
            at_s=self._wall_s(),
        )
        assert isinstance(self._write(write), Settled)
        return self._progress(source)

    def _next_slice(
        self, which: MailingList, by_rule: Sequence[int], cursor: Cursor, copies_of: Copies
    ) -> tuple[Part, Cursor]:
        """At most `SLICE_COPIES`, and where the next slice begins."""
        now_s, part, now = self._wall_s(), Part(), cursor
        for place, reader in self._readers(which, by_rule, cursor):
            more = copies_of.of(reader, now_s)
            if len(part.copies) + len(more) > SLICE_COPIES:
                return part, now
            part.take(more)
            now = place
        # A full read may have more behind it; an incomplete one was the last.
        return (part, now) if now != cursor else (part, DONE)

    def _readers(
        self, which: MailingList, by_rule: Sequence[int], cursor: Cursor
    ) -> Iterator[tuple[Cursor, Reader]]:
        """From the cursor on, about one slice of them."""
        if cursor.stage is Stage.BY_HAND:
            found = self._lists.readers_by_hand(
                which.list_id, after_id=cursor.after_id, limit=SLICE_COPIES
            )
            for reader in found:
                yield Cursor(Stage.BY_HAND, reader.member_id or 0), reader
            if found:
                return
            cursor = Cursor(Stage.BY_RULE, 0)
        begin = bisect_right(by_rule, cursor.after_id)
        for start in range(begin, len(by_rule), SLICE_COPIES):
            found = self._lists.readers_of(by_rule[start : start + SLICE_COPIES])
            for reader in found:
                yield Cursor(Stage.BY_RULE, reader.account_id or 0), reader
            if found:
                return
