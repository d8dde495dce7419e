"""The expander: replaces a copy that came for a list by its members' copies.

    agent --due destinations `list:<id>`--> lease --> one copy after the other
        post      who may, loops, moderation; derive the message; slices of members
        owner     the same, unchanged, to the owners
        requests  subscribe, unsubscribe, confirm, moderate, bounces  (`lists.requests`)
    --> settled: EXPANDED, RETURNED, HELD, or deferred

Blocks, so it has a thread of its own; writes go through the committer.  Killed
at any point, the next agent goes on at the cursor: each member has one copy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

from mailserver.lists.addresses import ListPurpose, list_of_hop, purpose_of
from mailserver.lists.author import find_authors, subject_of
from mailserver.lists.header import Field, Rewriting, split_fields
from mailserver.lists.loops import why_not
from mailserver.lists.notes import ListNote
from mailserver.lists.posting import (
    Permission,
    Sender,
    decide_post,
    is_asked_of_a_moderator,
)
from mailserver.lists.verdict import APPROVED, REJECTED
from mailserver.queue.copies import CopyState
from mailserver.store.commit import Done
from mailserver.store.ports.bodies import BodyLost, BodyUnreadable
from mailserver.store.ports.errors import StoreBroken
from mailserver.store.ports.lists import DONE, BeginPost, ListRole, MailingList, Progress
from mailserver.store.ports.queue import (
    CopyOutcome,
    DueDestination,
    Lease,
    Leased,
    LeasedCopy,
    QueuedMessage,
    Settlement,
)
from mailserver.store.ports.writes import Accepted, Failed, Outcome, Write
from mailserver.telemetry.log import get_log
from mailserver.values.address import fold_domain, key_of
from mailserver.values.ids import AcceptId, AgentId
from mailserver.values.message import UNVOUCHED
from smtp_relay.delivery.lists.budgets import Budgets
from smtp_relay.delivery.lists.dmarc import IsStrict, wants_rewriting
from smtp_relay.delivery.lists.members import Copies, Interrupted, Part, Slices
from smtp_relay.delivery.lists.notes import Notes
from smtp_relay.delivery.lists.outcomes import Outcomes
from smtp_relay.delivery.lists.post import DOOR, ListContext, derive, header_of, why_held
from smtp_relay.delivery.lists.repeats import Repeats, message_ids, why_replay
from smtp_relay.delivery.lists.requests import Requests
from smtp_relay.delivery.lists.store import ExpanderStore
from smtp_relay.delivery.schedule.outcomes import lost

LEASE_COPIES = 20
_WRITE_TIMEOUT_S = 120.0


Submit = Callable[[Write, Done], None]


class Expander:
    """One per delivery process.  `due` and `stop` on any thread."""

    def __init__(
        self,
        *,
        store: ExpanderStore,
        submit: Submit,
        agent_id: AgentId,
        pool: Executor,
        context: ListContext,
        is_strict: IsStrict,
        make_id: Callable[[], AcceptId],
        wall_s: Callable[[], float],
        ends_s: Callable[[], float],
        on_broken: Callable[[], None],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """told: a report may be owed now.  ends_s: by which requests end (`values.clock`)."""
        self._store = store
        self._submit = submit
        self._agent_id = agent_id
        self._pool = pool
        self._context = context
        self._is_strict = is_strict
        self._make_id = make_id
        self._wall_s = wall_s
        self._on_broken = on_broken
        self._told = told
        self._notes = Notes(
            lists=store.lists,
            find=store.people.find_target,
            write=self.write,
            context=context,
            make_id=make_id,
            wall_s=wall_s,
        )
        self._budgets = Budgets(
            store.counters.count_act, wall_s=wall_s, tell=self._notes.tell_owners
        )
        self._outcomes = Outcomes(store.queue, wall_s=wall_s)
        self._requests = Requests(
            lists=store.lists,
            notes=self._notes,
            budgets=self._budgets,
            write=self.write,
            context=context,
            wall_s=wall_s,
            ends_s=ends_s,
        )
        self._repeats = Repeats(store.counters.repeats, lists=store.lists, wall_s=wall_s)
        self._slices = Slices(
            lists=store.lists,
            write=self.write,
            wall_s=wall_s,
            is_stopped=lambda: self._is_stopped,
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
        except BodyLost as error:  # the store has said so in the log
            return lost([copy], error.fault, self._wall_s())[0]
        except BodyUnreadable as error:
            return self._outcomes.deferred(copy, "4.3.0", f"the post cannot be read: {error}")
        except StoreBroken:
            raise
        except Exception as error:  # noqa: BLE001 - one bad post must not stop the others
            self._log.error("post not expanded", message_id=copy.ref.message_id, exc_info=error)
            return self._outcomes.deferred(
                copy, "4.3.0", "the list could not be expanded: our own fault"
            )

    # --- one copy ------------------------------------------------------------------------

    def _expand(self, next_hop: str, copy: LeasedCopy) -> CopyOutcome:
        if self._is_stopped:
            raise Interrupted
        list_id = list_of_hop(next_hop)
        which = None if list_id is None else self._store.lists.read_list(list_id)
        message = self._store.queue.open_queued(copy.ref.message_id)
        if message is None:
            return self._outcomes.settled(copy, CopyState.RETURNED, "5.3.0", "its body is gone")
        try:
            if which is None:
                return self._outcomes.returned(copy, message, "5.1.6", "this list no longer exists")
            purpose, detail = purpose_of(which, copy.recipient)
            if purpose is ListPurpose.POST:
                return self._post(which, copy, message)
            if purpose is ListPurpose.OWNER:
                return self._to_owners(which, copy, message)
            words = self._requests.answer(which, purpose, detail, message)
            return self._outcomes.settled(copy, CopyState.EXPANDED, "2.0.0", words)
        finally:
            message.close()

    def _post(self, which: MailingList, copy: LeasedCopy, message: QueuedMessage) -> CopyOutcome:
        progress = self._store.lists.post_progress(copy.ref)
        fields, _ = split_fields(header_of(message))
        if progress is None:
            refusal = self._may_post(which, copy, message, fields)
            if refusal is not None:
                return refusal
            authors = find_authors(fields)
            domains = {author.domain for author in authors} - {"", *self._context.domains}
            # A moderator lets the list say it; nobody has said that its author did.
            strict = message.is_unvouched or wants_rewriting(
                self._is_strict, domains, copy.attempt_count
            )
            if strict is None:
                return self._outcomes.deferred(
                    copy, "4.4.3", "the author's DMARC policy is not known yet"
                )
            how = Rewriting(
                which=which,
                own_domains=self._context.domains,
                author=", ".join(author.address for author in authors) if strict else "",
                author_name=authors[0].name if authors else "",
            )
            progress = self._begin(copy, message, how, seen=message_ids(fields))
        copies = self._copies(which, message)
        progress = self._slices.hand_out(which, copy.ref, progress, copies)
        return self._outcomes.expanded(copy, message, progress, full_count=copies.full_count)

    def _may_post(
        self,
        which: MailingList,
        copy: LeasedCopy,
        message: QueuedMessage,
        fields: Sequence[Field],
    ) -> CopyOutcome | None:
        """None: it goes out."""
        why = why_not(
            which, fields, reverse_path=message.reverse_path, max_hops=self._context.max_hops
        )
        if why:
            return self._outcomes.settled(copy, CopyState.EXPANDED, "2.0.0", f"to nobody: {why}")
        hold = self._store.lists.find_hold(copy.ref)
        if hold is not None and hold.verdict == APPROVED:
            return None
        if hold is not None and hold.verdict == REJECTED:
            return self._outcomes.returned(
                copy, message, "5.7.2", "a moderator of the list refused it"
            )
        sender = Sender(
            is_signed_in=message.account_id is not None,
            is_null=not message.reverse_path,
            standing=self._store.lists.standing(
                which.list_id,
                account_id=message.account_id,
                address_key=key_of(message.reverse_path),
            ),
        )
        is_ours = fold_domain(message.reverse_path.rpartition("@")[2]) in self._context.domains
        permission = decide_post(which, sender)
        is_uninvited = permission is Permission.NO
        if is_uninvited and not is_asked_of_a_moderator(which, sender, is_ours=is_ours):
            return self._not_posted(which, copy, message, fields)
        waits = permission is not Permission.YES or message.has_nul or message.is_unvouched
        if again := self._repeats.why(which, copy, message, waits=waits):
            return self._outcomes.had(copy, message, again)
        replay = "" if waits else why_replay(self._store.lists, message, fields, self._wall_s())
        if not (waits or replay) and self._budgets.allow_post(which, message):
            return None
        self._requests.hold(which, copy.ref, message, fields, is_uninvited=is_uninvited)
        why = ": its sender is no member" if is_uninvited else why_held(message)
        why = why or replay or (": strangers post too much within the hour" if not waits else "")
        reason = f"waits for a moderator of {which.address}{why}"
        return CopyOutcome(ref=copy.ref, state=CopyState.HELD, reason=reason)

    def _not_posted(
        self,
        which: MailingList,
        copy: LeasedCopy,
        message: QueuedMessage,
        fields: Sequence[Field],
    ) -> CopyOutcome:
        """Who is told: somebody of ours.  A report to a stranger would be backscatter."""
        if message.account_id is None:
            words = "to nobody: its sender may not post to this list"
            return self._outcomes.settled(copy, CopyState.EXPANDED, "2.0.0", words)
        if message.door == DOOR:  # a report would go to the list that it came through
            self._notes.tell(
                ListNote.NOT_POSTED, which, message.account_id, subject=subject_of(fields)
            )
            words = "to nobody: its author may not post to this list, and was told"
            return self._outcomes.settled(copy, CopyState.EXPANDED, "2.0.0", words)
        return self._outcomes.returned(copy, message, "5.7.2", "you may not post to this list")

    def _to_owners(
        self, which: MailingList, copy: LeasedCopy, message: QueuedMessage
    ) -> CopyOutcome:
        progress = self._store.lists.post_progress(copy.ref)
        if progress is None:
            if message.is_unvouched:
                return self._outcomes.settled(
                    copy, CopyState.EXPANDED, "2.0.0", f"to nobody: {UNVOUCHED}"
                )
            if again := self._repeats.why(which, copy, message, purpose=ListPurpose.OWNER):
                return self._outcomes.had(copy, message, again)
            if not self._budgets.allow_letter(which, message):
                return self._outcomes.deferred(
                    copy, "4.7.1", "strangers write too much to the owners"
                )
            how = Rewriting(which=which, own_domains=self._context.domains)
            progress = self._begin(copy, message, how, seen=None)
        copies_of = self._copies(which, message)
        if progress.cursor != DONE:
            owners = self._store.lists.with_role(which.list_id, ListRole.OWNER)
            readers, now_s = self._store.lists.readers_of(owners), self._wall_s()
            part = Part()
            for reader in readers:
                part.take(copies_of.of(reader, now_s))
            progress = self._slices.add(copy.ref, part, progress.cursor, DONE)
        return self._outcomes.expanded(copy, message, progress, full_count=copies_of.full_count)

    # --- the message and its copies ----------------------------------------------------------

    def _begin(
        self,
        copy: LeasedCopy,
        message: QueuedMessage,
        how: Rewriting,
        *,
        seen: tuple[bytes, ...] | None,
    ) -> Progress:
        """seen: a post's `message_ids`; None: it is for the owners, and stays as it is."""
        acceptance = derive(
            self._context,
            message,
            how,
            accept_id=self._make_id(),
            now_s=self._wall_s(),
            is_post=seen is not None,
        )
        outcome = self.write(BeginPost(source=copy.ref, acceptance=acceptance, seen=seen or ()))
        assert isinstance(outcome, Accepted)
        progress = self._store.lists.post_progress(copy.ref)
        assert progress is not None, "it was begun"
        return progress

    def _copies(self, which: MailingList, message: QueuedMessage) -> Copies:
        find = self._store.people.find_target
        return Copies(self._context, which, find=find, size_octets=message.size_octets)
