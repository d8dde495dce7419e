"""What a notice says of an address, notice by notice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.notices import FailureNotice, is_of_address, read_failures

REPORT = (
    b"Content-Type: multipart/report; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    b"--b\r\nContent-Type: %s\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n"
    b"%s"
    b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Final-Recipient: rfc822; victim@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
)
PLAIN = b"message/delivery-status"


def report(*groups: str, kind: bytes = PLAIN) -> bytes:
    text = "\r\n\r\n".join(groups).replace("\n", "\r\n").replace("\r\r", "\r")
    return REPORT % (kind, text.encode())


def group(
    status: str = "5.1.1", words: str = "", *, action: str = "failed", phase: str = ""
) -> str:
    lines = [f"Final-Recipient: rfc822; <paul@b.test>\nAction: {action}\nStatus: {status}"]
    lines += [f"Diagnostic-Code: smtp; {words}"] if words else []
    lines += [f"X-Mel-Ouvert-Phase: {phase}"] if phase else []
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("status", "words", "phase", "counts"),
    [
        ("5.1.1", "550 5.1.1 nobody", "RCPT", True),
        ("5.1.1", "", "", True),
        ("5.1.2", "", "", True),
        ("5.1.3", "", "", True),
        ("5.1.6", "", "", True),
        ("5.1.10", "", "", True),
        ("5.1.1", "550 5.1.1 nobody", "end of message", True),
        ("5.2.1", "550 5.2.1 closed", "RCPT", True),
        ("5.0.0", "550 no such user", "RCPT", True),
        ("5.0.0", "553 no such user", "RCPT", True),
        ("5.0.0", "550 5.1.1 nobody", "", True),
        ("5.1.7", "", "", False),
        ("5.1.8", "550 5.1.8 your domain", "RCPT", False),
        ("5.1.0", "550 5.1.0 sender refused", "MAIL", False),
        ("5.2.0", "", "", False),
        ("5.2.2", "552 5.2.2 full", "RCPT", False),
        ("5.2.3", "", "", False),
        ("5.3.4", "", "", False),
        ("5.4.1", "", "", False),
        ("5.4.4", "", "", False),
        ("5.6.0", "", "", False),
        ("5.7.1", "550 5.7.1 spam", "DATA", False),
        ("5.7.1", "550 5.7.1 spam", "RCPT", False),
        ("5.1.1", "550 5.7.1 spam", "", False),
        ("5.0.0", "550 spam", "DATA", False),
        ("5.0.0", "550 spam", "end of message", False),
        ("5.0.0", "550 no", "MAIL", False),
        ("5.0.0", "550 whatever", "", False),
        ("5.0.0", "554 no", "RCPT", False),
        ("5.0.0", "", "", False),
        ("4.1.1", "", "", False),  # for now, whatever else it says
        ("4.2.1", "450 4.2.1 later", "RCPT", False),
        ("2.1.5", "", "", False),
        ("5.0.0", "450 4.1.1 nobody yet", "RCPT", False),
        ("4.4.1", "", "", False),
        ("4.4.7", "", "", False),
        ("4.2.2", "452 4.2.2 full", "RCPT", False),
    ],
)
def test_only_an_address_that_fails_for_good_counts(
    status: str, words: str, phase: str, *, counts: bool
) -> None:
    (failure,) = read_failures(report(group(status, words, phase=phase)))
    assert failure.address == "paul@b.test"
    assert is_of_address(failure) is counts


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "delivered"])
def test_what_has_not_failed_does_not_count(action: str) -> None:
    (failure,) = read_failures(report(group(action=action)))
    assert not is_of_address(failure)


def test_nothing_in_the_text_or_in_the_message_that_came_back_poses_as_a_field() -> None:
    found = read_failures(report(group("5.7.1")))
    assert [(one.address, is_of_address(one)) for one in found] == [("paul@b.test", False)]


def test_each_recipient_is_read_by_itself() -> None:
    luc = group("5.7.1").replace("paul", "luc")
    found = read_failures(report(luc, group(), group(action="delayed").replace("paul", "anne")))
    assert [one.address for one in found if is_of_address(one)] == ["paul@b.test"]


def test_folds_and_the_international_form_are_read() -> None:
    folded = group(words="550\n 5.1.1 nobody").replace("Status: 5.1.1\n", "Status: 5.0.0\n")
    (failure,) = read_failures(report(folded, kind=b"message/global-delivery-status"))
    assert is_of_address(failure)


def test_a_part_that_is_encoded_is_read() -> None:
    kind = PLAIN + b"\r\nContent-Transfer-Encoding: quoted-printable"
    (failure,) = read_failures(report(group().replace("5.1.1", "5.1.=31"), kind=kind))
    assert is_of_address(failure)


def test_a_notice_without_parts_is_read_whole() -> None:
    (failure,) = read_failures(b"From: x\r\n\r\n" + group().encode())
    assert is_of_address(failure)


@given(st.binary(max_size=600))
def test_whatever_comes_is_read(octets: bytes) -> None:
    for whole in (octets, REPORT % (PLAIN, octets)):
        for one in read_failures(whole):
            assert isinstance(one, FailureNotice)
            assert is_of_address(one) in {True, False}
