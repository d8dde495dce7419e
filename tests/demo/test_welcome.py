"""The welcome message, as a mail program reads it."""

from __future__ import annotations

import re
from datetime import UTC
from email import message_from_bytes
from email.errors import MessageDefect
from email.message import EmailMessage
from email.policy import default

import pytest

from mailserver.demo.academy import DemoService
from mailserver.demo.cast import CastMember, read_cast
from mailserver.store.ports.store import Store
from mailserver.values.ids import Uid
from tests.store.letters import read

CAST = read_cast()
MEMBERS = pytest.mark.parametrize("member", CAST.members, ids=lambda member: member.identifier)


def octets_for(store: Store, member: CastMember) -> bytes:
    """The first message of the mailbox, which is as long as it is listed."""
    account = store.accounts.find_account(member.identifier)
    assert account is not None
    maildrop = store.mail.open_maildrop(account.inbox_id)
    listing = store.mail.list_maildrop(maildrop)
    octets = read(store.mail.fetch(account.inbox_id, Uid(1)))
    assert octets is not None
    assert (list(listing.uids), list(listing.sizes_octets)) == ([1], [len(octets)])
    assert maildrop.octets == len(octets)
    return octets


@MEMBERS
def test_it_is_a_good_message_in_french(
    demo: DemoService, store: Store, member: CastMember
) -> None:
    octets = octets_for(store, member)
    message = message_from_bytes(octets, policy=default)
    assert isinstance(message, EmailMessage)
    assert _defects(message) == []
    assert message["From"].addresses[0].display_name == "Mél ouvert"
    assert message["To"].addresses[0].addr_spec == member.address
    assert message["To"].addresses[0].display_name == member.name
    assert member.name in message["Subject"]
    assert message["Date"].datetime.tzinfo == UTC
    assert re.fullmatch(rf"<[a-z2-7]{{24}}@{CAST.hostname}>", message["Message-ID"])
    assert message["MIME-Version"] == "1.0"
    text = message.get_content()
    assert "boîte aux lettres est ouverte" in text
    for told in (member.identifier, *member.addresses):
        assert told in text


def _defects(message: EmailMessage) -> list[MessageDefect]:
    headers = [defect for value in message.values() for defect in value.defects]
    return [*message.defects, *headers]


@MEMBERS
def test_on_the_wire_it_is_short_ascii_lines_with_crlf(
    demo: DemoService, store: Store, member: CastMember
) -> None:
    octets = octets_for(store, member)
    assert octets.isascii()
    assert octets.endswith(b"\r\n")
    assert octets.count(b"\n") == octets.count(b"\r") == octets.count(b"\r\n")
    lines = octets.split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert b"=?utf-8?q??=" not in octets


def test_our_lines_stand_in_front_in_the_order_of_the_doors(
    demo: DemoService, store: Store
) -> None:
    lines = octets_for(store, demo.cast.member("fmarot")).split(b"\r\n")
    assert lines[0] == b"Return-Path: <postmaster@ac-exemple.fr>"
    assert lines[1] == b"Delivered-To: frederic.marot@ac-exemple.fr"
    assert re.fullmatch(rb"Received: by mail\.ac-exemple\.fr id [a-z2-7]{24}", lines[2])
    assert re.fullmatch(rb"\tfor <frederic\.marot@ac-exemple\.fr>; .* \+0000", lines[3])
    assert lines[4].startswith(b"From: ")
