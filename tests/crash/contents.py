"""What a store holds, read by the store itself while no service runs on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from mailserver.store.ports import StoredMessage, StoreError
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import Uid
from tests.crash.letters import NotALetter, read_letter


class Unreadable(Exception):
    """The store does not open, or what it reads contradicts itself."""


def read_contents(folder: Path, boxes: Sequence[str]) -> dict[str, dict[str, str]]:
    """box -> UIDL -> letter, every octet checked; then SQLite's own check of its file.

    Raises:
        Unreadable: see there.
    """
    try:
        store = SqliteStore(folder)
        try:
            contents = {box: _read_box(store, box) for box in boxes}
        finally:
            store.close()
    except (StoreError, OSError) as error:
        raise Unreadable(f"the store does not open: {error!r}") from error
    _check_database(folder / "mail.db")
    return contents


def _read_box(store: SqliteStore, box: str) -> dict[str, str]:
    account = store.find_account(box)
    if account is None:
        raise Unreadable(f"the account {box} is gone")
    maildrop = store.open_maildrop(account.inbox_id)
    listing = store.list_maildrop(maildrop)
    if sum(listing.sizes_octets) != maildrop.octets:
        raise Unreadable(f"{box} says {maildrop.octets} octets and lists others")
    entries: dict[str, str] = {}
    for uid, size in zip(listing.uids, listing.sizes_octets, strict=True):
        message = store.fetch(account.inbox_id, Uid(uid))
        if message is None:
            raise Unreadable(f"{box} lists the UID {uid} and its body is gone")
        octets = _all_octets(message)
        if len(octets) != size:
            raise Unreadable(f"{box} {uid} has {len(octets)} octets and says {size}")
        try:
            entries[f"{maildrop.epoch}.{uid}"] = read_letter(octets)
        except NotALetter as error:
            raise Unreadable(f"{box} {uid}: {error}") from error
    return entries


def _all_octets(message: StoredMessage) -> bytes:
    try:
        if message.octets is not None:
            return message.lead + message.octets
        assert message.fd is not None, "a body is in the row or in a file"
        with open(message.fd, "rb", closefd=False) as file:
            return message.lead + file.read()
    finally:
        message.close()


def _check_database(path: Path) -> None:
    connection = apsw.Connection(str(path))
    try:
        said = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    finally:
        connection.close()
    if said != ["ok"]:
        raise Unreadable(f"integrity_check: {said}")
