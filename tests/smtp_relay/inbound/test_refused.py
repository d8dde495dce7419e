"""Each refusal is counted for its reason, with who causes most; what is accepted is not."""

from __future__ import annotations

import pytest

from mailserver.peers.refusals import COUNTER, Why
from smtp_relay.inbound.refused import COUNTED_ELSEWHERE, WHY
from smtp_relay.inbound.replies import PHRASES
from smtp_relay.inbound.stranger import find_leaks
from tests.smtp_relay.inbound.fakes import MX, SUBMISSION, Hall, Stage
from tests.smtp_relay.inbound.wire import HELLO, MAIL, RCPT


def test_every_refusal_has_a_reason_or_another_counter() -> None:
    refusing = {phrase for phrase in PHRASES if phrase.cost}
    assert refusing == WHY.keys() | COUNTED_ELSEWHERE
    assert not WHY.keys() & COUNTED_ELSEWHERE


@pytest.mark.parametrize(
    ("line", "before", "why"),
    [
        (b"RCPT TO:<nobody@ac-exemple.fr>\r\n", HELLO + MAIL, Why.UNKNOWN_RECIPIENT),
        (b"RCPT TO:<x@elsewhere.example>\r\n", HELLO + MAIL, Why.RELAYING),
        (b"RCPT TO:<a b@c>\r\n", HELLO + MAIL, Why.MALFORMED_ADDRESS),
        (b"MAIL FROM:<a b@c>\r\n", HELLO, Why.MALFORMED_ADDRESS),
        (b"MAIL FROM:<a@b.fr> SIZE=99999999999\r\n", HELLO, Why.TOO_LARGE),
        (b"MAIL FROM:<a@b.fr> X=1\r\n", HELLO, Why.COMMAND),
        (b"XYZZY\r\n", HELLO, Why.COMMAND),
        (b"AUTH PLAIN x\r\n", HELLO, Why.COMMAND),
    ],
)
def test_a_refusal_is_counted_for_its_reason_and_block(
    hall: Hall, line: bytes, before: bytes, why: Why
) -> None:
    stage = Stage(hall, MX)
    stage.send(before)
    assert hall.service.refusals.counters() == {}
    for _ in range(3):
        stage.send(line)
    counters = hall.service.refusals.counters()
    assert counters.pop(COUNTER + why.value) == 3.0
    ((block, count),) = counters.items()
    assert block.startswith(f"{COUNTER}{why.value}.from.")
    assert count == 3.0


def test_who_does_not_sign_in_first_is_counted(hall: Hall) -> None:
    stage = Stage(hall, SUBMISSION)
    stage.send(HELLO + MAIL)
    assert hall.service.refusals.counters()[COUNTER + "sign_in_first"] == 1.0


def test_what_is_accepted_is_not_counted(hall: Hall) -> None:
    Stage(hall, MX).send(HELLO + MAIL + RCPT)
    assert hall.service.refusals.counters() == {}


def test_recipients_beyond_the_most_are_counted(hall: Hall) -> None:
    most = hall.service.settings.smtp.max_recipients
    stage = Stage(hall, MX)
    stage.send(HELLO + MAIL)
    for _ in range(most + 4):
        stage.send(RCPT)
    assert hall.service.refusals.counters()[COUNTER + "too_many_at_once"] == 4.0


def test_what_the_service_tries_on_itself_at_its_start_is_nobodys_refusal(hall: Hall) -> None:
    assert find_leaks(hall.service, [MX, SUBMISSION]) == []
    assert hall.service.refusals.counters() == {}
