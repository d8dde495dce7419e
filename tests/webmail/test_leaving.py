"""The page behind a member's link: what asks, what leaves, what is nobody's."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from mailserver.lists.one_click import Inside, make_leave_token
from mailserver.store.ports.lists import ListRule
from mailserver.store.ports.people import PostDoc
from mailserver.values.ids import ListId
from tests.store.crowd import SCHOOL, made, school, teacher
from tests.webmail.house import FORM, ONE_CLICK, House
from webmail.guard import MAX_BODY_OCTETS

BOUNDARY = "x" * 20
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def multipart(name: str = "List-Unsubscribe", value: str = "One-Click", more: str = "") -> bytes:
    lines = [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"{more}', "", value]
    return "\r\n".join([*lines, f"--{BOUNDARY}--", ""]).encode()


def test_looking_at_the_page_changes_nothing(house: House) -> None:
    path = house.path(house.member())
    for method in ("GET", "HEAD", "GET"):
        assert house.ask(method, path).status == 200
    assert house.readers() == ["paul@exemple.net"]


def test_the_page_names_the_list_and_has_one_button(house: House) -> None:
    page = house.get(house.path(house.member())).text
    assert "animateurs@ac-exemple.fr" in page
    assert "Animateurs &lt;TICE&gt;" in page  # a description is text
    assert page.count("<button") == page.count('<form method="post">') == 1
    assert '<html lang="fr">' in page
    assert "viewport" in page
    assert "<script" not in page
    assert "paul@" not in page


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, ONE_CLICK),
        (FORM, b"x=1&List-Unsubscribe=One-Click"),
        (MULTIPART, multipart()),
        (MULTIPART, multipart() + b"epilogue"),
    ],
    ids=["urlencoded", "with another field", "multipart", "with an epilogue"],
)
def test_one_click_takes_the_member_off_at_once_and_again_is_the_same(
    house: House, headers: dict[str, str], body: bytes
) -> None:
    house.member("anne@exemple.net")
    path = house.path(house.member())
    for _ in range(2):
        answer = house.post(path, body, headers=headers)
        assert (answer.status, "C&#39;est fait" in answer.text) == (200, True)
        assert "set-cookie" not in answer.headers
        assert house.readers() == ["anne@exemple.net"]
    assert house.tally.left_lists == 1


def test_a_form_in_pieces_is_one_form(house: House) -> None:
    pieces = [ONE_CLICK[place : place + 1] for place in range(len(ONE_CLICK))]
    assert house.post(house.path(house.member()), *pieces).status == 200
    assert house.readers() == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, b""),
        (FORM, b"List-Unsubscribe=one-click"),
        (FORM, b"list-unsubscribe=One-Click"),
        (FORM, b"&" * 5000),
        (FORM, b"&".join(b"a=1" for _ in range(100))),
        (FORM, b"\xff\xfe=\x00%zz%"),
        ({"content-type": "text/plain"}, ONE_CLICK),
        ({}, ONE_CLICK),
        ({"content-type": "multipart/form-data"}, multipart()),
        ({"content-type": "multipart/form-data; boundary="}, multipart()),
        ({"content-type": "multipart/form-data; boundary=\u00e9"}, multipart()),
        ({"content-type": MULTIPART["content-type"] + "; charset=undefined"}, multipart()),
        (MULTIPART, b"no multipart at all"),
        (MULTIPART, multipart()[:60]),
        (MULTIPART, multipart(more='; filename="a.txt"')),
        (MULTIPART, multipart(name="a") * 20),
        (MULTIPART, b"--" + BOUNDARY.encode() + b"\r\n" + b"A: b\r\n" * 1000),
    ],
)
def test_what_does_not_say_one_click_changes_nothing(
    house: House, headers: dict[str, str], body: bytes
) -> None:
    answer = house.post(house.path(house.member()), body, headers=headers)
    assert answer.status == 400
    assert "Rien n&#39;a changé" in answer.text
    assert house.readers() == ["paul@exemple.net"]


def test_no_link_but_the_members_own_says_anything(house: House) -> None:
    """Whoever has no link of ours learns nothing: what exists looks like what does not."""
    who = house.member()
    token = make_leave_token(house.which, who)
    forged = [
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        token.replace("-", "-a"),
        token[:-1],
        make_leave_token(replace(house.which, secret=b"another"), who),
        make_leave_token(replace(house.which, list_id=ListId(99)), who),
        "1-" + "a" * 16,
        "1-" + "a" * 5000,
        "%00",
        "..",
        token + "/",
        token + "\x00",
        "é",
        "9" * 5000,
    ]
    answers = [ask(f"/leave/{one}") for one in forged for ask in (house.get, house.post)]
    nowhere = house.get("/nowhere")
    assert {(one.status, one.body) for one in answers} == {(404, nowhere.body)}
    assert house.readers() == ["paul@exemple.net"]


def test_the_link_of_a_list_that_is_gone_leads_nowhere(house: House) -> None:
    path = house.path(house.member())
    house.store.lists.delete_list(house.which.list_id, now_s=1.0, quarantine_s=1.0)
    assert house.get(path).status == house.post(path).status == 404


def test_a_link_may_be_typed_in_capitals(house: House) -> None:
    path = house.path(house.member())
    assert house.post("/leave/" + path.rpartition("/")[2].upper()).status == 200
    assert house.readers() == []


def test_an_account_by_hand_is_gone_and_one_by_rule_is_noted(house: House) -> None:
    lists, list_id = house.store.lists, house.which.list_id
    chef = house.owner.account_id
    for is_member in (False, True):
        if is_member:
            lists.add_member(list_id, account_id=chef)
        assert house.post(house.path(Inside(chef))).status == 200
        assert lists.members(list_id, after_id=0, limit=10) == []
    made(house.store, school(), teacher("jmarot", posts=[PostDoc(SCHOOL, "enseignant")]))
    lists.add_rule(list_id, ListRule(unit_code=SCHOOL))
    account = house.store.accounts.find_account("jmarot")
    assert account is not None
    assert list(lists.accounts_by_rule(house.which)) == [account.account_id]
    assert house.post(house.path(Inside(account.account_id))).status == 200
    assert list(lists.accounts_by_rule(house.which)) == []
    (noted,) = lists.members(list_id, after_id=0, limit=10)
    assert (noted.account_id, noted.gets_mail) == (account.account_id, False)
    assert noted.stopped_why == "by link"


def test_the_log_says_who_left_which_list_and_never_the_link(house: House) -> None:
    path = house.path(house.member())
    (member,) = house.store.lists.members(house.which.list_id, after_id=0, limit=10)
    with capture_logs() as events:
        house.get(path)
        house.post(path)
        house.post(path)
        house.post(path + "x")
    (event,) = events
    assert event == {
        "event": "left a list by one click",
        "log_level": "info",
        "room": "web",
        "list": "animateurs@ac-exemple.fr",
        "member": member.member_id,
    }
    assert path.rpartition("-")[2] not in json.dumps(events)
    assert "paul@" not in json.dumps(events)


def test_who_goes_away_in_the_middle_has_not_left(house: House) -> None:
    answer = house.ask(
        "POST", house.path(house.member()), body=[ONE_CLICK[:10]], ends=False, headers=FORM
    )
    assert answer.status == 408  # which nobody reads
    assert house.readers() == ["paul@exemple.net"]


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "untold"])
def test_a_huge_body_is_refused(house: House, is_told: bool) -> None:
    pieces = [b"a" * 1024] * (MAX_BODY_OCTETS // 1024 + 1)
    told = {"content-length": str(sum(map(len, pieces)))} if is_told else {}
    answer = house.post(house.path(house.member()), *pieces, headers=FORM | told)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert house.readers() == ["paul@exemple.net"]
