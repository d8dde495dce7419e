"""All connections of one agent: who gets the next one, and who gives one up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smtp_relay.delivery.schedule.destination import Site
from smtp_relay.delivery.schedule.fleet import Fleet
from smtp_relay.delivery.schedule.orders import Close, Limits, Open, Order
from tests.smtp_relay.delivery.schedule.dispatching import World, hop, plan

NOW_S = 1_000.0


class Agent:
    """Opens what it is told to, and ends what it is told to close when the test says so."""

    def __init__(self, *, most: int, of_one: int = 20) -> None:
        self.orders: list[Order] = []
        limits = Limits(max_connections=most, site_connections=of_one)
        self.fleet = Fleet(limits, self.orders.append)

    def site(self, name: str, waiting: int) -> Site:
        site = self.fleet.find_site(plan(name), NOW_S)
        site.waiting_count = waiting
        return site

    def feed(self, *sites: Site) -> None:
        for site in sites:
            self.fleet.feed(site, NOW_S)

    def open_all(self) -> None:
        for number, connection in self.fleet.connections.items():
            if not connection.is_open:
                self.fleet.opened(number, NOW_S)

    def carry(self, site: Site) -> None:
        """Each of its connections has a transaction."""
        for connection in site.connections.values():
            connection.load = 1

    def closing(self) -> list[str]:
        """Whose connections were told to end."""
        return [
            self.fleet.connections[order.number].site.plan.site
            for order in self.orders
            if isinstance(order, Close)
        ]

    def end(self, number: int) -> None:
        self.fleet.lost(number, None, NOW_S)
        self.fleet.open_hungry(NOW_S)


def sizes(*sites: Site) -> list[int]:
    return [len(site.connections) for site in sites]


def full(agent: Agent, *names: str) -> list[Site]:
    """These sites hold all connections, which are open and carry something."""
    sites = [agent.site(name, 50) for name in names]
    agent.feed(*sites)
    agent.open_all()
    agent.feed(*sites)
    agent.open_all()
    for site in sites:
        agent.carry(site)
    agent.orders.clear()
    return sites


def test_sites_get_connections_in_turn() -> None:
    agent = Agent(most=6, of_one=6)
    full(agent, "a.test", "b.test")
    poor = [agent.site(name, 1) for name in ("c.test", "d.test", "e.test")]
    agent.feed(*poor)
    while not all(sizes(*poor)):
        agent.end(next(n for n, one in agent.fleet.connections.items() if one.is_closing))
    opened = [order.plan.site for order in agent.orders if isinstance(order, Open)]
    assert opened == ["c.test", "d.test", "e.test"]


def test_a_site_without_a_connection_gets_one_while_the_others_are_at_work() -> None:
    """And not only in the end: some of theirs is told to end after what it carries."""
    agent = Agent(most=6, of_one=6)
    rich = full(agent, "a.test", "b.test")
    poor = agent.site("c.test", 1)
    agent.feed(poor)
    assert agent.closing() in (["a.test"], ["b.test"])
    rounds = 0
    while not poor.connections:
        rounds += 1
        assert rounds <= 3, "who waits before it in turn gets one each, at most"
        number = next(n for n, one in agent.fleet.connections.items() if one.is_closing)
        agent.end(number)
    assert all(site.connections for site in rich)
    assert all(site.waiting_count for site in rich)


@pytest.mark.parametrize("is_idle", [False, True])
def test_who_has_most_gives_one_up(is_idle: bool) -> None:
    agent = Agent(most=6, of_one=6)
    sites = [agent.site(name, waiting) for name, waiting in (("b.test", 2), ("a.test", 50))]
    agent.feed(*sites, last := agent.site("c.test", 1))
    assert sizes(*sites, last) == [2, 3, 1]  # never more than half
    agent.open_all()
    for site in () if is_idle else (*sites, last):
        agent.carry(site)
    agent.orders.clear()
    agent.feed(agent.site("d.test", 1))
    assert agent.closing() == ["a.test"]


def test_an_idle_one_is_given_up_before_one_that_carries_something() -> None:
    agent = Agent(most=4, of_one=4)
    one, other = full(agent, "a.test", "b.test")
    idle = next(iter(other.connections.values()))
    idle.load = 0
    agent.feed(agent.site("c.test", 1))
    assert idle.is_closing
    assert agent.closing() == ["b.test"]
    assert not any(connection.is_closing for connection in one.connections.values())


def test_a_site_gives_up_its_last_connection_only_when_it_is_idle() -> None:
    agent = Agent(most=4, of_one=1)
    sites = [agent.site(f"{name}.test", 9) for name in "abcd"]
    agent.feed(*sites)
    agent.open_all()
    for site in sites:
        agent.carry(site)
    agent.orders.clear()
    agent.feed(agent.site("e.test", 1))
    assert agent.closing() == []
    next(iter(sites[2].connections.values())).load = 0
    agent.fleet.open_hungry(NOW_S)
    assert agent.closing() == ["c.test"]


def test_one_that_is_being_opened_is_not_taken_for_idle() -> None:
    """Nothing is on it yet: what it was opened for waits."""
    agent = Agent(most=4, of_one=1)
    sites = [agent.site(f"{name}.test", 9) for name in "abcd"]
    agent.feed(*sites)
    agent.orders.clear()
    agent.feed(agent.site("e.test", 1))
    assert agent.closing() == []


def test_no_more_are_given_up_than_sites_wait() -> None:
    agent = Agent(most=8, of_one=8)
    full(agent, "a.test", "b.test")
    first, second = agent.site("c.test", 1), agent.site("d.test", 1)
    agent.feed(first, first)
    assert len(agent.closing()) == 1
    agent.feed(second)
    assert len(agent.closing()) == 2
    agent.fleet.open_hungry(NOW_S)
    assert len(agent.closing()) == 2


@pytest.mark.parametrize(("of_the_rule", "limit"), [(0, 4), (3, 1)])
def test_a_branch_has_one_connection_only_where_a_rule_has_limits_of_its_own(
    of_the_rule: int, limit: int
) -> None:
    agent = Agent(most=8, of_one=4)
    wanted = replace(
        plan("a.test", hop("mx1.a.test"), hop("mx2.a.test")), max_connections=of_the_rule
    )
    root = agent.fleet.find_site(wanted, NOW_S)
    branch = agent.fleet.find_branch(root, root.endpoints[1:], [root.endpoints[0].key])
    assert (root.limit, branch.limit) == (of_the_rule or 4, limit)
    assert branch.plan.site != root.plan.site
    assert branch.root is root
    assert agent.fleet.find_branch(branch, root.endpoints[1:], [root.endpoints[0].key]) is branch


def test_one_message_elsewhere_goes_before_the_others_are_done() -> None:
    """The same with the whole of dispatch, where nothing but the sites' turns decides."""
    world = World(Limits(max_connections=4, site_connections=4))
    slow = [world.accept("a.test", 300), world.accept("b.test", 300)]
    for _ in range(3):
        world.step_well()
    single = world.accept("c.test", 1)
    for _ in range(10):
        world.step_well()
        if not world.waiting[single]:
            break
    for _ in range(5):
        world.step_well()
    assert any(batch.destination_id == single for batch in world.given)
    assert all(world.waiting[one] for one in slow)
