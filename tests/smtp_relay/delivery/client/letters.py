"""Messages and transactions for the client's tests, and the client's side of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailserver.store.ports.queue import CopyRef, LeasedCopy, QueuedMessage
from mailserver.values.ids import AcceptId, MessageId
from mailserver.values.message import Notify
from smtp_relay.delivery.client.conversation import Conversation
from smtp_relay.delivery.client.opening import Opening
from smtp_relay.delivery.plan import Login, Protocol, TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import Kind, Transaction, Verdict

HEAD = b"Received: from here by there; now\r\n"
BODY = b"From: marie@a.test\r\n\r\nBonjour\r\n"
IN_CLEAR = TlsDemand(level=TlsLevel.NONE, source="test")
ALL = "PIPELINING", "SIZE 10000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"


def make_message(body: bytes = BODY, /, **changes: Any) -> QueuedMessage:
    fields: dict[str, Any] = {
        "message_id": MessageId(1),
        "accept_id": AcceptId(b"one"),
        "accepted_at_s": 0.0,
        "reverse_path": "marie@a.test",
        "account_id": None,
        "smtputf8": False,
        "is_8bit": not body.isascii(),
        "ends_with_crlf": body.endswith(b"\r\n"),
        "header_octets": body.find(b"\r\n\r\n") + 4,
        "longest_line_octets": 0,
        "dotted_line_count": (b"\r\n" + body).count(b"\r\n."),
        "envelope_id": "",
        "return_content": "",
        "head": HEAD,
        "octets": body,
        "reader": None,
        "body_octets": len(body),
    }
    return QueuedMessage(**{**fields, **changes})


def make_copy(recipient: str, *, number: int = 0, **changes: Any) -> LeasedCopy:
    fields: dict[str, Any] = {
        "ref": CopyRef(MessageId(1), number),
        "recipient": recipient,
        "notify": Notify.UNSAID,
        "original_recipient": "",
        "attempt_count": 0,
        "accepted_at_s": 0.0,
    }
    return LeasedCopy(**{**fields, **changes})


def make_transaction(
    *recipients: str, message: QueuedMessage | None = None, copies: Sequence[LeasedCopy] = ()
) -> Transaction:
    named = recipients or ("jean@b.test",)
    made = tuple(make_copy(one, number=number) for number, one in enumerate(named))
    return Transaction(message=message or make_message(), copies=tuple(copies) or made)


class Side:
    """A conversation without a socket: say what the peer says, see what the client says.

    Like the shell, it takes away what is finished before it takes the output.
    """

    def __init__(
        self,
        *,
        protocol: Protocol = Protocol.SMTP,
        demand: TlsDemand = IN_CLEAR,
        login: Login | None = None,
        may_log_in_clear: bool = True,
        may_be_ourselves: bool = True,
    ) -> None:
        opening = Opening(
            hostname="us.test",
            protocol=protocol,
            demand=demand,
            login=login,
            may_log_in_clear=may_log_in_clear,
            may_be_ourselves=may_be_ourselves,
        )
        self.is_ours = True
        self.talk = Conversation(opening, protocol, is_still_ours=lambda: self.is_ours)
        self.done: list[tuple[Transaction, list[Verdict]]] = []

    def hear(self, *lines: str) -> bytes:
        """What the client says after these lines, which came in one packet."""
        return self.hear_octets("".join(f"{line}\r\n" for line in lines).encode())

    def hear_octets(self, octets: bytes) -> bytes:
        self.talk.receive(octets)
        return self.said()

    def offer(self, transaction: Transaction) -> bytes:
        self.talk.offer(transaction)
        return self.said()

    def said(self) -> bytes:
        self.take_finished()
        said = [self.talk.take_output()]
        while (chunk := self.talk.next_chunk()) is not None:
            said.append(chunk)
        self.take_finished()
        return b"".join([*said, self.talk.take_output()])

    def take_finished(self) -> None:
        self.done += self.talk.finished
        self.talk.finished = []

    def kinds(self) -> list[Kind]:
        """Of every copy whose verdict has come, in order."""
        return [verdict.kind for _, verdicts in self.done for verdict in verdicts]

    def last(self) -> list[Verdict]:
        return self.done[-1][1]


def open_side(*offers: str, protocol: Protocol = Protocol.SMTP) -> Side:
    side = Side(protocol=protocol)
    side.hear("220 peer.test")
    lines = ("peer.test", *offers)
    side.hear(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")
    assert side.talk.is_open
    return side
