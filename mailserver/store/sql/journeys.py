"""Reading the journey of one message: what was promised, and where each copy is now.

Two short reads, so a copy may be newer than its message's line.
"""

from __future__ import annotations

from mailserver.queue.copies import CopyState
from mailserver.store.ports import CopyStep, Journey
from mailserver.store.sql.engine import Engine, Row, first
from mailserver.store.sql.writes import RECENT_MESSAGES
from mailserver.values.ids import AcceptId

_MESSAGE = """
    SELECT message.message_id, accepted_at_s, account.identifier, reverse_path, door, peer, head,
        body_octets
    FROM message LEFT JOIN account ON account.account_id = message.account_id
    WHERE message_id > (SELECT value FROM counter WHERE name = 'message') - ? AND accept_id = ?"""
_COPIES = """
    SELECT copy.recipient, copy.state, copy.mailbox_id, copy.uid, copy.settled_at_s,
        account.identifier, mailbox.name, entry.removed_at_s
    FROM copy
        LEFT JOIN mailbox ON mailbox.mailbox_id = copy.mailbox_id
        LEFT JOIN account ON account.account_id = mailbox.account_id
        LEFT JOIN entry ON entry.mailbox_id = copy.mailbox_id AND entry.uid = copy.uid
    WHERE copy.message_id = ? ORDER BY copy.copy_no"""


class SqlJourneys:
    """The `Journeys` port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def journey(self, accept_id: AcceptId) -> Journey | None:
        row = first(self._engine.read(_MESSAGE, (RECENT_MESSAGES, accept_id)))
        if row is None:
            return None
        message_id, accepted_at_s, submitter, reverse_path, door, peer, head, body_octets = row
        return Journey(
            message_id=message_id,
            accepted_at_s=accepted_at_s,
            submitter=submitter,
            reverse_path=reverse_path,
            door=door,
            peer=peer,
            head=head,
            body_octets=body_octets,
            copies=tuple(map(_step, self._engine.read(_COPIES, (message_id,)))),
        )


def _step(row: Row) -> CopyStep:
    recipient, state, mailbox_id, uid, settled_at_s, owner, mailbox, removed_at_s = row
    return CopyStep(
        recipient=recipient,
        state=CopyState(state),
        mailbox_id=mailbox_id,
        uid=uid,
        settled_at_s=settled_at_s,
        owner=owner,
        mailbox=mailbox,
        removed_at_s=removed_at_s,
    )
