"""Thunderbird itself, in a window that nobody sees: Jeanne Martin collects, and writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.academy import Academy
from tests.clients.thunderbird import MARKS, STARTTLS, TLS, Thunderbird

pytestmark = MARKS

SCHOOL = "e-lesmimosas-saintes@ac-exemple.fr"
SUBJECT = "Été à Marennes"
TEXT = f".un point\n..\n.\n\nl'été à Marennes, l’œuvre\n{'x' * 400}\nfin\n"
_OWN_LINES = re.compile(rb"\AFrom - [^\n]*\n(?:X-(?:Account-Key|UIDL|Mozilla-[^:\n]*):[^\n]*\n)*")
"""What Thunderbird puts in front of a message in an mbox."""


@pytest.fixture(params=[STARTTLS, TLS], ids=["starttls", "tls"])
def thunderbird(
    academy: Academy, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Thunderbird]:
    program = Thunderbird(academy, tmp_path, who="jmartin", tls=request.param)
    try:
        yield program
    finally:
        program.stop()


def only_message(mbox: bytes) -> bytes:
    """The octets of the one message of an mbox, with CRLF, without what the mbox adds."""
    message, count = _OWN_LINES.subn(b"", mbox.replace(b"\r\n", b"\n"))
    assert count == 1
    # One empty line ends a message in an mbox.
    return message.removesuffix(b"\n").replace(b"\n", b"\r\n")


def test_thunderbird_collects_the_welcome_and_writes_to_a_person_and_a_school(
    academy: Academy, thunderbird: Thunderbird
) -> None:
    assert thunderbird.collect() == 1
    collected = only_message(thunderbird.folder("Inbox"))
    (kept,) = academy.mailbox("jmartin")
    assert collected.startswith(b"Return-Path: <postmaster@ac-exemple.fr>\r\nDelivered-To: ")
    assert collected.endswith(kept)
    assert thunderbird.collect() == 1  # by UIDL: not a second time

    thunderbird.send(to=academy.address("inunez"), cc=SCHOOL, subject=SUBJECT, text=TEXT)
    sent = only_message(thunderbird.folder("Sent"))
    assert TEXT.replace("\n", "\r\n").encode() in sent
    assert academy.mailbox("inunez")[-1] == sent
    assert academy.mailbox("0170705z")[-1] == sent
    # The fixture `academy` then reads the service's log: no error, no refusal.

    assert "votre boîte est ouverte" in thunderbird.read().subject
    thunderbird.picture("thunderbird")
