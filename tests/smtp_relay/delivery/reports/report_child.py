"""A process that makes the reports a store owes, until none is left: `report_child FOLDER`.

It says `ready` before it begins, because somebody may want to kill it.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailserver.store.commit import Committer, Settled
from mailserver.store.sqlite.store import SqliteStore
from smtp_relay.delivery.reports.reporter import Reporter
from tests.smtp_relay.delivery.reports.report_house import NOW_S, make_settings


def main(folder: Path) -> int:
    store = SqliteStore(folder)
    is_told = threading.Event()

    def deliver(settled: Settled) -> None:
        for done, outcome in settled:
            done(outcome)
        is_told.set()

    committer = Committer(store.writes, deliver=deliver, on_broken=lambda: os._exit(3))
    committer.start()
    with ThreadPoolExecutor(1) as pool:
        reporter = Reporter(
            settings=make_settings(),
            store=store,
            submit=committer.submit,
            pool=pool,
            wall_s=lambda: NOW_S,
            on_broken=lambda: os._exit(3),
        )
        print("ready", flush=True)
        reporter.notify()
        while not reporter.is_resting:
            is_told.wait(0.01)
            is_told.clear()
    committer.stop()
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
