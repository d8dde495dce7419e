"""A house for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.store.ports.store import Store
from tests.store.places import SqlitePlace
from tests.webmail.house import House, settings_with


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    place = SqlitePlace(str(tmp_path / "store"))
    place.make()
    yield place.open()
    place.close()


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for many examples; it counts nobody's requests."""
    place = SqlitePlace(str(tmp_path_factory.mktemp("house") / "store"))
    place.make()
    house = House(place.open(), settings=settings_with(requests_per_minute=10**9))
    yield house
    house.close()
    place.close()


@pytest.fixture
def house(store: Store) -> Iterator[House]:
    house = House(store)
    yield house
    house.close()
