"""Extensions on the wire: what is used where it is offered, and refused where it is needed."""

from __future__ import annotations

import pytest

from mailserver.store.ports.queue import QueuedMessage
from mailserver.values.message import Notify
from smtp_relay.delivery.verdicts import Kind
from tests.smtp_relay.delivery.client.letters import (
    ALL,
    HEAD,
    make_copy,
    make_message,
    make_transaction,
    open_side,
)

MAIL = b"MAIL FROM:<marie@a.test>\r\n"
RCPT = b"RCPT TO:<jean@b.test>\r\n"
GROUP = MAIL + RCPT + b"DATA\r\n"
TAKEN = Kind.TAKEN
REFUSED = Kind.REFUSED
LATER = Kind.LATER


def test_all_that_is_offered_is_used() -> None:
    side = open_side(*ALL)
    message = make_message(
        "Subject: \u00e9\r\n\r\n".encode(),
        smtputf8=True,
        envelope_id="QQ+20",
        return_content="HDRS",
    )
    copy = make_copy(
        "ren\u00e9@b.test",
        notify=Notify.SUCCESS | Notify.DELAY,
        original_recipient="rfc822;ren@b.test",
    )
    said = side.offer(
        make_transaction(message=message, copies=[copy, make_copy("x@\u00e9t\u00e9.test")])
    )
    mail, first, second, data, _ = said.split(b"\r\n")
    size = message.size_octets
    assert mail == (
        b"MAIL FROM:<marie@a.test> SIZE=%d BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+20" % size
    )
    assert first == (
        "RCPT TO:<ren\u00e9@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ren@b.test".encode()
    )
    assert second == b"RCPT TO:<x@xn--t-9fab.test>"
    assert data == b"DATA"
    side.hear("250 ok", "250 ok", "250 ok", "354 go")
    side.hear("250 ok")
    assert all(verdict.has_dsn for verdict in side.last())


@pytest.mark.parametrize(
    "address", ["a..b@docomo.test", ".a@b.test", "a.@b.test", "a" * 300 + "@b.test", '"a b"@b.test']
)
def test_an_address_goes_out_as_it_was_typed(address: str) -> None:
    side = open_side(*ALL)
    message = make_message(reverse_path=address)
    said = side.offer(make_transaction(message=message, copies=[make_copy(address)]))
    mail, recipient, *_ = said.split(b"\r\n")
    assert mail.startswith(f"MAIL FROM:<{address}> SIZE=".encode())
    assert recipient == f"RCPT TO:<{address}>".encode()


def test_never_is_alone_and_nothing_is_said_where_nothing_is_offered() -> None:
    copy = make_copy("a@b.test", notify=Notify.NEVER, original_recipient="rfc822;a@b.test")
    message = make_message(envelope_id="id", return_content="FULL")
    side = open_side("PIPELINING", "DSN")
    assert b" NOTIFY=NEVER ORCPT=" in side.offer(make_transaction(message=message, copies=[copy]))
    side = open_side("PIPELINING")
    said = side.offer(make_transaction(message=message, copies=[copy]))
    assert said == MAIL + b"RCPT TO:<a@b.test>\r\nDATA\r\n"


@pytest.mark.parametrize(
    ("message", "recipient", "offers", "status"),
    [
        (make_message(b"x" * 10_000 + b"\r\n"), "a@b.test", ["SIZE 10000"], "5.3.4"),
        (make_message("\u00e9\r\n".encode()), "a@b.test", [], "5.6.3"),
        (make_message(reverse_path="\u00e9@a.test"), "a@b.test", ["8BITMIME"], "5.6.7"),
        (make_message(), "\u00e9@b.test", ["8BITMIME"], "5.6.7"),
        (
            make_message("S: \u00e9\r\n\r\n".encode(), smtputf8=True),
            "a@b.test",
            ["8BITMIME"],
            "5.6.9",
        ),
        (make_message(), "a\r\nRCPT TO:<x@y>@b.test", [], "5.1.3"),
        (make_message(reverse_path="a\nb@c.test"), "a@b.test", [], "5.1.7"),
    ],
)
def test_what_a_hop_cannot_take_is_refused_without_a_word(
    message: QueuedMessage, recipient: str, offers: list[str], status: str
) -> None:
    side = open_side("PIPELINING", *offers)
    assert side.offer(make_transaction(recipient, message=message)) == b""
    (verdict,) = side.last()
    assert (verdict.kind, verdict.status) == (REFUSED, status)
    assert side.talk.has_room
    assert side.offer(make_transaction()).startswith(b"MAIL FROM:")


def test_one_recipient_that_a_hop_cannot_take_leaves_the_others() -> None:
    side = open_side("PIPELINING")
    assert side.offer(make_transaction("\u00e9@b.test", "jean@b.test")) == GROUP
    side.hear("250 ok", "250 ok", "354 go")
    side.hear("250 ok")
    assert side.kinds() == [REFUSED, TAKEN]


def test_smtputf8_is_not_asked_for_where_only_its_declaration_was() -> None:
    side = open_side("PIPELINING")
    assert side.offer(make_transaction(message=make_message(smtputf8=True))) == GROUP


def test_limits_are_respected() -> None:
    side = open_side("PIPELINING", "LIMITS RCPTMAX=1 MAILMAX=2")
    assert side.offer(make_transaction("jean@b.test", "b@b.test")) == GROUP
    side.offer(make_transaction())
    side.hear("250 ok", "250 ok", "354 go")
    side.hear("250 ok", "250 ok", "250 ok", "354 go")
    assert side.kinds() == [TAKEN, LATER]
    assert side.last()[1].is_over_limit
    assert not side.talk.has_room
    assert side.hear("250 ok") == b"QUIT\r\n"
    side.hear("221 bye")
    assert side.talk.is_over
    assert side.talk.failure is None


def test_bdat_carries_what_data_would_have_to_change() -> None:
    body = b"S: x\r\n\r\n.dot\r\nno end"
    side = open_side("PIPELINING", "CHUNKING")
    said = side.offer(make_transaction("jean@b.test", "b@b.test", message=make_message(body)))
    assert b"DATA" not in said
    said = side.hear("250 ok", "550 no", "250 ok")
    assert said == b"BDAT %d LAST\r\n" % len(HEAD + body) + HEAD + body
    side.hear("250 ok")
    assert side.kinds() == [REFUSED, TAKEN]
    assert side.offer(make_transaction()) == GROUP


def test_bdat_is_not_said_for_nobody() -> None:
    side = open_side("PIPELINING", "CHUNKING")
    side.offer(make_transaction(message=make_message(b"no end")))
    assert side.hear("250 ok", "550 no") == b""
    assert side.offer(make_transaction()) == b"RSET\r\n" + GROUP


def test_an_original_recipient_outside_ascii_travels_where_the_peer_takes_it() -> None:
    copy = make_copy("jorg@b.test", original_recipient="utf-8;jörg@b.test")
    said = [
        open_side("PIPELINING", "DSN", *more).offer(make_transaction(copies=[copy]))
        for more in ((), ("SMTPUTF8",))
    ]
    assert b"ORCPT" not in said[0]
    assert " ORCPT=utf-8;jörg@b.test".encode() in said[1]
