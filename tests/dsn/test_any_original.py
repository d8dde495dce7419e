"""Whatever the original's octets are, the report is a valid one."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailserver.dsn.encoding import (
    Measure,
    decode_xtext,
    encoded_words,
    field,
    quoted_printable,
    visible,
)
from mailserver.dsn.meanings import MEANINGS, meaning_of
from mailserver.dsn.report import compose
from mailserver.queue.reports import ReportKind, is_owed
from mailserver.store.ports.queue import Attempt
from mailserver.values.message import Notify
from tests.dsn.cases import BODY, HEADER, NOW_S, copy, in_pieces, original, task

# Octets that are more likely than others to break a message.
PIECES = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b"\0", b".", b"--", b"\xe9", b"\xc3\xa9", b": ", b" ", b"\t", b"a",
     b"Subject: ", b"Content-Type: multipart/mixed; boundary=x", b"--x", b"--x--", b"x" * 990,
     b"=_aghlfn7xgy3tmojrgaydamjs_0", b"--=_aghlfn7xgy3tmojrgaydamjs_0--\r\n", b"=?utf-8?b?"]
)  # fmt: skip
NASTY = st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=30).map(b"".join)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=1000)
WANTS = st.sampled_from(["", "FULL", "HDRS"])


def read(octets: bytes) -> EmailMessage:
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@given(
    header=NASTY,
    body=NASTY,
    wants=WANTS,
    kind=st.sampled_from(ReportKind),
    takes_8bit=st.booleans(),
    smtputf8=st.booleans(),
    words=WORDS,
    piece_octets=st.sampled_from([1, 5, 65_536]),
)
@example(
    header=HEADER,
    body=BODY,
    wants="FULL",
    kind=ReportKind.FAILED,
    takes_8bit=False,
    smtputf8=True,
    words="550 é",
    piece_octets=1,
)
def test_any_original_gives_a_valid_report(
    *,
    header: bytes,
    body: bytes,
    wants: str,
    kind: ReportKind,
    takes_8bit: bool,
    smtputf8: bool,
    words: str,
    piece_octets: int,
) -> None:
    """Three parts, lines of at most 998 octets, CRLF only, no NUL, 7-bit where that is claimed."""
    about = original(
        header, body, wants=wants, smtputf8=smtputf8, piece_octets=piece_octets, envelope_id="a+41"
    )
    attempt = Attempt(at_s=NOW_S, host="mx.example.net", status="5.1.1", words=words)
    asked = task(about, copy(kind=kind, attempt=attempt), takes_8bit=takes_8bit)
    report = compose(asked)
    octets = b"".join(report.pieces())

    lines = octets.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not re.search(rb"[\r\n\0]", b"".join(lines))
    assert octets.isascii() or takes_8bit
    assert report.facts.is_8bit == (not octets.isascii())
    assert report.size_octets == len(octets)
    assert report.facts.header_octets == octets.index(b"\r\n\r\n") + 4
    assert report.facts.dotted_line_count == sum(line.startswith(b".") for line in lines)

    message = read(octets)
    assert not message.defects
    boundary = str(message.get_boundary()).encode()
    assert len(re.findall(rb"\r\n--" + re.escape(boundary), octets)) == 4
    assert octets.count(boundary) == 5
    first, second, third = message.iter_parts()
    assert first.get_content_type() == "text/plain"
    assert second.get_content_type().endswith("delivery-status")
    assert not first.defects
    if report.original is not None:
        assert b"".join(about.pieces()) in octets
    encoding = third["Content-Transfer-Encoding"]
    assert encoding in {"7bit", "8bit", "quoted-printable"}
    assert encoding != "quoted-printable" or report.original is None


@given(octets=NASTY)
def test_quoted_printable_loses_nothing(octets: bytes) -> None:
    quoted = quoted_printable(octets)
    assert quoted.isascii()
    assert all(len(line) <= 76 for line in quoted.split(b"\r\n"))
    assert not re.search(rb"[\r\n\0]", quoted.replace(b"\r\n", b""))
    part = read(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted)
    assert part.get_payload(decode=True) == octets


@given(words=WORDS)
def test_a_field_is_one_field_and_says_what_was_said(words: str) -> None:
    shown = visible(words)
    folded = field("Diagnostic-Code", f"smtp; {shown}")
    assert all(len(line.encode()) <= 998 for line in folded.split("\r\n"))
    assert all(line.strip() for line in folded.split("\r\n")[:-1])
    assert re.sub(r"\r\n(?=.)", "", folded).startswith("Diagnostic-Code:")
    if all(len(word) <= 200 for word in shown.split(" ")) and "  " not in shown:
        assert folded.replace("\r\n", "") == f"Diagnostic-Code: smtp; {shown}".rstrip(" ")


@given(text=WORDS)
def test_encoded_words_say_what_was_said(text: str) -> None:
    encoded = encoded_words(text)
    assert encoded.isascii()
    message = read(field("Subject", encoded).encode() + b"\r\n")
    if not visible(text).isascii():
        assert message["Subject"] == visible(text)


@given(octets=NASTY, piece_octets=st.integers(1, 9))
def test_a_measure_is_the_same_however_it_is_fed(octets: bytes, piece_octets: int) -> None:
    whole, slow = Measure(), Measure()
    whole.feed(octets)
    for piece in in_pieces(octets, piece_octets)():
        slow.feed(piece)
    assert slow.facts(header_octets=0) == whole.facts(header_octets=0)
    assert slow.is_mime_text == whole.is_mime_text
    lone = octets.replace(b"\r\n", b"")
    assert whole.has_lone_cr_or_lf <= (b"\r" in lone or b"\n" in lone)
    if whole.is_mime_text:
        assert not re.search(rb"[\r\n\0]", lone)
        assert all(len(line) <= 998 for line in octets.split(b"\r\n"))


@given(text=st.text(max_size=60))
def test_xtext_is_decoded_to_one_printable_line_or_not_at_all(text: str) -> None:
    decoded = decode_xtext(text)
    assert decoded is None or re.fullmatch("[ -~]+", decoded)


@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_xtext_says_what_was_encoded(text: str) -> None:
    encoded = "".join(c if c not in "+= " else f"+{ord(c):02X}" for c in text)
    assert decode_xtext(encoded) == text


@given(
    status=st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
)
def test_every_status_has_a_meaning(status: str) -> None:
    assert meaning_of(status) in MEANINGS.values()


@pytest.mark.parametrize(
    ("status", "english"),
    [
        ("5.1.1", "does not know this address"),
        ("5.1.2", "the domain is unknown"),
        ("5.1.10", "takes no mail at all"),
        ("4.2.2", "mailbox is full"),
        ("5.2.2", "mailbox is full"),
        ("5.3.4", "too large for the recipient's server"),
        ("4.4.1", "does not answer"),
        ("5.4.6", "in circles"),
        ("4.4.7", "within the time"),
        ("5.6.3", "8BITMIME"),
        ("5.6.7", "SMTPUTF8"),
        ("5.7.1", "takes it for junk"),
        ("4.7.1", "asks us to wait"),
        ("4.7.5", "secure encrypted connection"),
        ("5.7.26", "could not verify"),
        ("5.0.0", "did not accept the message"),
        ("5.99.99", "did not accept the message"),
    ],
)
def test_what_a_status_means(status: str, english: str) -> None:
    assert english in meaning_of(status).what.en


F, S, D, N, U = Notify.FAILURE, Notify.SUCCESS, Notify.DELAY, Notify.NEVER, Notify.UNSAID


@pytest.mark.parametrize(
    ("kind", "asked_by"),
    [
        (ReportKind.FAILED, {U, F, F | S, F | D, F | S | D}),
        (ReportKind.DELAYED, {U, D, F | D, S | D, F | S | D}),
        (ReportKind.DELIVERED, {S, F | S, S | D, F | S | D}),
        (ReportKind.RELAYED, {S, F | S, S | D, F | S | D}),
        (ReportKind.EXPANDED, {S, F | S, S | D, F | S | D}),
    ],
)
@pytest.mark.parametrize("notify", [U, N, F, S, D, F | S, F | D, S | D, F | S | D])
def test_who_asked_is_told_and_a_null_sender_never(
    kind: ReportKind, asked_by: set[Notify], notify: Notify
) -> None:
    assert is_owed(kind, notify=notify, reverse_path="a@b.fr") == (notify in asked_by)
    assert not is_owed(kind, notify=notify, reverse_path="")
