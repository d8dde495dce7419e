"""One peer cannot hurt the others: places, shares, the least pace of an upload."""

from __future__ import annotations

from typing import Any

import pytest

from smtp_relay.inbound.connection.idleness import Activity, Idleness, decide_idleness
from smtp_relay.inbound.service import Service
from tests.smtp_relay.inbound.fakes import (
    CLEAR_SUBMISSION,
    MX,
    SUBMISSION,
    Hall,
    Stage,
    make_settings,
)
from tests.smtp_relay.inbound.wire import AUTH, DATA, ENVELOPE, HELLO, MAIL, RCPT, codes

STRANGER = "203.0.113.9"
KNOWN: set[str] = set()
NAMES = ("mx", "submission", "submissions")


def hall_of(hall: Hall, *, most: int = 200, **connections: Any) -> Hall:
    settings = make_settings(max_connections=most, sections={"connections": connections})
    hall = Hall(hall.loop, settings=settings)
    hall.service = Service(
        loop=hall.loop,
        settings=settings,
        store=hall.store,
        gate=hall.gate,
        writer=hall.writer,
        pool=hall.pool,
        wall_s=hall.service.wall_s,
        clock_s=hall.clock,
        on_broken=lambda: None,
        srs=hall.service.srs,
        listener_names=NAMES,
        is_known_block=lambda peer: peer in KNOWN,
    )
    return hall


def test_one_address_cannot_shut_the_ports(hall: Hall) -> None:
    hall = hall_of(hall, most=200, per_block=50)
    crowd = [Stage(hall, MX, peer=STRANGER) for _ in range(300)]
    assert [codes(one.heard()) for one in crowd[:50]] == [["220"]] * 50
    assert codes(crowd[50].heard()) == ["421 4.7.0"]
    assert crowd[50].was_closed()
    for listener in (MX, CLEAR_SUBMISSION, SUBMISSION):
        assert codes(Stage(hall, listener, peer="198.51.100.1").heard()) == ["220"]


def test_who_closes_makes_room(hall: Hall) -> None:
    hall = hall_of(hall, per_block=2)
    first, _ = Stage(hall, peer=STRANGER), Stage(hall, peer=STRANGER)
    assert codes(Stage(hall, peer=STRANGER).heard()) == ["421 4.7.0"]
    first.send(b"QUIT\r\n")
    assert codes(Stage(hall, peer=STRANGER).heard()) == ["220"]


def test_a_school_behind_one_address_is_counted_by_its_people(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = hall_of(hall, per_block=5, per_known_block=20)
    for _ in range(40):
        stage = Stage(hall, SUBMISSION, peer=STRANGER)
        assert codes(stage.heard()) == ["220"]
        stage.send(HELLO + AUTH)
    crowd = [codes(Stage(hall, SUBMISSION, peer=STRANGER).heard()) for _ in range(30)]
    assert crowd.count(["220"]) == 5  # nobody is remembered for having signed in there
    monkeypatch.setattr("tests.smtp_relay.inbound.connection.test_places.KNOWN", {STRANGER})
    crowd = [codes(Stage(hall, SUBMISSION, peer=STRANGER).heard()) for _ in range(30)]
    assert crowd.count(["220"]) == 15


@pytest.mark.parametrize("where", ["auth", "relay"])
def test_trusted_networks_are_not_counted(hall: Hall, where: str) -> None:
    settings = make_settings(
        sections={
            "connections": {"per_block": 5},
            where: {"trusted_networks": ["203.0.113.0/24"]},
        }
    )
    hall = Hall(hall.loop, settings=settings)
    crowd = [codes(Stage(hall, peer=STRANGER).heard()) for _ in range(30)]
    assert crowd == [["220"]] * 30


def test_when_all_is_full_an_idle_stranger_makes_room_and_hears_why(hall: Hall) -> None:
    hall = hall_of(hall, most=20, per_block=1000, per_known_block=1000)
    crowd = [Stage(hall, peer=STRANGER) for _ in range(20)]
    sat = [one for one in crowd if codes(one.heard()) == ["220"]]
    hall.clock.now_s += 3
    newcomer = Stage(hall, peer="198.51.100.1")
    assert codes(newcomer.heard()) == ["220"]
    said = [codes(one.heard()) for one in sat]
    assert said.count(["421 4.7.0"]) == 1
    assert said.count([]) == len(sat) - 1


def test_who_is_sending_a_message_is_not_sent_away(hall: Hall) -> None:
    hall = hall_of(hall, most=20, per_block=1000, per_known_block=1000)
    senders = [Stage(hall, peer=STRANGER) for _ in range(12)]
    for one in senders:
        one.send(ENVELOPE)
    hall.clock.now_s += 30
    assert codes(Stage(hall, peer="198.51.100.1").heard()) == ["421 4.3.2"]
    for one in senders:
        assert codes(one.send(b"A: b\r\n\r\n.\r\n"))[-1] == "250 2.0.0"


# --- the least pace ---------------------------------------------------------------------


def upload(hall: Hall, octets: bytes, *, every_s: float, for_s: float) -> list[str]:
    """Codes that an upload hears which sends so much, so often; nothing: it may go on."""
    stage = Stage(hall)
    stage.send(HELLO + MAIL + RCPT + DATA)
    stage.heard()
    end_s, next_s = hall.clock.now_s + for_s, hall.clock.now_s
    while hall.clock.now_s < end_s and not stage.was_closed():
        if hall.clock.now_s >= next_s:
            stage.send(octets)
            next_s += every_s
        hall.clock.now_s += 1.0
        hall.service.sweep()
    return codes(stage.heard())


def test_an_octet_now_and_then_does_not_keep_a_place(hall: Hall) -> None:
    assert upload(hall, b"x", every_s=170, for_s=1200) == ["421 4.4.2"]


def test_octet_by_octet_is_no_pace_either(hall: Hall) -> None:
    assert upload(hall, b"x", every_s=1, for_s=1200) == ["421 4.4.2"]


@pytest.mark.parametrize(
    ("octets", "every_s"), [(700, 1), (65_536, 120), (100_000, 175)], ids=["slow", "steps", "wide"]
)
def test_a_slow_line_may_take_its_time(hall: Hall, octets: int, every_s: float) -> None:
    line = b"x" * 68 + b"\r\n"
    assert upload(hall, line * (octets // 70), every_s=every_s, for_s=3000) == []


def test_any_pace_will_do_where_the_settings_say_so(hall: Hall) -> None:
    hall = Hall(hall.loop, settings=make_settings(min_data_octets_per_s=0))
    assert upload(hall, b"x", every_s=100, for_s=3000) == []


def test_our_own_slowness_is_not_the_peers() -> None:
    activity = Activity(heard_at_s=0.0)
    for second in range(2000):
        activity.heard_at_s = float(second)
        verdict = decide_idleness(
            activity,
            now_s=float(second),
            unread_octets=0,
            is_receiving=True,
            is_working=True,
            command_timeout_s=300,
            data_timeout_s=180,
            received_octets=10,
            min_octets_per_s=500,
        )
        assert verdict is Idleness.KEEP


# --- recipients that are guessed ------------------------------------------------------------


def guess(hall: Hall, count: int, *, peer: str = STRANGER) -> list[str]:
    """Answers to MAIL of sessions that each ask for 25 unknown recipients."""
    answers = []
    for number in range(0, count, 25):
        stage = Stage(hall, peer=f"203.0.113.{number % 250}" if peer == STRANGER else peer)
        stage.send(HELLO)
        stage.heard()
        answers += codes(stage.send(MAIL))
        unknown = b"".join(b"RCPT TO:<x%d@ac-exemple.fr>\r\n" % n for n in range(25))
        stage.send(unknown + b"QUIT\r\n")
    return answers


def test_who_guesses_is_remembered_over_sessions_and_hears_nothing_more(hall: Hall) -> None:
    answers = guess(hall, 400)
    assert answers == ["250 2.1.0"] * 9 + ["451 4.7.1"] * 7
    assert guess(hall, 50, peer="198.51.100.1") == ["250 2.1.0"] * 2


def test_who_brings_much_mail_may_have_old_addresses_in_its_lists(hall: Hall) -> None:
    for _ in range(30):
        stage = Stage(hall, peer=STRANGER)
        stage.send(HELLO)
        for _ in range(10):
            message = (
                MAIL + RCPT + b"RCPT TO:<gone@ac-exemple.fr>\r\n" + DATA + b"A: b\r\n\r\n.\r\n"
            )
            assert codes(stage.send(message))[-1] == "250 2.0.0"


def test_our_own_machines_are_not_counted(hall: Hall) -> None:
    hall = Hall(hall.loop, settings=make_settings(relay={"trusted_networks": ["203.0.113.0/24"]}))
    assert set(guess(hall, 400)) == {"250 2.1.0"}


def test_a_block_that_brings_too_much_is_put_off_before_it_names_anybody(hall: Hall) -> None:
    hall = Hall(hall.loop, settings=make_settings(max_copies_per_block_per_hour=3))
    message = MAIL + RCPT + DATA + b"A: b\r\n\r\n.\r\n"
    stage = Stage(hall, peer=STRANGER)
    stage.send(HELLO)
    stage.heard()
    for _ in range(4):
        assert codes(stage.send(message))[-1] == "250 2.0.0"
    assert codes(stage.send(MAIL)) == ["450 4.7.1"]
    other = Stage(hall, peer="198.51.100.1")
    other.send(HELLO)
    other.heard()
    assert codes(other.send(MAIL)) == ["250 2.1.0"]
