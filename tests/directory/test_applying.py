"""Applied, applied again, killed on the way, taken back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.demo.generator import make_academy
from mailserver.directory import applying
from mailserver.directory.applying import LaterRuns, OtherRun, apply_steps, count_undo, undo_run
from mailserver.directory.deciding.plan import ImportPlan, PlanAct, PlanStep
from mailserver.directory.plan_file import digest_of, read_plan, write_plan
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.people import Change, Life
from mailserver.store.sqlite.store import SqliteStore
from tests.directory.conftest import (
    DOMAIN,
    NOW_S,
    QUARANTINE_S,
    a_store,
    acts,
    apply,
    docs,
    file_of,
    numen,
    people,
    plan_of,
    put,
    undo,
)

ROOT = Path(__file__).resolve().parents[2]
HEADER = "numen;nom;prenom;uai;fonction;depart"
PAST, COMING = "01/10/2026", "31/12/2026"


def _nothing_told(conflicts: list[tuple[PlanStep, str]]) -> None:
    raise AssertionError(conflicts)


def test_a_plan_after_an_apply_is_empty_and_an_undo_gives_the_state_before(
    store: SqliteStore,
) -> None:
    rows = [f"{numen(n)};Nom;Prénom;0170705Z;prof;" for n in range(5)]
    put(store, file_of(rows, HEADER))
    before = docs(store)
    rows = [rows[0], rows[1] + PAST, rows[2].replace("Nom", "Autre"), f"{numen(9)};Duc;Zoé;;;"]
    plan = plan_of(store, file_of(rows, HEADER), complete=True)
    assert {PlanAct.SUSPENDED, PlanAct.RENAMED, PlanAct.CREATED} <= set(acts(plan))
    apply(store, plan, name="second")
    assert plan_of(store, file_of(rows, HEADER), complete=True).steps == ()
    assert undo(store) == len(plan.steps)
    assert docs(store) == before


def test_what_was_taken_back_comes_again_under_the_same_names(store: SqliteStore) -> None:
    """No digit for somebody who takes the place that was their own."""
    put(store, file_of([f"{numen(1)};Martin;Anne;;;"], HEADER))
    units = "code;nature;nom;ville;alias;parent\n0170707B;école;Les Pins;Saintes;;D17\n"
    units += "0170708C;école;Les Lys;Saintes;ecole.des-lys;D17\n"
    files = (units, file_of([f"{numen(1)};Durand;Anne;0170707B;prof;"], HEADER))
    plan = put(store, *files)
    wanted = [step.change.after for step in plan.steps]
    undo(store)
    again = put(store, *files)
    assert [step.change.after for step in again.steps] == wanted
    (doc,) = people(store)
    assert doc.addresses == (f"anne.durand@{DOMAIN}", f"anne.martin@{DOMAIN}")


def test_an_apply_that_stopped_goes_on_where_it_was(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "SLICE", 2)
    plan = plan_of(store, file_of([f"{numen(n)};Nom;Prénom;;;" for n in range(7)], HEADER))

    def stop(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _apply(store, plan, stop)
    assert len(people(store)) == 2
    with pytest.raises(OtherRun, match="stopped at 2 of 7"):
        _apply(store, plan, lambda _count: None, digest="another")
    done = _apply(store, plan, lambda _count: None)
    assert (done.resumed_at, done.done_count) == (2, 5)
    assert len(people(store)) == 7
    run = store.people.last_import()
    assert run is not None
    assert (run.state, count_undo(store.people, run)) == ("applied", 7)


def _apply(
    store: SqliteStore, plan: ImportPlan, progress: applying.Progress, digest: str = "one"
) -> applying.Applied:
    return apply_steps(
        store.people,
        plan.steps,
        digest=digest,
        by_whom="test",
        quarantine_s=QUARANTINE_S,
        progress=progress,
        tell=_nothing_told,
        clock=lambda: NOW_S,
    )


def test_a_half_applied_import_can_be_taken_back(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "SLICE", 2)
    before = docs(store)
    plan = plan_of(store, file_of([f"{numen(n)};Nom;Prénom;;;" for n in range(7)], HEADER))

    def stop(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _apply(store, plan, stop)
    assert undo(store) == 2
    assert docs(store) == before


def test_a_subject_that_changed_meanwhile_is_a_conflict_and_the_others_go_in(
    store: SqliteStore,
) -> None:
    put(store, file_of([f"{numen(n)};Nom;Prénom;;;" for n in (1, 2)], HEADER))
    plan = plan_of(store, file_of([f"{numen(n)};Neuf;Prénom;;;" for n in (1, 2)], HEADER))
    (first, _) = people(store)
    moved = plan_of(store, file_of([f"{numen(1)};Nom;Prénom;0170705Z;;"], HEADER))
    apply(store, moved, name="meanwhile")
    told: list[tuple[PlanStep, str]] = []
    done = apply_steps(
        store.people,
        plan.steps,
        digest="late",
        by_whom="test",
        quarantine_s=QUARANTINE_S,
        progress=lambda _count: None,
        tell=told.extend,
        clock=lambda: NOW_S,
    )
    assert (done.done_count, done.conflict_count) == (2, 1)
    ((step, words),) = told
    assert step.doc.identifier == first.identifier
    assert words
    assert [doc.surname for doc in people(store)] == ["Nom", "Neuf"]


_CHILD = """
import os, sys
from pathlib import Path
from mailserver.directory.applying import apply_steps
from mailserver.directory.plan_file import digest_of, read_plan
from mailserver.store.sqlite.store import SqliteStore

octets = Path(sys.argv[2]).read_bytes()
store = SqliteStore(Path(sys.argv[1]), keep_removed_s=0, keep_history_s=0)
apply_steps(
    store.people, read_plan(octets, name="p", domain="ac-exemple.fr").steps,
    digest=digest_of(octets),
    by_whom="test", quarantine_s=1e9, tell=lambda conflicts: None,
    progress=lambda count: (os.write(1, b"%d\\n" % count), os.read(0, 1)),
)
"""


@pytest.mark.slow
@pytest.mark.crash
def test_kill_9_in_the_middle_loses_nothing_and_the_same_again_ends_it(tmp_path: Path) -> None:
    """The child waits for a word after each slice; the third one is never followed by it."""
    academy = make_academy(people_count=400, seed=3)
    location, file = tmp_path / "store", tmp_path / "a.plan"
    with a_store(location) as store:
        plan = plan_of(store, academy.units, academy.people)
    write_plan(file, plan, domain=DOMAIN, made_at_s=NOW_S)
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(location), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"go")
    child.stdin.flush()
    told = [child.stdout.readline() for _ in range(3)]  # what was done before, then two slices
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert [int(line) for line in told] == [0, applying.SLICE, applying.SLICE]
    with a_store(location) as store:
        run = store.people.last_import()
        assert run is not None
        assert (run.state, run.done) == ("applying", 2 * applying.SLICE)
        octets = file.read_bytes()
        steps = read_plan(octets, name="p", domain=DOMAIN).steps
        done = apply_steps(
            store.people,
            steps,
            digest=digest_of(octets),
            by_whom="test",
            quarantine_s=QUARANTINE_S,
            progress=lambda _count: None,
            tell=_nothing_told,
        )
        assert done.resumed_at == 2 * applying.SLICE
        assert len(people(store)) == 400
        assert plan_of(store, academy.units, academy.people).steps == ()
        ended = docs(store)
    with a_store() as other:
        apply(other, plan)
        assert docs(other) == ended  # as one that nobody killed


@pytest.mark.slow
def test_five_thousand_people_come_and_a_second_look_finds_nothing_to_do(
    bare: SqliteStore,
) -> None:
    academy = make_academy(people_count=5_000, seed=1)
    plan = put(bare, academy.units, academy.people)
    assert plan.counts(units=False)[PlanAct.CREATED] == 5_000
    assert plan_of(bare, academy.units, academy.people, complete=True).steps == ()
    named = [name for doc in people(bare) for name in (doc.identifier, *doc.addresses)]
    assert len(set(named)) == len(named)
    assert all(doc.life is not Life.GONE for doc in people(bare))


def test_a_name_that_was_taken_by_hand_is_passed_over(store: SqliteStore) -> None:
    store.accounts.add_account(
        identifier="jmartin", name="x", addresses=[f"jean.martin@{DOMAIN}"], now_s=NOW_S
    )
    put(store, file_of([f"{numen(1)};Martin;Jean;;;"], HEADER))
    (doc,) = people(store)
    assert (doc.identifier, doc.addresses) == ("jmartin2", (f"jean.martin2@{DOMAIN}",))


def test_a_plan_keeps_what_the_store_needs(tmp_path: Path, store: SqliteStore) -> None:
    plan = plan_of(store, file_of([f"{numen(1)};Martin;Jean;0170705Z;prof;{COMING}"], HEADER))
    file = tmp_path / "a.plan"
    digest = write_plan(file, plan, domain=DOMAIN, made_at_s=NOW_S)
    assert file.stat().st_mode & 0o777 == 0o600
    assert digest == digest_of(file.read_bytes())
    back = read_plan(file.read_bytes(), name="a.plan", domain=DOMAIN)
    assert back.steps == plan.steps
    assert isinstance(back.steps[0].change, Change)
    assert numen(1) not in file.read_text("utf-8")


def test_an_import_whose_only_change_is_a_conflict_is_in_nobodys_way(store: SqliteStore) -> None:
    """It has nothing in; so it can be passed, and taken back, and then it is."""
    put(store, file_of([f"{numen(1)};Martin;Anne;;;"], HEADER))
    before = docs(store)
    first = store.people.last_import()
    plan = plan_of(store, file_of([f"{numen(1)};Durand;Anne;;;"], HEADER))
    (doc,) = people(store)
    change = Change(before=doc, after=replace(doc, telephone="0500000000"))
    assert store.people.put(change, by_whom="test", now_s=NOW_S, quarantine_s=QUARANTINE_S) is None
    changed = docs(store)
    told: list[list[tuple[PlanStep, str]]] = []
    applied = apply_steps(
        store.people,
        plan.steps,
        digest="conflict",
        by_whom="test",
        quarantine_s=QUARANTINE_S,
        progress=lambda _count: None,
        tell=told.append,
        clock=lambda: NOW_S,
    )
    assert (applied.conflict_count, len(told)) == (1, 1)
    assert first is not None
    assert store.people.begin_undo(first.run_id) == []  # it is passed
    undone = undo_run(
        store.people,
        applied.run,
        quarantine_s=QUARANTINE_S,
        progress=lambda _count: None,
        clock=lambda: NOW_S,
    )
    assert (undone.done_count, undone.conflicts) == (0, ())
    states = {run.run_id: run.state for run in store.people.list_imports()}
    assert states[applied.run.run_id] == "undone"
    assert docs(store) == changed
    assert before != changed


def test_an_earlier_import_waits_for_the_later_ones_and_is_reached_in_order(
    store: SqliteStore,
) -> None:
    states = [docs(store)]
    for number in range(3):
        put(store, file_of([f"{numen(number)};Nom;Anne;;;"], HEADER))
        states.append(docs(store))
    runs = store.people.list_imports()[:3]
    with pytest.raises(LaterRuns) as caught:
        undo_run(store.people, runs[2], quarantine_s=QUARANTINE_S, progress=lambda _count: None)
    assert [run.run_id for run in caught.value.runs] == [runs[0].run_id, runs[1].run_id]
    assert docs(store) == states[3]
    for number, run in enumerate(runs):
        undo_run(
            store.people,
            run,
            quarantine_s=QUARANTINE_S,
            progress=lambda _count: None,
            clock=lambda: NOW_S,
        )
        assert docs(store) == states[2 - number]
        with pytest.raises(StoreUnavailable):
            store.people.begin_undo(run.run_id)
