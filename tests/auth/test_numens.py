"""The verifiers of NUMENs, their key file, the grace of first passwords, holders."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailserver.auth.backend import StoreBackend
from mailserver.auth.gate import (
    WEBMAIL,
    Denied,
    FirstPasswordEnded,
    Gate,
    Granted,
    HashingPool,
    Unavailable,
    is_over,
)
from mailserver.auth.numen_key import NumenKey, NumenKeyMissing, ensure_key, load_key
from mailserver.auth.numens import QUICK, SLOW, numen_verifier
from mailserver.store.ports.accounts import AccountState
from mailserver.store.ports.people import RelationKind
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.ids import AccountId
from mailserver.values.numen import BadNumen
from mailserver.values.secret import Secret
from tests.auth.conftest import Clock, Door, Work
from tests.auth.secrets import NUMEN, PASSWORD, WRONG
from tests.store.template import put_new_store

KEY = NumenKey(Secret(b"k" * 32))
DAY_S = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield store
    store.close()


def add(store: SqliteStore, identifier: str, *addresses: str) -> AccountId:
    return store.accounts.add_account(
        identifier=identifier, name=identifier, addresses=addresses, now_s=1.0
    ).account_id


def door_over(
    store: SqliteStore,
    clock: Clock,
    *,
    key: NumenKey | None = KEY,
    grace_s: float = 0,
    change_first: bool = True,
    ends_s: Callable[[], float] | None = None,
) -> Door:
    backend = StoreBackend(store, numen_key=key, domains=["a.test"], now_s=clock)
    pool = HashingPool(thread_count=1, waiting_count=8)
    return Door(
        Gate(
            backend,
            store.counters,
            pool,
            secret=Secret(b"s"),
            remember_s=1e9,
            grace_s=grace_s,
            change_first=change_first,
            now_s=clock,
            ends_s=ends_s,
        )
    )


def import_numen(store: SqliteStore, account_id: AccountId) -> None:
    store.accounts.write_credential(
        account_id, verifier=numen_verifier(NUMEN, KEY), must_change=True
    )


def verifier_of(store: SqliteStore, account_id: AccountId) -> str:
    credential = store.accounts.read_credential(account_id)
    assert credential is not None
    assert credential.verifier is not None
    return credential.verifier


def test_the_key_file_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "numen.key"
    with pytest.raises(NumenKeyMissing, match="put back the copy"):
        load_key(path)
    made = ensure_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_key(path).name == load_key(path).name == made.name
    assert [one.name for one in tmp_path.iterdir()] == ["numen.key"]


@pytest.mark.parametrize("text", ["", "ab", "é", "zz" * 32])
def test_what_is_no_key_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "numen.key").write_text(text, "utf-8")
    with pytest.raises(NumenKeyMissing):
        ensure_key(tmp_path / "numen.key")


def test_an_imports_verifier_tells_nothing_without_the_key() -> None:
    verifier = numen_verifier(NUMEN.lower(), KEY)
    assert verifier == numen_verifier(f" {NUMEN} ", KEY)
    assert verifier.startswith(QUICK)
    assert NUMEN not in verifier
    assert verifier != numen_verifier(NUMEN, NumenKey(Secret(b"o" * 32)))
    with pytest.raises(BadNumen):
        numen_verifier("13E", KEY)


@pytest.mark.parametrize("typed", [NUMEN, NUMEN.lower(), "13 e 0245678 abc"])
def test_the_first_use_makes_it_slow(store: SqliteStore, clock: Clock, typed: str) -> None:
    account_id = add(store, "fmarot")
    import_numen(store, account_id)
    door = door_over(store, clock)
    assert door.sign_in("fmarot", WRONG) == Denied()
    assert verifier_of(store, account_id).startswith(QUICK)
    assert isinstance(door.sign_in("fmarot", typed), Granted)
    assert verifier_of(store, account_id).startswith(SLOW)
    assert isinstance(door_over(store, clock).sign_in("fmarot", typed), Granted)
    assert door.sign_in("fmarot", NUMEN[:-1] + "D") == Denied()


@pytest.mark.parametrize("password", [WRONG, "", "13e0245678abd", NUMEN[:-1] + "D"])
def test_a_wrong_numen_costs_what_an_unknown_name_costs(
    store: SqliteStore, work: Work, password: str
) -> None:
    account_id = add(store, "fmarot")
    backend = StoreBackend(store, numen_key=KEY)
    octets = Secret(password.encode())
    unknown = work.of(lambda: backend.verify(None, octets))
    import_numen(store, account_id)
    assert work.of(lambda: backend.verify(backend.look_up("fmarot"), octets)) == unknown
    backend.set_numen(account_id, NUMEN)
    assert work.of(lambda: backend.verify(backend.look_up("fmarot"), octets)) == unknown


@pytest.mark.parametrize("key", [None, NumenKey(Secret(b"o" * 32))])
def test_a_missing_or_other_key_is_temporary_and_loud(
    store: SqliteStore, clock: Clock, log: io.StringIO, key: NumenKey | None
) -> None:
    import_numen(store, add(store, "fmarot"))
    assert door_over(store, clock, key=key).sign_in("fmarot", NUMEN) == Unavailable()
    assert "the key for NUMENs is" in log.getvalue()


def test_no_grace_ends_by_a_clock_that_has_just_jumped(store: SqliteStore, clock: Clock) -> None:
    import_numen(store, add(store, "fmarot"))
    believed_s = clock.now_s
    door = door_over(store, clock, grace_s=30 * DAY_S, ends_s=lambda: believed_s)
    assert isinstance(door.sign_in("fmarot", NUMEN), Granted)
    clock.now_s += 730 * DAY_S
    assert isinstance(door.sign_in("fmarot", NUMEN), Granted)
    believed_s = clock.now_s
    assert door.sign_in("fmarot", NUMEN) == FirstPasswordEnded()


def test_mail_programs_go_on_with_a_first_password_until_its_grace_ends(
    store: SqliteStore, clock: Clock, log: io.StringIO
) -> None:
    account_id = add(store, "fmarot")
    import_numen(store, account_id)
    door = door_over(store, clock, grace_s=30 * DAY_S)
    assert isinstance(door.sign_in("fmarot", NUMEN), Granted)
    clock.now_s += 29 * DAY_S
    assert isinstance(door.sign_in("fmarot", NUMEN), Granted)
    clock.now_s += 2 * DAY_S
    assert door.sign_in("fmarot", NUMEN) == FirstPasswordEnded()
    assert door.sign_in("fmarot", WRONG) == Denied()
    assert "not changed in time" in log.getvalue()
    verdict = door.gate.authenticate(
        b"fmarot", Secret(NUMEN.encode()), peer="p", door=WEBMAIL, on_done=print
    )
    assert isinstance(verdict, Granted)
    assert verdict.must_change
    StoreBackend(store).set_password(account_id, Secret(PASSWORD), must_change=False)
    assert isinstance(door.sign_in("fmarot", PASSWORD), Granted)


def test_where_the_policy_asks_for_no_change_a_first_password_stays(
    store: SqliteStore, clock: Clock
) -> None:
    import_numen(store, add(store, "fmarot"))
    door = door_over(store, clock, grace_s=30 * DAY_S, change_first=False)
    for _ in range(2):
        verdict = door.sign_in("fmarot", NUMEN)
        assert isinstance(verdict, Granted)
        assert not verdict.must_change
        clock.now_s += 99 * DAY_S


def test_a_grace_of_nothing_never_ends(store: SqliteStore, clock: Clock) -> None:
    import_numen(store, add(store, "fmarot"))
    door = door_over(store, clock, grace_s=0)
    door.sign_in("fmarot", NUMEN)
    clock.now_s += 9_999 * DAY_S
    assert isinstance(door.sign_in("fmarot", NUMEN), Granted)


@pytest.mark.parametrize("name", ["0170705Z", "0170705", "ce.0170705", "CE.0170705Z", "0170705 "])
def test_an_establishment_is_known_by_its_code_with_or_without_its_letter(
    store: SqliteStore, name: str
) -> None:
    school = add(store, "0170705z", "ce.0170705z@a.test")
    found = StoreBackend(store).look_up(name)
    assert found is not None
    assert found.account_id == school
    assert StoreBackend(store).look_up("0170705A") is None


def test_a_name_of_digits_is_its_owners_first(store: SqliteStore) -> None:
    add(store, "0170705z")
    digits = add(store, "0170705")
    found = StoreBackend(store).look_up("0170705")
    assert found is not None
    assert found.account_id == digits


def test_a_suspended_mailbox_ends_what_its_holders_opened(store: SqliteStore, clock: Clock) -> None:
    jmarot, school = add(store, "jmarot"), add(store, "0170705z", "ce.0170705z@a.test")
    StoreBackend(store).set_password(jmarot, Secret(PASSWORD), must_change=False)
    store.people.relate(RelationKind.HOLDER, jmarot, of_account=school, since_s=clock.now_s - 1)
    granted = door_over(store, clock).sign_in("jmarot*0170705z", PASSWORD)
    assert isinstance(granted, Granted)
    store.accounts.set_state(school, AccountState.SUSPENDED)
    assert is_over(store.accounts, granted, now_s=clock.now_s)


def test_a_holder_signs_in_to_a_mailbox_as_themselves(store: SqliteStore, clock: Clock) -> None:
    jmarot, school = add(store, "jmarot"), add(store, "0170705z", "ce.0170705z@a.test")
    StoreBackend(store).set_password(jmarot, Secret(PASSWORD), must_change=False)
    door = door_over(store, clock)
    assert door.sign_in("jmarot*ce.0170705z", PASSWORD) == Denied()
    relation = store.people.relate(
        RelationKind.HOLDER, jmarot, of_account=school, since_s=clock.now_s - 1
    )
    for name in ("jmarot*ce.0170705z", "JMAROT*0170705Z", "jmarot*0170705", "jmarot*ce.0170705",
                 "jmarot*ce.0170705z@a.test"):  # fmt: skip
        granted = door.sign_in(name, PASSWORD)
        assert isinstance(granted, Granted)
        assert (granted.account_id, granted.identifier) == (school, "0170705z")
        assert (granted.by_account, granted.by_whom) == (jmarot, "jmarot")
        assert not is_over(store.accounts, granted, now_s=clock.now_s)
    assert door.sign_in("jmarot*ce.0170705z", WRONG) == Denied()
    assert door.sign_in("jmarot*inconnu", PASSWORD) == Denied()
    own = door.sign_in("jmarot", PASSWORD)
    assert isinstance(own, Granted)
    assert own.account_id == jmarot
    store.accounts.set_state(jmarot, AccountState.SUSPENDED)  # as of somebody who left
    assert door.sign_in("jmarot*ce.0170705z", PASSWORD) == Denied()
    store.accounts.set_state(jmarot, AccountState.ACTIVE)
    assert isinstance(granted := door.sign_in("jmarot*ce.0170705z", PASSWORD), Granted)
    store.people.end_relation(relation.relation_id, at_s=clock.now_s)
    assert door.sign_in("jmarot*ce.0170705z", PASSWORD) == Denied()  # also what was remembered
    assert isinstance(granted, Granted)
    assert is_over(store.accounts, granted, now_s=clock.now_s)
