"""The expander: replaces a copy that came for a list by its members' copies.

    agent --due destinations `list:<id>`--> lease --> one copy after the other
        post      who may, loops, moderation; derive the message; slices of members
        owner     the same, unchanged, to the owners
        requests  subscribe, unsubscribe, confirm, moderate, bounces  (`expander_requests`)
    --> settled: EXPANDED, RETURNED, HELD, or deferred

Blocks, so it has a thread of its own; writes go through the committer.  Killed
at any point, the next agent goes on at the cursor: each member has one copy.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Protocol

from mailserver.lists.addresses import Purpose, list_of_hop, purpose_of
from mailserver.lists.author import find_author
from mailserver.lists.header import Field, Rewriting, split_fields
from mailserver.lists.loops import why_not
from mailserver.lists.posting import Permission, Sender, decide_post
from mailserver.lists.verdict import APPROVED, REJECTED
from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind, is_owed
from mailserver.store.commit import Done
from mailserver.store.lists import (
    DONE,
    SLICE_COPIES,
    AddCopies,
    BeginPost,
    Cursor,
    ListRole,
    Lists,
    MailingList,
    Progress,
    Reader,
    Stage,
)
from mailserver.store.ports import Accepted, Failed, Outcome, StoreBroken, StoreError, Write
from mailserver.store.queueing import (
    Attempt,
    CopyOutcome,
    CopyRef,
    Deed,
    DueDestination,
    Lease,
    Leased,
    LeasedCopy,
    QueuedMessage,
    Settled,
    Settlement,
)
from mailserver.telemetry.log import get_log
from mailserver.values.ids import AcceptId, AgentId, MailboxId, MessageId, accept_id_text
from mailserver.values.message import NewCopy
from smtp_relay.delivery.expander_post import Copies, Workshop, derive, header_of
from smtp_relay.delivery.expander_requests import Requests, key_of

LEASE_COPIES = 20
DEFER_S = 300.0
STRICT_AFTER_TRIES = 3
_SLICE_TRIES = 3
_WRITE_TIMEOUT_S = 120.0


class ExpanderStore(Protocol):
    """What expansion asks of the store."""

    @property
    def lists(self) -> Lists: ...

    def open_queued(self, message_id: MessageId, /) -> QueuedMessage | None: ...

    def find_mailbox(self, address_key: str, /) -> MailboxId | None: ...

    def act_on(self, refs: Sequence[CopyRef], deed: Deed, /) -> list[CopyRef]: ...


Submit = Callable[[Write, Done], None]
IsStrict = Callable[[str], bool | None]
"""Does this domain want strict alignment?  None: name servers did not answer."""


class Interrupted(Exception):
    """The process is ending: what is left goes back to the queue."""


class Expander:
    """One per delivery process.  `due` and `stop` on any thread."""

    def __init__(
        self,
        *,
        store: ExpanderStore,
        submit: Submit,
        agent_id: AgentId,
        pool: Executor,
        shop: Workshop,
        is_strict: IsStrict,
        make_id: Callable[[], AcceptId],
        wall_s: Callable[[], float],
        on_broken: Callable[[], None],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """told: a report may be owed now."""
        self._store = store
        self._submit = submit
        self._agent_id = agent_id
        self._pool = pool
        self._shop = shop
        self._is_strict = is_strict
        self._make_id = make_id
        self._wall_s = wall_s
        self._on_broken = on_broken
        self._told = told
        self._requests = Requests(
            store=store, write=self.write, shop=shop, make_id=make_id, wall_s=wall_s
        )
        self._lock = threading.Lock()
        self._waiting: dict[int, DueDestination] = {}
        self._is_running = False
        self._is_stopped = False
        self._log = get_log("lists")

    # --- what the agent says ---------------------------------------------------------

    def due(self, found: Sequence[DueDestination]) -> None:
        """Destinations whose next hop is a list's.  Others are not ours."""
        with self._lock:
            self._waiting.update((one.destination_id, one) for one in found)
            if self._is_running or self._is_stopped or not self._waiting:
                return
            self._is_running = True
        self._pool.submit(self._run)

    def stop(self) -> None:
        """Begin no other slice."""
        self._is_stopped = True

    @property
    def is_resting(self) -> bool:
        return not self._is_running

    # --- the thread --------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._is_stopped or not self._waiting:
                    self._is_running = False
                    return
                destination = self._waiting.pop(next(iter(self._waiting)))
            try:
                self._drain(destination)
            except Exception as error:  # noqa: BLE001 - the top of a thread's work
                self._log.error("a list could not be expanded", exc_info=error)
                if isinstance(error, StoreBroken):
                    self._on_broken()

    def _drain(self, destination: DueDestination) -> None:
        """Lease by lease, until nothing of it is due."""
        while not self._is_stopped:
            lease = Lease(
                agent_id=self._agent_id,
                destination_id=destination.destination_id,
                limit=LEASE_COPIES,
                now_s=self._wall_s(),
            )
            leased = self.write(lease)
            if not isinstance(leased, Leased) or not leased.copies:
                return
            for copy in leased.copies:
                outcome = self._expand_safely(destination.next_hop, copy)
                self.write(
                    Settlement(agent_id=self._agent_id, outcomes=(outcome,), at_s=self._wall_s())
                )
                if outcome.owes is not None:
                    self._told()

    def write(self, write: Write) -> Outcome:
        """Submit, and wait for the outcome.

        Raises:
            StoreError: it failed.
        """
        heard: Future[Outcome] = Future()
        self._submit(write, heard.set_result)
        outcome = heard.result(_WRITE_TIMEOUT_S)
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome

    def _expand_safely(self, next_hop: str, copy: LeasedCopy) -> CopyOutcome:
        try:
            return self._expand(next_hop, copy)
        except Interrupted:
            return CopyOutcome(ref=copy.ref, state=CopyState.QUEUED)
        except StoreBroken:
            raise
        except Exception as error:  # noqa: BLE001 - one bad post must not stop the others
            self._log.error("post not expanded", message_id=copy.ref.message_id, exc_info=error)
            return self._deferred(copy, "4.3.0", "the list could not be expanded: our own fault")

    # --- one copy ------------------------------------------------------------------------

    def _expand(self, next_hop: str, copy: LeasedCopy) -> CopyOutcome:
        if self._is_stopped:
            raise Interrupted
        list_id = list_of_hop(next_hop)
        which = None if list_id is None else self._store.lists.read_list(list_id)
        message = self._store.open_queued(copy.ref.message_id)
        if message is None:
            return self._settled(copy, CopyState.RETURNED, "5.3.0", "its body is gone")
        try:
            if which is None:
                return self._returned(copy, message, "5.1.6", "this list no longer exists")
            purpose, detail = purpose_of(which, copy.recipient)
            if purpose is Purpose.POST:
                return self._post(which, copy, message)
            if purpose is Purpose.OWNER:
                return self._to_owners(which, copy, message)
            words = self._requests.answer(which, purpose, detail, message)
            return self._settled(copy, CopyState.EXPANDED, "2.0.0", words)
        finally:
            message.close()

    def _post(self, which: MailingList, copy: LeasedCopy, message: QueuedMessage) -> CopyOutcome:
        progress = self._store.lists.post_progress(copy.ref)
        fields, _ = split_fields(header_of(message))
        if progress is None:
            refusal = self._may_post(which, copy, message, fields)
            if refusal is not None:
                return refusal
            author = find_author(fields)
            strict = self._wants_rewriting(author.domain if author else "", copy)
            if strict is None:
                return self._deferred(copy, "4.4.3", "the author's DMARC policy is not known yet")
            how = Rewriting(
                which=which,
                own_domains=self._shop.domains,
                author=author.address if author is not None and strict else "",
                author_name=author.name if author is not None else "",
            )
            progress = self._begin(copy, message, how, is_post=True)
        count = self._hand_out(which, copy.ref, progress)
        return self._expanded(copy, message, progress, count)

    def _may_post(
        self,
        which: MailingList,
        copy: LeasedCopy,
        message: QueuedMessage,
        fields: Sequence[Field],
    ) -> CopyOutcome | None:
        """None: it goes out."""
        why = why_not(
            which, fields, reverse_path=message.reverse_path, max_hops=self._shop.max_hops
        )
        if why:
            return self._settled(copy, CopyState.EXPANDED, "2.0.0", f"to nobody: {why}")
        hold = self._store.lists.find_hold(copy.ref)
        if hold is not None and hold.verdict == APPROVED:
            return None
        if hold is not None and hold.verdict == REJECTED:
            return self._returned(copy, message, "5.7.2", "a moderator of the list refused it")
        sender = Sender(
            is_signed_in=message.account_id is not None,
            is_null=not message.reverse_path,
            standing=self._store.lists.standing(
                which.list_id,
                account_id=message.account_id,
                address_key=key_of(message.reverse_path),
            ),
        )
        match decide_post(which, sender):
            case Permission.YES:
                return None
            case Permission.HELD:
                self._requests.hold(which, copy.ref, message, fields)
                reason = f"waits for a moderator of {which.address}"
                return CopyOutcome(ref=copy.ref, state=CopyState.HELD, reason=reason)
            case Permission.NO:
                words = "you may not post to this list"
                if message.account_id is None:  # a report to a stranger would be backscatter
                    words = "to nobody: its sender may not post to this list"
                    return self._settled(copy, CopyState.EXPANDED, "2.0.0", words)
                return self._returned(copy, message, "5.7.2", words)

    def _wants_rewriting(self, domain: str, copy: LeasedCopy) -> bool | None:
        """Our own signature is the author's where the domain is ours: never for those."""
        if not domain or domain in self._shop.domains:
            return False
        strict = self._is_strict(domain)
        return True if strict is None and copy.attempt_count >= STRICT_AFTER_TRIES else strict

    def _to_owners(
        self, which: MailingList, copy: LeasedCopy, message: QueuedMessage
    ) -> CopyOutcome:
        progress = self._store.lists.post_progress(copy.ref)
        if progress is None:
            how = Rewriting(which=which, own_domains=self._shop.domains)
            progress = self._begin(copy, message, how, is_post=False)
        count = progress.copy_count
        if progress.cursor != DONE:
            owners = self._store.lists.with_role(which.list_id, ListRole.OWNER)
            readers = self._store.lists.readers_of(owners)
            copies = self._copies_of(which, readers)
            count = len(copies)
            self._add(copy.ref, copies, progress.cursor, DONE)
        return self._expanded(copy, message, progress, count)

    # --- the message and its copies ----------------------------------------------------------

    def _begin(
        self, copy: LeasedCopy, message: QueuedMessage, how: Rewriting, *, is_post: bool
    ) -> Progress:
        acceptance = derive(
            self._shop,
            message,
            how,
            accept_id=self._make_id(),
            now_s=self._wall_s(),
            is_post=is_post,
        )
        outcome = self.write(BeginPost(source=copy.ref, acceptance=acceptance))
        assert isinstance(outcome, Accepted)
        progress = self._store.lists.post_progress(copy.ref)
        assert progress is not None, "it was begun"
        return progress

    def _hand_out(self, which: MailingList, source: CopyRef, progress: Progress) -> int:
        """All slices that are left; returns how many copies there are then."""
        by_rule = self._store.lists.accounts_by_rule(which)
        tries = 0
        while progress.cursor != DONE:
            if self._is_stopped:
                raise Interrupted
            copies, now = self._next_slice(which, by_rule, progress.cursor)
            try:
                self._add(source, copies, progress.cursor, now)
                tries = 0
            except StoreBroken:
                raise
            except StoreError:
                # A mailbox went between the look and the write: look again.
                tries += 1
                if tries == _SLICE_TRIES:
                    raise
            found = self._store.lists.post_progress(source)
            assert found is not None, "it was begun"
            progress = found
        return progress.copy_count

    def _add(self, source: CopyRef, copies: Sequence[NewCopy], was: Cursor, now: Cursor) -> None:
        """Where another agent was faster, nothing: its progress is read next."""
        write = AddCopies(
            source=source, copies=tuple(copies), was=was, now=now, at_s=self._wall_s()
        )
        assert isinstance(self.write(write), Settled)

    def _next_slice(
        self, which: MailingList, by_rule: Sequence[int], cursor: Cursor
    ) -> tuple[list[NewCopy], Cursor]:
        """At most `SLICE_COPIES`, and where the next slice begins."""
        copies_of = Copies(self._shop, which, find_mailbox=self._store.find_mailbox)
        now_s, copies, now = self._wall_s(), list[NewCopy](), cursor
        for place, reader in self._readers(which, by_rule, cursor):
            more = copies_of.of(reader, now_s)
            if len(copies) + len(more) > SLICE_COPIES:
                return copies, now
            copies += more
            now = place
        # A full read may have more behind it; an incomplete one was the last.
        return (copies, now) if now != cursor else (copies, DONE)

    def _readers(
        self, which: MailingList, by_rule: Sequence[int], cursor: Cursor
    ) -> Iterator[tuple[Cursor, Reader]]:
        """From the cursor on, about one slice of them."""
        if cursor.stage is Stage.BY_HAND:
            found = self._store.lists.readers_by_hand(
                which.list_id, after_id=cursor.after_id, limit=SLICE_COPIES
            )
            for reader in found:
                yield Cursor(Stage.BY_HAND, reader.member_id or 0), reader
            if found:
                return
            cursor = Cursor(Stage.BY_RULE, 0)
        begin = bisect_right(by_rule, cursor.after_id)
        for reader in self._store.lists.readers_of(by_rule[begin : begin + SLICE_COPIES]):
            yield Cursor(Stage.BY_RULE, reader.account_id or 0), reader

    def _copies_of(self, which: MailingList, readers: Sequence[Reader]) -> list[NewCopy]:
        copies_of = Copies(self._shop, which, find_mailbox=self._store.find_mailbox)
        return [copy for reader in readers for copy in copies_of.of(reader, self._wall_s())]

    # --- outcomes ---------------------------------------------------------------------------

    def _expanded(
        self, copy: LeasedCopy, message: QueuedMessage, progress: Progress, count: int
    ) -> CopyOutcome:
        derived = self._store.open_queued(progress.derived_id)
        name = ""
        if derived is not None:
            name = f" under {accept_id_text(derived.accept_id)}"
            derived.close()
        self._log.info("post expanded", message_id=copy.ref.message_id, copies=count)
        owes = is_owed(ReportKind.EXPANDED, notify=copy.notify, reverse_path=message.reverse_path)
        words = f"handed to {count} members{name}"
        kind = ReportKind.EXPANDED if owes else None
        return self._settled(copy, CopyState.EXPANDED, "2.0.0", words, owes=kind)

    def _returned(
        self, copy: LeasedCopy, message: QueuedMessage, status: str, words: str
    ) -> CopyOutcome:
        owes = is_owed(ReportKind.FAILED, notify=copy.notify, reverse_path=message.reverse_path)
        kind = ReportKind.FAILED if owes else None
        return self._settled(copy, CopyState.RETURNED, status, words, owes=kind)

    def _settled(
        self,
        copy: LeasedCopy,
        state: CopyState,
        status: str,
        words: str,
        *,
        owes: ReportKind | None = None,
    ) -> CopyOutcome:
        attempt = Attempt(at_s=self._wall_s(), status=status, words=words)
        return CopyOutcome(ref=copy.ref, state=state, attempt=attempt, owes=owes)

    def _deferred(self, copy: LeasedCopy, status: str, words: str) -> CopyOutcome:
        now_s = self._wall_s()
        return CopyOutcome(
            ref=copy.ref,
            state=CopyState.QUEUED,
            attempt=Attempt(at_s=now_s, status=status, words=words),
            due_at_s=now_s + DEFER_S,
        )
