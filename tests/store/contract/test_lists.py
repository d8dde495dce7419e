"""Lists as the store keeps them: who is in one by rule, when its mail stops, what is asked once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailserver.lists.addresses import addresses_of
from mailserver.store.ports.lists import ListRule, MailingList, Who, Wish
from mailserver.store.ports.people import PersonDoc, PostDoc
from mailserver.store.ports.store import Store
from mailserver.store.sql.lists import posts as lists_posts
from mailserver.values.ids import AccountId
from tests.lists.fakes import mailing_list
from tests.store.crowd import COLLEGE, SCHOOL, made, put, school, teacher, unit
from tests.store.letters import NOW_S, person

CIRCO, FAR = "017-saintes", "0170999k"


@pytest.fixture
def which(store: Store) -> MailingList:
    """The list `animateurs`, in an academy of one circonscription, three schools, two teachers."""
    made(store, unit(CIRCO), unit("017-autre"), school(parent=CIRCO), school(COLLEGE, parent=CIRCO))
    made(store, school(FAR, parent="017-autre"))
    made(store, teacher("jmarot", posts=(PostDoc(SCHOOL, "enseignant"),)))
    made(store, teacher("adurand", posts=(PostDoc(SCHOOL, "Directrice"),)))
    owner = person(store, "chef").account_id
    new = mailing_list()
    return store.lists.add_list(new, addresses=addresses_of(new.address), owner=owner)


def by_rule(store: Store, which: MailingList, rule: ListRule) -> list[str]:
    rule_id = store.lists.add_rule(which.list_id, rule)
    found = store.lists.readers_of(store.lists.accounts_by_rule(which))
    store.lists.remove_rule(which.list_id, rule_id)
    return sorted(one.address.partition("@")[0] for one in found)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (ListRule(unit_code=SCHOOL), ["adurand", "jmarot"]),
        (ListRule(unit_code=SCHOOL, function="enseignant"), ["jmarot"]),
        (ListRule(unit_code=SCHOOL, function="directrice"), ["adurand"]),
        (ListRule(unit_code=COLLEGE), []),
        (ListRule(unit_code=CIRCO), []),
        (ListRule(unit_code=CIRCO, is_below=True), ["adurand", "jmarot"]),
        (
            ListRule(unit_code=CIRCO, is_below=True, who=Who.ESTABLISHMENT),
            [f"ce.{SCHOOL}", f"ce.{COLLEGE}"],
        ),
        (ListRule(unit_code=CIRCO, is_below=True, who=Who.ESTABLISHMENT, nature="lycee"), []),
        (ListRule(unit_code="nowhere", is_below=True), []),
    ],
)
def test_who_a_rule_collects(
    store: Store, which: MailingList, rule: ListRule, wanted: list[str]
) -> None:
    assert by_rule(store, which, rule) == wanted


def test_who_is_transferred_changes_lists_at_once(store: Store, which: MailingList) -> None:
    at_school, at_college = ListRule(unit_code=SCHOOL), ListRule(unit_code=COLLEGE)
    before = store.people.find_doc("jmarot")
    assert isinstance(before, PersonDoc)
    assert put(store, before, replace(before, posts=(PostDoc(COLLEGE, "enseignant"),))) is None
    assert by_rule(store, which, at_school) == ["adurand"]
    assert by_rule(store, which, at_college) == ["jmarot"]


def test_a_school_that_moves_to_another_circonscription_leaves_the_list_of_the_first(
    store: Store, which: MailingList
) -> None:
    before = school(COLLEGE, parent=CIRCO)
    assert put(store, before, replace(before, parent_code="017-autre")) is None
    rule = ListRule(unit_code=CIRCO, is_below=True, who=Who.ESTABLISHMENT)
    assert by_rule(store, which, rule) == [f"ce.{SCHOOL}"]


def test_one_by_hand_is_not_one_by_rule_as_well(store: Store, which: MailingList) -> None:
    account = store.accounts.find_account("jmarot")
    assert account is not None
    assert store.lists.add_member(which.list_id, account_id=account.account_id)
    assert by_rule(store, which, ListRule(unit_code=SCHOOL)) == ["adurand"]
    store.lists.stop_mail(which.list_id, "asked", account_id=account.account_id)
    assert by_rule(store, which, ListRule(unit_code=SCHOOL)) == ["adurand"]
    assert store.lists.readers_by_hand(which.list_id, after_id=0, limit=10) == []


@pytest.mark.parametrize("is_by_hand", [False, True])
@pytest.mark.parametrize("is_by_rule", [False, True])
def test_who_leaves_gets_no_mail_and_may_leave_again(
    store: Store, which: MailingList, *, is_by_hand: bool, is_by_rule: bool
) -> None:
    lists, list_id = store.lists, which.list_id
    account = store.accounts.find_account("jmarot")
    assert account is not None
    if is_by_rule:
        lists.add_rule(list_id, ListRule(unit_code=SCHOOL, function="enseignant"))
    if is_by_hand:
        assert lists.add_member(list_id, account_id=account.account_id)
    number = lists.leave(list_id, "by link", account_id=account.account_id)
    assert (number is not None) is (is_by_hand or is_by_rule)
    found = lists.members(list_id, after_id=0, limit=10)
    wanted = [(number, False, "by link")] if is_by_rule else []
    assert [(one.member_id, one.gets_mail, one.stopped_why) for one in found] == wanted
    assert list(lists.accounts_by_rule(which)) == []
    assert lists.leave(list_id, "asked", account_id=account.account_id) is None
    assert lists.members(list_id, after_id=0, limit=10) == found


def test_who_leaves_and_joins_again_is_a_member_again(store: Store, which: MailingList) -> None:
    lists, list_id, paul = store.lists, which.list_id, "paul@exemple.net"
    assert lists.add_member(list_id, address="Paul@exemple.net")
    assert lists.leave(list_id, "by link", address_key=paul) is not None
    assert lists.add_member(list_id, address=paul)
    assert len(lists.readers_by_hand(list_id, after_id=0, limit=10)) == 1


def test_many_who_get_no_mail_do_not_hide_those_behind_them(
    store: Store, which: MailingList
) -> None:
    lists = store.lists
    asked = [(None, f"p{number}@exemple.net") for number in range(20)]
    assert lists.add_members(which.list_id, [*asked, asked[0]]) == [True] * 20 + [False]
    for _, address in asked[:19]:
        lists.stop_mail(which.list_id, "asked", address_key=address)
    (found,) = lists.readers_by_hand(which.list_id, after_id=0, limit=2)
    assert found.address == "p19@exemple.net"


def test_what_an_account_uses_goes_with_its_reader(store: Store, which: MailingList) -> None:
    account_id = AccountId(which.list_id)  # any: all are empty
    (found,) = store.lists.readers_of([account_id])
    assert (found.used_octets, found.used_count) == (0, 0)


def test_a_wish_is_asked_once_and_taken_once(store: Store, which: MailingList) -> None:
    lists = store.lists
    wish = Wish(list_id=which.list_id, address="paul@exemple.net", joins=True)
    again = replace(wish, address="Paul@EXEMPLE.net")
    assert lists.keep_wish("one", wish, now_s=NOW_S, expires_at_s=NOW_S + 60)
    assert not lists.keep_wish("two", again, now_s=NOW_S, expires_at_s=NOW_S + 60)
    assert lists.keep_wish("leave", replace(wish, joins=False), now_s=NOW_S, expires_at_s=NOW_S + 9)
    assert lists.take_wish("two", now_s=NOW_S) is None
    assert lists.take_wish("leave", now_s=NOW_S + 10) is None  # its time is over
    assert lists.take_wish("one", now_s=NOW_S + 60) == wish
    assert lists.take_wish("one", now_s=NOW_S + 60) is None
    assert lists.keep_wish("three", wish, now_s=NOW_S, expires_at_s=NOW_S + 60)
    assert lists.keep_wish("four", again, now_s=NOW_S + 61, expires_at_s=NOW_S + 99)


def test_forged_wishes_keep_nobody_in_or_out_and_do_not_pile_up(
    store: Store, which: MailingList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_posts, "MAX_OPEN_WISHES", 3)
    leave = Wish(list_id=which.list_id, address="9@b.fr", joins=False)
    assert store.lists.keep_wish("leave", leave, now_s=NOW_S, expires_at_s=NOW_S + 60)
    wishes = [Wish(list_id=which.list_id, address=f"{n}@b.fr", joins=True) for n in range(5)]
    kept = [
        store.lists.keep_wish(one.address, one, now_s=NOW_S, expires_at_s=NOW_S + 60 + number)
        for number, one in enumerate(wishes)
    ]
    assert kept == [True] * 5
    found = [store.lists.take_wish(one.address, now_s=NOW_S) for one in wishes]
    assert found == [None, None, *wishes[2:]]
    assert store.lists.take_wish("leave", now_s=NOW_S) == leave


def test_a_list_says_whether_it_has_members_outside(store: Store, which: MailingList) -> None:
    def has_outside() -> bool:
        found = store.lists.read_list(which.list_id)
        assert found is not None
        return found.has_outside

    assert not has_outside()
    store.lists.add_member(which.list_id, account_id=AccountId(1))
    assert not has_outside()
    for address in ("zoe@example.org", "!x@example.org", '"a b"@example.org'):
        store.lists.add_member(which.list_id, address=address)
        assert has_outside(), address
        assert store.lists.remove_member(which.list_id, address_key=address)
        assert not has_outside()
