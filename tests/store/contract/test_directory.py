"""The directory: who has which names, however they are typed."""

from __future__ import annotations

import pytest

from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.errors import NameTaken, StoreUnavailable
from mailserver.store.ports.store import Store
from mailserver.values.address import Address
from mailserver.values.ids import AccountId
from tests.store.letters import NOW_S, person, uids_of
from tests.store.places import Place

NOBODY = AccountId(999_999)
QUARANTINE_S = 5 * 365.25 * 86_400.0


def key(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return Address(local, domain).key


def test_an_account_is_found_as_it_was_added(store: Store) -> None:
    added = store.accounts.add_account(
        identifier="fmarot",
        name="Frédéric Marot",
        addresses=["Frédéric.Marot@ac-exemple.fr", "f.marot@ac-exemple.fr"],
        now_s=NOW_S,
    )
    assert store.accounts.find_account("fmarot") == added
    assert added.name == "Frédéric Marot"
    assert added.state is AccountState.ACTIVE
    assert added.addresses == ("Frédéric.Marot@ac-exemple.fr", "f.marot@ac-exemple.fr")
    assert added.created_at_s == NOW_S
    assert uids_of(store, added.inbox_id) == []


@pytest.mark.parametrize(
    "typed",
    [
        "frederic.marot@ac-exemple.fr",
        "FREDERIC.MAROT@AC-EXEMPLE.FR",
        "Frédéric.Marot@ac-exemple.fr",
        "Fre\u0301de\u0301ric.Marot@ac-exemple.fr",
        "frederic.marot@ac-exemple.fr.",
    ],
)
def test_every_spelling_of_an_address_reaches_it(store: Store, typed: str) -> None:
    added = person(store, "fmarot", addresses=["Frédéric.Marot@ac-exemple.fr"])
    assert store.accounts.find_mailbox(key(typed)) == added.inbox_id
    sign_in = store.accounts.find_sign_in(key(typed))
    assert sign_in is not None
    assert sign_in.account_id == added.account_id
    assert store.accounts.owns_address(added.account_id, key(typed))
    assert store.accounts.spelling_of(key(typed)) == "Frédéric.Marot@ac-exemple.fr"


def test_an_address_that_nobody_has_was_spelled_by_nobody(store: Store) -> None:
    assert store.accounts.spelling_of(key("nobody@ac-exemple.fr")) == ""


def test_a_domain_is_found_in_both_its_forms(store: Store) -> None:
    added = person(store, "fmarot", addresses=["marot@académie.fr"])
    assert store.accounts.find_mailbox(key("marot@xn--acadmie-eya.fr")) == added.inbox_id
    assert store.accounts.find_mailbox(key("marot@ACADÉMIE.fr")) == added.inbox_id


def test_nobody_has_an_unknown_name(store: Store) -> None:
    person(store, "fmarot")
    assert store.accounts.find_mailbox(key("inconnu@ac-exemple.fr")) is None
    assert store.accounts.find_mailbox("") is None
    assert store.accounts.find_mailbox("half\udce9@ac-exemple.fr") is None
    assert store.accounts.find_sign_in("inconnu") is None
    assert store.accounts.find_sign_in("half\udce9") is None
    assert store.accounts.find_account("inconnu") is None


def test_an_identifier_is_not_an_address(store: Store) -> None:
    added = person(store, "fmarot", addresses=["frederic.marot@ac-exemple.fr"])
    assert store.accounts.find_sign_in("fmarot") is not None
    assert store.accounts.find_mailbox("fmarot") is None
    assert store.accounts.find_mailbox(key("fmarot@ac-exemple.fr")) is None
    assert store.accounts.find_sign_in(key("fmarot@ac-exemple.fr")) is None
    assert not store.accounts.owns_address(added.account_id, key("fmarot@ac-exemple.fr"))


def test_identifiers_compare_without_case_and_accents(store: Store) -> None:
    person(store, "Élodie", addresses=[])
    assert store.accounts.find_account("elodie") is not None
    with pytest.raises(NameTaken) as taken:
        person(store, "ELODIE", addresses=[])
    assert taken.value.name == "ELODIE"


def test_an_account_whose_address_is_taken_is_not_made_at_all(store: Store) -> None:
    person(store, "un", addresses=["jean@ac-exemple.fr"])
    with pytest.raises(NameTaken) as taken:
        person(store, "deux", addresses=["libre@ac-exemple.fr", "JEÁN@ac-exemple.fr"])
    assert taken.value.name == "JEÁN@ac-exemple.fr"
    assert store.accounts.find_account("deux") is None
    assert store.accounts.find_mailbox(key("libre@ac-exemple.fr")) is None
    assert store.accounts.count_accounts() == 1


def test_one_account_cannot_have_an_address_twice(store: Store) -> None:
    with pytest.raises(NameTaken):
        person(store, "un", addresses=["jean@d.fr", "Jean@D.FR"])
    assert store.accounts.count_accounts() == 0


def test_an_alias_leads_to_the_same_mailbox_and_stands_last(store: Store) -> None:
    added = person(store, "un", addresses=["jean@d.fr"])
    store.accounts.add_address(added.account_id, "alias@d.fr", now_s=NOW_S)
    assert store.accounts.find_mailbox(key("alias@d.fr")) == added.inbox_id
    found = store.accounts.find_account("un")
    assert found is not None
    assert found.addresses == ("jean@d.fr", "alias@d.fr")
    other = person(store, "deux", addresses=[])
    with pytest.raises(NameTaken):
        store.accounts.add_address(other.account_id, "ALIAS@d.fr", now_s=NOW_S)
    with pytest.raises(StoreUnavailable):
        store.accounts.add_address(NOBODY, "libre@d.fr", now_s=NOW_S)


def test_an_address_belongs_to_its_account_only(store: Store) -> None:
    un, deux = person(store, "un"), person(store, "deux")
    assert store.accounts.owns_address(un.account_id, key("un@ac-exemple.fr"))
    assert not store.accounts.owns_address(deux.account_id, key("un@ac-exemple.fr"))
    assert not store.accounts.owns_address(NOBODY, key("un@ac-exemple.fr"))


def test_suspension_stops_sign_in_and_not_the_mail(store: Store) -> None:
    added = person(store, "un")
    before = store.accounts.read_credential(added.account_id)
    store.accounts.set_state(added.account_id, AccountState.SUSPENDED)
    found = store.accounts.find_sign_in("un")
    assert found is not None
    assert before is not None
    assert found.credential.state is AccountState.SUSPENDED
    assert found.credential.version > before.version
    assert store.accounts.find_mailbox(key("un@ac-exemple.fr")) == added.inbox_id
    store.accounts.set_state(added.account_id, AccountState.ACTIVE)
    account = store.accounts.find_account("un")
    assert account is not None
    assert account.state is AccountState.ACTIVE


def test_deleting_keeps_the_names_from_others_until_their_quarantine_is_over(store: Store) -> None:
    added = person(store, "un", addresses=["jean@d.fr"])
    store.accounts.delete_account(added.account_id, now_s=NOW_S)
    assert store.accounts.find_account("un") is None
    assert store.accounts.find_sign_in("un") is None
    assert store.accounts.find_mailbox(key("jean@d.fr")) is None
    assert not store.accounts.owns_address(added.account_id, key("jean@d.fr"))
    assert list(store.accounts.list_accounts()) == []
    assert store.accounts.count_accounts() == 0
    with pytest.raises(
        NameTaken, match=r"un was given to un \(Un\) and is kept for them until 2032"
    ):
        person(store, "un", addresses=["jean@d.fr"])
    assert store.people.who_had("un", now_s=NOW_S + QUARANTINE_S - 1) == added.account_id
    assert store.people.who_had("un", now_s=NOW_S + QUARANTINE_S) is None
    successor = store.accounts.add_account(
        identifier="un", name="Un", addresses=["jean@d.fr"], now_s=NOW_S + QUARANTINE_S
    )
    assert successor.account_id != added.account_id
    assert successor.inbox_id != added.inbox_id


def test_a_deleted_account_cannot_be_changed(store: Store) -> None:
    gone = person(store, "un").account_id
    store.accounts.delete_account(gone, now_s=NOW_S)
    for account_id in (gone, NOBODY):
        assert store.accounts.read_credential(account_id) is None
        with pytest.raises(StoreUnavailable):
            store.accounts.add_address(account_id, "libre@d.fr", now_s=NOW_S)
        with pytest.raises(StoreUnavailable):
            store.accounts.set_state(account_id, AccountState.ACTIVE)
        with pytest.raises(StoreUnavailable):
            store.accounts.write_credential(account_id, verifier="$x$", must_change=False)
        with pytest.raises(StoreUnavailable):
            store.accounts.delete_account(account_id, now_s=NOW_S)
    assert store.accounts.find_mailbox(key("libre@d.fr")) is None


@pytest.mark.slow
def test_accounts_are_listed_by_identifier_over_many_slices(place: Place) -> None:
    store = place.open()
    added = [person(store, f"p{n:04}", addresses=[]).identifier for n in range(1_001)]
    assert [account.identifier for account in store.accounts.list_accounts()] == added
    assert store.accounts.count_accounts() == 1_001


def test_what_one_process_adds_another_finds(store: Store, place: Place) -> None:
    other = place.open()
    added = person(store, "un")
    assert other.accounts.find_account("un") == added


# Credentials


def test_a_new_account_has_no_verifier(store: Store) -> None:
    credential = store.accounts.read_credential(person(store, "un").account_id)
    assert credential is not None
    assert credential.verifier is None
    assert not credential.must_change


def test_setting_a_verifier_makes_the_version_grow(store: Store) -> None:
    account_id = person(store, "un").account_id
    first = store.accounts.write_credential(account_id, verifier="$a$", must_change=True)
    second = store.accounts.write_credential(account_id, verifier="$a$", must_change=False)
    assert (first.verifier, first.must_change, first.state) == ("$a$", True, AccountState.ACTIVE)
    assert second.version > first.version
    assert store.accounts.read_credential(account_id) == second
    sign_in = store.accounts.find_sign_in("un")
    assert sign_in is not None
    assert sign_in.credential == second


def test_a_better_verifier_keeps_the_version(store: Store) -> None:
    account_id = person(store, "un").account_id
    written = store.accounts.write_credential(account_id, verifier="$old$", must_change=True)
    store.accounts.replace_verifier(account_id, version=written.version, verifier="$new$")
    credential = store.accounts.read_credential(account_id)
    assert credential is not None
    assert (credential.verifier, credential.version) == ("$new$", written.version)
    assert credential.must_change


def test_a_better_verifier_of_an_old_password_is_ignored(store: Store) -> None:
    account_id = person(store, "un").account_id
    old = store.accounts.write_credential(account_id, verifier="$old$", must_change=False)
    new = store.accounts.write_credential(account_id, verifier="$new$", must_change=False)
    store.accounts.replace_verifier(account_id, version=old.version, verifier="$older, better$")
    assert store.accounts.read_credential(account_id) == new
    store.accounts.replace_verifier(NOBODY, version=1, verifier="$x$")
