"""What strangers bring under our name is deposited, and goes nowhere under our name."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.dkim.signer import Signer
from mailserver.values.address import fold_domain
from mailserver.values.message import UNVOUCHED, Deposit
from smtp_relay.inbound.authors.authorship import OwnAuthors
from tests.dkim.verifier import KEYS
from tests.smtp_relay.inbound.fakes import DOMAIN, Hall, make_settings, make_target
from tests.smtp_relay.inbound.transaction.test_recipients import SOMEBODY, accepted
from tests.smtp_relay.inbound.wire import DATA, HELLO, MAIL, say

OURS = OwnAuthors({DOMAIN, fold_domain("écoles.test")})
ELSEWHERE = "home@provider.example"
FORGED = f"From: Boss <boss@{DOMAIN}>\r\nSubject: x\r\n\r\npay this\r\n.\r\n".encode()


@pytest.mark.parametrize(
    "block",
    [
        f"From: boss@{DOMAIN}",
        f"FROM : Boss <BOSS@{DOMAIN.upper()}>",
        f"From: Paul <paul@b.test>, boss@{DOMAIN}",
        f"From: Paul <paul@b.test>,\r\n\tBoss <boss@{DOMAIN}>",
        f'From: "boss@{DOMAIN}" <paul@b.test>',
        f"From: paul@b.test (boss@{DOMAIN})",
        f"From: boss@{DOMAIN}: paul@b.test;",
        f"From: paul@b.test\r\nSender: boss@{DOMAIN}",
        f"From: paul@b.test\r\nResent-From: boss@{DOMAIN}",
        f"From: paul@b.test\r\nFrom: boss@{DOMAIN}",
        f"From\x0b: boss@{DOMAIN}\r\nFrom: paul@b.test",
        f"From: =?utf-8?q?boss=40{DOMAIN}?= <paul@b.test>",
        "From: =?utf-8?b?Ym9zc0BhYy1leGVtcGxlLmZy?= <paul@b.test>",
        "From: chef@écoles.test",
        "From: chef@ÉCOLES.test",
        "From: boss@\uff41\uff43-exemple.fr",  # full-width letters
        f"Received: x\r\nSubject: y\r\nFrom: boss@ {DOMAIN}",
        f"From: boss@(who?){DOMAIN}",
        f"From: boss(x)@(a (b) c) {DOMAIN} (Boss)",
        f"From: boss@(\\)){DOMAIN}",
        "From: boss@ac-exemple(c).fr",
        "From: boss@ac-exemple . fr",
        "From: boss@ac-exemple (c) . fr Boss",
        f"From: boss@[{DOMAIN}]",
        f'From: boss@"{DOMAIN}"',
        "From: boss@ac\\-exemple.fr",
        f"From: boss@{DOMAIN}\x00",
        "From: boss@ac-\x00exemple.fr",
        "From: =?utf-8?q?=3D=3Futf-8=3Fq=3Fboss=3D40ac-exemple.fr=3F=3D?= <paul@b.test>",
        f"From: paul@b.test\r\n\x0bFrom: boss@{DOMAIN}",
        f"From: paul@b.test\r\n\ufeffFrom: boss@{DOMAIN}",
        f"From: paul@b.test\r\nF\x00rom: boss@{DOMAIN}",
        f"From: paul@b.test\r\nX: {'z ' * 40_000}\r\nFrom: boss@{DOMAIN}",
        f"X: {'z ' * 40_000}\r\nFrom: boss@{DOMAIN}",
        f"From: paul@b.test\r\nFrom: {'z ' * 40_000}",
    ],
)
def test_an_author_of_ours_is_found_however_it_is_written(block: str) -> None:
    assert OURS.is_in(block.encode() + b"\r\n\r\n")


@pytest.mark.parametrize(
    "block",
    [
        "From: paul@b.test",
        f"From: paul@b.test\r\nTo: boss@{DOMAIN}\r\nReply-To: boss@{DOMAIN}",
        f"From: paul@sub.{DOMAIN}",
        f"From: Paul (of {DOMAIN}) <paul@b.test>",
        f"From: Paul M. Durand <paul@b.test> (at home)\r\nSubject: caf\xe9 boss@{DOMAIN}",
        f"Subject: caf\xe9\r\n\tboss@{DOMAIN}\r\nFrom: paul@b.test",
        f"From: paul@not{DOMAIN}",
        f"From: paul@{DOMAIN}.b.test",
        f"From: {DOMAIN} <paul@b.test>",
        f"X-From: boss@{DOMAIN}\r\nFromage: boss@{DOMAIN}\r\nFrom: paul@b.test",
        "Subject: no author",
        "",
    ],
)
def test_other_fields_and_other_domains_are_none(block: str) -> None:
    assert not OURS.is_in(block.encode() + b"\r\n\r\n")


@given(st.binary(max_size=300))
def test_whatever_comes_is_read(block: bytes) -> None:
    assert OURS.is_in(block + b"\r\n\r\n") in {True, False}


def test_it_is_deposited_with_a_line_in_its_journey(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7)
    (copy,) = accepted(hall, text=FORGED)
    assert isinstance(copy.route, Deposit)
    assert UNVOUCHED in copy.note
    assert hall.writer.writes[-1].facts.is_unvouched


@pytest.mark.parametrize("keeps_copy", [True, False])
def test_a_forward_keeps_it(hall: Hall, *, keeps_copy: bool) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=ELSEWHERE, keeps_copy=keeps_copy)
    copies = accepted(hall, text=FORGED)
    assert all(isinstance(copy.route, Deposit) for copy in copies)
    assert f"not sent on to {ELSEWHERE}: {UNVOUCHED}" in copies[0].note


def test_a_reverse_path_of_ours_is_enough(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7)
    accepted(hall, sender=f"MAIL FROM:<boss@{DOMAIN}>\r\n".encode())
    assert hall.writer.writes[-1].facts.is_unvouched


def test_mail_of_others_pays_nothing_and_goes_on(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=ELSEWHERE, keeps_copy=True)
    away, here = accepted(hall)
    assert (away.recipient, here.note) == (ELSEWHERE, "")
    assert not hall.writer.writes[-1].facts.is_unvouched


@pytest.mark.parametrize("size", [None, 1, 7])
def test_what_we_signed_goes_on_as_usual(hall: Hall, size: int | None) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=ELSEWHERE, keeps_copy=True)
    signer = Signer(keys=KEYS, domains=frozenset({DOMAIN}), domain=DOMAIN)
    hall.service.signer = signer
    header, _, body = FORGED.partition(b"\r\n\r\n")
    body = body.removesuffix(b".\r\n")
    signature = signer.sign_pieces(header + b"\r\n\r\n", [body], now_s=0.0)
    talk = HELLO + MAIL + f"RCPT TO:<{SOMEBODY}>\r\n".encode() + DATA + signature + FORGED
    assert say(hall, talk, size=size)[-1] == "250 2.0.0"
    write = hall.writer.writes[-1]
    assert [copy.recipient for copy in write.copies] == [ELSEWHERE, SOMEBODY]
    assert (write.facts.is_unvouched, write.facts.is_signed_by_us) == (False, True)
    changed = talk.replace(b"pay this", b"pay that")
    assert say(hall, changed, size=size)[-1] == "250 2.0.0"
    brought = [write.facts for write in hall.writer.writes if write.peer]
    assert [facts.is_unvouched for facts in brought] == [False, True]
    assert [facts.is_signed_by_us for facts in brought] == [True, False]


def test_trusted_machines_may_write_under_our_name(loop: asyncio.AbstractEventLoop) -> None:
    settings = make_settings(relay={"trusted_networks": ("192.0.2.0/24",)})
    hall = Hall(loop, settings=settings)
    hall.store.targets[SOMEBODY] = make_target(7)
    (copy,) = accepted(hall, text=FORGED)
    assert copy.note == ""
    assert not hall.writer.writes[-1].facts.is_unvouched


def test_a_domain_may_refuse_it(loop: asyncio.AbstractEventLoop) -> None:
    hall = Hall(loop, settings=make_settings(refuse_own_domains=(DOMAIN,)))
    hall.store.targets[SOMEBODY] = make_target(7)
    to = f"RCPT TO:<{SOMEBODY}>\r\n".encode()
    assert say(hall, HELLO + MAIL + to + DATA + FORGED)[-1] == "550 5.7.1"
    sender = f"MAIL FROM:<boss@{DOMAIN}>\r\n".encode()
    honest = b"From: a@example.org\r\n\r\nx\r\n.\r\n"
    assert say(hall, HELLO + sender + to + DATA + honest)[-1] == "550 5.7.1"
    assert say(hall, HELLO + MAIL + to + DATA + honest)[-1] == "250 2.0.0"
