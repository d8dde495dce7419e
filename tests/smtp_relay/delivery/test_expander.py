"""Posts to a list over a real store: each member gets exactly one, nobody else gets any."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from mailserver.lists.tokens import digest_of
from mailserver.queue.copies import CopyState
from mailserver.store.lists import (
    DONE,
    AddCopies,
    Joining,
    ListRole,
    Posting,
    Stage,
)
from mailserver.store.queueing import Act, Deed, QueueFilter
from tests.smtp_relay.delivery.list_house import DOMAIN, LIST, POST, ListHouse

ROOT = Path(__file__).resolve().parents[3]
OpenHouse = Callable[..., ListHouse]


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[OpenHouse]:
    houses: list[ListHouse] = []

    def open_it(**settings: object) -> ListHouse:
        houses.append(ListHouse(tmp_path / "store", **settings))  # type: ignore[arg-type]
        return houses[-1]

    yield open_it
    for house in houses:
        house.close()


def test_each_member_gets_the_post_once_and_the_copy_is_expanded(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    house.member("anne.durand")
    house.person("luc.autre")
    sent = house.send(account_id=author)
    house.expand()
    for name in ("jean.petit", "anne.durand"):
        (got,) = house.read(name)
        assert got.startswith(b"Return-Path: <animateurs-bounces@ac-exemple.fr>\r\n")
        assert b"Subject: [animateurs] =?utf-8?q?R=C3=A9union?=\r\n" in got
        assert b'List-Id: "Les animateurs"\r\n <animateurs.ac-exemple.fr>\r\n' in got
        assert got.endswith(b"\r\n\r\nBonjour.\r\n.. et un point\r\n")
    assert house.read("luc.autre") == []
    state, words = house.state_of(sent)
    assert state is CopyState.EXPANDED
    assert words.startswith("handed to 2 members under ")


def test_members_outside_are_queued_under_a_sender_of_their_own(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    house.outside("paul@exemple.net")
    house.send(account_id=author)
    house.expand()
    assert list(house.queued()) == [("paul@exemple.net", "exemple.net")]


def test_no_mail_members_get_nothing_and_the_archive_gets_one(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    house.store.lists.stop_mail(house.which.list_id, "asked", account_id=author)
    archive = house.person("archives")
    house.store.lists.change_list(replace(house.which, archive_account_id=archive))
    house.send(account_id=author)
    house.expand()
    assert house.read("jean.petit") == []
    assert len(house.read("archives")) == 1


def test_somebody_of_ours_who_may_not_post_hears_of_it(open_house: OpenHouse) -> None:
    house = open_house()
    house.member("anne.durand")
    stranger = house.person("jean.petit")
    sent = house.send(account_id=stranger)
    house.expand()
    assert house.state_of(sent) == (CopyState.RETURNED, "you may not post to this list")
    assert [owed.message_id for owed in house.store.owed_reports(limit=5)] == [sent]
    assert house.read("anne.durand") == []


def test_a_stranger_who_may_not_post_causes_no_report(open_house: OpenHouse) -> None:
    house = open_house()
    house.member("anne.durand")
    sent = house.send(reverse_path="spam@exemple.net")
    house.expand()
    assert house.state_of(sent)[0] is CopyState.EXPANDED
    assert house.store.owed_reports(limit=5) == []
    assert house.read("anne.durand") == []


@pytest.mark.parametrize(
    "field",
    [
        b"List-Id: <animateurs.ac-exemple.fr>",
        b"Delivered-To: animateurs@ac-exemple.fr",
        b"Auto-Submitted: auto-replied (vacation)",
        b"Precedence: bulk",
    ],
)
def test_loops_and_automatic_answers_go_to_nobody(open_house: OpenHouse, field: bytes) -> None:
    house = open_house()
    author = house.member("jean.petit")
    sent = house.send(field + b"\r\n" + POST, account_id=author)
    house.expand()
    state, words = house.state_of(sent)
    assert state is CopyState.EXPANDED
    assert words.startswith("to nobody: ")
    assert house.read("jean.petit") == []


def test_a_member_who_forwards_outside_keeps_a_copy_or_not(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    house.member("anne.durand")
    engine = house.store._engine
    with engine.write_turn(), engine.transaction() as connection:
        connection.execute(
            "UPDATE account SET forward_to = 'anne@exemple.net', keeps_copy = 0"
            " WHERE identifier = 'anne.durand'"
        )
    house.send(account_id=author)
    house.expand()
    assert house.read("anne.durand") == []
    assert list(house.queued()) == [("anne@exemple.net", "exemple.net")]


# --- the author's domain --------------------------------------------------------------------


OUTSIDE_POST = POST.replace(
    b"Jean Petit <jean.petit@ac-exemple.fr>", b"Zo\xc3\xa9 <zoe@banque.example>"
)


def test_from_is_rewritten_where_the_domain_of_the_author_is_strict(open_house: OpenHouse) -> None:
    house = open_house(is_strict=lambda domain: domain == "banque.example")
    house.outside("zoe@banque.example")
    house.member("anne.durand")
    house.send(OUTSIDE_POST, reverse_path="zoe@banque.example")
    house.expand()
    (got,) = house.read("anne.durand")
    assert b"\r\nReply-To: zoe@banque.example\r\n" in got
    assert b"\r\n <animateurs@ac-exemple.fr>\r\n" in got


def test_from_is_untouched_where_it_is_not(open_house: OpenHouse) -> None:
    house = open_house()
    house.outside("zoe@banque.example")
    house.member("anne.durand")
    house.send(OUTSIDE_POST, reverse_path="zoe@banque.example")
    house.expand()
    (got,) = house.read("anne.durand")
    assert b"From: Zo\xc3\xa9 <zoe@banque.example>\r\n" in got


def test_name_servers_that_do_not_answer_delay_the_post(open_house: OpenHouse) -> None:
    house = open_house(is_strict=lambda _domain: None)
    house.outside("zoe@banque.example")
    house.member("anne.durand")
    sent = house.send(OUTSIDE_POST, reverse_path="zoe@banque.example")
    house.expand()
    assert house.state_of(sent)[0] is CopyState.QUEUED
    assert house.read("anne.durand") == []
    for _ in range(3):
        house.now_s += 301
        house.expand()
    (got,) = house.read("anne.durand")
    assert b"Reply-To: zoe@banque.example" in got


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


def test_a_refused_post_goes_back_to_its_author(open_house: OpenHouse) -> None:
    house = open_house(posting=Posting.MODERATED)
    author = house.member("jean.petit")
    sent = house.send(account_id=author)
    house.expand()
    (hold,) = house.store.lists.waiting_posts(house.which.list_id)
    assert house.store.lists.decide_hold(hold.ref, "rejected", by_whom="cli:test")
    deed = Deed(act=Act.RETURN, by="test", reason="non", at_s=house.now_s)
    house.store.act_on([hold.ref], deed)
    assert house.state_of(sent)[0] is CopyState.RETURNED
    assert len(house.store.owed_reports(limit=5)) == 1


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
    (queued,) = house.store.list_queue(QueueFilter(), after=None, limit=9)
    message = house.store.open_queued(queued.ref.message_id)
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


BOUNCE = (
    b"From: MAILER-DAEMON@exemple.net\r\nSubject: failed\r\n\r\n"
    b"Final-Recipient: rfc822; paul@exemple.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
)


@pytest.mark.parametrize("address", ["animateurs-bounces+1@", "animateurs-bounces@"])
def test_a_member_whose_mail_bounces_on_three_days_gets_no_more(
    open_house: OpenHouse, address: str
) -> None:
    house = open_house()
    house.outside("paul@exemple.net")
    for day in range(3):
        house.now_s += 86_400 + day
        for _ in range(2):  # the second of a day does not count
            house.send(BOUNCE, to=address + DOMAIN, reverse_path="")
            house.expand()
    (member,) = house.members()
    assert (member.gets_mail, member.stopped_why) == (False, "bounces")
    (note,) = house.read("chef")
    assert b"paul@exemple.net" in note


def test_mail_to_the_owner_reaches_the_owners_as_it_was(open_house: OpenHouse) -> None:
    house = open_house()
    house.send(to=f"animateurs-owner@{DOMAIN}", reverse_path="paul@exemple.net")
    house.expand()
    (got,) = house.read("chef")
    assert got.endswith(POST)


# --- large, and cut off --------------------------------------------------------------


def test_a_large_body_goes_by_file(open_house: OpenHouse) -> None:
    house = open_house(inline_limit_octets=1024)
    author = house.member("jean.petit")
    body = POST + b"x" * 70 + b"\r\n"
    house.send(body + (b"y" * 70 + b"\r\n") * 2000, account_id=author)
    house.expand()
    (got,) = house.read("jean.petit")
    assert got.endswith(b"y" * 70 + b"\r\n")
    assert got.count(b"y" * 70) == 2000


def _fill(house: ListHouse, wanted: int) -> None:
    """Members, straight into the tables: making accounts is not what is tested."""
    engine = house.store._engine
    with engine.write_turn(), engine.transaction() as connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO account (account_id, identifier, identifier_key, name, state, inbox_id,"
            " created_at_s, credential_version, must_change)"
            " SELECT i + 100, 'p' || i, 'p' || i, 'P', 'active', i + 1000, 0, 1, 0 FROM n",
            (wanted,),
        )
        connection.execute(
            "INSERT INTO mailbox (mailbox_id, account_id, name, epoch, next_uid, modseq,"
            " entry_count, octets) SELECT inbox_id, account_id, 'INBOX', 'e', 1, 0, 0, 0"
            " FROM account WHERE account_id > 100"
        )
        connection.execute(
            "INSERT INTO address (address_key, address, account_id, mailbox_id, position)"
            " SELECT identifier || '@ac-exemple.fr', identifier || '@ac-exemple.fr', account_id,"
            " inbox_id, 0 FROM account WHERE account_id > 100"
        )
        connection.execute(
            "INSERT INTO list_member (list_id, account_id, address, address_key, gets_mail,"
            " stopped_why, bounce_count) SELECT ?, account_id, '', '#' || account_id, 1, '', 0"
            " FROM account WHERE account_id > 100",
            (house.which.list_id,),
        )


def _counts(house: ListHouse) -> list[tuple[int, int]]:
    """(how many entries a mailbox has, how many mailboxes have as many)."""
    rows = house.store._engine.read(
        "SELECT entry_count, count(*) FROM mailbox WHERE mailbox_id > 1000 GROUP BY entry_count"
    )
    return [(row[0], row[1]) for row in rows]


@pytest.mark.slow
def test_five_thousand_members_get_one_each_and_the_body_is_kept_once(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    author = house.member("jean.petit")
    _fill(house, 5000)
    house.send(account_id=author)
    house.expand()
    assert _counts(house) == [(1, 5000)]
    ((messages,),) = house.store._engine.read("SELECT count(*) FROM message")
    assert messages == 2  # what came, and what members get


@pytest.mark.slow
@pytest.mark.parametrize("slices", [0, 1, 2, 3])
def test_killed_on_the_way_each_member_gets_exactly_one(tmp_path: Path, slices: int) -> None:
    house = ListHouse(tmp_path / "store")
    author = house.member("jean.petit")
    _fill(house, 2500)
    sent = house.send(account_id=author)
    house.store.resign_agent(house.agent_id)
    house.close()
    command = [
        sys.executable,
        "-m",
        "tests.smtp_relay.delivery.list_house",
        str(tmp_path / "store"),
    ]
    with Popen(command, stdin=PIPE, stdout=PIPE, cwd=ROOT, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in range(slices):
            while child.stdout.readline().strip() != "AddCopies":
                pass
            child.stdin.write("\n")
            child.stdin.flush()
        while child.stdout.readline().strip() != "AddCopies":
            pass
        child.kill()
    again = ListHouse(tmp_path / "store")
    again.store.take_over(now_s=again.now_s)
    again.expand()
    assert _counts(again) == [(1, 2500)]
    assert again.state_of(sent)[0] is CopyState.EXPANDED
    again.close()


def test_of_two_agents_with_one_post_only_one_adds_a_slice(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    sent = house.send(account_id=author)

    def be_faster(write: object) -> None:
        if isinstance(write, AddCopies) and write.was.stage is Stage.BY_HAND and write.copies:
            house.before_write(lambda _write: None)
            house.store.apply([write])

    house.before_write(be_faster)
    house.expand()
    assert len(house.read("jean.petit")) == 1
    progress = house.store.lists.post_progress(house.ref(sent))
    assert progress is not None
    assert (progress.cursor, progress.copy_count) == (DONE, 1)


def test_a_list_that_is_gone_returns_its_posts(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    sent = house.send(account_id=author)
    house.store.lists.delete_list(house.which.list_id, now_s=house.now_s, quarantine_s=10)
    house.expand()
    assert house.state_of(sent)[0] is CopyState.RETURNED
    assert house.store.lists.find_list(LIST) is None


def test_the_message_of_a_post_on_its_way_is_kept_though_its_first_readers_removed_it(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    author = house.member("jean.petit")
    _fill(house, 1500)
    sent = house.send(account_id=author)

    def remove_at_once(write: object) -> None:
        if isinstance(write, AddCopies) and write.was.after_id:
            house.before_write(lambda _write: None)
            engine = house.store._engine
            with engine.write_turn(), engine.transaction() as connection:
                connection.execute("UPDATE entry SET removed_modseq = 1, removed_at_s = 0")
            while house.store.reclaim(now_s=house.now_s).entry_count:
                pass

    house.before_write(remove_at_once)
    house.expand()
    assert house.state_of(sent)[0] is CopyState.EXPANDED
    ((left,),) = house.store._engine.read(
        "SELECT count(*) FROM entry JOIN message ON message.message_id = entry.message_id"
        " WHERE body IS NOT NULL"
    )
    assert left == 501


def test_history_that_ends_takes_the_progress_of_posts_along(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    sent = house.send(account_id=author)
    house.expand()
    while house.store.expire_history(now_s=house.now_s + 60 * 86_400):
        pass
    assert house.store.lists.post_progress(house.ref(sent)) is None
