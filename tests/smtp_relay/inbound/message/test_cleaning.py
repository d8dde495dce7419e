"""What goes out of a header block: Bcc where people submit, results in our name from outside."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.inbound.message.header import Cleaning, FieldFilter
from tests.dkim.verifier import make_signer, verdicts, zone_of
from tests.smtp_relay.inbound.fakes import DOMAIN, MX, SUBMISSION, Hall, make_settings
from tests.smtp_relay.inbound.wire import AUTH, DATA, ENVELOPE, HELLO, SIZES, SUBMIT_ENVELOPE, say

OURS = frozenset({DOMAIN, f"mail.{DOMAIN}"})
FROM = b"From: marie@ac-exemple.fr\r\n"


def cleaned(block: bytes, *, is_submission: bool = True, cuts: list[int] | None = None) -> bytes:
    one = FieldFilter(Cleaning(OURS, is_submission=is_submission))
    pieces, start = [], 0
    for size in cuts or []:
        piece = block[start : start + size]
        if piece.endswith(b"\r"):  # the reader holds it back
            piece = block[start : start + size + 1]
        pieces.append(piece)
        start += len(piece)
    pieces.append(block[start:])
    return b"".join(
        one.feed(piece, is_last=number == len(pieces) - 1) for number, piece in enumerate(pieces)
    )


@pytest.mark.parametrize(
    ("field", "stays"),
    [
        (b"Bcc: pierre@ac-exemple.fr\r\n", False),
        (b"BCC:x\r\n\ty,\r\n z\r\n", False),
        (b"bcc : x\r\n", False),
        (b"Resent-Bcc: x\r\n", False),
        (b"Bcc:\r\n", False),
        (b"Bcc: " + b"x," * 5000 + b"\r\n " + b"y," * 5000 + b"\r\n", False),
        (b"Return-Path: <boss@ac-exemple.fr>\r\n", False),
        (b"RETURN-PATH :\r\n <boss@ac-exemple.fr>\r\n", False),
        (b"Return-Path: <>\r\n", False),
        (b"X-Return-Path: x\r\n", True),
        (b"Return-Pathos: x\r\n", True),
        (b"Return-Receipt-To: x\r\n", True),
        (b"X-Bcc: x\r\n", True),
        (b"Bccx: x\r\n", True),
        (b"Subject: Bcc: x\r\n", True),
        (b"Subject: a\r\n Bcc: x\r\n", True),
        (b"Authentication-Results: mail.ac-exemple.fr; dkim=pass\r\n", False),
        (b"AUTHENTICATION-RESULTS:\r\n MAIL.AC-EXEMPLE.FR. 1; spf=pass\r\n", False),
        (b'Authentication-Results: (a (b) c) "mail.ac-exemple.fr";\r\n x=y\r\n', False),
        (b"Authentication-Results: mx2.ac-exemple.fr; none\r\n", False),
        (b"Authentication-Results: ac-exemple.fr\r\n", False),
        (b"Authentication-Results : ac-exemple.fr; none\r\n", False),
        (b"Authentication-Results: \r\n", False),
        (b"Authentication-Results: ac-exemple.fr; " + b"x" * 9000 + b"\r\n y\r\n", False),
        (b"Authentication-Results: mx.google.com; dkim=pass\r\n header.d=ac-exemple.fr\r\n", True),
        (b"Authentication-Results: mx.google.com; " + b"x" * 9000 + b"\r\n y\r\n", True),
        (b"Authentication-Results: notac-exemple.fr; none\r\n", True),
        (b"Authentication-Results: ac-exemple.fr.evil.example; none\r\n", True),
        (b"ARC-Authentication-Results: i=1; mail.ac-exemple.fr; none\r\n", True),
        (b"X-Authentication-Results: mail.ac-exemple.fr; none\r\n", True),
    ],
)
@pytest.mark.parametrize("size", [None, 1, 7, 100])
def test_which_fields_go(field: bytes, size: int | None, *, stays: bool) -> None:
    block = FROM + field + b"To: x@y.fr\r\n" + field + b"\r\n"
    cuts = [] if size is None else [size] * (len(block) // size)
    meant = block if stays else FROM + b"To: x@y.fr\r\n\r\n"
    assert cleaned(block, cuts=cuts) == meant


def test_bcc_stays_where_nobody_submits() -> None:
    block = FROM + b"Bcc: x\r\nAuthentication-Results: ac-exemple.fr; x\r\n\r\n"
    assert cleaned(block, is_submission=False) == FROM + b"Bcc: x\r\n\r\n"


@given(
    words=st.lists(
        st.sampled_from(
            b"Bcc bcc: : \r\n Authentication-Results: a ac- ac-exemple.fr ; ( \t \n Resent-".split(
                b" "
            )
        ),
        max_size=40,
    ),
    cuts=st.lists(st.integers(1, 20), max_size=40),
)
def test_any_block_in_any_pieces_loses_the_same_octets(words: list[bytes], cuts: list[int]) -> None:
    block = b"".join(words)
    assert cleaned(block, cuts=cuts) == cleaned(block)
    assert not re.search(rb"(?m)^(?:Resent-)?Bcc[ \t]*(?::|$)", cleaned(block), re.IGNORECASE)


# --- at the doors ------------------------------------------------------------------------------


@SIZES
def test_bcc_does_not_reach_recipients(hall: Hall, size: int | None) -> None:
    hall.service.signer = make_signer(DOMAIN)
    header = FROM + b"Bcc: Pierre <pierre@ac-exemple.fr>,\r\n x@elsewhere.org\r\nSubject: x\r\n\r\n"
    talk = HELLO + AUTH + b"MAIL FROM:<marie@ac-exemple.fr>\r\nRCPT TO:<x@elsewhere.org>\r\n" + DATA
    heard = say(hall, talk + header + b"hello\r\n.\r\n", listener=SUBMISSION, size=size)
    assert heard[-1] == "250 2.0.0"
    (write,) = hall.writer.writes
    assert hall.body() == FROM + b"Subject: x\r\n\r\nhello\r\n"
    assert write.facts.header_octets == len(FROM) + len(b"Subject: x\r\n\r\n")
    assert hall.service.counters.accepted_octets == len(hall.body())
    assert verdicts(write.head + hall.body(), zone_of(hall.service.signer)) == [True, True]


@SIZES
def test_a_return_path_of_somebody_else_does_not_reach_recipients(
    hall: Hall, size: int | None
) -> None:
    """RFC 5321 §4.4: what starts here has none; ours stands above, once."""
    forged = b"Return-Path: <boss@ac-exemple.fr>\r\n"
    talk = SUBMIT_ENVELOPE + forged + FROM + b"return-path:\r\n <x@y.fr>\r\n\r\nhello\r\n.\r\n"
    assert say(hall, talk, listener=SUBMISSION, size=size)[-1] == "250 2.0.0"
    (write,) = hall.writer.writes
    assert hall.body() == FROM + b"\r\nhello\r\n"
    assert b"boss" not in write.head + write.return_path


def test_a_stranger_s_return_path_is_not_looked_for(hall: Hall) -> None:
    """RFC 5321 §4.4: who relays MUST NOT look for it; whose final delivery it is, MAY."""
    field = b"Return-Path: <list@elsewhere.org>\r\n"
    assert say(hall, ENVELOPE + field + FROM + b"\r\nx\r\n.\r\n")[-1] == "250 2.0.0"
    assert hall.body().startswith(field)


@SIZES
def test_a_long_header_without_end_loses_its_bcc_too(hall: Hall, size: int | None) -> None:
    filler = b"X-Filler: 0123456789\r\n" * 20
    talk = SUBMIT_ENVELOPE + FROM + filler + b"Bcc: x@y.fr\r\n.\r\n"
    assert say(hall, talk, listener=SUBMISSION, size=size)[-1] == "250 2.0.0"
    assert hall.body() == FROM + filler


@pytest.mark.parametrize("who", ["a stranger", "a trusted network", "a person"])
def test_results_in_our_name_are_a_forgery_but_from_our_own_networks(
    loop: asyncio.AbstractEventLoop, who: str
) -> None:
    trusts = ("192.0.2.0/29",) if who == "a trusted network" else ()
    hall = Hall(loop, settings=make_settings(relay={"trusted_networks": trusts}))
    forged = b"Authentication-Results: mail.ac-exemple.fr; dkim=pass\r\n"
    listener, talk = (SUBMISSION, SUBMIT_ENVELOPE) if who == "a person" else (MX, ENVELOPE)
    assert say(hall, talk + forged + FROM + b"\r\nx\r\n.\r\n", listener=listener)[-1] == "250 2.0.0"
    assert (forged in hall.body()) == (who == "a trusted network")
