"""Peers that lose what travels with MAIL in one packet: nothing is refused, nothing is a try."""

from __future__ import annotations

import pytest

from smtp_relay.delivery.verdicts import Kind, Scope
from tests.smtp_relay.delivery.client.letters import make_transaction, open_side

OK = "250 2.1.0 ok"


@pytest.mark.parametrize("answered", [(), (OK,), (OK, OK), (OK, OK, OK)])
@pytest.mark.parametrize("how", ["closes", "hangs", "out of step"])
def test_what_was_lost_with_mail_is_untouched_and_the_failure_says_why(
    how: str, answered: tuple[str, ...]
) -> None:
    if how == "out of step" and not answered:
        return  # a first MAIL that gets 503 is refused
    side = open_side("PIPELINING")
    transaction = make_transaction("a@b.test", "c@b.test")
    side.offer(transaction)
    if answered:
        side.hear(*answered)
    if how == "closes":
        side.talk.end_of_stream()
    elif how == "hangs":
        side.talk.time_out(300)
    else:
        side.hear("503 5.5.1 RCPT first")
    assert side.kinds() == []
    assert side.talk.untouched == [transaction]
    assert side.talk.failure is not None
    assert side.talk.failure.lost_behind_mail


def test_an_answer_too_few_shows_where_354_comes_for_a_recipient() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction("a@b.test", "c@b.test"))
    side.hear(OK, OK, "354 go")
    assert side.talk.failure is not None
    assert side.talk.failure.lost_behind_mail


@pytest.mark.parametrize("words", ["450 4.2.0 grey", "550 5.1.1 nobody"])
def test_503_to_data_without_a_recipient_is_its_right_answer(words: str) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear(OK, words, "503 5.5.1 no recipients")
    assert side.kinds() == [Kind.LATER if words[0] == "4" else Kind.REFUSED]
    assert side.talk.is_open


def test_503_to_recipients_of_a_refused_mail_is_their_right_answer() -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear("451 4.3.0 later", "503 MAIL first", "503 MAIL first")
    assert side.kinds() == [Kind.LATER]
    assert side.last()[0].scope is Scope.HOST
    assert side.talk.is_open


@pytest.mark.parametrize("answered", [(OK,), (OK, OK)])
def test_421_is_an_answer_and_loses_nothing(answered: tuple[str, ...]) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear(*answered, "421 4.3.2 bye")
    assert side.kinds() == [Kind.LATER]
    assert side.talk.failure is not None
    assert not side.talk.failure.lost_behind_mail


def test_one_command_at_a_time_nothing_is_lost_behind_mail() -> None:
    side = open_side()
    side.offer(make_transaction())
    side.hear(OK)
    side.talk.time_out(300)
    side.take_finished()
    assert side.kinds() == [Kind.BROKEN]
    assert side.talk.failure is not None
    assert not side.talk.failure.lost_behind_mail


@pytest.mark.parametrize(
    ("answer", "scope"),
    [
        ("450 4.7.1 too much mail", Scope.HOST),
        ("451 try later", Scope.HOST),
        ("452 4.3.1 disk full", Scope.HOST),
        ("450 4.1.8 your domain is not found", Scope.COPY),
    ],
)
def test_4yz_to_mail_is_about_the_host_unless_it_names_the_sender(
    answer: str, scope: Scope
) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction())
    side.hear(answer, "503 no", "503 no")
    assert side.last()[0].scope is scope


@pytest.mark.parametrize(
    ("answer", "is_over"),
    [
        ("452 too many", True),
        ("452 4.5.3 too many", True),
        ("452 4.3.1 no room", True),
        ("452 4.2.2 his mailbox is full", False),
        ("552 too many", True),
        ("552 5.5.3 too many", True),
        ("552 5.2.2 his mailbox is full", False),
        ("450 4.5.3 too many", True),
        ("550 5.5.3 too many", True),
        ("451 4.3.0 later", False),
        ("550 5.1.1 nobody", False),
    ],
)
def test_too_many_recipients_go_in_a_transaction_of_their_own(answer: str, is_over: bool) -> None:
    side = open_side("PIPELINING")
    side.offer(make_transaction("a@b.test", "c@b.test"))
    side.hear(OK, OK, answer, "354 go")
    side.hear(OK)
    assert side.last()[1].is_over_limit is is_over
    side.offer(make_transaction("c@b.test"))
    side.hear(OK, OK, answer, "503 no")
    assert not side.last()[0].is_over_limit
