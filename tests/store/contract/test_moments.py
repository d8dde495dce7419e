"""No stored moment lies further ahead than its rule allows; each column that holds one is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailserver.queue.turns import HORIZON_S
from mailserver.settings.model import DeliverySettings
from mailserver.store import moments
from mailserver.store.moments import COUNTED, DEFAULT_RULES, STAMPED, WISH_S
from mailserver.store.ports.lists import Wish
from mailserver.store.ports.people import RelationKind
from mailserver.store.ports.policies import StsPolicy
from mailserver.store.ports.queue import HopNote
from mailserver.store.ports.recovery import NewCode, Purpose
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.store import Store
from mailserver.values.clock import Belief, Era
from mailserver.values.ids import AccountId, ListId
from tests.store.letters import NOW_S, accept, letter_to, people, remove
from tests.store.places import Place
from tests.store.queued import HOP, Agent, deferred, one, outgoing

YEAR_S = 365 * 86_400.0
AHEAD = pytest.mark.parametrize("ahead_s", [3600.0, 2 * YEAR_S], ids=["hour", "years"])
EXPIRES_S = DeliverySettings().expire_hours * 3600.0


def bound(store: Store, now_s: float = NOW_S, *, only_waits: bool = False) -> int:
    return sum(store.clock.bound_moments(lambda: now_s, only_waits=only_waits))


def value(place: Place, statement: str) -> Any:
    ((found,),) = place.rows(statement)
    return found


@AHEAD
def test_a_hop_that_failed_under_a_clock_ahead_rests_as_long_as_it_would_have(
    store: Store, place: Place, ahead_s: float
) -> None:
    accept(store.writes, outgoing())
    hop_id = value(place, "SELECT destination_id FROM destination")
    at_s = NOW_S + ahead_s
    note = HopNote(
        destination_id=hop_id, not_before_s=at_s + 300, failure_count=1, error="no", at_s=at_s
    )
    one(store.writes, note)
    assert bound(store) == 1
    assert store.queue.due_destinations(now_s=NOW_S + 299, limit=9) == []
    (due,) = store.queue.due_destinations(now_s=NOW_S + 301, limit=9)
    assert due.not_before_s == NOW_S + 300


@AHEAD
def test_mail_that_was_accepted_and_put_off_under_a_clock_ahead_is_tried_and_ends_in_its_time(
    store: Store, place: Place, ahead_s: float
) -> None:
    at_s = NOW_S + ahead_s
    accept(store.writes, outgoing("a@x", "b@x", at_s=at_s, tell_at_s=at_s + 3600))
    ahead = Agent(store, now_s=at_s)
    (tried, _untried) = ahead.lease()
    ahead.settle(deferred(tried, at_s + 240))
    store.queue.resign_agent(ahead.agent_id)
    assert bound(store) >= 1
    assert value(place, "SELECT accepted_at_s FROM message") == NOW_S
    assert place.rows("SELECT DISTINCT tell_at_s FROM queue") == [(NOW_S + 3600,)]
    agent = Agent(store)
    assert len(agent.lease()) == 1
    agent.now_s = NOW_S + 241
    assert agent.lease() == [tried]


@AHEAD
def test_a_copy_that_was_put_off_ahead_waits_no_longer_than_the_schedule(
    store: Store, place: Place, ahead_s: float
) -> None:
    accept(store.writes, outgoing())
    agent = Agent(store)
    (ref,) = agent.lease()
    agent.settle(deferred(ref, NOW_S + ahead_s + 600))
    assert bound(store) == 1
    longest_s = DEFAULT_RULES.longest_wait_s(1)
    assert NOW_S < value(place, "SELECT due_at_s FROM queue") <= NOW_S + longest_s + 3
    agent.now_s = NOW_S + longest_s + 3
    assert agent.lease() == [ref]


def test_turns_and_expiries_have_bounds_too(store: Store, place: Place) -> None:
    accept(store.writes, outgoing(turn_at_s=NOW_S + YEAR_S, tell_at_s=NOW_S + YEAR_S))
    assert bound(store) == 1
    due_s, tell_s = place.rows("SELECT due_at_s, tell_at_s FROM queue")[0]
    assert due_s <= NOW_S + HORIZON_S + 3
    assert tell_s <= NOW_S + EXPIRES_S + 3


def test_what_is_within_its_rules_stays_as_it_is(store: Store, place: Place) -> None:
    (box,) = people(store, 1)
    accept(store.writes, outgoing(turn_at_s=NOW_S + 900), letter_to(box))
    remove(store.writes, box, [1])
    agent = Agent(store)
    agent.settle(deferred(agent.lease()[0], NOW_S + 100))
    store.queue.suspend("b.fr", until_s=NOW_S + YEAR_S, now_s=NOW_S)
    assert bound(store) == 0
    assert bound(store) == 0


def test_while_the_clock_may_be_wrong_only_waits_are_cut_short(store: Store, place: Place) -> None:
    """A start in 1970: what was written in this year is right."""
    (box,) = people(store, 1)
    accept(store.writes, outgoing(at_s=NOW_S), letter_to(box))
    remove(store.writes, box, [1])
    agent = Agent(store)
    agent.settle(deferred(agent.lease()[0], NOW_S + 300))
    hop_id = value(place, "SELECT destination_id FROM destination")
    one(
        store.writes,
        HopNote(
            destination_id=hop_id, not_before_s=NOW_S + 300, failure_count=1, error="", at_s=NOW_S
        ),
    )
    tables = ("message", "entry", "given_name", "account")
    before = [place.rows(f"SELECT * FROM {table}") for table in tables]
    tell_at_s = value(place, "SELECT tell_at_s FROM queue")
    assert bound(store, 500.0, only_waits=True) == 2
    assert [place.rows(f"SELECT * FROM {table}") for table in tables] == before
    assert value(place, "SELECT tell_at_s FROM queue") == tell_at_s
    assert value(place, "SELECT due_at_s FROM queue") < 1000
    assert value(place, "SELECT not_before_s FROM destination") < 50_000


@AHEAD
def test_a_suspension_keeps_its_length(store: Store, place: Place, ahead_s: float) -> None:
    store.queue.suspend("a.fr", until_s=NOW_S + ahead_s + 7200, now_s=NOW_S + ahead_s)
    store.queue.suspend("b.fr", until_s=None, now_s=NOW_S + ahead_s)
    assert bound(store) == 2
    found = {one.next_hop: one.suspended_until_s for one in store.queue.list_destinations()}
    assert found == {"a.fr": NOW_S + 7200, "b.fr": float("inf")}


@AHEAD
def test_a_code_that_was_given_ahead_ends_in_its_time(store: Store, ahead_s: float) -> None:
    (box,) = people(store, 1)
    account_id = AccountId(1)
    del box
    at_s = NOW_S + ahead_s
    code = NewCode(
        account_id=account_id,
        purpose=Purpose.RESET,
        digest=b"x" * 32,
        given_by="root",
        made_at_s=at_s,
        expires_at_s=at_s + 1800,
        details="",
    )
    store.recovery.add_code(code)
    bound(store)
    fits = {
        now_s: store.recovery.try_code(
            account_id, Purpose.RESET, b"x" * 32, now_s=now_s, max_tries=5
        )
        for now_s in (NOW_S + 1799, NOW_S + 1801)
    }
    assert [fit is not None for fit in fits.values()] == [True, False]


@AHEAD
def test_what_was_removed_ahead_is_kept_as_long_as_anything_and_no_longer(
    store: Store, place: Place, ahead_s: float
) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    remove(store.writes, box, [1])
    place.write("UPDATE entry SET removed_at_s = ?", (NOW_S + ahead_s,))
    assert bound(store) == 1
    assert value(place, "SELECT removed_at_s FROM entry") == NOW_S


@AHEAD
def test_names_policies_wishes_graces_and_lives_end_in_their_time(
    store: Store, place: Place, ahead_s: float
) -> None:
    at_s = NOW_S + ahead_s
    people(store, 2)
    store.accounts.delete_account(AccountId(2), now_s=at_s)
    store.policies.write_sts_policy(
        StsPolicy(domain="d", policy_id="1", mode="none", hosts=(), max_age_s=9, fetched_at_s=at_s)
    )
    wish = Wish(list_id=ListId(1), address="a@b.fr", joins=True)
    store.lists.keep_wish("t", wish, now_s=at_s, expires_at_s=at_s + WISH_S)
    rules = DEFAULT_RULES
    place.write("UPDATE account SET must_change_by_s = ?", (at_s + rules.grace_s,))
    place.write(
        "UPDATE account SET life = 'left', life_until_s = ? WHERE account_id = 1",
        (at_s + rules.left_s,),
    )
    store.people.relate(
        RelationKind.HOLDER, account_id=AccountId(1), of_account=AccountId(1), since_s=at_s
    )
    assert bound(store) > 0
    soon_s = NOW_S + 3
    assert value(place, "SELECT max(released_at_s) FROM given_name") == NOW_S
    quarantine_s = value(place, "SELECT max(free_at_s - released_at_s) FROM given_name")
    assert value(place, "SELECT max(free_at_s) FROM given_name") <= soon_s + quarantine_s
    assert value(place, "SELECT fetched_at_s FROM sts_policy") == NOW_S
    assert value(place, "SELECT expires_at_s FROM list_wish") <= soon_s + WISH_S
    assert value(place, "SELECT max(must_change_by_s) FROM account") <= soon_s + rules.grace_s
    assert value(place, "SELECT max(life_until_s) FROM account") <= soon_s + rules.left_s
    assert value(place, "SELECT since_s FROM relation") == NOW_S
    assert bound(store) == 0


def test_more_than_one_slice_is_brought_back(store: Store, place: Place) -> None:
    ahead_s = NOW_S + YEAR_S
    for _ in range(2):
        accept(store.writes, *(outgoing(at_s=ahead_s, tell_at_s=ahead_s) for _ in range(400)))
    assert bound(store) >= 800
    assert value(place, "SELECT max(accepted_at_s) FROM message") == NOW_S
    assert value(place, "SELECT max(tell_at_s) FROM queue") <= NOW_S + EXPIRES_S + 3


def test_what_came_before_the_clock_was_ahead_is_not_touched(store: Store, place: Place) -> None:
    accept(store.writes, outgoing(at_s=NOW_S - 50), outgoing(at_s=NOW_S + YEAR_S))
    bound(store)
    assert place.rows("SELECT accepted_at_s FROM message ORDER BY message_id") == [
        (NOW_S - 50,),
        (NOW_S,),
    ]


def test_what_a_clock_that_was_behind_stamped_moves_ahead_with_it(
    store: Store, place: Place
) -> None:
    (box,) = people(store, 1)
    accept(store.writes, outgoing(at_s=50.0, tell_at_s=99.0), letter_to(box))
    before_id = store.clock.newest_message()
    accept(store.writes, outgoing("late@x", at_s=60.0, tell_at_s=60.0 + 3600))
    remove(store.writes, box, [1])
    place.write("UPDATE entry SET removed_at_s = 70")
    place.write("UPDATE account SET must_change_by_s = ?", (65.0 + DEFAULT_RULES.grace_s,))
    era = Era(from_s=40.0, to_s=100.0, by_s=NOW_S, after_id=before_id)
    assert sum(store.clock.lift_moments(era)) > 0
    times = place.rows(
        "SELECT accepted_at_s, tell_at_s FROM message JOIN queue USING (message_id) ORDER BY 1"
    )
    assert times == [(50.0, 99.0), (NOW_S + 60, NOW_S + 3660)]
    assert value(place, "SELECT removed_at_s FROM entry") == NOW_S + 70
    graced_s = value(place, "SELECT must_change_by_s FROM account")
    assert graced_s == NOW_S + 65 + DEFAULT_RULES.grace_s


def test_agents_are_woken_and_the_hop_is_due_at_once(store: Store, place: Place) -> None:
    accept(store.writes, outgoing(at_s=NOW_S + YEAR_S, turn_at_s=NOW_S + YEAR_S))
    assert store.queue.due_destinations(now_s=NOW_S, limit=9) == []
    bound(store)
    assert [due.next_hop for due in store.queue.due_destinations(now_s=NOW_S, limit=9)] == [HOP]


def test_the_belief_about_the_clock_is_kept(store: Store, place: Place) -> None:
    assert store.clock.read_clock() is None
    belief = Belief(
        wall_s=NOW_S,
        steady_s=3.5,
        boot="b",
        believed_s=NOW_S - 9,
        strayed_at_s=1.0,
        behind_from_s=None,
        newest_id=4,
        step_s=-5.0,
        stepped_at_s=2.0,
        bounded_count=3,
        bounded_at_s=1.5,
    )
    store.clock.write_clock(belief)
    store.clock.write_clock(belief)
    assert place.open().clock.read_clock() == belief


def test_what_may_be_lost_is_brought_back_too(store: Store) -> None:
    ahead_s = NOW_S + YEAR_S
    key = "act"
    assert store.counters.count_act(key, now_s=ahead_s, window_s=60) == 1
    assert store.counters.take_turn("block", now_s=ahead_s, pause_s=5)
    assert not store.counters.take_turn("block", now_s=NOW_S, pause_s=5)
    store.counters.note_failure([("block", "who")], "d", now_s=ahead_s, since_s=ahead_s - 60)
    store.counters.keep_sign_in(b"x", now_s=ahead_s)
    store.counters.report("smtp.9", {}, now_s=ahead_s)
    store.counters.note_seen(AccountId(1), LastSeen(door="pop3", peer="::1", at_s=ahead_s))
    store.counters.sent.count_sent(AccountId(1), ["a@b.fr"], meets=False, now_s=ahead_s)
    bound(store)
    assert store.counters.take_turn("block", now_s=NOW_S, pause_s=5)
    assert store.counters.count_act(key, now_s=NOW_S + 61, window_s=60) == 1
    assert store.counters.count_failing("block", since_s=NOW_S + 1, limit=9) == 0
    assert store.counters.read_reports()["smtp.9"][0] == NOW_S
    assert store.counters.last_seen(AccountId(1))[0].at_s == NOW_S
    sent = store.counters.sent.count_sent(AccountId(1), ["a@b.fr"], meets=False, now_s=NOW_S)
    assert sent.day_messages == 1


def test_every_column_that_holds_a_moment_is_in_the_inventory(store: Store, place: Place) -> None:
    """A new one fails here until somebody has said what bounds it."""
    held = {
        f"{table}.{column}"
        for table, column in place.columns()
        if table != "clock" and column.endswith("_s") and column != "max_age_s"
    }
    known = {f"{s.table}.{column}" for s in STAMPED for column in (s.stamp, *s.others)}
    known |= {f"{c.table}.{c.column}" for c in COUNTED}
    known |= set(moments.MAIL) | set(moments.DATES) | moments.SHOWN | moments.OWN
    assert held == known


def test_the_page_about_moments_names_each_of_them() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "moments.md").read_text(encoding="utf-8")
    for stamped in STAMPED:
        assert f"`{stamped.table}.{stamped.stamp}`" in page, stamped
    for counted in COUNTED:
        assert f"`{counted.table}.{counted.column}`" in page, counted
    for name in (*moments.MAIL, *moments.DATES):
        assert f"`{name}`" in page, name
    for table in moments.SCRATCH:
        assert f"`{table}`" in page, table
