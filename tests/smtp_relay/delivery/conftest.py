"""What tests of delivery share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.smtp_relay.delivery.lists.list_house import ListHouse, OpenHouse


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[OpenHouse]:
    houses: list[ListHouse] = []

    def open_it(**settings: object) -> ListHouse:
        houses.append(ListHouse(tmp_path / "store", **settings))  # type: ignore[arg-type]
        return houses[-1]

    yield open_it
    for house in houses:
        house.close()
