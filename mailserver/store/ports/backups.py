"""What a backup asks of a store: one moment of its database, and bodies that stay meanwhile.

Also who can be helped by one: bodies that are not in their files any more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mailserver.values.ids import MessageId

if TYPE_CHECKING:
    from mailserver.store.ports.bodies import FaultyBody

Told = Callable[[int, int], None]
"""Gets octets that are done, and octets in all as far as is known."""


@dataclass(frozen=True, slots=True)
class FiledName:
    """A body that is a file, as its row names it."""

    message_id: MessageId
    name: str
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the copy of a database holds: it is of one moment.

    schema_number: the last migration.  queued_count: copies that had not arrived.
    """

    schema_number: int
    account_count: int
    message_count: int
    queued_count: int
    bodies: tuple[FiledName, ...]


class Backups(Protocol):
    def database_octets(self) -> int:
        """About how much `copy_database` will write."""
        ...

    def hold_bodies(self) -> AbstractContextManager[None]:
        """While it lasts no body's file is removed, whatever becomes of its row."""
        ...

    def copy_database(self, target: Path, told: Told) -> Snapshot:
        """Write a new file, durably: the database at one moment near the end of the call.

        Writers wait for nothing, and the log starts over as ever but for a short while.

        Raises:
            StoreUnavailable: no room, or the database was migrated meanwhile; try again.
            StoreBroken: it cannot be read, or not be written.
        """
        ...

    def faulty_bodies(self, *, sample: int, shown: int) -> tuple[int, list[FaultyBody]]:
        """(how many are known to be lost or unreadable, so many of them in full).

        What readers have met is looked at again, and so many others, chosen by chance.
        """
        ...

    def note_unreadable(self, body: FiledName, error: OSError, *, at_octet: int) -> None:
        """Whoever reads a body's file itself says so; `status` names it from then on."""
        ...

    def body_file(self, name: str) -> Path:
        """Where the body of this name lies, or would."""
        ...
