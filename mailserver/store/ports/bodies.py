"""Bodies over the inline threshold, each a file; and what is wrong with one.

    lost         there is no file, or one of another size: only a backup brings it back
    unreadable   the file is there, and the system refuses it: whoever mends that has it again

One such body is no fault of the store: everything else is read as ever.

In by a writer (`Spool`), out by a reader (`BodyReader`): no descriptor is handed round.
Whoever reads the body of an opened message does so by `read_body` or `body_chunks`: what the disk
refuses in the middle, after the file was opened well, is noted as what is found when it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mailserver.store.ports.errors import StoreUnavailable
from mailserver.values.ids import AcceptId, MessageId
from mailserver.values.message import FiledBody


class Spool(Protocol):
    """One large body on its way to disk.  Used by one thread at a time."""

    def write(self, octets: bytes) -> None:
        """Append.  Not durable yet."""
        ...

    def commit(self) -> FiledBody:
        """fsync, rename to the final name, fsync the directory."""
        ...

    def discard(self) -> None:
        """Forget it.  Harmless after `commit`: the reclaimer sweeps what no row names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRoom:
    total_octets: int  # of the file system
    free_octets: int
    reusable_octets: int


class Bodies(Protocol):
    """Bodies over the inline threshold, each a file."""

    def open_spool(self) -> Spool: ...

    def disk_room(self) -> DiskRoom:
        """On the file system that holds the store, and inside of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFault:
    """why: in words, without the path.  name: of the file, as the row says; empty: not known.

    at_octet: where the file gave nothing.
    """

    message_id: MessageId
    name: str
    why: str
    is_lost: bool
    at_octet: int = 0

    def __str__(self) -> str:
        if not self.name:
            return f"the body {self.why}"
        return f"bodies/{self.name[:2]}/{self.name} {self.why}"


class BodyError(StoreUnavailable):
    """This body cannot be had now.  The text is for our log and for operators."""

    def __init__(self, fault: BodyFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class BodyLost(BodyError):
    """It will not come back by itself."""


class BodyUnreadable(BodyError):
    """The next try may succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyBody:
    """A fault, and whom it concerns: identifiers of mailboxes, copies that wait to be sent."""

    fault: BodyFault
    accept_id: AcceptId
    mailboxes: tuple[str, ...]
    queued_count: int


class BodyReader(Protocol):
    """An opened body that is not in memory; whoever opened it closes it.

    Where its octets are, and in what form, is the store's: nobody else reads a file of bodies.
    """

    @property
    def size_octets(self) -> int: ...

    def read(self, count: int, begin: int) -> bytes:
        """At most so many octets from `begin` on; none only at its end.

        Raises:
            BodyLost: it ends too early.
            BodyUnreadable: it cannot be read there.  Both are noted for operators.
        """
        ...

    def descriptor(self) -> int | None:
        """From which the kernel may send these very octets, the first one at 0; None: from none.

        Stays the reader's.  Whoever sends so meets faults that nobody notes.
        """
        ...

    def close(self) -> None:
        """May be called again."""
        ...


class OpenedBody(Protocol):
    """`StoredMessage`, `QueuedMessage`: octets in memory, or a reader."""

    @property
    def octets(self) -> bytes | None: ...

    @property
    def reader(self) -> BodyReader | None: ...

    @property
    def body_octets(self) -> int: ...


def read_body(message: OpenedBody, count: int, begin: int) -> bytes:
    """At most so many octets of the body from `begin` on; none only at its end.

    Raises:
        BodyLost, BodyUnreadable: see `BodyReader.read`.
    """
    if message.octets is not None:
        return message.octets[begin : begin + count]
    if message.reader is None:
        raise BodyUnreadable(
            BodyFault(message_id=MessageId(0), name="", why="was closed before", is_lost=False)
        )
    return message.reader.read(count, begin)


def body_chunks(
    message: OpenedBody, chunk_octets: int, *, begin: int = 0, end: int | None = None
) -> Iterator[bytes]:
    """The body from `begin` on, up to `end`: at once where it is in memory; no chunk is empty.

    Raises:
        BodyLost, BodyUnreadable: in the middle; see `BodyReader.read`.
    """
    if message.octets is not None:
        if octets := message.octets[begin:end]:
            yield octets
        return
    left_octets = (message.body_octets if end is None else end) - begin
    while left_octets > 0:
        chunk = read_body(message, min(chunk_octets, left_octets), begin)
        if not chunk:  # its reader knows of less than its row says
            why = f"ends after {begin} of {begin + left_octets} octets"
            raise BodyLost(BodyFault(message_id=MessageId(0), name="", why=why, is_lost=True))
        begin += len(chunk)
        left_octets -= len(chunk)
        yield chunk
