"""A running service whose machine's clock jumps years ahead and comes back, or starts in 1970."""

from __future__ import annotations

import poplib
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailserver.demo.academy import DemoService, create
from mailserver.settings.listeners import wanted_listeners
from mailserver.store.open import open_store
from mailserver.store.ports.operators import QueueFilter
from mailserver.store.ports.store import Store
from mailserver.store.sqlite.store import SqliteStore
from tests.demo.conftest import free_ports
from tests.ports import find_ports
from tests.programs import needs_program
from tests.service.elsewhere import Elsewhere
from tests.service.turned_clock import TurnedService

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    needs_program("faketime"),
    pytest.mark.timeout(240),
]

YEARS_S = 2 * 365 * 86_400
DAY_S = 86_400
ROUTE = """
[[routes]]
name = "elsewhere"
recipient_domains = ["ailleurs.test"]
via = "smarthost"
host = "127.0.0.1"
port = {port}
tls = "none"
"""


class Academy:
    """A demo whose mail for ailleurs.test leaves by a host that is not there yet."""

    def __init__(self, folder: Path) -> None:
        (self.hop_port,) = find_ports(1)
        more = free_ports() | {"delivery.retry_minutes": [0.05]}
        self.demo: DemoService = create(folder, more=more)
        with self.demo.settings_file.open("a", encoding="utf-8") as settings:
            settings.write(ROUTE.format(port=self.hop_port))
        self.ports = {one.kind.name: one.bind.port for one in wanted_listeners(self.demo.settings)}

    @contextmanager
    def store(self) -> Iterator[Store]:
        store = open_store(self.demo.settings)
        try:
            yield store
        finally:
            store.close()

    def send(self, recipient: str, mark: str) -> None:
        member, port = self.demo.cast.people[0], self.ports["submissions"]
        text = f"From: {member.addresses[0]}\r\nSubject: {mark}\r\n\r\nBonjour.\r\n"
        with smtplib.SMTP_SSL("127.0.0.1", port, context=self._trust(), timeout=30) as smtp:
            smtp.login(member.identifier, member.password)
            smtp.sendmail(member.addresses[0], [recipient], text)

    def collect_and_delete(self) -> int:
        member = self.demo.cast.people[0]
        pop = poplib.POP3_SSL("127.0.0.1", self.ports["pop3s"], context=self._trust(), timeout=30)
        pop.user(member.identifier)
        pop.pass_(member.password)
        count = pop.stat()[0]
        for number in range(1, count + 1):
            pop.dele(number)
        pop.quit()
        return count

    def _trust(self) -> ssl.SSLContext:
        trust = ssl.create_default_context(cafile=str(self.demo.authority))
        trust.check_hostname = False
        return trust

    def queued(self) -> list[float]:
        """When each copy that waits was accepted."""
        with self.store() as store:
            found = store.queue.list_queue(QueueFilter(), after=None, limit=100)
            return [one.accepted_at_s for one in found]

    def step_s(self) -> float:
        """How far the clock jumped last, as the service has noticed."""
        with self.store() as store:
            belief = store.clock.read_clock()
            return 0.0 if belief is None else belief.step_s

    def reported_s(self, source: str) -> float:
        with self.store() as store:
            return store.counters.read_reports()[source][0]

    def removed_count(self) -> int:
        with self.store() as store:
            assert isinstance(store, SqliteStore)
            ((count,),) = store._engine.read(
                "SELECT count(*) FROM entry WHERE removed_at_s IS NOT NULL"
            )
            return int(count)


def test_two_years_ahead_for_a_while_lose_delay_and_return_nothing(tmp_path: Path) -> None:
    academy = Academy(tmp_path / "academy")
    service = TurnedService(academy.demo)
    host = None
    try:
        service.until_up()
        member = academy.demo.cast.people[0]
        academy.send(member.addresses[0], "local")
        academy.send("un@ailleurs.test", "before")
        assert academy.collect_and_delete() >= 1
        assert academy.removed_count() >= 1
        service.turn(YEARS_S)
        service.until(lambda: academy.step_s() > YEARS_S - 60, "the jump is noticed")
        academy.send("deux@ailleurs.test", "ahead")
        service.until(lambda: _rests(academy) > time.time() + DAY_S, "the hop rests in two years")
        assert len(academy.queued()) == 2
        assert academy.removed_count() >= 1
        service.turn(0)
        service.until(lambda: _rests(academy) < time.time() + 60, "the hop rests no longer")
        service.until(lambda: max(academy.queued()) <= time.time(), "nothing is of the future")
        back_s = time.time()
        service.until(lambda: academy.reported_s("pop3.0") > back_s, "POP3's timers go on")
        told = service.ask("status")
        assert "jumped back by 730 d" in told
        assert "moments lay further ahead" in told
        assert academy.removed_count() >= 1
        host = Elsewhere(academy.hop_port)
        service.until(lambda: not academy.queued(), "both are delivered")
        assert len(host.got("un@ailleurs.test", b"before")) == 1
        assert len(host.got("deux@ailleurs.test", b"ahead")) == 1
        assert "returned" not in service.ask("trace", "un@ailleurs.test")
    finally:
        status = service.stop()
        if host is not None:
            host.stop()
    assert status == 0


def test_mail_that_came_while_the_clock_said_1970_is_tried_when_ntp_has_set_it(
    tmp_path: Path,
) -> None:
    academy = Academy(tmp_path / "academy")
    to_1970_s = DAY_S - int(time.time())
    service = TurnedService(academy.demo, ahead_s=to_1970_s)
    host = None
    try:
        service.until_up()
        academy.send("un@ailleurs.test", "1970")
        service.until(lambda: max(academy.queued(), default=9e9) < 2 * DAY_S, "it is of 1970")
        service.turn(0)
        service.until(
            lambda: min(academy.queued(), default=0) > time.time() - 600, "it is of today"
        )
        assert "jumped ahead" in service.ask("status")
        host = Elsewhere(academy.hop_port)
        service.until(lambda: not academy.queued(), "it is delivered")
        assert len(host.got("un@ailleurs.test", b"1970")) == 1
    finally:
        status = service.stop()
        if host is not None:
            host.stop()
    assert status == 0


def _rests(academy: Academy) -> float:
    with academy.store() as store:
        return max((one.not_before_s for one in store.queue.list_destinations()), default=0.0)
