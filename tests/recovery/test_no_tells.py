"""Nothing tells whether a name is somebody's: neither words, nor work, nor limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailserver.recovery import words
from mailserver.values.secret import Secret
from tests.recovery.conftest import NEW, NUMEN, OUTSIDE, Town, refused

NAMES = ["jmarot", "jmarot@d.fr", "pnoir", "inconnu", "inconnu@d.fr", "x\0", "é" * 400, ""]
"""With a recovery address, by address, without one, nobody, no name at all."""


class Part:
    """One part of the store; its calls are written down."""

    def __init__(self, part: Any, calls: list[str]) -> None:
        self._part = part
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        self._calls.append(name)
        return getattr(self._part, name)


class Counted:
    """A store that writes down what is asked of it."""

    def __init__(self, store: Any, engine: Any) -> None:
        self._store = store
        self.calls: list[str] = []
        self._transaction = engine.transaction
        engine.transaction = self._counted

    def _counted(self) -> Any:
        self.calls.append("TRANSACTION")
        return self._transaction()

    def __getattr__(self, name: str) -> Any:
        return Part(getattr(self._store, name), self.calls)

    def of(self, act: Callable[[], object]) -> tuple[str, ...]:
        self.calls.clear()
        act()
        return tuple(self.calls)


@pytest.fixture
def counted(town: Town, monkeypatch: pytest.MonkeyPatch) -> Counted:
    town.prove()
    engine = town.store._engine
    monkeypatch.setattr(engine, "transaction", engine.transaction)
    store = Counted(town.store, engine)
    object.__setattr__(town.context, "store", store)
    town.context.throttle._attempts = store.counters
    monkeypatch.setattr(town.context.backend, "_store", store)
    return store


def test_a_request_is_answered_before_the_name_is_looked_up(town: Town, counted: Counted) -> None:
    def ask(name: str) -> None:
        assert town.service.request_reset(name, peer="192.0.2.1").text == words.REQUESTED

    calls = {counted.of(lambda n=name: ask(n)) for name in NAMES}  # type: ignore[misc]
    assert calls == {("count_act", "count_act")}


@pytest.mark.parametrize("numen", [None, NUMEN, "17E0200002ABC"])
def test_a_wrong_code_gets_one_answer_for_the_same_work_and_writes_nothing(
    town: Town, counted: Counted, numen: str | None
) -> None:
    town.requested_code()
    given = None if numen is None else Secret(numen)
    said, calls, hashes = set(), {}, set()
    for name in NAMES:
        before = town.work.count
        calls[name] = counted.of(
            lambda n=name: said.add(  # type: ignore[misc]
                refused(lambda: town.service.reset(n, "aaaa-aaaa", Secret(NEW), numen=given))
            )
        )
        hashes.add(town.work.count - before)
    assert said == {words.CODE_REFUSED.fr}
    assert hashes == {0 if numen is None else 1}
    assert not any("TRANSACTION" in made for made in calls.values())
    read = {tuple(one for one in made if one != "read_subject") for made in calls.values()}
    assert len(read) == 1, read


def test_limits_of_requests_are_the_same_for_names_that_nobody_has(town: Town) -> None:
    town.prove()
    most = town.context.rules.max_requests_per_hour
    for name in ("jmarot", "inconnu"):
        for spelling in [name, name.upper(), f" {name}", f"{name} "][: most - 1]:
            town.service.request_reset(spelling, peer="192.0.2.1")
        town.service.request_reset(name, peer="192.0.2.1")
        said = refused(lambda n=name: town.service.request_reset(n, peer="192.0.2.99"))  # type: ignore[misc]
        assert said == words.SLOW_DOWN.fr
        other = town.service.request_reset(f"{name}@d.fr", peer="192.0.2.1")  # another name
        assert other.text == words.REQUESTED


def test_a_stranger_cannot_keep_the_owner_from_asking(town: Town) -> None:
    town.prove()
    for _ in range(town.context.rules.max_requests_per_hour):
        town.service.request_reset("jmarot", peer="192.0.2.1").carry_out()
    refused(lambda: town.service.request_reset("jmarot", peer="192.0.2.1"))
    town.service.request_reset("jmarot", peer="198.51.100.1").carry_out()
    town.service.reset("jmarot", town.mailed_code(), Secret(NEW))


def test_an_account_gets_only_so_many_codes_whoever_asks_from_wherever(town: Town) -> None:
    town.prove()
    before = len(town.post.sent)
    for number in range(25):
        asked = town.service.request_reset("jmarot", peer=f"192.0.{number}.1")
        assert asked.text == words.REQUESTED  # nothing tells that no code was sent
        asked.carry_out()
    assert len(town.post.sent) - before == town.context.rules.max_requests_per_hour * 4
    assert {one.to for one in town.post.sent[before:]} == {OUTSIDE}


def test_requests_from_one_block_are_limited(town: Town) -> None:
    for number in range(town.context.rules.max_requests_per_hour * 10):
        town.service.request_reset(f"nom{number}", peer="192.0.2.1")
    assert refused(lambda: town.service.request_reset("autre", peer="192.0.2.200")) == (
        words.SLOW_DOWN.fr
    )
