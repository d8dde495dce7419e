"""A plan: the changes that make what is kept what is wanted, each with its reasons.

| act        | what it means                                                   |
| ---------- | --------------------------------------------------------------- |
| created    | a subject that was not there                                    |
| back       | one who had left or gone, with the names they had               |
| renamed    | another name, and so another canonical address; old ones stay   |
| moved      | another unit (a person), another parent (a unit)                |
| changed    | anything else                                                   |
| leaving    | a last day that is to come                                      |
| suspended  | the last day has passed: no log-in, mail only forwarded         |
| gone       | nothing any more; names in quarantine                           |
| closed     | a unit                                                          |
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from mailserver.directory.deciding.life import SERVING
from mailserver.directory.reading.problems import Problem
from mailserver.directory.reading.rows import Origin
from mailserver.store.ports.people import Change, Doc, Life, PersonDoc, UnitDoc


class PlanAct(Enum):
    CREATED = "created"
    BACK = "back"
    RENAMED = "renamed"
    MOVED = "moved"
    CHANGED = "changed"
    LEAVING = "leaving"
    SUSPENDED = "suspended"
    GONE = "gone"
    CLOSED = "closed"


_LOSING = frozenset({PlanAct.LEAVING, PlanAct.SUSPENDED, PlanAct.GONE, PlanAct.CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One change of a plan.  places: the lines that asked for it; empty: their absence did."""

    act: PlanAct
    change: Change
    places: tuple[str, ...] = ()

    @property
    def doc(self) -> Doc:
        doc = self.change.after or self.change.before
        assert doc is not None, "a change is about something"
        return doc

    @property
    def is_unit(self) -> bool:
        return isinstance(self.doc, UnitDoc)

    @property
    def is_loss(self) -> bool:
        """Does it take someone out of service?  What `directory.max_leaving_percent` counts."""
        before = self.change.before
        was_serving = not isinstance(before, PersonDoc) or before.life in SERVING
        return self.act in _LOSING and was_serving


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that does not go in."""

    origin: Origin
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """steps: in the order to apply: units before those who work there, parents first.

    kept_units, kept_people: how many are open, or serving, before it.
    notes: what is worth knowing and stops nothing.
    """

    steps: tuple[PlanStep, ...]
    refused: tuple[RefusedRow, ...] = ()
    kept_units: int = 0
    kept_people: int = 0
    notes: tuple[str, ...] = field(default=())

    def counts(self, *, units: bool) -> Counter[PlanAct]:
        return Counter(step.act for step in self.steps if step.is_unit is units)

    def losing(self, *, units: bool) -> int:
        """How many units or people it takes out of service."""
        return sum(step.is_loss for step in self.steps if step.is_unit is units)

    def losing_percent(self) -> float:
        """The larger share, of units or of people."""
        shares = [
            100 * self.losing(units=units) / kept
            for units, kept in ((True, self.kept_units), (False, self.kept_people))
            if kept
        ]
        return max(shares, default=0.0)


def person_act(before: PersonDoc | None, after: PersonDoc) -> PlanAct:
    """before: None: no account yet."""
    if before is None:
        return PlanAct.CREATED
    if before.life is not after.life and (act := _life_act(before.life, after.life)):
        return act
    if before.addresses[:1] != after.addresses[:1]:
        return PlanAct.RENAMED
    if _units(before) != _units(after):
        return PlanAct.MOVED
    return PlanAct.CHANGED


def _life_act(before: Life, after: Life) -> PlanAct | None:
    if before in {Life.LEFT, Life.GONE} and after in {*SERVING, Life.EXPECTED}:
        return PlanAct.BACK
    match after:
        case Life.GONE:
            return PlanAct.GONE
        case Life.LEFT:
            return PlanAct.SUSPENDED
        case Life.LEAVING:
            return PlanAct.LEAVING
        case Life.EXPECTED:
            return PlanAct.SUSPENDED
        case Life.PRESENT | Life.ON_LEAVE:
            return None
        case _:
            assert_never(after)


def unit_act(before: UnitDoc | None, after: UnitDoc) -> PlanAct:
    if before is None:
        return PlanAct.CREATED
    if before.is_closed is not after.is_closed:
        return PlanAct.CLOSED if after.is_closed else PlanAct.BACK
    if before.addresses != after.addresses:
        return PlanAct.RENAMED
    return PlanAct.MOVED if before.parent_code != after.parent_code else PlanAct.CHANGED


def _units(doc: PersonDoc) -> set[str]:
    return {post.unit_code for post in doc.posts}
