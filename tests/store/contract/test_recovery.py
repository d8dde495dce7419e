"""Codes and first passwords in the store: used once, tried a few times, replaced in place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.recovery import CODE_NAME_OCTETS, FittingCode, NewCode, Purpose
from mailserver.store.ports.store import Store
from mailserver.values.ids import AccountId
from tests.store.child import OtherProcess
from tests.store.letters import NOW_S

HOUR_S = 3600.0
NAME = b"n" * CODE_NAME_OCTETS
RIGHT, NEAR, FAR = NAME + b"right", NAME + b"wrong", b"other" + b"x"
QUICK = "$numen-hmac-sha256$k$"


def someone(store: Store, identifier: str = "jmarot") -> AccountId:
    return store.accounts.add_account(
        identifier=identifier, name="Jean", addresses=[f"{identifier}@d.fr"], now_s=NOW_S
    ).account_id


def give(
    store: Store, account_id: AccountId, digest: bytes = RIGHT, purpose: Purpose = Purpose.HANDED
) -> None:
    store.recovery.add_code(
        NewCode(
            account_id=account_id,
            purpose=purpose,
            digest=digest,
            given_by="pnoir",
            made_at_s=NOW_S,
            expires_at_s=NOW_S + HOUR_S,
            details="a@b.example",
        )
    )


def attempt(
    store: Store,
    account_id: AccountId,
    digest: bytes = RIGHT,
    *,
    at_s: float = NOW_S,
    purpose: Purpose = Purpose.HANDED,
) -> FittingCode | None:
    return store.recovery.try_code(account_id, purpose, digest, now_s=at_s, max_tries=3)


def fitting(store: Store, account_id: AccountId, purpose: Purpose = Purpose.HANDED) -> FittingCode:
    found = attempt(store, account_id, purpose=purpose)
    assert found is not None
    return found


def test_a_code_fits_its_account_and_purpose_until_it_expires(store: Store) -> None:
    one, other = someone(store), someone(store, "other")
    give(store, one)
    code = fitting(store, one)
    assert (code.given_by, code.details) == ("pnoir", "a@b.example")
    assert attempt(store, other) is None
    assert attempt(store, one, purpose=Purpose.RESET) is None
    assert attempt(store, one, at_s=NOW_S + HOUR_S) is None
    assert not store.recovery.use_code(code.code_id, now_s=NOW_S + HOUR_S)


def test_only_tries_that_name_the_code_count(store: Store) -> None:
    one = someone(store)
    give(store, one)
    for digest in [FAR, b""] * 10 + [NEAR] * 2:
        assert attempt(store, one, digest) is None
    code = fitting(store, one)
    store.recovery.count_try(code.code_id)
    assert attempt(store, one) is None


def test_a_code_is_used_once(store: Store) -> None:
    one = someone(store)
    give(store, one)
    code = fitting(store, one)
    assert store.recovery.use_code(code.code_id, now_s=NOW_S)
    assert not store.recovery.use_code(code.code_id, now_s=NOW_S)
    assert attempt(store, one) is None


@pytest.mark.slow
def test_processes_that_use_one_code_at_once_make_one_change(
    store: Store, other_process: Callable[[], OtherProcess]
) -> None:
    ids = []
    for number in range(30):
        one = someone(store, f"p{number}")
        give(store, one)
        ids.append(fitting(store, one).code_id)
    processes = [other_process() for _ in range(2)]
    for process in processes:
        process.ask("open")
    for process in processes:
        process.tell("use_codes", code_ids=ids, now_s=NOW_S)
    answers = [process.answer() for process in processes]
    assert all(one != other for one, other in zip(*answers, strict=True))


def test_a_newer_code_and_a_change_of_password_end_a_code(store: Store) -> None:
    one = someone(store)
    give(store, one)
    code = fitting(store, one)
    give(store, one, NEAR)
    assert not store.recovery.use_code(code.code_id, now_s=NOW_S)
    assert attempt(store, one, NEAR) is not None
    store.recovery.end_codes(one)
    assert attempt(store, one, NEAR) is None


def test_an_address_is_proved_with_its_code_or_not_at_all(store: Store) -> None:
    one = someone(store)
    give(store, one, purpose=Purpose.PROVE_ADDRESS)
    give(store, one, purpose=Purpose.RESET)
    code = fitting(store, one, Purpose.PROVE_ADDRESS)
    proved = store.recovery.prove_address(one, code, now_s=NOW_S)
    assert proved is not None
    assert store.recovery.read_recovery_address(one) == proved
    assert attempt(store, one, purpose=Purpose.RESET) is None  # it was on its way elsewhere
    assert store.recovery.prove_address(one, code, now_s=NOW_S + 1) is None
    assert store.recovery.read_recovery_address(one) == proved
    assert store.recovery.remove_recovery_address(one) == proved
    assert store.recovery.remove_recovery_address(one) is None


def test_a_grace_begins_once_and_only_for_the_password_it_is_about(store: Store) -> None:
    one = someone(store)
    first = store.accounts.write_credential(one, verifier="v", must_change=True)
    store.recovery.start_grace(one, version=first.version, until_s=NOW_S + 10)
    store.recovery.start_grace(one, version=first.version, until_s=NOW_S + 99)
    (due,) = store.recovery.due_warnings(until_s=NOW_S + 11, told_count=1, limit=9)
    assert (due.account_id, due.must_change_by_s, due.told_count) == (one, NOW_S + 10, 0)
    store.recovery.mark_warned(one, version=first.version, told_count=1)
    assert store.recovery.due_warnings(until_s=NOW_S + 11, told_count=1, limit=9) == []
    second = store.accounts.write_credential(one, verifier="w", must_change=True)
    store.recovery.start_grace(one, version=first.version, until_s=NOW_S + 10)
    assert store.recovery.due_warnings(until_s=NOW_S + 99, told_count=9, limit=9) == []
    store.recovery.start_grace(one, version=second.version, until_s=NOW_S + 20)
    assert len(store.recovery.due_warnings(until_s=NOW_S + 99, told_count=9, limit=9)) == 1


def test_quick_verifiers_are_found_in_slices_and_replaced_where_they_stand(store: Store) -> None:
    ids = [someone(store, f"p{number}") for number in range(5)]
    for number, one in enumerate(ids):
        store.accounts.write_credential(one, verifier=f"{QUICK}{number}", must_change=True)
    assert store.recovery.has_numens()
    store.accounts.write_credential(
        ids[3], verifier="chosen", must_change=False
    )  # keeps its NUMEN apart
    found = store.recovery.read_quick_numens(after=AccountId(0), limit=3)
    found += store.recovery.read_quick_numens(after=found[-1][0], limit=3)
    assert [verifier for _, verifier in found] == [f"{QUICK}{number}" for number in range(5)]
    store.accounts.write_credential(ids[4], verifier="another", must_change=False)
    store.recovery.replace_numens([(one, old, f"slow{old[-1]}") for one, old in found])
    assert store.recovery.read_quick_numens(after=AccountId(0), limit=9) == []
    verifiers = [store.accounts.read_credential(one) for one in ids]
    assert not store.recovery.has_numens()
    assert [one and one.verifier for one in verifiers] == [
        *("slow0", "slow1", "slow2"),
        *("chosen", "another"),
    ]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_suspension_ends_codes_and_none_fits_until_it_is_over(
    store: Store, purpose: Purpose
) -> None:
    jean, marie = someone(store), someone(store, "mdupont")
    for account_id in (jean, marie):
        give(store, account_id, purpose=purpose)
    store.accounts.set_state(jean, AccountState.SUSPENDED)
    assert attempt(store, jean, purpose=purpose) is None
    assert attempt(store, marie, purpose=purpose) is not None
    give(store, jean, purpose=purpose)
    assert attempt(store, jean, purpose=purpose) is None
    store.accounts.set_state(jean, AccountState.ACTIVE)
    assert attempt(store, jean, purpose=purpose) is not None


def test_a_code_from_before_a_suspension_is_not_good_after_it(store: Store) -> None:
    jean = someone(store)
    give(store, jean)
    store.accounts.set_state(jean, AccountState.SUSPENDED)
    store.accounts.set_state(jean, AccountState.ACTIVE)
    assert attempt(store, jean) is None
