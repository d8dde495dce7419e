"""Posts to a list over a real store: each member gets exactly one, nobody else gets any."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from mailserver.lists.addresses import ListPurpose, address_for
from mailserver.lists.verdict import deed_of
from mailserver.queue.copies import CopyState
from mailserver.routing.local import OurDomains
from mailserver.settings.model import ClassSettings
from mailserver.store.ports.bodies import BodyFault, BodyLost
from mailserver.store.ports.lists import DONE, AddCopies, ListRole, Posting, Stage
from mailserver.store.ports.queue import QueuedMessage
from mailserver.values.ids import MessageId
from mailserver.values.message import UNVOUCHED
from tests.smtp_relay.delivery.lists.list_house import LIST, POST, ListHouse, OpenHouse
from tests.store.letters import accept, letter_to

ROOT = Path(__file__).resolve().parents[4]


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


def test_who_forwards_and_keeps_a_copy_is_one_member(open_house: OpenHouse) -> None:
    house = open_house()
    author = house.member("jean.petit")
    for name in ("anne.durand", "luc.autre"):
        house.member(name)
    house.outside("paul@exemple.net")
    house.forward("anne.durand", "anne@exemple.org", keeps_copy=True)
    sent = house.send(account_id=author)
    house.expand()
    _, words = house.state_of(sent)
    assert words.startswith("handed to 4 members in 5 copies under ")


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
    assert [owed.message_id for owed in house.store.queue.owed_reports(limit=5)] == [sent]
    assert house.read("anne.durand") == []


def test_a_stranger_who_may_not_post_causes_no_report(open_house: OpenHouse) -> None:
    house = open_house()
    house.member("anne.durand")
    sent = house.send(reverse_path="spam@exemple.net")
    house.expand()
    assert house.state_of(sent)[0] is CopyState.EXPANDED
    assert house.store.queue.owed_reports(limit=5) == []
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


@pytest.mark.parametrize(
    ("keeps_copy", "forwards", "here", "away"),
    [(False, True, 0, 1), (True, True, 1, 1), (False, False, 1, 0), (True, False, 1, 0)],
)
def test_a_member_who_forwards_outside_keeps_a_copy_or_not(
    open_house: OpenHouse, keeps_copy: bool, forwards: bool, here: int, away: int
) -> None:
    house = open_house(forwards=forwards)
    author = house.member("jean.petit")
    house.member("anne.durand")
    house.forward("anne.durand", "anne@exemple.net", keeps_copy=keeps_copy)
    house.send(account_id=author)
    house.expand()
    assert len(house.read("anne.durand")) == here
    assert list(house.queued()) == [("anne@exemple.net", "exemple.net")] * away


def test_two_members_that_lead_to_one_mailbox_in_different_slices_put_one_copy_there(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    author = house.member("jean.petit")
    archive = house.person("archives")
    house.store.lists.change_list(replace(house.which, archive_account_id=archive))
    house.forward("archives", "jean.petit@ac-exemple.fr", keeps_copy=False)
    sent = house.send(account_id=author)
    house.expand()
    assert len(house.read("jean.petit")) == 1
    assert house.state_of(sent)[0] is CopyState.EXPANDED


def test_an_address_of_ours_among_those_outside_is_the_mailbox_that_it_leads_to(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    author = house.member("jean.petit")
    house.outside("jean.petit+ski@ac-exemple.fr")
    house.outside("nobody@ac-exemple.fr")
    house.send(account_id=author)
    house.expand()
    assert len(house.read("jean.petit")) == 1
    assert list(house.queued()) == []


def test_a_domain_that_was_changed_is_in_the_way_of_no_member_of_ours(
    open_house: OpenHouse,
) -> None:
    """Their addresses are at the old one: nothing of theirs leaves, nothing is lost."""
    ours = OurDomains(frozenset({"nouveau.fr"}), "nouveau.fr", held=frozenset({"ac-exemple.fr"}))
    house = open_house(ours=ours)
    author = house.member("jean.petit")
    house.person("anne.martin")
    house.outside("anne.martin@ac-exemple.fr")
    house.send(account_id=author)
    house.expand()
    assert len(house.read("jean.petit")) == 1
    assert len(house.read("anne.martin")) == 1
    assert list(house.queued()) == []


@pytest.mark.parametrize(("before", "wanted"), [(0, 1), (4, 1), (5, 0)])
def test_a_full_mailbox_gets_no_copy_once_its_margin_is_used_up_too(
    open_house: OpenHouse, before: int, wanted: int
) -> None:
    house = open_house(quotas=[ClassSettings(name="default", quota_messages=4)])
    author = house.member("jean.petit")
    anne = house.member("anne.durand")
    if before:
        accept(house.store.writes, *(letter_to(house.inbox("anne.durand")) for _ in range(before)))
    sent = house.send(account_id=author)
    house.expand()
    assert len(house.read("anne.durand")) == before + wanted
    assert len(house.read("jean.petit")) == 1
    words = house.state_of(sent)[1]
    assert words.endswith("; 1 mailbox was full") is not bool(wanted)
    assert [one.gets_mail for one in house.members() if one.account_id == anne] == [True]


# --- lists that are members of lists -----------------------------------------------------


def test_a_list_that_is_a_member_gets_the_post_and_asks_again_who_may(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    author = house.member("jean.petit")
    inner = house.nest("profs")
    house.store.lists.add_member(inner.list_id, account_id=house.person("anne.durand"))
    house.send(account_id=author)
    house.expand()
    house.expand()
    assert house.read("anne.durand") == []
    told = house.read("jean.petit")[-1]
    assert b"=C3=A9crivez =C3=A0 profs-owner@ac-exemple.fr" in told
    assert house.members()[-1].gets_mail  # the inner list is no member that bounces
    house.store.lists.give_role(inner.list_id, ListRole.POSTER, author)
    house.send(POST + b"De nouveau.\r\n", account_id=author)  # the outer list had the first one
    house.expand()
    house.expand()
    (got,) = house.read("anne.durand")
    assert b"Subject: [profs] [animateurs] =?utf-8?q?R=C3=A9union?=" in got
    assert got.count(b"\r\nList-Id: ") == 2


def test_lists_that_are_members_of_each_other_and_of_themselves_end(
    open_house: OpenHouse,
) -> None:
    house = open_house()
    author = house.member("jean.petit")
    inner = house.nest("profs", posting=Posting.INSIDE)
    house.store.lists.add_member(inner.list_id, address=LIST)
    house.outside(LIST)
    house.store.lists.add_member(inner.list_id, address=inner.address)
    house.send(account_id=author)
    for _ in range(6):
        house.expand()
    assert len(house.read("jean.petit")) == 1
    assert list(house.queued()) == []


# --- hostile posts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\r\n",
        b"From: " + b"(" * 5000 + b"\r\n",
        b"From: a@b.fr\r\nFrom: c@d.fr\r\nSubject: a\r\nSubject: b\r\n",
        b"Subject: =?utf-8?q?a=0D=0ABcc:_x@b.fr?=\r\n",
        b"Subject:\r\n a\r\n b\r\n",
        b"X-Long: " + b"x" * 1_000_000 + b"\r\n",
        b"no field at all\r\n",
        b"From: a@.\r\nFrom: a@" + b"x" * 300 + b"\r\n",
        b"\xff\xfe: \x80\r\nFrom: \xe9@b.fr\r\n",
    ],
)
def test_whatever_a_header_holds_the_post_arrives_once_with_one_list_id(
    open_house: OpenHouse, header: bytes
) -> None:
    house = open_house(is_strict=lambda _domain: True)
    author = house.member("jean.petit")
    sent = house.send(header + b"\r\nBonjour.\r\n", account_id=author)
    house.expand()
    assert house.state_of(sent)[0] is CopyState.EXPANDED
    (got,) = house.read("jean.petit")
    assert got.endswith(b"\r\nBonjour.\r\n")
    assert got.count(b"\r\nList-Id: ") == 1
    assert b"\r\nBcc:" not in got


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


def test_one_strict_domain_among_several_authors_is_enough(open_house: OpenHouse) -> None:
    house = open_house(is_strict=lambda domain: domain == "banque.example")
    author = house.member("jean.petit")
    both = b"From: a@exemple.net, b@banque.example\r\n\r\nx\r\n"
    house.send(both, account_id=author)
    house.expand()
    (got,) = house.read("jean.petit")
    assert b"\r\nReply-To: a@exemple.net, b@banque.example\r\n" in got


def test_the_policy_of_our_own_domains_is_never_asked(open_house: OpenHouse) -> None:
    house = open_house(is_strict=lambda _domain: True)
    author = house.member("jean.petit")
    house.send(account_id=author)
    house.expand()
    (got,) = house.read("jean.petit")
    assert b"From: Jean Petit <jean.petit@ac-exemple.fr>\r\n" in got


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
    house.store.queue.resign_agent(house.agent_id)
    house.close()
    command = [
        sys.executable,
        "-m",
        "tests.smtp_relay.delivery.lists.list_house",
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
    again.store.queue.take_over(now_s=again.now_s, clock_s=0)
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
            house.store.writes.apply([write])

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
            while house.store.upkeep.reclaim(now_s=house.now_s).entry_count:
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
    while house.store.upkeep.expire_history(now_s=house.now_s + 60 * 86_400):
        pass
    assert house.store.lists.post_progress(house.ref(sent)) is None


def post_in_a_file(house: ListHouse) -> tuple[MessageId, Path]:
    spool = house.store.bodies.open_spool()
    spool.write(POST)
    body = spool.commit()
    account_id = house.member("alice")
    message_id = house.send(account_id=account_id, filed=body)
    return message_id, house.store.backups.body_file(body.name)


def test_a_post_whose_body_is_lost_waits_for_a_person(open_house: OpenHouse) -> None:
    house = open_house()
    _, path = post_in_a_file(house)
    path.unlink()
    house.expand()
    (reason,) = house.held()
    assert path.name in reason
    assert "put the file back" in reason


def test_a_post_whose_body_cannot_be_read_now_is_tried_later(open_house: OpenHouse) -> None:
    house = open_house()
    message_id, path = post_in_a_file(house)
    path.unlink()
    path.symlink_to(path.name)
    house.expand()
    state, words = house.state_of(message_id)
    assert state is CopyState.QUEUED
    assert "cannot be read" in words


def test_a_post_that_went_out_is_settled_though_what_was_made_of_it_is_lost(
    open_house: OpenHouse,
) -> None:
    """Only the name that it went out under is read there."""
    house = open_house()
    message_id, _ = post_in_a_file(house)
    open_queued = house.store.queue.open_queued

    def lost(wanted: MessageId, *, without_body: bool = False) -> QueuedMessage | None:
        if wanted != message_id and not without_body:
            raise BodyLost(BodyFault(message_id=wanted, name="ab", why="", is_lost=True))
        return open_queued(wanted, without_body=without_body)

    house.store.queue.open_queued = lost  # type: ignore[assignment]
    house.expand()
    assert house.state_of(message_id)[0] is CopyState.EXPANDED


def test_a_forged_post_waits_for_a_moderator_and_is_never_the_authors(
    open_house: OpenHouse,
) -> None:
    """A stranger under a member's reverse-path, with an author of ours above the text."""
    house = open_house()
    house.member("anne.durand")
    house.outside("paul@exemple.net")
    post = POST.replace(b"From: ", b"From: Boss <boss@ac-exemple.fr>\r\nX-Was: ", 1)
    sent = house.send(post, reverse_path="paul@exemple.net", door="mx", is_unvouched=True)
    house.expand()
    (reason,) = house.held()
    assert UNVOUCHED in reason
    assert house.read("anne.durand") == []
    deed = deed_of("approved", by="chef", at_s=house.now_s)
    assert house.store.lists.decide_hold(house.ref(sent), "approved", deed)
    house.expand()
    (got,) = house.read("anne.durand")
    assert b'From: "Boss via animateurs"' in got, got
    assert b"<boss@ac-exemple.fr>" not in got.partition(b"\r\nReply-To")[0].rpartition(b"From:")[2]


def test_a_forged_letter_to_the_owners_goes_to_nobody(open_house: OpenHouse) -> None:
    house = open_house()
    sent = house.send(
        to=address_for(house.which.address, ListPurpose.OWNER), door="mx", is_unvouched=True
    )
    house.expand()
    state, words = house.state_of(sent)
    assert state is CopyState.EXPANDED
    assert UNVOUCHED in words
    assert house.read("chef") == []
