"""Bodies in files: opened for readers, and looked after.

A row that names a file and no file: either the reclaimer has let go of both a
moment ago, and then the row says so by now, or the body is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Protocol

from mailserver.store.files.bodies import NO_ROOM, BodyFiles
from mailserver.store.files.reader import BodySource, FileReader
from mailserver.store.ports.bodies import (
    BodyFault,
    BodyLost,
    BodyReader,
    BodyUnreadable,
    FaultyBody,
)
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.sql.engine import Engine, first
from mailserver.values.ids import MessageId

CHECKED_AT_ONCE = 100
"""Files that one slice of the keeper looks at: well under a millisecond."""
NAMED_MAILBOXES = 3

_IS_NAMED = "SELECT 1 FROM message WHERE file_name = ?"
_NEXT = """
    SELECT message_id, file_name, body_octets FROM message
    WHERE file_name > ? ORDER BY file_name LIMIT ?"""
_ONE = "SELECT message_id, file_name, body_octets FROM message WHERE file_name = ?"
_ACCEPT_ID = "SELECT accept_id FROM message WHERE message_id = ?"
_HOLDERS = """
    SELECT account.identifier FROM entry
    JOIN mailbox ON mailbox.mailbox_id = entry.mailbox_id
    JOIN account ON account.account_id = mailbox.account_id
    WHERE entry.message_id = ? AND entry.removed_modseq IS NULL
    ORDER BY account.identifier LIMIT ?"""
_QUEUED = "SELECT count(*) FROM queue WHERE message_id = ?"

OpenBody = Callable[[MessageId, str, int], BodyReader | None]
"""`SqlBodies.open`."""
ReadBeginning = Callable[[MessageId, str, int], bytes]
"""`SqlBodies.read_beginning`."""


class FaultNotes(Protocol):
    def note(self, fault: BodyFault) -> None:
        """Hears of each fault that a reader meets."""
        ...

    def broken_at(self, name: str) -> int:
        """The octet where a reader has failed; 0: nowhere, or at the first."""
        ...


class SqlBodies:
    def __init__(self, engine: Engine, files: BodyFiles, faults: FaultNotes) -> None:
        self._engine = engine
        self._files = files
        self._note = faults.note
        self._broken_at = faults.broken_at
        self._checked_after = ""

    def open(self, message_id: MessageId, name: str, octets: int) -> BodyReader | None:
        """None: the body was reclaimed a moment ago.

        octets: what the row says; a file of another size is none.

        Raises:
            BodyLost, BodyUnreadable: see there.
            StoreUnavailable: no descriptor left.
        """
        reader, fault = self._open(message_id, name, octets, probed=(0, self._broken_at(name)))
        if fault is not None:
            self._note(fault)
            raise BodyLost(fault) if fault.is_lost else BodyUnreadable(fault)
        return reader

    def read_beginning(self, message_id: MessageId, name: str, octets: int) -> bytes:
        """At most so many of the first ones, for who shows a header: nothing where there are none.

        Raises:
            StoreUnavailable: no descriptor left.
        """
        reader, fault = self._open(message_id, name, octets, probed=None)
        if fault is not None:
            self._note(fault)
        if reader is None:
            return b""
        with closing(reader):
            return reader.beginning(octets)

    def _open(
        self, message_id: MessageId, name: str, octets: int, *, probed: Sequence[int] | None
    ) -> tuple[FileReader | None, BodyFault | None]:
        """probed: octets that are read, which may have to come from the disk: the first one,
        and where a reader has failed before.  None: not even its size is looked at.
        """
        source = BodySource(message_id=message_id, name=name, note=self._note)
        try:
            reader = self._files.open_reader(source, octets)
        except FileNotFoundError:
            return None, self._missing(message_id, name)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise StoreUnavailable(f"body file: {error}") from error
            return None, source.unreadable(error)
        fault = None if probed is None else reader.find_fault(probed)
        if fault is not None:
            reader.close()
            return None, fault
        return reader, None

    def _missing(self, message_id: MessageId, name: str) -> BodyFault | None:
        """None: the row names it no more."""
        if not self._engine.read(_IS_NAMED, (name,)):
            return None
        return BodyFault(message_id=message_id, name=name, why="is not there", is_lost=True)

    # --- looking after them ---------------------------------------------------------

    def check_slice(self) -> int:
        """Look at the next few files, by the keeper; how many faults were found."""
        rows = self._engine.read(_NEXT, (self._checked_after, CHECKED_AT_ONCE))
        self._checked_after = rows[-1][1] if len(rows) == CHECKED_AT_ONCE else ""
        found = [fault for row in rows if (fault := self._look(*row)) is not None]
        for fault in found:
            self._note(fault)
        return len(found)

    def look_at(self, count: int) -> list[BodyFault]:
        """Faults among so many bodies; names are chance, so these are a sample of all."""
        rows = self._engine.read(_NEXT, ("", count))
        return [fault for row in rows if (fault := self._look(*row)) is not None]

    def look_again(self, name: str) -> BodyFault | None:
        """None: it is well by now, or nobody needs it any more."""
        row = first(self._engine.read(_ONE, (name,)))
        return None if row is None else self._look(*row, probe=True)

    def _look(
        self, message_id: MessageId, name: str, octets: int, *, probe: bool = False
    ) -> BodyFault | None:
        probed = (0, self._broken_at(name)) if probe else ()
        reader, fault = self._open(message_id, name, octets, probed=probed)
        if reader is not None:
            reader.close()
        return fault

    def describe(self, fault: BodyFault) -> FaultyBody | None:
        """None: the message is gone."""
        row = first(self._engine.read(_ACCEPT_ID, (fault.message_id,)))
        if row is None:
            return None
        holders = self._engine.read(_HOLDERS, (fault.message_id, NAMED_MAILBOXES))
        queued = first(self._engine.read(_QUEUED, (fault.message_id,)))
        return FaultyBody(
            fault=fault,
            accept_id=row[0],
            mailboxes=tuple(identifier for (identifier,) in holders),
            queued_count=0 if queued is None else queued[0],
        )
