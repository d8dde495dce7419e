"""Other spellings of what `test_authors` and `test_authorship` refuse or find."""

from __future__ import annotations

import pytest

from tests.smtp_relay.inbound.fakes import DOMAIN, SUBMISSION, Hall
from tests.smtp_relay.inbound.wire import AUTH, DATA, HELLO, MAIL, RCPT, say

OWN, BOSS = f"marie@{DOMAIN}", f"boss@{DOMAIN}"
SUBMITTED = HELLO + AUTH + f"MAIL FROM:<{OWN}> BODY=8BITMIME SMTPUTF8\r\n".encode() + RCPT + DATA
WHOLE = "\r\n\r\nx\r\n.\r\n"


@pytest.mark.parametrize(
    "block",
    [
        f"From: boss@(c){DOMAIN}, {OWN}",
        f'From: "boss@ac-exemple .fr" <{OWN}>',
        f"From: =?utf-8?q?=3D=3Futf-8=3Fq=3Fboss=3D40ac-exemple.fr=3F=3D?= <{OWN}>",
        "From: undisclosed:;",
        f"From: {BOSS}: {OWN};",
        f"From: {OWN}\r\nSender:\r\n {BOSS}",
        f"From: {OWN}\r\nResent-Sender: {BOSS}",
        f"From: {OWN}\r\nFrom\r\n : {BOSS}",
        f"From: {OWN}\r\n From: {BOSS}",
        f" From: {BOSS}\r\nFrom: {OWN}",
        f"\ufeffFrom: {BOSS}\r\nFrom: {OWN}",
        f"From: {OWN}\r\n\t,{BOSS}",
        f"From: {OWN}\r\n \r\nboss: x",
        f"From: \xa0{BOSS} <{OWN}>",
        f"From: boss\uff20{DOMAIN} <{OWN}>",
        f"From: {OWN} <{BOSS}>",
        f'From: "{OWN}, boss"@{DOMAIN}',
        f"X: {'z ' * 40_000}\r\nFrom: {BOSS}\r\nFrom: {OWN}",
        f"Comments: x\r\nfrom : {BOSS}\r\nFrom: {OWN}",
        f"FROM:{OWN}\r\nfrom:\t{BOSS}",
    ],
)
def test_no_other_spelling_lets_somebody_write_as_somebody_else(hall: Hall, block: str) -> None:
    said = say(hall, SUBMITTED + (block + WHOLE).encode(), listener=SUBMISSION)[-1]
    assert said.startswith("550 5.")
    assert not hall.writer.writes


@pytest.mark.parametrize(
    "path",
    [
        "boss@AC-Exemple.FR",
        f"{BOSS}.",
        f'"boss"@{DOMAIN}',
        f"@relay.example:{BOSS}",
        f"boss+x@{DOMAIN}",
    ],
)
def test_no_other_spelling_of_a_reverse_path_is_anybody_elses(hall: Hall, path: str) -> None:
    talk = HELLO + f"MAIL FROM:<{path}>\r\n".encode() + RCPT + DATA
    assert say(hall, talk + b"From: a@b.example\r\n\r\nx\r\n.\r\n")[-1] == "250 2.0.0"
    assert hall.writer.writes[-1].facts.is_unvouched


@pytest.mark.parametrize("command", [b"BDAT 3 LAST\r\n", b"BDAT 0 LAST\r\n"])
def test_there_is_no_second_way_to_bring_a_message(hall: Hall, command: bytes) -> None:
    """RFC 3030 is not offered, so what follows is read as commands, and none is a message."""
    assert say(hall, HELLO + MAIL + RCPT + command)[-1] == "500 5.5.1"
    assert not hall.writer.writes
