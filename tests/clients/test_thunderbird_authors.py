"""Whom Thunderbird shows as the author of what somebody has submitted: nobody else."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.academy import PATIENCE_S, Academy
from tests.clients.thunderbird import MARKS, TLS, Thunderbird

pytestmark = MARKS

# What `tests/smtp_relay/inbound/authors/test_authors.py` refuses is not tried again here.
TRIES = (
    "From: {me}",
    "From: Isabel <{me}>",
    'From: "Nunez, Isabel" <{me}>',
    "From: Isabel Nunez (DSDEN 17) <{me}>",
    "From: {me} (Isabel)",
    'From: "{me}" <{me}>',
    "From: {me} <{me}>",
    "From: =?utf-8?q?Isabel_N=C3=BA=C3=B1ez?= <{me}>",
    "From: <{me}>, Isabel <{me}>",
    "From: Isabel <{me}>\r\nSender: {me}\r\nReply-To: Boss <{boss}>",
    ">From: Boss <{boss}>\r\nFrom: {me}",
    "X-From: Boss <{boss}>\r\nFrom: {me}\r\nX-Sender: {boss}",
    "Resent-From: {me}\r\nFrom: {me}",
    "Subject: From: Boss <{boss}>\r\n From: Boss <{boss}>\r\nFrom: {me}",
)


@pytest.fixture
def thunderbird(academy: Academy, tmp_path: Path) -> Iterator[Thunderbird]:
    program = Thunderbird(academy, tmp_path, who="jmartin", tls=TLS)
    try:
        yield program
    finally:
        program.stop()


def submit(academy: Academy, header: str) -> None:
    me = academy.address("inunez")
    text = f"{header}\r\nTo: {academy.address('jmartin')}\r\n\r\nBonjour\r\n"
    context = ssl.create_default_context(cafile=academy.authority)
    port = academy.port("submissions")
    with smtplib.SMTP_SSL("localhost", port, timeout=PATIENCE_S, context=context) as smtp:
        smtp.login("inunez", academy.password("inunez"))
        smtp.sendmail(me, [academy.address("jmartin")], text.encode("utf-8"))


def test_thunderbird_shows_the_true_author(academy: Academy, thunderbird: Thunderbird) -> None:
    me, boss = academy.address("inunez"), academy.address("eguerin")
    for header in TRIES:
        submit(academy, header.format(me=me, boss=boss))
        thunderbird.collect()
        shown = thunderbird.read().sender
        assert boss not in shown, header
        assert "Boss" not in shown, header
        assert me in shown or "Isabel" in shown or "Nunez" in shown, header
