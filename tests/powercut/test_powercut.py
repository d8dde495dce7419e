"""The power fails at every kind of moment, and no promise is broken; mutants break it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.powercut.cuts import Findings
from tests.powercut.recipe import Recipe, TraceTooPoor, cook, recipe_for
from tests.powercut.service import MUTANTS
from tests.programs import needs_program

pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    needs_program("strace"),
]


def cooked(recipe: Recipe, folder: Path) -> Findings:
    try:
        return cook(recipe, folder)
    except TraceTooPoor as error:
        pytest.skip(str(error))


def test_no_promise_is_broken_by_a_power_cut(tmp_path: Path) -> None:
    findings = cooked(Recipe(), tmp_path)
    assert findings.breaches == []
    assert findings.unseen_count == 0, "a promise was made that the trace does not show"
    assert findings.deposit_count > 30
    assert findings.removal_count > 0
    assert findings.cut_count > 20
    assert findings.database_sync_count > 0, "the log never moved into the database"
    assert findings.filed_count > 0, "no body was filed"
    assert findings.unlink_count > 0, "no body was reclaimed"
    assert findings.sent_cut_count > 0, "no cut fell into a delivery"
    assert findings.synced_cut_count > 0, "no cut fell behind a sync"
    assert findings.queued_count > 0, "no cut found anything in the queue"
    assert findings.relayed_count > 0, "nothing was relayed"
    assert findings.returned_count > 0, "nothing was returned"
    assert findings.told_count > 0, "no report was made"


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant != "none"])
def test_a_mutant_that_breaks_the_promise_is_found(mutant: str, tmp_path: Path) -> None:
    assert cooked(recipe_for(mutant), tmp_path).breaches
