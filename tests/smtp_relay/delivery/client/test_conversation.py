"""Transactions on the wire: what is said when, and what each answer means for each copy."""

from __future__ import annotations

import pytest

from smtp_relay.delivery.plan import Protocol
from smtp_relay.delivery.verdicts import Kind, Phase
from tests.smtp_relay.delivery.client.letters import (
    BODY,
    HEAD,
    Side,
    make_message,
    make_transaction,
    open_side,
)

CONTENT = HEAD + BODY + b".\r\n"
MAIL = b"MAIL FROM:<marie@a.test>\r\n"
RCPT = b"RCPT TO:<jean@b.test>\r\n"
GROUP = MAIL + RCPT + b"DATA\r\n"
TAKEN, REFUSED, LATER, BROKEN = Kind.TAKEN, Kind.REFUSED, Kind.LATER, Kind.BROKEN


def test_with_pipelining_a_message_costs_one_round_trip() -> None:
    side = open_side("PIPELINING")
    assert side.offer(make_transaction()) == GROUP
    assert side.offer(make_transaction()) == b""
    assert not side.talk.has_room
    assert side.hear("250 ok", "250 ok", "354 go") == CONTENT + GROUP
    assert not side.talk.has_room
    assert side.hear("250 2.0.0 queued", "250 ok", "250 ok", "354 go") == CONTENT
    assert side.kinds() == [TAKEN]
    assert side.offer(make_transaction()) == GROUP
    side.hear("250 2.0.0 queued", "550 no", "503 no", "503 no")
    assert side.kinds() == [TAKEN, TAKEN, REFUSED]
    assert side.last()[0].phase is Phase.MAIL
    assert side.talk.is_idle


def test_without_pipelining_one_command_at_a_time() -> None:
    side = open_side()
    assert side.offer(make_transaction("jean@b.test", "anne@b.test")) == MAIL
    side.offer(make_transaction())
    assert side.hear("250 ok") == RCPT
    assert side.hear("250 ok") == b"RCPT TO:<anne@b.test>\r\n"
    assert side.hear("550 no") == b"DATA\r\n"
    assert side.hear("354 go") == CONTENT
    assert side.hear("250 ok") == MAIL
    assert side.kinds() == [TAKEN, REFUSED]


def test_without_pipelining_a_refused_transaction_is_reset_before_the_next() -> None:
    side = open_side()
    side.offer(make_transaction())
    side.offer(make_transaction())
    side.hear("250 ok")
    assert side.hear("450 4.2.1 later") == b"RSET\r\n"
    assert side.hear("250 ok") == MAIL
    assert side.hear("550 5.7.1 no") == b""
    assert side.kinds() == [LATER, REFUSED]
    assert side.offer(make_transaction()) == b"RSET\r\n"


def test_who_speaks_before_being_asked_is_not_believed() -> None:
    side = open_side()
    side.offer(make_transaction())
    side.hear("250 ok", "250 ok")
    assert side.last()[0].kind is BROKEN
    assert "an answer to nothing" in side.last()[0].words
    side = open_side("PIPELINING")
    side.hear("250 hello?")
    assert side.talk.failure is not None


def test_an_outcome_belongs_to_each_recipient() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction("a@b.test", "b@b.test", "c@b.test"))
    side.hear("250 ok", "550 5.1.1 unknown", "250 ok", "451 4.2.0 later", "354 go")
    side.hear("250 2.6.0 in")
    assert side.kinds() == [REFUSED, TAKEN, LATER]
    first, second, third = side.last()
    assert (first.phase, first.status, first.words) == (
        Phase.RCPT,
        "5.1.1",
        "550 5.1.1 unknown",
    )
    assert (second.phase, second.status, second.words) == (Phase.DOT, "2.6.0", "250 2.6.0 in")
    assert third.phase is Phase.RCPT


@pytest.mark.parametrize(("answer", "kind"), [("451 4.3.0 no", LATER), ("554 5.6.0 no", REFUSED)])
def test_the_answer_to_the_dot_is_for_all_that_were_accepted(answer: str, kind: Kind) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction("a@b.test", "b@b.test"))
    side.hear("250 ok", "250 ok", "250 ok", "354 go")
    side.hear(answer)
    assert side.kinds() == [kind, kind]
    assert not side.last()[0].is_after_dot
    assert side.offer(make_transaction()) == GROUP


def test_all_refused_and_data_refused_sends_nothing() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    assert side.hear("250 ok", "550 no", "554 no valid recipients") == b""
    assert side.kinds() == [REFUSED]
    assert side.offer(make_transaction()) == b"RSET\r\n" + GROUP
    assert side.hear("250 ok", "250 ok", "250 ok", "354 go") == CONTENT


def test_all_refused_and_data_taken_all_the_same_sends_an_empty_message() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    assert side.hear("250 ok", "550 no", "354 go") == b".\r\n"
    assert side.hear("250 thank you for nothing") == b""
    assert side.kinds() == [REFUSED]
    assert side.offer(make_transaction()) == GROUP


@pytest.mark.parametrize("answer", ["250 ok", "354 go"])
def test_a_message_is_never_sent_after_a_refused_mail(answer: str) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    assert BODY not in side.hear("451 4.7.1 grey", "250 ok", answer)
    if answer == "354 go":
        side.hear("250 ok")
    assert side.kinds() == [LATER]


def test_data_refused_is_for_all_that_were_accepted() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction("a@b.test", "b@b.test"))
    side.hear("250 ok", "250 ok", "550 no", "451 4.3.1 full")
    assert side.kinds() == [LATER, REFUSED]
    assert side.last()[0].phase is Phase.DATA


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ((), "354 go"),
        (("250 ok",), "354 go"),
        (("250 ok", "250 ok"), "250 ok"),
        (("250 ok", "250 ok", "354 go"), "354 go"),
    ],
)
def test_codes_that_make_no_sense_end_the_connection(before: tuple[str, ...], line: str) -> None:
    side = open_side()
    side.offer(make_transaction())
    for answer in (*before, line):
        side.hear(answer)
    assert side.kinds() == [BROKEN]
    assert "makes no sense" in side.last()[0].words
    assert side.talk.is_over


@pytest.mark.parametrize(
    ("before", "phase"),
    [
        ((), Phase.MAIL),
        (("250 ok",), Phase.RCPT),
        (("250 ok", "250 ok"), Phase.DATA),
        (("250 ok", "250 ok", "354 go"), Phase.DOT),
    ],
)
def test_421_anywhere_defers_and_ends_the_connection(before: tuple[str, ...], phase: Phase) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    waiting = make_transaction()
    side.offer(waiting)
    if before:
        side.hear(*before)
    side.hear("421 4.3.2 shutting down")
    (verdict,) = side.last()
    assert (verdict.kind, verdict.phase, verdict.status) == (LATER, phase, "4.3.2")
    assert not verdict.is_after_dot
    assert side.talk.untouched == [waiting]
    assert side.talk.failure is not None
    assert side.talk.failure.words == "421 4.3.2 shutting down"


@pytest.mark.parametrize(
    ("before", "phase"),
    [
        ((), Phase.MAIL),
        (("250 ok",), Phase.RCPT),
        (("250 ok", "250 ok"), Phase.DATA),
        (("250 ok", "250 ok", "354 go"), Phase.DOT),
    ],
)
def test_a_peer_that_closes_in_each_phase(before: tuple[str, ...], phase: Phase) -> None:
    side = open_side()
    side.offer(make_transaction())
    for answer in before:
        side.hear(answer)
    side.talk.end_of_stream()
    side.take_finished()
    (verdict,) = side.last()
    assert (verdict.kind, verdict.phase, verdict.status) == (BROKEN, phase, "4.4.2")
    assert verdict.is_after_dot is (phase is Phase.DOT)
    assert "closed the connection while we waited for" in verdict.words


def test_the_transaction_behind_a_broken_one_is_untouched_although_its_envelope_was_sent() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    second = make_transaction()
    side.offer(second)
    assert side.hear("250 ok", "250 ok", "354 go").endswith(GROUP)
    side.talk.end_of_stream()
    side.take_finished()
    assert side.kinds() == [BROKEN]
    assert side.talk.untouched == [second]


def test_a_connection_that_was_closed_while_idle_touches_nothing() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear("250 ok", "250 ok", "354 go")
    side.hear("250 ok")
    second = make_transaction()
    side.offer(second)
    side.talk.end_of_stream()
    side.take_finished()
    assert side.kinds() == [TAKEN]
    assert side.talk.untouched == [second]


def test_an_idle_peer_may_leave_or_say_421() -> None:
    side = open_side("PIPELINING")
    side.talk.end_of_stream()
    assert side.talk.is_over
    assert side.talk.failure is None
    side = open_side("PIPELINING")
    side.hear("421 4.4.2 idle for too long")
    assert side.talk.is_over
    assert side.talk.failure is None


def test_lmtp_answers_for_each_recipient() -> None:
    side = open_side("PIPELINING", protocol=Protocol.LMTP)
    side.offer(make_transaction("a@b.test", "b@b.test", "c@b.test", "d@b.test"))
    side.hear("250 ok", "250 ok", "550 no", "250 ok", "250 ok", "354 go")
    side.hear("250 2.0.0 a")
    assert side.done == []
    side.hear("452 4.2.2 c is full", "550 5.2.0 d is gone")
    assert side.kinds() == [TAKEN, REFUSED, LATER, REFUSED]
    assert side.offer(make_transaction()) == GROUP


def test_lmtp_that_closes_between_two_answers_has_answered_the_first() -> None:
    side = open_side("PIPELINING", protocol=Protocol.LMTP)
    side.offer(make_transaction("a@b.test", "b@b.test"))
    side.hear("250 ok", "250 ok", "250 ok", "354 go")
    side.hear("250 2.0.0 a")
    side.talk.end_of_stream()
    side.take_finished()
    assert side.kinds() == [TAKEN, BROKEN]
    assert [verdict.is_after_dot for verdict in side.last()] == [False, True]


def test_lmtp_that_wants_a_message_for_nobody_is_left() -> None:
    side = open_side("PIPELINING", protocol=Protocol.LMTP)
    side.offer(make_transaction())
    side.hear("250 ok", "550 no", "354 go")
    assert side.kinds() == [REFUSED]
    assert side.talk.is_over


@pytest.mark.parametrize("answer", ["452 4.5.3 too many", "452 too many", "552 too many"])
def test_too_many_recipients_may_go_again_at_once(answer: str) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction("a@b.test", "b@b.test"))
    side.hear("250 ok", "250 ok", answer, "354 go")
    side.hear("250 ok")
    assert side.kinds() == [TAKEN, LATER]
    assert side.last()[1].is_over_limit
    assert side.last()[1].status == "4.5.3"


@pytest.mark.parametrize("answer", ["452 4.2.2 mailbox full", "552 5.2.2 mailbox full"])
def test_a_full_mailbox_is_not_a_full_transaction(answer: str) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction("a@b.test", "b@b.test"))
    side.hear("250 ok", "250 ok", answer, "354 go")
    side.hear("250 ok")
    assert not side.last()[1].is_over_limit


def test_the_first_recipient_is_never_one_too_many() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear("250 ok", "452 4.5.3 too many", "554 no")
    assert not side.last()[0].is_over_limit


def test_a_lost_lease_never_sends_the_dot() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.is_ours = False
    assert side.hear("250 ok", "250 ok", "354 go") == b""
    assert side.talk.is_over
    (verdict,) = side.last()
    assert (verdict.kind, verdict.is_after_dot) == (BROKEN, False)


@pytest.mark.parametrize("body", [b".\r\n", b"", b"no end"])
def test_a_lease_lost_while_sending_never_sends_the_last_octet(body: bytes) -> None:
    side = open_side("PIPELINING", "CHUNKING")
    message = make_message(body, dotted_line_count=1)
    side.offer(make_transaction(message=message))
    side.talk.receive(b"250 ok\r\n250 ok\r\n")
    command = b"BDAT %d LAST\r\n" % message.size_octets
    side.is_ours = False
    said = side.said()
    assert said.startswith(command)
    assert len(said) < len(command) + message.size_octets
    (verdict,) = side.last()
    assert (verdict.kind, verdict.is_after_dot) == (BROKEN, False)


def test_a_body_that_cannot_be_read_is_deferred_as_ours() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction(message=make_message(octets=None)))
    side.hear("250 ok", "250 ok", "354 go")
    (verdict,) = side.last()
    assert (verdict.kind, verdict.status, verdict.is_after_dot) == (LATER, "4.3.0", False)
    assert side.talk.is_over


def test_close_waits_for_what_is_here_and_then_quits() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.talk.close()
    assert side.said() == b""
    assert not side.talk.has_room
    side.hear("250 ok", "250 ok", "354 go")
    assert side.hear("250 ok") == b"QUIT\r\n"
    side.hear("221 bye")
    assert side.kinds() == [TAKEN]
    assert side.talk.failure is None


def test_a_late_answer_says_what_was_waited_for() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear("250 ok", "250 ok", "354 go")
    assert side.talk.phase is Phase.DOT
    side.talk.time_out(600)
    side.take_finished()
    assert side.last()[0].is_after_dot
    assert "no answer in 600 s: we waited for its answer to the end" in side.last()[0].words


def in_body() -> Side:
    """A side that has begun to send a message piece by piece."""
    side = open_side("PIPELINING", "CHUNKING")
    side.offer(make_transaction(message=make_message(b".\r\n")))
    side.talk.receive(b"250 ok\r\n250 ok\r\n")
    assert side.talk.phase is Phase.BODY
    return side


@pytest.mark.parametrize(
    ("line", "kind"),
    [("552 5.3.4 too large", REFUSED), ("452 4.3.1 full", LATER), ("421 4.3.2 bye", LATER)],
)
def test_a_refusal_in_the_middle_of_the_message_counts(line: str, kind: Kind) -> None:
    side = in_body()
    side.hear(line)
    assert side.kinds() == [kind]
    assert side.last()[0].phase is Phase.BODY
    assert side.talk.is_over


def test_nothing_good_is_believed_in_the_middle_of_the_message() -> None:
    side = in_body()
    side.hear("250 ok")
    assert side.kinds() == [BROKEN]


def test_421_beside_354_comes_before_the_message_and_defers_it() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear("250 ok", "250 ok", "354 go", "421 4.3.2 bye")
    verdict = side.last()[0]
    assert (verdict.kind, verdict.is_after_dot) == (Kind.LATER, False)
