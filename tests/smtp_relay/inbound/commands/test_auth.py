"""AUTH, told as conversations: who is let in, who is not, and in which words."""

from __future__ import annotations

import base64

import pytest
from structlog.testing import capture_logs

from mailserver.auth.gate import FirstPasswordEnded
from smtp_relay.inbound.service import Listener
from tests.smtp_relay.inbound.fakes import (
    CLEAR_SUBMISSION,
    MARIE,
    PASSWORD,
    SUBMISSION,
    Hall,
    Stage,
)
from tests.smtp_relay.inbound.wire import (
    AUTH,
    DATA,
    HELLO,
    MAIL,
    PLAIN,
    SIZES,
    begin,
    codes,
    lines,
    say,
)


@SIZES
@pytest.mark.parametrize("is_slow", [False, True], ids=["remembered", "hashed"])
@pytest.mark.parametrize(
    ("talk", "challenges"),
    [
        (b"AUTH PLAIN " + PLAIN + b"\r\n", []),
        (b"auth plain\r\n" + PLAIN + b"\r\n", ["334 "]),
        (
            b"AUTH LOGIN\r\n" + base64.b64encode(b"MDupont ") + b"\r\n"
            + base64.b64encode(PASSWORD) + b"\r\n",
            ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"],
        ),
        (
            b"AUTH login " + base64.b64encode(b"mdupont") + b"\r\n"
            + base64.b64encode(PASSWORD) + b"\r\n",
            ["334 UGFzc3dvcmQ6"],
        ),
    ],
    ids=["PLAIN at once", "PLAIN asked", "LOGIN asked", "LOGIN with the name"],
)  # fmt: skip
def test_signing_in(
    hall: Hall, talk: bytes, challenges: list[str], size: int | None, *, is_slow: bool
) -> None:
    hall.gate.is_slow = is_slow
    stage = Stage(hall, SUBMISSION)
    begin(stage, HELLO)
    heard = lines(stage.send(talk, size=size))
    assert heard[:-1] == challenges
    assert heard[-1].startswith("235 2.7.0")
    assert [(account, seen.door) for account, seen in hall.store.seen] == [(MARIE, "submissions")]


@SIZES
@pytest.mark.parametrize(
    ("talk", "answers"),
    [
        (b"AUTH PLAIN !!!!\r\n", ["501 5.5.2"]),
        (b"AUTH PLAIN AAA\r\n", ["501 5.5.2"]),
        (b"AUTH PLAIN bm8gbnVscw==\r\n", ["501 5.5.2"]),
        (b"AUTH PLAIN =\r\n", ["501 5.5.2"]),
        (b"AUTH LOGIN\r\n\xe9\r\n", ["334", "501 5.5.2"]),
        (b"AUTH LOGIN\r\n*\r\nNOOP\r\n", ["334", "501 5.7.0", "250 2.0.0"]),
        (b"AUTH PLAIN\r\n" + b"x" * 12_300 + b"\r\nNOOP\r\n", ["334", "500 5.5.6", "250 2.0.0"]),
        (b"AUTH XOAUTH2 abc\r\n", ["504 5.5.4"]),
        (b"AUTH\r\n", ["501 5.5.4"]),
        (b"AUTH PLAIN a b\r\n", ["501 5.5.4"]),
        (AUTH + AUTH, ["235 2.7.0", "503 5.5.1"]),
        (AUTH + b"MAIL FROM:<marie@ac-exemple.fr>\r\n" + AUTH,
         ["235 2.7.0", "250 2.1.0", "503 5.5.1"]),
        (b"AUTH PLAIN " + base64.b64encode(b"\0mdupont\0wrong") + b"\r\n", ["535 5.7.8"]),
    ],
)  # fmt: skip
def test_signing_in_badly(hall: Hall, talk: bytes, answers: list[str], size: int | None) -> None:
    stage = Stage(hall, SUBMISSION)
    begin(stage, HELLO)
    assert codes(stage.send(talk, size=size)) == answers


@pytest.mark.parametrize(
    ("acts_for", "answer"),
    [
        (b"", "235 2.7.0"),
        (b" ", "235 2.7.0"),
        (b"mdupont", "235 2.7.0"),
        (b" MDupont", "235 2.7.0"),
        (b"ACADEMIE\\mdupont", "235 2.7.0"),
        (b"pierre", "535 5.7.8"),
        (b"mdupont2", "535 5.7.8"),
        (b"*", "535 5.7.8"),
        (b"\xff", "535 5.7.8"),
    ],
)
def test_nobody_acts_for_somebody_else_with_their_own_password(
    hall: Hall, acts_for: bytes, answer: str
) -> None:
    plain = base64.b64encode(acts_for + b"\0mdupont\0" + PASSWORD)
    talk = HELLO + b"AUTH PLAIN " + plain + b"\r\n"
    assert say(hall, talk, listener=SUBMISSION)[-1] == answer


@pytest.mark.parametrize("password", ["mot de passe", "été", "a b "])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_password_arrives_as_its_octets(hall: Hall, password: str, encoding: str) -> None:
    octets = password.encode(encoding)
    plain = base64.b64encode(b"\0mdupont\0" + octets)
    say(hall, HELLO + b"AUTH PLAIN " + plain + b"\r\n", listener=SUBMISSION)
    assert hall.gate.asked == [(b"mdupont", octets)]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_name_that_was_denied_is_logged_in_letters(hall: Hall, encoding: str) -> None:
    plain = base64.b64encode(b"\0" + "andré".encode(encoding) + b"\0wrong")
    with capture_logs() as logs:
        say(hall, HELLO + b"AUTH PLAIN " + plain + b"\r\n", listener=SUBMISSION)
    assert [log["user_name"] for log in logs if log["event"] == "sign-in denied"] == ["andré"]


def test_no_password_travels_in_clear(hall: Hall) -> None:
    stage = Stage(hall, CLEAR_SUBMISSION)
    heard = stage.send(HELLO)
    assert b"AUTH" not in heard
    assert codes(stage.send(AUTH)) == ["538 5.7.11"]
    assert hall.gate.asked == []


@pytest.mark.parametrize(
    ("peer", "answer"), [("127.0.0.1", "235 2.7.0"), ("192.0.2.7", "538 5.7.11")]
)
def test_loopback_may_sign_in_in_clear_when_the_listener_says_so(
    hall: Hall, peer: str, answer: str
) -> None:
    listener = Listener(
        name="submission", role=SUBMISSION.role, language="en", allows_plaintext=True
    )
    stage = Stage(hall, listener, peer=peer)
    assert codes(stage.send(HELLO + AUTH))[-1] == answer


def test_too_many_failures_end_the_session(hall: Hall) -> None:
    wrong = b"AUTH PLAIN " + base64.b64encode(b"\0mdupont\0no") + b"\r\n"
    stage = Stage(hall, SUBMISSION)
    heard = codes(stage.send(HELLO + wrong * 9))
    assert heard[2:] == ["535 5.7.8"] * 5 + ["421 4.7.0"]
    assert stage.is_closed


def test_a_first_password_whose_grace_is_over_says_where_to_go(hall: Hall) -> None:
    hall.gate.fixed = FirstPasswordEnded()
    stage = Stage(hall, SUBMISSION)
    assert stage.send(HELLO + AUTH).endswith(
        b"535 5.7.8 Your first password has ended; ask your correspondent for another one\r\n"
    )


def test_a_full_hashing_pool_is_454(hall: Hall) -> None:
    hall.gate.is_full = True
    assert say(hall, HELLO + AUTH, listener=SUBMISSION)[-1] == "454 4.7.0"


def test_submission_answers_in_french_and_mx_in_english(hall: Hall) -> None:
    french = Listener(name="submissions", role=SUBMISSION.role, language="fr", is_tls=True)
    stage = Stage(hall, french)
    begin(stage, b"")
    assert stage.send(b"EHLO x\r\nMAIL FROM:<a@b>\r\n").endswith(
        b"530 5.7.0 Identifiez-vous d'abord ; activez l'identification SMTP dans votre logiciel\r\n"
    )
    stage = Stage(hall)
    assert b"Nobody has this address here" in stage.send(
        HELLO + MAIL + b"RCPT TO:<x@ac-exemple.fr>\r\n"
    )


@pytest.mark.parametrize("version", [None, 2], ids=["deleted", "suspended or another password"])
def test_a_session_whose_sign_in_has_ended_sends_no_more(hall: Hall, version: int | None) -> None:
    stage = Stage(hall, SUBMISSION)
    mail = b"MAIL FROM:<marie.dupont@ac-exemple.fr>\r\n"
    assert codes(stage.send(HELLO + AUTH + mail + b"RSET\r\n"))[-2:] == ["250 2.1.0", "250 2.0.0"]
    if version is None:
        del hall.store.versions[MARIE]
    else:
        hall.store.versions[MARIE] = version
    assert codes(stage.send(mail + b"NOOP\r\n")) == ["530 5.7.0"]
    assert stage.is_closed


def test_a_message_under_way_when_the_account_is_locked_is_not_taken(hall: Hall) -> None:
    stage = Stage(hall, SUBMISSION)
    mail = b"MAIL FROM:<marie.dupont@ac-exemple.fr>\r\nRCPT TO:<x@elsewhere.org>\r\n" + DATA
    assert codes(stage.send(HELLO + AUTH + mail))[-1] == "354"
    hall.store.versions[MARIE] = 2
    text = b"From: marie.dupont@ac-exemple.fr\r\n\r\nhello\r\n.\r\nNOOP\r\n"
    assert codes(stage.send(text)) == ["530 5.7.0"]
    assert stage.is_closed
    assert hall.writer.writes == []
