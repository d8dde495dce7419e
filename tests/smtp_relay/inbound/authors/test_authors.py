"""Who wrote this: no program shows a submitted message as somebody else's."""

from __future__ import annotations

import pytest

from smtp_relay.inbound import replies
from smtp_relay.inbound.replies import Phrase
from tests.smtp_relay.inbound.fakes import SUBMISSION, Hall, Stage
from tests.smtp_relay.inbound.wire import SUBMIT_ENVELOPE, begin

BOSS = b"boss@ac-exemple.fr"
ME = b"marie@ac-exemple.fr"
BASE64_BOSS = b"=?utf-8?b?Ym9zc0BhYy1leGVtcGxlLmZy?="


def answer(hall: Hall, header: bytes) -> bytes:
    stage = Stage(hall, SUBMISSION)
    begin(stage, SUBMIT_ENVELOPE)
    return stage.send(header + b"\r\n\r\nhello\r\n.\r\n")


def is_taken(hall: Hall, header: bytes) -> bool:
    heard = answer(hall, header)
    assert heard.startswith((b"250 ", b"550 5.7.1 ", b"550 5.6.0 ")), heard
    return heard.startswith(b"250 ")


@pytest.mark.parametrize(
    "value",
    [
        ME,
        b"<" + ME + b">",
        b"Marie <" + ME + b">",
        b'"Dupont, Marie" <' + ME + b">",
        b"Marie Dupont<" + ME + b">",
        b"Marie d'Orl\xe9ans <" + ME + b">",
        "Élodie <".encode() + ME + b">",
        b"=?utf-8?q?Fr=C3=A9d=C3=A9ric?= <" + ME + b">",
        b"=?iso-8859-1?q?Fr=E9d?=\r\n =?iso-8859-1?q?=E9ric?= <" + ME + b">",
        ME + b" (Marie Dupont)",
        b"Marie Dupont (DSDEN 17) <" + ME + b">",
        b"(DSDEN (17)) Marie <" + ME + b">",
        b"Marie <" + ME + b"> (at school)",
        b"<" + ME + b">, Marie <marie.dupont@ac-exemple.fr>",
        ME + b" <" + ME + b">",
        b'"marie@ac-exemple.fr" <' + ME + b">",
        b'"Marie <marie@ac-exemple.fr>" <' + ME + b">",
        b'"marie@home.example" <' + ME + b">",
        b'"Club photo @ school" <' + ME + b">",
        b'"Salle 12: info; bureau" <' + ME + b">",
        b"marie+ski@ac-exemple.fr",
        b'"Marie \\"Mimi\\" Dupont" <' + ME + b">",
        b"\r\n Marie\r\n\t<" + ME + b">",
        b"M. J.-P. Dupont <" + ME + b">",
    ],
)
def test_ways_in_which_programs_write_ones_own_name(hall: Hall, value: bytes) -> None:
    assert is_taken(hall, b"From: " + value)
    assert is_taken(hall, b"From: " + ME + b"\r\nSender: " + value)


@pytest.mark.parametrize(
    "value",
    [
        BOSS,
        b"Boss <" + BOSS + b">",
        ME + b", " + BOSS,
        b"Marie <" + ME + b">, Boss <" + BOSS + b">",
        # a group
        BOSS + b": " + ME + b";",
        b"Boss: " + ME + b";",
        b"Boss:;, " + ME,
        # an address in pieces
        b"boss(x)@ac-exemple.fr <" + ME + b">",
        b"boss@(x)ac-exemple.fr <" + ME + b">",
        b'"boss"@ac-exemple.fr <' + ME + b">",
        b'boss"@"ac-exemple.fr <' + ME + b">",
        b"boss @ ac-exemple.fr <" + ME + b">",
        b"boss\\@ac-exemple.fr <" + ME + b">",
        b"boss@[192.0.2.1] <" + ME + b">",
        b"ceo@elsewhere.example <" + ME + b">",
        b"ceo(x)@elsewhere.example <" + ME + b">",
        b"ceo @ elsewhere.example <" + ME + b">",
        # beside the address
        b"<" + ME + b"> " + BOSS,
        b"<" + ME + b"> Boss",
        b"<" + ME + b"> <" + BOSS + b">",
        b"<" + BOSS + b"> <" + ME + b">",
        b'"' + BOSS + b'" <' + ME + b">",
        b'"Boss ' + BOSS + b'" <' + ME + b">",
        b'"Boss <' + BOSS + b'>" <' + ME + b">",
        b'"Boss <ceo@elsewhere.example>" <' + ME + b">",
        b'"boss\\@ac-exemple.fr" <' + ME + b">",
        b'"boss @ AC-Exemple.FR." <' + ME + b">",
        BASE64_BOSS + b" <" + ME + b">",
        b'"' + BASE64_BOSS + b'" <' + ME + b">",
        b"=?utf-8?q?boss?= =?utf-8?q?=40ac-exemple.fr?= <" + ME + b">",
        b"=?utf-8?q?Boss_=3Cboss=40ac-exemple.fr=3E?= <" + ME + b">",
        b"=?utf-8?q?boss=EF=BC=A0ac-exemple.fr?= <" + ME + b">",
        b"=?utf-8?q?boss=E2=80=8B=40ac-exemple.fr?= <" + ME + b">",
        "boss＠ac-exemple.fr <".encode() + ME + b">",
        "rf.elpmexe-ca\u202e@ssob <".encode() + ME + b">",
        "\u202erf.elpmexe-ca <".encode() + ME + b">",
        ME + b" (" + BOSS + b")",
        ME + b" (Boss <" + BOSS + b">)",
        b"Marie <" + ME + b"> (" + BOSS + b")",
        b"(" + BOSS + b") " + ME,
        b"Marie (" + BOSS + b") <" + ME + b">",
        b"ceo (x) @elsewhere.example <" + ME + b">",
        b"ceo@elsewhere.example (x) <" + ME + b">",
        # what is no address, or read in two ways
        b"<@relay.example:" + ME + b">",
        b"<" + ME,
        b"Marie " + ME,
        b"Marie " + ME + b" <" + ME + b">",
        ME + b" " + ME + b" <" + ME + b">",
        b"\r\n \r\n " + ME,
        b"marie @ac-exemple.fr",
        b"<marie @ac-exemple.fr>",
        ME + b",",
        b"," + ME,
        ME + b";",
        b'"Marie <' + ME + b">",
        b"Marie\x0bDupont <" + ME + b">",
        b"Marie\x7f <" + ME + b">",
        b"[Marie] <" + ME + b">",
        BASE64_BOSS,
        "márie@ac-exemple.fr".encode(),
        "ｍａｒｉｅ@ac-exemple.fr".encode(),
        b"Marie Dupont",
    ],
)
def test_what_some_program_shows_as_another_is_refused(hall: Hall, value: bytes) -> None:
    assert not is_taken(hall, b"From: " + value)
    assert not is_taken(hall, b"From: " + ME + b"\r\nSender: " + value)
    assert not is_taken(hall, b"From: " + ME + b"\r\nResent-From: " + value)
    assert not is_taken(hall, b"Resent-Sender: " + value + b"\r\nFrom: " + ME)
    assert hall.writer.writes == []


@pytest.mark.parametrize(
    "line",
    [
        b"From\x0b: Boss <boss@ac-exemple.fr>",
        b"From\x00: Boss <boss@ac-exemple.fr>",
        b"\x01From: Boss <boss@ac-exemple.fr>",
        b"\x0cFrom: Boss <boss@ac-exemple.fr>",
        b"From : Boss <boss@ac-exemple.fr>",
        b"From\t: Boss <boss@ac-exemple.fr>",
        b"From : marie@ac-exemple.fr",
        b"From\xa0: Boss <boss@ac-exemple.fr>",
        b"From\xc2\xa0: Boss <boss@ac-exemple.fr>",
        b"\xef\xbb\xbfFrom: Boss <boss@ac-exemple.fr>",
        b"\xe2\x80\x8bFrom: Boss <boss@ac-exemple.fr>",
        b"Fr\x08om: Boss <boss@ac-exemple.fr>",
        b"From\x7f: Boss <boss@ac-exemple.fr>",
        b"From",
        b"From\r\n : Boss <boss@ac-exemple.fr>",
        b"no field",
        b": no name",
        b"Subject: x\x0bFrom: Boss <boss@ac-exemple.fr>",
        b"Subject: x\x0cFrom: Boss <boss@ac-exemple.fr>",
        b"Subject: x\x1eFrom: Boss <boss@ac-exemple.fr>",
        b"Subject: x\r\n \x0bFrom: Boss <boss@ac-exemple.fr>",
        b"From: marie@ac-exemple.fr",
        b"FROM: Boss <boss@ac-exemple.fr>",
        b"Sender: boss@ac-exemple.fr",
        b"Resent-From: boss@ac-exemple.fr",
    ],
)
def test_a_header_line_is_a_lawful_field_or_folded_and_from_stands_once(
    hall: Hall, line: bytes
) -> None:
    assert not is_taken(hall, line + b"\r\nFrom: " + ME)
    assert not is_taken(hall, b"From: " + ME + b"\r\n" + line)
    assert not is_taken(hall, b"Subject: x\r\n" + line + b"\r\nFrom: " + ME)
    assert hall.writer.writes == []


@pytest.mark.parametrize(
    "line",
    [
        b"!\"#$%&'()*+,-./09;<=>?@AZ[\\]^_`az{|}~: any printable name",
        b"X-Empty:",
        b"Subject:x\r\n\ty\r\n  z",
        b"Subject: \xe9t\xe9",
        b"Subject: \x1b$B",
        b"Reply-To: " + BOSS,
        b">From: x",
    ],
)
def test_lawful_lines_pass(hall: Hall, line: bytes) -> None:
    assert is_taken(hall, b"From: " + ME + b"\r\n" + line)


def test_text_that_follows_a_header_without_an_empty_line_is_refused(hall: Hall) -> None:
    assert not is_taken(hall, b"From: " + ME + b"\r\nDear all,")


@pytest.mark.parametrize(
    ("header", "phrase"),
    [
        (b"Subject: x", replies.NO_FROM),
        (b"From:", replies.NO_FROM),
        (b"From: \r\n ", replies.NO_FROM),
        (b"hello", replies.NO_FROM),
        (b"From: Dupont, Marie <" + ME + b">", replies.UNREADABLE_FROM),
        (b"From: Marie @ home <" + ME + b">", replies.UNREADABLE_FROM),
        (b"From: Salle 12: info <" + ME + b">", replies.UNREADABLE_FROM),
        (b"From: Marie", replies.UNREADABLE_FROM),
        (b"From: " + BOSS, replies.NOT_YOUR_FROM),
        (b'From: "' + BOSS + b'" <' + ME + b">", replies.NOT_YOUR_NAME),
        (b"From: " + ME + b"\r\nFrom: " + ME, replies.TWO_FROMS),
        (b"From: " + ME + b"\r\nno field", replies.BAD_HEADER_LINE),
    ],
)
def test_each_mistake_has_a_sentence_of_its_own(hall: Hall, header: bytes, phrase: Phrase) -> None:
    assert answer(hall, header) == phrase.octets["en"]
    assert phrase.text.fr != phrase.text.en


@pytest.mark.parametrize(
    "piece",
    [
        b"a",
        b"@",
        b"a@",
        b"<@",
        b"(",
        b"()",
        b'"',
        b'""',
        b"\\",
        b"a ",
        b" ",
        b"a@b.fr ",
        b"=?",
        b"<",
        b",",
    ],
)
def test_long_fields_of_anything_are_read_in_linear_time(hall: Hall, piece: bytes) -> None:
    filler = piece * (60_000 // len(piece))
    for value in (filler, b'"' + filler.replace(b'"', b"") + b'" <' + ME + b">"):
        assert answer(hall, b"From: " + value).startswith((b"250", b"550"))


def test_the_fields_of_all_authors_have_one_limit(hall: Hall) -> None:
    resent = b"Resent-From: " + ME + b" (" + b"x" * 30_000 + b")\r\n"
    assert is_taken(hall, resent * 2 + b"From: " + ME)
    assert not is_taken(hall, resent * 3 + b"From: " + ME)
