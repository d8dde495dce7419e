"""Conversations, fed whole and octet by octet: the same replies, the same messages."""

from __future__ import annotations

import pytest

from mailserver.store.ports.writes import Failed
from mailserver.values.message import FiledBody, InlineBody
from smtp_relay.inbound.service import Listener
from tests.smtp_relay.inbound.fakes import (
    DOMAIN,
    MARIE,
    SUBMISSION,
    Hall,
    Stage,
    make_settings,
)
from tests.smtp_relay.inbound.wire import (
    AUTH,
    DATA,
    ENVELOPE,
    HELLO,
    MAIL,
    RCPT,
    SIZES,
    SUBMIT_ENVELOPE,
    begin,
    codes,
    lines,
    say,
)

MESSAGE = b"Subject: hello\r\n\r\nBonjour\r\n..dot\r\n.\r\n"
STORED = b"Subject: hello\r\n\r\nBonjour\r\n.dot\r\n"


# --- a message ------------------------------------------------------------------


@SIZES
def test_a_message_is_stored_as_it_came_and_answered_with_its_id(
    hall: Hall, size: int | None
) -> None:
    stage = Stage(hall)
    assert lines(stage.heard()) == [f"220 mail.{DOMAIN} ESMTP"]
    heard = stage.send(ENVELOPE + MESSAGE + b"QUIT\r\n", size=size)
    assert codes(heard)[1:] == ["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221 2.0.0"]
    assert stage.is_closed
    (write,) = hall.writer.writes
    assert hall.body() == STORED
    assert write.return_path == b"Return-Path: <a@example.org>\r\n"
    assert [copy.recipient for copy in write.copies] == [f"marie@{DOMAIN}"]
    assert (write.facts.header_octets, write.facts.dotted_line_count) == (18, 1)
    assert (write.door, write.account_id, write.peer) == ("mx", None, "192.0.2.7")
    assert write.head.startswith(b"Received: from client.example ([192.0.2.7])\r\n\tby mail.")
    assert b" with ESMTP id " in write.head
    assert b"\tfor <marie@ac-exemple.fr>; " in write.head


def test_a_pipelined_batch_is_answered_in_one_write(hall: Hall) -> None:
    stage = Stage(hall)
    stage.send(HELLO)
    before = len(stage.transport.writes)
    stage.send(MAIL + RCPT + RCPT + DATA)
    assert len(stage.transport.writes) == before + 1


def test_helo_gets_the_plain_word_in_the_trace_header(hall: Hall) -> None:
    say(hall, b"HELO x\r\n" + MAIL + RCPT + DATA + MESSAGE)
    assert b" with SMTP id " in hall.writer.writes[0].head


@SIZES
def test_two_names_of_one_mailbox_are_two_copies_and_no_for_clause(
    hall: Hall, size: int | None
) -> None:
    both = RCPT + b"RCPT TO:<Marie.Dupont@AC-exemple.fr>\r\n"
    say(hall, HELLO + MAIL + both + DATA + MESSAGE, size=size)
    (write,) = hall.writer.writes
    assert [copy.recipient for copy in write.copies] == [
        f"marie@{DOMAIN}",
        "Marie.Dupont@AC-exemple.fr",
    ]
    assert b"for <" not in write.head


def test_several_messages_go_over_one_connection(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, HELLO)
    for _ in range(3):
        heard = codes(stage.send(MAIL + RCPT + DATA + MESSAGE))
        assert heard == ["250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]
    assert len(hall.writer.writes) == 3


@SIZES
@pytest.mark.parametrize(
    "body",
    [b"", b"x\r\n", b".\r\n", b"\r\n\r\n", b"\0\xe9\xff\r\n", b"a" * 70_000 + b"\r\n"],
    ids=["empty", "line", "dot", "empty lines", "NUL and 8-bit", "long line"],
)
def test_octets_are_kept_whatever_they_are(hall: Hall, body: bytes, size: int | None) -> None:
    wire = b"".join(
        b"." + line if line.startswith(b".") else line for line in body.splitlines(keepends=True)
    )
    say(hall, ENVELOPE + wire + b".\r\n", size=size)
    assert hall.body() == body


def test_a_line_of_a_megabyte_is_accepted(hall: Hall) -> None:
    body = b"Subject: x\r\n\r\n" + b"z" * 1_000_000 + b"\r\n"
    assert say(hall, ENVELOPE + body + b".\r\n")[-1] == "250 2.0.0"
    assert hall.body() == body
    assert hall.writer.writes[0].facts.longest_line_octets == 1_000_000


def test_a_body_over_the_inline_limit_goes_to_a_file(hall: Hall) -> None:
    body = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 30_000
    stage = Stage(hall)
    begin(stage, ENVELOPE)
    assert codes(stage.send(body + b".\r\n", size=5000)) == ["250 2.0.0"]
    assert isinstance(hall.writer.writes[0].body, FiledBody)
    assert hall.body() == body
    assert hall.service.spooling.memory.inline_octets == 0
    assert hall.service.spooling.memory.waiting_octets == 0


def test_a_small_body_stays_inline_and_gives_its_memory_back(hall: Hall) -> None:
    say(hall, ENVELOPE + MESSAGE)
    assert isinstance(hall.writer.writes[0].body, InlineBody)
    assert hall.service.spooling.memory.inline_octets == 0


# --- what bad input gets ----------------------------------------------------------


@SIZES
def test_a_declared_size_over_the_limit_is_refused_at_mail(hall: Hall, size: int | None) -> None:
    heard = say(hall, HELLO + b"MAIL FROM:<a@b.fr> SIZE=52428801\r\n", size=size)
    assert heard[-1] == "552 5.3.4"


def test_a_message_over_the_limit_is_refused_after_its_dot(hall: Hall) -> None:
    hall.service.max_octets = 1000
    heard = say(hall, ENVELOPE + b"x" * 98 + b"\r\n" + b"y" * 1200 + b"\r\n.\r\nNOOP\r\n")
    assert heard[-2:] == ["552 5.3.4", "250 2.0.0"]
    assert hall.writer.writes == []


def test_a_header_block_over_the_limit_is_refused_after_the_dot(hall: Hall) -> None:
    hall.service.max_header_octets = 20_000
    head = b"X-Filler: 0123456789\r\n" * 1000
    assert say(hall, ENVELOPE + head + b"\r\nbody\r\n.\r\n", size=4000)[-1] == "552 5.3.4"
    assert hall.writer.writes == []


def test_a_long_message_without_headers_is_no_header_block(hall: Hall) -> None:
    hall.service.max_header_octets = 20_000
    assert say(hall, ENVELOPE + b"z" * 50_000 + b"\r\n.\r\n", size=4000)[-1] == "250 2.0.0"


@SIZES
def test_each_recipient_beyond_the_limit_gets_452(hall: Hall, size: int | None) -> None:
    hall = Hall(hall.loop, settings=make_settings(max_recipients=100))
    heard = say(hall, HELLO + MAIL + RCPT * 102 + DATA + MESSAGE, size=size)
    assert heard[2:] == ["250 2.1.5"] * 100 + ["452 4.5.3"] * 2 + ["354", "250 2.0.0"]
    assert len(hall.writer.writes[0].copies) == 100


@SIZES
@pytest.mark.parametrize(
    "body", [b"a\nb\r\n", b"a\rb\r\n", b"\r\r\n", b"\n\r\n", b"x\r\n.\n", b"x\n.\r\n\r\n"]
)
def test_a_bare_cr_or_lf_is_refused_after_the_whole_data(
    hall: Hall, body: bytes, size: int | None
) -> None:
    heard = say(hall, ENVELOPE + body + b"MAIL FROM:<x@y>\r\n.\r\nNOOP\r\n", size=size)
    assert heard[-3:] == ["354", "550 5.6.0", "250 2.0.0"]
    assert hall.writer.writes == []


@SIZES
@pytest.mark.parametrize("length", [2049, 5000, 200_000])
def test_a_command_line_that_is_too_long_is_skipped(
    hall: Hall, length: int, size: int | None
) -> None:
    if size is not None and length > 5000:
        size = 999
    line = b"NOOP " + b"x" * (length - 7) + b"\r\n"
    assert say(hall, line + b"NOOP\r\n", size=size) == ["500 5.5.2", "250 2.0.0"]


def test_a_command_line_of_2048_octets_is_carried_out(hall: Hall) -> None:
    assert say(hall, b"NOOP " + b"x" * 2041 + b"\r\n") == ["250 2.0.0"]


@SIZES
@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\r\r\n", b"NO\rOP\r\n", b"\n"])
def test_a_command_with_a_bare_cr_or_lf_is_refused_and_the_next_is_in_step(
    hall: Hall, line: bytes, size: int | None
) -> None:
    assert say(hall, line + b"NOOP\r\n", size=size) == ["500 5.5.2", "250 2.0.0"]


@SIZES
@pytest.mark.parametrize(
    "path", [b"<a@", b"<", b"a@b.fr", b"<a b@c.fr>", b"<@a>", b"<a@b..fr>", b"<\xe9@b.fr>", b""]
)
def test_a_malformed_path_is_501(hall: Hall, path: bytes, size: int | None) -> None:
    heard = say(hall, HELLO + b"MAIL FROM:" + path + b"\r\n", size=size)
    assert heard[-1] == "501 5.1.7"
    heard = say(hall, HELLO + MAIL + b"RCPT TO:" + path + b"\r\n", size=size)
    assert heard[-1] == "501 5.1.3"


def test_the_null_recipient_is_malformed(hall: Hall) -> None:
    assert say(hall, HELLO + MAIL + b"RCPT TO:<>\r\n")[-1] == "501 5.1.3"


@SIZES
def test_an_unknown_parameter_is_555_and_a_bad_one_501(hall: Hall, size: int | None) -> None:
    heard = say(
        hall,
        HELLO
        + b"MAIL FROM:<a@b.fr> MT-PRIORITY=3\r\nMAIL FROM:<a@b.fr> SIZE=x\r\n"
        + b"MAIL FROM:<a@b.fr> BODY=8BITMIME SMTPUTF8 SIZE=10 AUTH=<>\r\n"
        + b"RCPT TO:<marie@ac-exemple.fr> RRVS=x\r\n",
        size=size,
    )
    assert heard[1:] == ["555 5.5.4", "501 5.5.4", "250 2.1.0", "555 5.5.4"]


def test_a_disk_nearly_full_is_452_at_mail(hall: Hall) -> None:
    hall.store.free = 512 * 1024 * 1024 - 1
    assert say(hall, HELLO + MAIL)[-1] == "452 4.3.1"


def test_an_accented_address_wants_smtputf8(hall: Hall) -> None:
    hall.store.mailboxes[f"frederic@{DOMAIN}"] = hall.store.mailboxes[f"marie@{DOMAIN}"]
    accented = "RCPT TO:<Frédéric@ac-exemple.fr>\r\n".encode()
    assert say(hall, HELLO + MAIL + accented)[-1] == "553 5.6.7"
    heard = say(hall, HELLO + b"MAIL FROM:<a@b.fr> SMTPUTF8\r\n" + accented + DATA + MESSAGE)
    assert heard[-1] == "250 2.0.0"
    assert hall.writer.writes[0].smtputf8
    assert b" with UTF8SMTP id " in hall.writer.writes[0].head


# --- order --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("talk", "answer"),
    [
        (MAIL, "503 5.5.1"),
        (HELLO + RCPT, "503 5.5.1"),
        (HELLO + DATA, "503 5.5.1"),
        (HELLO + MAIL + DATA, "503 5.5.1"),
        (HELLO + MAIL + MAIL, "503 5.5.1"),
        (HELLO + MAIL + b"RSET\r\n" + RCPT, "503 5.5.1"),
        (HELLO + MAIL + HELLO + RCPT, "503 5.5.1"),
        (b"EHLO\r\n", "501 5.5.4"),
        (b"BOGUS\r\n", "500 5.5.1"),
        (b"\r\n", "500 5.5.1"),
        (b"VRFY marie\r\n", "252 2.5.0"),
        (b"EXPN staff\r\n", "502 5.5.1"),
        (b"HELP\r\n", "214 2.0.0"),
        (b"NOOP whatever\r\n", "250 2.0.0"),
        (HELLO + AUTH, "502 5.5.1"),
        (HELLO + b"STARTTLS\r\n", "454 4.7.0"),
        (b"mail from:<a@b.fr>\r\n", "503 5.5.1"),
    ],
)
@SIZES
def test_a_command_out_of_order(hall: Hall, talk: bytes, answer: str, size: int | None) -> None:
    assert say(hall, talk, size=size)[-1] == answer


def test_twenty_protocol_errors_end_the_session(hall: Hall) -> None:
    stage = Stage(hall)
    heard = codes(stage.send(b"BOGUS\r\n" * 30))
    assert heard == ["220"] + ["500 5.5.1"] * 20 + ["421 4.7.0"]
    assert stage.is_closed


# --- who may -------------------------------------------------------------------------


def test_mx_refuses_unknown_people_and_other_domains(hall: Hall) -> None:
    heard = say(
        hall, HELLO + MAIL + b"RCPT TO:<nobody@ac-exemple.fr>\r\nRCPT TO:<x@elsewhere.org>\r\n"
    )
    assert heard[2:] == ["550 5.1.1", "550 5.7.1"]


@pytest.mark.parametrize(
    "recipient", ["postmaster", "POSTMASTER", f"abuse@{DOMAIN}", f"marie+ski@{DOMAIN}"]
)
def test_these_always_have_a_mailbox(hall: Hall, recipient: str) -> None:
    heard = say(hall, HELLO + MAIL + f"RCPT TO:<{recipient}>\r\n".encode() + DATA + MESSAGE)
    assert heard[-1] == "250 2.0.0"


@SIZES
def test_submission_without_signing_in_is_530(hall: Hall, size: int | None) -> None:
    assert say(hall, HELLO + MAIL, listener=SUBMISSION, size=size)[-1] == "530 5.7.0"


@SIZES
def test_submission_adds_date_and_message_id_when_they_are_missing(
    hall: Hall, size: int | None
) -> None:
    body = b"From: Marie <marie@ac-exemple.fr>\r\nSubject: x\r\n\r\nhello\r\n"
    heard = say(hall, SUBMIT_ENVELOPE + body + b".\r\n", listener=SUBMISSION, size=size)
    assert heard[1:] == ["235 2.7.0", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]
    (write,) = hall.writer.writes
    assert write.account_id == MARIE
    assert b" with ESMTPSA id " in write.head
    assert b"\r\nDate: " in write.head
    assert b"\r\nMessage-ID: <" in write.head
    assert write.head.endswith(b"@mail.ac-exemple.fr>\r\n")
    assert hall.body() == body


def test_submission_keeps_the_date_and_message_id_that_are_there(hall: Hall) -> None:
    body = b"from: marie@ac-exemple.fr\r\nDATE: now\r\nmessage-id:\r\n <1@x>\r\n\r\nhello\r\n"
    say(hall, SUBMIT_ENVELOPE + body + b".\r\n", listener=SUBMISSION)
    head = hall.writer.writes[0].head
    assert b"Date:" not in head
    assert b"Message-ID:" not in head


@pytest.mark.parametrize(
    "header",
    [
        b"From: pierre@ac-exemple.fr\r\n",
        b"From: Marie <marie@ac-exemple.fr>, pierre@ac-exemple.fr\r\n",
        b"From: marie@ac-exemple.fr\r\nFrom: pierre@ac-exemple.fr\r\n",
        b"From: marie@ac-exemple.fr\r\nfrom: marie@ac-exemple.fr\r\n",
        b"From: marie@ac-exemple.fr\r\n" + b"Sender: marie@ac-exemple.fr\r\n" * 2,
        b"From: " + b"()\r\n " * 25_000 + b"marie@ac-exemple.fr\r\n",
        b"From: marie@ac-exemple.fr\r\nSender: pierre@ac-exemple.fr\r\n",
        b"From: not an address\r\n",
        b"From: \r\n",
        b"Subject: nobody wrote this\r\n",
        b'From: "marie@ac-exemple.fr" <pierre@ac-exemple.fr>\r\n',
        b"From: (marie@ac-exemple.fr) pierre@ac-exemple.fr\r\n",
        b"From: marie@ac-exemple.fr <pierre@ac-exemple.fr>\r\n",
        b"From : pierre@ac-exemple.fr\r\n",
    ],
)
def test_submission_refuses_a_from_that_is_not_the_accounts(hall: Hall, header: bytes) -> None:
    heard = say(hall, SUBMIT_ENVELOPE + header + b"\r\nx\r\n.\r\n", listener=SUBMISSION)
    assert heard[-1] == "550 5.7.1"
    assert hall.writer.writes == []


def test_submission_refuses_a_sender_that_is_not_the_accounts(hall: Hall) -> None:
    talk = HELLO + AUTH + b"MAIL FROM:<pierre@ac-exemple.fr>\r\n"
    assert say(hall, talk, listener=SUBMISSION)[-1] == "550 5.7.1"


def test_submission_accepts_the_null_sender_for_return_receipts(hall: Hall) -> None:
    assert say(hall, HELLO + AUTH + b"MAIL FROM:<>\r\n", listener=SUBMISSION)[-1] == "250 2.1.0"


def test_a_network_that_is_not_listed_is_refused_at_the_banner(hall: Hall) -> None:
    listener = Listener(name="legacy-submissions", role=SUBMISSION.role, language="fr", networks=())
    stage = Stage(hall, listener)
    assert codes(stage.heard()) == ["554 5.7.1"]
    assert stage.is_closed


def test_a_connection_too_many_is_421_at_the_banner(hall: Hall) -> None:
    hall = Hall(hall.loop, settings=make_settings(max_connections=1))
    first, second = Stage(hall), Stage(hall)
    assert codes(first.heard()) == ["220"]
    assert codes(second.heard()) == ["421 4.3.2"]
    first.drop()
    second.turn()
    assert codes(Stage(hall).heard()) == ["220"]


# --- our own faults ---------------------------------------------------------------------


@SIZES
def test_a_fault_of_ours_is_451_without_our_words(hall: Hall, size: int | None) -> None:
    hall.store.breaks_look_up = True
    stage = Stage(hall)
    heard = stage.send(HELLO + MAIL + RCPT + b"NOOP\r\n" + MAIL, size=size)
    assert codes(heard)[2:] == ["250 2.1.0", "451 4.3.0", "250 2.0.0", "250 2.1.0"]
    assert b"hunter2" not in heard
    assert hall.service.counters.faults == 1


def test_a_write_that_failed_is_451_and_the_session_goes_on(hall: Hall) -> None:
    hall.writer.outcome = lambda _: Failed(RuntimeError("secret"))
    stage = Stage(hall)
    heard = stage.send(ENVELOPE + MESSAGE + b"NOOP\r\n")
    assert codes(heard)[-2:] == ["451 4.3.0", "250 2.0.0"]
    assert b"secret" not in heard


def test_a_disk_that_fails_under_a_large_body_is_451_after_the_dot(hall: Hall) -> None:
    hall.store.fails_at_write = True
    body = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 100_000
    stage = Stage(hall)
    assert codes(stage.send(ENVELOPE + body + b".\r\nNOOP\r\n", size=50_000))[-2:] == [
        "451 4.3.0",
        "250 2.0.0",
    ]
    assert hall.writer.writes == []
    assert [spool.state for spool in hall.store.spools] == ["discarded"]
    assert hall.service.spooling.memory.waiting_octets == 0
