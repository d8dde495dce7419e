"""The keeper: the one process that looks after a store, run as a door without listeners.

It moves the write-ahead log into the database in small steps, frees what
nobody needs, and forgets old history, each in slices that hold the write turn
for milliseconds.  It watches the machine's clock (`clock_watch`), because what
it ends is gone.  It takes the steps of people's lives whose date has come.  It
also writes the index of journeys, which takes no turn.
While another keeper lives (a reload, a second container) it waits.  It ends on
SIGTERM or when its parent is gone; nothing is lost when it is killed, another
one goes on.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from mailserver.directory.deciding.moves import Lives, take_steps
from mailserver.keeper.chores import ChoreThread
from mailserver.keeper.clock_watch import ClockWatch
from mailserver.settings.model import MIB, Settings
from mailserver.store.clock import boot_name
from mailserver.store.open import open_store
from mailserver.store.outside import NotesOwn, folded_domains, outside_warnings
from mailserver.store.ports.errors import StoreError, StoreUnavailable
from mailserver.store.ports.people import Conflict, PersonDoc
from mailserver.store.ports.shared.locks import KeepersTurn
from mailserver.store.ports.upkeep import Clock, Upkeep
from mailserver.supervisor.contract import WorkerContext
from mailserver.supervisor.wakeup import SignalPipe, wait_readable
from mailserver.telemetry.log import Log, get_log
from mailserver.telemetry.reports import WAL_OCTETS, source_name
from mailserver.values.address import fold_domain

CALM_STEP_S = 1.0
BUSY_STEP_S = 0.05
BUSY_FRACTION = 1 / 8
"""With this part of the log's limit in use, steps follow each other quickly."""
ROUND_S = 60.0
REPORT_S = 10.0
INDEX_S = 2.0  # a search looks at what is newer by itself
SLICE_PAUSE_S = 0.02
"""Between two slices of a round that goes on, so that writers of mail come first."""
WAIT_FOR_TURN_S = 1.0
LONG_LOG_S = 600.0
"""Moving the log is one statement of SQLite, which nothing can interrupt: a log that grew to
gigabytes while no keeper lived takes minutes on a slow disk.  All else is slices."""
DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S


class LivesAndDomains(Lives, NotesOwn, Protocol):
    """Steps of lives that are due, and which domains are ours."""


class TakesReports(Protocol):
    def report(self, source: str, values: dict[str, float], *, now_s: float) -> None: ...


class KeptStore(Protocol):
    """What the keeper needs of a store."""

    @property
    def upkeep(self) -> Upkeep: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def locks(self) -> KeepersTurn: ...

    @property
    def counters(self) -> TakesReports: ...

    @property
    def people(self) -> LivesAndDomains: ...


def prepare(settings: Settings) -> Settings:
    """Nothing heavy: the settings are all it needs."""
    return settings


def serve(prepared: Settings, context: WorkerContext) -> None:
    """Run until SIGTERM or the parent's end.

    Raises:
        StoreError, OSError: the store cannot be opened, or its disk failed.
    """
    signals = SignalPipe([signal.SIGTERM])
    store = open_store(prepared)
    chores = ChoreThread(store, prepared)
    log = get_log("keeper")

    def pause(seconds: float) -> bool:
        """Wait; False: it is time to end."""
        context.beat()
        ended = wait_readable([context.life_fd, signals.fd], seconds)
        return not ended

    try:
        keeper = Keeper(
            store,
            watch=ClockWatch(store.clock, log=log, boot=boot_name(), wall_s=time.time),
            log=log,
            wal_limit_octets=prepared.store.wal_limit_mib * MIB,
            left_s=prepared.directory.left_days * DAY_S,
            quarantine_s=prepared.directory.quarantine_years * YEAR_S,
            tell=context.tell,
            beat=context.beat,
            long_statement=context.long_statement,
        )
        wait_for_turn(store.locks, pause, log)
        tell_outside(store.people, prepared, log)
        chores.start()
        while pause(keeper.step(now_s=time.time(), clock_s=time.monotonic())):
            continue
    finally:
        chores.stop()
        store.close()
        signals.close()


def wait_for_turn(store: KeepersTurn, pause: Callable[[float], bool], log: Log) -> None:
    """Until this process is the keeper, or must end."""
    is_told = False
    while not store.become_keeper():
        if not is_told:
            log.info("another keeper looks after this store: waiting")
            is_told = True
        if not pause(WAIT_FOR_TURN_S):
            return


def tell_outside(store: NotesOwn, settings: Settings, log: Log) -> None:
    """Once at a start: what lies at domains that are not ours any more; which are ours is noted."""
    outside = store.find_outside(folded_domains(settings))
    for warning in outside_warnings(settings, outside):
        log.error(warning, accounts=outside.account_count, addresses=sum(outside.domains.values()))
    try:
        store.note_served(folded_domains(settings), principal=fold_domain(settings.service.domain))
    except StoreError as error:  # on a full disk the keeper has more to do
        log.warning("our domains are not noted", error=str(error))


@dataclass(slots=True)
class Keeper:
    """Decides what to do next; `step` does it and says how long to wait."""

    store: KeptStore
    watch: ClockWatch
    log: Log
    wal_limit_octets: int
    left_s: float
    quarantine_s: float
    tell: Callable[[dict[str, float]], None] = field(default=lambda _report: None)
    beat: Callable[[], None] = field(default=lambda: None)
    long_statement: Callable[[float], AbstractContextManager[None]] = field(
        default=lambda _seconds: nullcontext()
    )
    _round_at_s: float = 0.0
    _report_at_s: float = 0.0
    _index_at_s: float = 0.0
    _is_short: bool = False
    _tell_at_s: dict[str, float] = field(default_factory=dict)
    _freed: dict[str, int] = field(default_factory=dict)

    def step(self, *, now_s: float, clock_s: float) -> float:
        """One checkpoint, one slice of the index and, when a round is due, one of cleaning.

        What one of them cannot do keeps none of the others from its own: on a full disk the log
        may not move until something was cleaned.  Returns the seconds to wait.
        """
        chores = (
            lambda: self._watch_clock(now_s, clock_s),
            lambda: self._move_log(now_s, clock_s),
            lambda: self._tend_room(clock_s),
            lambda: self._clean(self.watch.ends_s, clock_s),
            lambda: self._index(clock_s),
        )
        return min(self._tried(chore, clock_s) for chore in chores)

    def _tried(self, chore: Callable[[], float], clock_s: float) -> float:
        """How long this chore can wait, or the pause after it failed; each failure is told once
        in a round: the log may stand on the disk that is full."""
        self.beat()  # each is short, and they come one behind the other
        try:
            return chore()
        except StoreUnavailable as error:
            text = str(error)
            if clock_s >= self._tell_at_s.get(text, clock_s):
                self._tell_at_s[text] = clock_s + ROUND_S
                self.log.warning("store does not answer: next step later", error=text)
            return CALM_STEP_S

    def _watch_clock(self, now_s: float, clock_s: float) -> float:
        return SLICE_PAUSE_S if self.watch.step(now_s=now_s, clock_s=clock_s) else CALM_STEP_S

    def _move_log(self, now_s: float, clock_s: float) -> float:
        try:
            with self.long_statement(LONG_LOG_S):
                used_octets = self.store.upkeep.checkpoint()
        except StoreUnavailable:
            self._report(now_s, clock_s, self.store.upkeep.log_octets())
            raise
        self._report(now_s, clock_s, used_octets)
        is_long = used_octets > self.wal_limit_octets * BUSY_FRACTION
        return BUSY_STEP_S if is_long else CALM_STEP_S

    def _report(self, now_s: float, clock_s: float, used_octets: int) -> None:
        if clock_s >= self._report_at_s:
            self._report_at_s = clock_s + REPORT_S
            report = {WAL_OCTETS: float(used_octets)}
            self.tell(report)
            self.store.counters.report(source_name("keeper", 0), report, now_s=now_s)

    def _tend_room(self, clock_s: float) -> float:
        """A disk that is short does not wait for the next round."""
        if self.store.upkeep.must_make_room():
            if not self._is_short:
                self.log.warning("the disk is short: removed messages go before their time")
            self._is_short = True
            self._round_at_s = min(self._round_at_s, clock_s)
        else:
            self._is_short = False
        self.store.upkeep.keep_reserve()
        return CALM_STEP_S

    def _index(self, clock_s: float) -> float:
        """Now and then, so that each page of the index is written for many messages at once."""
        if clock_s < self._index_at_s:
            return CALM_STEP_S
        if self.store.upkeep.index_journeys():
            return SLICE_PAUSE_S
        self._index_at_s = clock_s + INDEX_S
        return CALM_STEP_S

    def _clean(self, now_s: float, clock_s: float) -> float:
        """One slice; the round ends with the first slice that finds nothing.

        now_s: what ends is measured by it.
        """
        if clock_s < self._round_at_s:
            return CALM_STEP_S
        reclaimed = self.store.upkeep.reclaim(now_s=now_s)
        history_count = self.store.upkeep.expire_history(now_s=now_s)
        step_count = take_steps(
            self.store.people,
            now_s=now_s,
            left_s=self.left_s,
            quarantine_s=self.quarantine_s,
            told=self._tell_conflict,
        )
        self._count(
            entries=reclaimed.entry_count,
            messages=reclaimed.message_count,
            files=reclaimed.file_count,
            history=history_count,
            lives=step_count,
        )
        if reclaimed.entry_count or reclaimed.message_count or history_count or step_count:
            return SLICE_PAUSE_S
        if any(self._freed.values()):
            self.log.info("cleaned", **self._freed)
            self._freed.clear()
        self._round_at_s = clock_s + ROUND_S
        return CALM_STEP_S

    def _tell_conflict(self, doc: PersonDoc, conflict: Conflict) -> None:
        self.log.warning("life not changed", identifier=doc.identifier, why=conflict.words)

    def _count(self, **counts: int) -> None:
        for name, count in counts.items():
            self._freed[name] = self._freed.get(name, 0) + count
