"""The members of a list: who gets a post, where, and slice by slice, from wherever it has come.

| a member                        | gets                                                    |
| ------------------------------- | ------------------------------------------------------- |
| with a mailbox here             | an entry in it, if there is room                        |
| who forwards                    | a copy there, and an entry where one is to be kept      |
| outside                         | a copy under a sender that names the member             |
| by rule, who forwards outside   | the same, with the account, where one click is offered  |
| another list                    | a copy for it                                           |
| who left, or is yet to come     | nothing; who left and forwards: the copy there          |

What is forwarded to an address of ours is deposited there and goes no further.

    by hand, in the order of members; then by rule, in the order of accounts

A slice and its cursor are one transaction: see `mailserver.store.ports.lists`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mailserver.lists.addresses import bounces_address, next_hop_of
from mailserver.lists.tokens import ByHand, ByRule, Subscriber
from mailserver.queue.turns import Turns
from mailserver.quota.classes import Room, decide_room
from mailserver.routing import rules as routes
from mailserver.routing.local import Unknown, at_home, find_local
from mailserver.routing.relaying import held_for
from mailserver.store.ports.errors import StoreBroken, StoreError
from mailserver.store.ports.lists import (
    DONE,
    SLICE_COPIES,
    AddCopies,
    Cursor,
    Lists,
    MailingList,
    Progress,
    Reader,
    Stage,
)
from mailserver.store.ports.people import Life
from mailserver.store.ports.queue import CopyRef, Settled
from mailserver.store.ports.targets import Target
from mailserver.store.ports.writes import Outcome, Write
from mailserver.values.address import Address
from mailserver.values.ids import MailboxId
from mailserver.values.message import Deposit, NewCopy, Notify, Relay
from smtp_relay.delivery.lists.post import ListContext

_GETS_MAIL = frozenset({Life.PRESENT, Life.ON_LEAVE, Life.LEAVING})
_TRIES = 3


class Copies:
    """Readers to copies: into their mailbox, onward where they forward, or to another list."""

    def __init__(
        self,
        context: ListContext,
        which: MailingList,
        *,
        find: Callable[[str], Target | None],
        size_octets: int = 0,
    ) -> None:
        """find: by the key of an address.  size_octets: of the message, about."""
        self._context = context
        self._which = which
        self._find = find
        self._size_octets = size_octets
        self._turns = Turns()
        self.full_count = 0
        """Mailboxes that had no room, even with the grace margin: they get none."""

    def of(self, reader: Reader, now_s: float) -> list[NewCopy]:
        """None, one, or two."""
        if reader.list_id is not None:
            hop = next_hop_of(reader.list_id)
            return [self._relayed(reader.address, hop, "", self._named(reader), now_s)]
        if reader.mailbox_id is None:
            return self._onward(reader.address, self._named(reader), now_s)
        copies: list[NewCopy] = []
        goes_on = reader.forward_to and self._context.forwards
        if goes_on and reader.life not in (Life.EXPECTED, Life.GONE):
            copies += self._onward(reader.forward_to, self._named(reader), now_s)
        if reader.life in _GETS_MAIL and (reader.keeps_copy or not copies):
            copies += self._deposited(reader.address, reader.mailbox_id, reader)
        return copies

    def _deposited(
        self, recipient: str, mailbox_id: MailboxId, owner: Reader | Target
    ) -> list[NewCopy]:
        limits = self._context.classes.of(owner.class_name)
        if limits.has_quota:
            room = decide_room(
                limits,
                used_octets=owner.used_octets,
                used_count=owner.used_count,
                size_octets=self._size_octets,
                is_lenient=True,  # nobody tries again: the grace margin is for this
            )
            if room is Room.NO:
                self.full_count += 1
                return []
        return [NewCopy(recipient=recipient, route=Deposit(mailbox_id=mailbox_id))]

    def _named(self, reader: Reader) -> Subscriber | None:
        """Whom the sender of a copy names; None: nobody."""
        if reader.member_id is not None:
            return ByHand(reader.member_id)
        if not self._context.offers_one_click or reader.account_id is None:
            return None
        return ByRule(reader.account_id)

    def _onward(self, text: str, who: Subscriber | None, now_s: float) -> list[NewCopy]:
        local, _, domain = text.rpartition("@")
        address = Address(local, domain)
        looked = find_local(address, ours=self._context.ours, find=self._find, postmaster=None)
        found = at_home(looked)
        if isinstance(found, Target):
            if found.mailbox_id is None or found.life not in _GETS_MAIL:
                return []
            return self._deposited(text, found.mailbox_id, found)
        if isinstance(found, Unknown):
            return []
        rule = routes.match_rule(
            self._context.rules, recipient=address, sender=None, identifier=None
        )
        if rule is not None and rule.via == "refuse":
            return []
        hop = routes.next_hop_of(rule, address)
        return [self._relayed(text, hop, held_for(rule), who, now_s)]

    def _relayed(
        self, recipient: str, hop: str, reason: str, who: Subscriber | None, now_s: float
    ) -> NewCopy:
        return NewCopy(
            recipient=recipient,
            route=Relay(
                next_hop=hop,
                turn_at_s=self._turns.take(self._which.address, now_s=now_s),
                tell_at_s=self._context.expires_at(now_s),  # nobody hears of its delays
                held_for=reason,
            ),
            notify=Notify.FAILURE,
            sender=bounces_address(self._which, who),
        )


class Interrupted(Exception):
    """The process is ending: what is left goes back to the queue."""


@dataclass(slots=True)
class Part:
    """What one transaction adds: a member who forwards and keeps a copy has two."""

    copies: list[NewCopy] = field(default_factory=list)
    reader_count: int = 0

    def take(self, copies: Sequence[NewCopy]) -> None:
        """All of one member; none where there is no room, or nowhere to go."""
        self.copies += copies
        self.reader_count += bool(copies)


class Slices:
    """Used by the expander's thread."""

    def __init__(
        self,
        *,
        lists: Lists,
        write: Callable[[Write], Outcome],
        wall_s: Callable[[], float],
        is_stopped: Callable[[], bool],
    ) -> None:
        self._lists = lists
        self._write = write
        self._wall_s = wall_s
        self._is_stopped = is_stopped

    def hand_out(
        self, which: MailingList, source: CopyRef, progress: Progress, copies_of: Copies
    ) -> Progress:
        """All slices that are left."""
        by_rule = self._lists.accounts_by_rule(which)
        tries = 0
        while progress.cursor != DONE:
            if self._is_stopped():
                raise Interrupted
            part, now = self._next_slice(which, by_rule, progress.cursor, copies_of)
            try:
                progress = self.add(source, part, progress.cursor, now)
                tries = 0
                continue
            except StoreBroken:
                raise
            except StoreError:
                # A mailbox went between the look and the write: look again.
                tries += 1
                if tries == _TRIES:
                    raise
            progress = self._progress(source)
        return progress

    def _progress(self, source: CopyRef) -> Progress:
        found = self._lists.post_progress(source)
        assert found is not None, "it was begun"
        return found

    def add(self, source: CopyRef, part: Part, was: Cursor, now: Cursor) -> Progress:
        """Where another agent was faster, nothing is added: its progress is what there is."""
        write = AddCopies(
            source=source,
            copies=tuple(part.copies),
            reader_count=part.reader_count,
            was=was,
            now=now,
            at_s=self._wall_s(),
        )
        assert isinstance(self._write(write), Settled)
        return self._progress(source)

    def _next_slice(
        self, which: MailingList, by_rule: Sequence[int], cursor: Cursor, copies_of: Copies
    ) -> tuple[Part, Cursor]:
        """At most `SLICE_COPIES`, and where the next slice begins."""
        now_s, part, now = self._wall_s(), Part(), cursor
        for place, reader in self._readers(which, by_rule, cursor):
            more = copies_of.of(reader, now_s)
            if len(part.copies) + len(more) > SLICE_COPIES:
                return part, now
            part.take(more)
            now = place
        # A full read may have more behind it; an incomplete one was the last.
        return (part, now) if now != cursor else (part, DONE)

    def _readers(
        self, which: MailingList, by_rule: Sequence[int], cursor: Cursor
    ) -> Iterator[tuple[Cursor, Reader]]:
        """From the cursor on, about one slice of them."""
        if cursor.stage is Stage.BY_HAND:
            found = self._lists.readers_by_hand(
                which.list_id, after_id=cursor.after_id, limit=SLICE_COPIES
            )
            for reader in found:
                yield Cursor(Stage.BY_HAND, reader.member_id or 0), reader
            if found:
                return
            cursor = Cursor(Stage.BY_RULE, 0)
        begin = bisect_right(by_rule, cursor.after_id)
        for start in range(begin, len(by_rule), SLICE_COPIES):
            found = self._lists.readers_of(by_rule[start : start + SLICE_COPIES])
            for reader in found:
                yield Cursor(Stage.BY_RULE, reader.account_id or 0), reader
            if found:
                return
