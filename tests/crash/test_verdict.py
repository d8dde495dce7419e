"""The reckoning notices every way to break a promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.journal import Journal
from tests.crash.ledger import Ledger, read_ledger
from tests.crash.letters import (
    NotALetter,
    letter_octets,
    make_id,
    read_letter,
    stuffed,
    unstuffed,
)
from tests.crash.verdict import Contents, final_view, judge

PROMISED, DOUBTFUL, REFUSED, UNDOTTED = (make_id("s1", number, 400) for number in range(4))


class Told:
    """Journals as the load would write them."""

    def __init__(self, folder: Path) -> None:
        self._sent, self._collected = folder / "sent", folder / "collected"
        self.sender, self.collector = Journal(self._sent), Journal(self._collected)

    def letter(self, letter_id: str, *boxes: str, dotted: bool = True, code: int = 0) -> None:
        self.sender.note("begun", id=letter_id, boxes=boxes)
        if dotted:
            self.sender.note("dotted", id=letter_id)
        if code:
            self.sender.note("answered", id=letter_id, code=code, connection="1-2", offset=0)

    def ledger(self) -> Ledger:
        return read_ledger([self._sent, self._collected])

    def verdict(self, contents: Contents) -> list[str]:
        ledger = self.ledger()
        return [*ledger.wrongs, *judge(ledger, final_view(ledger), contents)]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    told = Told(tmp_path)
    told.letter(PROMISED, "a", "b", code=250)
    told.letter(DOUBTFUL, "a", "b")
    told.letter(REFUSED, "a", code=550)
    told.letter(UNDOTTED, "a", dotted=False)
    return told


KEPT = {"a": {"e.1": PROMISED}, "b": {"f.1": PROMISED}}


def test_what_was_promised_and_nothing_else_is_well(told: Told) -> None:
    assert told.verdict(KEPT) == []


def test_what_was_in_doubt_may_be_everywhere(told: Told) -> None:
    both = {"a": {"e.1": PROMISED, "e.2": DOUBTFUL}, "b": {"f.1": PROMISED, "f.2": DOUBTFUL}}
    assert told.verdict(both) == []


@pytest.mark.parametrize(
    ("contents", "breach"),
    [
        ({"a": {"e.1": PROMISED}, "b": {}}, "answered 250 and is not in b"),
        ({"a": {"e.1": PROMISED, "e.2": PROMISED}, "b": KEPT["b"]}, "2 times in a"),
        ({"a": {**KEPT["a"], "e.2": DOUBTFUL}, "b": KEPT["b"]}, "only in some mailboxes"),
        ({"a": {**KEPT["a"], "e.2": REFUSED}, "b": KEPT["b"]}, "was refused"),
        ({"a": {**KEPT["a"], "e.2": UNDOTTED}, "b": KEPT["b"]}, "dot was never sent"),
        ({**KEPT, "c": {"g.1": PROMISED}}, "was not sent there"),
        ({**KEPT, "c": {"g.1": make_id("s9", 9, 400)}}, "was not sent there"),
    ],
)
def test_a_breach_is_found(told: Told, contents: Contents, breach: str) -> None:
    assert any(breach in found for found in told.verdict(contents))


def test_a_removal_answered_ok_stays(told: Told) -> None:
    told.collector.note("seen", box="a", uidl="e.1", id=PROMISED)
    told.collector.note("asked", box="a", uidls=["e.1"])
    told.collector.note("removed", box="a", connection="1-3", offset=9)
    assert told.verdict({**KEPT, "a": {}}) == []
    assert any("is there again" in found for found in told.verdict(KEPT))


def test_a_quit_without_an_answer_is_all_or_nothing(told: Told) -> None:
    second = make_id("s1", 7, 400)
    told.letter(second, "a", code=250)
    told.collector.note("seen", box="a", uidl="e.1", id=PROMISED)
    told.collector.note("seen", box="a", uidl="e.2", id=second)
    told.collector.note("asked", box="a", uidls=["e.1", "e.2"])
    assert told.verdict({**KEPT, "a": {}}) == []
    assert told.verdict({**KEPT, "a": {"e.1": PROMISED, "e.2": second}}) == []
    assert any("removed 1 of 2" in found for found in told.verdict(KEPT))


def test_the_next_listing_settles_a_quit_without_an_answer(told: Told) -> None:
    told.collector.note("seen", box="a", uidl="e.1", id=PROMISED)
    told.collector.note("asked", box="a", uidls=["e.1"])
    told.collector.note("listed", box="a", uidls=["e.1"])
    assert told.verdict(KEPT) == []
    assert any("is not in a" in found for found in told.verdict({**KEPT, "a": {}}))


def test_a_changed_uidl_is_found(told: Told) -> None:
    told.collector.note("seen", box="a", uidl="e.7", id=PROMISED)
    assert any("had the UIDL e.7" in found for found in told.verdict(KEPT))


def test_a_uidl_used_for_two_letters_is_found(told: Told) -> None:
    told.collector.note("seen", box="a", uidl="e.1", id=PROMISED)
    told.collector.note("seen", box="a", uidl="e.1", id=DOUBTFUL)
    assert any("and is" in found for found in told.verdict(KEPT))


def test_a_letter_is_known_again_below_our_head() -> None:
    letter_id = make_id("s2", 3, 5_000)
    octets = letter_octets(letter_id)
    assert len(octets) >= 5_000
    assert b"\r\n." in octets, "dot-stuffing is tried"
    assert unstuffed(stuffed(octets)) == octets
    assert read_letter(b"Return-Path: <>\r\nReceived: by us\r\n" + octets) == letter_id


@pytest.mark.parametrize("harm", [lambda o: o[:-1], lambda o: o + b"\r\n", lambda o: o[::-1]])
def test_a_harmed_letter_is_refused(harm: object) -> None:
    assert callable(harm)
    with pytest.raises(NotALetter):
        read_letter(harm(letter_octets(make_id("s2", 3, 5_000))))
