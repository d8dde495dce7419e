"""Lists of what stands in a mailbox: the `MailboxContents` port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailserver.store.ports.mail import MAX_HEADER_OCTETS, Item, Span
from mailserver.store.sql.engine import Engine, Row
from mailserver.store.sql.mail.bodies import ReadBeginning
from mailserver.values.ids import MailboxId, Uid

_LAST_UID = (1 << 63) - 1
_LIMIT = MAX_HEADER_OCTETS
ITEM_COLUMNS = f"""entry.uid, message.accepted_at_s, entry.octets, message.account_id,
        account.identifier, substr(message.body, 1, CAST(CASE
            WHEN message.header_octets < {_LIMIT} THEN message.header_octets ELSE {_LIMIT}
            END AS integer)),
        message.header_octets, message.file_name, message.message_id"""
"""What `SqlMailboxContents.as_item` reads."""
ITEM_TABLES = """entry
    JOIN message ON message.message_id = entry.message_id
    LEFT JOIN account ON account.account_id = message.account_id"""
_LIST = f"""
    SELECT {ITEM_COLUMNS}
    FROM {ITEM_TABLES}
    WHERE entry.mailbox_id = ? AND entry.uid < ? AND entry.removed_modseq IS NULL{{which}}
    ORDER BY entry.uid DESC LIMIT ?"""
_SPAN = "(message.account_id = ? AND message.accepted_at_s >= ? AND message.accepted_at_s < ?)"
_NEVER_S = 1e18


class SqlMailboxContents:
    def __init__(self, engine: Engine, read_beginning: ReadBeginning) -> None:
        self._engine = engine
        self._read_beginning = read_beginning

    def list_items(
        self,
        mailbox_id: MailboxId,
        *,
        before: Uid | None,
        limit: int,
        only: Sequence[Span] | None = None,
    ) -> list[Item]:
        if only is not None and not only:
            return []
        spans = only or ()
        which = " AND (" + " OR ".join([_SPAN] * len(spans)) + ")" if spans else ""
        bounds: list[Any] = [mailbox_id, before or _LAST_UID]
        for span in spans:
            until_s = _NEVER_S if span.until_s is None else span.until_s
            bounds += [span.account_id, span.since_s, until_s]
        rows = self._engine.read(_LIST.format(which=which), (*bounds, limit))
        return [self.as_item(row) for row in rows]

    def as_item(self, row: Row) -> Item:
        """Of a row of `ITEM_COLUMNS`."""
        uid, accepted_at_s, octets, account_id, identifier, header, *filed = row
        header_octets, file_name, message_id = filed
        if header is None and file_name is not None:
            wanted_octets = min(header_octets, MAX_HEADER_OCTETS)
            header = self._read_beginning(message_id, file_name, wanted_octets)
        return Item(
            uid=uid,
            accepted_at_s=accepted_at_s,
            size_octets=octets,
            submitter=account_id,
            submitter_identifier=identifier or "",
            header=header or b"",
        )
