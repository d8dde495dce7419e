"""By what a message is found again: parsing octets of any kind, within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.store.sql.history import fingerprints
from mailserver.store.sql.history.fingerprints import (
    HEADER_LIMIT_OCTETS,
    MAX_ID_OCTETS,
    find_header_id,
)
from mailserver.values.address import Address, fold_address
from mailserver.values.ids import make_accept_id


@pytest.mark.parametrize(
    ("block", "found"),
    [
        (b"Message-ID: <1@a>\r\n\r\n", b"1@a"),
        (b"From: a@b\r\nMESSAGE-ID:<1@a>\r\nTo: c\r\n\r\n", b"1@a"),
        (b"Message-Id \t: <1@a>\r\n", b"1@a"),
        (b"Message-ID:\r\n <1@a>\r\n", b"1@a"),
        (b"Message-ID:\r\n\t<1@\r\n a>\r\n", b"1@a"),
        (b"Message-ID: no brackets, and spaces\r\n", b"nobrackets,andspaces"),
        (b"Message-ID: <1@a>\nTo: bare line ends\n", b"1@a"),
        (b"Message-ID-Old: <0@a>\r\nMessage-ID: <1@a>\r\n", b"1@a"),
        (b"X-Message-ID: <0@a>\r\nSubject: Message-ID: <0@a>\r\n", b""),
        (b"Message-ID: \r\nTo: a\r\n", b""),
        (b"Message-ID: <\xe9t\xe9@a>\r\n", b"\xe9t\xe9@a"),
        (b"", b""),
        (b"Message-ID", b""),
        (b"x" * HEADER_LIMIT_OCTETS + b"\r\nMessage-ID: <1@a>\r\n", b""),
    ],
)
def test_the_message_id_of_a_header_block(block: bytes, found: bytes) -> None:
    assert find_header_id(block) == found


@given(st.lists(st.sampled_from([b"Message-ID", b":", b" ", b"\r\n", b"\n", b"<a@b>", b"\xff"])))
def test_whatever_octets_come_the_id_is_bounded_and_holds_no_space(pieces: list[bytes]) -> None:
    found = find_header_id(b"".join(pieces))
    assert len(found) <= MAX_ID_OCTETS
    assert not set(found) & set(b" \t\r\n")


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_what_stands_before_and_behind_does_not_hide_the_field(before: bytes, after: bytes) -> None:
    lowered = before.lower()
    if b"message-id" not in lowered:
        block = before + b"\r\nMessage-ID: <1@a>\r\nX:" + after
        assert find_header_id(block) == b"1@a"


@pytest.mark.parametrize(
    ("spelled", "key"),
    [
        ("Jean.Petit@AC-Exemple.fr", "jean.petit@ac-exemple.fr"),
        ("Frédéric.Marot@écoles.fr", "frederic.marot@xn--coles-9ra.fr"),
        ("a@d.fr.", "a@d.fr"),
        ("postmaster", "postmaster"),
        ("", ""),
    ],
)
def test_every_spelling_of_an_address_has_one_key(spelled: str, key: str) -> None:
    assert fold_address(spelled) == key


@given(st.from_regex(r"[A-Za-zé.+]{1,12}", fullmatch=True), st.sampled_from(["A.fr", "é.fr"]))
def test_the_key_is_that_of_the_directory(local: str, domain: str) -> None:
    assert fold_address(f"{local}@{domain}") == Address(local, domain).key


def test_a_message_is_found_by_each_of_its_names() -> None:
    accept_id = make_accept_id(1.0, b"123456789")
    found = fingerprints.of_message(accept_id, "A@b", ["c@d", "C@D", "e@f"], b"1@a")
    assert found == {
        fingerprints.of_accept_id(accept_id),
        *map(fingerprints.of_address, ("a@b", "c@d", "e@f")),
        fingerprints.of_header_id(b"1@a"),
    }
    assert len(fingerprints.of_message(accept_id, "", [], b"")) == 1
