"""From answers to what is written about each copy: which share one, who is told, what is tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.queue.schedule import Schedule
from mailserver.store.ports.queue import (
    Attempt,
    CopyOutcome,
    CopyRef,
    LeasedCopy,
    QueuedMessage,
    Relayed,
)
from mailserver.values.ids import MessageId
from mailserver.values.message import Notify
from smtp_relay.delivery.schedule.orders import Result, Trouble
from smtp_relay.delivery.schedule.outcomes import (
    MAY_HAVE_ARRIVED,
    Judge,
    are_all_alike,
    excess_of,
    given_back,
    may_any_go_on,
    onward_of,
    result_of,
    trouble_of,
    unroutable,
)
from smtp_relay.delivery.verdicts import ConnectionFacts, Kind, Phase, Scope, Transaction, Verdict
from tests.smtp_relay.delivery.schedule.dispatching import hop

NOW_S = 1000.0
JUDGE = Judge(
    schedule=Schedule(retry_after_s=(60.0, 900.0), expire_after_s=9e9, notice_after_s=()),
    chance=lambda: 0.5,
)
FACTS = ConnectionFacts(hop=hop("mx.b.test"), address="[192.0.2.1]:25", tls="TLSv1.3")
EARLIER = (Attempt(at_s=1.0, status="4.3.0", words="later", host="mx1.b.test"),)
SAID, UNSAID, NEVER = Notify.SUCCESS, Notify(0), Notify.NEVER


def verdict(kind: Kind, status: str = "2.0.0", **more: object) -> Verdict:
    made = Verdict(kind=kind, phase=Phase.DOT, status=status, words="said")
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


TAKEN = verdict(Kind.TAKEN)
TAKEN_WITH_DSN = verdict(Kind.TAKEN, has_dsn=True)
REFUSED = verdict(Kind.REFUSED, "5.1.1")
LATER = verdict(Kind.LATER, "4.2.1")
LATER_ALL = verdict(Kind.LATER, "4.3.2", scope=Scope.HOST)
OURS = verdict(Kind.LATER, "4.3.0", scope=Scope.OURS)
BROKEN = verdict(Kind.BROKEN, "4.4.2", scope=Scope.HOST)
IN_DOUBT = verdict(Kind.BROKEN, "4.4.2", scope=Scope.HOST, is_after_dot=True)
FULL = verdict(Kind.LATER, "4.5.3", is_over_limit=True)


def copy(
    number: int,
    *,
    notify: Notify = UNSAID,
    before: tuple[Attempt, ...] = (),
    attempts: int = 0,
) -> LeasedCopy:
    return LeasedCopy(
        ref=CopyRef(MessageId(7), number),
        recipient=f"r{number}@b.test",
        notify=notify,
        original_recipient="",
        attempt_count=attempts,
        accepted_at_s=0.0,
        before=before,
    )


def transaction(*copies: LeasedCopy, reverse_path: str = "a@a.test") -> Transaction:
    message = QueuedMessage.__new__(QueuedMessage)  # nothing else of it is asked
    object.__setattr__(message, "reverse_path", reverse_path)
    return Transaction(message=message, copies=copies)


def judged(
    copies: Sequence[LeasedCopy],
    verdicts: Sequence[Verdict],
    *,
    reverse_path: str = "a@a.test",
    goes_on: bool = False,
) -> tuple[list[Relayed], list[CopyOutcome]]:
    of = transaction(*copies, reverse_path=reverse_path)
    return JUDGE.outcomes(of, verdicts, FACTS, NOW_S, goes_on=goes_on)


def ranges(relayed: list[Relayed]) -> list[tuple[int, int]]:
    return [(one.first_no, one.last_no) for one in relayed]


# Which copies share an answer


def test_copies_in_a_row_with_one_answer_are_written_as_one() -> None:
    relayed, others = judged([copy(number) for number in (3, 4, 5)], [TAKEN] * 3)
    assert ranges(relayed) == [(3, 5)]
    assert not others
    assert relayed[0].message_id == 7
    assert relayed[0].attempt == Attempt(
        at_s=NOW_S,
        status="2.0.0",
        words="said",
        host="mx.b.test",
        address="[192.0.2.1]:25",
        tls="TLSv1.3",
        phase="end of message",
    )


@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        ([1, 2, 4, 5], [(1, 2), (4, 5)]),  # a gap: copy 3 is somebody else's
        ([1, 3, 5], [(1, 1), (3, 3), (5, 5)]),
        ([2, 1], [(2, 2), (1, 1)]),
        ([1], [(1, 1)]),
        ([], []),
    ],
)
def test_a_gap_in_the_numbers_is_never_written_over(
    numbers: list[int], wanted: list[tuple[int, int]]
) -> None:
    relayed, _ = judged([copy(number) for number in numbers], [TAKEN] * len(numbers))
    assert ranges(relayed) == wanted


def test_another_answer_in_between_is_its_own() -> None:
    relayed, others = judged([copy(n) for n in (1, 2, 3)], [TAKEN, REFUSED, TAKEN])
    assert ranges(relayed) == [(1, 1), (3, 3)]
    assert [(one.ref.copy_no, one.state) for one in others] == [(2, CopyState.RETURNED)]


def test_two_answers_that_say_the_same_keep_their_own_words() -> None:
    other = dataclasses.replace(TAKEN, words="said otherwise")
    relayed, _ = judged([copy(1), copy(2)], [TAKEN, other])
    assert [one.attempt.words for one in relayed] == ["said", "said otherwise"]


@pytest.mark.parametrize("first_wants", [False, True])
def test_who_wants_to_hear_does_not_share_with_who_does_not(first_wants: bool) -> None:
    wishes = (SAID, UNSAID) if first_wants else (UNSAID, SAID)
    relayed, others = judged(
        [copy(number, notify=wish) for number, wish in enumerate(wishes, 1)], [TAKEN] * 2
    )
    assert ranges(relayed) == [(2, 2)] if first_wants else [(1, 1)]
    assert [(one.owes, one.state) for one in others] == [(ReportKind.RELAYED, CopyState.RELAYED)]


@pytest.mark.parametrize("first_was", [False, True])
def test_what_another_host_said_before_is_a_line_of_that_copy_alone(first_was: bool) -> None:
    said = (EARLIER, ()) if first_was else ((), EARLIER)
    relayed, others = judged(
        [copy(number, before=before) for number, before in enumerate(said, 1)], [TAKEN] * 2
    )
    assert ranges(relayed) == [(2, 2)] if first_was else [(1, 1)]
    assert [(one.before, one.owes) for one in others] == [(EARLIER, None)]


_COPIES = st.lists(
    st.tuples(
        st.integers(1, 2),  # the next number, or one that is left out
        st.sampled_from([TAKEN, TAKEN_WITH_DSN, REFUSED, LATER, BROKEN]),
        st.sampled_from([SAID, UNSAID, NEVER]),
        st.sampled_from([(), EARLIER]),
    ),
    max_size=12,
)


@given(_COPIES)
def test_whatever_the_answers_each_copy_is_written_once_with_its_own(
    rows: list[tuple[int, Verdict, Notify, tuple[Attempt, ...]]],
) -> None:
    number, copies = 0, []
    for step, _, notify, before in rows:
        number += step
        copies.append(copy(number, notify=notify, before=before))
    relayed, others = judged(copies, [one for _, one, _, _ in rows])
    written = {
        (no, one.attempt.status) for one in relayed for no in range(one.first_no, one.last_no + 1)
    }
    written |= {(one.ref.copy_no, one.attempt.status) for one in others if one.attempt}
    assert written == {
        (one.ref.copy_no, row[1].status) for one, row in zip(copies, rows, strict=True)
    }
    assert sum(one.copy_count for one in relayed) + len(others) == len(copies)


# Who is told


@pytest.mark.parametrize(
    ("answer", "notify", "reverse_path", "owes"),
    [
        (TAKEN, SAID, "a@a.test", ReportKind.RELAYED),
        (TAKEN, SAID, "", None),
        (TAKEN, UNSAID, "a@a.test", None),
        (TAKEN_WITH_DSN, SAID, "a@a.test", None),  # the hop tells
        (REFUSED, UNSAID, "a@a.test", ReportKind.FAILED),
        (REFUSED, Notify.FAILURE, "a@a.test", ReportKind.FAILED),
        (REFUSED, SAID, "a@a.test", None),
        (REFUSED, NEVER, "a@a.test", None),
        (REFUSED, UNSAID, "", None),
        (LATER, UNSAID, "a@a.test", None),
    ],
)
def test_who_is_told(
    answer: Verdict, notify: Notify, reverse_path: str, owes: ReportKind | None
) -> None:
    relayed, others = judged([copy(1, notify=notify)], [answer], reverse_path=reverse_path)
    assert [one.owes for one in others] == ([] if relayed else [owes])
    assert bool(relayed) == (answer.kind is Kind.TAKEN and owes is None)


def test_what_is_told_after_another_host_keeps_that_hosts_line() -> None:
    _, others = judged([copy(1, notify=SAID, before=EARLIER)], [TAKEN])
    assert [(one.owes, one.before) for one in others] == [(ReportKind.RELAYED, EARLIER)]


# What is tried again, and when


@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_a_deferred_copy_waits_as_its_number_of_tries_says(attempts: int) -> None:
    _, others = judged([copy(1, attempts=attempts, before=EARLIER)], [LATER])
    [one] = others
    assert one.state is CopyState.QUEUED
    assert one.due_at_s == NOW_S + (60.0 if attempts == 0 else 900.0)
    assert one.before == EARLIER


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize(
    ("answer", "may_go_on"),
    [
        (LATER, True),
        (LATER_ALL, True),
        (BROKEN, True),
        (IN_DOUBT, False),  # it may have been taken: never twice (RFC 1047)
        (OURS, False),
        (REFUSED, False),
    ],
)
def test_what_the_next_host_may_take_is_written_by_nobody_else(
    answer: Verdict, may_go_on: bool, goes_on: bool
) -> None:
    copies = [copy(1, before=EARLIER)]
    _, others = judged(copies, [answer], goes_on=goes_on)
    assert bool(others) == (not (goes_on and may_go_on))
    onward = onward_of(transaction(*copies), [answer], FACTS, NOW_S)
    assert len(onward) == may_go_on
    for one in onward:
        assert one.before[:-1] == EARLIER
        assert (one.before[-1].host, one.before[-1].status) == ("mx.b.test", answer.status)
    assert may_any_go_on([answer]) == may_go_on
    assert may_any_go_on([TAKEN, answer]) == may_go_on
    assert may_any_go_on([answer, TAKEN]) == may_go_on


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_was_over_the_limit_was_not_tried(goes_on: bool) -> None:
    copies = [copy(1), copy(2)]
    relayed, others = judged(copies, [TAKEN, FULL], goes_on=goes_on)
    assert ranges(relayed) == [(1, 1)]
    assert not others
    assert excess_of(transaction(*copies), [TAKEN, FULL]) == (copies[1],)


@pytest.mark.parametrize(
    ("answer", "is_in_doubt"),
    [
        (IN_DOUBT, True),
        (BROKEN, False),
        (verdict(Kind.LATER, "4.3.0", is_after_dot=True), False),  # it was answered
        (verdict(Kind.REFUSED, "5.6.0", is_after_dot=True), False),
    ],
)
def test_words_say_when_a_message_may_have_arrived(answer: Verdict, is_in_doubt: bool) -> None:
    _, [one] = judged([copy(1)], [answer])
    assert one.attempt is not None
    assert one.attempt.words.endswith(MAY_HAVE_ARRIVED) == is_in_doubt


# What the answers say about a host


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ([TAKEN], Result.SERVED),
        ([REFUSED, LATER], Result.SERVED),
        ([LATER_ALL], Result.BUSY),
        ([TAKEN, LATER_ALL], Result.BUSY),
        ([TAKEN, BROKEN, TAKEN], Result.BROKEN),
        ([BROKEN, BROKEN], Result.BROKEN),
        ([TAKEN, OURS], Result.OURS),
        ([OURS, BROKEN], Result.OURS),
    ],
)
def test_the_first_answer_that_is_about_the_host_decides(
    verdicts: list[Verdict], wanted: Result
) -> None:
    assert result_of(verdicts) is wanted


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([TAKEN], None),
        ([TAKEN, TAKEN], None),
        ([TAKEN, REFUSED], None),
        ([OURS, OURS], None),  # nothing that the host did
        ([TAKEN, OURS], None),
        ([LATER_ALL], "4.3.2"),
        ([LATER_ALL, LATER_ALL], "4.3.2"),
        ([TAKEN, BROKEN], "4.4.2"),
        ([OURS, LATER_ALL, BROKEN], "4.3.2"),
    ],
)
def test_a_hosts_trouble_is_told_in_its_own_words(
    verdicts: list[Verdict], status: str | None
) -> None:
    trouble = trouble_of(verdicts, FACTS)
    if status is None:
        assert trouble is None
    else:
        words = "end of message: said"
        assert trouble == Trouble(
            status=status, words=words, host="mx.b.test", address="[192.0.2.1]:25"
        )


def test_answers_are_alike_when_all_are() -> None:
    assert are_all_alike([TAKEN])
    assert are_all_alike([TAKEN, dataclasses.replace(TAKEN)])
    assert not are_all_alike([TAKEN, TAKEN, REFUSED])
    assert not are_all_alike([REFUSED, TAKEN, TAKEN])


# Copies that were offered to nobody

FIRST = Trouble(status="4.4.1", words="no answer", host="mx1.b.test")
TROUBLE = Trouble(status="4.4.2", words="refused", host="mx2.b.test", before=(FIRST,))


def test_each_host_that_was_in_the_way_is_a_line_in_its_order() -> None:
    copies = [copy(1, before=EARLIER), copy(2, attempts=1)]
    outcomes = JUDGE.unsent(copies, TROUBLE, NOW_S)
    hosts = [[attempt.host for attempt in one.before] for one in outcomes]
    assert hosts == [["mx1.b.test", "mx1.b.test"], ["mx1.b.test"]]
    assert {one.attempt.host for one in outcomes if one.attempt} == {"mx2.b.test"}
    assert [one.due_at_s for one in outcomes] == [NOW_S + 60, NOW_S + 900]
    assert outcomes[0].before[0] == EARLIER[0]


def test_what_has_no_plan_is_returned_and_told() -> None:
    outcomes = unroutable([copy(1), copy(2, notify=NEVER)], TROUBLE, "a@a.test", NOW_S)
    assert [(one.state, one.owes) for one in outcomes] == [
        (CopyState.RETURNED, ReportKind.FAILED),
        (CopyState.RETURNED, None),
    ]
    assert [len(one.before) for one in outcomes] == [1, 1]
    assert [one.owes for one in unroutable([copy(1)], TROUBLE, "", NOW_S)] == [None]


def test_what_is_given_back_keeps_its_turn_and_its_lines() -> None:
    [plain] = given_back([copy(1, before=EARLIER)], None, NOW_S)
    assert (plain.state, plain.attempt, plain.due_at_s) == (CopyState.QUEUED, None, None)
    assert plain.before == EARLIER
    [told] = given_back([copy(1, before=EARLIER)], TROUBLE, NOW_S)
    assert told.due_at_s is None
    assert [one.words for one in told.before] == ["later", "no answer"]
    assert told.attempt is not None
    assert told.attempt.words == "refused"
