"""The maildrop of one session, its numbers, and LIST and UIDL in slices.

Numbers are 1-based places in the snapshot of PASS: they never shift, whatever
is deleted here or removed by another door (RFC 1939 §4, §5).  A unique-id is
the mailbox's epoch, a dot and the entry's UID; neither ever changes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain

from mailserver.store.ports import Listing, Mailboxes, Maildrop, Removal
from mailserver.values.ids import Uid

SLICE_MESSAGES = 2000
"""Lines of one slice: at most about 60 KiB of LIST, 180 KiB of UIDL."""

MAX_UNIQUE_ID_OCTETS = 70  # RFC 1939 §7
MAX_UID_DIGITS = 20
_TERMINATOR = b".\r\n"


class BadEpoch(ValueError):
    """This epoch cannot stand in a unique-id.  Our fault."""


def unique_id_prefix(epoch: str) -> bytes:
    """What stands before the UID in every unique-id of a mailbox.

    `unique-id: one to 70 characters in the range 0x21 to 0x7E` (RFC 1939 §7)

    Raises:
        BadEpoch: other characters, or too long to leave room for any UID.
    """
    prefix = epoch.encode("utf-8") + b"."
    if len(prefix) + MAX_UID_DIGITS > MAX_UNIQUE_ID_OCTETS:
        raise BadEpoch(f"the epoch has {len(epoch)} characters")
    if not all(0x21 <= octet <= 0x7E for octet in prefix):
        raise BadEpoch("the epoch has a character outside 0x21 to 0x7E")
    return prefix


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
        return b"%s%d" % (self._prefix, self.uid(number))

    def mark(self, number: int) -> None:
        self._marked_octets += self.size_octets(number)
        self._marked.add(number)

    def unmark_all(self) -> None:
        self._marked.clear()
        self._marked_octets = 0

    def removal(self, *, now_s: float) -> Removal | None:
        """What a complete QUIT asks for; None when nothing is marked."""
        if not self._marked:
            return None
        uids = tuple(self.uid(number) for number in sorted(self._marked))
        return Removal(mailbox_id=self.maildrop.mailbox_id, uids=uids, removed_at_s=now_s)

    def size_lines(self) -> Iterator[bytes]:
        """The scan listings of LIST, slice by slice, then the terminator."""
        return self._lines(b"%d %d\r\n", self.listing().sizes_octets)

    def unique_id_lines(self) -> Iterator[bytes]:
        """The unique-id listings of UIDL, slice by slice, then the terminator."""
        template = b"%d " + self._prefix.replace(b"%", b"%%") + b"%d\r\n"
        return self._lines(template, self.listing().uids)

    def _lines(self, template: bytes, column: array[int]) -> Iterator[bytes]:
        for start in range(0, len(column), SLICE_MESSAGES):
            values = column[start : start + SLICE_MESSAGES]
            pairs = list(enumerate(values, start + 1))
            if self._marked:
                pairs = [pair for pair in pairs if pair[0] not in self._marked]
            # One format of a whole slice costs half of one per line.
            yield (template * len(pairs)) % tuple(chain.from_iterable(pairs))
        yield _TERMINATOR
