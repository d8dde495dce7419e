"""Reports that are owed: written with what owes them, made once, never swallowed."""

from __future__ import annotations

from dataclasses import replace

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import EXPIRED, ReportKind
from mailserver.store.ports.queue import CopyOutcome, CopyRef, HopNote, ReportMade, Settled
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted, Failed
from mailserver.values.ids import MailboxId
from mailserver.values.message import Notify
from tests.store.letters import NOW_S, accept, letter_to, people, uids_of
from tests.store.places import Place, count
from tests.store.queued import (
    Agent,
    attempt,
    deferred,
    one,
    outgoing,
    relayed,
    returned,
    settle,
)

FAILED, DELAYED, DELIVERED = ReportKind.FAILED, ReportKind.DELAYED, ReportKind.DELIVERED


def returned_one(store: Store, *recipients: str) -> list[CopyRef]:
    """A message all of whose copies were returned."""
    accept(store.writes, outgoing(*recipients))
    agent = Agent(store)
    refs = agent.lease()
    agent.settle(*map(returned, refs))
    return refs


def test_an_owed_report_names_each_copy_and_what_was_answered(store: Store) -> None:
    refs = returned_one(store, "a@x", "b@x")
    (report,) = store.queue.owed_reports(limit=10)
    assert (report.message_id, report.kind) == (refs[0].message_id, FAILED)
    assert [(line.ref, line.recipient) for line in report.copies] == [
        (refs[0], "a@x"),
        (refs[1], "b@x"),
    ]
    (line, _) = report.copies
    assert line.attempt == attempt("5.1.1", "550 5.1.1 no such user")
    assert (line.owed_at_s, line.expires_at_s) == (NOW_S, None)


def test_the_oldest_reports_come_first_and_kinds_are_apart(store: Store) -> None:
    young, old = accept(store.writes, outgoing(), outgoing("a@x", original_recipient="rfc822;A@x"))
    tell = CopyOutcome(ref=CopyRef(young, 0), state=CopyState.QUEUED, owes=DELAYED)
    settle(store.writes, None, tell, at_s=NOW_S + 1)
    settle(store.writes, None, replace(tell, ref=CopyRef(old, 0)), at_s=NOW_S)
    settle(store.writes, None, returned(CopyRef(young, 0)), at_s=NOW_S + 2)
    owed = store.queue.owed_reports(limit=10)
    assert [(report.message_id, report.kind) for report in owed] == [
        (old, DELAYED),
        (young, DELAYED),
        (young, FAILED),
    ]
    assert owed[0].copies[0].original_recipient == "rfc822;A@x"
    assert [report.message_id for report in store.queue.owed_reports(limit=1)] == [old]


def test_a_copy_that_is_still_tried_says_until_when(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(deferred(ref, NOW_S + 300))
    settle(store.writes, None, CopyOutcome(ref=ref, state=CopyState.QUEUED, owes=DELAYED))
    (report,) = store.queue.owed_reports(limit=1)
    assert report.copies[0].expires_at_s == NOW_S + 5 * 86_400


def test_a_delay_told_twice_before_the_report_is_made_is_one_report(
    store: Store, place: Place
) -> None:
    (message_id,) = accept(store.writes, outgoing())
    told = CopyOutcome(ref=CopyRef(message_id, 0), state=CopyState.QUEUED, owes=DELAYED)
    assert settle(store.writes, None, told) == settle(store.writes, None, told) == []
    assert count(place, "owed_report") == 1


def test_a_deposit_may_owe_a_report_too(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    local = letter_to(box)
    (copy,) = local.copies
    asked = replace(copy, notify=Notify.SUCCESS, owes_report=True)
    (message_id,) = accept(store.writes, replace(local, copies=(asked,)))
    (report,) = store.queue.owed_reports(limit=1)
    assert (report.message_id, report.kind) == (message_id, DELIVERED)
    assert report.copies[0].attempt is None


def test_a_report_and_what_it_clears_are_one_transaction(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    (ref,) = returned_one(store)
    made = ReportMade(acceptance=letter_to(box), cleared=((ref, FAILED),))
    assert isinstance(one(store.writes, made), Accepted)
    assert uids_of(store, box) == [1]
    assert store.queue.owed_reports(limit=1) == []


def test_a_report_is_made_once(store: Store) -> None:
    (box,) = people(store, 1)
    first, second = returned_one(store, "a@x", "b@x")
    made = ReportMade(acceptance=letter_to(box), cleared=((first, FAILED),))
    both = ReportMade(acceptance=letter_to(box), cleared=((first, FAILED), (second, FAILED)))
    outcomes = store.writes.apply([made, both, letter_to(box)])
    assert [type(outcome) for outcome in outcomes] == [Accepted, Settled, Accepted]
    assert outcomes[1] == Settled((first,))
    assert one(store.writes, made) == Settled((first,))
    assert uids_of(store, box) == [1, 2]
    (report,) = store.queue.owed_reports(limit=1)
    assert [line.ref for line in report.copies] == [second]


def test_a_report_that_cannot_be_stored_clears_nothing(store: Store) -> None:
    (ref,) = returned_one(store)
    bad = ReportMade(acceptance=letter_to(MailboxId(999_999)), cleared=((ref, FAILED),))
    assert isinstance(one(store.writes, bad), Failed)
    assert len(store.queue.owed_reports(limit=1)) == 1


def test_a_report_that_nobody_can_get_is_cleared(store: Store) -> None:
    (ref,) = returned_one(store)
    assert one(store.writes, ReportMade(acceptance=None, cleared=((ref, FAILED),))) == Settled()
    assert store.queue.owed_reports(limit=1) == []


def test_a_report_may_be_queued_for_another_hop(store: Store) -> None:
    (ref,) = returned_one(store)
    made = ReportMade(acceptance=outgoing(hop="ailleurs.fr"), cleared=((ref, FAILED),))
    assert isinstance(one(store.writes, made), Accepted)
    assert len(Agent(store).lease("ailleurs.fr")) == 1


def test_overdue_copies_are_told_of_in_order_with_the_last_words(store: Store) -> None:
    late, early = accept(
        store.writes,
        outgoing(tell_at_s=NOW_S + 20),
        outgoing(tell_at_s=NOW_S + 10, reverse_path="a@b"),
    )
    agent = Agent(store)
    agent.settle(*(deferred(ref, NOW_S + 300) for ref in agent.lease()))
    assert store.queue.overdue(now_s=NOW_S + 9, limit=10) == []
    found = store.queue.overdue(now_s=NOW_S + 20, limit=10)
    assert [copy.ref.message_id for copy in found] == [early, late]
    assert (found[0].reverse_path, found[0].tell_at_s) == ("a@b", NOW_S + 10)
    assert (found[0].last_status, found[0].last_words) == ("4.2.0", "451 4.2.0 later")
    assert len(store.queue.overdue(now_s=NOW_S + 20, limit=1)) == 1


def test_a_success_that_was_asked_for_is_owed_with_the_relay(store: Store) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(relayed(ref, owes=ReportKind.RELAYED))
    assert [report.kind for report in store.queue.owed_reports(limit=9)] == [ReportKind.RELAYED]


def test_an_expiry_comes_with_what_was_answered_before(store: Store) -> None:
    accept(store.writes, outgoing("a@x"))
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(deferred(ref, NOW_S + 5))
    over = attempt(EXPIRED, "not delivered within 120 hours")
    gone = CopyOutcome(ref=ref, state=CopyState.RETURNED, attempt=over, owes=FAILED)
    settle(store.writes, None, gone, at_s=NOW_S + 10)
    ((line,),) = [report.copies for report in store.queue.owed_reports(limit=10)]
    assert line.attempt == over
    assert line.before == deferred(ref, NOW_S + 5).attempt


def test_a_copy_that_was_never_tried_comes_with_the_trouble_of_its_hop(store: Store) -> None:
    (later,) = accept(store.writes, outgoing("b@x"))
    (hop,) = Agent(store).destinations().values()
    note = HopNote(
        destination_id=hop, not_before_s=NOW_S + 600, failure_count=1, error="refused", at_s=NOW_S
    )
    store.writes.apply([note])
    tell = CopyOutcome(ref=CopyRef(later, 0), state=CopyState.QUEUED, owes=DELAYED)
    settle(store.writes, None, tell, at_s=NOW_S + 1)
    ((line,),) = [report.copies for report in store.queue.owed_reports(limit=10)]
    assert (line.attempt, line.hop_error) == (None, "refused")
    store.writes.apply([replace(note, not_before_s=0.0, failure_count=0, error="")])
    ((line,),) = [report.copies for report in store.queue.owed_reports(limit=10)]
    assert line.hop_error == ""
