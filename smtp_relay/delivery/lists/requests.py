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
| `-bounces+N.SIGN`| anybody: SIGN is the proof| counted for member N, not for one by rule,   |
|                  |                          | where the address failed (`lists.notices`)    |
| `-bounces`       | our own reports only     | the same, for those that they name            |
| `-bounces+pN.SIGN`| anybody: SIGN is the proof| the probe came back: member N gets no more  |
| `-help`          | an account; anybody,     | told how it works                             |
|                  | where it lets anyone in  |                                               |

Every answer is words for the journey.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from mailserver.lists.addresses import ListPurpose, address_for
from mailserver.lists.author import find_author, subject_of
from mailserver.lists.header import Field, split_fields
from mailserver.lists.loops import why_not
from mailserver.lists.notes import ListNote
from mailserver.lists.notices import FailureNotice, is_of_address, read_failures
from mailserver.lists.tokens import (
    ByHand,
    digest_of,
    make_token,
    verify_probe,
    verify_subscriber,
)
from mailserver.lists.verdict import MAX_READ_OCTETS, deed_of, read_verdict
from mailserver.store.moments import WISH_S
from mailserver.store.ports.lists import (
    HoldPost,
    Joining,
    ListRole,
    Lists,
    MailingList,
    Member,
    Reader,
    Wish,
)
from mailserver.store.ports.queue import CopyRef, QueuedMessage
from mailserver.store.ports.writes import Outcome, Write
from mailserver.texts.plurals import counted
from mailserver.values.address import fold_domain, key_of
from smtp_relay.delivery.lists.budgets import ASKING, LEAVING, Budgets
from smtp_relay.delivery.lists.notes import Notes
from smtp_relay.delivery.lists.post import ListContext, header_of, pieces_of
from smtp_relay.delivery.reports.maker import DOOR as REPORTS_DOOR

MAX_BOUNCES = 3
_TOO_MUCH = "nothing done: strangers asked too much within the hour"
BOUNCES_WITHIN_S = 14 * 86_400.0
PROBE_S = 14 * 86_400.0
"""A probe that comes back later says nothing, and no other one is sent before."""


class Requests:
    """Used by the expander's thread."""

    def __init__(
        self,
        *,
        lists: Lists,
        notes: Notes,
        budgets: Budgets,
        write: Callable[[Write], Outcome],
        context: ListContext,
        wall_s: Callable[[], float],
        ends_s: Callable[[], float],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._lists = lists
        self._notes = notes
        self._budgets = budgets
        self._write = write
        self._context = context
        self._wall_s = wall_s
        self._ends_s = ends_s
        self._draw = draw

    def answer(
        self, which: MailingList, purpose: ListPurpose, detail: str, message: QueuedMessage
    ) -> str:
        """Do what is asked; what was done, in words."""
        if purpose is ListPurpose.BOUNCES:
            return self._bounced(which, detail, message)
        fields, _ = split_fields(header_of(message))
        max_hops = self._context.max_hops
        why = why_not(which, fields, reverse_path=message.reverse_path, max_hops=max_hops)
        if why:
            return f"nothing done: {why}"
        match purpose:
            case ListPurpose.SUBSCRIBE:
                return self._join(which, message)
            case ListPurpose.UNSUBSCRIBE:
                return self._leave(which, message)
            case ListPurpose.CONFIRM:
                return self._confirm(which, detail)
            case ListPurpose.MODERATE:
                return self._moderate(which, detail, message)
            case _:
                return self._help(which, message)

    # --- posts that wait -----------------------------------------------------------------

    def hold(
        self,
        which: MailingList,
        source: CopyRef,
        message: QueuedMessage,
        fields: Sequence[Field],
        *,
        is_uninvited: bool = False,
    ) -> None:
        """Keep it for a moderator, and tell all of them; again: nothing.

        is_uninvited: from no member.  Of strangers' posts only some are told of: `list moderate`
            shows them all.
        """
        is_told = self._lists.find_hold(source) is None and self._budgets.allow_note(
            which, message, is_uninvited=is_uninvited
        )
        token = make_token(self._draw)
        author = find_author(fields)
        reply_to = address_for(which.address, ListPurpose.MODERATE, token)
        notes = [
            self._notes.make(
                ListNote.MODERATE,
                which,
                reader,
                post=_beginning(message).replace(b"\0", b"?"),  # the note itself must leave
                author=author.address if author is not None else message.reverse_path,
                subject=subject_of(fields),
                reply_to=reply_to,
            )
            for reader in (self._moderators(which) if is_told else ())
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
            self._notes.tell(
                ListNote.NOT_UNDERSTOOD,
                which,
                message.account_id,
                reply_to=address_for(which.address, ListPurpose.MODERATE, token),
            )
            return "nothing done: neither approve nor reject was said"
        deed = deed_of(verdict, by=f"account {message.account_id}", at_s=self._wall_s())
        if not self._lists.decide_hold(hold.ref, verdict, deed):
            return "nothing done: somebody decided before"
        return f"the post is {verdict}"

    # --- joining and leaving -----------------------------------------------------------------

    def _join(self, which: MailingList, message: QueuedMessage) -> str:
        account_id = message.account_id
        is_let_in = which.joining is Joining.ANYONE or (
            which.joining is Joining.INSIDE and account_id is not None
        )
        if not is_let_in:
            if account_id is not None:
                self._notes.tell(ListNote.CLOSED, which, account_id)
            return "nothing done: nobody joins by themselves"
        if account_id is None:
            return self._ask(which, message, joins=True)
        self._lists.add_member(which.list_id, account_id=account_id)
        self._notes.tell(ListNote.JOINED, which, account_id)
        return "a member now"

    def _leave(self, which: MailingList, message: QueuedMessage) -> str:
        account_id, path = message.account_id, message.reverse_path
        standing = self._lists.standing(
            which.list_id, account_id=account_id, address_key=key_of(path)
        )
        if not standing.is_member:
            return "nothing done: no member"
        if account_id is None:
            return self._ask(which, message, joins=False)
        self._lists.leave(which.list_id, "asked", account_id=account_id)
        self._notes.tell(ListNote.LEFT, which, account_id)
        return "gets nothing more"

    def _ask(self, which: MailingList, message: QueuedMessage, *, joins: bool) -> str:
        path = message.reverse_path
        local, _, domain = path.rpartition("@")
        if fold_domain(domain) in self._context.domains:
            return "nothing done: somebody of ours must sign in"
        if not self._budgets.allow(which, ASKING if joins else LEAVING, message):
            return _TOO_MUCH
        token = make_token(self._draw)
        wish = Wish(list_id=which.list_id, address=f"{local}@{domain}", joins=joins)
        if not self._lists.keep_wish(
            digest_of(token), wish, now_s=self._ends_s(), expires_at_s=self._wall_s() + WISH_S
        ):
            return "nothing done: asked to confirm before"
        note = ListNote.CONFIRM_JOIN if joins else ListNote.CONFIRM_LEAVE
        reply_to = address_for(which.address, ListPurpose.CONFIRM, token)
        self._notes.tell(note, which, None, path, reply_to=reply_to)
        return "asked to confirm"

    def _confirm(self, which: MailingList, token: str) -> str:
        wish = self._lists.take_wish(digest_of(token), now_s=self._ends_s())
        if wish is None or wish.list_id != which.list_id:
            return "nothing done: no such wish, or its time is over"
        if wish.joins:
            self._lists.add_member(which.list_id, address=wish.address)
        else:
            self._lists.remove_member(which.list_id, address_key=key_of(wish.address))
        self._notes.tell(
            ListNote.JOINED if wish.joins else ListNote.LEFT, which, None, wish.address
        )
        return "a member now" if wish.joins else "no member any more"

    def _help(self, which: MailingList, message: QueuedMessage) -> str:
        """A stranger's address may be forged: no answer, but where anyone may join."""
        if message.account_id is None and which.joining is not Joining.ANYONE:
            return "nothing done: only our own people are told"
        standing = self._lists.standing(
            which.list_id, account_id=message.account_id, address_key=key_of(message.reverse_path)
        )
        if which.is_hidden and not standing.is_member and not standing.roles:
            return "nothing done: a hidden list, and no member"
        if message.account_id is None and not self._budgets.allow(which, ASKING, message):
            return _TOO_MUCH
        self._notes.tell(ListNote.HELP, which, message.account_id, message.reverse_path)
        return "told how the list works"

    # --- bounces --------------------------------------------------------------------------------

    def _bounced(self, which: MailingList, detail: str, message: QueuedMessage) -> str:
        failures = [one for one in read_failures(_beginning(message)) if is_of_address(one)]
        if not failures:
            return "a notice, and not that an address failed for good"
        probed_id = verify_probe(which.secret, detail)
        if probed_id is not None:
            return self._probe_came_back(which, probed_id)
        found = self._bounced_members(which, detail, message, failures)
        members = [one for one in found if self._is_elsewhere(one)]
        for member in members:
            self._count_bounce(which, member)
        return f"the address of {counted(len(members), 'member')} failed for good"

    def _bounced_members(
        self, which: MailingList, detail: str, message: QueuedMessage, failures: list[FailureNotice]
    ) -> list[Member]:
        """Whom a notice is about.  Anybody can write one: the address proves it, or we made it."""
        if detail:
            who = verify_subscriber(which.secret, detail)
            one = self._lists.find_member(who.member_id) if isinstance(who, ByHand) else None
            return [] if one is None else [one]
        if message.door != REPORTS_DOOR:
            return []
        named = dict.fromkeys(key_of(one.address) for one in failures if "@" in one.address)
        members = (self._lists.member_with(which.list_id, key) for key in named)
        return [one for one in members if one is not None]

    def _is_elsewhere(self, member: Member) -> bool:
        """One with an account has a mailbox here: what failed is where they forward."""
        return member.account_id is None and self._lists.find_list(key_of(member.address)) is None

    def _count_bounce(self, which: MailingList, member: Member) -> None:
        """After several, the member is written to: nobody is lost to somebody's mistake."""
        now_s = self._wall_s()
        count = self._lists.note_bounce(member.member_id, now_s=now_s, within_s=BOUNCES_WITHIN_S)
        if count < MAX_BOUNCES or not member.gets_mail:
            return
        if self._lists.begin_probe(member.member_id, now_s=now_s, within_s=PROBE_S):
            self._write(self._notes.probe(which, member))

    def _probe_came_back(self, which: MailingList, member_id: int) -> str:
        member = self._lists.find_member(member_id)
        now_s = self._wall_s()
        if member is None or not self._lists.end_probe(member_id, now_s=now_s, within_s=PROBE_S):
            return "nothing done: nobody waits for what became of that probe"
        self._lists.stop_mail(which.list_id, "bounces", address_key=key_of(member.address))
        owners = self._lists.with_role(which.list_id, ListRole.OWNER)
        for reader in self._lists.readers_of(owners):
            self._write(self._notes.make(ListNote.STOPPED, which, reader, member=member.address))
        return f"{member.address} cannot be reached, and gets nothing more"


def _beginning(message: QueuedMessage) -> bytes:
    octets = b""
    for piece in pieces_of(message, 0):
        octets += piece
        if len(octets) >= MAX_READ_OCTETS:
            break
    return octets[:MAX_READ_OCTETS]
