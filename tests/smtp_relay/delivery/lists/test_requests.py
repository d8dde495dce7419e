"""Requests by mail to a list: moderation, joining and leaving, bounces; and what is forged."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest

from mailserver.lists.addresses import bounces_address
from mailserver.lists.tokens import ByHand, digest_of
from mailserver.lists.verdict import deed_of
from mailserver.queue.copies import CopyState
from mailserver.store.ports.lists import Joining, ListRole, Posting
from mailserver.store.ports.operators import QueueFilter
from mailserver.texts.catalogue import Language
from mailserver.values.ids import AccountId
from smtp_relay.delivery.lists.budgets import MOST_UNINVITED
from tests.smtp_relay.delivery.lists.list_house import DOMAIN, POST, ListHouse, OpenHouse

# --- moderation ---------------------------------------------------------------------------------


def _token(note: bytes) -> str:
    return note.partition(b"animateurs-moderate+")[2].partition(b"@")[0].decode()


def test_a_post_waits_until_a_moderator_says_yes_by_mail(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    house.member("anne.durand")
    author = house.member("jean.petit")
    moderator = house.person("sage")
    house.store.lists.give_role(house.which.list_id, ListRole.MODERATOR, moderator)
    sent = house.send(account_id=author)
    house.expand()
    assert house.held() == ["waits for a moderator of animateurs@ac-exemple.fr"]
    (note,) = house.read("sage")
    answer = b"From: sage@ac-exemple.fr\r\nSubject: Re: x\r\n\r\nApprouver.\r\n> rien\r\n"
    to = f"animateurs-moderate+{_token(note)}@{DOMAIN}"
    forged = house.send(answer, to=to, reverse_path="sage@ac-exemple.fr")
    house.expand()
    assert "not from the account" in house.state_of(forged)[1]
    assert house.read("anne.durand") == []
    house.send(answer, to=to, account_id=moderator, reverse_path="sage@ac-exemple.fr")
    house.expand()
    house.expand()
    assert len(house.read("anne.durand")) == 1
    assert house.state_of(sent)[0] is CopyState.EXPANDED


def test_a_strangers_post_waits_where_strangers_may_be_members(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MEMBERS)
    house.member("anne.durand")
    house.outside("zoe@example.org")
    for number in range(MOST_UNINVITED + 5):
        house.send(b"Subject: %d\r\n\r\nx\r\n" % number, reverse_path="spam@example.net")
    forged = house.send(reverse_path=f"anne.durand@{DOMAIN}")
    house.expand()
    assert set(house.held()) == {
        "waits for a moderator of animateurs@ac-exemple.fr: its sender is no member"
    }
    assert len(house.held()) == MOST_UNINVITED + 5
    assert "may not post" in house.state_of(forged)[1]
    assert house.read("anne.durand") == []
    # The others: `list moderate`; and one says that there are too many.
    assert len(house.read("chef")) == MOST_UNINVITED + 1
    hold = house.store.lists.waiting_posts(house.which.list_id)[-1]
    deed = deed_of("approved", by="cli:test", at_s=house.now_s)
    assert house.store.lists.decide_hold(hold.ref, "approved", deed)
    house.expand()
    assert len(house.read("anne.durand")) == 1


def test_a_refused_post_goes_back_to_its_author(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    author = house.member("jean.petit")
    sent = house.send(account_id=author)
    house.expand()
    (hold,) = house.store.lists.waiting_posts(house.which.list_id)
    deed = deed_of("rejected", by="cli:test", at_s=house.now_s)
    assert house.store.lists.decide_hold(hold.ref, "rejected", deed)
    assert not house.store.lists.decide_hold(hold.ref, "approved", deed)
    assert house.state_of(sent)[0] is CopyState.RETURNED
    assert len(house.store.queue.owed_reports(limit=5)) == 1


def _waiting(house: ListHouse) -> tuple[str, AccountId]:
    """(the address for verdicts of one post that waits, a moderator's account)."""
    author = house.member("jean.petit")
    moderator = house.person("sage")
    house.store.lists.give_role(house.which.list_id, ListRole.MODERATOR, moderator)
    house.send(account_id=author)
    house.expand()
    (note,) = house.read("sage")
    return f"animateurs-moderate+{_token(note)}@{DOMAIN}", moderator


def test_a_moderators_note_has_the_whole_post(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    _waiting(house)
    (note,) = house.read("sage")
    parts = list(message_from_bytes(note, policy=default).iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "message/rfc822"]
    assert "approuver" in parts[0].get_content()
    assert b"\r\n\r\n" + POST + b"\r\n--=-" in note


def test_a_verdict_counts_once_and_a_guessed_one_never(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    to, moderator = _waiting(house)
    guessed = f"animateurs-moderate+{'a' * 16}@{DOMAIN}"
    said = []
    for address, word in ((guessed, b"oui"), (to, b"non"), (to, b"oui")):
        answer = b"Subject: Re: x\r\n\r\n" + word + b"\r\n"
        sent = house.send(answer, to=address, account_id=moderator)
        house.expand()
        said.append(house.state_of(sent)[1])
    assert said == [
        "nothing done: no post waits under that name",
        "the post is rejected",
        "nothing done: somebody decided before",
    ]
    assert house.read("jean.petit") == []


def test_a_moderator_who_was_not_understood_hears_of_it(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    to, moderator = _waiting(house)
    house.send(b"Subject: Re: x\r\n\r\nQui est-ce ?\r\n", to=to, account_id=moderator)
    house.expand()
    again = house.read("sage")[-1]
    assert b"pour premier mot =C2=AB approuver" in again
    assert f"Reply-To: {to}\r\n".encode() in again
    assert len(house.store.lists.waiting_posts(house.which.list_id)) == 1


# --- requests by mail ----------------------------------------------------------------


def test_an_account_joins_and_leaves_by_mail(open_house: OpenHouse) -> None:
    house = open_house()
    anne = house.person("anne.durand")
    house.send(to=f"animateurs-subscribe@{DOMAIN}", account_id=anne)
    house.expand()
    assert [m.account_id for m in house.members()] == [anne]
    house.send(to=f"animateurs-unsubscribe@{DOMAIN}", account_id=anne)
    house.expand()
    assert house.members() == []
    assert len(house.read("anne.durand")) == 2


def test_an_address_outside_joins_once_it_has_confirmed(open_house: OpenHouse) -> None:
    house = open_house(joining=Joining.ANYONE)
    house.send(to=f"animateurs-subscribe@{DOMAIN}", reverse_path="paul@exemple.net")
    house.expand()
    assert house.members() == []
    ((recipient, hop),) = house.queued()
    assert (recipient, hop) == ("paul@exemple.net", "exemple.net")
    (queued,) = house.store.queue.list_queue(QueueFilter(), after=None, limit=9)
    message = house.store.queue.open_queued(queued.ref.message_id)
    assert message is not None
    assert message.octets is not None
    token = message.octets.partition(b"animateurs-confirm+")[2].partition(b"@")[0].decode()
    house.send(to=f"animateurs-confirm+{token}@{DOMAIN}", reverse_path="paul@exemple.net")
    house.expand()
    (member,) = house.members()
    assert member.address == "paul@exemple.net"
    assert house.store.lists.take_wish(digest_of(token), now_s=house.now_s) is None


def test_nobody_joins_a_closed_list(open_house: OpenHouse) -> None:
    house = open_house(joining=Joining.CLOSED)
    anne = house.person("anne.durand")
    house.send(to=f"animateurs-subscribe@{DOMAIN}", account_id=anne)
    house.expand()
    assert house.members() == []


@pytest.mark.parametrize(
    ("joining", "is_ours", "count"),
    [(Joining.CLOSED, True, 1), (Joining.CLOSED, False, 0), (Joining.ANYONE, False, 1)],
)
def test_only_a_list_for_everybody_explains_itself_to_a_stranger(
    open_house: OpenHouse, joining: Joining, is_ours: bool, count: int
) -> None:
    house = open_house(joining=joining)
    account_id = house.person("anne.durand") if is_ours else None
    to = f"animateurs-help@{DOMAIN}"
    house.send(to=to, account_id=account_id, reverse_path="victim@exemple.net")
    house.expand()
    assert len(house.read("anne.durand") if is_ours else list(house.queued())) == count


def test_a_hidden_list_explains_itself_to_members_only(open_house: OpenHouse) -> None:
    house = open_house()
    house.store.lists.change_list(replace(house.which, is_hidden=True))
    for account_id in (house.person("luc.autre"), house.member("anne.durand")):
        house.send(to=f"animateurs-help@{DOMAIN}", account_id=account_id)
        house.expand()
    assert (len(house.read("luc.autre")), len(house.read("anne.durand"))) == (0, 1)


def test_whose_sender_is_forged_is_asked_once(open_house: OpenHouse) -> None:
    house = open_house(joining=Joining.ANYONE)
    for _ in range(3):
        house.send(to=f"animateurs-subscribe@{DOMAIN}", reverse_path="victim@exemple.net")
        house.expand()
    assert list(house.queued()) == [("victim@exemple.net", "exemple.net")]


BOUNCE = (
    b"From: MAILER-DAEMON@exemple.net\r\nSubject: failed\r\n\r\n"
    b"Final-Recipient: rfc822; paul@exemple.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
)


def _bounce_for_days(
    house: ListHouse, address: str, door: str = "mx", notice: bytes = BOUNCE
) -> None:
    for day in range(3):
        house.now_s += 86_400 + day
        for _ in range(2):  # the second of a day does not count
            house.send(notice, to=address, reverse_path="", door=door)
            house.expand()


def _probe_of(house: ListHouse) -> str:
    """Where what came of the probe comes back to."""
    ((probe, _),) = house.written_to("paul@exemple.net")
    assert re.fullmatch(rf"animateurs-bounces\+p[0-9]+\.[a-z2-7]{{10}}@{DOMAIN}", probe)
    return probe


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_member_whose_address_fails_on_three_days_is_written_to_before_the_end(
    open_house: OpenHouse, language: Language, *, is_ours: bool
) -> None:
    house = open_house(language=language)
    house.outside("paul@exemple.net")
    (member,) = house.members()
    if is_ours:  # our own report, about several members
        _bounce_for_days(house, bounces_address(house.which), door="reports")
    else:
        _bounce_for_days(house, bounces_address(house.which, ByHand(member.member_id)))
    (member,) = house.members()
    assert member.gets_mail
    assert house.read("chef") == []
    said = {"fr": "arrivons pas", "en": "could not reach you"}[language]
    probe = _probe_of(house)
    assert said in house.written_to("paul@exemple.net")[0][1]
    house.send(BOUNCE, to=probe, reverse_path="")
    house.expand()
    (member,) = house.members()
    assert (member.gets_mail, member.stopped_why) == (False, "bounces")
    (note,) = house.read("chef")
    assert b"paul@exemple.net" in note


def test_a_member_whose_probe_does_not_come_back_stays_one_and_is_not_written_to_again(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    house.outside("paul@exemple.net")
    address = bounces_address(house.which, ByHand(house.members()[0].member_id))
    _bounce_for_days(house, address)
    probe = _probe_of(house)
    _bounce_for_days(house, address)
    assert house.members()[0].gets_mail
    assert len(house.written_to("paul@exemple.net")) == 1
    house.now_s += 30 * 86_400.0
    house.send(BOUNCE, to=probe, reverse_path="")
    house.expand()
    assert house.members()[0].gets_mail, "it came back too late to say anything"


@pytest.mark.parametrize(
    "notice",
    [
        BOUNCE.replace(b"5.1.1", b"5.7.1"),
        BOUNCE.replace(b"5.1.1", b"4.4.7"),
        BOUNCE.replace(b"failed\r\nStatus", b"delayed\r\nStatus"),
    ],
)
def test_what_says_nothing_of_the_address_neither_probes_nor_ends(
    open_house: OpenHouse, notice: bytes
) -> None:
    house = open_house()
    house.outside("paul@exemple.net")
    address = bounces_address(house.which, ByHand(house.members()[0].member_id))
    _bounce_for_days(house, address, notice=notice)
    assert house.members()[0].gets_mail
    assert house.written_to("paul@exemple.net") == []


def test_a_probe_that_is_refused_for_its_content_ends_nothing(open_house: OpenHouse) -> None:
    house = open_house()
    house.outside("paul@exemple.net")
    _bounce_for_days(house, bounces_address(house.which, ByHand(house.members()[0].member_id)))
    refused = BOUNCE.replace(b"5.1.1", b"5.7.1")
    house.send(refused, to=_probe_of(house), reverse_path="")
    house.expand()
    assert house.members()[0].gets_mail


def test_a_forged_probe_ends_nothing(open_house: OpenHouse) -> None:
    house = open_house()
    house.outside("paul@exemple.net")
    number = house.members()[0].member_id
    honest = bounces_address(house.which, ByHand(number))
    for made_up in (honest.replace("+", "+p"), f"animateurs-bounces+p{number}.aaaaaaaaaa@{DOMAIN}"):
        house.send(BOUNCE, to=made_up, reverse_path="")
        house.expand()
    assert house.members()[0].gets_mail


def test_a_member_of_ours_who_forwards_where_mail_bounces_still_gets_it_here(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    house.member("anne.durand")
    house.forward("anne.durand", "anne@exemple.net", keeps_copy=True)
    (member,) = house.members()
    _bounce_for_days(house, bounces_address(house.which, ByHand(member.member_id)))
    (member,) = house.members()
    assert member.gets_mail


@pytest.mark.parametrize("detail", ["", "+1", "+1.aaaaaaaaaa"])
def test_nobody_stops_a_members_mail_with_a_forged_notice(
    open_house: OpenHouse, detail: str
) -> None:
    house = open_house()
    house.outside("paul@exemple.net")
    _bounce_for_days(house, f"animateurs-bounces{detail}@{DOMAIN}")
    (member,) = house.members()
    assert member.gets_mail


def test_mail_to_the_owner_reaches_the_owners_as_it_was(open_house: OpenHouse) -> None:
    house = open_house()
    house.send(to=f"animateurs-owner@{DOMAIN}", reverse_path="paul@exemple.net")
    house.expand()
    (got,) = house.read("chef")
    assert got.endswith(POST)


def test_a_post_with_nul_waits_for_a_moderator_and_leaves_for_nobody_outside(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    author = house.member("jean.petit")
    house.member("anne.durand")
    house.outside("paul@exemple.net")
    sent = house.send(POST + b"a\0b\r\n", account_id=author)
    house.expand()
    (reason,) = house.held()
    assert "NUL" in reason
    (note,) = house.read("chef")
    assert b"\0" not in note
    assert b"a?b" in note
    deed = deed_of("approved", by="chef", at_s=house.now_s)
    assert house.store.lists.decide_hold(house.ref(sent), "approved", deed)
    house.expand()
    assert len(house.read("anne.durand")) == 1
