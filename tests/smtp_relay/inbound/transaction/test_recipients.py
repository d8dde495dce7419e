"""RCPT by what the directory says: life, room, lists, forwarding, reports on their way back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mailserver.lists.addresses import ListPurpose, address_for, addresses_of
from mailserver.store.ports.lists import MailingList, Posting
from mailserver.store.ports.people import Life
from mailserver.values.address import Address, is_dot_string
from mailserver.values.clock import Belief
from mailserver.values.ids import AccountId
from mailserver.values.message import Deposit, NewCopy, Notify, Relay
from smtp_relay.inbound.service import Listener
from tests.lists.fakes import mailing_list
from tests.smtp_relay.inbound.fakes import (
    DOMAIN,
    MARIE,
    MX,
    PIERRE_INBOX,
    SUBMISSION,
    WALL_S,
    Hall,
    Stage,
    make_settings,
    make_target,
)
from tests.smtp_relay.inbound.wire import AUTH, DATA, HELLO, MAIL, codes, say
from tests.store.in_memory import CountersInMemory

MIB = 1024 * 1024
TEXT = b"From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
SIGNED_IN = AUTH + b"MAIL FROM:<marie@ac-exemple.fr>\r\n"
SOMEBODY = f"somebody@{DOMAIN}"
QUOTA = {"classes": [{"name": "default", "quota_mib": 1, "quota_messages": 100}]}


def rcpt(address: str, parameters: str = "") -> bytes:
    return f"RCPT TO:<{address}>{parameters}\r\n".encode()


def hall_with(loop: asyncio.AbstractEventLoop, **settings: Any) -> Hall:
    return Hall(loop, settings=make_settings(**settings))


def answer(hall: Hall, *, sender: bytes = MAIL, to: str = SOMEBODY) -> str:
    return say(hall, HELLO + sender + rcpt(to))[-1]


BOUNCE = b"From: mailer-daemon@far.example\r\nSubject: failure notice\r\n\r\nno\r\n.\r\n"


def accepted(
    hall: Hall, *, sender: bytes = MAIL, to: bytes = rcpt(SOMEBODY), text: bytes = TEXT
) -> tuple[NewCopy, ...]:
    assert say(hall, HELLO + sender + to + DATA + text)[-1] == "250 2.0.0"
    brought = [write for write in hall.writer.writes if write.door != "local"]  # no letter of ours
    return brought[-1].copies


# --- life -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("life", "said"),
    [
        (Life.EXPECTED, "550 5.2.1"),
        (Life.PRESENT, "250 2.1.5"),
        (Life.ON_LEAVE, "250 2.1.5"),
        (Life.LEAVING, "250 2.1.5"),
        (Life.LEFT, "550 5.1.6"),
        (Life.GONE, "550 5.2.1"),
    ],
)
def test_who_gets_mail(hall: Hall, life: Life, said: str) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, life=life)
    assert answer(hall) == said


# --- establishments -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "said"),
    [
        ("ce.0170705z", "250 2.1.5 Recipient ok"),
        ("CE.0170705", "250 2.1.5 Recipient ok"),
        ("ce.0170705z+cantine", "250 2.1.5 Recipient ok"),
        ("ce.0170705a", "550 5.1.1 Nobody has this address here: the letter of this school's"),
        ("CE.0170705A+cantine", "550 5.1.1 Nobody has this address here: the letter"),
        ("ce.0170706a", "550 5.1.1 Nobody has this address here\r\n"),
        ("ce.017070z", "550 5.1.1 Nobody has this address here\r\n"),
    ],
)
def test_a_wrong_key_letter_is_named(hall: Hall, local: str, said: str) -> None:
    for name in ("ce.0170705z", "ce.0170705"):
        hall.store.targets[f"{name}@{DOMAIN}"] = make_target(7)
    stage = Stage(hall)
    heard = stage.send(HELLO + MAIL + rcpt(f"{local}@{DOMAIN}"))
    assert heard.splitlines(keepends=True)[-1].decode().startswith(said)


# --- room -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "count", "ordinary", "report"),
    [
        (MIB - 1, 99, "250 2.1.5", "250 2.1.5"),
        (MIB, 1, "452 4.2.2", "250 2.1.5"),
        (1, 100, "452 4.2.2", "250 2.1.5"),
        (MIB * 11 // 10, 1, "552 5.2.2", "552 5.2.2"),
        (1, 110, "552 5.2.2", "552 5.2.2"),
    ],
)
def test_a_full_mailbox(
    loop: asyncio.AbstractEventLoop, octets: int, count: int, ordinary: str, report: str
) -> None:
    hall = hall_with(loop, sections=QUOTA)
    hall.store.targets[SOMEBODY] = make_target(7, used_octets=octets, used_count=count)
    assert answer(hall) == ordinary
    assert answer(hall, sender=b"MAIL FROM:<>\r\n") == report


def test_the_declared_size_counts(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, sections=QUOTA)
    hall.store.targets[SOMEBODY] = make_target(7, used_octets=MIB // 2)
    sized = "MAIL FROM:<a@example.org> SIZE={}\r\n"
    assert answer(hall, sender=sized.format(MIB // 2).encode()) == "250 2.1.5"
    assert answer(hall, sender=sized.format(MIB // 2 + 1).encode()) == "452 4.2.2"
    assert answer(hall, sender=sized.format(MIB + 1).encode()) == "552 5.2.2"


def test_postmaster_is_never_too_full_to_hear(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, sections=QUOTA)
    hall.store.targets[f"pierre@{DOMAIN}"] = make_target(12, used_octets=2 * MIB)
    assert answer(hall, to=f"postmaster@{DOMAIN}") == "250 2.1.5"
    assert answer(hall, to=f"pierre@{DOMAIN}") == "552 5.2.2"


# --- lists ----------------------------------------------------------------------------


def add_list(hall: Hall, posting: Posting) -> MailingList:
    which = mailing_list(f"tous@{DOMAIN}", posting=posting)
    for address in addresses_of(which.address):
        hall.store.lists.lists[address] = which
        hall.store.targets[address] = replace(
            make_target(7), mailbox_id=None, list_id=which.list_id
        )
    return which


@pytest.mark.parametrize(
    ("posting", "member", "sender", "said"),
    [
        (Posting.MEMBERS, MARIE, SIGNED_IN, "250 2.1.5"),
        (Posting.MEMBERS, 99, SIGNED_IN, "550 5.7.2"),
        # From outside, an address of ours proves nothing; one of a member outside is all there is.
        (Posting.MEMBERS, MARIE, b"MAIL FROM:<marie@ac-exemple.fr>\r\n", "550 5.7.2"),
        (Posting.MEMBERS, "a@example.org", MAIL, "250 2.1.5"),
        (Posting.MEMBERS, "a@example.org", b"MAIL FROM:<>\r\n", "550 5.7.2"),
        (Posting.INSIDE, 99, SIGNED_IN, "250 2.1.5"),
        (Posting.INSIDE, 99, MAIL, "550 5.7.2"),
        (Posting.NAMED, MARIE, SIGNED_IN, "550 5.7.2"),
        (Posting.MODERATED, 99, MAIL, "250 2.1.5"),
    ],
)
def test_who_may_post_is_asked_before_the_message_comes(
    hall: Hall, posting: Posting, member: str | AccountId, sender: bytes, said: str
) -> None:
    which = add_list(hall, posting)
    hall.store.lists.members.add(member)
    is_ours = sender is SIGNED_IN
    talk = HELLO + sender + rcpt(which.address)
    assert say(hall, talk, listener=SUBMISSION if is_ours else MX)[-1] == said


@pytest.mark.parametrize("posting", [Posting.MEMBERS, Posting.INSIDE])
def test_nobody_learns_from_a_list_who_is_a_member_outside(hall: Hall, posting: Posting) -> None:
    which = replace(add_list(hall, posting), has_outside=True)
    for address in addresses_of(which.address):
        hall.store.lists.lists[address] = which
    hall.store.lists.members.add("a@example.org")

    def ask(sender: bytes) -> str:
        return say(hall, HELLO + sender + rcpt(which.address))[-1]

    member, other = ask(MAIL), ask(b"MAIL FROM:<b@example.org>\r\n")
    assert member == other == "250 2.1.5"
    ours = [ask(b"MAIL FROM:<%b@ac-exemple.fr>\r\n" % one) for one in (b"marie", b"nobody")]
    assert ours == ["550 5.7.2"] * 2
    assert ask(b"MAIL FROM:<>\r\n") == "550 5.7.2"


@pytest.mark.parametrize("purpose", [one for one in ListPurpose if one is not ListPurpose.POST])
def test_requests_to_a_list_come_in_from_anybody(hall: Hall, purpose: ListPurpose) -> None:
    which = add_list(hall, Posting.MEMBERS)
    to = address_for(which.address, purpose, "abc")
    assert answer(hall, sender=b"MAIL FROM:<>\r\n", to=to) == "250 2.1.5"


# --- forwarding -----------------------------------------------------------------------


def test_a_kept_copy_stays_and_one_goes_on_under_our_name(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to="home@provider.example")
    away, here = accepted(hall)
    assert here == NewCopy(recipient=SOMEBODY, route=Deposit(mailbox_id=here.route.mailbox_id))  # type: ignore[union-attr]
    assert away.recipient == "home@provider.example"
    assert isinstance(away.route, Relay)
    assert away.route.next_hop == "provider.example"
    assert away.notify is Notify.NEVER
    assert away.original_recipient == f"rfc822;{SOMEBODY}"
    assert away.sender is not None
    local, _, domain = away.sender.rpartition("@")
    assert domain == DOMAIN
    first = hall.service.srs.restore(local, now_s=WALL_S)
    assert first == Address("a", "example.org")


def test_a_sender_that_is_rewritten_under_a_clock_two_years_ahead_is_good_when_it_is_back(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Its stamp is the day that is believed, so a report finds its way back."""
    hall = hall_with(loop)
    behind_s = WALL_S - 2 * 365 * 86_400.0
    hall.store.belief = Belief(
        wall_s=WALL_S, steady_s=0.0, boot="", believed_s=behind_s, strayed_at_s=behind_s
    )
    hall.store.targets[SOMEBODY] = make_target(7, forward_to="home@provider.example")
    away, _here = accepted(hall)
    assert away.sender is not None
    local = away.sender.rpartition("@")[0]
    assert hall.service.srs.restore(local, now_s=behind_s) == Address("a", "example.org")
    assert hall.service.srs.restore(local, now_s=WALL_S) is None


def test_who_keeps_nothing_has_one_copy_with_the_senders_wishes(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(
        7, forward_to="home@provider.example", keeps_copy=False
    )
    (away,) = accepted(hall, to=rcpt(SOMEBODY, " NOTIFY=FAILURE"))
    assert isinstance(away.route, Relay)
    assert away.notify is Notify.FAILURE


@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("keeps_copy", [True, False])
def test_senders_are_told_of_who_they_wrote_to_unless_the_holder_shows_the_target(
    hall: Hall, *, shows: bool, keeps_copy: bool
) -> None:
    hall.store.targets[SOMEBODY] = replace(
        make_target(7, forward_to="home@provider.example", keeps_copy=keeps_copy),
        shows_forward=shows,
    )
    away, *_ = accepted(hall)
    assert away.recipient == "home@provider.example"
    assert away.told_as == ("" if shows else SOMEBODY)


WITH_NUL = TEXT.replace(b"\r\n.\r\n", b"a\0b\r\n.\r\n")


@pytest.mark.parametrize("keeps_copy", [True, False])
def test_a_message_with_nul_stays_in_the_mailbox_of_who_forwards_and_its_journey_says_why(
    hall: Hall, *, keeps_copy: bool
) -> None:
    hall.store.targets[SOMEBODY] = make_target(
        7, forward_to="home@provider.example", keeps_copy=keeps_copy
    )
    copies = accepted(hall, text=WITH_NUL)
    assert len(copies) == 1 + keeps_copy
    assert {copy.recipient for copy in copies} == {SOMEBODY}
    assert len({copy.route.mailbox_id for copy in copies if isinstance(copy.route, Deposit)}) == 1
    assert all(isinstance(copy.route, Deposit) for copy in copies)
    assert "not sent on to home@provider.example: it holds a NUL" in copies[0].note


def test_who_has_left_is_followed_and_keeps_nothing(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(
        7, life=Life.LEFT, forward_to="home@provider.example"
    )
    (away,) = accepted(hall)
    assert isinstance(away.route, Relay)


def test_a_report_goes_on_as_nobody(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(
        7, forward_to="home@provider.example", keeps_copy=False
    )
    (away,) = accepted(hall, sender=b"MAIL FROM:<>\r\n")
    assert away.sender is None


def test_a_sender_that_is_too_long_to_rewrite_leaves_as_postmaster(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(
        7, forward_to="home@provider.example", keeps_copy=False
    )
    (away,) = accepted(hall, sender=b"MAIL FROM:<" + b"a" * 240 + b"@example.org>\r\n")
    assert away.sender == f"postmaster@{DOMAIN}"


def test_to_another_mailbox_of_ours_it_is_deposited_and_goes_no_further(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=f"pierre@{DOMAIN}", keeps_copy=False)
    hall.store.targets[f"pierre@{DOMAIN}"] = make_target(
        PIERRE_INBOX, forward_to=SOMEBODY, keeps_copy=False
    )
    (copy,) = accepted(hall)
    assert copy.route == Deposit(mailbox_id=PIERRE_INBOX)


def test_to_oneself_it_is_simply_deposited(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=SOMEBODY, keeps_copy=False)
    (copy,) = accepted(hall)
    assert isinstance(copy.route, Deposit)


def test_a_copy_that_comes_back_is_refused(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to="home@provider.example")
    accepted(hall)
    came_back = hall.writer.writes[-1].head + TEXT
    assert b"\r\nX-Loop: " in came_back
    talk = HELLO + MAIL + rcpt(SOMEBODY) + DATA + came_back
    assert say(hall, talk)[-1] == "554 5.4.6"


def test_forwarding_may_be_off(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, sections={"forwarding": {"enabled": False}})
    hall.store.targets[SOMEBODY] = make_target(7, forward_to="x@y.example", keeps_copy=False)
    (copy,) = accepted(hall)
    assert isinstance(copy.route, Deposit)


# --- reports on their way back ----------------------------------------------------------


def srs_address(hall: Hall, sender: Address) -> str:
    written = hall.service.srs.rewrite(sender, now_s=WALL_S)
    assert written is not None
    return str(written)


def test_a_report_finds_its_way_back_to_who_sent_the_message(hall: Hall) -> None:
    to = rcpt(srs_address(hall, Address("a", "example.org")))
    (copy,) = accepted(hall, sender=b"MAIL FROM:<>\r\n", to=to, text=BOUNCE)
    assert copy.recipient == "a@example.org"
    assert isinstance(copy.route, Relay)
    assert copy.route.next_hop == "example.org"
    assert copy.sender is None


def test_a_report_finds_its_way_back_past_a_catch_all(loop: asyncio.AbstractEventLoop) -> None:
    catch_all = [{"domain": DOMAIN, "address": f"pierre@{DOMAIN}"}]
    hall = hall_with(loop, sections={"catch_all": catch_all})
    hall.store.targets[f"pierre@{DOMAIN}"] = make_target(PIERRE_INBOX)
    to = srs_address(hall, Address("a", "example.org"))
    (copy,) = accepted(hall, sender=b"MAIL FROM:<>\r\n", to=rcpt(to), text=BOUNCE)
    assert copy.recipient == "a@example.org"
    forged = f"SRS0=aaaaaa=bb=example.org=a@{DOMAIN}"
    assert answer(hall, to=forged, sender=b"MAIL FROM:<>\r\n") == "550 5.1.1"


def test_a_copy_that_was_rewritten_before_goes_back_to_who_rewrote_it(hall: Hall) -> None:
    first = Address("SRS0=abcd=xy=example.org=a", "forwarder.example")
    to = rcpt(srs_address(hall, first))
    (copy,) = accepted(hall, sender=b"MAIL FROM:<>\r\n", to=to, text=BOUNCE)
    assert copy.recipient == str(first)


def test_nothing_but_reports_goes_that_way(hall: Hall) -> None:
    assert answer(hall, to=srs_address(hall, Address("a", "example.org"))) == "550 5.7.1"


def test_an_address_that_we_never_wrote_relays_nothing(hall: Hall) -> None:
    forged = f"SRS0=aaaaaa=bb=example.org=a@{DOMAIN}"
    assert answer(hall, to=forged, sender=b"MAIL FROM:<>\r\n") == "550 5.1.1"


@pytest.mark.parametrize("local", ["a..b", ".a", "a.", "a" * 71, "a+caf_=you=school.example"])
def test_a_sender_of_any_spelling_is_forwarded_under_a_plain_address_and_hears_back(
    hall: Hall, local: str
) -> None:
    hall.store.targets[SOMEBODY] = make_target(
        7, forward_to="home..1@provider.example", keeps_copy=False
    )
    (away,) = accepted(hall, sender=f"MAIL FROM:<{local}@example.org>\r\n".encode())
    assert away.recipient == "home..1@provider.example"
    assert away.sender is not None
    assert is_dot_string(away.sender.rpartition("@")[0])
    (back,) = accepted(hall, sender=b"MAIL FROM:<>\r\n", to=rcpt(away.sender), text=BOUNCE)
    assert back.recipient == f"{local}@example.org"


# --- guessing ---------------------------------------------------------------------------


def test_a_stranger_who_guesses_is_sent_away(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, max_unknown_recipients=3)
    stage = Stage(hall)
    guesses = b"".join(rcpt(f"guess{number}@{DOMAIN}") for number in range(5))
    heard = codes(stage.send(HELLO + MAIL + guesses))
    assert heard[-4:] == ["550 5.1.1", "550 5.1.1", "550 5.1.1", "421 4.7.0"]
    assert stage.was_closed()


def test_our_machines_may_have_old_lists(loop: asyncio.AbstractEventLoop) -> None:
    relay = {"trusted_networks": ["192.0.2.7/32"]}
    hall = hall_with(loop, relay=relay, max_unknown_recipients=3)
    guesses = b"".join(rcpt(f"guess{number}@{DOMAIN}") for number in range(5))
    assert say(hall, HELLO + MAIL + guesses)[-5:] == ["550 5.1.1"] * 5


# --- sending limits ---------------------------------------------------------------------

LIMITED = {"classes": [{"name": "default", "sends_per_hour": 2}, {"name": "bulk", "bulk": True}]}
SUBMIT = HELLO + AUTH + b"MAIL FROM:<marie@ac-exemple.fr>\r\n"
OWN_TEXT = b"From: marie@ac-exemple.fr\r\n\r\nhello\r\n.\r\n"


def send(hall: Hall, to: bytes, listener: Listener = SUBMISSION) -> tuple[NewCopy, ...]:
    """The copies of the message, before any letter that follows it."""
    begin = len(hall.writer.writes)
    assert say(hall, SUBMIT + to + DATA + OWN_TEXT, listener=listener)[-1] == "250 2.0.0"
    own = [write for write in hall.writer.writes[begin:] if write.account_id == MARIE]
    return own[0].copies


def test_what_passes_a_limit_is_held_and_told_once(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, sections=LIMITED)
    both = rcpt("x@elsewhere.org") + rcpt(f"pierre@{DOMAIN}")
    held = []
    for _ in range(4):
        away, here = send(hall, both)
        assert isinstance(here.route, Deposit)
        assert isinstance(away.route, Relay)
        held.append(away.route.held_for)
    assert held[:2] == ["", ""]
    assert held[2] == "sending limit of mdupont: 3 messages in an hour, 2 allowed"
    letters = [write for write in hall.writer.writes if write.reverse_path == ""]
    assert [letter.copies[0].route for letter in letters] == [Deposit(mailbox_id=PIERRE_INBOX)]


def test_mail_between_our_mailboxes_is_not_counted(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, sections=LIMITED)
    for _ in range(4):
        send(hall, rcpt(f"pierre@{DOMAIN}"))
    assert hall.store.counted.sent_messages() == {}


def test_what_our_people_have_sent_on_is_neither_counted_nor_held(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_with(loop, sections=LIMITED)
    hall.store.targets[SOMEBODY] = make_target(7, forward_to="home@provider.example")
    for _ in range(4):
        send(hall, rcpt(SOMEBODY))
    assert hall.store.counted.sent_messages() == {}
    both = rcpt(SOMEBODY) + rcpt("x@elsewhere.org")
    for _ in range(3):
        hall.store.repeats = CountersInMemory().repeats  # each is a message of its own
        copies = send(hall, both)
    reasons = {one.recipient: one.route.held_for for one in copies if isinstance(one.route, Relay)}
    assert reasons == {
        "home@provider.example": "",
        "x@elsewhere.org": "sending limit of mdupont: 3 messages in an hour, 2 allowed",
    }


def test_posts_to_lists_are_counted_and_held(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, sections=LIMITED)
    which = add_list(hall, Posting.INSIDE)
    held = []
    for _ in range(3):
        (copy,) = send(hall, rcpt(which.address))
        assert isinstance(copy.route, Relay)
        held.append(copy.route.held_for)
    assert held == ["", "", "sending limit of mdupont: 3 messages in an hour, 2 allowed"]
    (copy,) = send(hall, rcpt(address_for(which.address, ListPurpose.MODERATE, "abc")))
    assert isinstance(copy.route, Relay)
    assert copy.route.held_for == ""  # a moderator who is over a limit still answers


def test_a_class_for_bulk_has_no_limit(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, sections=LIMITED)
    hall.store.class_name = "bulk"
    for _ in range(4):
        (away,) = send(hall, rcpt("x@elsewhere.org"))
        assert isinstance(away.route, Relay)
        assert away.route.held_for == ""


def test_an_address_of_one_domain_answers_at_the_others(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, extra_domains=("second.example",))
    assert answer(hall, to="marie+x@second.example") == "250 2.1.5"
    talk = HELLO + AUTH + b"MAIL FROM:<marie@second.example>\r\n"
    assert say(hall, talk, listener=SUBMISSION)[-1] == "250 2.1.0"
