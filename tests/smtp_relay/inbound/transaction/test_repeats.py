"""One list or forward target, named many times in a transaction: one copy, 250 for each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailserver.lists.addresses import ListPurpose, address_for
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.lists import Posting
from mailserver.store.ports.people import Life
from mailserver.store.ports.writes import Failed
from mailserver.values.ids import ListId
from mailserver.values.message import BETWEEN_NAMES, Deposit, NewCopy, Notify, Relay
from smtp_relay.inbound.commands import message
from smtp_relay.inbound.transaction.transaction import widest
from tests.smtp_relay.inbound.fakes import DOMAIN, Hall, make_target
from tests.smtp_relay.inbound.transaction.test_recipients import (
    SOMEBODY,
    TEXT,
    WITH_NUL,
    accepted,
    add_list,
    rcpt,
)
from tests.smtp_relay.inbound.wire import DATA, HELLO, MAIL, say

OTHER = f"other@{DOMAIN}"
HOME = "home@provider.example"
NAMED = b"Message-ID: <one@example.org>\r\n" + TEXT
UNSAID, NEVER = Notify.UNSAID, Notify.NEVER
SUCCESS, FAILURE, DELAY = Notify.SUCCESS, Notify.FAILURE, Notify.DELAY


def relayed(copies: tuple[NewCopy, ...]) -> list[NewCopy]:
    return [copy for copy in copies if isinstance(copy.route, Relay)]


def mailboxes(copies: tuple[NewCopy, ...]) -> list[int]:
    return [copy.route.mailbox_id for copy in copies if isinstance(copy.route, Deposit)]


@pytest.fixture
def names(hall: Hall) -> list[str]:
    """A list's own address thirty times, and thirty with a plus, and in other letters."""
    which = add_list(hall, Posting.MODERATED)
    local, _, domain = which.address.rpartition("@")
    hall.store.targets |= {
        f"{local}+{number}@{domain}": hall.store.targets[which.address] for number in range(30)
    }
    return [which.address] * 30 + [f"{local}+{number}@{domain}" for number in range(30)]


def test_a_list_that_is_named_sixty_times_gets_the_message_once(
    hall: Hall, names: list[str]
) -> None:
    talk = HELLO + MAIL + b"".join(map(rcpt, names)) + DATA + TEXT
    said = say(hall, talk)
    assert said.count("250 2.1.5") == len(names)
    (copy,) = hall.writer.writes[-1].copies
    assert copy.recipient == names[0]
    assert copy.note == "stands for 60 recipients of this transaction"


def test_what_is_perhaps_forged_waits_for_one_moderator_once(hall: Hall, names: list[str]) -> None:
    forged = b"From: marie@ac-exemple.fr\r\n\r\nx\r\n.\r\n"
    (copy,) = accepted(hall, to=b"".join(map(rcpt, names)), text=forged)
    assert copy.note == "stands for 60 recipients of this transaction"


def test_recipients_that_add_no_copy_count_as_recipients(hall: Hall, names: list[str]) -> None:
    most = hall.service.settings.smtp.max_recipients
    said = say(hall, HELLO + MAIL + rcpt(names[0]) * (most + 1) + DATA + TEXT)
    assert said.count("250 2.1.5") == most
    assert "452 4.5.3" in said


def test_what_several_of_them_want_to_hear_is_asked_of_the_one_copy(
    hall: Hall, names: list[str]
) -> None:
    wishes = [" NOTIFY=NEVER", "", " NOTIFY=SUCCESS ORCPT=rfc822;second@example.org"]
    (copy,) = accepted(hall, to=b"".join(map(rcpt, names, wishes)))
    assert copy.notify == SUCCESS | FAILURE | DELAY
    assert copy.original_recipient == "rfc822;second@example.org"


def test_a_list_and_its_owner_and_two_tokens_are_four_letters(hall: Hall) -> None:
    which = add_list(hall, Posting.MODERATED)
    to = [which.address] + [
        address_for(which.address, purpose, detail)
        for purpose, detail in (
            (ListPurpose.OWNER, ""),
            (ListPurpose.MODERATE, "one"),
            (ListPurpose.MODERATE, "two"),
        )
    ]
    copies = accepted(hall, to=b"".join(map(rcpt, [*to, *to])))
    assert [copy.recipient for copy in copies] == to


def test_two_lists_have_a_copy_each(hall: Hall) -> None:
    first = add_list(hall, Posting.MODERATED)
    second = replace(first, address=f"parents@{DOMAIN}", list_id=ListId(2))
    hall.store.lists.lists[second.address] = second
    hall.store.targets[second.address] = replace(
        hall.store.targets[first.address], list_id=second.list_id
    )
    copies = accepted(hall, to=rcpt(first.address) + rcpt(second.address))
    assert [copy.recipient for copy in copies] == [first.address, second.address]


@pytest.mark.parametrize(("keeps", "notify"), [(True, NEVER), (False, UNSAID)])
def test_several_who_forward_to_one_address_send_it_one_copy(
    hall: Hall, *, keeps: bool, notify: Notify
) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=keeps)
    hall.store.targets[OTHER] = make_target(8, forward_to="HOME@Provider.example", keeps_copy=keeps)
    copies = accepted(hall, to=rcpt(SOMEBODY) + rcpt(OTHER))
    (away,) = relayed(copies)
    assert (away.recipient, away.notify) == (HOME, notify)
    assert mailboxes(copies) == ([7, 8] if keeps else [])
    assert hall.writer.writes[-1].head.count(b"X-Loop: ") == 2
    assert away.told_as.split(BETWEEN_NAMES) == ([SOMEBODY] if keeps else [SOMEBODY, OTHER])


@pytest.mark.parametrize(
    ("shows", "told"), [((True, True), ""), ((True, False), None), ((False, True), None)]
)
def test_one_who_hides_where_mail_goes_hides_it_for_all(
    hall: Hall, shows: tuple[bool, bool], told: str | None
) -> None:
    for who, number, is_shown in ((SOMEBODY, 7, shows[0]), (OTHER, 8, shows[1])):
        hall.store.targets[who] = make_target(
            number, forward_to=HOME, keeps_copy=False, shows_forward=is_shown
        )
    (away,) = relayed(accepted(hall, to=rcpt(SOMEBODY) + rcpt(OTHER)))
    assert away.told_as == (BETWEEN_NAMES.join((SOMEBODY, OTHER)) if told is None else told)


@pytest.mark.parametrize("is_kept_first", [True, False])
def test_who_keeps_no_copy_is_told_of_when_it_fails(hall: Hall, *, is_kept_first: bool) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=True)
    hall.store.targets[OTHER] = make_target(8, forward_to=HOME, keeps_copy=False)
    to = [SOMEBODY, OTHER] if is_kept_first else [OTHER, SOMEBODY]
    copies = accepted(hall, to=rcpt(to[0]) + rcpt(to[1]))
    (away,) = relayed(copies)
    assert (away.notify, away.original_recipient) == (UNSAID, f"rfc822;{OTHER}")
    assert away.told_as == OTHER
    assert mailboxes(copies) == [7]


@pytest.mark.parametrize("keeps_copy", [True, False])
def test_what_may_not_leave_stays_in_every_mailbox(hall: Hall, *, keeps_copy: bool) -> None:
    for who, number in ((SOMEBODY, 7), (OTHER, 8)):
        hall.store.targets[who] = make_target(number, forward_to=HOME, keeps_copy=keeps_copy)
    copies = accepted(hall, to=rcpt(SOMEBODY) + rcpt(OTHER), text=WITH_NUL)
    assert not relayed(copies)
    assert set(mailboxes(copies)) == {7, 8}


def test_who_has_left_does_not_send_on_what_may_not_leave(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME)
    hall.store.targets[OTHER] = make_target(8, life=Life.LEFT, forward_to=HOME)
    copies = accepted(hall, to=rcpt(SOMEBODY) + rcpt(OTHER), text=WITH_NUL)
    assert mailboxes(copies).count(7) >= 1
    assert [copy.told_as for copy in relayed(copies)] == [OTHER]  # and its sender hears of it


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (UNSAID, UNSAID, UNSAID),
        (NEVER, NEVER, NEVER),
        (NEVER, UNSAID, UNSAID),
        (UNSAID, NEVER, UNSAID),
        (NEVER, SUCCESS, SUCCESS),
        (SUCCESS, FAILURE, SUCCESS | FAILURE),
        (UNSAID, SUCCESS, SUCCESS | FAILURE | DELAY),
        (FAILURE, UNSAID, FAILURE | DELAY),
    ],
)
def test_the_widest_of_two_wishes(one: Notify, other: Notify, both: Notify) -> None:
    assert widest(one, other) == both


# --- within an hour ---------------------------------------------------------------------


@pytest.mark.parametrize("keeps_copy", [True, False])
def test_the_same_message_is_sent_on_once_within_an_hour_and_stays_then(
    hall: Hall, *, keeps_copy: bool
) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=keeps_copy)
    assert len(relayed(accepted(hall, text=NAMED))) == 1
    again = accepted(hall, text=NAMED)
    assert not relayed(again)
    assert set(mailboxes(again)) == {7}
    assert again[0].note == f"not sent on again to {HOME}: the same within an hour"
    assert relayed(accepted(hall, text=NAMED.replace(b"<one@", b"<two@")))
    assert relayed(accepted(hall, text=NAMED.replace(b"hello", b"hullo")))


def test_another_who_forwards_there_has_the_repeat_in_their_mailbox(hall: Hall) -> None:
    for who, number in ((SOMEBODY, 7), (OTHER, 8)):
        hall.store.targets[who] = make_target(number, forward_to=HOME, keeps_copy=False)
    accepted(hall, text=NAMED)
    again = accepted(hall, to=rcpt(SOMEBODY) + rcpt(OTHER), text=NAMED)
    assert sorted(mailboxes(again)) == [7, 8]
    assert not relayed(again)


def test_what_was_not_stored_is_sent_on_when_it_comes_again(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=False)
    stored, hall.writer.outcome = hall.writer.outcome, lambda _: Failed(StoreUnavailable("busy"))
    talk = HELLO + MAIL + rcpt(SOMEBODY) + DATA + NAMED
    assert say(hall, talk)[-1].startswith("451")
    hall.writer.outcome = stored
    assert len(relayed(accepted(hall, text=NAMED))) == 1


def test_what_could_not_be_made_ready_is_sent_on_when_it_comes_again(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours between the claim and the commit leaves no claim behind."""
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=False)
    with monkeypatch.context() as patched:
        patched.setattr(message, "build_acceptance", lambda *_args, **_named: 1 // 0)
        assert say(hall, HELLO + MAIL + rcpt(SOMEBODY) + DATA + NAMED)[-1].startswith("4")
    assert len(relayed(accepted(hall, text=NAMED))) == 1


def test_of_two_that_come_at_one_instant_one_goes_on(hall: Hall) -> None:
    """The second one's dot comes before the first one is on disk."""
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME, keeps_copy=False)
    talk = HELLO + MAIL + rcpt(SOMEBODY) + DATA + NAMED
    now = hall.writer.outcome

    def meanwhile(_: int) -> Failed:
        hall.writer.outcome = now
        assert not relayed(accepted(hall, text=NAMED))
        return Failed(StoreUnavailable("busy"))

    hall.writer.outcome = meanwhile
    assert say(hall, talk)[-1].startswith("451")
    assert len(relayed(accepted(hall, text=NAMED))) == 1  # nobody holds it any more


def test_messages_that_are_all_header_are_told_apart(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME)
    for number in range(2):
        text = b"From: a@example.org\r\nSubject: %d\r\n.\r\n" % number
        assert len(relayed(accepted(hall, text=text))) == 1


def test_what_stayed_for_another_reason_is_no_first(hall: Hall) -> None:
    hall.store.targets[SOMEBODY] = make_target(7, forward_to=HOME)
    forged = NAMED.replace(b"a@example.org", b"marie@ac-exemple.fr")
    assert not relayed(accepted(hall, text=forged))
    assert len(relayed(accepted(hall, text=NAMED))) == 1


def test_mail_that_nobody_forwards_asks_for_no_memory(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.store.targets[SOMEBODY] = make_target(7)
    monkeypatch.delattr(hall.store, "repeats")
    assert len(accepted(hall, text=NAMED)) == 1
