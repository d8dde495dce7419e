"""The one gate: who is granted, what is remembered, and what happens when we cannot tell."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from queue import Queue

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailserver.auth.accounts import set_numen
from mailserver.auth.gate import (
    MAX_USER_NAME_OCTETS,
    Denied,
    Gate,
    Granted,
    HashingPool,
    Unavailable,
    Verdict,
)
from mailserver.store.ports.accounts import AccountState, SignIn
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.shared.scratch import LastSeen
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret
from tests.auth.backends import Setting
from tests.auth.conftest import Clock, Door, Work
from tests.auth.secrets import ACCENTED, NUMEN, OTHER, PASSWORD, WRONG

MakeDoor = Callable[..., Door]


@pytest.fixture(autouse=True)
def _password(setting: Setting) -> None:
    give(setting, PASSWORD)


def give(setting: Setting, password: str) -> None:
    setting.backend.set_password(setting.account_id, Secret(password), must_change=False)


def test_the_right_password_is_granted_with_all_that_a_door_needs(
    setting: Setting, door: Door
) -> None:
    sign_in = setting.backend.look_up("fmarot")
    assert sign_in is not None
    assert door.sign_in("fmarot", PASSWORD) == Granted(
        account_id=setting.account_id,
        identifier="fmarot",
        inbox_id=sign_in.inbox_id,
        must_change=False,
        version=sign_in.credential.version,
    )


def test_a_first_password_is_to_be_changed(setting: Setting, door: Door) -> None:
    set_numen(setting.backend, setting.account_id, NUMEN)
    for _ in range(2):  # hashed, then remembered
        verdict = door.sign_in("fmarot", NUMEN.lower())
        assert isinstance(verdict, Granted)
        assert verdict.must_change


@pytest.mark.parametrize(
    "user_name",
    [
        "FMarot ",
        "Frédéric.Marot@ac-exemple.fr",
        "Frédéric.Marot@ac-exemple.fr".encode("latin-1"),
        b"frederic.marot@ac-exemple.fr",
    ],
)
def test_a_name_is_read_in_utf8_or_latin1(door: Door, user_name: str | bytes) -> None:
    assert isinstance(door.sign_in(user_name, PASSWORD), Granted)


def test_every_no_is_the_same_no_for_the_same_work(
    setting: Setting, door: Door, work: Work
) -> None:
    def cost(user_name: str | bytes, password: str | bytes) -> int:
        return work.of(lambda: verdicts.append(door.sign_in(user_name, password)))

    verdicts: list[Verdict] = []
    costs = [
        cost("inconnu", WRONG),
        cost("inconnu@ac-exemple.fr", WRONG),
        cost(b"\xff\xfe\0", WRONG),
        cost("x" * (MAX_USER_NAME_OCTETS + 1), WRONG),
        cost("fmarot", WRONG),
        cost("fmarot", b""),
        cost("fmarot", b"\0\xff" * 20),
        cost("fmarot", b"x" * 100_000),
        cost("inconnu", b"x" * 100_000),
    ]
    setting.set_state(AccountState.SUSPENDED)
    costs += [cost("fmarot", WRONG), cost("fmarot", PASSWORD)]
    assert costs == [1] * len(costs)
    assert verdicts == [Denied()] * len(costs)


def test_an_account_without_password_is_denied_like_any(
    setting: Setting, door: Door, work: Work
) -> None:
    setting.forget_verifier()
    for password in (PASSWORD, ""):
        assert work.of(lambda p=password: door.sign_in("fmarot", p)) == 1  # type: ignore[misc]
        assert door.sign_in("fmarot", password) == Denied()


# What is remembered


def test_a_remembered_log_in_costs_no_hash(door: Door, work: Work) -> None:
    assert work.of(lambda: door.sign_in("fmarot", PASSWORD)) == 1
    assert work.of(lambda: door.sign_in("f.marot@ac-exemple.fr", PASSWORD)) == 0


def test_a_failed_log_in_is_never_remembered(door: Door, work: Work) -> None:
    assert work.of(lambda: door.sign_in("fmarot", WRONG)) == 1
    assert work.of(lambda: door.sign_in("fmarot", WRONG)) == 1


def test_another_password_is_not_the_remembered_one(door: Door) -> None:
    assert isinstance(door.sign_in("fmarot", PASSWORD), Granted)
    for wrong in (WRONG, "", PASSWORD + " ", PASSWORD[:-1]):
        assert door.sign_in("fmarot", wrong) == Denied()


def test_a_change_of_password_ends_what_was_remembered(
    setting: Setting, door: Door, work: Work
) -> None:
    door.sign_in("fmarot", PASSWORD)
    give(setting, OTHER)
    assert door.sign_in("fmarot", PASSWORD) == Denied()
    assert work.of(lambda: door.sign_in("fmarot", OTHER)) == 1
    give(setting, PASSWORD)  # the same as once, and yet a new one
    assert work.of(lambda: door.sign_in("fmarot", PASSWORD)) == 1


def test_a_suspension_ends_what_was_remembered(setting: Setting, door: Door, work: Work) -> None:
    door.sign_in("fmarot", PASSWORD)
    setting.set_state(AccountState.SUSPENDED)
    assert door.sign_in("fmarot", PASSWORD) == Denied()
    setting.set_state(AccountState.ACTIVE)
    assert work.of(lambda: door.sign_in("fmarot", PASSWORD)) == 1


def test_a_deletion_ends_what_was_remembered(setting: Setting, door: Door) -> None:
    door.sign_in("fmarot", PASSWORD)
    setting.delete()
    assert door.sign_in("fmarot", PASSWORD) == Denied()


def test_what_is_remembered_slides_and_expires(door: Door, clock: Clock, work: Work) -> None:
    door.sign_in("fmarot", PASSWORD)
    for _ in range(3):
        clock.now_s += 90
        assert work.of(lambda: door.sign_in("fmarot", PASSWORD)) == 0
    clock.now_s += 100
    assert work.of(lambda: door.sign_in("fmarot", PASSWORD)) == 1


def test_processes_with_one_secret_remember_together(make_door: MakeDoor, work: Work) -> None:
    one, two, stranger = make_door(), make_door(), make_door(secret=b"another")
    one.sign_in("fmarot", PASSWORD)
    assert work.of(lambda: two.sign_in("fmarot", PASSWORD)) == 0
    assert work.of(lambda: stranger.sign_in("fmarot", PASSWORD)) == 1


def test_a_gate_may_remember_nothing(make_door: MakeDoor, work: Work) -> None:
    door = make_door(remember_s=0)
    assert [work.of(lambda: door.sign_in("fmarot", PASSWORD)) for _ in range(2)] == [1, 1]


def test_one_password_in_two_encodings_is_granted_in_both(setting: Setting, door: Door) -> None:
    give(setting, ACCENTED)
    for _ in range(2):
        assert isinstance(door.sign_in("fmarot", ACCENTED), Granted)
        assert isinstance(door.sign_in("fmarot", ACCENTED.encode("latin-1")), Granted)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(user_name=st.binary(max_size=400), password=st.binary(max_size=1200))
def test_whatever_octets_are_offered_there_is_a_no(
    door: Door, user_name: bytes, password: bytes
) -> None:
    assert door.sign_in(user_name, password) == Denied()


# When we cannot tell


class Backend:
    """Knows nobody."""

    def look_up(self, user_name: str) -> SignIn | None:
        return None

    def verify(self, sign_in: SignIn | None, password: Secret[bytes]) -> bool:
        return False

    def set_password(
        self, account_id: AccountId, password: Secret[str], *, must_change: bool
    ) -> None:
        raise NotImplementedError

    def set_numen(self, account_id: AccountId, numen: str) -> None:
        raise NotImplementedError

    def begin_grace(self, sign_in: SignIn, *, until_s: float) -> None:
        raise NotImplementedError


class NoScratch:
    """Remembers nothing."""

    def recall_sign_in(self, digest: bytes, *, now_s: float, lifetime_s: float) -> bool:
        return False

    def keep_sign_in(self, digest: bytes, *, now_s: float) -> None:
        return

    def note_seen(self, account_id: AccountId, seen: LastSeen) -> None:
        return

    def last_seen(self, account_id: AccountId) -> tuple[LastSeen, ...]:
        return ()

    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None:
        return

    def read_reports(self) -> dict[str, tuple[float, dict[str, float]]]:
        return {}


class Stuck(Backend):
    """A hash that takes until the test lets it go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()

    def verify(self, sign_in: SignIn | None, password: Secret[bytes]) -> bool:
        self.begun.release()
        assert self.may_end.wait(30)
        return False


def gate_over(backend: Backend, *, threads: int = 1, waiting: int = 1) -> Gate:
    pool = HashingPool(thread_count=threads, waiting_count=waiting)
    return Gate(backend, NoScratch(), pool, secret=Secret(b"s"), remember_s=100.0)


def test_a_full_pool_is_unavailable_and_those_in_it_are_answered(log: io.StringIO) -> None:
    backend = Stuck()
    gate = gate_over(backend, threads=1, waiting=1)
    answered: Queue[Verdict] = Queue()

    def ask() -> Verdict | None:
        password = Secret(WRONG.encode())
        return gate.authenticate(b"x", password, peer="p", door="d", on_done=answered.put)

    assert ask() is None
    assert backend.begun.acquire(timeout=30)
    assert ask() is None
    assert ask() == Unavailable()
    assert "hashing pool is full" in log.getvalue()
    backend.may_end.set()
    assert [answered.get(timeout=30) for _ in range(2)] == [Denied(), Denied()]
    gate.close()
    assert answered.empty()


def test_a_place_in_the_pool_is_free_again_after_any_job() -> None:
    pool = HashingPool(thread_count=1, waiting_count=0)
    for _ in range(5):
        done = threading.Event()

        def job(done: threading.Event = done) -> None:
            done.set()
            raise ZeroDivisionError

        while not pool.try_submit(job):
            assert not done.is_set()
        assert done.wait(30)
    pool.close()


@pytest.mark.parametrize("log", ["json", "console"], indirect=True)
@pytest.mark.parametrize("fault", [StoreUnavailable("store"), RuntimeError("bug")])
def test_a_verifier_that_fails_is_unavailable_and_loud(log: io.StringIO, fault: Exception) -> None:
    class Failing(Backend):
        def verify(self, sign_in: SignIn | None, password: Secret[bytes]) -> bool:
            octets = password.reveal()  # a local that a talkative traceback would show
            assert octets
            raise fault

    gate = gate_over(Failing())
    assert Door(gate).sign_in("fmarot", PASSWORD) == Unavailable()
    gate.close()
    assert "sign-in failed" in log.getvalue()
    assert str(fault) in log.getvalue()


def test_a_store_that_does_not_answer_is_unavailable(log: io.StringIO) -> None:
    class Away(Backend):
        def look_up(self, user_name: str) -> SignIn | None:
            raise StoreUnavailable("no store today")

    gate = gate_over(Away())
    assert Door(gate).sign_in("fmarot", PASSWORD) == Unavailable()
    gate.close()
    assert "no store today" in log.getvalue()


def test_a_denial_is_logged_without_the_password(door: Door, log: io.StringIO) -> None:
    door.sign_in("fmarot", WRONG)
    assert "sign-in denied" in log.getvalue()
    assert "192.0.2.1" in log.getvalue()
