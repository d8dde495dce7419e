"""Language, rate_limiter, limit, executor: given facts, they decide."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.texts.catalogue import Language
from webmail import executor, rate_limiter
from webmail.connection_limit import ConnectionLimit
from webmail.executor import BoundedExecutor, TooBusy
from webmail.rate_limiter import RateLimiter, block_of
from webmail.speech import FAILURES, Say, choose_language


@pytest.mark.parametrize(
    ("accepted", "default", "wanted"),
    [
        ("", "fr", "fr"),
        ("", "en", "en"),
        ("fr-FR,fr;q=0.9,en-US;q=0.8", "en", "fr"),
        ("en-GB", "fr", "en"),
        ("de, en;q=0.5, fr;q=0.4", "fr", "en"),
        ("en;q=0.2, fr;q=0.7", "en", "fr"),
        ("EN", "fr", "en"),
        ("de", "fr", "fr"),
        ("*", "fr", "fr"),
        ("en;q=0", "fr", "fr"),
        ("en ; q = 0.5", "fr", "en"),
        ("en;q=x, frx, f", "fr", "fr"),
        ("de," * 30 + "en", "fr", "fr"),
    ],
)
def test_the_reader_is_answered_in_the_language_they_prefer(
    accepted: str, default: Language, wanted: Language
) -> None:
    assert choose_language(accepted, default) == wanted


@given(
    accepted=st.text(max_size=200)
    | st.lists(st.sampled_from("fr en ; , q = 0.5 - *".split())).map("".join)
)
def test_whatever_is_accepted_there_is_a_language(accepted: str) -> None:
    assert choose_language(accepted, "fr") in {"fr", "en"}


def test_every_sentence_is_in_both_languages() -> None:
    texts = [say.value for say in Say] + [text for pair in FAILURES.values() for text in pair]
    assert all(text.fr and text.en and text.fr != text.en for text in texts)
    assert not [text.fr for text in texts if re.search(" [:;?!]", text.fr)]  # may break the line


@pytest.mark.parametrize(
    ("client", "block"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_whom_an_address_stands_for(client: str, block: str) -> None:
    assert block_of(client) == block


def test_the_memory_of_the_pace_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limiter, "MAX_CLIENTS", 2)
    counts = RateLimiter(1)
    assert [counts.allows(f"192.0.2.{n}", now_s=0.0) for n in range(4)] == [True, True, True, False]
    assert [counts.allows("192.0.2.0", now_s=at) for at in (59.9, 60.0)] == [False, True]


@dataclass(eq=False)
class Visitor:
    deadline_at_s: float = 10.0
    is_working: bool = False
    is_aborted: bool = False

    def abort(self) -> None:
        self.is_aborted = True


def test_whoever_is_late_is_cut_off_whatever_they_do() -> None:
    limit, waiting, working = (
        ConnectionLimit(9),
        Visitor(),
        Visitor(deadline_at_s=20.0, is_working=True),
    )
    assert limit.admit(waiting)
    assert limit.admit(working)
    assert limit.sweep(now_s=9.9) == 0
    assert limit.sweep(now_s=10.0) == 1
    assert (waiting.is_aborted, working.is_aborted, len(limit)) == (True, False, 1)
    assert limit.sweep(now_s=20.0) == 1
    assert working.is_aborted


def test_who_only_waits_makes_room_the_longest_first() -> None:
    limit, visitors = ConnectionLimit(3), [Visitor(is_working=True), Visitor(), Visitor()]
    assert all(limit.admit(one) for one in visitors)
    assert limit.admit(Visitor(is_working=True))
    assert [one.is_aborted for one in visitors] == [False, True, False]
    assert limit.admit(Visitor(is_working=True))
    assert [one.is_aborted for one in visitors] == [False, True, True]
    assert not limit.admit(Visitor())
    limit.forget(visitors[0])
    limit.forget(visitors[0])
    assert limit.admit(Visitor())
    limit.clear()
    assert len(limit) == 0


def test_what_waits_for_the_disk_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "MAX_WAITING", 1)
    may_end = threading.Event()

    async def crowd() -> None:
        desk = BoundedExecutor(asyncio.get_running_loop())
        first = asyncio.ensure_future(desk.run(may_end.wait))
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            await desk.run(int)
        may_end.set()
        assert await first
        assert await desk.run(int) == 0
        desk.close()

    asyncio.run(crowd())


def test_one_block_has_so_many_places_and_its_own_idle_ones_make_room() -> None:
    limit = ConnectionLimit(100, per_block=3)
    crowd = [Visitor() for _ in range(3)]
    assert all(limit.admit(one, block="a") for one in crowd)
    other = Visitor()
    assert limit.admit(other, block="b")
    assert limit.admit(Visitor(), block="a")
    assert [one.is_aborted for one in (*crowd, other)] == [True, False, False, False]
    assert len(limit) == 4


def test_a_block_whose_places_are_all_at_work_gets_no_more() -> None:
    limit = ConnectionLimit(100, per_block=3)
    crowd = [Visitor(is_working=True) for _ in range(3)]
    assert all(limit.admit(one, block="a") for one in crowd)
    assert not limit.admit(Visitor(), block="a")
    assert limit.admit(Visitor(), block="")
    limit.forget(crowd[0])
    limit.forget(crowd[0])
    assert limit.admit(Visitor(), block="a")
