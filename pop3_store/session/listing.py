"""The maildrop of one session, its numbers, and LIST and UIDL in slices.

Numbers are 1-based places in the snapshot of PASS: they never shift, whatever
is deleted here or removed by another door (RFC 1939 §4, §5).  Unique-ids:
`mailserver.values.unique_ids`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from operator import itemgetter

from mailserver.store.ports.history import Collection
from mailserver.store.ports.mail import Listing, Mailboxes, Maildrop, RemovedBy
from mailserver.store.ports.writes import Removal
from mailserver.values.dots import FINAL_DOT
from mailserver.values.ids import MailboxId, Uid
from mailserver.values.unique_ids import unique_id, unique_id_prefix, unique_id_templates

SLICE_MESSAGES = 2000
"""Lines of one slice: at most about 60 KiB of LIST, 180 KiB of UIDL."""


Rows = list[tuple[int, ...]]
"""(number, values...) of messages."""
Format = Callable[[Rows], bytes]


@dataclass(frozen=True, slots=True)
class Collected:
    """What one session handed out in full.  uids: typecode 'Q'.  collection: of the first one."""

    mailbox_id: MailboxId
    uids: array[int]
    collection: Collection


class OpenMaildrop:
    """One session's view: the snapshot, and what it has marked as deleted."""

    __slots__ = ("_listing", "_mailboxes", "_marked", "_marked_octets", "_prefix", "maildrop")

    def __init__(self, mailboxes: Mailboxes, maildrop: Maildrop) -> None:
        """
        Raises:
            BadEpoch: see `unique_id_prefix`.
        """
        self.maildrop = maildrop
        self._mailboxes = mailboxes
        self._prefix = unique_id_prefix(maildrop.epoch)
        self._listing: Listing | None = None
        self._marked: set[int] = set()  # numbers
        self._marked_octets = 0

    @property
    def count(self) -> int:
        return self.maildrop.count - len(self._marked)

    @property
    def octets(self) -> int:
        return self.maildrop.octets - self._marked_octets

    def listing(self) -> Listing:
        """Read at first need: many sessions ask for nothing but STAT."""
        if self._listing is None:
            self._listing = self._mailboxes.list_maildrop(self.maildrop)
        return self._listing

    def holds(self, number: int) -> bool:
        """Is there such a message, not marked as deleted?"""
        return 1 <= number <= len(self.listing()) and number not in self._marked

    def uid(self, number: int) -> Uid:
        return Uid(self.listing().uids[number - 1])

    def size_octets(self, number: int) -> int:
        return self.listing().sizes_octets[number - 1]

    def unique_id(self, number: int) -> bytes:
        nonce = self.listing().nonces[number - 1]
        return unique_id(self._prefix, self.uid(number), nonce)

    def mark(self, number: int) -> None:
        self._marked_octets += self.size_octets(number)
        self._marked.add(number)

    def unmark_all(self) -> None:
        self._marked.clear()
        self._marked_octets = 0

    def removal(self, *, now_s: float, by: RemovedBy | None) -> Removal | None:
        """What a complete QUIT asks for; None when nothing is marked."""
        if not self._marked:
            return None
        uids = tuple(self.uid(number) for number in sorted(self._marked))
        mailbox_id = self.maildrop.mailbox_id
        return Removal(mailbox_id=mailbox_id, uids=uids, removed_at_s=now_s, by=by)

    def size_lines(self) -> Iterator[bytes]:
        """The scan listings of LIST, slice by slice, then the terminator."""
        return self._lines(_format_sizes, self.listing().sizes_octets)

    def unique_id_lines(self) -> Iterator[bytes]:
        """The unique-id listings of UIDL, slice by slice, then the terminator."""
        listing = self.listing()
        older, newer = (b"%d " + one + b"\r\n" for one in unique_id_templates(self._prefix))
        return self._lines(partial(_format_ids, older, newer), listing.uids, listing.nonces)

    def _lines(self, formatted: Format, *columns: array[int]) -> Iterator[bytes]:
        for start in range(0, len(columns[0]), SLICE_MESSAGES):
            parts = [column[start : start + SLICE_MESSAGES] for column in columns]
            rows = list(zip(count(start + 1), *parts, strict=False))
            if self._marked:
                rows = [row for row in rows if row[0] not in self._marked]
            yield formatted(rows)
        yield FINAL_DOT


def _format_sizes(rows: Rows) -> bytes:
    return _formatted(b"%d %d\r\n", rows)


def _format_ids(older: bytes, newer: bytes, rows: Rows) -> bytes:
    """Unique-ids without and with a nonce; both in one slice are rare."""
    nonces = list(map(itemgetter(2), rows))
    if all(nonces):
        return _formatted(newer, rows)
    if not any(nonces):
        return _formatted(older, [row[:2] for row in rows])
    return b"".join(newer % row if row[2] else older % row[:2] for row in rows)


def _formatted(template: bytes, rows: Rows) -> bytes:
    """One format of a whole slice costs half of one per line."""
    return (template * len(rows)) % tuple(chain.from_iterable(rows))
