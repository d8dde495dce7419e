"""Keeping house: what is freed, what is kept, and that nothing starves."""

from __future__ import annotations

from mailserver.queue.copies import CopyState
from mailserver.store.ports.store import Store
from mailserver.store.sql.mail.reclaim import COPIES_SLICE, SLICE
from mailserver.values.ids import MailboxId
from tests.store.letters import (
    NOW_S,
    accept,
    as_fetched,
    fetch,
    letter,
    letter_to,
    people,
    person,
    recipient_of,
    remove,
    uids_of,
)
from tests.store.places import Place, copies, count

LATER_S = NOW_S + 1_000.0


def reclaim_all(store: Store, *, now_s: float = LATER_S) -> tuple[int, int]:
    """Slice after slice until one frees nothing: (entries, messages)."""
    entries = messages = 0
    while (slice_ := store.upkeep.reclaim(now_s=now_s)).entry_count:
        entries += slice_.entry_count
        messages += slice_.message_count
    return entries, messages


def expire_all(store: Store, *, now_s: float = LATER_S) -> int:
    total = 0
    while count_ := store.upkeep.expire_history(now_s=now_s):
        total += count_
    return total


def set_state(place: Place, message_id: int, state: CopyState) -> None:
    statement = "UPDATE copy SET state = ? WHERE message_id = ?"
    place.write(statement, (state.value, message_id))


def test_what_is_visible_is_never_reclaimed(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    assert reclaim_all(store) == (0, 0)
    assert fetch(store, box, 1) == as_fetched(recipient_of(box))


def test_removed_entries_answer_until_their_time_is_over(place: Place) -> None:
    store = place.open(keep_removed_s=100)
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    remove(store.writes, box, [1], at_s=NOW_S)
    assert reclaim_all(store, now_s=NOW_S + 99) == (0, 0)
    assert fetch(store, box, 1) == as_fetched(recipient_of(box))
    assert reclaim_all(store, now_s=NOW_S + 100) == (1, 1)
    assert fetch(store, box, 1) is None


def test_a_body_stays_while_another_mailbox_shows_it(store: Store) -> None:
    first, second = people(store, 2)
    accept(store.writes, letter_to(first, second))
    remove(store.writes, first, [1])
    assert reclaim_all(store) == (1, 0)
    assert fetch(store, second, 1) == as_fetched(recipient_of(second))


def test_a_body_stays_while_a_copy_is_unfinished(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    (message_id,) = accept(store.writes, letter_to(box))
    set_state(place, message_id, CopyState.QUEUED)
    remove(store.writes, box, [1])
    assert reclaim_all(store) == (1, 0)
    assert place.rows("SELECT body FROM message")[0][0] is not None


def test_the_journey_outlives_the_body(place: Place) -> None:
    store = place.open(keep_history_s=10_000)
    (box,) = people(store, 1)
    (message_id,) = accept(store.writes, letter_to(box))
    remove(store.writes, box, [1])
    assert reclaim_all(store) == (1, 1)
    assert expire_all(store) == 0
    assert len(copies(place, message_id)) == 1
    assert place.rows("SELECT body, file_name FROM message") == [(None, None)]
    assert expire_all(store, now_s=NOW_S + 10_001) == 1
    assert count(place, "message") == 0


def test_a_mailbox_in_use_is_left_and_starves_nobody(store: Store) -> None:
    busy, quiet = people(store, 2)
    for _ in range(3):
        accept(store.writes, *(letter_to(busy, body=b"") for _ in range(SLICE)))
    accept(store.writes, letter_to(quiet))
    remove(store.writes, busy, range(1, 3 * SLICE + 1), at_s=NOW_S)
    remove(store.writes, quiet, [1], at_s=NOW_S + 1)
    lock = store.locks.lock_maildrop(busy)
    assert lock is not None
    assert store.upkeep.reclaim(now_s=LATER_S).entry_count == 1
    assert fetch(store, quiet, 1) is None
    assert fetch(store, busy, 1) is not None
    lock.release()
    assert reclaim_all(store)[0] == 3 * SLICE


def test_the_reclaimer_leaves_no_mailbox_locked(store: Store) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    remove(store.writes, box, [1])
    reclaim_all(store)
    assert store.locks.lock_maildrop(box) is not None


def test_reclaim_goes_in_slices(store: Store) -> None:
    (box,) = people(store, 1)
    for _ in range(2):
        accept(store.writes, *(letter_to(box, body=b"") for _ in range(SLICE)))
    remove(store.writes, box, range(1, 2 * SLICE + 1))
    assert store.upkeep.reclaim(now_s=LATER_S).entry_count == SLICE
    assert store.upkeep.reclaim(now_s=LATER_S).entry_count == SLICE
    assert store.upkeep.reclaim(now_s=LATER_S).entry_count == 0


def test_the_mail_of_a_deleted_account_goes_in_slices(store: Store, place: Place) -> None:
    leaver, stayer = person(store, "partant"), person(store, "restant")
    for _ in range(2):
        accept(store.writes, *(letter_to(leaver.inbox_id, body=b"") for _ in range(SLICE)))
    accept(store.writes, letter_to(leaver.inbox_id, stayer.inbox_id))
    store.accounts.delete_account(leaver.account_id, now_s=NOW_S)
    assert store.upkeep.reclaim(now_s=LATER_S).entry_count == SLICE
    assert reclaim_all(store)[0] == SLICE + 1
    assert place.rows("SELECT mailbox_id FROM mailbox") == [(stayer.inbox_id,)]
    assert fetch(store, stayer.inbox_id, 1) == as_fetched(recipient_of(stayer.inbox_id))


def test_a_deleted_account_in_use_starves_no_other(store: Store, place: Place) -> None:
    first, second = person(store, "premier"), person(store, "second")
    accept(store.writes, letter_to(first.inbox_id, second.inbox_id))
    store.accounts.delete_account(first.account_id, now_s=NOW_S)
    store.accounts.delete_account(second.account_id, now_s=NOW_S)
    lock = store.locks.lock_maildrop(first.inbox_id)
    assert lock is not None
    for _ in range(4):
        store.upkeep.reclaim(now_s=LATER_S)
    assert place.rows("SELECT mailbox_id FROM mailbox") == [(first.inbox_id,)]
    lock.release()
    for _ in range(4):
        store.upkeep.reclaim(now_s=LATER_S)
    assert count(place, "mailbox") == count(place, "entry") == 0


def test_history_of_mail_that_is_kept_goes_and_the_mail_stays(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    assert expire_all(store) == 1
    assert count(place, "copy") == 0
    assert fetch(store, box, 1) == as_fetched(recipient_of(box))
    remove(store.writes, box, [1])
    assert reclaim_all(store) == (1, 1)
    assert count(place, "message") == 0


def test_young_history_stays(place: Place) -> None:
    store = place.open(keep_history_s=100)
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box, at_s=NOW_S), letter_to(box, at_s=NOW_S + 50))
    assert expire_all(store, now_s=NOW_S + 120) == 1
    assert count(place, "copy") == 1


def test_unfinished_copies_never_expire_and_starve_nobody(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    held = [accept(store.writes, *(letter_to(box) for _ in range(SLICE))) for _ in range(2)]
    for message_id in (m for ids in held for m in ids):
        set_state(place, message_id, CopyState.HELD)
    accept(store.writes, letter_to(box))
    assert store.upkeep.expire_history(now_s=LATER_S) == 1
    assert count(place, "copy") == 2 * SLICE


def test_one_held_copy_keeps_the_whole_journey(store: Store, place: Place) -> None:
    first, second = people(store, 2)
    (message_id,) = accept(store.writes, letter_to(first, second))
    place.write("UPDATE copy SET state = ? WHERE copy_no = 1", (CopyState.LEASED.value,))
    assert expire_all(store) == 0
    assert len(copies(place, message_id)) == 2


def test_history_expires_in_slices_of_copies_not_of_messages(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    per_message = COPIES_SLICE * 3 // 5
    names = [(f"r{n}@d", box) for n in range(per_message)]
    accept(store.writes, *(letter(*names) for _ in range(3)))
    assert store.upkeep.expire_history(now_s=LATER_S) == per_message
    assert expire_all(store) == 2 * per_message


def test_upkeep_of_an_empty_store_finds_nothing(store: Store) -> None:
    assert reclaim_all(store) == (0, 0)
    assert expire_all(store) == 0
    assert store.upkeep.checkpoint() >= 0
    assert store.upkeep.log_octets() >= 0


def test_reclaim_may_run_while_mail_arrives(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    other = place.open()
    for n in range(1, 21):
        accept(other.writes, letter_to(box), letter_to(MailboxId(box)))
        remove(other.writes, box, [2 * n - 1])
        store.upkeep.reclaim(now_s=LATER_S)
        store.upkeep.checkpoint()
    assert uids_of(store, box) == list(range(2, 41, 2))
