"""What `mailserver directory` says of plans and runs, to people and to programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from mailserver.cli.moments import clock, iso
from mailserver.texts.plurals import counted
from mailserver.values.text.escaping import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailserver.cli.directory.work import MadePlan
    from mailserver.directory.applying import Applied, Undone
    from mailserver.directory.deciding.plan import PlanAct, PlanStep
    from mailserver.store.ports.imports import ImportRun

SHOWN_STEPS: Final = 5
"""Of each kind of change; the plan file has all of them."""
SHOWN_PROBLEMS: Final = 20


def print_plan(made: MadePlan) -> None:
    """Summary on standard output; what is wrong on standard error."""
    for line in (*made.found, *made.plan.notes):
        print(shown(line))
    _print_counts(made)
    for act, steps in _by_act(made).items():
        print(f"\n{act.value}:")
        for step in steps[:SHOWN_STEPS]:
            print(f"  {shown(step_words(step))}")
        if len(steps) > SHOWN_STEPS:
            print(f"  and {len(steps) - SHOWN_STEPS} more, in {made.path}")
    _print_problems(made)


def step_words(step: PlanStep) -> str:
    from mailserver.store.ports.people import PersonDoc

    doc = step.doc
    if isinstance(doc, PersonDoc):
        who = f"{doc.identifier} {doc.given_name} {doc.surname} <{doc.addresses[0]}>"
    else:
        who = f"{doc.code} {doc.name}"
    return f"{who}: {'; '.join(step.change.reasons)}"


def plan_facts(made: MadePlan) -> dict[str, Any]:
    plan = made.plan
    return {
        "plan": str(made.path),
        "found": made.found,
        "notes": plan.notes,
        "units": {act.value: count for act, count in plan.counts(units=True).items()},
        "people": {act.value: count for act, count in plan.counts(units=False).items()},
        "kept_units": plan.kept_units,
        "kept_people": plan.kept_people,
        "leaving_percent": round(plan.losing_percent(), 2),
        "problems": [
            {"place": one.place, "column": one.column, "words": one.words}
            for refused in plan.refused
            for one in refused.problems
        ],
        "to_correct": [str(path) for path in made.corrections],
    }


def say_done(applied: Applied, made: MadePlan, *, took_s: float, as_json: bool) -> None:
    done_count = applied.done_count - applied.conflict_count
    if as_json:
        facts = {
            "run": applied.run.run_id,
            "applied": done_count,
            "conflicts": applied.conflict_count,
            "resumed_at": applied.resumed_at,
            "took_s": round(took_s, 2),
        }
        print(json.dumps(facts))
        return
    resumed = f", from {applied.resumed_at} on" if applied.resumed_at else ""
    print(f"{counted(done_count, 'change')} applied in {took_s:.1f} s{resumed}")
    if applied.conflict_count:
        print(
            f"{applied.conflict_count} not made: why stands in {made.conflicts_path}",
            file=sys.stderr,
        )


def say_undone(run: ImportRun, *, count: int, undone: Undone | None, as_json: bool) -> None:
    """undone: None: it was taken back before, and nothing was done now."""
    conflicts = () if undone is None else undone.conflicts
    if as_json:
        done_count = 0 if undone is None else undone.done_count
        print(json.dumps({"run": run.run_id, "undone": done_count, "conflicts": conflicts}))
        return
    if undone is None:
        print(f"import {run.run_id} was taken back before: nothing to do")
        return
    print(f"import {run.run_id}: {undone.done_count} of {counted(count, 'change')} taken back")
    for words in conflicts:
        print(f"left as it is: {words}", file=sys.stderr)


def blocked_words(run: ImportRun, later: Sequence[ImportRun]) -> str:
    """What to type first, in order."""
    numbers = ", then ".join(f"`mailserver directory undo {one.run_id}`" for one in later)
    came = f"import {later[0].run_id} came" if len(later) == 1 else "other imports came"
    return f"{came} after import {run.run_id}: first {numbers}"


def unfinished_words(run: ImportRun) -> str:
    """How a run ends that stands half done."""
    undo = f"`mailserver directory undo {run.run_id}`"
    if run.state == "undoing":
        return f"{undo} goes on taking it back"
    return f"apply its plan again to end it, or {undo} to take it back"


def run_words(run: ImportRun) -> str:
    return (
        f"import {run.run_id} of {clock(run.at_s)} by {run.by_whom}:"
        f" {run.state}, {run.done} of {run.total}"
    )


def run_facts(run: ImportRun) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "at": iso(run.at_s),
        "by": run.by_whom,
        "state": run.state,
        "done": run.done,
        "total": run.total,
        "plan_digest": run.digest,
    }


def _print_counts(made: MadePlan) -> None:
    from mailserver.directory.deciding.plan import PlanAct

    plan = made.plan
    units, people = plan.counts(units=True), plan.counts(units=False)
    print(f"\n{'':<12}{'units':>10}{'people':>10}")
    print(f"{'kept before':<12}{plan.kept_units:>10}{plan.kept_people:>10}")
    for act in PlanAct:
        if units[act] or people[act]:
            print(f"{act.value:<12}{units[act]:>10}{people[act]:>10}")


def _by_act(made: MadePlan) -> dict[PlanAct, list[PlanStep]]:
    from mailserver.directory.deciding.plan import PlanAct

    found: dict[PlanAct, list[PlanStep]] = {act: [] for act in PlanAct}
    for step in made.plan.steps:
        found[step.act].append(step)
    return {act: steps for act, steps in found.items() if steps}


def _print_problems(made: MadePlan) -> None:
    problems = [one for refused in made.plan.refused for one in refused.problems]
    for problem in problems[:SHOWN_PROBLEMS]:
        print(shown(str(problem)), file=sys.stderr)
    if problems:
        files = ", ".join(str(path) for path in made.corrections)
        rest = len(problems) - SHOWN_PROBLEMS
        more = f"and {rest} more; " if rest > 0 else ""
        count = len(made.plan.refused)
        rows = "1 row does" if count == 1 else f"{count} rows do"
        print(f"{more}{rows} not go in: correct {files} and plan that", file=sys.stderr)
