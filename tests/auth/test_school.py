"""A school behind one address, through the gate: who is slowed, who is not, and what it tells."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailserver.auth import passwords
from mailserver.auth.backend import StoreBackend
from mailserver.auth.gate import Denied, Gate, Granted, HashingPool, Throttled, Verdict, open_gate
from mailserver.auth.numen_key import NumenKey
from mailserver.auth.throttle import Throttle, limits_of
from mailserver.settings.model import AuthSettings, Settings
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.ports.store import Store
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.secret import Secret
from tests.auth.conftest import Clock, Door, Work
from tests.auth.secrets import PASSWORD, WRONG
from tests.store.template import put_new_store

NAT, ELSEWHERE = "198.51.100.7", "203.0.113.9"
POLL_S = 60.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(put_new_store(tmp_path / "store"))
    yield store
    store.close()


class School:
    """People `p0` ... with one password, behind one address, over one gate."""

    def __init__(self, store: SqliteStore, clock: Clock, *, count: int = 40) -> None:
        self.store = store
        self.clock = clock
        self.backend = StoreBackend(store, numen_key=NumenKey(Secret(b"k" * 32)), now_s=clock)
        verifier = passwords.hash_password(Secret(PASSWORD))
        for number in range(count):
            account = store.accounts.add_account(
                identifier=f"p{number}", name="x", addresses=[f"p.{number}@a.test"], now_s=1.0
            )
            store.accounts.write_credential(
                account.account_id, verifier=verifier, must_change=False
            )
        limits = limits_of(AuthSettings(block_accounts=10))
        self.gate = Gate(
            self.backend,
            store.counters,
            HashingPool(thread_count=2, waiting_count=8),
            secret=Secret(b"s" * 32),
            remember_s=1e6,
            throttle=Throttle(store.counters, limits),
            now_s=clock,
        )

    def sign_in(self, name: str, password: str, *, peer: str = NAT) -> Verdict:
        """As a door: what is granted is noted."""
        verdict = Door(self.gate).sign_in(name, password, peer=peer)
        if isinstance(verdict, Granted):
            seen = LastSeen(door="pop3s", peer=peer, at_s=self.clock.now_s)
            self.store.counters.note_seen(verdict.account_id, seen)
        return verdict


@pytest.fixture
def school(store: SqliteStore, clock: Clock) -> Iterator[School]:
    school = School(store, clock)
    yield school
    school.gate.close()


@pytest.mark.slow
def test_one_wrong_saved_password_that_polls_blocks_neither_its_neighbours_nor_itself(
    school: School,
) -> None:
    for minute in range(90):
        school.clock.now_s += POLL_S
        assert school.sign_in("p0", WRONG) == Denied()
        neighbour = school.sign_in(f"p{minute % 39 + 1}", PASSWORD)
        assert isinstance(neighbour, Granted)
    assert isinstance(school.sign_in("p0", PASSWORD), Granted)
    (failed,) = [
        one for one in school.store.counters.log_ins(account(school, "p0")) if not one.is_success
    ]
    assert failed.count == 90


def account(school: School, identifier: str) -> Any:
    found = school.store.accounts.find_account(identifier)
    assert found is not None
    return found.account_id


@pytest.mark.slow
def test_a_guesser_in_the_school_slows_strangers_there_and_nobody_who_signed_in_lately(
    school: School,
) -> None:
    for number in range(20):
        assert isinstance(school.sign_in(f"p{number}", PASSWORD), Granted)
    for number in range(30):
        school.sign_in(f"nom{number}", WRONG)
    for number in range(20):  # remembered, and not: another password on the way
        assert isinstance(school.sign_in(f"p{number}", PASSWORD), Granted)
        assert school.sign_in(f"p{number}", WRONG) == Denied()
    verdicts = [school.sign_in(f"p{number}", WRONG) for number in range(30, 33)]
    assert verdicts.count(Throttled()) >= 2
    assert school.sign_in("p33", WRONG, peer=ELSEWHERE) == Denied()


@pytest.mark.slow
def test_a_stranger_elsewhere_locks_nobody_out_of_the_school(school: School) -> None:
    assert isinstance(school.sign_in("p0", PASSWORD), Granted)
    for number in range(60):
        school.sign_in("p0", f"essai numéro {number}", peer=f"203.0.{number}.9")
    assert school.sign_in("p0", WRONG, peer=ELSEWHERE) == Throttled()
    assert school.sign_in("p0", WRONG) == Denied()  # looked at, at once
    assert isinstance(school.sign_in("p0", PASSWORD), Granted)


def test_an_address_does_not_tell_that_its_identifier_was_tried(school: School) -> None:
    """The same tries with names that nobody has, and the same answers."""
    heard = []
    for identifier, address in (("p0", "p.0@a.test"), ("inconnu", "in.connu@a.test")):
        spellings = [identifier, identifier.upper(), f" {identifier} "]
        tries = [school.sign_in(spellings[n % 3], f"essai {n}") for n in range(7)]
        tries += [school.sign_in(address, f"essai {n}") for n in range(3)]
        heard.append(tries)
    assert heard[0] == heard[1]
    assert heard[0][-5:] == [Throttled(), Throttled(), Denied(), Denied(), Denied()]


def test_accents_do_not_buy_more_guesses_for_a_name_that_nobody_has(school: School) -> None:
    names = ["eleve", "élève", "ÉLEVE", "élevé", "eleve", "elêve", "ELEVE"]
    verdicts = [school.sign_in(name, f"essai {n}") for n, name in enumerate(names)]
    assert verdicts == [Denied()] * 5 + [Throttled()] * 2


def test_every_refusal_costs_the_same_statements(
    school: School, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    attempts = school.store.counters.attempts
    run = attempts._run

    def noting(sql: str, given: Sequence[Any]) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return run(sql, given)

    monkeypatch.setattr(attempts, "_run", noting)

    def cost(act: Callable[[], object]) -> tuple[int, tuple[str, ...]]:
        asked.clear()
        hashes = work.of(act)
        return hashes, tuple(asked)

    names = ["p0", "inconnu", "p.1@a.test", "in.connu@a.test"]
    first = {cost(lambda n=name: school.sign_in(n, WRONG)) for name in names}  # type: ignore[misc]
    again = {cost(lambda n=name: school.sign_in(n, WRONG)) for name in names}  # type: ignore[misc]
    assert len(again) == 1
    assert {hashes for hashes, _ in first} == {1}


@pytest.mark.parametrize("peer", ["51.15.0.7", "10.0.0.1"])
def test_behind_a_gateway_addresses_slow_nobody(
    store: Store, tmp_path: Path, peer: str, log: io.StringIO
) -> None:
    """An address that the settings name: only names are counted."""
    settings = Settings.model_validate(
        {
            "service": {"domain": "a.test", "hostname": "mail.a.test"},
            "auth": {"block_accounts": 5, "numen_key": str(tmp_path / "none.key")},
            "connections": {"gateways": ["10.0.0.1"]},
        }
    )
    gate = open_gate(store, settings, Secret(b"s"))
    door = Door(gate)
    verdicts = [door.sign_in(f"nom{number}", WRONG, peer=peer) for number in range(12)]
    gate.close()
    is_slowed = Throttled() in verdicts
    assert is_slowed is (peer != "10.0.0.1")
    assert "no key for NUMENs" in log.getvalue()
