"""A small crowd beside the cast: a generated academy, imported as any office's files are.

It comes once, with the first creation of the demo; what was interrupted is
ended by the next one.
"""

from __future__ import annotations

import hashlib
from typing import Final

from mailserver.demo.generator import make_academy
from mailserver.directory.applying import apply_steps
from mailserver.directory.deciding.decide import decide, read_files
from mailserver.directory.service import facts_of, quarantine_s
from mailserver.settings.model import Settings
from mailserver.store.ports.store import PeopleAndUnits

PEOPLE_COUNT: Final = 200
SEED: Final = 1
BY_WHOM: Final = "demo"


def import_crowd(people: PeopleAndUnits, settings: Settings, *, now_s: float) -> int:
    """How many units and people were made: none where an import has ended already."""
    last = people.last_import()
    if last is not None:
        if last.state != "applying" or last.by_whom != BY_WHOM:
            return 0
        people.end_import(last.run_id)
    academy = make_academy(people_count=PEOPLE_COUNT, seed=SEED)
    files = [("units.csv", academy.units), ("people.csv", academy.people)]
    plan = decide(read_files(files), people, facts_of(settings, people, now_s=now_s))
    done = apply_steps(
        people,
        plan.steps,
        digest=hashlib.sha256(repr(plan.steps).encode("utf-8")).hexdigest(),
        by_whom=BY_WHOM,
        quarantine_s=quarantine_s(settings),
        progress=lambda _count: None,
        tell=lambda _conflicts: None,
        clock=lambda: now_s,
    )
    return done.done_count - done.conflict_count
