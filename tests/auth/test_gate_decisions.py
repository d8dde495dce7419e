"""What the gate decides, to the second and to the octet: no store, no thread, no hash."""

from __future__ import annotations

import dataclasses
import io

import pytest

from mailserver.auth.gate import (
    MAX_USER_NAME_OCTETS,
    NAME_KEY_S,
    WEBMAIL,
    Denied,
    FirstPasswordEnded,
    Granted,
    Throttled,
    Unavailable,
    Verdict,
    is_over,
)
from mailserver.auth.passwords import MAX_PASSWORD_OCTETS
from mailserver.peers.notices import Notices
from mailserver.store.ports.accounts import AccountState, Credential, SignIn
from mailserver.values.ids import AccountId
from tests.auth.gatehouse import NOW_S, RIGHT, House, Watchman, sign_in

SCHOOL = AccountId(2)
SUSPENDED = AccountState.SUSPENDED


# What a log-in opened, and what ends it


class Ledger:
    """Credentials and holders, as `is_over` asks for them."""

    def __init__(self, *credentials: Credential, holds: bool = True) -> None:
        self._credentials = {one.account_id: one for one in credentials}
        self._holds = holds

    def read_credential(self, account_id: AccountId) -> Credential | None:
        return self._credentials.get(account_id)

    def holds(self, account_id: AccountId, mailbox_account: AccountId, *, now_s: float) -> bool:
        assert (account_id, mailbox_account, now_s) == (AccountId(1), SCHOOL, NOW_S)
        return self._holds


OWN = sign_in().credential
MAILBOX = sign_in(account=2, version=3).credential


@pytest.mark.parametrize(
    ("ledger", "wanted"),
    [
        (Ledger(OWN), False),
        (Ledger(), True),  # deleted
        (Ledger(dataclasses.replace(OWN, version=8)), True),  # another password, or suspended
        (Ledger(dataclasses.replace(OWN, version=6)), True),  # of a store that was put back
        (Ledger(OWN, holds=False), False),  # their own mailbox is not held by anybody
    ],
)
def test_what_a_log_in_opened_ends_with_its_credential(ledger: Ledger, wanted: bool) -> None:
    granted = House(sign_in()).ask()
    assert isinstance(granted, Granted)
    assert is_over(ledger, granted, now_s=NOW_S) == wanted


@pytest.mark.parametrize(
    ("ledger", "wanted"),
    [
        (Ledger(OWN, MAILBOX), False),
        (Ledger(OWN, dataclasses.replace(MAILBOX, version=99)), False),  # nobody's password there
        (Ledger(OWN), True),  # the mailbox is deleted
        (Ledger(OWN, dataclasses.replace(MAILBOX, state=SUSPENDED)), True),
        (Ledger(OWN, MAILBOX, holds=False), True),
        (Ledger(MAILBOX), True),  # the holder is deleted
        (Ledger(dataclasses.replace(OWN, version=8), MAILBOX), True),
    ],
)
def test_what_a_holder_opened_ends_with_either_account(ledger: Ledger, wanted: bool) -> None:
    granted = House(sign_in(mailbox=2)).ask(name=b"fmarot*school")
    assert isinstance(granted, Granted)
    assert is_over(ledger, granted, now_s=NOW_S) == wanted


# What is remembered


def _is_recalled(house: House, **asked: str) -> bool:
    before = house.people.hashes
    house.ask(**asked)  # type: ignore[arg-type]
    return house.people.hashes == before


@pytest.mark.parametrize(
    ("then", "is_recalled"),
    [
        (sign_in(), True),
        (sign_in(version=8), False),
        (sign_in(version=6), False),
        (sign_in(account=3), False),
        (sign_in(mailbox=2), False),  # the same password opens another mailbox
        (sign_in(state=SUSPENDED), False),  # even if the version had stayed
        (None, False),
    ],
)
def test_a_remembered_log_in_is_of_one_version_and_one_mailbox(
    then: SignIn | None, is_recalled: bool
) -> None:
    house = House(sign_in())
    assert not _is_recalled(house)
    house.people.known = then
    assert _is_recalled(house) == is_recalled


def test_a_remembered_log_in_is_of_one_block() -> None:
    house = House(sign_in(), throttle=Watchman())
    house.ask(peer="198.51.100.7")
    assert _is_recalled(house, peer="198.51.100.7")
    assert not _is_recalled(house, peer="203.0.113.7")


def test_nothing_is_recalled_while_the_name_waits() -> None:
    watchman = Watchman()
    house = House(sign_in(), throttle=watchman)
    house.ask()
    watchman.forbids_recall = True
    assert not _is_recalled(house)
    watchman.is_shut = True
    assert house.ask() == Throttled()


def test_a_name_that_nobody_has_is_never_remembered() -> None:
    house = House(None)
    for kept in (False, True):
        assert house.ask() == Denied()
        if kept:
            assert not house.memory.kept


# Grace


@pytest.mark.parametrize("is_remembered", [False, True])
@pytest.mark.parametrize(
    ("after_s", "wanted"), [(-1.0, Granted), (0.0, FirstPasswordEnded), (1.0, FirstPasswordEnded)]
)
def test_a_grace_is_over_to_the_second(
    after_s: float, wanted: type[Verdict], is_remembered: bool
) -> None:
    by_s = NOW_S + 1000
    house = House(sign_in(must_change=True, by_s=by_s), grace_s=5000.0, remember_s=9e9)
    if is_remembered:
        assert isinstance(house.at(NOW_S).ask(), Granted)
    assert type(house.at(by_s + after_s).ask()) is wanted
    assert isinstance(house.ask(door=WEBMAIL), Granted)  # where it can be changed


def test_a_grace_ends_when_both_clocks_say_so() -> None:
    by_s = NOW_S + 1000
    house = House(sign_in(must_change=True, by_s=by_s), grace_s=5000.0)
    house.now_s, house.ends_s = by_s + 1, by_s - 1
    assert isinstance(house.ask(), Granted)
    house.now_s, house.ends_s = by_s - 1, by_s + 1
    assert isinstance(house.ask(), Granted)
    house.now_s = house.ends_s = by_s
    assert house.ask() == FirstPasswordEnded()


def test_a_grace_that_is_over_counts_as_a_wrong_password_and_is_not_remembered() -> None:
    watchman = Watchman()
    house = House(sign_in(must_change=True, by_s=NOW_S), grace_s=5000.0, throttle=watchman)
    assert house.ask() == FirstPasswordEnded()
    assert watchman.heard == ["key", "denied"]
    assert not house.memory.kept


@pytest.mark.parametrize(
    ("known", "grace_s", "wanted"),
    [
        (sign_in(must_change=True), 5000.0, [NOW_S + 5000]),
        (sign_in(must_change=True, by_s=NOW_S + 9), 5000.0, []),  # it has begun before
        (sign_in(must_change=True), 0.0, []),
        (sign_in(), 5000.0, []),
    ],
)
def test_a_grace_begins_once_with_the_first_use(
    known: SignIn, grace_s: float, wanted: list[float]
) -> None:
    house = House(known, grace_s=grace_s)
    house.ask(b"wrong")
    assert house.people.graces == []
    assert isinstance(house.ask(), Granted)
    assert house.people.graces == wanted


# Bounds


def test_a_password_may_be_as_long_as_the_longest_that_can_be_set() -> None:
    house = House(sign_in())
    assert isinstance(house.ask(b"x" * MAX_PASSWORD_OCTETS), Granted)
    assert house.ask(b"x" * (MAX_PASSWORD_OCTETS + 1)) == Denied()
    assert house.people.hashes == 2


def test_a_name_is_looked_up_to_its_longest_and_no_further() -> None:
    house = House(sign_in())
    house.ask(name=b"x" * MAX_USER_NAME_OCTETS)
    house.ask(name=b"y" * (MAX_USER_NAME_OCTETS + 1))
    assert house.people.asked == ["x" * MAX_USER_NAME_OCTETS]
    assert MAX_USER_NAME_OCTETS == 2 * 320 + 1  # two addresses and a star


def test_the_longest_name_has_room_for_two_addresses() -> None:
    holder = mailbox = "x" * 64 + "@" + "y" * 255
    house = House(sign_in())
    house.ask(name=f"{holder}*{mailbox}".encode())
    assert house.people.asked


# What the throttle hears


@pytest.mark.parametrize(
    ("password", "fault", "heard"),
    [
        (RIGHT, None, "granted"),
        (b"wrong", None, "denied"),
        (RIGHT, RuntimeError("bug"), "withdraw"),  # our fault is nobody's guess
    ],
)
def test_each_try_is_told_once(password: bytes, fault: Exception | None, heard: str) -> None:
    watchman = Watchman()
    house = House(sign_in(), throttle=watchman)
    house.people.fault = fault
    house.ask(password)
    assert watchman.heard == ["key", heard]


def test_a_try_without_a_place_in_the_pool_is_taken_back() -> None:
    watchman = Watchman()
    house = House(sign_in(), throttle=watchman)
    house.pool.is_full = True
    assert house.ask() == Unavailable()
    assert watchman.heard == ["key", "withdraw"]


def test_who_must_wait_costs_no_hash() -> None:
    watchman = Watchman()
    watchman.is_shut = True
    house = House(sign_in(), throttle=watchman)
    assert house.ask() == Throttled()
    assert house.people.hashes == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (b"fmarot", b"FMAROT ", True),
        (b"fmarot", b"jmarot", False),
        (b"fmarot*school", b"fmarot*other", True),  # one password, whichever mailbox
        (b"fmarot*school", b"fmarot", True),
        (b"fmarot*school", b"jmarot*school", False),
        (b"*school", b"school", False),  # nobody in front of the star is no holder
        (b"fmarot*", b"fmarot", False),
        (b"*fmarot", b"fmarot*", False),
    ],
)
def test_names_that_stand_for_one_password_are_counted_together(
    one: bytes, other: bytes, is_same: bool
) -> None:
    watchman = Watchman()
    house = House(None, throttle=watchman)
    for name in (one, other):
        house.ask(b"wrong", name=name)
    assert (watchman.callers[0].who == watchman.callers[1].who) == is_same


def test_the_key_of_names_is_read_again_after_a_minute_and_when_a_clock_goes_back() -> None:
    watchman = Watchman()
    house = House(None, throttle=watchman)

    def key_reads(moment_s: float) -> int:
        watchman.heard.clear()
        house.at(moment_s).ask()
        return watchman.heard.count("key")

    moments = [0.0, NAME_KEY_S - 1, NAME_KEY_S, NAME_KEY_S, NAME_KEY_S - 1]
    assert [key_reads(NOW_S + moment) for moment in moments] == [1, 0, 1, 0, 1]


def test_names_are_kept_from_the_log_by_a_key_also_without_a_throttle(log: io.StringIO) -> None:
    house = House(None)
    house.ask(name=b"boss@ac-exemple.fr")
    said = log.getvalue()
    assert '"who": "name:' in said
    assert "boss" not in said


class Silent(Notices):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def allows(self, peer: str) -> bool:
        self.asked.append(peer)
        return False


def test_a_line_that_a_peer_causes_has_a_budget(log: io.StringIO) -> None:
    notices = Silent()
    house = House(None, notices=notices)
    house.ask(peer="198.51.100.7")
    assert notices.asked == ["198.51.100.7"]
    assert "sign-in denied" not in log.getvalue()
    House(None).ask()
    assert "sign-in denied" in log.getvalue()


@pytest.mark.parametrize("is_to_be", [True, False])
def test_webmail_asks_for_a_change_where_the_policy_does(is_to_be: bool) -> None:
    house = House(sign_in(must_change=is_to_be))
    granted = house.ask()
    assert isinstance(granted, Granted)
    assert granted.must_change == is_to_be
