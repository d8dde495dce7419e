"""The store's folder as a power cut leaves it, and what the store itself reads there."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw

from mailserver.store.ports import StoredMessage, StoreError
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import Uid
from tests.crash.letters import NotALetter, read_letter
from tests.powercut.disk import Disk, File, Folder, Luck, Node

_KEPT = "bodies/"  # what opening the store does not change, and may stay between two cuts


class Unreadable(Exception):
    """The store does not open, or does not read, after the power cut."""


class RebuiltFolder:
    """One folder, brought from cut to cut by what differs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there: dict[str, tuple[Node, int]] = {}

    @property
    def path(self) -> Path:
        return self._folder

    def bring(self, disk: Disk, luck: Luck) -> None:
        self._folder.mkdir(exist_ok=True)
        for found in self._folder.iterdir():
            if found.is_file():
                found.unlink()
        left = dict(self._there)
        self._there.clear()
        for path, node, octets in disk.survivors(luck):
            before = left.pop(path, None)
            match node:
                case Folder():
                    (self._folder / path).mkdir(exist_ok=True)
                    self._there[path] = (node, 0)
                case File():
                    self._bring_file(path, node, octets or b"", before)
        for path in sorted(left, reverse=True):
            self._remove(path)

    def _bring_file(
        self, path: str, file: File, octets: bytes, before: tuple[Node, int] | None
    ) -> None:
        is_settled = path.startswith(_KEPT) and not file.pending
        if not (is_settled and before == (file, file.version)):
            (self._folder / path).write_bytes(octets)
        if path.startswith(_KEPT):
            self._there[path] = (file, file.version if is_settled else -1)

    def _remove(self, path: str) -> None:
        gone = self._folder / path
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink(missing_ok=True)


def read_contents(folder: Path, boxes: tuple[str, ...]) -> dict[str, dict[str, str]]:
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
