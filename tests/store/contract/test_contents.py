"""What stands in a mailbox, by who was signed in when it was submitted."""

from __future__ import annotations

from dataclasses import replace

from mailserver.store.ports.mail import MAX_HEADER_OCTETS, Span
from mailserver.store.ports.people import Kind
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Removal
from mailserver.values.ids import AccountId, Uid
from tests.store.letters import NOW_S, letter

FORGED = b"From: Chef <chef@a.test>\r\nSubject: urgent\r\n\r\nx\r\n"


def deposit(store: Store, *, by: AccountId | None, at_s: float) -> None:
    account = store.accounts.find_account("jmartin")
    assert account is not None
    made = letter(("jmartin@a.test", account.inbox_id), body=FORGED, at_s=at_s)
    facts = replace(made.facts, header_octets=FORGED.index(b"\r\n\r\n") + 4)
    store.writes.apply([replace(made, account_id=by, facts=facts)])


def two_people(store: Store) -> tuple[AccountId, AccountId]:
    ids = []
    for identifier in ("jmartin", "chef"):
        account = store.accounts.add_account(
            identifier=identifier, name=identifier, addresses=[f"{identifier}@a.test"], now_s=NOW_S
        )
        ids.append(account.account_id)
    return ids[0], ids[1]


def test_a_span_lets_through_what_its_account_submitted_in_its_days(store: Store) -> None:
    _, chef = two_people(store)
    for at_s in (NOW_S - 1, NOW_S, NOW_S + 9, NOW_S + 10):
        deposit(store, by=chef, at_s=at_s)
    deposit(store, by=None, at_s=NOW_S)  # From says it is the chef's, and is not asked
    inbox = store.accounts.find_mailbox("jmartin@a.test")
    assert inbox is not None
    span = Span(account_id=chef, since_s=NOW_S, until_s=NOW_S + 10)
    found = store.mail.list_items(inbox, before=None, limit=10, only=[span])
    assert [one.accepted_at_s for one in found] == [NOW_S + 9, NOW_S]
    assert {one.submitter_identifier for one in found} == {"chef"}
    assert store.mail.list_items(inbox, before=None, limit=10, only=[]) == []


def test_a_list_is_the_latest_first_in_pages_without_what_was_removed(store: Store) -> None:
    two_people(store)
    for at_s in (1.0, 2.0, 3.0):
        deposit(store, by=None, at_s=NOW_S + at_s)
    inbox = store.accounts.find_mailbox("jmartin@a.test")
    assert inbox is not None
    store.writes.apply([Removal(mailbox_id=inbox, uids=(Uid(2),), removed_at_s=NOW_S)])
    (last,) = store.mail.list_items(inbox, before=None, limit=1)
    assert last.uid == 3
    assert last.header == FORGED[: FORGED.index(b"\r\n\r\n") + 4]
    assert [one.uid for one in store.mail.list_items(inbox, before=last.uid, limit=9)] == [1]


def test_the_header_of_a_filed_body_is_read_and_bounded(store: Store) -> None:
    two_people(store)
    octets = b"Subject: " + b"x" * (2 * MAX_HEADER_OCTETS) + b"\r\n\r\nbody"
    spool = store.bodies.open_spool()
    spool.write(octets)
    account = store.accounts.find_account("jmartin")
    assert account is not None
    made = letter(("jmartin@a.test", account.inbox_id), body=spool.commit())
    store.writes.apply([replace(made, facts=replace(made.facts, header_octets=len(octets) - 4))])
    (item,) = store.mail.list_items(account.inbox_id, before=None, limit=5)
    assert item.header == octets[:MAX_HEADER_OCTETS]


def test_an_account_may_stand_for_a_function(store: Store) -> None:
    jmartin, _ = two_people(store)
    store.people.set_kind(jmartin, Kind.FUNCTION)
    person = store.people.find_person("jmartin")
    assert person is not None
    assert person.kind is Kind.FUNCTION
