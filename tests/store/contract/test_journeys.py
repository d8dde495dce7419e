"""The journey of a message: the promise, and where each copy is now."""

from __future__ import annotations

from dataclasses import replace

from mailserver.cli.queue.trace_words import journey_lines
from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.history import Waiting
from mailserver.store.ports.mail import RemovedBy
from mailserver.store.ports.queue import Lane
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Removal
from mailserver.values.ids import Uid
from tests.store.letters import (
    BODY,
    HEAD,
    NOW_S,
    accept,
    letter,
    new_accept_id,
    people,
    person,
    remove,
)
from tests.store.places import Place


def test_a_journey_tells_who_brought_the_message_and_where_each_copy_is(store: Store) -> None:
    author = person(store, "jpetit")
    first, second = people(store, 2)
    accept_id = new_accept_id()
    sent = letter(("Un@d", first), ("deux@d", second), ("un.alias@d", first), accept_id=accept_id)
    (message_id,) = accept(
        store.writes, replace(sent, account_id=author.account_id, door="submission")
    )
    journey = store.history.journey(accept_id)
    assert journey is not None
    assert (journey.message_id, journey.accepted_at_s) == (message_id, NOW_S)
    assert (journey.submitter, journey.door, journey.peer) == ("jpetit", "submission", "192.0.2.1")
    assert journey.holder is None
    assert (journey.head, journey.body_octets) == (HEAD, len(BODY))
    assert [(c.recipient, c.owner, c.mailbox, c.uid) for c in journey.copies] == [
        ("Un@d", "personne0", "INBOX", 1),
        ("deux@d", "personne1", "INBOX", 1),
        ("un.alias@d", "personne0", "INBOX", 1),
    ]
    assert {c.state for c in journey.copies} == {CopyState.DEPOSITED}
    assert {(c.settled_at_s, c.removed_at_s) for c in journey.copies} == {(NOW_S, None)}


def test_a_journey_tells_which_holder_wrote_for_a_mailbox(store: Store) -> None:
    school, holder = person(store, "0170705z"), person(store, "jpetit")
    (box,) = people(store, 1)
    accept_id = new_accept_id()
    sent = replace(letter(("un@d", box), accept_id=accept_id), account_id=school.account_id)
    accept(store.writes, replace(sent, by_account=holder.account_id), letter(("un@d", box)))
    journey = store.history.journey(accept_id)
    assert journey is not None
    assert (journey.submitter, journey.holder) == ("0170705z", "jpetit")


def test_what_was_decided_of_a_copy_when_it_came_is_a_line_before_where_it_is(
    store: Store,
) -> None:
    (box,) = people(store, 1)
    accept_id = new_accept_id()
    sent = letter(("un@d", box), ("un@d", box), accept_id=accept_id)
    sent.copies[0].note = "not sent on to a@b.test: it holds a NUL character"
    accept(store.writes, sent)
    journey = store.history.journey(accept_id)
    assert journey is not None
    assert [copy.uid for copy in journey.copies] == [1, 1]
    told = list(journey_lines(journey))
    place = next(n for n, line in enumerate(told) if "not sent on to a@b.test" in line)
    assert "deposited in personne0 INBOX, uid 1" in told[place + 1]


def test_a_journey_goes_on_to_the_removal(store: Store) -> None:
    first, second = people(store, 2)
    accept_id = new_accept_id()
    accept(store.writes, letter(("un@d", first), ("deux@d", second), accept_id=accept_id))
    remove(store.writes, first, [1], at_s=NOW_S + 5)
    journey = store.history.journey(accept_id)
    assert journey is not None
    assert [c.removed_at_s for c in journey.copies] == [NOW_S + 5, None]
    assert [c.removed_by for c in journey.copies] == [None, None]


def test_a_journey_says_who_removed_it(store: Store) -> None:
    (box,) = people(store, 1)
    sent = letter(("un@d", box))
    accept(store.writes, sent)
    by = RemovedBy("pop3s", "192.0.2.7", "pnoir")
    store.writes.apply([Removal(mailbox_id=box, uids=(Uid(1),), removed_at_s=NOW_S + 5, by=by)])
    journey = store.history.journey(sent.accept_id)
    assert journey is not None
    assert journey.copies[0].removed_by == by
    lines = "\n".join(journey_lines(journey))
    assert "removed from the mailbox by pnoir over pop3s [192.0.2.7]" in lines


def test_a_journey_from_a_stranger_has_no_submitter(store: Store) -> None:
    (box,) = people(store, 1)
    accept_id = new_accept_id()
    accept(store.writes, letter(("un@d", box), accept_id=accept_id))
    journey = store.history.journey(accept_id)
    assert journey is not None
    assert journey.submitter is None


def test_what_was_never_accepted_has_no_journey(store: Store) -> None:
    assert store.history.journey(new_accept_id()) is None


def test_a_journey_tells_each_attempt_and_why_a_copy_waits(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    accept_id = new_accept_id()
    (message_id,) = accept(
        store.writes, letter(("un@d", box), ("loin@e", box), accept_id=accept_id)
    )
    place.write("UPDATE copy SET state = 1, mailbox_id = NULL, uid = NULL WHERE copy_no = 1")
    place.write(
        "INSERT INTO destination VALUES (7, 'e', 5.0, 9.0, 3, 'no host answers', 2.0, 4.0, NULL)"
    )
    place.write(
        "INSERT INTO queue VALUES (?, 1, 7, 3, 5.0, 6.0, 2, NULL, 'wait for me')", (message_id,)
    )
    for number, state in ((1, CopyState.QUEUED), (2, CopyState.HELD)):
        place.write(
            "INSERT INTO attempt VALUES (?, 1, ?, ?, ?, 'mx.e', '192.0.2.9:25', 'TLSv1.3', '4.7.1',"
            " 'come back later', NULL, NULL)",
            (message_id, number, NOW_S + number, state.value),
        )
    place.write("INSERT INTO owed_report VALUES (?, 1, 2, ?)", (message_id, NOW_S))
    journey = store.history.journey(accept_id)
    assert journey is not None
    here, away = journey.copies
    assert (here.waiting, here.attempts, here.owed) == (None, (), ())
    assert away.waiting == Waiting(
        lane=Lane.HELD,
        next_hop="e",
        due_at_s=5.0,
        attempt_count=2,
        reason="wait for me",
        hop_not_before_s=9.0,
        hop_error="no host answers",
        suspended_until_s=4.0,
    )
    assert [one.outcome for one in away.attempts] == [CopyState.QUEUED, CopyState.HELD]
    assert away.attempts[0].attempt.words == "come back later"
    assert away.owed == (ReportKind.DELAYED,)
