"""Numbers that somebody may have seen before a power cut, and that the disk does not know.

Others read what a writer committed a moment before it is on disk.  A power cut
in that moment takes back mail that was promised to nobody; but a POP3 client may
have seen its UIDL, and would take the next message under that number for one that
it has.  So the first to open a store after a boot leaves a gap.
"""

from __future__ import annotations

from pathlib import Path

from mailserver.store.sql.engine import first
from mailserver.store.sql.numbers import BOOT, leave_gap
from mailserver.store.sqlite.engine import SqliteEngine

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BITS = 62


def leave_gap_after_boot(engine: SqliteEngine) -> None:
    """Once for each boot of the machine; a new store has nothing to leave."""
    boot = _this_boot()
    if _last_boot(engine) == boot:
        return
    with engine.write_turn():
        last = _last_boot(engine)
        if last != boot:
            with engine.transaction() as connection:
                leave_gap(connection, boot, is_new=last is None)


def _this_boot() -> int:
    try:
        text = BOOT_ID.read_text("ascii")
    except OSError:
        return 0  # a machine that does not tell its boots apart: no gaps
    return int(text.replace("-", "").strip(), 16) >> (128 - _BITS)


def _last_boot(engine: SqliteEngine) -> int | None:
    row = first(engine.read(BOOT))
    return None if row is None else int(row[0])
