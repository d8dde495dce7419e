"""What a forward withholds stays in its holder's mailbox, and they are told once a month."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.quota.notice import NoticeReader
from mailserver.quota.staying import StayReason, shown_sender, something_stays
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import Life
from mailserver.store.ports.writes import Failed
from mailserver.values.ids import AcceptId, AccountId, MailboxId
from mailserver.values.message import Acceptance, Deposit, InlineBody, NewCopy, Relay
from mailserver.values.organisation import Organisation
from smtp_relay.inbound.transaction.staying import MONTH_S, TOLD
from tests.smtp_relay.inbound.authors.test_authorship import FORGED
from tests.smtp_relay.inbound.fakes import (
    DOMAIN,
    SUBMISSION,
    WALL_S,
    Hall,
    make_settings,
    make_target,
)
from tests.smtp_relay.inbound.transaction.test_recipients import (
    SOMEBODY,
    TEXT,
    WITH_NUL,
    answer,
    rcpt,
)
from tests.smtp_relay.inbound.wire import AUTH, DATA, HELLO, MAIL, say

HOME = "home@provider.example"
OTHER = f"other@{DOMAIN}"
SEVEN = AccountId(7)


def give(hall: Hall, text: bytes, *, sender: bytes = MAIL, to: bytes = rcpt(SOMEBODY)) -> None:
    assert say(hall, HELLO + sender + to + DATA + text)[-1] == "250 2.0.0"


def numbered(number: int) -> bytes:
    return TEXT.replace(b"Subject: x", b"Subject: %d" % number)


def letters(hall: Hall) -> list[Acceptance]:
    return [write for write in hall.writer.writes if write.door == "local"]


def read(letter: Acceptance) -> EmailMessage:
    assert isinstance(letter.body, InlineBody)
    message = message_from_bytes(letter.body.octets, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def away(hall: Hall) -> list[NewCopy]:
    copies = [copy for write in hall.writer.writes for copy in write.copies]
    return [copy for copy in copies if isinstance(copy.route, Relay)]


@pytest.fixture
def somebody(hall: Hall) -> Hall:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=False)
    return hall


@pytest.mark.parametrize(
    ("text", "words"), [(FORGED, "peut-être faux"), (WITH_NUL, "aucun autre serveur")]
)
def test_the_holder_is_told_once_and_in_the_mailbox_itself(
    somebody: Hall, text: bytes, words: str
) -> None:
    for _ in range(3):
        give(somebody, text)
    (letter,) = letters(somebody)
    (copy,) = letter.copies
    assert copy.route == Deposit(mailbox_id=MailboxId(7))
    assert letter.reverse_path == ""
    message = read(letter)
    assert words in message.get_content()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == f"account7@{DOMAIN}"
    assert away(somebody) == []


def test_again_after_a_month_and_not_before(somebody: Hall) -> None:
    give(somebody, FORGED)
    (event,) = somebody.store.events[SEVEN]
    assert (event.what, event.details) == (TOLD, "unvouched")
    for age_s, count in ((MONTH_S - 1, 1), (MONTH_S + 1, 2)):
        somebody.store.acts.clear()  # another day
        (event, *_) = somebody.store.events[SEVEN]
        somebody.store.events[SEVEN] = [type(event)(at_s=WALL_S - age_s, by_whom="", what=TOLD)]
        give(somebody, FORGED)
        assert len(letters(somebody)) == count


@pytest.mark.parametrize(
    ("language", "subject"), [("fr", "Du courrier reste"), ("en", "Mail stays")]
)
def test_in_the_holders_language(somebody: Hall, language: str, subject: str) -> None:
    somebody.store.languages[SEVEN] = language
    give(somebody, FORGED)
    assert read(letters(somebody)[0])["Subject"].startswith(subject)


def test_each_holder_of_a_message_is_told(somebody: Hall) -> None:
    somebody.store.targets[OTHER] = make_target(8, forward_to=HOME, keeps_copy=True)
    give(somebody, FORGED, to=rcpt(SOMEBODY) + rcpt(OTHER))
    told = [copy.route for letter in letters(somebody) for copy in letter.copies]
    assert sorted(told, key=str) == [Deposit(mailbox_id=MailboxId(n)) for n in (7, 8)]


@pytest.mark.parametrize("keeps_copy", [True, False])
def test_who_forwards_to_where_nothing_can_go_is_told(
    loop: asyncio.AbstractEventLoop, *, keeps_copy: bool
) -> None:
    rule = {"name": "no", "recipient_domains": ["provider.example"], "via": "refuse"}
    hall = Hall(loop, settings=make_settings(routes=[rule]))
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=keeps_copy)
    assert answer(hall) == "250 2.1.5"
    assert letters(hall) == []  # nothing came yet
    for number in range(3):
        give(hall, numbered(number))
    (letter,) = letters(hall)
    assert "à l'adresse choisie" in read(letter).get_content()
    assert away(hall) == []


def test_nobody_is_told_of_what_goes_or_is_not_stored_or_was_never_to_go(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7)
    give(hall, FORGED)
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME)
    give(hall, TEXT)
    hall.writer.outcome = lambda _: Failed(StoreUnavailable("busy"))
    assert say(hall, HELLO + MAIL + rcpt(SOMEBODY) + DATA + FORGED)[-1].startswith("451")
    assert letters(hall) == []


# --- the budget ---------------------------------------------------------------------------


def bounded(loop: asyncio.AbstractEventLoop, *, mailbox: int = 500, block: int = 20_000) -> Hall:
    bounds = {"max_per_mailbox_per_hour": mailbox, "max_per_block_per_hour": block}
    return Hall(loop, settings=make_settings(sections={"forwarding": bounds}))


@pytest.mark.parametrize("bound", ["mailbox", "block"])
def test_so_much_is_sent_on_within_an_hour_and_the_rest_stays(
    loop: asyncio.AbstractEventLoop, bound: str
) -> None:
    hall = bounded(loop, **{bound: 3})
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=False)
    for number in range(5):
        give(hall, numbered(number))
    assert len(away(hall)) == 3
    kept = [write.copies[0] for write in hall.writer.writes[3:] if write.door != "local"]
    assert [copy.route for copy in kept] == [Deposit(mailbox_id=MailboxId(7))] * 2
    assert kept[0].note == f"not sent on to {HOME}: too much within the hour"
    (letter,) = letters(hall)
    assert "trop de messages" in read(letter).get_content()


def test_the_block_is_of_strangers_and_the_mailbox_of_everybody(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = bounded(loop, mailbox=2, block=1)
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME)
    own = f"From: marie@{DOMAIN}\r\n\r\n%d\r\n.\r\n"
    for number in range(3):
        talk = HELLO + AUTH + f"MAIL FROM:<marie@{DOMAIN}>\r\n".encode() + rcpt(SOMEBODY) + DATA
        said = say(hall, talk + (own % number).encode(), listener=SUBMISSION)
        assert said[-1] == "250 2.0.0"
    assert len(away(hall)) == 2


def test_the_mail_of_who_has_left_is_put_off_where_it_cannot_stay(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = bounded(loop, mailbox=1)
    hall.store.targets[SOMEBODY] = make_target(7, life=Life.LEFT, forward_to=HOME)
    assert answer(hall) == "250 2.1.5"
    hall.store.acts["forward:7"] = 1
    assert answer(hall) == "450 4.7.1"


# --- the letter -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        '"call +33 1 23 now"@evil.example',
        "www.evil.example@x.example",
        "a@www.evil.example",
        "http-evil@x.example",
        "chef@écoles.example",
        f"{'a' * 65}@x.example",
        "a@[192.0.2.1]",
        "a@b",
        "a@b.example\r\nBcc: x",
    ],
)
def test_what_is_no_plain_address_is_not_shown(path: str) -> None:
    assert shown_sender(path, "en") == "an address that is not shown here"


@given(st.text(max_size=80), st.sampled_from(StayReason), st.sampled_from(["fr", "en"]))
def test_whatever_the_sender_is_the_letter_is_ours(
    path: str, why: StayReason, language: str
) -> None:
    """Only what is plain stands in it, and no sender makes a header line."""
    letter = something_stays(
        Organisation(hostname=f"mail.{DOMAIN}", domain=DOMAIN),
        NoticeReader(
            mailbox_id=MailboxId(7),
            address=SOMEBODY,
            language="fr" if language == "fr" else "en",
        ),
        why=why,
        reverse_path=path,
        accept_id=AcceptId(bytes(15)),
        now_s=WALL_S,
    )
    message = read(letter)
    assert set(message.keys()) <= {
        "From", "To", "Subject", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version", "Date", "Message-ID",
    }  # fmt: skip
    assert shown_sender(path, "fr" if language == "fr" else "en") in message.get_content()


def test_a_plain_address_is_shown() -> None:
    assert shown_sender("jean.petit+x@ac-exemple.fr", "fr") == "jean.petit+x@ac-exemple.fr"
