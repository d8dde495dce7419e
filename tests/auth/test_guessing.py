"""Who guesses: many tries at one instant, other names of one account, a person who is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailserver.auth import passwords
from mailserver.auth.backend import StoreBackend
from mailserver.auth.gate import Denied, Gate, Granted, HashingPool, Throttled, Unavailable, Verdict
from mailserver.auth.numen_key import NumenKey
from mailserver.auth.throttle import RECALL_PAUSE_S, Throttle, limits_of
from mailserver.settings.model import AuthSettings
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.store.sqlite.store import SqliteStore
from mailserver.values.secret import Secret
from tests.auth.conftest import Clock, Door
from tests.auth.secrets import PASSWORD, WRONG
from tests.store.template import put_new_store

HOME, NEIGHBOUR, ELSEWHERE = "198.51.100.7", "198.51.100.9", "203.0.113.9"


class HeldPool(HashingPool):
    """Jobs wait until they are told to run."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []
        self.is_full = False

    def try_submit(self, job: Callable[[], None]) -> bool:
        if self.is_full:
            return False
        self.jobs.append(job)
        return True

    def run(self) -> None:
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()

    def close(self) -> None:
        self.jobs.clear()


class Process:
    """One process of the service, with its own secret if it was started anew."""

    def __init__(self, folder: Path, clock: Clock, *, secret: bytes = b"s" * 32) -> None:
        self.store = SqliteStore(folder)
        self.pool, self.clock = HeldPool(), clock
        key = NumenKey(Secret(b"k" * 32))
        self.gate = Gate(
            StoreBackend(self.store, numen_key=key, now_s=clock),
            self.store.counters,
            self.pool,
            secret=Secret(secret),
            remember_s=1e6,
            throttle=Throttle(self.store.counters, limits_of(AuthSettings())),
            now_s=clock,
        )

    def begin(self, name: str, password: str, peer: str, heard: list[Verdict]) -> None:
        verdict = self.gate.authenticate(
            name.encode(), Secret(password.encode()), peer=peer, door="pop3s", on_done=heard.append
        )
        if verdict is not None:
            heard.append(verdict)

    def try_it(self, name: str, password: str, peer: str) -> Verdict:
        heard: list[Verdict] = []
        self.begin(name, password, peer, heard)
        self.pool.run()
        (verdict,) = heard
        if isinstance(verdict, Granted):
            seen = LastSeen(door="pop3s", peer=peer, at_s=self.clock.now_s)
            self.store.counters.note_seen(verdict.account_id, seen)
        return verdict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = put_new_store(tmp_path / "store")
    store = SqliteStore(folder)
    verifier = passwords.hash_password(Secret(PASSWORD))
    for number in range(3):
        account = store.accounts.add_account(
            identifier=f"p{number}", name="x", addresses=[f"p.{number}@a.test"], now_s=1.0
        )
        store.accounts.write_credential(account.account_id, verifier=verifier, must_change=False)
    store.close()
    return folder


@pytest.fixture
def start(folder: Path, clock: Clock) -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def start(**options: bytes) -> Process:
        processes.append(Process(folder, clock, **options))
        return processes[-1]

    yield start
    for process in processes:
        process.gate.close()
        process.store.close()


def test_what_is_remembered_is_no_answer_to_who_guesses_elsewhere(
    start: Callable[..., Process],
) -> None:
    process = start()
    assert isinstance(process.try_it("p0", PASSWORD, HOME), Granted)
    for number in range(60):
        process.try_it("p0", f"essai {number}", f"203.0.{number}.9")
    for number in range(60):
        assert process.try_it("p0", PASSWORD, f"203.1.{number}.9") == Throttled()
    for _ in range(3):
        assert isinstance(process.try_it("p0", PASSWORD, HOME), Granted)
        assert isinstance(process.try_it("p0", PASSWORD, NEIGHBOUR), Granted)


def test_a_neighbour_who_guesses_gets_few_answers_and_locks_nobody_out(
    start: Callable[..., Process], clock: Clock
) -> None:
    process = start()
    process.try_it("p0", PASSWORD, HOME)
    for number in range(60):
        process.try_it("p0", f"essai {number}", NEIGHBOUR)
    said = [process.try_it("p0", f"autre {number}", NEIGHBOUR) for number in range(20)]
    assert said == [Throttled()] * 20
    assert process.try_it("p0", PASSWORD, NEIGHBOUR) == Throttled()  # no oracle
    clock.now_s += RECALL_PAUSE_S
    assert isinstance(process.try_it("p0", PASSWORD, HOME), Granted)


@pytest.mark.parametrize("count", [1, 3])
def test_many_tries_at_one_instant_are_no_more_than_the_limit(
    start: Callable[..., Process], count: int
) -> None:
    processes, heard = [start() for _ in range(count)], []  # type: ignore[var-annotated]
    for number in range(70):
        processes[number % count].begin("p0", f"essai {number}", ELSEWHERE, heard)
    assert sum(len(process.pool.jobs) for process in processes) == 5
    assert heard == [Throttled()] * 65
    for process in processes:
        process.pool.run()
    assert heard[65:] == [Denied()] * 5


def test_many_names_at_one_instant_are_no_more_than_the_block_may(
    start: Callable[..., Process],
) -> None:
    process, heard = start(), []  # type: ignore[var-annotated]
    for number in range(200):
        process.begin(f"nom{number}", WRONG, ELSEWHERE, heard)
    assert len(process.pool.jobs) <= 52


def test_the_right_password_at_a_new_place_leaves_nothing_counted(
    start: Callable[..., Process], clock: Clock
) -> None:
    process = start()
    for number in range(49):
        process.try_it("p0", f"essai {number}", f"203.0.{number}.9")
    for number in range(5):  # one account, five new places, each time taken back
        assert isinstance(process.try_it("p0", PASSWORD, f"192.0.{number}.9"), Granted)
        clock.now_s += 1.0
    assert process.try_it("p0", WRONG, "192.0.77.9") == Denied()


def test_five_connections_with_one_right_password_are_one_try(
    start: Callable[..., Process],
) -> None:
    process, heard = start(), []  # type: ignore[var-annotated]
    for _ in range(12):
        process.begin("p0", PASSWORD, HOME, heard)
    process.pool.run()
    assert len(heard) == 12
    assert all(isinstance(verdict, Granted) for verdict in heard)


def test_a_try_that_found_no_place_is_not_counted(start: Callable[..., Process]) -> None:
    process = start()
    process.pool.is_full = True
    for number in range(60):
        assert process.try_it("p0", f"essai {number}", ELSEWHERE) == Unavailable()
    process.pool.is_full = False
    assert process.try_it("p0", WRONG, ELSEWHERE) == Denied()


def test_a_full_pool_gives_no_guess_back(start: Callable[..., Process]) -> None:
    process = start()
    for number in range(5):
        process.try_it("p0", f"essai {number}", ELSEWHERE)
    process.clock.now_s += 1.5
    process.pool.is_full = True
    for number in range(5):
        process.try_it("p0", f"essai {number}", ELSEWHERE)
    process.pool.is_full = False
    process.try_it("p0", "encore", ELSEWHERE)
    assert process.try_it("p0", "toujours", ELSEWHERE) == Throttled()


def test_an_alias_tells_nothing_from_many_places_either(start: Callable[..., Process]) -> None:
    process = start()
    for identifier in ("p1", "inconnu"):
        for number in range(60):
            process.try_it(identifier, f"essai {number}", f"203.0.{number}.9")
    heard = [
        [process.try_it(name, f"essai {n}", f"203.1.{n}.9") for n in range(3)]
        for name in ("p.1@a.test", "in.connu@a.test")
    ]
    assert heard[0] == heard[1] == [Denied()] * 3


def test_one_password_is_counted_once_whichever_mailbox_is_asked_for(
    start: Callable[..., Process],
) -> None:
    process = start()
    said = [process.try_it(f"p0*boite{n}", f"essai {n}", ELSEWHERE) for n in range(8)]
    assert said == [Denied()] * 5 + [Throttled()] * 3


def test_a_restart_and_another_container_forget_nothing(start: Callable[..., Process]) -> None:
    first, other = start(), start(secret=b"t" * 32)
    for number in range(8):
        first.try_it("p0", f"essai {number}", ELSEWHERE)
    assert first.try_it("p0", WRONG, ELSEWHERE) == Throttled()
    assert other.try_it("p0", WRONG, ELSEWHERE) == Throttled()


def test_a_scratch_that_cannot_be_read_locks_nobody_out(
    start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start()
    monkeypatch.setattr(process.store.counters.attempts, "_run", lambda *_: [])
    for number in range(10):
        assert process.try_it("p0", f"essai {number}", ELSEWHERE) == Denied()
    assert isinstance(process.try_it("p0", PASSWORD, ELSEWHERE), Granted)


def test_the_gate_is_asked_through_a_real_pool_too(folder: Path, clock: Clock) -> None:
    process = Process(folder, clock)
    process.gate._pool = HashingPool(thread_count=2, waiting_count=8)
    assert isinstance(Door(process.gate).sign_in("p0", PASSWORD), Granted)
    process.gate.close()
    process.store.close()
