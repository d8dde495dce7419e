"""What the signer writes is good to an independent verifier, and no longer once it was changed."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.dkim.body_hash import BodyHash
from mailserver.dkim.signature import read_body_hash
from mailserver.dkim.signer import Signer
from tests.dkim.verifier import NOW_S, SIGNER, ZONE, can_read, make_signing_key, sign, verdicts

DATA = Path(__file__).parents[3] / "shared/data"
JUNK_STEP = 20
HEAD = b"Received: from x (x [192.0.2.1])\r\n\tby mail.a.test; Tue, 24 Nov 2026 00:00:00 +0000\r\n"
MESSAGE = (
    HEAD
    + b"Date: Tue, 24 Nov 2026 01:45:37 +0100\r\n"
    + b"From: Pierre <pierre@a.test>\r\nTo: b@b.test,\r\n\tc@c.test\r\nSubject:  un   sujet \r\n"
    + b"Message-ID: <1@a.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
    + b"X-Mailer: none\r\n\r\n  Bonjour,\t tous \r\n\r\nfin\r\n\r\n\r\n"
)


def test_both_signatures_are_good() -> None:
    assert verdicts(sign(MESSAGE)) == [True, True]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"pierre@", b"paul@"),
        (b"Pierre <", b"Paul <"),
        (b"b@b.test", b"x@b.test"),
        (b"un   sujet", b"autre sujet"),
        (b"01:45:37", b"01:45:38"),
        (b"<1@a.test>", b"<2@a.test>"),
        (b"MIME-Version: 1.0", b"MIME-Version: 1.1"),
        (b"text/plain", b"text/html"),
        (b"Bonjour", b"Bonsoir"),
        (b"fin\r\n", b"fin\r\najout\r\n"),
        (b"t=1764000000", b"t=1764000001"),
        (b"d=a.test", b"d=xn--9ca.test"),
    ],
)
def test_what_changes_the_meaning_breaks_both(old: bytes, new: bytes) -> None:
    assert old in sign(MESSAGE)
    assert verdicts(sign(MESSAGE).replace(old, new)) == [False, False]


@pytest.mark.parametrize("name", [b"From", b"Subject", b"Date", b"To", b"Cc"])
def test_a_second_field_that_a_reader_might_show_breaks_both(name: bytes) -> None:
    assert verdicts(name + b": other\r\n" + sign(MESSAGE)) == [False, False]


def test_what_servers_on_the_way_may_do_breaks_nothing() -> None:
    on_the_way = b"Received: by elsewhere\r\n" + sign(MESSAGE)
    assert verdicts(on_the_way) == [True, True]
    assert verdicts(on_the_way.replace(b"X-Mailer: none", b"X-Mailer: some")) == [True, True]
    assert verdicts(on_the_way.replace(b"un   sujet \r\n", b"un\r\n sujet\r\n")) == [True, True]
    assert verdicts(on_the_way.replace(b"fin\r\n\r\n\r\n", b"fin \r\n")) == [True, True]


@pytest.mark.parametrize(
    ("author", "domain"),
    [
        (b"p@a.test", b"a.test"),
        (b"P <p@A.Test>", b"a.test"),
        ("P <p@é.test>".encode(), b"xn--9ca.test"),
        (b"P <p@xn--9ca.test> (p@a.test at home)", b"a.test"),
        (b"p@elsewhere.test", b"a.test"),
        (b"MAILER-DAEMON", b"a.test"),
        (b"p@\xff\xfe", b"a.test"),
        (b"@" * 1000, b"a.test"),
    ],
)
def test_the_domain_is_the_authors_if_it_is_ours(author: bytes, domain: bytes) -> None:
    signed = sign(b"From: " + author + b"\r\n\r\n")
    assert signed.count(b"d=" + domain + b";") == 2


def test_a_message_without_a_from_is_not_signed() -> None:
    assert sign(b"Subject: x\r\n\r\nFrom: body\r\n") == b"Subject: x\r\n\r\nFrom: body\r\n"


def test_a_message_of_a_thousand_recipients_fields_is_not_signed() -> None:
    message = b"From: a@a.test\r\n" + b"To: x\r\n" * 1000 + b"\r\n"
    assert sign(message) == message


def test_the_head_and_a_streamed_body_give_the_same_as_the_whole() -> None:
    head, _, body = MESSAGE.partition(b"\r\n\r\n")
    body_hash = BodyHash()
    for at in range(0, len(body), 3):
        body_hash.feed(body[at : at + 3])
    streamed = SIGNER.sign(head + b"\r\n\r\n", body_hash=body_hash.digest(), now_s=NOW_S)
    assert verdicts(streamed + MESSAGE) == [True, True]


# The verifier takes VT and FF for white space, which RFC 5234 §B.1 does not.
FIELD_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\v\f"), max_size=40)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["Subject", "To", "cc", "References", "List-Id", "X-Other", "DATE"]),
        st.lists(FIELD_TEXT.filter(str.strip), min_size=1, max_size=3).map("\r\n\t".join),
    ),
    max_size=8,
)
LINES = st.lists(st.one_of(st.sampled_from(["", " ", "\t.", "a  b "]), FIELD_TEXT), max_size=10)


@pytest.mark.slow
@given(FIELDS, LINES)
def test_whatever_is_written_verifies(fields: list[tuple[str, str]], lines: list[str]) -> None:
    header = "".join(f"{name}: {value}\r\n" for name, value in [("From", "p@a.test"), *fields])
    message = (header + "\r\n" + "".join(f"{line}\r\n" for line in lines)).encode()
    assert verdicts(sign(message)) == [True, True]


def _messages() -> Iterator[tuple[str, bytes]]:
    for archive, step in (("messages.tar.gz", 1), ("junk.tar.gz", JUNK_STEP)):
        with tarfile.open(DATA / archive) as tar:
            for member in [member for member in tar if member.isfile()][::step]:
                file = tar.extractfile(member)
                assert file is not None
                octets = file.read().replace(b"\r\n", b"\n")
                if b"\r" not in octets:
                    yield member.name, octets.replace(b"\n", b"\r\n")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(not DATA.exists(), reason="no ../shared/data beside this checkout")
def test_real_messages_verify() -> None:
    # One key, of RSA: the verifier is slow, and the other differs in its last step only.
    key = make_signing_key(SIGNER.keys[0].algorithm, "mo1")
    signer = Signer(keys=(key,), domains=SIGNER.domains, domain="a.test")
    zone = ZONE | {"mo1._domainkey.a.test": key.record()}
    count = 0
    for name, message in _messages():
        own = b"".join(
            line + b"\r\n"
            for line in message.split(b"\r\n")
            if not line.lower().startswith(b"dkim-signature:")
        )
        signed = sign(HEAD + own, signer)
        if signed != HEAD + own and can_read(own):
            count += 1
            assert verdicts(signed, zone)[0], name
    assert count > 200


def test_the_hash_of_the_body_is_read_again_from_what_we_wrote_and_from_nothing_else() -> None:
    head, _, body = MESSAGE.partition(b"\r\n\r\n")
    body_hash = BodyHash()
    body_hash.feed(body)
    signatures = SIGNER.sign_pieces(head, [body], now_s=0.0)
    assert read_body_hash(signatures) == body_hash.digest()
    for other in (b"", b"DKIM-Signature: v=1; bh=x;", signatures.replace(b"\r\n\tbh=", b" bh=")):
        assert read_body_hash(other) is None
