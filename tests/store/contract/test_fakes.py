"""The fakes of other rooms, held to the store's own contract: each test runs on both."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from mailserver.store.ports.bodies import Spool, body_chunks
from mailserver.store.ports.lists import ListLookUps, ListRole, MailingList
from mailserver.store.ports.mail import Mailboxes
from mailserver.store.ports.people import Event, Life
from mailserver.store.ports.shared.locks import MaildropLocks
from mailserver.store.ports.store import Store
from mailserver.values.ids import AccountId, ListId, MailboxId, Uid
from mailserver.values.message import FiledBody
from smtp_relay.delivery.reports.maker import Owners, PeopleAndOutsiders
from smtp_relay.inbound.store import DoorAccounts, DoorPeople
from tests.lists.fakes import FakeLists, mailing_list
from tests.pop3_store import fakes as pop3
from tests.smtp_relay.delivery.reports import report_house
from tests.smtp_relay.inbound import fakes as inbound
from tests.store.crowd import made, teacher
from tests.store.letters import NOW_S, accept, letter_to, people, person

BODIES = (b"Subject: un\r\n\r\n.dot\r\n", b"Subject: deux\r\n\r\nno end", b"")


# --- spools ---------------------------------------------------------------------------


@dataclass
class Written:
    open_spool: Callable[[], Spool]
    read: Callable[[FiledBody], bytes]


def written_in_store(store: Store) -> Written:
    def read(body: FiledBody) -> bytes:
        (box,) = people(store, 1)
        accept(store.writes, letter_to(box, body=body))
        message = store.mail.fetch(box, Uid(1))
        assert message is not None
        with closing(message):
            return b"".join(body_chunks(message, 1000))

    return Written(store.bodies.open_spool, read)


def written_at_the_door(_store: Store) -> Written:
    fake = inbound.FakeStore()
    return Written(fake.open_spool, lambda body: fake.files[body.name])


def written_by_the_reporter(_store: Store) -> Written:
    fake = report_house.FakeStore()
    return Written(fake.open_spool, lambda body: fake.files[body.name])


@pytest.fixture(params=[written_in_store, written_at_the_door, written_by_the_reporter])
def written(request: pytest.FixtureRequest, store: Store) -> Written:
    found: Written = request.param(store)
    return found


def test_a_spool_holds_what_was_written_in_order(written: Written) -> None:
    spool, other = written.open_spool(), written.open_spool()
    for octets in (b"one", b"", bytes(3000), b"two\r\n"):
        spool.write(octets)
        other.write(b"other")
    body, second = spool.commit(), other.commit()
    assert body.size_octets == 3 + 3000 + 5
    assert body.name != second.name
    spool.discard()  # harmless after `commit`
    assert written.read(body) == b"one" + bytes(3000) + b"two\r\n"


# --- maildrops --------------------------------------------------------------------------


@dataclass
class Mailbox:
    mail: Mailboxes
    locks: MaildropLocks
    mailbox_id: MailboxId


def mailbox_in_store(store: Store) -> Mailbox:
    (box,) = people(store, 1)
    for body in BODIES:
        accept(store.writes, letter_to(box, body=body))
    return Mailbox(store.mail, store.locks, box)


def mailbox_of_pop3(_store: Store) -> Mailbox:
    fake = pop3.store_of(*BODIES)
    return Mailbox(fake.mail, fake.locks, pop3.INBOX)


@pytest.fixture(params=[mailbox_in_store, mailbox_of_pop3])
def mailbox(request: pytest.FixtureRequest, store: Store) -> Mailbox:
    found: Mailbox = request.param(store)
    return found


def test_a_maildrops_listing_is_what_fetch_gives(mailbox: Mailbox) -> None:
    maildrop = mailbox.mail.open_maildrop(mailbox.mailbox_id)
    listing = mailbox.mail.list_maildrop(maildrop)
    assert maildrop.mailbox_id == mailbox.mailbox_id
    assert maildrop.count == len(listing) == len(BODIES)
    assert maildrop.octets == sum(listing.sizes_octets)
    assert list(listing.uids) == sorted(set(listing.uids))
    assert all(uid < maildrop.next_uid for uid in listing.uids)
    for uid, size, body in zip(listing.uids, listing.sizes_octets, BODIES, strict=True):
        message = mailbox.mail.fetch(mailbox.mailbox_id, Uid(uid))
        assert message is not None
        assert message.size_octets == size
        assert message.body_octets == len(body)
        assert message.lead.endswith(b"\r\n")
        assert b"".join(body_chunks(message, 7)) == body
        message.close()
        message.close()
    assert mailbox.mail.fetch(mailbox.mailbox_id, Uid(999)) is None


def test_a_maildrops_lock_is_one_sessions(mailbox: Mailbox) -> None:
    lock = mailbox.locks.lock_maildrop(mailbox.mailbox_id)
    assert lock is not None
    assert mailbox.locks.lock_maildrop(mailbox.mailbox_id) is None
    lock.release()
    lock.release()
    again = mailbox.locks.lock_maildrop(mailbox.mailbox_id)
    assert again is not None
    lock.release()  # once more, and it is no longer ours to release
    assert mailbox.locks.lock_maildrop(mailbox.mailbox_id) is None


# --- lists ------------------------------------------------------------------------------


@dataclass
class Looked:
    """A list, as RCPT and reports look it up: with an owner, and two members by hand."""

    lists: ListLookUps
    which: MailingList
    owner: AccountId
    member: AccountId
    stranger: AccountId


ADDRESSES = ("animateurs@ac-exemple.fr", "animateurs-request@ac-exemple.fr")
OUTSIDE = "jean@example.net"


def lists_in_store(store: Store) -> Looked:
    owner, member, stranger = (person(store, name).account_id for name in ("chef", "a", "b"))
    which = store.lists.add_list(mailing_list(), addresses=ADDRESSES, owner=owner)
    store.lists.add_member(which.list_id, account_id=member)
    store.lists.add_member(which.list_id, address=OUTSIDE)
    return Looked(store.lists, which, owner, member, stranger)


def lists_of_the_doors(_store: Store) -> Looked:
    fake, which, (owner, member, stranger) = FakeLists(), mailing_list(), map(AccountId, (5, 6, 7))
    fake.lists = dict.fromkeys(ADDRESSES, which)
    fake.roles = {owner: frozenset({ListRole.OWNER})}
    fake.members = {member, OUTSIDE}
    return Looked(fake, which, owner, member, stranger)


@pytest.fixture(params=[lists_in_store, lists_of_the_doors])
def looked(request: pytest.FixtureRequest, store: Store) -> Looked:
    found: Looked = request.param(store)
    return found


def test_a_list_is_found_by_each_of_its_addresses(looked: Looked) -> None:
    assert [looked.lists.find_list(one) for one in ADDRESSES] == [looked.which] * 2
    assert looked.lists.find_list("other@ac-exemple.fr") is None
    assert looked.lists.find_list(OUTSIDE) is None
    assert looked.lists.read_list(looked.which.list_id) == looked.which
    assert looked.lists.read_list(ListId(999)) is None
    assert looked.lists.count_waiting(looked.which.list_id, most=9) == 0


def test_how_one_stands_to_a_list(looked: Looked) -> None:
    def standing(account_id: AccountId | None, address: str = "") -> tuple[bool, set[ListRole]]:
        found = looked.lists.standing(
            looked.which.list_id, account_id=account_id, address_key=address
        )
        return found.is_member, set(found.roles)

    assert standing(looked.owner) == (False, {ListRole.OWNER})
    assert standing(looked.member) == (True, set())
    assert standing(looked.stranger) == (False, set())
    assert standing(None, OUTSIDE) == (True, set())
    assert standing(None, "other@example.net") == (False, set())


# --- addresses ------------------------------------------------------------------------


@dataclass
class Addressed:
    """Two accounts with addresses, one with two; a postmaster."""

    people: DoorPeople
    accounts: DoorAccounts
    marie: AccountId
    pierre: AccountId


MARIES = (f"marie.dupont@{inbound.DOMAIN}", f"marie@{inbound.DOMAIN}")
PIERRES = f"pierre@{inbound.DOMAIN}"


def addressed_in_store(store: Store) -> Addressed:
    marie = person(store, "mdupont", addresses=MARIES).account_id
    pierre = person(store, "postmaster", addresses=[PIERRES]).account_id
    return Addressed(store.people, store.accounts, marie, pierre)


def addressed_at_the_door(_store: Store) -> Addressed:
    fake = inbound.FakeStore()
    return Addressed(fake, fake, inbound.MARIE, inbound.PIERRE)


@pytest.fixture(params=[addressed_in_store, addressed_at_the_door])
def addressed(request: pytest.FixtureRequest, store: Store) -> Addressed:
    found: Addressed = request.param(store)
    return found


def test_an_address_leads_to_its_owners_mailbox(addressed: Addressed) -> None:
    first, second = (addressed.people.find_target(one) for one in MARIES)
    other = addressed.people.find_target(PIERRES)
    assert first is not None
    assert other is not None
    assert first == second
    assert (first.account_id, other.account_id) == (addressed.marie, addressed.pierre)
    assert first.mailbox_id != other.mailbox_id
    assert (first.list_id, first.life, first.forward_to) == (None, Life.PRESENT, "")
    assert (first.class_name, first.used_octets, first.used_count) == ("", 0, 0)
    assert addressed.people.find_target(f"nobody@{inbound.DOMAIN}") is None


def test_whose_an_address_is_and_how_it_is_spelled(addressed: Addressed) -> None:
    accounts = addressed.accounts
    assert all(accounts.owns_address(addressed.marie, one) for one in MARIES)
    assert not accounts.owns_address(addressed.marie, PIERRES)
    assert not accounts.owns_address(addressed.pierre, f"nobody@{inbound.DOMAIN}")
    assert [accounts.spelling_of(one) for one in (*MARIES, PIERRES)] == [*MARIES, PIERRES]
    assert accounts.spelling_of(f"nobody@{inbound.DOMAIN}") == ""


def test_accounts_are_found_and_hold_nobody_elses_mailbox(addressed: Addressed) -> None:
    accounts = addressed.accounts
    found = accounts.find_account("postmaster")
    target = addressed.people.find_target(PIERRES)
    assert found is not None
    assert target is not None
    assert (found.account_id, found.inbox_id) == (addressed.pierre, target.mailbox_id)
    assert accounts.find_account("nobody") is None
    assert not accounts.holds(addressed.pierre, addressed.marie, now_s=NOW_S)
    credential = accounts.read_credential(addressed.marie)
    assert credential is not None
    assert (credential.account_id, credential.version) == (addressed.marie, 1)
    assert accounts.read_credential(AccountId(999)) is None


def test_events_come_back_the_latest_first(addressed: Addressed) -> None:
    people, marie = addressed.people, addressed.marie
    before = len(people.history(marie, limit=99))
    for number in range(3):
        people.note(marie, Event(at_s=NOW_S + number, by_whom="x", what=f"what {number}"))
    found = people.history(marie, limit=2)
    assert [one.what for one in found] == ["what 2", "what 1"]
    assert len(people.history(marie, limit=99)) == before + 3
    assert people.history(AccountId(999), limit=9) == []
    assert people.read_class(marie) == ""
    assert people.answerable_for("nobody", now_s=NOW_S) == []
    assert people.find_outside([inbound.DOMAIN]).domains == {}


# --- whom reports are for ---------------------------------------------------------------


@dataclass
class Told:
    """One who is told, and a postmaster."""

    accounts: Owners
    people: PeopleAndOutsiders


MARIE = f"marie@{report_house.DOMAIN}"


def told_of_store(store: Store) -> Told:
    made(store, replace(teacher("mdupont"), addresses=(MARIE,)))
    person(store, "postmaster")
    return Told(store.accounts, store.people)


def told_by_the_reporter(_store: Store) -> Told:
    fake = report_house.FakeStore()
    return Told(fake, fake)


@pytest.fixture(params=[told_of_store, told_by_the_reporter])
def told(request: pytest.FixtureRequest, store: Store) -> Told:
    found: Told = request.param(store)
    return found


def test_who_is_told_is_one_account_with_one_mailbox(told: Told) -> None:
    sign_in = told.accounts.find_sign_in(MARIE)
    assert sign_in is not None
    assert sign_in.inbox_id == told.accounts.find_mailbox(MARIE)
    assert sign_in.credential.account_id == sign_in.account_id
    one = told.people.find_person(sign_in.identifier)
    assert one is not None
    assert (one.account_id, one.identifier) == (sign_in.account_id, sign_in.identifier)
    assert (one.language, one.address) == ("", MARIE)
    postmaster = told.accounts.find_account("postmaster")
    assert postmaster is not None
    assert postmaster.inbox_id != sign_in.inbox_id
    assert postmaster.account_id != sign_in.account_id


def test_nobody_is_told_in_the_place_of_another(told: Told) -> None:
    assert told.accounts.find_mailbox("nobody@ac-exemple.fr") is None
    assert told.accounts.find_sign_in("nobody@ac-exemple.fr") is None
    assert told.accounts.find_account("nobody") is None
    assert told.people.find_person("nobody") is None
    assert told.people.find_outside([report_house.DOMAIN]).domains == {}
