"""A loop that tests turn by hand, and the hall over it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.smtp_relay.inbound.fakes import Hall


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def hall(loop: asyncio.AbstractEventLoop) -> Hall:
    return Hall(loop)
