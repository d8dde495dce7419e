"""What a store holds, read by the store itself while no service runs on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.bodies import BodyError, body_chunks
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.mail import StoredMessage
from mailserver.store.ports.queue import Lane
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import Uid
from mailserver.values.unique_ids import unique_id, unique_id_prefix
from tests.crash.letters import NotALetter, read_letter
from tests.crash.reports import NotAReport, read_report
from tests.crash.transit import Stored, StoredCopy

Mail = TypeVar("Mail")
_COPIES = f"""
    SELECT envelope_id, recipient, state,
        lane = {Lane.FIRST.value} AND next_due_at_s IS NOT NULL
            OR lane = {Lane.WAITING.value} AND next_due_at_s <= due_at_s,
        (SELECT group_concat(kind) FROM owed_report
        WHERE owed_report.message_id = copy.message_id AND owed_report.copy_no = copy.copy_no)
    FROM copy
        JOIN message ON message.message_id = copy.message_id
        LEFT JOIN queue ON queue.message_id = copy.message_id AND queue.copy_no = copy.copy_no
        LEFT JOIN destination ON destination.destination_id = queue.destination_id"""
_UNSETTLED = """
    SELECT (SELECT count(*) FROM queue), (SELECT count(*) FROM owed_report),
        (SELECT count(*) FROM agent)"""


class Unreadable(Exception):
    """The store does not open, or what it reads contradicts itself."""


def read_stored(folder: Path, boxes: Sequence[str], senders: Sequence[str]) -> Stored:
    """Every octet of letters checked, reports taken apart; then SQLite's own check of its file.

    Agents that died are taken over first, as the next one would.
    senders: names of mailboxes that hold reports only.

    Raises:
        Unreadable: see there.
    """
    try:
        store = SqliteStore(folder)
        try:
            store.queue.take_over(now_s=time.time(), clock_s=time.monotonic())
            contents = {box: _read_box(store, box, read_letter) for box in boxes}
            reports = {name: _read_box(store, name, read_report) for name in senders}
        finally:
            store.close()
    except (StoreError, OSError) as error:
        raise Unreadable(f"the store does not open: {error!r}") from error
    _check_database(folder / "mail.db")
    return Stored(contents=contents, reports=reports, copies=read_copies(folder))


def read_copies(folder: Path) -> list[StoredCopy]:
    """All of them, by SQL: no call of the store has so much at once."""
    rows = _rows(folder, _COPIES)
    return [
        StoredCopy(
            letter_id=envelope_id,
            recipient=recipient,
            state=CopyState(state),
            can_go_on=bool(can_go_on),
            owes=tuple(ReportKind(int(k)).name.lower() for k in kinds.split(",")) if kinds else (),
        )
        for envelope_id, recipient, state, can_go_on, kinds in rows
    ]


def count_unsettled(folder: Path) -> tuple[int, int, int]:
    """(copies in the queue, reports owed, agents that have not resigned)."""
    ((queued, owed, agents),) = _rows(folder, _UNSETTLED)
    return queued, owed, agents


def _rows(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(folder / "mail.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(10_000)
        return list(connection.execute(statement))
    finally:
        connection.close()


def _read_box(store: SqliteStore, box: str, read: Callable[[bytes], Mail]) -> dict[str, Mail]:
    account = store.accounts.find_account(box)
    if account is None:
        raise Unreadable(f"the account {box} is gone")
    maildrop = store.mail.open_maildrop(account.inbox_id)
    listing = store.mail.list_maildrop(maildrop)
    if sum(listing.sizes_octets) != maildrop.octets:
        raise Unreadable(f"{box} says {maildrop.octets} octets and lists others")
    entries: dict[str, Mail] = {}
    prefix = unique_id_prefix(maildrop.epoch)
    columns = (listing.uids, listing.sizes_octets, listing.nonces)
    for uid, size, nonce in zip(*columns, strict=True):
        try:
            message = store.mail.fetch(account.inbox_id, Uid(uid))
        except BodyError as error:
            raise Unreadable(f"{box} lists the UID {uid}: {error}") from error
        if message is None:
            raise Unreadable(f"{box} lists the UID {uid} and its body is gone")
        octets = _all_octets(message)
        if len(octets) != size:
            raise Unreadable(f"{box} {uid} has {len(octets)} octets and says {size}")
        try:
            entries[unique_id(prefix, uid, nonce).decode("ascii")] = read(octets)
        except (NotALetter, NotAReport) as error:
            raise Unreadable(f"{box} {uid}: {error}") from error
    return entries


def _all_octets(message: StoredMessage) -> bytes:
    try:
        return message.lead + b"".join(body_chunks(message, 1 << 20))
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
