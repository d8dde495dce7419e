"""From verdicts to what is written about each copy.  Pure: clock and chance come in.

| verdict         | the copy  | its sender                                          |
| --------------- | --------- | --------------------------------------------------- |
| TAKEN           | relayed   | told, where asked, if the hop does not take that on  |
| REFUSED         | returned  | told, unless asked not to                            |
| LATER, BROKEN   | the next  |                                                      |
|                 | host now, | (`onward_of`, with a line of its journey)            |
|                 | deferred  | hears from the timekeeper: `tell_at_s` stays         |
| over the limit  | not asked | goes in the next transaction (`excess_of`)            |

What one answer took and owes nothing is written as one (`Relayed`).
BROKEN after the dot never goes on to the next host: it is deferred, as the
message may arrive twice, which RFC 1047 prefers to never; the words say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import OUR_LOSS, ReportKind, is_owed
from mailserver.queue.schedule import Schedule
from mailserver.store.ports.bodies import BodyFault
from mailserver.store.ports.queue import Attempt, CopyOutcome, LeasedCopy, Relayed
from mailserver.values.message import Notify
from smtp_relay.delivery.schedule.orders import Result, Trouble
from smtp_relay.delivery.verdicts import ConnectionFacts, Kind, Scope, Transaction, Verdict

MAY_HAVE_ARRIVED = " (the whole message was sent: it may have been taken all the same)"


@dataclass(frozen=True, slots=True)
class Judge:
    """What every outcome needs to know besides the verdict."""

    schedule: Schedule
    chance: Callable[[], float]

    def outcomes(
        self,
        transaction: Transaction,
        verdicts: Sequence[Verdict],
        facts: ConnectionFacts,
        now_s: float,
        *,
        goes_on: bool = False,
    ) -> tuple[list[Relayed], list[CopyOutcome]]:
        """(what is relayed and owes nothing, the rest): of all but `excess_of`.

        goes_on: there is a next host, so `onward_of` are none of it, either.
        """
        relayed: list[Relayed] = []
        others: list[CopyOutcome] = []
        reverse_path = transaction.message.reverse_path
        for copies, verdict in _alike(transaction.copies, verdicts):
            if _is_plain(copies[0], verdict, reverse_path):
                relayed.append(_relayed_together(copies, _attempt(verdict, facts, now_s)))
            elif not (verdict.is_over_limit or (goes_on and may_go_on(verdict))):
                others += [
                    self._outcome(copy, verdict, facts, reverse_path, now_s) for copy in copies
                ]
        return relayed, others

    def unsent(
        self, copies: Iterable[LeasedCopy], trouble: Trouble, now_s: float
    ) -> list[CopyOutcome]:
        """Deferred before they could be offered to anybody."""
        attempt, before = _attempts_of(trouble, now_s)
        return [self._deferred(_with(copy, before), attempt, now_s) for copy in copies]

    def _outcome(
        self,
        copy: LeasedCopy,
        verdict: Verdict,
        facts: ConnectionFacts,
        reverse_path: str,
        now_s: float,
    ) -> CopyOutcome:
        attempt = _attempt(verdict, facts, now_s)
        if verdict.kind is Kind.TAKEN:
            return _relayed(copy, attempt, verdict, reverse_path)
        if verdict.kind is Kind.REFUSED:
            return _returned(copy, attempt, reverse_path)
        return self._deferred(copy, attempt, now_s)

    def _deferred(self, copy: LeasedCopy, attempt: Attempt, now_s: float) -> CopyOutcome:
        due_at_s = self.schedule.next_try(copy.attempt_count + 1, now_s=now_s, chance=self.chance())
        return CopyOutcome(
            ref=copy.ref,
            state=CopyState.QUEUED,
            attempt=attempt,
            due_at_s=due_at_s,
            before=copy.before,
        )


def unroutable(
    copies: Iterable[LeasedCopy], trouble: Trouble, reverse_path: str, now_s: float
) -> list[CopyOutcome]:
    """Returned for good: nothing leads to their domain.  Copies of one message."""
    attempt, before = _attempts_of(trouble, now_s)
    return [_returned(_with(copy, before), attempt, reverse_path) for copy in copies]


def lost(copies: Iterable[LeasedCopy], fault: BodyFault, now_s: float) -> list[CopyOutcome]:
    """Held, for its body is not in the store any more; its sender hears as of one that waits."""
    words = f"{fault}: put the file back from a backup, then release"
    attempt = Attempt(at_s=now_s, status="4.3.0", words=words, phase=OUR_LOSS)
    return [
        CopyOutcome(
            ref=copy.ref, state=CopyState.HELD, attempt=attempt, tells=True, before=copy.before
        )
        for copy in copies
    ]


def held(copies: Iterable[LeasedCopy], reason: str) -> list[CopyOutcome]:
    """Until a person releases them."""
    return [
        CopyOutcome(ref=copy.ref, state=CopyState.HELD, reason=reason, before=copy.before)
        for copy in copies
    ]


def given_back(
    copies: Iterable[LeasedCopy], trouble: Trouble | None, now_s: float
) -> list[CopyOutcome]:
    """To be leased again, at once.  trouble: of one plan; another one is tried next."""
    before: tuple[Attempt, ...] = ()
    attempt = None
    if trouble is not None:
        attempt, before = _attempts_of(trouble, now_s)
    return [
        CopyOutcome(
            ref=copy.ref, state=CopyState.QUEUED, attempt=attempt, before=copy.before + before
        )
        for copy in copies
    ]


def result_of(verdicts: Sequence[Verdict]) -> Result:
    """What a transaction's answers say about its hosts."""
    scope, kind = _worst_of(verdicts)
    if scope is Scope.COPY:
        return Result.SERVED
    if scope is Scope.OURS:
        return Result.OURS
    return Result.BROKEN if kind is Kind.BROKEN else Result.BUSY


def trouble_of(verdicts: Sequence[Verdict], facts: ConnectionFacts) -> Trouble | None:
    """Why the host takes nothing, in its words; None: it does."""
    if are_all_alike(verdicts) and verdicts[0].scope is Scope.COPY:
        return None
    for one in verdicts:
        if one.scope is Scope.HOST:
            words = f"{one.phase.value}: {one.words}"
            return Trouble(
                status=one.status, words=words, host=facts.hop.host, address=facts.address
            )
    return None


def onward_of(
    transaction: Transaction, verdicts: Sequence[Verdict], facts: ConnectionFacts, now_s: float
) -> tuple[LeasedCopy, ...]:
    """The copies that the next host may take, each with what this one said."""
    return tuple(
        _with(copy, (_attempt(verdict, facts, now_s),))
        for copy, verdict in zip(transaction.copies, verdicts, strict=True)
        if may_go_on(verdict)
    )


def are_all_alike(verdicts: Sequence[Verdict]) -> bool:
    """One answer for all, as it mostly is; without a look at each."""
    return verdicts.count(verdicts[0]) == len(verdicts)


def may_go_on(verdict: Verdict) -> bool:
    """Another host may be asked at once: this one has surely not taken it.

    Where the end of the message got no answer nobody knows; it would arrive twice (RFC 1047).
    """
    return (
        (verdict.kind is Kind.LATER or verdict.kind is Kind.BROKEN)
        and verdict.scope is not Scope.OURS
        and not (verdict.is_after_dot or verdict.is_over_limit)
    )


def may_any_go_on(verdicts: Sequence[Verdict]) -> bool:
    if are_all_alike(verdicts):
        return may_go_on(verdicts[0])
    return any(may_go_on(one) for one in verdicts)


def _worst_of(verdicts: Sequence[Verdict]) -> tuple[Scope, Kind]:
    first = verdicts[0]
    if are_all_alike(verdicts):
        return first.scope, first.kind
    for one in verdicts:
        if one.scope is not Scope.COPY:
            return one.scope, one.kind
    return Scope.COPY, first.kind


def excess_of(transaction: Transaction, verdicts: Sequence[Verdict]) -> tuple[LeasedCopy, ...]:
    """The copies for which another transaction has room."""
    pairs = zip(transaction.copies, verdicts, strict=True)
    return tuple(copy for copy, verdict in pairs if verdict.is_over_limit)


def _alike(
    copies: Sequence[LeasedCopy], verdicts: Sequence[Verdict]
) -> Iterator[tuple[Sequence[LeasedCopy], Verdict]]:
    """Copies in a row, without a gap in their numbers, with one verdict and the same wishes."""
    start = 0
    for end in range(1, len(copies) + 1):
        if end < len(copies):
            last, copy = copies[end - 1], copies[end]
            if (
                verdicts[end] is verdicts[start]
                and copy.ref.copy_no == last.ref.copy_no + 1
                and copy.notify is last.notify
                and copy.before is last.before
            ):
                continue
        yield copies[start:end], verdicts[start]
        start = end


def _relayed_together(copies: Sequence[LeasedCopy], attempt: Attempt) -> Relayed:
    message_id, first_no = copies[0].ref
    last_no = copies[-1].ref.copy_no
    return Relayed(message_id=message_id, first_no=first_no, last_no=last_no, attempt=attempt)


def _is_plain(copy: LeasedCopy, verdict: Verdict, reverse_path: str) -> bool:
    """Taken by the first host that was asked, and nobody is to be told."""
    return (
        verdict.kind is Kind.TAKEN
        and not copy.before
        and not _wants_to_hear(copy, verdict, reverse_path)
    )


def _wants_to_hear(copy: LeasedCopy, verdict: Verdict, reverse_path: str) -> bool:
    """That it was relayed, which the hop does not tell.  Who said nothing wants no such report."""
    if verdict.has_dsn or copy.notify is Notify.UNSAID:
        return False
    return is_owed(ReportKind.RELAYED, notify=copy.notify, reverse_path=reverse_path)


def _relayed(
    copy: LeasedCopy, attempt: Attempt, verdict: Verdict, reverse_path: str
) -> CopyOutcome:
    owes = _wants_to_hear(copy, verdict, reverse_path)
    return CopyOutcome(
        ref=copy.ref,
        state=CopyState.RELAYED,
        attempt=attempt,
        owes=ReportKind.RELAYED if owes else None,
        before=copy.before,
    )


def _returned(copy: LeasedCopy, attempt: Attempt, reverse_path: str) -> CopyOutcome:
    owes = is_owed(ReportKind.FAILED, notify=copy.notify, reverse_path=reverse_path)
    return CopyOutcome(
        ref=copy.ref,
        state=CopyState.RETURNED,
        attempt=attempt,
        owes=ReportKind.FAILED if owes else None,
        before=copy.before,
    )


def _attempt(verdict: Verdict, facts: ConnectionFacts, now_s: float) -> Attempt:
    words = verdict.words + (MAY_HAVE_ARRIVED if _is_in_doubt(verdict) else "")
    return Attempt(
        at_s=now_s,
        host=facts.hop.host,
        address=facts.address,
        tls=facts.tls,
        status=verdict.status,
        words=words,
        phase=verdict.phase.value,
    )


def _is_in_doubt(verdict: Verdict) -> bool:
    return verdict.kind is Kind.BROKEN and verdict.is_after_dot


def _with(copy: LeasedCopy, more: tuple[Attempt, ...]) -> LeasedCopy:
    return copy._replace(before=copy.before + more) if more else copy


def _attempts_of(trouble: Trouble, now_s: float) -> tuple[Attempt, tuple[Attempt, ...]]:
    """(the last one, those at other hosts before it)"""
    before = tuple(_attempt_of(one, now_s) for one in trouble.before)
    return _attempt_of(trouble, now_s), before


def _attempt_of(trouble: Trouble, now_s: float) -> Attempt:
    return Attempt(
        at_s=now_s,
        host=trouble.host,
        address=trouble.address,
        status=trouble.status,
        words=trouble.words,
    )
