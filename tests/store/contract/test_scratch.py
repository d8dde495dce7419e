"""The scratch: shared by processes, may be lost, never an error."""

from __future__ import annotations

import threading

from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.store import Store
from mailserver.values.ids import AccountId
from tests.store.letters import NOW_S
from tests.store.places import Place

DIGEST, OTHER = b"d" * 32, b"o" * 32
ACCOUNT = AccountId(7)


def recall(store: Store, digest: bytes, now_s: float, lifetime_s: float = 100.0) -> bool:
    return store.counters.recall_sign_in(digest, now_s=now_s, lifetime_s=lifetime_s)


def test_a_sign_in_is_remembered_for_its_lifetime(store: Store) -> None:
    store.counters.keep_sign_in(DIGEST, now_s=NOW_S)
    assert recall(store, DIGEST, NOW_S)
    assert not recall(store, OTHER, NOW_S)
    assert not recall(store, DIGEST, NOW_S + 100)


def test_using_a_sign_in_lets_its_time_slide(store: Store) -> None:
    store.counters.keep_sign_in(DIGEST, now_s=NOW_S)
    assert all(recall(store, DIGEST, NOW_S + at_s) for at_s in (90, 180, 270))
    assert not recall(store, DIGEST, NOW_S + 370)


def test_a_sign_in_from_the_future_is_not_trusted(store: Store) -> None:
    store.counters.keep_sign_in(DIGEST, now_s=NOW_S)
    assert not recall(store, DIGEST, NOW_S - 1)


def test_processes_share_what_is_remembered(store: Store, place: Place) -> None:
    other = place.open()
    store.counters.keep_sign_in(DIGEST, now_s=NOW_S)
    assert recall(other, DIGEST, NOW_S)


def test_old_sign_ins_are_swept(store: Store) -> None:
    store.counters.keep_sign_in(DIGEST, now_s=NOW_S)
    store.upkeep.expire_history(now_s=NOW_S + 40 * 86_400)
    assert not recall(store, DIGEST, NOW_S)


def test_last_seen_is_the_latest_at_each_door(store: Store) -> None:
    early = LastSeen(door="pop3", peer="192.0.2.1", at_s=NOW_S)
    late = LastSeen(door="pop3", peer="192.0.2.2", at_s=NOW_S + 10)
    submission = LastSeen(door="submission", peer="192.0.2.1", at_s=NOW_S + 5)
    for seen in (early, late, submission):
        store.counters.note_seen(ACCOUNT, seen)
    assert store.counters.last_seen(ACCOUNT) == (late, submission)
    assert store.counters.last_seen(AccountId(8)) == ()


def test_reports_are_the_latest_of_each_source(store: Store, place: Place) -> None:
    store.counters.report("smtp-0", {"accepted": 1}, now_s=NOW_S)
    place.open().counters.report("smtp-1", {}, now_s=NOW_S)
    store.counters.report("smtp-0", {"accepted": 2, "refused": 0.5}, now_s=NOW_S + 1)
    assert store.counters.read_reports() == {
        "smtp-0": (NOW_S + 1, {"accepted": 2, "refused": 0.5}),
        "smtp-1": (NOW_S, {}),
    }


def test_threads_may_use_it_together(store: Store) -> None:
    def use(number: int) -> None:
        for n in range(20):
            store.counters.keep_sign_in(b"%d-%d" % (number, n), now_s=NOW_S)
            store.counters.note_seen(AccountId(n), LastSeen(door="d", peer=str(number), at_s=NOW_S))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert store.counters.last_seen(AccountId(3))


def test_the_block_of_a_sign_in_is_known_for_its_time(store: Store, place: Place) -> None:
    store.counters.note_seen(ACCOUNT, LastSeen(door="pop3s", peer="198.51.100.7", at_s=NOW_S))
    store.counters.note_seen(ACCOUNT, LastSeen(door="pop3s", peer="2001:db8:0:1::7", at_s=NOW_S))
    other = place.open()
    for peer in ("198.51.100.7", "198.51.100.200", "::ffff:198.51.100.9", "2001:db8:0:1::ffff"):
        assert other.counters.knows_block(peer, since_s=NOW_S - 1)
        assert not other.counters.knows_block(peer, since_s=NOW_S + 1)
    for peer in ("198.51.101.7", "2001:db8:0:2::7", ""):
        assert not other.counters.knows_block(peer, since_s=NOW_S - 1)
