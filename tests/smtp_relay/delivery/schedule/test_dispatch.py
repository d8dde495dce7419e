"""What the dispatcher decides, case by case."""

from __future__ import annotations

from mailserver.values.ids import DestinationId
from smtp_relay.delivery.plan import Diverted, Resolution, TlsLevel
from smtp_relay.delivery.schedule.destination import FIRST_WINDOW, MAX_APPETITE
from smtp_relay.delivery.schedule.fleet import LEASE_COPIES
from smtp_relay.delivery.schedule.orders import Limits, Result
from smtp_relay.delivery.verdicts import Phase
from tests.smtp_relay.delivery.schedule.dispatching import World, failure, hop, no_plan, plan

A = "a.test"


def started(
    limits: Limits | None = None, *, messages: int = 1, resolution: Resolution | None = None
) -> World:
    """Messages for A are leased and its first connections are being opened."""
    world = World(limits or Limits())
    world.accept(A, messages)
    world.look()
    world.find_ways(*([resolution] if resolution is not None else []))
    while world.asked and world.waiting:
        world.lease()
    return world


def relay_all(world: World) -> None:
    while not world.is_empty:
        world.step_well()


def addresses(world: World) -> list[str]:
    return [order.address for order in world.opened]


def test_one_letter_opens_one_connection() -> None:
    assert len(started(messages=1).opened) == 1


def test_many_letters_open_the_first_window() -> None:
    assert len(started(messages=100).opened) == FIRST_WINDOW


def test_the_window_grows_with_what_is_served_and_never_over_the_limit() -> None:
    world = World(Limits(site_connections=8))
    world.accept(A, 500)
    most = 0
    while not world.is_empty:
        world.step_well()
        most = max(most, len(world.connections))
    assert most == 8


def test_a_refusal_halves_the_window() -> None:
    world = started(messages=100)
    for number in list(world.connections):
        world.open(number)
    world.finish(1, Result.BUSY)
    for number in list(world.connections):
        while world.connections[number].load:
            world.finish(number)
        world.lose(number)
    world.turn(11)
    assert len(world.connections) < FIRST_WINDOW


def test_each_address_of_each_host_is_tried_in_order() -> None:
    resolution = plan(A, hop("one.test", "192.0.2.1", "192.0.2.2"), hop("two.test", "192.0.2.3"))
    world = started(resolution=resolution)
    for _ in range(3):
        world.lose(next(iter(world.connections)), failure())
    assert addresses(world) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert len(world.deferred) == 1
    assert world.notes[0].failure_count == 1


def test_a_failed_handshake_is_tried_again_in_clear_on_the_same_address() -> None:
    world = started()
    world.lose(1, failure(Phase.TLS, may_try_in_clear=True))
    assert addresses(world) == ["192.0.2.1", "192.0.2.1"]
    assert world.opened[1].hop.tls.level is TlsLevel.NONE


def test_what_a_policy_demands_is_never_tried_in_clear() -> None:
    world = started()
    world.lose(1, failure(Phase.TLS, is_policy=True))
    assert len(world.opened) == 1
    assert len(world.deferred) == 1


def test_what_was_not_leased_is_untouched_by_a_failing_hop() -> None:
    world = started(messages=5000)
    while world.connections:
        world.lose(next(iter(world.connections)), failure())
    assert len(world.notes) == 1
    assert len(world.settled) <= 2 * FIRST_WINDOW


def test_a_hop_that_works_again_is_noted_once() -> None:
    world = World(Limits())
    world.failures[world.accept(A, 3)] = 4
    for _ in range(3):
        world.step_well()
    assert world.is_empty
    assert not any(world.failures.values())


def test_the_fallback_relay_gets_what_no_host_takes() -> None:
    world = started(Limits(fallback="help"))
    world.lose(1, failure())
    assert [error[:9] for _, error in world.tried] == ["mx.a.test"]
    world.find_ways(plan("route:help", hop("relay.test", "192.0.2.9")))
    world.lease()
    assert addresses(world) == ["192.0.2.1", "192.0.2.9"]
    world.open(2)
    world.finish(2)
    assert world.is_empty
    assert [(note.failure_count, note.error[:9]) for note in world.notes] == [(0, "mx.a.test")]


def test_a_policy_failure_does_not_go_over_the_fallback_relay() -> None:
    world = started(Limits(fallback="help"))
    world.lose(1, failure(Phase.TLS, is_policy=True))
    assert not world.resolving
    assert len(world.deferred) == 1


def test_no_plan_for_good_returns_all_of_it() -> None:
    world = started(messages=250, resolution=no_plan(A, is_permanent=True))
    assert len(world.returned) == 250
    assert not world.notes


def test_no_plan_for_now_defers_one_lease_and_lets_the_hop_rest() -> None:
    world = started(messages=250, resolution=no_plan(A, is_permanent=False))
    assert len(world.deferred) == 100
    assert len(world.notes) == 1


def test_a_rule_that_holds_by_mx_host_holds() -> None:
    world = started(messages=3, resolution=Diverted(next_hop=A, rule="later", reason="later"))
    assert len(world.settled) == 3
    assert not world.connections


def test_destinations_with_one_site_share_its_connections() -> None:
    world = World(Limits(site_connections=2))
    for name in ("a.test", "b.test", "c.test"):
        world.accept(name, 10)
    world.look()
    world.find_ways(*(plan(n, site="shared") for n in ("a.test", "b.test", "c.test")))
    while not world.is_empty:
        world.step_well()
        assert len(world.connections) <= 2


def test_a_pause_means_one_connection_and_one_message_at_a_time() -> None:
    world = started(Limits(site_pause_s=10), messages=50)
    world.open(1)
    assert len(world.given) == 1
    world.finish(1)
    assert len(world.given) == 1
    world.turn(4)
    assert len(world.given) == 1
    world.turn(2)  # idle: closed, and not opened again before its time
    world.close_what_should()
    assert not world.connections
    world.turn(4.1)
    assert len(world.opened) == 2


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    world = started()
    world.open(1)
    world.turn(100)
    assert not world.connections[1].is_closing
    world.finish(1)
    world.turn(5)
    assert world.connections[1].is_closing


def test_a_connection_carries_no_more_than_its_messages() -> None:
    world = started(Limits(max_messages=3, site_connections=1), messages=10)
    while not world.is_empty:
        world.step_well()
    assert len(world.opened) == 4


def test_a_host_that_hangs_up_before_any_message_is_no_endless_loop() -> None:
    world = started()
    world.open(1)
    world.lose(1, failure(Phase.MAIL))
    assert len(world.opened) == 1
    assert len(world.deferred) == 1


def test_what_a_lost_connection_had_not_touched_goes_over_another() -> None:
    world = started(messages=3)
    world.open(1)
    world.finish(1)
    refs = [copy.ref for batch in world.connections[1].load for copy in batch.copies]
    assert refs
    world.lose(1, failure(Phase.MAIL))
    while not world.is_empty:
        world.step_well()
    assert not world.deferred


def test_where_what_follows_a_dot_is_lost_one_transaction_at_a_time_and_one_warning() -> None:
    world = started(Limits(site_connections=2), messages=20)
    for number in list(world.connections):
        world.open(number)
        world.finish(number)
    for number in list(world.connections):
        world.lose(number, failure(Phase.MAIL, lost_past_dot=True))
    assert [(one.host, one.words) for one in world.warnings] == [("mx.a.test", "no")]
    relay_all(world)
    assert not world.deferred
    world.turn(3600)  # it is not forgotten when all is quiet
    world.accept(A, 20)
    relay_all(world)
    assert len(world.warnings) == 1


def test_a_destination_that_never_answers_leaves_the_others_alone() -> None:
    """50,000 copies to hosts that hang: few leases, few connections, and a letter passes."""
    world = World(Limits(max_connections=8, site_connections=8))
    world.accept("slow.test", 50_000)
    for _ in range(5):
        world.look()
        world.find_ways()
        while world.asked:
            world.lease()
    assert len(world.leased) <= 4 * FIRST_WINDOW
    assert len(world.connections) <= 4
    stuck = set(world.connections)
    world.accept("quick.test", 20)
    while any(world.names[one] == "quick.test" and left for one, left in world.waiting.items()):
        world.look()
        world.find_ways()
        while world.asked:
            world.lease()
        for number in set(world.connections) - stuck:
            if not world.connections[number].is_open:
                world.open(number)
        for number in set(world.connections) - stuck:
            while world.connections[number].load:
                world.finish(number)
    assert len(world.settled) >= 18


def test_a_site_without_a_connection_gets_one_of_who_has_most() -> None:
    world = World(Limits(max_connections=4, site_connections=4))
    world.accept("a.test", 50)
    world.accept("b.test", 50)
    world.accept("c.test", 1)
    for _ in range(30):
        world.step_well()
    assert world.is_empty


def test_draining_leases_and_gives_nothing_more() -> None:
    world = started(messages=100)
    for number in list(world.connections):
        world.open(number)
    given = len(world.given)
    world.dispatch.drain()
    world.obey()
    for number in list(world.connections):
        while world.connections[number].load:
            world.finish(number)
    assert len(world.given) == given
    assert all(connection.is_closing for connection in world.connections.values())


def test_one_message_to_many_goes_in_transactions_of_the_limit() -> None:
    world = World(Limits(max_recipients=30))
    world.accept(A, 1, 100)
    while not world.is_empty:
        world.step_well()
    assert max(len(batch.copies) for batch in world.given) <= 30


def test_what_a_transaction_has_no_room_for_goes_at_once_and_the_room_is_learnt() -> None:
    world = World(Limits(max_recipients=30))
    world.accept(A, 1, 40)
    world.look()
    world.find_ways()
    while world.asked:
        world.lease()
    for number in list(world.connections):
        world.open(number)
    first = next(number for number, connection in world.connections.items() if connection.load)
    world.finish(first, taken_count=4)
    given_before = len(world.given)
    while not world.is_empty:
        world.step_well()
    assert all(len(batch.copies) <= 4 for batch in world.given[given_before:])
    assert sum(world.settled.values()) == 40


def carried_when_the_way_ends(resolution: Resolution) -> World:
    """A transaction for two recipients is on a connection; meanwhile the way is looked up anew."""
    world = World(Limits())
    world.accept(A, messages=1, recipients=2)
    world.look()
    world.find_ways(plan(A, until_s=1.0))
    world.lease()
    world.open(1)
    world.turn(2.0)
    world.accept(A)
    world.look()
    assert [order.next_hop for order in world.resolving] == [A]
    world.find_ways(resolution)
    return world


def test_what_a_transaction_had_no_room_for_is_deferred_where_there_is_no_plan_any_more() -> None:
    world = carried_when_the_way_ends(no_plan(A, is_permanent=False))
    world.finish(1, taken_count=1)
    assert len(world.deferred) == 1
    world.lease()
    assert len(world.deferred) == 2
    assert not world.leased


def test_what_comes_back_after_a_way_was_lost_looks_for_one_again() -> None:
    world = carried_when_the_way_ends(no_plan(A, is_permanent=True))
    world.lease()
    assert len(world.returned) == 1
    world.finish(1, taken_count=1)
    world.turn(0.1)
    assert [order.next_hop for order in world.resolving] == [A]
    while not world.is_empty:
        world.step_well()


def carry(world: World) -> None:
    """All that connections have, until they have nothing to do."""
    for number, connection in list(world.connections.items()):
        if not connection.is_open:
            world.open(number)
    while busy := [number for number, connection in world.connections.items() if connection.load]:
        for number in busy:
            world.finish(number)


def test_of_plenty_several_leases_are_asked_for_at_once() -> None:
    """Each at most LEASE_COPIES, all together what a destination may have at hand."""
    world = started(messages=5000)
    rounds: list[list[int]] = []
    while not world.is_empty:
        carry(world)
        rounds.append([ask.limit for ask in world.asked])
        while world.asked and not any(connection.load for connection in world.connections.values()):
            world.lease()
    largest = max(rounds, key=sum)
    assert len(largest) == MAX_APPETITE // LEASE_COPIES
    assert max(largest) == LEASE_COPIES
    assert all(sum(asked) <= MAX_APPETITE for asked in rounds)
    assert len(world.settled) == 5000


def test_where_the_last_lease_was_not_full_one_is_asked_for() -> None:
    world = started(messages=5000)
    for _ in range(12):
        carry(world)
        while world.asked:
            world.lease()
    while world.waiting[DestinationId(1)]:
        carry(world)
        world.lease()
    carry(world)
    while world.asked:
        world.lease()
    world.accept(A, 5)
    world.look()
    assert len(world.asked) == 1


def test_what_is_not_on_disk_yet_counts_as_held() -> None:
    """A crash would send it again: while the disk is slow, no more than that is leased."""
    world = World(Limits(max_leased=300))
    world.is_disk_slow = True
    world.accept(A, 1000)
    for _ in range(60):
        world.step_but_sync()
    assert len(world.settled) == world.unsynced_count == 300
    assert world.asked == []
    world.sync()
    world.obey()
    assert sum(ask.limit for ask in world.asked) > 0


def test_a_hop_without_a_way_goes_on_when_the_disk_does() -> None:
    world = World(Limits(max_leased=100))
    world.is_disk_slow = True
    world.accept(A, 250)
    world.look()
    world.find_ways(no_plan(A, is_permanent=True))
    world.lease()
    assert world.asked == []
    world.sync()
    world.obey()
    assert [ask.limit for ask in world.asked] == [100]
