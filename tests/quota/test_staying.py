"""What the letter about mail that stayed shows of who sent it: nothing that could lead anybody."""

from __future__ import annotations

import pytest

from mailserver.quota.staying import MOST_SHOWN_CHARACTERS, shown_sender

AT = "@b.example"
LONGEST = "a" * 64 + "@" + "b" * (MOST_SHOWN_CHARACTERS - 64 - len("@.example")) + ".example"


@pytest.mark.parametrize(
    "sender",
    ["marie@b.example", "m.a-r_i+e=x@b.example", "a" * 64 + AT, LONGEST],
)
def test_a_plain_address_is_shown_as_it_is(sender: str) -> None:
    assert shown_sender(sender, "fr") == shown_sender(sender, "en") == sender


@pytest.mark.parametrize(
    "sender",
    [
        "www.evil.example@b.example",
        "WWW" + AT,
        "http" + AT,
        "a@hTTp.example",
        "b" + LONGEST[1:].replace("@b", "@bb"),
        "a" * 65 + AT,
        "a b" + AT,
        '"a"' + AT,
        "a@b",
        "é" + AT,
        "a@[192.0.2.1]",
        "a@b.example\r\nhttp://x",
        "<marie@b.example>",
    ],
)
def test_of_anything_else_only_that_it_is_there(sender: str) -> None:
    assert shown_sender(sender, "fr") == "une adresse qui n'est pas montrée ici"
    assert shown_sender(sender, "en") == "an address that is not shown here"


def test_a_machine_is_nobody() -> None:
    assert shown_sender("", "fr") == "personne (un automate)"
    assert shown_sender("", "en") == "nobody (a machine)"
