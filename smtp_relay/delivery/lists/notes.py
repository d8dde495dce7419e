"""What a list writes by itself, ready to be accepted: to accounts, to addresses outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailserver.dkim.body_hash import BodyHash
from mailserver.lists.addresses import probe_address
from mailserver.lists.notes import ListNote, NoteFacts, compose_note
from mailserver.store.ports.lists import ListRole, Lists, MailingList, Member, Reader
from mailserver.store.ports.people import Life
from mailserver.store.ports.targets import Target
from mailserver.store.ports.writes import Outcome, Write
from mailserver.values.ids import AcceptId, AccountId, accept_id_text
from mailserver.values.message import Acceptance, InlineBody, NewCopy, Notify, facts_of
from mailserver.values.moments import mail_date
from smtp_relay.delivery.lists.members import Copies
from smtp_relay.delivery.lists.post import DOOR, ListContext, with_copies


class Notes:
    """Used by the expander's thread."""

    def __init__(
        self,
        *,
        lists: Lists,
        find: Callable[[str], Target | None],
        write: Callable[[Write], Outcome],
        context: ListContext,
        make_id: Callable[[], AcceptId],
        wall_s: Callable[[], float],
    ) -> None:
        self._lists = lists
        self._find = find
        self._write = write
        self._context = context
        self._make_id = make_id
        self._wall_s = wall_s

    def tell(
        self,
        note: ListNote,
        which: MailingList,
        account_id: AccountId | None,
        path: str = "",
        *,
        subject: str = "",
        reply_to: str = "",
    ) -> None:
        """To the account, or where there is none to the path."""
        readers = [_outside(path)] if account_id is None else self._lists.readers_of([account_id])
        for reader in readers:
            self._write(self.make(note, which, reader, subject=subject, reply_to=reply_to))

    def make(
        self,
        note: ListNote,
        which: MailingList,
        reader: Reader,
        *,
        author: str = "",
        subject: str = "",
        member: str = "",
        reply_to: str = "",
        post: bytes = b"",
    ) -> Acceptance:
        now_s, accept_id = self._wall_s(), self._make_id()
        facts = NoteFacts(
            to=reader.address,
            id_text=accept_id_text(accept_id),
            date=mail_date(now_s, self._context.time_zone),
            author=author,
            subject=subject,
            member=member,
            reply_to=reply_to,
        )
        copies = Copies(self._context, which, find=self._find)
        octets = compose_note(note, which, facts, post=post)
        accepted = self._accepted(octets, facts, accept_id, now_s)
        return with_copies(accepted, *map(_unsent_by_list, copies.of(reader, now_s)))

    def tell_owners(self, which: MailingList) -> None:
        """That strangers ask so much of the list that some of it is left undone."""
        for reader in self._lists.readers_of(self._lists.with_role(which.list_id, ListRole.OWNER)):
            self._write(self.make(ListNote.TOO_MANY, which, reader))

    def probe(self, which: MailingList, member: Member) -> Acceptance:
        """To a member whose mail fails; what comes back comes to an address of its own."""
        made = self.make(ListNote.PROBE, which, _outside(member.address), member=member.address)
        sender = probe_address(which, member.member_id)
        copies = [replace(copy, notify=Notify.FAILURE) for copy in made.copies]
        return replace(
            with_copies(made, *copies),
            reverse_path=sender,
            return_path=f"Return-Path: <{sender}>\r\n".encode(),
        )

    def _accepted(
        self, octets: bytes, facts: NoteFacts, accept_id: AcceptId, now_s: float
    ) -> Acceptance:
        date = mail_date(now_s, "UTC")
        head = f"Received: by {self._context.hostname} id {facts.id_text}; {date}\r\n".encode()
        header, _, text = octets.partition(b"\r\n\r\n")
        if self._context.sign is not None:
            body_hash = BodyHash()
            body_hash.feed(text)
            digest = body_hash.digest()
            head = self._context.sign(head + header, body_hash=digest, now_s=now_s) + head
        return Acceptance(
            accept_id=accept_id,
            accepted_at_s=now_s,
            return_path=b"Return-Path: <>\r\n",
            head=head,
            body=InlineBody(octets),
            facts=facts_of(octets),
            reverse_path="",
            account_id=None,
            peer="",
            door=DOOR,
            smtputf8=not header.isascii(),
        )


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
