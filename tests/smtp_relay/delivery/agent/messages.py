"""Queued messages without a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailserver.store.ports.queue import QueuedMessage
from mailserver.values.ids import AcceptId, MessageId


def make_message(number: int) -> QueuedMessage:
    body = b"%d\r\n" % number
    return QueuedMessage(
        message_id=MessageId(number),
        accept_id=AcceptId(bytes(15)),
        accepted_at_s=0.0,
        reverse_path="a@b.fr",
        account_id=None,
        smtputf8=False,
        is_8bit=False,
        ends_with_crlf=True,
        header_octets=2,
        longest_line_octets=0,
        dotted_line_count=0,
        envelope_id="",
        return_content="",
        head=b"",
        octets=body,
        reader=None,
        body_octets=len(body),
    )


class FakeMessages:
    """All numbers are small messages, but for some that are large and some that are gone."""

    def __init__(self, *, large: Iterable[int] = (), gone: Iterable[int] = ()) -> None:
        self.large, self.gone = set(large), set(gone)
        self.looks: list[list[int]] = []
        self.opened: list[int] = []

    def open_queued(self, message_id: MessageId) -> QueuedMessage | None:
        self.opened.append(message_id)
        return None if message_id in self.gone else make_message(message_id)

    def read_small(self, message_ids: Sequence[MessageId]) -> list[QueuedMessage]:
        self.looks.append(list(message_ids))
        return [make_message(one) for one in message_ids if one not in self.large | self.gone]
