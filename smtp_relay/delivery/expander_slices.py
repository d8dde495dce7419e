"""One post to all members of a list, slice by slice, from wherever it has come.

    by hand, in the order of members; then by rule, in the order of accounts

A slice and its cursor are one transaction: see `mailserver.store.lists`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from mailserver.store.lists import (
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
from mailserver.store.ports import Outcome, StoreBroken, StoreError, Write
from mailserver.store.queueing import CopyRef, Settled
from mailserver.values.message import NewCopy
from smtp_relay.delivery.expander_copies import Copies

_TRIES = 3


class Interrupted(Exception):
    """The process is ending: what is left goes back to the queue."""


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
    ) -> int:
        """All slices that are left; returns how many copies there are then."""
        by_rule = self._lists.accounts_by_rule(which)
        tries = 0
        while progress.cursor != DONE:
            if self._is_stopped():
                raise Interrupted
            copies, now = self._next_slice(which, by_rule, progress.cursor, copies_of)
            try:
                self.add(source, copies, progress.cursor, now)
                tries = 0
            except StoreBroken:
                raise
            except StoreError:
                # A mailbox went between the look and the write: look again.
                tries += 1
                if tries == _TRIES:
                    raise
            found = self._lists.post_progress(source)
            assert found is not None, "it was begun"
            progress = found
        return progress.copy_count

    def add(self, source: CopyRef, copies: Sequence[NewCopy], was: Cursor, now: Cursor) -> None:
        """Where another agent was faster, nothing: its progress is read next."""
        write = AddCopies(
            source=source, copies=tuple(copies), was=was, now=now, at_s=self._wall_s()
        )
        assert isinstance(self._write(write), Settled)

    def _next_slice(
        self, which: MailingList, by_rule: Sequence[int], cursor: Cursor, copies_of: Copies
    ) -> tuple[list[NewCopy], Cursor]:
        """At most `SLICE_COPIES`, and where the next slice begins."""
        now_s, copies, now = self._wall_s(), list[NewCopy](), cursor
        for place, reader in self._readers(which, by_rule, cursor):
            more = copies_of.of(reader, now_s)
            if len(copies) + len(more) > SLICE_COPIES:
                return copies, now
            copies += more
            now = place
        # A full read may have more behind it; an incomplete one was the last.
        return (copies, now) if now != cursor else (copies, DONE)

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
