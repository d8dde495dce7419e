"""`route`: where mail would go, and why; nothing is sent."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.store.sqlite.store import SqliteStore
from tests.cli.conftest import Run
from tests.cli.queued import store_of
from tests.cli.test_commands import add
from tests.smtp_relay.delivery.dns import liar

pytestmark = pytest.mark.slow

RECORDS = {
    "b.test MX": ["20 mx2.b.test.", "10 mx1.b.test."],
    "mx1.b.test A": ["192.0.2.1"],
    "mx2.b.test A": ["192.0.2.2"],
    "null.test MX": ["0 ."],
    "relay.test A": ["192.0.2.3"],
}
RULES = """
[[routes]]
name = "partner"
recipient_domains = ["c.test"]
via = "smarthost"
host = "relay.test"

[[routes]]
name = "giant"
mx = ["*.giant.test"]
via = "hold"

[[routes]]
name = "stop"
recipient_domains = ["d.test"]
senders = ["a.test"]
via = "refuse"
text = "not before Monday"
"""


@pytest.fixture
def dns_server() -> Iterator[liar.Server]:
    """A name server on a thread of its own."""
    ready, done = threading.Event(), asyncio.Event()
    up: list[liar.Server] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with liar.lying(dict(RECORDS)) as server:
            up.append(server)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait()
    yield up[0]
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()


@pytest.fixture
def ready(service: Path, dns_server: liar.Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAILSERVER_DNS__SERVERS", str(dns_server.bind))
    service.write_text(service.read_text() + RULES)
    return service


def test_a_mailbox_of_ours_is_deposited(service: Path, run: Run) -> None:
    said = run("route", "Postmaster+x@A.test", "--config", service)
    assert said.status == 0, said.err
    assert "deposited here" in said.out


def test_nobody_of_that_name_is_refused(service: Path, run: Run) -> None:
    said = run("route", "nobody@a.test", "--config", service)
    assert said.status == 0
    assert "5.1.1" in said.out


def test_what_an_account_asked_for_is_told(service: Path, run: Run) -> None:
    add(run, service, "marie", "marie@a.test")
    assert "marie" in run("route", "marie+sport@a.test", "--config", service).out
    stays = ("account", "forward", "marie", "m@b.test", "--config", service)
    assert run(*stays).status == 0
    told = run("route", "marie@a.test", "--config", service).out
    assert "    forward    m@b.test (a copy stays)\n" in told
    with store_of(service) as store:
        assert isinstance(store, SqliteStore)
        engine = store._engine
        with engine.write_turn(), engine.transaction() as connection:
            connection.execute("UPDATE account SET life = 'left' WHERE identifier = 'marie'", ())
    told = run("route", "marie@a.test", "--config", service).out
    assert "    forward    m@b.test (nothing stays)\n" in told
    assert run("account", "forward", "marie", "--stop", "--config", service).status == 0
    facts = json.loads(run("route", "marie@a.test", "--json", "--config", service).out)
    assert (facts["outcome"], facts["status"]) == ("refuse", "5.1.6")


def test_a_list_is_one(service: Path, run: Run) -> None:
    add(run, service, "marie", "marie@a.test")
    made = run("list", "add", "sport@a.test", "--owner", "marie", "--config", service)
    assert made.status == 0, made.err
    told = run("route", "sport@a.test", "--config", service).out
    assert told.startswith("sport@a.test: sent to the members of a list\n")


def test_what_nobody_here_has_goes_on_where_a_rule_names_the_domain(ready: Path, run: Run) -> None:
    rule = '[[routes]]\nname = "old"\nrecipient_domains = ["a.test"]\nvia = "lmtp"\n'
    ready.write_text(ready.read_text() + rule + 'host = "relay.test"\n')
    facts = json.loads(run("route", "old@a.test", "--json", "--config", ready).out)
    assert (facts["outcome"], facts["rule"], facts["protocol"]) == ("relay", "old", "lmtp")
    assert "deposited here" in run("route", "postmaster@a.test", "--config", ready).out


def test_hosts_come_in_order_with_their_tls_and_every_look_up(ready: Path, run: Run) -> None:
    said = run("route", "x@b.test", "--config", ready)
    assert said.status == 0, said.err
    assert "MX of b.test: 10 mx1.b.test., 20 mx2.b.test." in said.out
    assert said.out.index("1. mx1.b.test port 25") < said.out.index("2. mx2.b.test port 25")
    assert "opportunistic (delivery.tls)" in said.out


def test_programs_get_json(ready: Path, run: Run) -> None:
    facts = json.loads(run("route", "x@b.test", "--json", "--config", ready).out)
    assert (facts["outcome"], facts["rule"], facts["next_hop"]) == ("relay", None, "b.test")
    assert [host["host"] for host in facts["hosts"]] == ["mx1.b.test", "mx2.b.test"]
    assert facts["hosts"][0]["addresses"] == ["192.0.2.1"]


def test_no_way_is_told_with_its_status(ready: Path, run: Run) -> None:
    facts = json.loads(run("route", "x@null.test", "--json", "--config", ready).out)
    assert (facts["outcome"], facts["status"]) == ("refuse", "5.1.10")


def test_the_rule_that_matches_is_named(ready: Path, run: Run) -> None:
    facts = json.loads(run("route", "x@c.test", "--json", "--config", ready).out)
    assert (facts["rule"], facts["next_hop"]) == ("partner", "route:partner")
    assert facts["hosts"][0]["host"] == "relay.test"


@pytest.mark.parametrize(
    ("sender", "outcome"), [("y@a.test", "refuse"), ("<>", "refuse"), ("y@e.test", "refuse")]
)
def test_the_sender_decides_too(ready: Path, run: Run, sender: str, outcome: str) -> None:
    said = run("route", "x@d.test", "--from", sender, "--json", "--config", ready)
    facts = json.loads(said.out)
    is_stopped = facts["rule"] == "stop"
    assert is_stopped is (sender == "y@a.test")
    assert facts["outcome"] == outcome  # without the rule: d.test does not exist
    assert facts["status"] == ("5.7.1" if is_stopped else "5.1.2")
    unasked = "rule giant was not asked: by MX host, after the rules that need none"
    assert (unasked in facts["steps"]) is is_stopped


@pytest.mark.parametrize("address", ["marie", "@b.test", "marie@", "x@[bad]", "x@b_d", "x@b..d"])
def test_what_is_no_address_is_a_mistake(service: Path, run: Run, address: str) -> None:
    said = run("route", address, "--config", service)
    assert said.status == 2
    assert "is not an address" in said.err


def test_an_unknown_account_is_a_mistake(service: Path, run: Run) -> None:
    said = run("route", "x@b.test", "--account", "nobody", "--config", service)
    assert said.status == 2
    assert "nobody" in said.err


def test_a_malformed_tlsa_record_is_called_by_its_name(
    ready: Path, dns_server: liar.Server, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("MAILSERVER_DNS__VALIDATES", "yes")
    monkeypatch.setenv("MAILSERVER_DNS__TIMEOUT_S", "0.2")
    dns_server.ad = True
    dns_server.changes["_25._tcp.mx1.b.test"] = liar.malformed_tlsa
    said = run("route", "x@b.test", "--config", ready)
    assert "TLSA of _25._tcp.mx1.b.test: malformed TLSA record from 127.0.0.1 port" in said.out
    assert "mx1.b.test: left out, its TLSA records cannot be had (malformed TLSA" in said.out
