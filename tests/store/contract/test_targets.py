"""Where an address leads, and what accounts use; a copy under a sender of its own."""

from __future__ import annotations

from dataclasses import replace

from mailserver.store.ports.people import Life
from mailserver.store.ports.queue import Lease, Leased
from mailserver.store.ports.store import Store
from mailserver.store.ports.targets import Target
from mailserver.values.message import NewCopy, Relay
from tests.store.letters import NOW_S, accept, letter, person


def test_a_target_has_all_that_rcpt_must_know(store: Store) -> None:
    account = person(store, "fmarot", addresses=["marot@ac-exemple.fr"])
    assert store.people.find_target("marot@ac-exemple.fr") == Target(
        mailbox_id=account.inbox_id,
        list_id=None,
        account_id=account.account_id,
        class_name="",
        used_octets=0,
        used_count=0,
        life=Life.PRESENT,
        forward_to="",
        keeps_copy=True,
    )
    assert store.people.find_target("nobody@ac-exemple.fr") is None
    assert store.people.find_target("half\udce9@ac-exemple.fr") is None
    assert store.people.read_class(account.account_id) == ""
    assert store.people.answerable_for("fmarot", now_s=NOW_S) == []


def test_what_is_deposited_is_used(store: Store) -> None:
    account = person(store, "fmarot", addresses=["marot@ac-exemple.fr"])
    accept(
        store.writes,
        letter(("marot@ac-exemple.fr", account.inbox_id)),
        letter(("marot@ac-exemple.fr", account.inbox_id)),
    )
    target = store.people.find_target("marot@ac-exemple.fr")
    assert target is not None
    assert target.used_count == 2
    (usage,) = [one for one in store.people.list_usage() if one.identifier == "fmarot"]
    assert (usage.count, usage.octets) == (2, target.used_octets)
    assert usage.octets > 0


def test_a_copy_keeps_the_sender_under_which_it_leaves(store: Store) -> None:
    route = Relay(next_hop="b.example", turn_at_s=NOW_S, tell_at_s=NOW_S + 60)
    copies = tuple(
        NewCopy(recipient=f"{sender}@b.example", route=route, sender=sender)
        for sender in ("SRS0=a@ours", None)
    )
    accept(store.writes, replace(letter(), copies=copies))
    agent_id = store.queue.register_agent(now_s=NOW_S, until_s=NOW_S + 60)
    (hop,) = store.queue.due_destinations(now_s=NOW_S + 1, limit=10)
    wanted = Lease(agent_id=agent_id, destination_id=hop.destination_id, limit=10, now_s=NOW_S + 1)
    (leased,) = store.writes.apply([wanted])
    assert isinstance(leased, Leased)
    assert [copy.sender for copy in leased.copies] == ["SRS0=a@ours", None]
