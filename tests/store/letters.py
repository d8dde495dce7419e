"""Acceptances as doors make them, and people to send them to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from mailserver.store.ports.accounts import Account
from mailserver.store.ports.bodies import body_chunks
from mailserver.store.ports.mail import StoredMessage
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted, Removal, Removed, Writes
from mailserver.values.ids import AcceptId, MailboxId, MessageId, Uid, make_accept_id
from mailserver.values.message import (
    Acceptance,
    Body,
    BodyFacts,
    Deposit,
    InlineBody,
    NewCopy,
    delivered_to_line,
)
from mailserver.values.unique_ids import unique_id, unique_id_prefix

NOW_S = 1_800_000_000.0
RETURN_PATH = b"Return-Path: <jean.petit@ac-exemple.fr>\r\n"
HEAD = b"Received: from client by mail.ac-exemple.fr; Mon, 1 Jan 2029 00:00:00 +0000\r\n"
BODY = b"Subject: essai\r\n\r\nBonjour.\r\n"
FACTS = BodyFacts(
    header_octets=18,
    ends_with_crlf=True,
    is_8bit=False,
    has_nul=False,
    longest_line_octets=14,
    dotted_line_count=0,
)
_numbers = count(1)


def new_accept_id() -> AcceptId:
    return make_accept_id(NOW_S, next(_numbers).to_bytes(9, "big"))


def letter(
    *recipients: tuple[str, MailboxId],
    body: bytes | Body = BODY,
    at_s: float = NOW_S,
    accept_id: AcceptId | None = None,
    facts: BodyFacts = FACTS,
) -> Acceptance:
    """One accepted message, a copy for each (recipient, mailbox)."""
    return Acceptance(
        accept_id=accept_id or new_accept_id(),
        accepted_at_s=at_s,
        return_path=RETURN_PATH,
        head=HEAD,
        body=InlineBody(body) if isinstance(body, bytes) else body,
        facts=facts,
        reverse_path="jean.petit@ac-exemple.fr",
        account_id=None,
        peer="192.0.2.1",
        door="mx",
        smtputf8=False,
        copies=tuple(
            NewCopy(recipient=recipient, route=Deposit(mailbox_id=mailbox_id))
            for recipient, mailbox_id in recipients
        ),
    )


def letter_to(
    *mailbox_ids: MailboxId, body: bytes | Body = BODY, at_s: float = NOW_S
) -> Acceptance:
    """One accepted message to these mailboxes, under names that say which."""
    return letter(*((recipient_of(m), m) for m in mailbox_ids), body=body, at_s=at_s)


def recipient_of(mailbox_id: MailboxId) -> str:
    return f"personne{mailbox_id}@ac-exemple.fr"


def as_fetched(recipient: str, body: bytes = BODY) -> bytes:
    """What a reader of that recipient's entry gets."""
    return RETURN_PATH + delivered_to_line(recipient) + HEAD + body


def accept(store: Writes, *acceptances: Acceptance) -> list[MessageId]:
    """Apply them as one batch; all must be on disk afterwards."""
    outcomes = store.apply(acceptances)
    assert len(outcomes) == len(acceptances)
    ids = [outcome.message_id for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(ids) == len(acceptances), outcomes
    return ids


def remove(
    store: Writes, mailbox_id: MailboxId, uids: Iterable[int], *, at_s: float = NOW_S
) -> int:
    """Remove entries as a QUIT does; how many it removed."""
    (outcome,) = store.apply([removal(mailbox_id, uids, at_s=at_s)])
    assert isinstance(outcome, Removed), outcome
    return outcome.count


def removal(mailbox_id: MailboxId, uids: Iterable[int], *, at_s: float = NOW_S) -> Removal:
    return Removal(mailbox_id=mailbox_id, uids=tuple(map(Uid, uids)), removed_at_s=at_s)


def person(store: Store, identifier: str, *, addresses: Sequence[str] | None = None) -> Account:
    """A new account, under `<identifier>@ac-exemple.fr` unless other addresses are given."""
    if addresses is None:
        addresses = [f"{identifier}@ac-exemple.fr"]
    return store.accounts.add_account(
        identifier=identifier, name=identifier.title(), addresses=addresses, now_s=NOW_S
    )


def people(store: Store, wanted: int) -> list[MailboxId]:
    """The INBOX of each of that many new accounts."""
    return [person(store, f"personne{n}").inbox_id for n in range(wanted)]


def uids_of(store: Store, mailbox_id: MailboxId) -> list[int]:
    """What a session that begins now would list."""
    return list(store.mail.list_maildrop(store.mail.open_maildrop(mailbox_id)).uids)


def unique_ids_of(store: Store, mailbox_id: MailboxId) -> list[bytes]:
    """The unique-ids that a session would list that begins now."""
    maildrop = store.mail.open_maildrop(mailbox_id)
    prefix = unique_id_prefix(maildrop.epoch)
    listing = store.mail.list_maildrop(maildrop)
    return [
        unique_id(prefix, uid, nonce)
        for uid, nonce in zip(listing.uids, listing.nonces, strict=True)
    ]


def read(message: StoredMessage | None) -> bytes | None:
    """All octets of a fetched message, which is closed; None stays None."""
    if message is None:
        return None
    try:
        return message.lead + b"".join(body_chunks(message, 1 << 20))
    finally:
        message.close()


def fetch(store: Store, mailbox_id: MailboxId, uid: int) -> bytes | None:
    return read(store.mail.fetch(mailbox_id, Uid(uid)))
