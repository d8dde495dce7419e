"""A running service whose machine's clock is an hour wrong for a while, ahead or behind.

What it wrote meanwhile holds nobody up afterwards: a hop's rest, the next try of a copy, a
throttle, a code.
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailserver.store.sqlite.store import SqliteStore
from tests.programs import needs_program
from tests.service.elsewhere import Elsewhere
from tests.service.test_clock import DAY_S, Academy
from tests.service.turned_clock import TurnedService

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.heavy,
    needs_program("faketime"),
    pytest.mark.timeout(240),
]

HOUR_S = 3600
SLACK_S = 120.0
"""What a rule allows, and how long the test takes; far below the hour."""
WRONG = 7
"""Tries with a wrong password: two more than are free, so that the name waits 2 s."""


@contextmanager
def running(academy: Academy) -> Iterator[TurnedService]:
    service = TurnedService(academy.demo)
    try:
        service.until_up()
        yield service
    finally:
        status = service.stop()
    assert status == 0


@contextmanager
def host_at(port: int) -> Iterator[Elsewhere]:
    host = Elsewhere(port)
    try:
        yield host
    finally:
        host.stop()


def fail_to_sign_in(academy: Academy) -> None:
    """With different passwords, each on a connection of its own."""
    for number in range(WRONG):
        with (
            smtplib.SMTP_SSL(
                "127.0.0.1", academy.ports["submissions"], context=academy._trust(), timeout=30
            ) as smtp,
            pytest.raises(smtplib.SMTPException),
        ):
            smtp.login(academy.demo.cast.people[0].identifier, f"faux mot de passe {number}")


def signs_in(academy: Academy) -> bool:
    member = academy.demo.cast.people[0]
    with smtplib.SMTP_SSL(
        "127.0.0.1", academy.ports["submissions"], context=academy._trust(), timeout=30
    ) as smtp:
        try:
            smtp.login(member.identifier, member.password)
        except smtplib.SMTPException:
            return False
    return True


def worst(academy: Academy) -> dict[str, float]:
    """How far ahead of the machine's clock the furthest moment of each kind lies, in seconds."""
    asked = {
        "rest": "SELECT max(not_before_s) FROM destination",
        "failure": "SELECT max(last_error_at_s) FROM destination",
        "next try": "SELECT max(due_at_s) FROM queue",
        "mail": "SELECT max(accepted_at_s) FROM message",
        "code": "SELECT max(made_at_s) FROM recovery_code",
        "end of a code": "SELECT max(expires_at_s) - 7 * 86400 FROM recovery_code",
    }
    with academy.store() as store:
        assert isinstance(store, SqliteStore)
        found = {what: store._engine.read(statement)[0][0] for what, statement in asked.items()}
    return {what: value - time.time() for what, value in found.items() if value is not None}


def is_mended(academy: Academy) -> bool:
    return all(ahead_s < SLACK_S for ahead_s in worst(academy).values())


def test_what_an_hour_ahead_has_written_holds_nobody_up_when_the_clock_is_right_again(
    tmp_path: Path,
) -> None:
    academy = Academy(tmp_path / "academy")
    member = academy.demo.cast.people[0]
    with running(academy) as service:
        academy.send("un@ailleurs.test", "before")
        service.turn(HOUR_S)
        service.until(lambda: academy.step_s() > HOUR_S - 60, "the jump is noticed")
        academy.send("deux@ailleurs.test", "ahead")
        service.ask("password", "code", member.identifier)
        service.until(lambda: worst(academy)["rest"] > HOUR_S / 2, "the hop rests in an hour")
        assert worst(academy)["code"] > HOUR_S / 2
        fail_to_sign_in(academy)
        assert len(academy.queued()) == 2
        service.turn(0)
        service.until(lambda: is_mended(academy), "nothing lies further ahead than its rule allows")
        service.until(lambda: signs_in(academy), "the throttle lets the right password in")
        with host_at(academy.hop_port) as host:
            service.until(lambda: not academy.queued(), "both are delivered")
            assert len(host.got("un@ailleurs.test", b"before")) == 1
            assert len(host.got("deux@ailleurs.test", b"ahead")) == 1
        told = service.ask("trace", "un@ailleurs.test") + service.ask("trace", "deux@ailleurs.test")
        assert "returned" not in told


def test_what_a_right_clock_has_written_holds_nobody_up_while_it_is_an_hour_behind(
    tmp_path: Path,
) -> None:
    """And what is written meanwhile neither, once it is right again."""
    academy = Academy(tmp_path / "academy")
    with running(academy) as service:
        academy.send("un@ailleurs.test", "before")
        service.until(lambda: worst(academy).get("rest", -DAY_S) > -DAY_S, "the hop has failed")
        fail_to_sign_in(academy)
        service.turn(-HOUR_S)
        service.until(lambda: academy.step_s() < 60 - HOUR_S, "the jump is noticed")
        service.until(lambda: signs_in(academy), "the throttle lets the right password in")
        academy.send("deux@ailleurs.test", "behind")
        with host_at(academy.hop_port) as host:
            service.until(lambda: not academy.queued(), "both are delivered, an hour behind")
            assert len(host.got("un@ailleurs.test", b"before")) == 1
            assert len(host.got("deux@ailleurs.test", b"behind")) == 1
        service.turn(0)
        service.until(lambda: academy.step_s() > HOUR_S - 60, "it is right again")
        assert signs_in(academy)
        academy.send("trois@ailleurs.test", "after")
        with host_at(academy.hop_port) as host:
            service.until(lambda: not academy.queued(), "what came last is delivered")
            assert len(host.got("trois@ailleurs.test", b"after")) == 1
        assert is_mended(academy)
        assert "returned" not in service.ask("trace", "un@ailleurs.test")
