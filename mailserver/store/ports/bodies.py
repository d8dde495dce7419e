"""Bodies over the inline threshold, each a file; and what is wrong with one.

    lost         there is no file, or one of another size: only a backup brings it back
    unreadable   the file is there, and the system refuses it: whoever mends that has it again

One such body is no fault of the store: everything else is read as ever.

Whoever reads the body of an opened message does so by `read_body`: what the disk refuses in the
middle, after the file was opened well, is noted as what is found when it is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFile:
    """Where an opened body is from, and who is told when it breaks."""

    message_id: MessageId
    name: str
    note: Callable[[BodyFault], None]


class OpenedBody(Protocol):
    """`StoredMessage`, `QueuedMessage`: octets in memory, or a descriptor."""

    @property
    def octets(self) -> bytes | None: ...

    @property
    def fd(self) -> int | None: ...

    @property
    def body_octets(self) -> int: ...

    @property
    def body_file(self) -> BodyFile | None: ...


def read_body(message: OpenedBody, count: int, begin: int) -> bytes:
    """At most so many octets of the body from `begin` on; none only at its end.

    Raises:
        BodyLost: the file ends too early.
        BodyUnreadable: the system refuses to read there.
    """
    if message.octets is not None:
        return message.octets[begin : begin + count]
    wanted = min(count, message.body_octets - begin)
    if wanted <= 0:
        return b""
    if message.fd is None:
        raise BodyUnreadable(_fault(message, "is neither in memory nor in an open file"))
    try:
        octets = os.pread(message.fd, wanted, begin)
    except OSError as error:
        why = f"cannot be read: {error.strerror} (octet {begin} of {message.body_octets})"
        raise BodyUnreadable(_fault(message, why, at_octet=begin)) from error
    if not octets:
        why = f"ends after {begin} of {message.body_octets} octets"
        raise BodyLost(_fault(message, why, at_octet=begin, is_lost=True))
    return octets


def _fault(message: OpenedBody, why: str, *, at_octet: int = 0, is_lost: bool = False) -> BodyFault:
    """And whoever looks after bodies knows of it."""
    source = message.body_file
    fault = BodyFault(
        message_id=MessageId(0) if source is None else source.message_id,
        name="" if source is None else source.name,
        why=why,
        is_lost=is_lost,
        at_octet=at_octet,
    )
    if source is not None:
        source.note(fault)
    return fault
