"""A body that is a file, opened for reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailserver.store.ports.bodies import BodyFault, BodyLost, BodyUnreadable
from mailserver.values.ids import MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySource:
    """Whose body it is, and who is told when it breaks."""

    message_id: MessageId
    name: str  # of the file
    note: Callable[[BodyFault], None]

    def fault(self, why: str, *, at_octet: int = 0, is_lost: bool = False) -> BodyFault:
        return BodyFault(
            message_id=self.message_id,
            name=self.name,
            why=why,
            is_lost=is_lost,
            at_octet=at_octet,
        )

    def unreadable(self, error: OSError, *, at_octet: int = 0) -> BodyFault:
        return self.fault(f"cannot be read: {error.strerror or error}", at_octet=at_octet)


class FileReader:
    """The `BodyReader` port.  Owns the descriptor."""

    __slots__ = ("_fd", "_source", "size_octets")

    def __init__(self, fd: int, size_octets: int, source: BodySource) -> None:
        """size_octets: what was written, as the row says."""
        self._fd = fd
        self._source = source
        self.size_octets = size_octets

    def read(self, count: int, begin: int) -> bytes:
        wanted = min(count, self.size_octets - begin)
        if wanted <= 0:
            return b""
        if self._fd < 0:  # a fault of ours, not of the body
            raise BodyUnreadable(self._source.fault("was closed before"))
        try:
            octets = os.pread(self._fd, wanted, begin)
        except OSError as error:
            why = f"cannot be read: {error.strerror} (octet {begin} of {self.size_octets})"
            raise BodyUnreadable(self._noted(why, at_octet=begin)) from error
        if not octets:
            why = f"ends after {begin} of {self.size_octets} octets"
            raise BodyLost(self._noted(why, at_octet=begin, is_lost=True))
        return octets

    def descriptor(self) -> int | None:
        return self._fd if self._fd >= 0 else None

    def beginning(self, count: int) -> bytes:
        """At most so many of the first octets, however many there are; none where it breaks."""
        try:
            return os.pread(self._fd, count, 0)
        except OSError as error:
            self._source.note(self._source.unreadable(error))
            return b""

    def find_fault(self, probed: Iterable[int]) -> BodyFault | None:
        """Of its size, and at some octets: a disk that gives nothing says so before we promise."""
        at_octet = 0
        try:
            size = os.fstat(self._fd).st_size
            if size == self.size_octets:
                for at_octet in probed:
                    os.pread(self._fd, 1, at_octet)
                return None
        except OSError as error:
            return self._source.unreadable(error, at_octet=at_octet)
        why = f"has {size} octets where {self.size_octets} were written"
        return self._source.fault(why, is_lost=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _noted(self, why: str, *, at_octet: int, is_lost: bool = False) -> BodyFault:
        """Whoever looks after bodies knows of it."""
        fault = self._source.fault(why, at_octet=at_octet, is_lost=is_lost)
        self._source.note(fault)
        return fault
