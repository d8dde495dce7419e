"""What `status` looks at, before it judges: listeners, processes, reports, the store.

Nothing is written, and each source may fail by itself: with a disk that is full or read-only the
board of the supervisor (`supervisor.window`) still tells what the store cannot.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailserver.cli.probe import Answer
    from mailserver.settings.check.finding import Finding
    from mailserver.settings.model import Settings
    from mailserver.store.ports.store import Store

Reports = dict[str, dict[str, float]]
STORE_PATIENCE_S: Final = 10.0


@dataclass(slots=True, kw_only=True)
class DoorFacts:
    """One door.  is_elsewhere: in another container."""

    name: str
    answers: list[Answer]
    reports: Reports
    processes: list[dict[str, Any]]
    is_elsewhere: bool
    is_off: bool

    @property
    def is_up(self) -> bool:
        """A door whose listeners cannot be asked is up when it reports."""
        if self.is_elsewhere or not self.answers:
            return bool(self.reports) or self.is_off
        return all(answer.is_up for answer in self.answers)

    @property
    def counters(self) -> dict[str, float]:
        from mailserver.telemetry.reports import is_counter

        total: dict[str, float] = {}
        for values in self.reports.values():
            for name, value in values.items():
                if is_counter(name):
                    total[name] = total.get(name, 0.0) + value
        return total


@dataclass(slots=True, kw_only=True)
class Facts:
    """Of the whole service.  apart: some of its doors may be in other containers."""

    settings: Settings
    now_s: float
    reports: Reports
    supervisors: list[dict[str, Any]]
    doors: list[DoorFacts] = field(default_factory=list)
    silent_supervisors: list[int] = field(default_factory=list)  # process ids
    found: list[Finding] = field(default_factory=list)  # by what asked the store
    apart: bool = False

    @property
    def doors_here(self) -> list[str]:
        """Those that were asked for, without those that another container has, with their keys."""
        return [door.name for door in self.doors if door.processes or not self.apart]

    def processes(self, door: str) -> list[dict[str, Any]]:
        """The slots of its parent and its workers, by every supervisor."""
        return [
            slot
            for supervisor in self.supervisors
            for slot in supervisor["processes"]
            if slot["name"] == f"{door} parent" or slot["name"].startswith(f"{door}.")
        ]


def gather(settings: Settings, names: list[str], *, apart: bool) -> Facts:
    """apart: a door that reports while nobody listens on its ports here may be elsewhere."""
    from mailserver.supervisor.master.window import look_at_all

    supervisors, silent = look_at_all(settings.store.path)
    facts = Facts(
        settings=settings,
        now_s=time.time(),
        reports={},
        supervisors=supervisors,
        silent_supervisors=silent,
        apart=apart,
    )
    asking = threading.Thread(target=_ask_the_store, args=(facts,), daemon=True)
    asking.start()
    asking.join(STORE_PATIENCE_S)
    if asking.is_alive():
        facts = replace(facts, found=[*facts.found, _silent_store()])  # what comes late is not seen
    facts.reports |= _of_the_board(facts.supervisors)
    facts.doors = [_door_facts(facts, name, apart=apart) for name in names]
    return facts


def _ask_the_store(facts: Facts) -> None:
    """Its reports, and what is found in it; that it cannot be opened is a finding."""
    from mailserver.cli.access import opened_store
    from mailserver.cli.status.store import check_store
    from mailserver.settings.check.finding import error
    from mailserver.store.ports.errors import StoreError
    from mailserver.telemetry.reports import FRESH_S

    try:
        with opened_store(facts.settings) as store:
            facts.reports = {
                name: values
                for name, (at_s, values) in store.counters.read_reports().items()
                if 0 <= facts.now_s - at_s < FRESH_S
            }
            facts.found += _guarded(facts, store, check_store)
    except (StoreError, OSError) as failure:
        facts.found.append(
            error(
                "store.path",
                f"the store cannot be opened ({failure}): no mail is taken, none is collected",
            )
        )


def _silent_store() -> Finding:
    from mailserver.settings.check.finding import error

    return error(
        "store.path",
        f"the store has not answered for {STORE_PATIENCE_S:.0f} s: its disk is slow, or a process"
        " that hangs holds its lock",
    )


def _guarded(facts: Facts, store: Store, check: Any) -> list[Finding]:
    """All that it finds before a failure, and the failure."""
    from mailserver.settings.check.finding import warning
    from mailserver.store.ports.errors import StoreError

    found: list[Finding] = []
    findings: Iterator[Finding] = check(facts.settings, store, now_s=facts.now_s)
    try:
        found.extend(findings)
    except StoreError as failure:
        found.append(
            warning("store.path", f"the store does not answer ({failure}): look at the log")
        )
    return found


def _of_the_board(supervisors: list[dict[str, Any]]) -> Reports:
    """The newest reports, which no disk had to take."""
    from mailserver.telemetry.reports import FRESH_S

    return {
        slot["name"]: slot["report"]
        for supervisor in supervisors
        for slot in supervisor["processes"]
        if slot["report_age_s"] is not None and slot["report_age_s"] < FRESH_S and slot["pid"]
    }


def _door_facts(facts: Facts, name: str, *, apart: bool) -> DoorFacts:
    from mailserver.cli.probe import probe_all
    from mailserver.settings.listeners import wanted_listeners

    settings = facts.settings
    answers = probe_all([one for one in wanted_listeners(settings) if one.kind.door == name])
    own = {
        source: values for source, values in facts.reports.items() if source.startswith(f"{name}.")
    }
    refused = bool(own and answers) and all(answer.is_refused for answer in answers)
    return DoorFacts(
        name=name,
        answers=answers,
        reports=own,
        processes=facts.processes(name),
        is_elsewhere=apart and refused,
        is_off=name == "delivery" and settings.delivery.processes == 0,
    )
