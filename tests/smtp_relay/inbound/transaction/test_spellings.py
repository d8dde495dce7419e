"""Addresses as the world spells them, at both doors: who may write how, and what is kept."""

from __future__ import annotations

import asyncio

import pytest

from mailserver.values.message import Deposit, Relay
from tests.smtp_relay.inbound.fakes import (
    DOMAIN,
    MARIE_INBOX,
    MX,
    SUBMISSION,
    Hall,
    make_settings,
)
from tests.smtp_relay.inbound.wire import AUTH, DATA, HELLO, MAIL, RCPT, SIZES, say

TEXT = b"From: marie@ac-exemple.fr\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
OWN_MAIL = b"MAIL FROM:<marie@ac-exemple.fr>\r\n"
LONG = "bounces+" + "x" * 120 + "=marie=ac-exemple.fr"


def mail(typed: str) -> bytes:
    return f"MAIL FROM:{typed}\r\n".encode()


def rcpt(typed: str) -> bytes:
    return f"RCPT TO:{typed}\r\n".encode()


@pytest.fixture
def trusting(loop: asyncio.AbstractEventLoop) -> Hall:
    return Hall(loop, settings=make_settings(relay={"trusted_networks": ("192.0.2.0/29",)}))


@SIZES
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (f"<{LONG}@example.org>", f"{LONG}@example.org"),
        ("<" + "a" * 71 + "@example.org>", "a" * 71 + "@example.org"),
        ("<a..b@docomo.ne.jp>", "a..b@docomo.ne.jp"),
        ("<.a@docomo.ne.jp>", ".a@docomo.ne.jp"),
        ("<a.@docomo.ne.jp>", "a.@docomo.ne.jp"),
        ("<a@my_host.example.org>", "a@my_host.example.org"),
        ("<a@example.org.>", "a@example.org"),
        (" <a@example.org>", "a@example.org"),
        ("<@relay.example,@r2.example:a@example.org>", "a@example.org"),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ('<"needless"@example.org>', '"needless"@example.org'),
        ('<""@example.org>', '""@example.org'),
        ("<> ", ""),
        ("<A@EXAMPLE.ORG>", "A@EXAMPLE.ORG"),
        ("<a@example.org> SIZE=0", "a@example.org"),
    ],
)
def test_a_strangers_address_is_read_however_it_is_spelled(
    hall: Hall, typed: str, kept: str, size: int | None
) -> None:
    talk = HELLO + mail(typed) + RCPT + DATA + TEXT
    assert say(hall, talk, size=size)[-1] == "250 2.0.0"
    (write,) = hall.writer.writes
    assert write.reverse_path == kept
    assert write.return_path == f"Return-Path: <{kept}>\r\n".encode()


@pytest.mark.parametrize(
    "typed",
    ["a@example.org", "scan", "<scan>", "", "<a@example.org", "<a@example.org>SIZE=1", "<a b@c.fr>",
     "<a\x01b@c.fr>", "<a\x7f@c.fr>", "< a@c.fr>", "<" + "a" * 900 + "@b.fr>", "<postmaster>"],
)  # fmt: skip
def test_a_stranger_writes_brackets_and_a_domain(hall: Hall, typed: str) -> None:
    assert say(hall, HELLO + mail(typed))[-1] == "501 5.1.7"


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        (" SIZE=", "501 5.5.4"),
        (" SIZE", "501 5.5.4"),
        (" SIZE=99999999999999999999", "552 5.3.4"),
        (" SIZE=999999999999999999999", "501 5.5.4"),
        (" FOO=1", "555 5.5.4"),
        (" FOO", "555 5.5.4"),
        (" SIZE=1SMTPUTF8", "501 5.5.4"),
        ("  SIZE=1   BODY=8BITMIME  ", "250 2.1.0"),
    ],
)
def test_parameters_behind_a_sender(hall: Hall, parameters: str, answer: str) -> None:
    assert say(hall, HELLO + mail(f"<a@example.org>{parameters}"))[-1] == answer


@pytest.mark.parametrize("listener", [MX, SUBMISSION], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" scan@h", "scan@h"),
        ("scan@h SIZE=100", "scan@h"),
        ("scan", f"scan@{DOMAIN}"),
        (" <scan>", f"scan@{DOMAIN}"),
        ("< scan@h >", "scan@h"),
        ("postmaster", f"postmaster@{DOMAIN}"),
        ('"scan er"', f'"scan er"@{DOMAIN}'),
    ],
)
def test_a_machine_of_ours_leaves_out_what_it_likes(
    trusting: Hall, typed: str, kept: str, listener: object
) -> None:
    talk = HELLO + mail(typed) + rcpt("marie") + rcpt(" x@elsewhere.org NOTIFY=NEVER") + DATA + TEXT
    heard = say(trusting, talk, listener=listener)  # type: ignore[arg-type]
    assert heard[1:] == ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354", "250 2.0.0"]
    (write,) = trusting.writer.writes
    assert write.reverse_path == kept
    here, away = write.copies
    assert (here.recipient, here.route) == (f"marie@{DOMAIN}", Deposit(mailbox_id=MARIE_INBOX))
    assert away.recipient == "x@elsewhere.org"


@pytest.mark.parametrize("typed", ["<a@h", "<a@h>SIZE=1", "", "a@b@c"])
def test_what_a_machine_of_ours_cannot_mean_is_501(trusting: Hall, typed: str) -> None:
    assert say(trusting, HELLO + mail(typed))[-1] == "501 5.1.7"
    assert say(trusting, HELLO + MAIL + rcpt(typed))[-1] == "501 5.1.3"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("marie", "250 2.1.0"),
        ("<marie>", "250 2.1.0"),
        (f" marie.dupont@{DOMAIN}", "250 2.1.0"),
        (f"<Marie@{DOMAIN}.>", "250 2.1.0"),
        (f'<"marie"@{DOMAIN}>', "250 2.1.0"),
        ("pierre", "550 5.7.1"),
        (f"<marie.@{DOMAIN}>", "550 5.7.1"),
        (f"<marie..dupont@{DOMAIN}>", "550 5.7.1"),
        ("SIZE=10", "550 5.7.1"),
    ],
)
def test_a_person_who_has_signed_in_may_write_so_too_and_only_as_themselves(
    hall: Hall, typed: str, answer: str
) -> None:
    assert say(hall, HELLO + AUTH + mail(typed), listener=SUBMISSION)[-1] == answer


@pytest.mark.parametrize(
    "recipient", ["a..b@docomo.ne.jp", ".a@docomo.ne.jp", "a.@docomo.ne.jp", "a" * 90 + "@x.org"]
)
def test_a_recipient_elsewhere_goes_out_as_typed(hall: Hall, recipient: str) -> None:
    talk = HELLO + AUTH + OWN_MAIL + rcpt(f"<{recipient}>") + DATA + TEXT
    assert say(hall, talk, listener=SUBMISSION)[-1] == "250 2.0.0"
    (copy,) = hall.writer.writes[0].copies
    assert copy.recipient == recipient
    assert isinstance(copy.route, Relay)


@pytest.mark.parametrize(
    ("recipient", "answer"),
    [
        (f"<marie@{DOMAIN}.>", "250 2.1.5"),
        (f"<MARIE@{DOMAIN.upper()}>", "250 2.1.5"),
        (f'<"marie"@{DOMAIN}>', "250 2.1.5"),
        (f"<@elsewhere.org:marie@{DOMAIN}>", "250 2.1.5"),
        ("<postmaster>", "250 2.1.5"),
        ("<postmaster> NOTIFY=NEVER", "250 2.1.5"),
        ("<postmaster> FOO=1", "555 5.5.4"),
        (f"<marie..x@{DOMAIN}>", "550 5.1.1"),
        (f"<.marie@{DOMAIN}>", "550 5.1.1"),
        (f"<{'m' * 300}@{DOMAIN}>", "550 5.1.1"),
        (f'<""@{DOMAIN}>', "550 5.1.1"),
        ("<a..b@elsewhere.org>", "550 5.7.1"),
        (f"<marie%elsewhere.org@{DOMAIN}>", "550 5.1.1"),
        (f"<marie@{DOMAIN}>SIZE=1", "501 5.1.3"),
        (f"<marie@{DOMAIN}", "501 5.1.3"),
        (f"marie@{DOMAIN}", "501 5.1.3"),
        ("marie", "501 5.1.3"),
        (f"<marie@{DOMAIN}> FOO=1", "555 5.5.4"),
    ],
)
def test_recipients_that_a_stranger_names(hall: Hall, recipient: str, answer: str) -> None:
    assert say(hall, HELLO + MAIL + rcpt(recipient))[-1] == answer


def test_octets_count_and_not_characters(hall: Hall) -> None:
    talk = HELLO + "MAIL FROM:<{}@b.fr> SMTPUTF8\r\n".format("é" * 400).encode()
    assert say(hall, talk)[-1] == "250 2.1.0"
    talk = HELLO + "MAIL FROM:<{}@b.fr> SMTPUTF8\r\n".format("é" * 450).encode()
    assert say(hall, talk)[-1] == "501 5.1.7"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("marie+ski", "250"),
        ("Marie.Dupont+Ski.2026", "250"),
        ("pierre+marie", "550"),
        ("márie", "550"),
        ("ｍａｒｉｅ", "550"),
        ("márie+ski", "550"),
        ('"marie+ <x>"', "550"),
    ],
)
def test_who_gets_the_mail_of_a_spelling_may_write_under_it_but_for_what_looks_like_another(
    hall: Hall, typed: str, code: str
) -> None:
    address = f"{typed}@{DOMAIN}"
    sender = mail(f"<{address}> SMTPUTF8")
    assert say(hall, HELLO + AUTH + sender, listener=SUBMISSION)[-1].startswith(code)
    text = f"From: Marie <{address}>\r\n\r\nhello\r\n.\r\n".encode()
    own = mail(f"<marie@{DOMAIN}> SMTPUTF8")
    talk = HELLO + AUTH + own + RCPT + DATA + text
    assert say(hall, talk, listener=SUBMISSION)[-1].startswith(code)
