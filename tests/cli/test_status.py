"""`status`: asks the listeners themselves, and sums what the workers reported."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.supervisor.doors import DOOR_MODULES
from mailserver.telemetry.dane import DaneState
from mailserver.values.ids import accept_id_text
from tests.cli.conftest import Run
from tests.store.letters import accept, letter_to, person

pytestmark = pytest.mark.slow


@contextmanager
def listener(banner: bytes) -> Iterator[int]:
    """A port where whoever comes gets this banner."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    visitor, _ = server.accept()
                    visitor.sendall(banner)
                    visitor.close()

        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def listen_on(monkeypatch: pytest.MonkeyPatch, *, mx: int, pop3: int) -> None:
    for name, value in {
        "SMTP__MX": f"127.0.0.1:{mx}",
        "SMTP__SUBMISSION": "",
        "SMTP__SUBMISSIONS": "",
        "POP3__POP3": f"127.0.0.1:{pop3}",
        "POP3__POP3S": "",
    }.items():
        monkeypatch.setenv(f"MAILSERVER_{name}", value or "[]")


def test_all_up_is_status_0(service: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with listener(b"220 a\r\n") as mx, listener(b"+OK\r\n") as pop3:
        listen_on(monkeypatch, mx=mx, pop3=pop3)
        assert run("status", "--door", "smtp", "--config", service).status == 0
        assert run("status", "--door", "pop3", "--config", service).status == 0


def test_a_listener_that_is_down_is_status_1_and_named(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listener(b"220 a\r\n") as mx, socket.create_server(("127.0.0.1", 0)) as closed:
        pop3 = closed.getsockname()[1]
        closed.close()
        listen_on(monkeypatch, mx=mx, pop3=pop3)
        said = run("status", "--json", "--config", service)
    assert said.status == 1
    facts = json.loads(said.out)
    assert (facts["up"], facts["doors"]["smtp"]["up"]) == (False, True)
    (told,) = facts["doors"]["pop3"]["listeners"]
    assert (told["name"], told["up"], told["failure"]) == ("pop3", False, "Connection refused")


def test_a_listener_that_says_something_else_is_down(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listener(b"421 no\r\n") as mx, listener(b"") as pop3:
        listen_on(monkeypatch, mx=mx, pop3=pop3)
        said = run("status", "--config", service)
    assert said.status == 1
    assert "said b'421 no" in said.out
    assert "closed without a word" in said.out


def report(service: Path, source: str, at_s: float, **values: float) -> None:
    store = open_store(load_settings(service))
    store.counters.report(
        source, {name.replace("_", "."): v for name, v in values.items()}, now_s=at_s
    )
    store.close()


def test_the_keeper_is_up_while_it_reports(service: Path, run: Run) -> None:
    status = ("status", "--door", "keeper", "--config", service)
    assert run(*status).status == 1
    report(service, "keeper.0", time.time() - 3600)
    assert run(*status).status == 1
    report(service, "keeper.0", time.time())
    said = run(*status)
    assert said.status == 0
    assert "1 worker reports" in said.out


def test_a_door_without_workers_is_not_down(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = ("status", "--door", "delivery", "--config", service)
    assert run(*status).status == 1
    monkeypatch.setenv("MAILSERVER_DELIVERY__PROCESSES", "0")
    assert run(*status).status == 0


@pytest.fixture
def in_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailserver.settings.gateway.is_in_container", lambda: True)


def test_a_door_in_another_container_is_up_while_it_reports(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch, in_container: None
) -> None:
    for name in ("delivery.0", "keeper.0"):
        report(service, name, time.time())
    with listener(b"220 a\r\n") as mx, socket.create_server(("127.0.0.1", 0)) as closed:
        pop3 = closed.getsockname()[1]
        closed.close()
        listen_on(monkeypatch, mx=mx, pop3=pop3)
        whole = ("status", "--config", service)
        assert run(*whole).status == 1  # nobody says that it lives
        report(service, "pop3.0", time.time())
        said = run(*whole)
        assert said.status == 0
        assert "1 worker reports, in another container" in said.out
        assert "Connection refused" not in said.out
        assert json.loads(run(*whole, "--json").out)["doors"]["pop3"]["elsewhere"] is True
        # Its own health check asks it by name, and what answers wrongly is down wherever it is.
        assert run("status", "--door", "pop3", "--config", service).status == 1
        with listener(b"421 no\r\n") as bad:
            listen_on(monkeypatch, mx=mx, pop3=bad)
            assert run(*whole).status == 1


def test_keys_that_another_container_has_are_not_missing_here(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch, in_container: None
) -> None:
    add = ("account", "add", "p", "--address", "p@a.test", "--name", "P", "--numen-stdin")
    assert run(*add, "--config", service, stdin=b"17E0200001ABC").status == 0
    for name in ("smtp.0", "pop3.0", "delivery.0", "keeper.0"):
        report(service, name, time.time())
    for name in ("numen.key", "tls/key.pem"):
        (service.parent / name).unlink()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
        closed.close()
        listen_on(monkeypatch, mx=port, pop3=port)
        said = run("status", "--config", service)
        assert "numen.key" not in said.out
        assert "key.pem" not in said.out
        assert "numen.key" not in run("status", "--door", "delivery", "--config", service).out
        assert "numen.key" in run("status", "--door", "keeper", "--config", service).out
        assert "key.pem" in run("status", "--door", "pop3", "--config", service).out


def test_counters_are_summed_over_the_workers(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(service, "smtp.0", time.time(), connections=2)
    report(service, "smtp.1", time.time(), connections=3)
    with listener(b"220 a\r\n") as mx, listener(b"+OK\r\n") as pop3:
        listen_on(monkeypatch, mx=mx, pop3=pop3)
        said = run("status", "--door", "smtp", "--json", "--config", service)
    facts = json.loads(said.out)["doors"]["smtp"]
    assert (facts["workers"], facts["counters"]) == (2, {"connections": 5})


def test_the_web_is_asked_for_a_page_and_only_where_it_is_open(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "web" not in json.loads(run("status", "--json", "--config", service).out)["doors"]
    for said, status in ((b"HTTP/1.1 404 Not Found\r\n", 0), (b"+OK\r\n", 1)):
        with listener(said) as port:
            monkeypatch.setenv("MAILSERVER_WEB__HTTP", f"127.0.0.1:{port}")
            assert run("status", "--door", "web", "--config", service).status == status


def test_a_gateway_in_place_of_every_client_is_a_warning(service: Path, run: Run) -> None:
    peers = {"peers_recent": 15, "peers_distinct": 1, "peers_private": 1}
    report(service, "smtp.0", time.time(), **peers)
    report(service, "pop3.0", time.time(), **peers)
    report(service, "keeper.0", time.time())
    said = run("status", "--door", "keeper", "--config", service)
    assert said.status == 0
    assert "it is a gateway's" in said.out


def test_an_unknown_door_is_a_mistake(service: Path, run: Run) -> None:
    said = run("status", "--door", "imap", "--config", service)
    assert said.status == 2
    assert "the doors are smtp, pop3, web, delivery, keeper" in said.err


@pytest.mark.parametrize(
    ("state", "line", "is_warned"),
    [
        (DaneState.ON, "DANE      on", False),
        (DaneState.OFF_IN_SETTINGS, "DANE      off: delivery.dane is false", False),
        (DaneState.NOT_VALIDATING, "DANE      off: the resolver does not validate DNSSEC", True),
        (DaneState.ELSEWHERE, "DANE      off: the resolver is not on this machine", True),
    ],
)
def test_dane_is_told_and_warned_of_where_nobody_turned_it_off(
    service: Path, run: Run, state: DaneState, line: str, *, is_warned: bool
) -> None:
    report(service, "keeper.0", time.time())
    report(service, "delivery.0", time.time(), dane_state=state)
    words = ("status", "--door", "keeper", "--config", service)
    told = run(*words).out
    assert line in told
    assert ("warning: DANE is off" in told) is is_warned
    facts = json.loads(run(*words, "--json").out)
    assert f"DANE      {facts['dane']}".startswith(line)
    assert any("dns.servers" in one for one in facts["warnings"]) is is_warned


def test_of_dane_nothing_is_said_before_the_agent_reports(service: Path, run: Run) -> None:
    report(service, "keeper.0", time.time())
    told = run("status", "--door", "keeper", "--json", "--config", service)
    assert json.loads(told.out)["dane"] is None


@pytest.mark.parametrize("command", ["run", "status"])
def test_the_help_names_every_door(command: str, run: Run) -> None:
    assert set(DOOR_MODULES) <= set(re.findall(r"\w+", run(command, "--help").out))


def test_a_message_whose_body_is_missing_is_named_by_status_and_by_config_check(
    service: Path, run: Run
) -> None:
    with closing(open_store(load_settings(service))) as store:
        box = person(store, "jmartin", addresses=["jeanne@a.test"]).inbox_id
        spool = store.bodies.open_spool()
        spool.write(b"Subject: a\r\n\r\nb\r\n")
        letter = letter_to(box, body=spool.commit())
        accept(store.writes, letter)
        assert "cannot be read" not in run("status", "--config", service).out
        store.backups.body_file(letter.body.name).unlink()  # type: ignore[union-attr]
    for command in (("status",), ("config", "check")):
        said = run(*command, "--config", service).out
        (line,) = [line for line in said.splitlines() if "cannot be read" in line]
        assert accept_id_text(letter.accept_id) in line
        assert "mailbox jmartin" in line
        assert "docs/backup.md" in line


def test_many_missing_bodies_are_counted_and_not_all_listed(service: Path, run: Run) -> None:
    with closing(open_store(load_settings(service))) as store:
        box = person(store, "jmartin", addresses=["jeanne@a.test"]).inbox_id
        for _ in range(8):
            spool = store.bodies.open_spool()
            spool.write(b"Subject: a\r\n\r\nb\r\n")
            body = spool.commit()
            accept(store.writes, letter_to(box, body=body))
            store.backups.body_file(body.name).unlink()
    said = run("config", "check", "--json", "--config", service).out
    (words,) = [one["sentence"] for one in json.loads(said) if "cannot be read" in one["sentence"]]
    assert words.startswith("8 messages")
    assert "and 3 more" in words


def test_a_postmaster_whom_nobody_reads_is_a_warning(service: Path, run: Run) -> None:
    def told() -> str:
        words = run("status", "--door", "keeper", "--json", "--config", service).out
        return "\n".join(json.loads(words)["warnings"])

    report(service, "keeper.0", time.time())
    assert "postmaster has no password: nobody reads mail to postmaster@" in told()
    run("account", "passwd", "postmaster", "--password-stdin", "--config", service,
        stdin=b"a long enough password\n")  # fmt: skip
    assert "nobody reads" not in told()
    run("account", "suspend", "postmaster", "--config", service)
    assert "postmaster is suspended: nobody reads mail" in told()


def test_a_store_that_cannot_be_opened_is_an_error_and_the_rest_is_told(
    service: Path, run: Run
) -> None:
    database = service.parent / "store/mail.db"
    database.unlink()
    database.mkdir()
    said = run("status", "--door", "keeper", "--config", service)
    assert said.status == 1
    assert "the store cannot be opened" in said.out
