"""Our own signatures are known again without a name server, and only while they cover all."""

from __future__ import annotations

import re

import pytest

from mailserver.dkim.body_hash import BodyHash
from mailserver.dkim.own import is_signed_by
from mailserver.dkim.signer import Signer
from tests.dkim.test_signer import MESSAGE
from tests.dkim.verifier import SIGNER, make_signing_key, sign


def knows(octets: bytes, signer: Signer = SIGNER) -> bool:
    header, _, body = octets.partition(b"\r\n\r\n")
    body_hash = BodyHash()
    body_hash.feed(body)
    return is_signed_by(signer.keys, signer.domains, header + b"\r\n\r\n", body_hash.digest())


def test_what_we_signed_is_ours() -> None:
    assert knows(sign(MESSAGE))


def test_each_of_our_keys_is_enough() -> None:
    for kept in range(len(SIGNER.keys)):
        others = [key for n, key in enumerate(SIGNER.keys) if n != kept]
        signer = Signer(keys=others, domains=SIGNER.domains, domain=SIGNER.domain)
        assert knows(sign(MESSAGE), signer)


def test_what_servers_on_the_way_add_breaks_nothing() -> None:
    added = b"Received: from a by b; x\r\nX-Spam: no\r\n" + sign(MESSAGE)
    assert knows(added.replace(b"Subject:  un   sujet", b"subject: un sujet"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"pierre@", b"paul@"),
        (b"Pierre <", b"Chef <"),
        (b"un   sujet", b"autre sujet"),
        (b"Bonjour", b"Bonsoir"),
        (b"fin\r\n", b"fin\r\najout\r\n"),
        (b"d=a.test", b"d=b.test"),
        (b"c=relaxed/relaxed", b"c=simple/simple"),
        (b"v=1;", b"v=1; l=0;"),
    ],
)
def test_what_was_changed_is_not(old: bytes, new: bytes) -> None:
    assert old in sign(MESSAGE)
    assert not knows(sign(MESSAGE).replace(old, new))


@pytest.mark.parametrize(
    "name",
    [b"From", b"Subject", b"To", b"Date", b"Cc", b"Reply-To", b"Message-ID", b"MIME-Version",
     b"Content-Type", b"content-transfer-encoding", b"In-Reply-To", b"References"],
)  # fmt: skip
def test_a_second_field_that_a_reader_might_show_is_not_covered(name: bytes) -> None:
    assert not knows(name + b": other\r\n" + sign(MESSAGE))


def test_a_list_elsewhere_may_say_that_it_sends() -> None:
    assert knows(b"Sender: list-bounces@lists.test\r\nList-Id: <l.lists.test>\r\n" + sign(MESSAGE))


@pytest.mark.parametrize(
    "line",
    [
        b"From\x0b: Chef <chef@a.test>",
        b"From\0: Chef <chef@a.test>",
        b"\xc2\xa0From: Chef <chef@a.test>",
        b"Reply-To\x0c: chef@b.test",
        b"no field",
        b": nameless",
        b"Sender: Chef <chef@A.test>",
        b"Sender: =?utf-8?q?chef=40a.test?= <x@b.test>",
        b"Sender: =?utf-8?b?Y2hlZkBhLnRlc3Q=?= <x@b.test>",
        b"Resent-From: chef@a.test",
        b"Resent-Sender: ch\xc3\xa9f@a.test",
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_another_author_beside_what_was_signed_is_not_vouched_for(
    line: bytes, *, is_first: bool
) -> None:
    header, _, body = sign(MESSAGE).partition(b"\r\n\r\n")
    block = line + b"\r\n" + header if is_first else header + b"\r\n" + line
    assert not knows(block + b"\r\n\r\n" + body)


def test_a_signature_that_does_not_cover_from_vouches_for_nobody() -> None:
    assert not knows(re.sub(rb"h=from:from:", b"h=", sign(MESSAGE)))


def test_a_key_of_somebody_else_under_our_selector_is_none() -> None:
    keys = [make_signing_key(key.algorithm, key.selector) for key in SIGNER.keys]
    forger = Signer(keys=keys, domains=SIGNER.domains, domain=SIGNER.domain)
    header, _, body = MESSAGE.partition(b"\r\n\r\n")
    signature = forger.sign_pieces(header + b"\r\n\r\n", [body], now_s=0.0)
    assert not knows(signature + MESSAGE)


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: \r\n",
        b"DKIM-Signature: v=1; v=1\r\n",
        b"DKIM-Signature: ;;;=;\xff=\xff;b=\xff\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=\xff; s=mo1; h=from; b=!\r\n",
    ],
)
def test_what_is_no_signature_is_passed_over(field: bytes) -> None:
    assert not knows(field + MESSAGE)
    assert knows(field + sign(MESSAGE))
