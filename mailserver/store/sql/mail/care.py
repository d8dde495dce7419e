"""Bodies in files, as a backup cares for them: whatever the engine of the rows that name them."""

from __future__ import annotations

from mailserver.store.files.bodies import BodyFiles
from mailserver.store.ports.bodies import BodyFault, FaultyBody
from mailserver.store.ports.upkeep import FiledName
from mailserver.store.sql.counters.faults import SqlFaults
from mailserver.store.sql.mail.bodies import SqlBodies


class SqlBackups:
    """What the `Backups` ports of all engines have in common: all but the database."""

    def __init__(self, files: BodyFiles, bodies: SqlBodies, faults: SqlFaults) -> None:
        self._bodies = bodies
        self._faults = faults
        self.hold_bodies = files.hold
        self.body_file = files.path_of

    def note_unreadable(self, body: FiledName, error: OSError, *, at_octet: int) -> None:
        fault = BodyFault(
            message_id=body.message_id,
            name=body.name,
            why=f"cannot be read: {error.strerror} (octet {at_octet} of {body.octets})",
            is_lost=False,
            at_octet=at_octet,
        )
        self._faults.note(fault)

    def faulty_bodies(self, *, sample: int, shown: int) -> tuple[int, list[FaultyBody]]:
        found = {fault.name: fault for fault in self._bodies.look_at(sample)}
        for noted in self._faults.known():
            fault = self._bodies.look_again(noted.name)
            if fault is None:
                self._faults.forget(noted.name)
            else:
                found[fault.name] = fault
        described = map(self._bodies.describe, list(found.values())[:shown])
        return len(found), [one for one in described if one is not None]
