"""Whatever stores, name servers and hosts do: each copy once, bounds kept, nobody starves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_relay.delivery.plan import Diverted, Resolution
from smtp_relay.delivery.schedule.orders import Limits, Result
from smtp_relay.delivery.verdicts import Phase
from tests.smtp_relay.delivery.schedule.dispatching import World, failure, hop, no_plan, plan

NAMES = ("a.test", "b.test", "c.test")
STEPS = ("accept", "look", "way", "lease", "open", "fail", "finish", "lose", "note", "turn",
         "sync")  # fmt: skip
LIMITS = Limits(
    max_connections=6, site_connections=3, max_leased=40, max_messages=7, max_recipients=3
)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), fallback=st.sampled_from(("", "help")))
def test_each_copy_settles_once_and_none_starves(data: st.DataObject, fallback: str) -> None:
    limits = Limits(
        max_connections=LIMITS.max_connections,
        site_connections=LIMITS.site_connections,
        max_leased=LIMITS.max_leased,
        max_messages=LIMITS.max_messages,
        max_recipients=LIMITS.max_recipients,
        fallback=fallback,
    )
    world = World(limits)
    world.is_disk_slow = data.draw(st.booleans(), label="slow disk")
    for name in NAMES:
        world.accept(name, 4, 2)
    for _ in range(data.draw(st.integers(0, 60), label="steps")):
        _one_step(world, data)
    for _ in range(400):
        if world.is_empty:
            break
        world.step_well()
    assert world.is_empty


def _one_step(world: World, data: st.DataObject) -> None:
    match data.draw(st.sampled_from(STEPS)):
        case "accept":
            world.accept(data.draw(st.sampled_from(NAMES)), 2, data.draw(st.integers(1, 5)))
        case "look":
            world.look()
        case "way" if world.resolving:
            _find_a_way(world, data)
        case "lease" if world.asked:
            world.lease(data.draw(st.integers(0, len(world.asked) - 1)))
        case "sync":
            world.sync()
            world.obey()
        case "note":
            world.note()
            world.resting.clear()
        case "turn":
            world.turn(data.draw(st.sampled_from((0.1, 6.0, 700.0))))
            world.close_what_should()
        case step:
            _step_of_a_connection(world, data, step)


def _find_a_way(world: World, data: st.DataObject) -> None:
    order = world.resolving.pop(0)
    hops = (
        hop("one.test", "192.0.2.1", "192.0.2.2"),
        hop("two.test"),
        hop("three.test", preference=10),
    )
    name = order.next_hop
    resolutions: tuple[Resolution, ...] = (
        plan(name),
        plan(name, *hops, site="shared"),
        plan(name, until_s=world.now_s + 1),
        no_plan(name, is_permanent=True),
        no_plan(name, is_permanent=False),
        Diverted(next_hop=name, rule="later", reason="later"),
    )
    resolution = data.draw(st.sampled_from(resolutions))
    world.dispatch.resolved(order.destination_id, resolution, world.now_s)
    world.obey()


def _step_of_a_connection(world: World, data: st.DataObject, step: str) -> None:
    opening = [number for number, connection in world.connections.items() if not connection.is_open]
    loaded = [number for number, connection in world.connections.items() if connection.load]
    is_open = [number for number, connection in world.connections.items() if connection.is_open]
    if step == "open" and opening:
        world.open(data.draw(st.sampled_from(opening)))
    elif step == "fail" and opening:
        phase = data.draw(st.sampled_from((Phase.CONNECT, Phase.TLS, Phase.GREETING)))
        why = failure(
            phase, is_policy=data.draw(st.booleans()), may_try_in_clear=data.draw(st.booleans())
        )
        world.lose(data.draw(st.sampled_from(opening)), why)
    elif step == "finish" and loaded:
        world.finish(
            data.draw(st.sampled_from(loaded)),
            data.draw(st.sampled_from(list(Result))),
            taken_count=data.draw(st.integers(1, 3)),
            later_count=data.draw(st.integers(0, 3)),
        )
    elif step == "lose" and is_open:
        whys = (
            None,
            failure(Phase.MAIL),
            failure(Phase.MAIL, lost_past_dot=True),
            failure(Phase.MAIL, lost_behind_mail=True),
        )
        why_lost = data.draw(st.sampled_from(whys))
        world.lose(data.draw(st.sampled_from(is_open)), why_lost)
