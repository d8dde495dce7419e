"""What we signed is posted once, whoever brings it again, however much later."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from mailserver.lists.header import split_fields
from mailserver.store.ports.lists import SEEN_S, Posting
from smtp_relay.delivery.lists.repeats import message_ids
from tests.smtp_relay.delivery.lists.list_house import DOMAIN, POST, ListHouse, OpenHouse
from tests.store.letters import NOW_S

JEAN = f"jean.petit@{DOMAIN}"
HOUR_S, DAY_S = 3600.0, 86_400.0


def dated(at_s: float, name: bytes = b"<one@poste>") -> bytes:
    return b"Message-ID: %s\r\nDate: %s\r\n" % (name, formatdate(at_s).encode()) + POST


NAMED = dated(NOW_S)


@pytest.fixture
def house(open_house: OpenHouse) -> ListHouse:
    """Anybody of ours may post; an address of ours that was signed counts as a member's."""
    house = open_house()
    house.outside(JEAN)
    house.member("anne.durand")
    return house


def bring(house: ListHouse, body: bytes = NAMED, **how: object) -> None:
    """A stranger does, with a signature of ours."""
    house.send(body, reverse_path=JEAN, door="mx", is_signed_by_us=True, **how)  # type: ignore[arg-type]
    house.expand()


def read_count(house: ListHouse) -> int:
    return len(house.read("anne.durand"))


def test_what_no_list_has_had_is_posted_as_usual(house: ListHouse) -> None:
    bring(house)
    assert (read_count(house), house.held()) == (1, [])


@pytest.mark.parametrize("later_s", [HOUR_S + 1, 20 * DAY_S, SEEN_S])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_brought_again_it_waits(house: ListHouse, later_s: float, *, is_signed_in: bool) -> None:
    author = house.member("paul") if is_signed_in else None
    house.send(NAMED, account_id=author, reverse_path=JEAN, is_signed_by_us=not is_signed_in)
    house.expand()
    assert read_count(house) == 1
    house.now_s += later_s
    bring(house, NAMED.replace(b"<one@poste>", b"\r\n <one@poste> "))
    assert read_count(house) == 1
    assert "our signature" in house.held()[-1]


def test_to_another_list_too(house: ListHouse) -> None:
    chef = house.store.accounts.find_account("chef")
    assert chef is not None
    bring(house)
    other = house.add_list(f"profs@{DOMAIN}", chef.account_id, posting=Posting.INSIDE)
    house.store.lists.add_member(other.list_id, address=JEAN)
    house.which = other
    bring(house, to=other.address)
    assert "on what a list had before" in house.held()[0]


@pytest.mark.parametrize(
    "body",
    [
        dated(NOW_S - SEEN_S - 60),
        dated(NOW_S + 3 * DAY_S),
        b"Message-ID: <one@poste>\r\n" + POST,
        b"Date: never\r\nMessage-ID: <one@poste>\r\n" + POST,
        POST,
        b"Message-ID: <two@poste>\r\n" + NAMED,
    ],
    ids=["old", "ahead", "no date", "no date that can be read", "no name", "two names"],
)
def test_what_cannot_be_told_from_a_replay_waits(house: ListHouse, body: bytes) -> None:
    bring(house, body)
    assert read_count(house) == 0
    assert len(house.held()) == 1


def test_others_and_those_who_sign_in_are_not_asked(house: ListHouse) -> None:
    jean = house.member("jean.petit")
    for number in range(3):
        house.send(NAMED, account_id=jean)
        house.expand()
        house.now_s += HOUR_S + 1
        assert read_count(house) == number + 1


def test_the_store_forgets_what_is_too_old_to_be_brought(house: ListHouse) -> None:
    bring(house)
    (digest,) = message_ids(split_fields(NAMED)[0])
    house.store.upkeep.expire_history(now_s=NOW_S + SEEN_S - 60)
    assert house.store.lists.has_seen(digest)
    house.store.upkeep.expire_history(now_s=NOW_S + SEEN_S + 60)
    assert not house.store.lists.has_seen(digest)
