"""What it costs to enqueue and to lease, on the store that a settings file names.

    python -m bench.queue_cost CONFIG BATCHES      prints {"enqueue_ms": ..., "lease_ms": ...}

Medians over batches of 100 copies of 100 messages, to a next hop of their own.  Nothing else uses
the store meanwhile.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.fill import make_message, queued, with_store
from mailserver.queue.copies import CopyState
from mailserver.store.ports.queue import CopyOutcome, Lease, Leased, Settlement
from mailserver.store.ports.store import Store

_HOP = "mesure.example"
_BATCH = 100


def measure(store: Store, batches: int) -> dict[str, float]:
    """Enqueue a batch, lease it, settle it; again and again."""
    now_s = time.time()
    agent_id = store.queue.register_agent(now_s=now_s, until_s=now_s + 3600)
    enqueue_ms, lease_ms = [], []
    for _ in range(batches):
        batch = [make_message(queued(_HOP)) for _ in range(_BATCH)]
        enqueue_ms.append(_time_ms(partial(store.writes.apply, batch)))
        due = store.queue.due_destinations(now_s=time.time(), limit=10_000)
        mine = next(one for one in due if one.next_hop == _HOP)
        lease = Lease(
            agent_id=agent_id,
            destination_id=mine.destination_id,
            limit=_BATCH,
            now_s=time.time(),
        )
        began_s = time.perf_counter()
        outcome = store.writes.apply([lease])[0]
        lease_ms.append((time.perf_counter() - began_s) * 1000)
        if not isinstance(outcome, Leased) or len(outcome.copies) != _BATCH:
            raise SystemExit(f"queue_cost: the lease came to {outcome}")
        done = tuple(
            CopyOutcome(ref=copy.ref, state=CopyState.CANCELLED) for copy in outcome.copies
        )
        store.writes.apply([Settlement(agent_id=agent_id, outcomes=done, at_s=time.time())])
    store.queue.resign_agent(agent_id)
    return {
        "enqueue_ms": statistics.median(enqueue_ms),
        "lease_ms": statistics.median(lease_ms),
    }


def _time_ms(act: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    act()
    return (time.perf_counter() - began_s) * 1000


def main(arguments: list[str]) -> int:
    def work(store: Store) -> None:
        print(json.dumps(measure(store, int(arguments[1]))))

    with_store(Path(arguments[0]), work)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
