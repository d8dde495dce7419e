"""Who may write elsewhere, what becomes of it, and what was asked about reports."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from mailserver.queue.turns import TURN_S
from mailserver.values.message import Deposit, Notify, Relay
from smtp_relay.inbound.service import Listener
from tests.smtp_relay.inbound.fakes import (
    CLEAR_SUBMISSION,
    DOMAIN,
    MARIE,
    MARIE_INBOX,
    MX,
    OWN_ADDRESS,
    SUBMISSION,
    WALL_S,
    Hall,
    Stage,
    make_settings,
)
from tests.smtp_relay.inbound.wire import AUTH, DATA, HELLO, MAIL, RCPT, SIZES, codes, lines, say

MESSAGE = b"From: marie@ac-exemple.fr\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
SIGNED_IN = HELLO + AUTH + b"MAIL FROM:<marie@ac-exemple.fr>\r\n"
ELSEWHERE = b"RCPT TO:<x@elsewhere.org>\r\n"
TRUSTED = "192.0.2.7"
HOUR_S = 3600.0


def rcpt(address: str, parameters: str = "") -> bytes:
    return f"RCPT TO:<{address}>{parameters}\r\n".encode()


def hall_with(
    loop: asyncio.AbstractEventLoop, *, trusts: tuple[str, ...] = (), **settings: Any
) -> Hall:
    return Hall(loop, settings=make_settings(relay={"trusted_networks": trusts}, **settings))


# --- people -------------------------------------------------------------------------


@SIZES
def test_a_person_may_write_anywhere(hall: Hall, size: int | None) -> None:
    talk = SIGNED_IN + ELSEWHERE + rcpt(f"pierre@{DOMAIN}") + DATA + MESSAGE
    assert say(hall, talk, listener=SUBMISSION, size=size)[-1] == "250 2.0.0"
    (write,) = hall.writer.writes
    away, here = write.copies
    assert away.recipient == "x@elsewhere.org"
    assert away.route == Relay(
        next_hop="elsewhere.org", turn_at_s=WALL_S, tell_at_s=WALL_S + 2 * HOUR_S
    )
    assert isinstance(here.route, Deposit)
    assert write.account_id == MARIE


def test_the_recipients_of_a_mass_mailing_have_turns_one_after_another(hall: Hall) -> None:
    many = b"".join(rcpt(f"x{number}@elsewhere.org") for number in range(100))
    say(hall, SIGNED_IN + many + DATA + MESSAGE, listener=SUBMISSION)
    turns = [copy.route.turn_at_s for copy in hall.writer.writes[0].copies]  # type: ignore[union-attr]
    assert turns == [WALL_S + number * TURN_S for number in range(100)]


def test_the_null_sender_may_send_receipts_elsewhere(hall: Hall) -> None:
    talk = HELLO + AUTH + b"MAIL FROM:<>\r\n" + ELSEWHERE + DATA + MESSAGE
    assert say(hall, talk, listener=SUBMISSION)[-1] == "250 2.0.0"
    assert hall.writer.writes[0].reverse_path == ""


@pytest.mark.parametrize(
    ("recipient", "answer"),
    [
        ("x@elsewhere.org", "250 2.1.5"),
        ("x@my_host.example", "250 2.1.5"),
        ("x@host.my_net", "550 5.1.2"),
        ("x@école.fr", "553 5.6.7"),
        ("x@[192.0.2.9]", "250 2.1.5"),
        ("x@[IPv6:2001:db8::9]", "250 2.1.5"),
        ("x@[256.0.2.9]", "501 5.1.3"),
        ("x@[IPv6:zz::]", "501 5.1.3"),
        ("x@[2001:db8::9]", "501 5.1.3"),
        ("x@192.0.2.9", "550 5.1.2"),
        ("x@localhost", "550 5.1.2"),
        ("x@school", "550 5.1.2"),
        ("x@nothing.invalid", "550 5.1.2"),
        (f"nobody@{DOMAIN}", "550 5.1.1"),
    ],
)
def test_what_can_be_known_at_rcpt_is_answered_there(
    hall: Hall, recipient: str, answer: str
) -> None:
    assert say(hall, SIGNED_IN + rcpt(recipient), listener=SUBMISSION)[-1] == answer


@pytest.mark.parametrize("literal", [f"[{OWN_ADDRESS}]", "[127.0.0.1]", "[IPv6:::1]"])
def test_the_literal_of_this_host_is_ours(hall: Hall, literal: str) -> None:
    talk = HELLO + MAIL + rcpt(f"marie@{literal}") + rcpt(f"nobody@{literal}") + DATA + MESSAGE
    assert say(hall, talk)[2:] == ["250 2.1.5", "550 5.1.1", "354", "250 2.0.0"]
    (copy,) = hall.writer.writes[0].copies
    assert copy.route == Deposit(mailbox_id=MARIE_INBOX)


# --- strangers and trusted networks -----------------------------------------------------


@pytest.mark.parametrize("recipient", ["x@elsewhere.org", "x@[192.0.2.9]", "x@localhost"])
def test_a_stranger_may_write_to_us_only(hall: Hall, recipient: str) -> None:
    assert say(hall, HELLO + MAIL + rcpt(recipient))[-1] == "550 5.7.1"
    talk = HELLO + MAIL + rcpt(recipient)
    assert say(hall, talk, listener=SUBMISSION)[1:] == ["530 5.7.0", "530 5.7.0"]


@pytest.mark.parametrize("listener", [MX, SUBMISSION, CLEAR_SUBMISSION], ids=lambda one: one.name)
def test_a_trusted_network_relays_without_signing_in(
    loop: asyncio.AbstractEventLoop, listener: Listener
) -> None:
    hall = hall_with(loop, trusts=("192.0.2.0/29",))
    talk = HELLO + MAIL + ELSEWHERE + rcpt("x@[192.0.2.9]") + DATA + MESSAGE
    heard = say(hall, talk, listener=listener)
    assert heard[1:] == ["250 2.1.0", "250 2.1.5", "550 5.7.1", "354", "250 2.0.0"]
    (write,) = hall.writer.writes
    assert (write.account_id, len(write.copies)) == (None, 1)
    assert (b"\r\nDate: " in write.head) == (listener is not MX)


def test_a_machine_next_to_the_trusted_network_is_a_stranger(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_with(loop, trusts=("192.0.2.8/29",))
    assert say(hall, HELLO + MAIL + ELSEWHERE)[-1] == "550 5.7.1"
    assert say(hall, HELLO + MAIL, listener=SUBMISSION)[-1] == "530 5.7.0"


def test_a_person_in_a_trusted_network_still_writes_as_themselves(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_with(loop, trusts=("192.0.2.0/29",))
    talk = HELLO + AUTH + b"MAIL FROM:<pierre@ac-exemple.fr>\r\n"
    assert say(hall, talk, listener=SUBMISSION)[-1] == "550 5.7.1"


def test_the_default_gateway_is_never_trusted(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, trusts=("192.0.2.0/29",))
    hall.service.gateways = frozenset({ip_address(TRUSTED)})
    assert say(hall, HELLO + MAIL + ELSEWHERE)[-1] == "550 5.7.1"
    assert say(hall, HELLO + MAIL, listener=SUBMISSION)[-1] == "530 5.7.0"


def test_an_address_that_all_clients_share_is_not_trusted_any_more(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_with(loop, trusts=("10.0.0.0/8",))
    for _ in range(30):
        Stage(hall, peer="10.0.0.1").drop()
    assert not hall.service.peers.addresses_say_who
    stage = Stage(hall, peer="10.0.0.1")
    assert codes(stage.send(HELLO + MAIL + ELSEWHERE))[-1] == "550 5.7.1"


# --- rules ---------------------------------------------------------------------------


def heard_with_rule(
    loop: asyncio.AbstractEventLoop,
    talk: bytes,
    rule: dict[str, Any],
    listener: Listener = SUBMISSION,
) -> tuple[Hall, list[str]]:
    hall = hall_with(loop, routes=[{"name": "r", **rule}])
    stage = Stage(hall, listener)
    return hall, lines(stage.send(talk))


def test_a_rule_that_refuses_is_told_in_its_own_words(loop: asyncio.AbstractEventLoop) -> None:
    rule: dict[str, Any] = {
        "recipient_domains": ["elsewhere.org"],
        "via": "refuse",
        "text": "Écrivez à la mairie",
    }
    _, heard = heard_with_rule(loop, SIGNED_IN + ELSEWHERE, rule)
    assert heard[-1] == "550 5.7.1 Refused: Ecrivez a la mairie"
    rule = {"via": "refuse", "accounts": ["mdupont"]}
    _, heard = heard_with_rule(loop, SIGNED_IN + ELSEWHERE, rule)
    assert heard[-1] == "550 5.7.1 A rule of this service refuses this recipient"


def test_a_rule_that_holds_queues_the_copy_with_its_reason(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"senders": ["marie@ac-exemple.fr"], "via": "hold", "text": "lent compte"}
    hall, _ = heard_with_rule(loop, SIGNED_IN + ELSEWHERE + DATA + MESSAGE, rule)
    (copy,) = hall.writer.writes[0].copies
    assert isinstance(copy.route, Relay)
    assert (copy.route.next_hop, copy.route.held_for) == ("elsewhere.org", "lent compte")


def test_a_rule_with_a_host_of_its_own_names_the_next_hop(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"via": "smarthost", "host": "relay.example"}
    hall, heard = heard_with_rule(loop, SIGNED_IN + rcpt("x@school") + DATA + MESSAGE, rule)
    assert heard[-1].startswith("250 2.0.0")
    (copy,) = hall.writer.writes[0].copies
    assert isinstance(copy.route, Relay)
    assert copy.route.next_hop == "route:r"


def test_what_a_rule_decides_for_a_sender_is_not_kept_for_the_next_one(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"name": "r", "senders": ["marie@ac-exemple.fr"], "via": "refuse", "text": "no"}
    hall = hall_with(loop, routes=[rule])
    stage = Stage(hall, SUBMISSION)
    stage.send(HELLO + AUTH)
    heard = []
    for sender in ("marie", "marie.dupont", "marie", "marie", "marie.dupont"):
        mail = f"RSET\r\nMAIL FROM:<{sender}@{DOMAIN}>\r\n".encode()
        heard.append(codes(stage.send(mail + ELSEWHERE + ELSEWHERE))[-2:])
    refused, accepted = ["550 5.7.1"] * 2, ["250 2.1.5"] * 2
    assert heard == [refused, accepted, refused, refused, accepted]


def test_what_was_decided_for_a_stranger_is_not_kept_once_they_have_signed_in(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"name": "r", "accounts": ["mdupont"], "via": "refuse", "text": "no"}
    hall = hall_with(loop, trusts=("192.0.2.0/24",), routes=[rule])
    stage = Stage(hall, SUBMISSION, peer=TRUSTED)
    mail = b"MAIL FROM:<marie@ac-exemple.fr>\r\n"
    assert codes(stage.send(HELLO + mail + ELSEWHERE))[-1] == "250 2.1.5"
    assert codes(stage.send(b"RSET\r\n" + AUTH + mail + ELSEWHERE))[-1] == "550 5.7.1"


def test_each_domain_is_decided_for_itself_however_many_there_are(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"name": "r", "recipient_domains": [".no.example"], "via": "refuse", "text": "no"}
    hall = hall_with(loop, routes=[rule])
    stage = Stage(hall, SUBMISSION)
    stage.send(SIGNED_IN)
    numbers = [*range(300), *range(300)]
    names = [f"x@d{number}.{'no' if number % 50 == 0 else 'yes'}.example" for number in numbers]
    heard = codes(stage.send(b"".join(map(rcpt, names))))
    assert heard == ["550 5.7.1" if number % 50 == 0 else "250 2.1.5" for number in numbers]


def test_what_nobody_here_has_of_a_split_domain_goes_on_even_for_strangers(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"recipient_domains": [DOMAIN], "via": "lmtp", "host": "old.ac-exemple.fr"}
    talk = HELLO + MAIL + rcpt(f"old@{DOMAIN}") + RCPT + ELSEWHERE
    talk += rcpt(f"x%elsewhere.org@{DOMAIN}") + DATA + MESSAGE
    hall, heard = heard_with_rule(loop, talk, rule, MX)
    said = codes("".join(line + "\r\n" for line in heard).encode())
    assert said[3:-2] == ["250 2.1.5", "250 2.1.5", "550 5.7.1", "550 5.1.1"]
    split, here = hall.writer.writes[0].copies
    assert isinstance(split.route, Relay)
    assert split.route.next_hop == "route:r"
    assert isinstance(here.route, Deposit)


# --- reports ----------------------------------------------------------------------------


@pytest.mark.parametrize("listener", [MX, SUBMISSION], ids=lambda one: one.name)
def test_ehlo_offers_dsn(hall: Hall, listener: Listener) -> None:
    stage = Stage(hall, listener)
    assert "250-DSN" in lines(stage.send(HELLO))


@SIZES
def test_what_was_asked_about_reports_is_kept_as_typed(hall: Hall, size: int | None) -> None:
    talk = HELLO + b"MAIL FROM:<a@b.fr> RET=hdrs ENVID=Q+2Bx\r\n"
    talk += rcpt(f"marie@{DOMAIN}", " NOTIFY=success,delay ORCPT=rfc822;Marie+40b.fr")
    talk += rcpt(f"pierre@{DOMAIN}", " NOTIFY=NEVER") + rcpt(f"marie.dupont@{DOMAIN}")
    assert say(hall, talk + DATA + MESSAGE, size=size)[-1] == "250 2.0.0"
    (write,) = hall.writer.writes
    assert (write.return_content, write.envelope_id) == ("HDRS", "Q+2Bx")
    assert [(copy.notify, copy.original_recipient, copy.owes_report) for copy in write.copies] == [
        (Notify.SUCCESS | Notify.DELAY, "rfc822;Marie+40b.fr", True),
        (Notify.NEVER, "", False),
        (Notify.UNSAID, "", False),
    ]


def test_what_a_person_asks_about_mail_elsewhere_goes_along(hall: Hall) -> None:
    talk = HELLO + AUTH + b"MAIL FROM:<marie@ac-exemple.fr> RET=FULL ENVID=cours\r\n"
    talk += rcpt("x@elsewhere.org", " NOTIFY=FAILURE ORCPT=rfc822;x+40elsewhere.org")
    talk += rcpt("y@elsewhere.org", " NOTIFY=NEVER")
    assert say(hall, talk + DATA + MESSAGE, listener=SUBMISSION)[-1] == "250 2.0.0"
    (write,) = hall.writer.writes
    assert (write.return_content, write.envelope_id) == ("FULL", "cours")
    assert [(copy.notify, copy.original_recipient) for copy in write.copies] == [
        (Notify.FAILURE, "rfc822;x+40elsewhere.org"),
        (Notify.NEVER, ""),
    ]


def test_a_null_sender_is_never_owed_a_report(hall: Hall) -> None:
    talk = HELLO + b"MAIL FROM:<>\r\n" + rcpt(f"marie@{DOMAIN}", " NOTIFY=SUCCESS")
    say(hall, talk + DATA + MESSAGE)
    assert not hall.writer.writes[0].copies[0].owes_report


def test_a_bad_wish_is_501_and_the_recipient_is_not_taken(hall: Hall) -> None:
    talk = HELLO + MAIL + rcpt(f"marie@{DOMAIN}", " NOTIFY=NEVER,DELAY") + DATA
    assert say(hall, talk)[2:] == ["501 5.5.4", "503 5.5.1"]


def test_an_original_recipient_in_utf_8_wants_smtputf8(hall: Hall) -> None:
    wish = rcpt(f"marie@{DOMAIN}", " ORCPT=utf-8;élodie@b.fr")
    assert say(hall, HELLO + MAIL + wish)[-1] == "501 5.5.4"
    assert say(hall, HELLO + b"MAIL FROM:<a@b.fr> SMTPUTF8\r\n" + wish)[-1] == "250 2.1.5"


# --- hops -------------------------------------------------------------------------------


@SIZES
@pytest.mark.parametrize(
    ("field_count", "answer"), [(50, "250 2.0.0"), (51, "554 5.4.6")], ids=["50", "51"]
)
def test_a_message_that_has_passed_too_many_servers_is_a_loop(
    hall: Hall, field_count: int, answer: str, size: int | None
) -> None:
    head = b"Received: from a\r\n\tby b; now\r\nRECEIVED: from b\r\n" * 30
    head = b"".join(head.splitlines(keepends=True)[: 3 * (field_count // 2)])
    head += b"received: x\r\n" * (field_count % 2)
    body = b"\r\nReceived: in the body\r\n" * 60
    talk = HELLO + MAIL + RCPT + DATA + head + b"X-Received: x\r\n" + body + b".\r\nNOOP\r\n"
    assert say(hall, talk, size=size)[-2:] == [answer, "250 2.0.0"]
