"""A gate over each backend, hashes that are cheap and counted, and logs that are searched."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from passlib.context import CryptContext

from mailserver.auth import passwords
from mailserver.auth.gate import Gate, HashingPool, Verdict
from mailserver.telemetry.lines import LogFormat
from mailserver.telemetry.log import configure
from mailserver.values.secret import Secret
from tests.auth.backends import BACKENDS, Setting
from tests.auth.secrets import ALL_PASSWORDS

CHEAP: dict[str, Any] = {
    "argon2__type": "ID",
    "argon2__time_cost": 1,
    "argon2__memory_cost": 8,
    "argon2__parallelism": 1,
}


@dataclass
class Work:
    """How often a hash was computed.  Counted, because time cannot be asserted."""

    count: int = 0
    context: Any = field(default_factory=lambda: CryptContext(schemes=["argon2"], **CHEAP))

    def hash(self, text: str) -> str:
        self.count += 1
        return str(self.context.hash(text))

    def verify(self, text: str, verifier: str) -> bool:
        self.count += 1
        return bool(self.context.verify(text, verifier))

    def verify_and_update(self, text: str, verifier: str) -> tuple[bool, str | None]:
        self.count += 1
        is_right, better = self.context.verify_and_update(text, verifier)
        self.count += better is not None
        return is_right, better

    def of(self, act: Callable[[], object]) -> int:
        """How many hashes an act costs."""
        before = self.count
        act()
        return self.count - before


@pytest.fixture(autouse=True)
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    monkeypatch.setattr(passwords, "CONTEXT", work)
    monkeypatch.setattr(passwords, "_NOBODY", passwords.stand_in(work.context))
    return work


@pytest.fixture(autouse=True)
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Everything that is logged; no password of the fixtures may be in it.

    A test that marks itself `indirect` says in which format; JSON otherwise.
    """
    stream = io.StringIO()
    form: LogFormat = getattr(request, "param", "json")
    configure(level="debug", log_format=form, stream=stream)
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    said = stream.getvalue()
    for password in ALL_PASSWORDS:
        for form_of_it in (password, repr(password)[1:-1], repr(password.encode())[2:-1]):
            assert form_of_it not in said


@pytest.fixture(params=sorted(BACKENDS))
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    """A backend with one account, `fmarot`, that has no password yet."""
    setting = BACKENDS[request.param](tmp_path)
    yield setting
    setting.close()


@dataclass
class Clock:
    now_s: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Door:
    """A gate as a door uses it: ask, and wait for the answer if it is not there at once."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def sign_in(
        self, user_name: str | bytes, password: str | bytes, *, peer: str = "192.0.2.1"
    ) -> Verdict:
        name = user_name if isinstance(user_name, bytes) else user_name.encode()
        octets = password if isinstance(password, bytes) else password.encode()
        answered = threading.Event()
        verdicts: list[Verdict] = []

        def on_done(verdict: Verdict) -> None:
            verdicts.append(verdict)
            answered.set()

        at_once = self.gate.authenticate(
            name, Secret(octets), peer=peer, door="pop3", on_done=on_done
        )
        if at_once is not None:
            assert not verdicts
            return at_once
        assert answered.wait(30)
        return verdicts[0]


@pytest.fixture
def make_door(setting: Setting, clock: Clock) -> Iterator[Callable[..., Door]]:
    """Another process's gate over the same backend; all share the secret unless told."""
    gates: list[Gate] = []

    def make(*, secret: bytes = b"s" * 32, remember_s: float = 100.0) -> Door:
        gates.append(
            Gate(
                setting.backend,
                setting.scratch,
                HashingPool(thread_count=2, waiting_count=8),
                secret=Secret(secret),
                remember_s=remember_s,
                now_s=clock,
            )
        )
        return Door(gates[-1])

    yield make
    for gate in gates:
        gate.close()


@pytest.fixture
def door(make_door: Callable[..., Door]) -> Door:
    return make_door()
