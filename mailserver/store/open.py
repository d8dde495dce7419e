"""The way in: which engine a service has, and its store, opened.

Nobody else names an engine: doors, keeper and commands get a `Store`.  Today
one engine is offered, SQLite in the folder `store.path`.
"""

from __future__ import annotations

from mailserver.settings.model import MIB, Settings
from mailserver.store.files.room import room_rules
from mailserver.store.moments import moment_rules
from mailserver.store.ports.store import Store
from mailserver.store.sql.migrations import last_migration
from mailserver.store.sqlite.engine import DATABASE
from mailserver.store.sqlite.store import DAY_S, YEAR_S, SqliteStore

__all__ = ["is_made", "last_migration", "open_store"]


def is_made(settings: Settings) -> bool:
    """Is there a store already?  Opens and makes nothing."""
    return (settings.store.path / DATABASE).exists()


def open_store(settings: Settings) -> Store:
    """Open the store that the settings name, made and migrated if need be.

    Once per process, after the fork.

    Raises:
        StoreUnavailable, StoreBroken: see `mailserver.store.ports`.
        OSError: the folder cannot be made or read.
    """
    return SqliteStore(
        settings.store.path,
        wal_limit_octets=settings.store.wal_limit_mib * MIB,
        keep_removed_s=settings.store.keep_removed_days * DAY_S,
        keep_history_s=settings.store.keep_history_days * DAY_S,
        room=room_rules(settings.store),
        sign_in_lifetime_s=settings.auth.cache_hours * 3600.0,
        expire_after_s=settings.delivery.expire_hours * 3600.0,
        quarantine_s=settings.directory.quarantine_years * YEAR_S,
        moments=moment_rules(settings.delivery, settings.passwords, settings.directory),
        time_zone=settings.service.time_zone,
    )
