"""From verdicts to what is written about each copy.  Pure: clock and chance come in.

| verdict         | the copy  | its sender                                          |
| --------------- | --------- | --------------------------------------------------- |
| TAKEN           | relayed   | told, where asked, if the hop does not take that on  |
| REFUSED         | returned  | told, unless asked not to                            |
| LATER, BROKEN   | deferred  | hears from the timekeeper: `tell_at_s` stays         |
| over the limit  | not asked | goes in the next transaction (`excess_of`)            |

What one answer took and owes nothing is written as one (`Relayed`).
BROKEN after the dot is deferred like any other: the message may arrive twice,
which RFC 1047 prefers to never; the words say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind, is_owed
from mailserver.queue.schedule import Schedule
from mailserver.store.queueing import Attempt, CopyOutcome, LeasedCopy, Relayed
from smtp_relay.delivery.dispatch_orders import Result, Trouble
from smtp_relay.delivery.verdicts import Kind, LinkFacts, Parcel, Verdict

MAY_HAVE_ARRIVED = " (the whole message was sent: it may have been taken all the same)"
_SHUTTING_DOWN = "421"  # RFC 5321 §3.8


@dataclass(frozen=True, slots=True)
class Judge:
    """What every outcome needs to know besides the verdict."""

    schedule: Schedule
    chance: Callable[[], float]

    def outcomes(
        self, parcel: Parcel, verdicts: Sequence[Verdict], facts: LinkFacts, now_s: float
    ) -> tuple[list[Relayed], list[CopyOutcome]]:
        """(what is relayed and owes nothing, the rest): of all but `excess_of`."""
        relayed: list[Relayed] = []
        others: list[CopyOutcome] = []
        reverse_path = parcel.message.reverse_path
        for copies, verdict in _alike(parcel.copies, verdicts):
            if verdict.kind is Kind.TAKEN and not _wants_to_hear(copies[0], verdict, reverse_path):
                relayed.append(_relayed_together(copies, _attempt(verdict, facts, now_s)))
            elif not verdict.is_over_limit:
                others += [
                    self._outcome(copy, verdict, facts, reverse_path, now_s) for copy in copies
                ]
        return relayed, others

    def unsent(
        self, copies: Iterable[LeasedCopy], trouble: Trouble, now_s: float
    ) -> list[CopyOutcome]:
        """Deferred before they could be offered to anybody."""
        attempt = _attempt_of(trouble, now_s)
        return [self._deferred(copy, attempt, now_s) for copy in copies]

    def _outcome(
        self,
        copy: LeasedCopy,
        verdict: Verdict,
        facts: LinkFacts,
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
        return CopyOutcome(ref=copy.ref, state=CopyState.QUEUED, attempt=attempt, due_at_s=due_at_s)


def unroutable(
    copies: Iterable[LeasedCopy], trouble: Trouble, reverse_path: str, now_s: float
) -> list[CopyOutcome]:
    """Returned for good: there is no way to their domain.  Copies of one message."""
    attempt = _attempt_of(trouble, now_s)
    return [_returned(copy, attempt, reverse_path) for copy in copies]


def held(copies: Iterable[LeasedCopy], reason: str) -> list[CopyOutcome]:
    """Until a person releases them."""
    return [CopyOutcome(ref=copy.ref, state=CopyState.HELD, reason=reason) for copy in copies]


def given_back(
    copies: Iterable[LeasedCopy], trouble: Trouble | None, now_s: float
) -> list[CopyOutcome]:
    """To be leased again, at once.  trouble: of one way; another one is tried next."""
    attempt = None if trouble is None else _attempt_of(trouble, now_s)
    return [CopyOutcome(ref=copy.ref, state=CopyState.QUEUED, attempt=attempt) for copy in copies]


def result_of(verdicts: Sequence[Verdict]) -> Result:
    """What a parcel's answers say about its hosts."""
    first = verdicts[0]
    if first.kind is Kind.TAKEN or any(one.kind is not first.kind for one in verdicts):
        return Result.SERVED
    if first.kind is Kind.LATER and first.words.startswith(_SHUTTING_DOWN):
        return Result.BUSY
    return Result.BROKEN if first.kind is Kind.BROKEN else Result.SERVED


def excess_of(parcel: Parcel, verdicts: Sequence[Verdict]) -> tuple[LeasedCopy, ...]:
    """The copies for which another transaction has room."""
    pairs = zip(parcel.copies, verdicts, strict=True)
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
            ):
                continue
        yield copies[start:end], verdicts[start]
        start = end


def _relayed_together(copies: Sequence[LeasedCopy], attempt: Attempt) -> Relayed:
    message_id, first_no = copies[0].ref
    last_no = copies[-1].ref.copy_no
    return Relayed(message_id=message_id, first_no=first_no, last_no=last_no, attempt=attempt)


def _wants_to_hear(copy: LeasedCopy, verdict: Verdict, reverse_path: str) -> bool:
    """That it was relayed, which the hop does not tell."""
    return not verdict.has_dsn and is_owed(
        ReportKind.RELAYED, notify=copy.notify, reverse_path=reverse_path
    )


def _relayed(
    copy: LeasedCopy, attempt: Attempt, verdict: Verdict, reverse_path: str
) -> CopyOutcome:
    owes = _wants_to_hear(copy, verdict, reverse_path)
    return CopyOutcome(
        ref=copy.ref,
        state=CopyState.RELAYED,
        attempt=attempt,
        owes=ReportKind.RELAYED if owes else None,
    )


def _returned(copy: LeasedCopy, attempt: Attempt, reverse_path: str) -> CopyOutcome:
    owes = is_owed(ReportKind.FAILED, notify=copy.notify, reverse_path=reverse_path)
    return CopyOutcome(
        ref=copy.ref,
        state=CopyState.RETURNED,
        attempt=attempt,
        owes=ReportKind.FAILED if owes else None,
    )


def _attempt(verdict: Verdict, facts: LinkFacts, now_s: float) -> Attempt:
    words = verdict.words + (MAY_HAVE_ARRIVED if _is_in_doubt(verdict) else "")
    return Attempt(
        at_s=now_s,
        host=facts.hop.host,
        address=facts.address,
        tls=facts.tls,
        status=verdict.status,
        words=words,
    )


def _is_in_doubt(verdict: Verdict) -> bool:
    return verdict.kind is Kind.BROKEN and verdict.is_after_dot


def _attempt_of(trouble: Trouble, now_s: float) -> Attempt:
    return Attempt(
        at_s=now_s,
        host=trouble.host,
        address=trouble.address,
        status=trouble.status,
        words=trouble.words,
    )
