"""Which host is asked next, who rests, and who is left alone: fail-over, without sockets."""

from __future__ import annotations

from smtp_relay.delivery.plan import Hop
from smtp_relay.delivery.schedule.destination import AVOID_S, REFUSED_IN_A_ROW, SHORT_REST_S
from smtp_relay.delivery.schedule.fleet import TRY_S
from smtp_relay.delivery.schedule.orders import Limits, Result
from smtp_relay.delivery.verdicts import Phase
from tests.smtp_relay.delivery.schedule.dispatching import World, failure, hop, plan

A = "a.test"
FIRST = hop("one.test", "192.0.2.1", preference=10)
SECOND = hop("two.test", "192.0.2.2", preference=20)
THIRD = hop("three.test", "192.0.2.3", preference=30)


def world_of(*hops: Hop, messages: int = 1, limits: Limits | None = None) -> World:
    """Messages for A are leased, and the first connection is open."""
    world = World(limits or Limits(site_connections=1))
    world.accept(A, messages)
    world.look()
    world.find_ways(plan(A, *hops))
    while world.asked:
        world.lease()
    world.open(1)
    return world


def done(world: World, result: Result = Result.SERVED, *, later_count: int = 0) -> None:
    """The first connection's next transaction, and more is leased."""
    world.finish(1, result, later_count=later_count)
    while world.asked:
        world.lease()


def relay_all(world: World) -> None:
    while not world.is_empty:
        world.step_well()


def hosts(world: World) -> list[str]:
    return [order.hop.host for order in world.opened]


def closing(world: World) -> list[int]:
    return [number for number, connection in world.connections.items() if connection.is_closing]


def newest(world: World) -> int:
    return max(world.connections)


def test_not_now_to_one_recipient_takes_only_that_one_to_the_next_host() -> None:
    world = world_of(FIRST, SECOND, messages=3)
    world.finish(1, later_count=1)
    assert hosts(world) == ["one.test", "two.test"]
    world.open(2)
    assert len(world.connections[2].load) == 1
    while world.asked:
        world.lease()
    while world.connections[1].load:
        done(world)
    world.finish(2)
    assert hosts(world) == ["one.test", "two.test"]
    assert len(world.settled) == 3
    assert not world.deferred


def test_its_next_try_begins_with_the_first_host_again() -> None:
    world = world_of(FIRST)
    world.finish(1, later_count=1)
    assert len(world.deferred) == 1
    world.accept(A)
    world.look()
    while world.asked:
        world.lease()
    assert len(world.connections[1].load) == 1


def test_new_mail_goes_to_the_first_host_while_the_second_carries_what_went_on() -> None:
    world = world_of(FIRST, SECOND, messages=1)
    world.finish(1, later_count=1)
    world.open(2)
    world.accept(A, 5)
    world.look()
    while world.asked:
        world.lease()
    assert len(world.connections[2].load) == 1
    assert len(world.connections[1].load) == 2


def test_each_host_is_asked_once_and_no_more_than_the_limit() -> None:
    many = [hop(f"mx{number}.test", f"192.0.2.{number}", preference=number) for number in range(9)]
    world = world_of(*many, limits=Limits(site_connections=1, max_hosts=4))
    world.finish(1, later_count=1)
    while not world.deferred:
        world.open(newest(world))
        world.finish(newest(world), later_count=1)
    assert hosts(world) == ["mx0.test", "mx1.test", "mx2.test", "mx3.test"]


def test_another_name_comes_before_another_address_of_the_same_one() -> None:
    world = world_of(hop("one.test", "192.0.2.1", "192.0.2.9", preference=10), SECOND)
    world.finish(1, later_count=1)
    world.open(2)
    world.finish(2, later_count=1)
    assert [order.address for order in world.opened] == ["192.0.2.1", "192.0.2.2", "192.0.2.9"]


def test_a_try_that_has_lasted_long_asks_no_further_host() -> None:
    world = world_of(FIRST, SECOND, THIRD)
    world.now_s = 1.0
    world.finish(1, later_count=1)
    world.open(2)
    world.now_s += TRY_S + 1
    world.finish(2, later_count=1)
    assert len(world.deferred) == 1
    assert "three.test" not in hosts(world)


def test_a_host_that_takes_nothing_rests_and_everybodys_mail_goes_to_the_next() -> None:
    world = world_of(FIRST, SECOND, messages=4)
    world.finish(1, Result.BUSY, later_count=1)
    assert closing(world) == [1]
    world.lose(1)
    for number in world.connections:
        world.open(number)
    relay_all(world)
    assert set(hosts(world)[1:]) == {"two.test"}
    assert not world.deferred


def test_after_its_rest_the_better_host_is_asked_again() -> None:
    world = world_of(FIRST, SECOND, messages=2)
    world.finish(1, Result.BUSY, later_count=1)
    world.lose(1)
    relay_all(world)
    world.turn(AVOID_S + 1)
    world.close_what_should()
    world.accept(A)
    relay_all(world)
    assert hosts(world)[-1] == "one.test"


def test_a_connection_to_the_worse_host_ends_once_the_better_one_may_be_asked() -> None:
    world = world_of(FIRST, SECOND, messages=1)
    world.finish(1, Result.BUSY, later_count=1)
    world.lose(1)
    world.accept(A)
    world.look()
    while world.asked:
        world.lease()
    worse = newest(world)
    world.open(worse)
    world.finish(worse)
    world.now_s += AVOID_S + 1
    world.accept(A)
    world.look()
    while world.asked:
        world.lease()
    assert closing(world) == [worse]
    world.lose(worse)
    assert hosts(world)[-1] == "one.test"


def test_a_host_that_ends_a_session_in_which_it_served_rests_for_a_short_time() -> None:
    world = world_of(FIRST, SECOND, messages=3)
    world.finish(1)
    world.finish(1, Result.BUSY, later_count=1)
    world.lose(1)
    relay_all(world)
    world.turn(SHORT_REST_S + 1)
    world.close_what_should()
    world.accept(A)
    relay_all(world)
    assert hosts(world)[-1] == "one.test"


def test_a_last_host_does_not_rest_for_one_message_but_for_several_in_a_row() -> None:
    world = world_of(FIRST, messages=20)
    for number in range(1, REFUSED_IN_A_ROW + 1):
        assert not world.notes
        done(world, Result.BUSY, later_count=1)
        assert len(world.deferred) >= number
    assert [note.failure_count for note in world.notes] == [1]


def test_what_a_host_took_in_between_says_that_it_works() -> None:
    world = world_of(FIRST, messages=40)
    for _ in range(3 * REFUSED_IN_A_ROW):
        done(world, Result.BUSY, later_count=1)
        done(world)
    assert not world.notes


def test_trouble_of_our_own_says_nothing_about_the_host() -> None:
    world = world_of(FIRST, SECOND, messages=20)
    for _ in range(2 * REFUSED_IN_A_ROW):
        done(world, Result.OURS)
    assert hosts(world) == ["one.test"]
    assert not world.notes


def test_where_the_next_host_is_dead_what_went_on_is_deferred_and_the_hop_works() -> None:
    world = world_of(FIRST, SECOND, messages=2)
    world.finish(1, later_count=1)
    world.lose(2, failure())
    assert len(world.deferred) == 1
    assert not world.notes
    world.finish(1)
    assert world.is_empty


def test_dead_hosts_are_asked_up_to_the_limit_and_the_next_try_goes_on_behind_them() -> None:
    many = [hop(f"mx{number}.test", f"192.0.2.{number}", preference=number) for number in range(6)]
    world = World(Limits(site_connections=1, max_hosts=3))
    world.accept(A)
    world.look()
    world.find_ways(plan(A, *many))
    world.lease()
    while world.connections:
        world.lose(newest(world), failure())
    assert hosts(world) == ["mx0.test", "mx1.test", "mx2.test"]
    assert len(world.notes) == 1
    world.note()
    world.resting.clear()
    world.turn(300)
    world.accept(A)
    world.look()
    world.find_ways(plan(A, *many))
    while world.asked:
        world.lease()
    assert hosts(world)[-1] == "mx3.test"


def test_what_was_pipelined_and_lost_goes_again_to_the_same_host_without() -> None:
    world = world_of(FIRST, SECOND, messages=2)
    world.lose(1, failure(Phase.RCPT, lost_behind_mail=True))
    assert [(order.hop.host, order.may_pipeline) for order in world.opened] == [
        ("one.test", True),
        ("one.test", False),
    ]
    world.open(2)
    while world.connections[2].load:
        world.finish(2)
    assert len(world.settled) == 2
    assert len(world.warnings) == 1
    world.turn(3600)
    world.close_what_should()
    world.accept(A)
    world.look()
    world.find_ways(plan(A, FIRST, SECOND))
    while world.asked:
        world.lease()
    assert not world.opened[-1].may_pipeline


def test_draining_moves_nothing_on() -> None:
    world = world_of(FIRST, SECOND)
    world.dispatch.drain()
    world.obey()
    world.finish(1, later_count=1)
    assert hosts(world) == ["one.test"]
    assert len(world.deferred) == 1


def test_a_try_asks_on_until_its_time_is_over() -> None:
    world = world_of(FIRST, SECOND, THIRD)
    world.now_s = 1.0
    world.finish(1, later_count=1)
    world.open(2)
    world.now_s += TRY_S
    world.finish(2, later_count=1)
    assert "three.test" in hosts(world)
    assert not world.deferred


def test_where_the_better_host_rests_the_worse_one_does_not() -> None:
    world = world_of(FIRST, SECOND, messages=4)
    world.finish(1, Result.BUSY, later_count=1)
    world.lose(1)
    worse = newest(world)
    world.open(worse)
    world.finish(worse, Result.BUSY)
    assert worse not in closing(world)


def test_where_pipelining_lost_mail_every_connection_to_that_host_ends_with_what_it_carries() -> (
    None
):
    world = world_of(FIRST, SECOND, messages=30, limits=Limits(site_connections=3))
    others = [number for number in world.connections if number != 1]
    for number in others:
        world.open(number)
    world.lose(1, failure(Phase.MAIL, lost_behind_mail=True))
    assert set(others) <= set(closing(world))
    relay_all(world)
    assert not world.deferred
