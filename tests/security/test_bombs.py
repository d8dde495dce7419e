"""Bombs against a live worker and its store: what one stranger makes us write stays small.

The worker is a process of its own; what the delivery agent does with lists is done here, over
the same store.  With BOMBS=long in the environment a thousand are thrown, else some.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailserver.store.ports.lists import Joining
from mailserver.store.ports.operators import QueueFilter
from smtp_relay.delivery.lists.budgets import ASKING
from tests.smtp_relay.delivery.lists.list_house import DOMAIN, LIST, ListHouse
from tests.smtp_relay.inbound.connection.test_live import House, running
from tests.supervisor.service import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

ATTACKER, HONEST = "127.0.0.2", "127.0.1.3"
"""Of two blocks of addresses."""
ZOE, VICTIM, HOME = "zoe@example.org", "victim@example.net", "home@example.org"
MANY = 1000 if os.environ.get("BOMBS") == "long" else 60
FORWARDS = 5


@dataclass
class Target:
    live: House
    lists: ListHouse

    @contextlib.contextmanager
    def session(self, source: str) -> Iterator[smtplib.SMTP]:
        port = self.live.ports["mx"]
        with smtplib.SMTP("127.0.0.1", port, "evil.example", 20, (source, 0)) as client:
            yield client

    def bring(
        self, sender: str, to: Sequence[str], number: int = 0, *, source: str = ATTACKER
    ) -> None:
        with self.session(source) as client:
            give(client, sender, to, number)

    def written(self) -> Counter[str]:
        """What waits to leave, by recipient, once lists have done their work."""
        self.lists.expand()
        found = self.lists.store.queue.list_queue(QueueFilter(), after=None, limit=10_000)
        return Counter(one.recipient for one in found if not one.next_hop.startswith("list:"))


def give(client: smtplib.SMTP, sender: str, to: Sequence[str], number: int) -> None:
    text = f"From: {sender}\r\nMessage-ID: <{number}@x>\r\n\r\nbuy {number}\r\n"
    assert client.sendmail(sender, to, text) == {}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("bombs")
    lists = ListHouse(folder / "store", joining=Joining.ANYONE)
    lists.outside(ZOE)
    lists.member("jeanne.roy")
    lists.person("anne.durand")
    lists.forward("anne.durand", HOME, keeps_copy=False)
    with running(folder, forwarding__max_per_mailbox_per_hour=FORWARDS) as live:
        yield Target(live, lists)
    lists.close()


def test_a_list_that_is_named_sixty_times_and_twice_is_one_post(target: Target) -> None:
    names = [LIST] * 30 + [f"animateurs+{number}@{DOMAIN}" for number in range(30)]
    for _ in range(2):
        target.bring(ZOE, names)
    target.written()
    assert len(target.lists.read("jeanne.roy")) == 1


def test_help_for_somebody_who_never_asked_is_three_notes(target: Target) -> None:
    with target.session(ATTACKER) as client:
        for number in range(MANY):
            give(client, VICTIM, [f"animateurs-help@{DOMAIN}"], number)
    assert target.written()[VICTIM] == ASKING.reader_count


def test_forged_requests_write_to_few_and_keep_nobody_in_or_out(target: Target) -> None:
    before = target.written().total()
    with target.session(ATTACKER) as client:
        for number in range(MANY):
            give(client, f"p{number}@example.net", [f"animateurs-subscribe@{DOMAIN}"], number)
    assert target.written().total() - before <= ASKING.block_count
    target.bring("honest@example.org", [f"animateurs-subscribe@{DOMAIN}"], source=HONEST)
    assert target.written()["honest@example.org"] == 1
    left = target.written()[ZOE]
    target.bring(ZOE, [f"animateurs-unsubscribe@{DOMAIN}"])
    assert target.written()[ZOE] == left + 1


def test_a_forward_sends_on_so_much_and_keeps_the_rest_and_says_so(target: Target) -> None:
    with target.session(ATTACKER) as client:
        for number in range(FORWARDS + 7):
            give(client, "x@example.net", [f"anne.durand@{DOMAIN}"], number)
    assert target.written()[HOME] == FORWARDS
    assert sum(b"buy" in one for one in target.lists.read("anne.durand")) == 7

    def letter_count() -> int:
        kept = target.lists.read("anne.durand")
        return sum(b"Auto-Submitted: auto-generated" in one for one in kept)

    wait_until(lambda: letter_count() > 0)  # it is written behind the commit
    assert letter_count() == 1
