"""Makes the reports that are owed, a slice at a time, until none is left.

    notify --> slice: read what is owed, make each in the pool, submit each
                |                                             |
                +---- the last outcome has come <-------------+
                |
         something was owed: next slice    nothing: rest until the next notify

An owed report and the report are one transaction (`ReportMade`): after a crash
it is owed still, or made.  Two processes may make the same one; the second is
told so, and what it made is swept.  Used from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

from mailserver.queue.reports import ReportKind
from mailserver.settings.model import Settings
from mailserver.store.ports.errors import StoreBroken, StoreError
from mailserver.store.ports.queue import OwedReport, ReportMade
from mailserver.store.ports.writes import Accepted, Failed
from mailserver.telemetry.log import get_log
from mailserver.values.ids import MessageId
from smtp_relay.delivery.reports.budget import HOUR_S, NotNow
from smtp_relay.delivery.reports.maker import ReportMaker, ReportStore, Sign

SLICE_REPORTS = 16
MAX_STUCK = 1_000
"""Reports that cannot be made and are passed by, until this process ends; then reports rest."""
MAX_PUT_OFF_LINES = 1_000
"""Of reports that wait because their readers had enough; beyond that it is a bomb, and they must
not hide what others are owed: the store looks at the oldest lines only."""

Submit = Callable[[ReportMade, Callable[[object], None]], None]
"""`Committer.submit`."""
_Key = tuple[MessageId, ReportKind]


class Reporter:
    """`notify` it after settlements that owe reports, at the start, and every minute."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: ReportStore,
        submit: Submit,
        pool: Executor,
        wall_s: Callable[[], float],
        on_broken: Callable[[], None],
        sign: Sign | None = None,
    ) -> None:
        """
        pool: for calls that block; one job at a time is in it.
        on_broken: the disk failed: the process should end.  Called in the pool's thread.
        sign: puts a signature on reports that leave.
        """
        self._store = store
        self._submit = submit
        self._pool = pool
        self._on_broken = on_broken
        self._maker = ReportMaker(settings=settings, store=store, wall_s=wall_s, sign=sign)
        self._log = get_log("reports")
        self._lock = threading.Lock()
        self._is_running = False
        self._is_notified = False
        self._is_stopped = False
        self._stuck: set[_Key] = set()
        self._put_off: dict[_Key, tuple[float, int]] = {}  # until when, and its lines
        self._wall_s = wall_s
        # Of the slice that runs
        self._open_count = 0
        self._has_failed = False
        self._has_found = False

    def notify(self) -> None:
        """Something may be owed.  Cheap, may be called too often."""
        with self._lock:
            self._is_notified = True
            if self._is_running or self._is_stopped:
                return
            self._is_running = True
        self._start_slice()

    def stop(self) -> None:
        """Begin no other report; the outcomes of those submitted still come."""
        self._is_stopped = True

    @property
    def is_resting(self) -> bool:
        return not self._is_running

    def _start_slice(self) -> None:
        self._is_notified = self._has_failed = self._has_found = False
        self._open_count = 1  # the making itself
        self._pool.submit(self._make_slice)

    def _make_slice(self) -> None:
        try:
            now_s = self._wall_s()
            self._put_off = {k: one for k, one in self._put_off.items() if one[0] > now_s}
            passed_by = len(self._stuck) + len(self._put_off)
            for owed in self._store.queue.owed_reports(limit=SLICE_REPORTS + passed_by):
                key = (owed.message_id, owed.kind)
                if self._is_stopped or self._has_failed:
                    break
                if key not in self._stuck and key not in self._put_off:
                    self._has_found = True
                    self._make_one(owed, key)
        except Exception as error:  # noqa: BLE001 - the top of the job
            self._fail("reports wait: the store does not answer", error)
        finally:
            self._close_one()

    def _make_one(self, owed: OwedReport, key: _Key) -> None:
        try:
            made = self._maker.make(owed)
        except StoreError:
            raise
        except NotNow as error:
            line_count = sum(count for _, count in self._put_off.values())
            if line_count < MAX_PUT_OFF_LINES:
                self._put_off[key] = (self._wall_s() + HOUR_S, len(owed.copies))
                return
            self._log.warning("not reported: too many for an address", address=str(error))
            cleared = tuple((copy.ref, copy.kind) for copy in owed.copies)
            made = ReportMade(acceptance=None, cleared=cleared)
        except Exception as error:  # noqa: BLE001 - one bad original must not stop the others
            self._log.error(
                "report cannot be made", message_id=owed.message_id, kind=key[1], exc_info=error
            )
            if len(self._stuck) < MAX_STUCK:
                self._stuck.add(key)
            else:
                self._has_failed = True
            return
        with self._lock:
            self._open_count += 1
        self._submit(made, partial(self._heard, owed, made))

    def _heard(self, owed: OwedReport, made: ReportMade, outcome: object) -> None:
        """In whatever thread outcomes come."""
        if isinstance(outcome, Failed):
            # Most failures pass; the next notify tries again.
            self._fail("report not stored", outcome.error)
        elif isinstance(outcome, Accepted):
            acceptance = made.acceptance
            self._log.info(
                "report made",
                kind=owed.kind.name.lower(),
                about=owed.message_id,
                message_id=outcome.message_id,
                to=acceptance.copies[0].recipient if acceptance is not None else "",
                copies=len(owed.copies),
            )
        self._close_one()

    def _fail(self, event: str, error: BaseException) -> None:
        self._has_failed = True
        self._log.error(event, exc_info=error)
        if isinstance(error, StoreBroken):
            self._on_broken()

    def _close_one(self) -> None:
        with self._lock:
            self._open_count -= 1
            if self._open_count:
                return
            goes_on = self._has_found or self._is_notified
            if self._is_stopped or self._has_failed or not goes_on:
                self._is_running = False
                return
        self._start_slice()
