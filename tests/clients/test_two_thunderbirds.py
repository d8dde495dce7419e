"""Two Thunderbirds and one mailbox: the one waits for the other; nobody is asked for a password."""

from __future__ import annotations

import poplib
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.academy import PATIENCE_S, Academy
from tests.clients.thunderbird import MARKS, TLS, Thunderbird

pytestmark = MARKS

ROUNDS = 4


@pytest.fixture
def pair(academy: Academy, tmp_path: Path) -> Iterator[list[Thunderbird]]:
    programs: list[Thunderbird] = []
    try:
        for name in ("office", "home"):
            (tmp_path / name).mkdir()
            programs.append(Thunderbird(academy, tmp_path / name, who="jmartin", tls=TLS))
        yield programs
    finally:
        for program in programs:
            program.stop()


def test_two_thunderbirds_collect_one_mailbox_at_the_same_time(
    academy: Academy, pair: list[Thunderbird]
) -> None:
    """A refusal would open a window that asks for a password, and `collect` would never end."""
    welcome = len(academy.mailbox("jmartin"))
    with ThreadPoolExecutor(len(pair)) as pool:
        for number in range(ROUNDS):
            academy.write("jmartin", f"two-{number}@example.org")
            counts = list(pool.map(Thunderbird.collect, pair))
            assert counts == [welcome + number + 1] * 2


def test_a_thunderbird_waits_for_another_program(academy: Academy, pair: list[Thunderbird]) -> None:
    context = ssl.create_default_context(cafile=academy.authority)
    pop = poplib.POP3_SSL("localhost", academy.port("pop3s"), timeout=PATIENCE_S, context=context)
    pop.user("jmartin")
    pop.pass_(academy.password("jmartin"))
    count = pop.stat()[0]
    with ThreadPoolExecutor(len(pair)) as pool:
        waiting = [pool.submit(program.collect) for program in pair]
        with pytest.raises(TimeoutError):
            waiting[0].result(timeout=2)
        pop.quit()
        assert [one.result(timeout=PATIENCE_S) for one in waiting] == [count] * 2
