"""What a list does with mail that is no post: joining, leaving, verdicts, bounces.

| to               | from                     | what                                          |
| ---------------- | ------------------------ | --------------------------------------------- |
| `-subscribe`     | an account               | a member at once, where the list lets people in|
|                  | an address outside       | asked to confirm, where it lets anyone in     |
| `-unsubscribe`   | an account               | gets nothing more, at once                    |
|                  | a member outside         | asked to confirm                              |
| `-confirm+TOKEN` | anybody who has it       | the wish is done                              |
| `-moderate+TOKEN`| an owner's or moderator's| the verdict is done                           |
|                  | own account              |                                               |
| `-bounces+N`     | the null sender          | counted for member N                          |
| `-help`          | anybody with an address  | told how it works                             |

Every answer is words for the journey.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Protocol

from mailserver.dkim.body_hash import BodyHash
from mailserver.lists.addresses import Purpose, address_for
from mailserver.lists.author import find_author, subject_of
from mailserver.lists.header import Field, split_fields
from mailserver.lists.loops import why_not
from mailserver.lists.notes import Facts, Note, compose_note
from mailserver.lists.tokens import digest_of, make_token
from mailserver.lists.verdict import (
    APPROVED,
    MAX_READ_OCTETS,
    failed_addresses,
    is_hard_bounce,
    read_verdict,
)
from mailserver.store.lists import (
    HoldPost,
    Joining,
    ListRole,
    Lists,
    MailingList,
    Reader,
    Wish,
)
from mailserver.store.people import Life
from mailserver.store.ports import Outcome, Write
from mailserver.store.queueing import Act, CopyRef, Deed, QueuedMessage
from mailserver.values.address import Address
from mailserver.values.ids import AcceptId, AccountId, MailboxId, accept_id_text
from mailserver.values.message import Acceptance, BodyFacts, InlineBody, NewCopy
from smtp_relay.delivery.expander_post import (
    DOOR,
    Copies,
    Workshop,
    header_of,
    pieces_of,
    with_copies,
)

WISH_S = 3 * 86_400.0
MAX_BOUNCES = 3
BOUNCES_WITHIN_S = 14 * 86_400.0


class RequestStore(Protocol):
    @property
    def lists(self) -> Lists: ...

    def find_mailbox(self, address_key: str, /) -> MailboxId | None: ...

    def act_on(self, refs: Sequence[CopyRef], deed: Deed, /) -> list[CopyRef]: ...


def key_of(path: str) -> str:
    local, _, domain = path.rpartition("@")
    return Address(local, domain).key


class Requests:
    """Used by the expander's thread."""

    def __init__(
        self,
        *,
        store: RequestStore,
        write: Callable[[Write], Outcome],
        shop: Workshop,
        make_id: Callable[[], AcceptId],
        wall_s: Callable[[], float],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._lists = store.lists
        self._write = write
        self._shop = shop
        self._make_id = make_id
        self._wall_s = wall_s
        self._draw = draw

    def answer(
        self, which: MailingList, purpose: Purpose, detail: str, message: QueuedMessage
    ) -> str:
        """Do what is asked; what was done, in words."""
        if purpose is Purpose.BOUNCES:
            return self._bounced(which, detail, message)
        fields, _ = split_fields(header_of(message))
        max_hops = self._shop.max_hops
        why = why_not(which, fields, reverse_path=message.reverse_path, max_hops=max_hops)
        if why:
            return f"nothing done: {why}"
        match purpose:
            case Purpose.SUBSCRIBE:
                return self._join(which, message)
            case Purpose.UNSUBSCRIBE:
                return self._leave(which, message)
            case Purpose.CONFIRM:
                return self._confirm(which, detail)
            case Purpose.MODERATE:
                return self._moderate(which, detail, message)
            case _:
                self._tell(Note.HELP, which, message.account_id, message.reverse_path)
                return "told how the list works"

    # --- posts that wait -----------------------------------------------------------------

    def hold(
        self, which: MailingList, source: CopyRef, message: QueuedMessage, fields: Sequence[Field]
    ) -> None:
        """Keep it for a moderator, and tell all of them; again: nothing."""
        token = make_token(self._draw)
        author = find_author(fields)
        reply_to = address_for(which.address, Purpose.MODERATE, token)
        notes = [
            self._note(
                Note.MODERATE,
                which,
                reader,
                author=author.address if author is not None else message.reverse_path,
                subject=subject_of(fields),
                reply_to=reply_to,
            )
            for reader in self._moderators(which)
        ]
        self._write(
            HoldPost(
                source=source,
                list_id=which.list_id,
                token=digest_of(token),
                notes=tuple(notes),
                at_s=self._wall_s(),
            )
        )

    def _moderators(self, which: MailingList) -> list[Reader]:
        """Where there are none, the owners."""
        for role in (ListRole.MODERATOR, ListRole.OWNER):
            accounts = self._lists.with_role(which.list_id, role)
            if accounts:
                return self._lists.readers_of(accounts)
        return []

    def _moderate(self, which: MailingList, token: str, message: QueuedMessage) -> str:
        hold = self._lists.hold_of_token(digest_of(token))
        if hold is None or hold.list_id != which.list_id:
            return "nothing done: no post waits under that name"
        roles = self._lists.standing(
            which.list_id, account_id=message.account_id, address_key=""
        ).roles
        if message.account_id is None or not roles & {ListRole.OWNER, ListRole.MODERATOR}:
            return "nothing done: not from the account of a moderator"
        verdict = read_verdict(_beginning(message))
        if not verdict:
            return "nothing done: neither approve nor reject was said"
        by_whom = f"account {message.account_id}"
        if not self._lists.decide_hold(hold.ref, verdict, by_whom=by_whom):
            return "nothing done: somebody decided before"
        act_on_verdict(self._store.act_on, hold.ref, verdict, by_whom, self._wall_s())
        return f"the post is {verdict}"

    # --- joining and leaving -----------------------------------------------------------------

    def _join(self, which: MailingList, message: QueuedMessage) -> str:
        account_id, path = message.account_id, message.reverse_path
        is_let_in = which.joining is Joining.ANYONE or (
            which.joining is Joining.INSIDE and account_id is not None
        )
        if not is_let_in:
            if account_id is not None:
                self._tell(Note.CLOSED, which, account_id, path)
            return "nothing done: nobody joins by themselves"
        if account_id is None:
            return self._ask(which, path, joins=True)
        self._lists.add_member(which.list_id, account_id=account_id)
        self._tell(Note.JOINED, which, account_id, path)
        return "a member now"

    def _leave(self, which: MailingList, message: QueuedMessage) -> str:
        account_id, path = message.account_id, message.reverse_path
        standing = self._lists.standing(
            which.list_id, account_id=account_id, address_key=key_of(path)
        )
        if not standing.is_member:
            return "nothing done: no member"
        if account_id is None:
            return self._ask(which, path, joins=False)
        leave(self._lists, which, account_id)
        self._tell(Note.LEFT, which, account_id, path)
        return "gets nothing more"

    def _ask(self, which: MailingList, path: str, *, joins: bool) -> str:
        local, _, domain = path.rpartition("@")
        if domain.lower() in self._shop.domains:
            return "nothing done: somebody of ours must sign in"
        token = make_token(self._draw)
        wish = Wish(list_id=which.list_id, address=f"{local}@{domain}", joins=joins)
        self._lists.keep_wish(digest_of(token), wish, expires_at_s=self._wall_s() + WISH_S)
        note = Note.CONFIRM_JOIN if joins else Note.CONFIRM_LEAVE
        reply_to = address_for(which.address, Purpose.CONFIRM, token)
        self._tell(note, which, None, path, reply_to=reply_to)
        return "asked to confirm"

    def _confirm(self, which: MailingList, token: str) -> str:
        wish = self._lists.take_wish(digest_of(token), now_s=self._wall_s())
        if wish is None or wish.list_id != which.list_id:
            return "nothing done: no such wish, or its time is over"
        if wish.joins:
            self._lists.add_member(which.list_id, address=wish.address)
        else:
            self._lists.remove_member(which.list_id, address_key=key_of(wish.address))
        self._tell(Note.JOINED if wish.joins else Note.LEFT, which, None, wish.address)
        return "a member now" if wish.joins else "no member any more"

    # --- bounces --------------------------------------------------------------------------------

    def _bounced(self, which: MailingList, detail: str, message: QueuedMessage) -> str:
        octets = _beginning(message)
        if not is_hard_bounce(octets):
            return "a notice, and not of a failure for good"
        member_ids = [int(detail)] if detail.isascii() and detail.isdigit() else []
        member_ids = member_ids or [
            member.member_id
            for address in failed_addresses(octets)
            if (member := self._lists.member_with(which.list_id, key_of(address))) is not None
        ]
        for member_id in member_ids:
            self._count_bounce(which, member_id)
        return f"a failure for good of {len(member_ids)} members"

    def _count_bounce(self, which: MailingList, member_id: int) -> None:
        now_s = self._wall_s()
        count = self._lists.note_bounce(member_id, now_s=now_s, within_s=BOUNCES_WITHIN_S)
        member = self._lists.find_member(member_id)
        if count < MAX_BOUNCES or member is None or not member.gets_mail:
            return
        self._lists.stop_mail(
            which.list_id,
            "bounces",
            account_id=member.account_id,
            address_key="" if member.account_id is not None else key_of(member.address),
        )
        owners = self._lists.with_role(which.list_id, ListRole.OWNER)
        for reader in self._lists.readers_of(owners):
            self._write(self._note(Note.STOPPED, which, reader, member=member.address))

    # --- notes -----------------------------------------------------------------------------------

    def _tell(
        self,
        note: Note,
        which: MailingList,
        account_id: AccountId | None,
        path: str,
        *,
        reply_to: str = "",
    ) -> None:
        for reader in self._lists.readers_of([account_id]) if account_id else [_outside(path)]:
            self._write(self._note(note, which, reader, reply_to=reply_to))

    def _note(
        self,
        note: Note,
        which: MailingList,
        reader: Reader,
        *,
        author: str = "",
        subject: str = "",
        member: str = "",
        reply_to: str = "",
    ) -> Acceptance:
        now_s, accept_id = self._wall_s(), self._make_id()
        facts = Facts(
            to=reader.address,
            id_text=accept_id_text(accept_id),
            date=formatdate(int(now_s))[:-5] + "+0000",
            author=author,
            subject=subject,
            member=member,
            reply_to=reply_to,
        )
        copies = Copies(self._shop, which, find_mailbox=self._store.find_mailbox)
        octets = compose_note(note, which, facts)
        accepted = _accepted(self._shop, octets, facts, accept_id, now_s)
        return with_copies(accepted, *map(_unsent_by_list, copies.of(reader, now_s)))


def leave(lists: Lists, which: MailingList, account_id: AccountId) -> None:
    """One by hand goes; one who is a member by rule too is noted as getting no mail."""
    lists.remove_member(which.list_id, account_id=account_id)
    if lists.standing(which.list_id, account_id=account_id, address_key="").is_member:
        lists.stop_mail(which.list_id, "asked", account_id=account_id)


def act_on_verdict(
    act_on: Callable[[Sequence[CopyRef], Deed], list[CopyRef]],
    ref: CopyRef,
    verdict: str,
    by_whom: str,
    now_s: float,
) -> None:
    """An approved post goes out, another one back to its author."""
    act = Act.RELEASE if verdict == APPROVED else Act.RETURN
    reason = f"a moderator of the list: {verdict}"
    act_on([ref], Deed(act=act, by=by_whom, reason=reason, at_s=now_s))


def _outside(path: str) -> Reader:
    return Reader(
        member_id=None,
        account_id=None,
        mailbox_id=None,
        address=path,
        list_id=None,
        life=Life.PRESENT,
        forward_to="",
        keeps_copy=True,
    )


def _unsent_by_list(copy: NewCopy) -> NewCopy:
    """A note has the null sender: what becomes of it is nobody's business."""
    return NewCopy(recipient=copy.recipient, route=copy.route)


def _accepted(
    shop: Workshop, octets: bytes, facts: Facts, accept_id: AcceptId, now_s: float
) -> Acceptance:
    head = f"Received: by {shop.hostname} id {facts.id_text}; {facts.date}\r\n".encode()
    header, _, text = octets.partition(b"\r\n\r\n")
    if shop.sign is not None:
        body_hash = BodyHash()
        body_hash.feed(text)
        head = shop.sign(head + header, body_hash=body_hash.digest(), now_s=now_s) + head
    return Acceptance(
        accept_id=accept_id,
        accepted_at_s=now_s,
        return_path=b"Return-Path: <>\r\n",
        head=head,
        body=InlineBody(octets),
        facts=BodyFacts(
            header_octets=len(header) + 4,
            ends_with_crlf=octets.endswith(b"\r\n"),
            is_8bit=not octets.isascii(),
            has_nul=False,
            longest_line_octets=0,
            dotted_line_count=octets.count(b"\r\n."),
        ),
        reverse_path="",
        account_id=None,
        peer="",
        door=DOOR,
        smtputf8=not octets.isascii(),
    )


def _beginning(message: QueuedMessage) -> bytes:
    octets = b""
    for piece in pieces_of(message, 0):
        octets += piece
        if len(octets) >= MAX_READ_OCTETS:
            break
    return octets[:MAX_READ_OCTETS]
