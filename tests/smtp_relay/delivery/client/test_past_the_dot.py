"""The next envelope behind a final dot, in one write: what becomes of the two transactions."""

from __future__ import annotations

import pytest

from smtp_relay.delivery.plan import Protocol
from smtp_relay.delivery.verdicts import Kind, Transaction
from tests.smtp_relay.delivery.client.letters import (
    BODY,
    HEAD,
    Side,
    make_message,
    make_transaction,
    open_side,
)

CONTENT = HEAD + BODY + b".\r\n"
GROUP = b"MAIL FROM:<marie@a.test>\r\nRCPT TO:<jean@b.test>\r\nDATA\r\n"
TAKEN, REFUSED, LATER, BROKEN = Kind.TAKEN, Kind.REFUSED, Kind.LATER, Kind.BROKEN
CLOSES, IS_SILENT, BREAKS = "closes", "is silent", "breaks"
OK = "250 2.0.0 ok"


def past_the_dot(*recipients: str, protocol: Protocol = Protocol.SMTP) -> tuple[Side, Transaction]:
    """One message is sent, and the envelope of the second transaction stands behind its dot."""
    side = open_side("PIPELINING", protocol=protocol)
    first = make_transaction(*recipients)
    second = make_transaction()
    side.offer(first)
    side.offer(second)
    assert side.hear(*[OK] * (1 + len(first.copies)), "354 go") == CONTENT + GROUP
    return side, second


def end(side: Side, how: str) -> None:
    match how:
        case "closes":
            side.talk.end_of_stream()
        case "is silent":
            side.talk.time_out(300)
        case "breaks":
            side.talk.lose("4.4.2", "the connection broke")
    side.take_finished()


@pytest.mark.parametrize(
    ("answers", "kind", "is_lost"),
    [
        ([], BROKEN, False),
        ([OK], TAKEN, True),
        (["451 4.3.0 later"], LATER, True),
        (["554 5.7.1 spam"], REFUSED, True),
    ],
)
@pytest.mark.parametrize("how", [CLOSES, IS_SILENT, BREAKS])
def test_whatever_became_of_the_first_the_unanswered_second_is_untouched(
    answers: list[str], kind: Kind, how: str, *, is_lost: bool
) -> None:
    side, second = past_the_dot()
    if answers:
        assert side.hear(*answers) == b""
    end(side, how)
    assert side.kinds() == [kind]
    assert side.last()[0].is_after_dot is (kind is BROKEN)
    assert side.talk.untouched == [second]
    assert side.talk.failure is not None
    assert side.talk.failure.lost_past_dot is is_lost


@pytest.mark.parametrize("code", [500, 502, 503])
def test_a_peer_out_of_step_has_lost_the_second_and_does_not_refuse_it(code: int) -> None:
    side, second = past_the_dot()
    side.hear(OK, f"{code} 5.5.1 what?", f"{code} 5.5.1 what?")
    assert side.kinds() == [TAKEN]
    assert side.talk.untouched == [second]
    assert side.talk.failure is not None
    assert side.talk.failure.lost_past_dot
    assert "what?" in side.talk.failure.words


@pytest.mark.parametrize("answers", [["421 4.3.2 bye"], [OK, "421 4.3.2 bye"]])
def test_421_with_or_after_the_dot_loses_nothing(answers: list[str]) -> None:
    side, second = past_the_dot()
    side.hear(*answers)
    assert side.kinds() == [LATER if len(answers) == 1 else TAKEN]
    assert side.talk.untouched == [second]
    assert side.talk.failure is not None
    assert not side.talk.failure.lost_past_dot


@pytest.mark.parametrize(
    ("dot", "rest", "kinds"),
    [
        ("451 4.3.0 later", [OK, OK, "354 go", OK], [LATER, TAKEN]),
        ("554 5.7.1 spam", [OK, OK, "354 go", OK], [REFUSED, TAKEN]),
        (OK, ["550 5.7.1 no", "503 no", "503 no"], [TAKEN, REFUSED]),
        (OK, [OK, "450 4.2.0 grey", "554 no"], [TAKEN, LATER]),
        (OK, [OK, "550 no", "503 no"], [TAKEN, REFUSED]),
    ],
)
def test_what_is_answered_is_each_transactions_own(
    dot: str, rest: list[str], kinds: list[Kind]
) -> None:
    side, _ = past_the_dot()
    for answer in (dot, *rest):
        side.hear(answer)
    assert side.kinds() == kinds
    assert side.talk.is_open


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_a_second_that_was_answered_in_part_what_follows_mail_was_lost(count: int) -> None:
    side, second = past_the_dot()
    side.hear(OK, *[OK, OK, "354 go"][:count])
    end(side, CLOSES)
    assert side.talk.failure is not None
    assert not side.talk.failure.lost_past_dot
    assert side.talk.failure.lost_behind_mail is (count < 3)
    assert side.kinds() == ([TAKEN] if count < 3 else [TAKEN, BROKEN])
    assert side.talk.untouched == ([second] if count < 3 else [])
    assert count < 3 or side.last()[0].is_after_dot


def test_lmtp_answers_for_each_recipient_before_it_answers_what_follows() -> None:
    side, _ = past_the_dot("jean@b.test", "anne@b.test", protocol=Protocol.LMTP)
    assert side.hear(OK) == b""
    assert side.hear("452 4.2.2 full", OK, OK, "354 go") == CONTENT
    side.hear(OK)
    assert side.kinds() == [TAKEN, LATER, TAKEN]


@pytest.mark.parametrize(("answers", "is_lost"), [([OK], False), ([OK, OK], True)])
def test_lmtp_has_lost_what_follows_only_after_its_last_answer(
    answers: list[str], *, is_lost: bool
) -> None:
    side, second = past_the_dot("jean@b.test", "anne@b.test", protocol=Protocol.LMTP)
    side.hear(*answers)
    end(side, CLOSES)
    assert side.kinds() == [TAKEN, TAKEN if is_lost else BROKEN]
    assert side.talk.untouched == [second]
    assert side.talk.failure is not None
    assert side.talk.failure.lost_past_dot is is_lost


def test_what_is_offered_while_the_dot_waits_goes_out_at_once() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    assert side.hear(OK, OK, "354 go") == CONTENT
    assert side.offer(make_transaction()) == GROUP
    side.hear(OK)
    end(side, IS_SILENT)
    assert side.kinds() == [TAKEN]
    assert side.talk.failure is not None
    assert side.talk.failure.lost_past_dot


def test_the_last_octets_of_bdat_are_followed_like_a_dot() -> None:
    side = open_side("PIPELINING", "CHUNKING")
    body = b"S: x\r\n\r\nno end"
    side.offer(make_transaction(message=make_message(body)))
    side.offer(make_transaction())
    said = side.hear(OK, OK)
    assert said == b"BDAT %d LAST\r\n" % len(HEAD + body) + HEAD + body + GROUP
    side.hear(OK)
    end(side, CLOSES)
    assert side.kinds() == [TAKEN]
    assert side.talk.failure is not None
    assert side.talk.failure.lost_past_dot


@pytest.mark.parametrize(
    ("offers", "answers"),
    [
        (("PIPELINING",), [OK]),  # idle, then offered
        ((), [OK]),  # nothing is ever said past a dot
    ],
)
def test_what_was_not_said_past_a_dot_is_not_lost_there(
    offers: tuple[str, ...], answers: list[str]
) -> None:
    side = open_side(*offers)
    side.offer(make_transaction())
    for answer in (OK, OK, "354 go"):
        side.hear(answer)
    side.hear(*answers)
    second = make_transaction()
    side.offer(second)
    end(side, CLOSES)
    assert side.talk.untouched == [second]
    assert side.talk.failure is not None
    assert not side.talk.failure.lost_past_dot


def test_a_first_mail_out_of_order_is_refused_as_said() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear("503 5.5.1 say EHLO first", "503 no", "503 no")
    assert side.kinds() == [REFUSED]
