"""What happens to one person, as a change of their document: decided here, made by the store.

| act    | from                         | becomes                                         |
| ------ | ---------------------------- | ----------------------------------------------- |
| arrive | expected                     | expected until that day; present from it on     |
| move   | all but left and gone        | other posts, from now on; nothing else changes  |
| leave  | present, on_leave            | on_leave, until the day given or with no end    |
| return | on_leave, leaving, left      | present                                         |
| retire | all but gone                 | leaving until that day is over, then left       |
| (day)  | as `Life` says, at its date  | present, left or gone                           |

A day on which someone leaves is their last one; days are those of the calendar that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, Protocol, assert_never

from mailserver.directory.deciding.life import leave as left_since
from mailserver.store.ports.people import Change, Conflict, Life, PersonDoc, PostDoc
from mailserver.values.calendar import Calendar

_SLICE: Final = 100


class CannotMove(ValueError):
    """The act does not fit the person's life.  The text says why and what to do."""


# --- acts ------------------------------------------------------------------------


def arrive(doc: PersonDoc, *, on: date, calendar: Calendar, now_s: float) -> PersonDoc:
    """
    Raises:
        CannotMove: they are here already, or have left.
    """
    _refuse_unless(doc, {Life.EXPECTED}, "only who is expected can arrive")
    if calendar.begin(on) <= now_s:
        return replace(doc, life=Life.PRESENT, life_until_s=None)
    return replace(doc, life_until_s=calendar.begin(on))


def move(
    doc: PersonDoc,
    *,
    to: PostDoc,
    leaving: str,
    on: date | None,
    calendar: Calendar,
    now_s: float,
) -> PersonDoc:
    """leaving: code of the unit of which they are no longer part; empty: of all.

    A correspondent answers no longer for a unit that they leave.

    Raises:
        CannotMove: they have left, or have no post there, or the day is to come.
    """
    _refuse_unless(doc, set(Life) - {Life.LEFT, Life.GONE}, "who has left must return first")
    if on is not None and calendar.begin(on) > now_s:
        raise CannotMove(f"{on} is to come: a move is made on its day, or by an import of that day")
    old = leaving.lower()
    if old and all(post.unit_code != old for post in doc.posts):
        raise CannotMove(f"{doc.identifier} has no post in {leaving}")
    kept = tuple(post for post in doc.posts if old and post.unit_code != old)
    return with_posts(doc, (*kept, to))


def with_posts(doc: PersonDoc, posts: Sequence[PostDoc]) -> PersonDoc:
    """A correspondent answers no longer for a unit that they leave."""
    left = {post.unit_code for post in doc.posts} - {post.unit_code for post in posts}
    answers_for = tuple(code for code in doc.correspondent_of if code not in left)
    return replace(doc, posts=tuple(posts), correspondent_of=answers_for)


def take_leave(
    doc: PersonDoc, *, on: date | None, until: date | None, calendar: Calendar, now_s: float
) -> PersonDoc:
    """until: their last day of leave.

    Raises:
        CannotMove: they are not here, or the days do not fit.
    """
    _refuse_unless(doc, {Life.PRESENT, Life.ON_LEAVE}, "only who is present can take leave")
    if on is not None and calendar.begin(on) > now_s:
        raise CannotMove(f"{on} is to come: a leave begins on its day, or by an import")
    until_s = None if until is None else calendar.after(until)
    if until_s is not None and until_s <= now_s:
        raise CannotMove(f"{until} is over: write the last day of the leave")
    return replace(doc, life=Life.ON_LEAVE, life_until_s=until_s)


def come_back(doc: PersonDoc) -> PersonDoc:
    """From leave, or after all: who was to leave stays, who has left is here again.

    Raises:
        CannotMove: they are not away.
    """
    away = {Life.ON_LEAVE, Life.LEAVING, Life.LEFT}
    _refuse_unless(doc, away, "only who is away or is to leave can return")
    return replace(doc, life=Life.PRESENT, life_until_s=None)


def retire(
    doc: PersonDoc, *, on: date, calendar: Calendar, now_s: float, left_s: float
) -> PersonDoc:
    """on: their last day.

    Raises:
        CannotMove: they have left.
    """
    _refuse_unless(doc, set(Life) - {Life.LEFT, Life.GONE}, "they have left already")
    end_s = calendar.after(on)
    if end_s > now_s:
        return replace(doc, life=Life.LEAVING, life_until_s=end_s)
    # Left in the past: the time to forward their mail begins now, nothing is gone at a stroke.
    return replace(doc, life=Life.LEFT, life_until_s=now_s + left_s)


def _refuse_unless(doc: PersonDoc, lives: set[Life], why: str) -> None:
    if doc.life not in lives:
        raise CannotMove(f"{doc.identifier} is {doc.life.value.replace('_', ' ')}: {why}")


# --- what time does ----------------------------------------------------------------


def next_step(doc: PersonDoc, *, now_s: float, left_s: float) -> PersonDoc:
    """What somebody is whose date has come; the same document where it has not."""
    if doc.life_until_s is None or doc.life_until_s > now_s:
        return doc
    match doc.life:
        case Life.EXPECTED | Life.ON_LEAVE:
            return replace(doc, life=Life.PRESENT, life_until_s=None)
        case Life.LEAVING:
            life, until_s = left_since(doc.life_until_s, now_s=now_s, left_s=left_s)
            return replace(doc, life=life, life_until_s=until_s)
        case Life.LEFT:
            return replace(doc, life=Life.GONE, life_until_s=None)
        case Life.PRESENT | Life.GONE:
            return replace(doc, life_until_s=None)
        case _:
            assert_never(doc.life)


class Lives(Protocol):
    """What the keeper needs to take these steps."""

    def due_lives(self, *, now_s: float, limit: int) -> list[PersonDoc]: ...

    def put(
        self, change: Change, *, by_whom: str, now_s: float, quarantine_s: float
    ) -> Conflict | None: ...


def take_steps(
    lives: Lives,
    *,
    now_s: float,
    left_s: float,
    quarantine_s: float,
    told: Callable[[PersonDoc, Conflict], None],
) -> int:
    """One slice of those whose date has come; returns how many steps were taken.

    told: about one whom somebody else changed meanwhile; the next round sees them again.
    """
    count = 0
    for doc in lives.due_lives(now_s=now_s, limit=_SLICE):
        conflict = lives.put(
            _step(doc, now_s=now_s, left_s=left_s),
            by_whom="service",
            now_s=now_s,
            quarantine_s=quarantine_s,
        )
        if conflict is None:
            count += 1
        else:
            told(doc, conflict)
    return count


def _step(doc: PersonDoc, *, now_s: float, left_s: float) -> Change:
    return Change(before=doc, after=next_step(doc, now_s=now_s, left_s=left_s))


def words(before: PersonDoc, after_it: PersonDoc) -> Sequence[str]:
    """What became of a person, for the one who typed the command."""
    told = []
    if before.posts != after_it.posts:
        told.append("posts: " + (_posts(after_it.posts) or "none"))
    if (before.life, before.life_until_s) != (after_it.life, after_it.life_until_s):
        told.append(after_it.life.value.replace("_", " "))
    lost = set(before.correspondent_of) - set(after_it.correspondent_of)
    if lost:
        told.append("no longer correspondent of " + ", ".join(sorted(lost)))
    return told


def _posts(posts: Sequence[PostDoc]) -> str:
    return ", ".join(f"{post.function} in {post.unit_code}" for post in posts)
