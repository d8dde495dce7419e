"""A store of each engine, and other processes that have it open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailserver.store.ports.store import Store
from tests.store.child import OtherProcess
from tests.store.places import ENGINES, PLACES, Place


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Somewhere for one store, on each engine in turn."""
    place = PLACES[request.param](str(tmp_path / "store"))
    yield place
    place.leave()


@pytest.fixture
def store(place: Place) -> Store:
    """A new store that keeps nothing longer than it must."""
    place.make()
    return place.open()


@pytest.fixture
def other_process(place: Place) -> Iterator[Callable[[], OtherProcess]]:
    """Starts one more process with the same store."""
    started: list[OtherProcess] = []

    def start() -> OtherProcess:
        started.append(OtherProcess(place.engine, place.location))
        return started[-1]

    yield start
    for process in started:
        process.end()
