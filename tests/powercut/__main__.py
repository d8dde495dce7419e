"""`python -m tests.powercut`: many runs, the power cut at every promise.

    --runs N      traced runs, each with its own seed (default 3)
    --seed N      of the first run (default: from the clock, and printed)
    --lucky N     cuts in each run where part of what was unsynced survives (default 200)

Then each mutant once, which must be found.  Exit status 1 if a promise was
broken, or if a mutant was not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.powercut.cuts import Findings
from tests.powercut.recipe import Recipe, cook, recipe_for
from tests.powercut.service import MUTANTS

OUT = Console()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--lucky", type=int, default=200)
    wanted = parser.parse_args()
    OUT.print(f"seed {wanted.seed}")
    total = Findings()
    for number in track(range(wanted.runs), description="cutting the power", console=OUT):
        seed = wanted.seed + number
        recipe = Recipe(
            seed=seed,
            sender_count=12,
            letter_count=30,
            collector_count=3,
            sent_stride=10,
            synced_stride=3,
            cut_count=0,
            lucky_count=wanted.lucky,
        )
        found = _cook(recipe)
        _add(total, found)
        for breach in found.breaches:
            OUT.print(f"[red]seed {seed}: {breach}")
    found_mutants = [mutant for mutant in MUTANTS if mutant != "none" and _is_found(mutant)]
    _tell(total, found_mutants)
    return int(bool(total.breaches) or len(found_mutants) < len(MUTANTS) - 1)


def _cook(recipe: Recipe) -> Findings:
    with tempfile.TemporaryDirectory() as folder:
        return cook(recipe, Path(folder))


def _is_found(mutant: str) -> bool:
    return bool(_cook(recipe_for(mutant)).breaches)


def _add(total: Findings, found: Findings) -> None:
    total.deposit_count += found.deposit_count
    total.removal_count += found.removal_count
    total.cut_count += found.cut_count
    total.lucky_count += found.lucky_count
    total.database_sync_count += found.database_sync_count
    total.filed_count += found.filed_count
    total.unlink_count += found.unlink_count
    total.unseen_count += found.unseen_count
    total.sent_cut_count += found.sent_cut_count
    total.synced_cut_count += found.synced_cut_count
    total.queued_count += found.queued_count
    total.again_count += found.again_count
    total.owed_count += found.owed_count
    total.relayed_count += found.relayed_count
    total.returned_count += found.returned_count
    total.told_count += found.told_count
    total.breaches += found.breaches


def _tell(total: Findings, found_mutants: list[str]) -> None:
    OUT.print(
        f"{total.deposit_count} messages answered 250, {total.removal_count} QUITs answered +OK,"
        f" {total.filed_count} bodies filed, {total.unlink_count} reclaimed,"
        f" {total.database_sync_count} moves of the log into the database"
    )
    OUT.print(
        f"{total.cut_count} power cuts with nothing unsynced kept, {total.lucky_count} with a"
        f" random part of it, {total.sent_cut_count} in the middle of a delivery elsewhere,"
        f" {total.synced_cut_count} behind a sync of the log: {len(total.breaches)} broken promises"
    )
    OUT.print(
        f"they found {total.queued_count} copies queued, {total.again_count} of which a server"
        f" elsewhere had, and {total.owed_count} reports owed; at the end {total.relayed_count}"
        f" copies were relayed, {total.returned_count} returned, {total.told_count} reports there"
    )
    OUT.print(f"mutants found: {', '.join(found_mutants) or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
