"""One crash test: a service, load on it, servers elsewhere, kills, and the reckoning at the end."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mailserver.queue.copies import CopyState
from tests.crash.collector import CollectorPlan
from tests.crash.contents import count_unsettled, read_stored
from tests.crash.family import Member, Role
from tests.crash.house import PASSWORD, House, build_house, free_ports
from tests.crash.inspection import inspect_boxes
from tests.crash.journal import Journal
from tests.crash.ledger import Ledger, read_ledger
from tests.crash.letters import is_elsewhere, read_letter
from tests.crash.programs import running
from tests.crash.relayed import Doubles, Relayed, judge_doubles, read_kills, read_relayed
from tests.crash.reports import read_report
from tests.crash.sender import SenderPlan
from tests.crash.service import CrashedService
from tests.crash.transit import Stored, judge_rest, judge_transit, judge_wishes
from tests.crash.verdict import final_view, judge

BOXES = tuple(f"b{n}" for n in range(8))
SENDERS = tuple(f"s{n}" for n in range(12))
COLLECTOR_THREADS = tuple((box,) for box in BOXES)
PROCESSES = 2
PACE_S = 0.003
ELSEWHERE_PART = 0.4
WEIGHTS = {
    Role.WORKER: 6,
    Role.FORK_SERVER: 2,
    Role.DOOR_PARENT: 2,
    Role.KEEPER: 2,
    Role.SUPERVISOR: 3,
    Role.AGENT: 8,
    Role.AGENT_PARENT: 2,
}
"""Supervisors often: only a new one forgets how often its children died lately."""
PROGRESS_WITHIN_S = 90.0
DELIVERERS = frozenset({Role.AGENT, Role.AGENT_PARENT, Role.FORK_SERVER, Role.SUPERVISOR})
HASTE = 0.2
"""Part of the kills that do not wait until the service has recovered from the one before."""
LONGEST_PAUSE_S = 0.4
LOOK_S = 0.02
AIMED = 0.7
"""Part of the kills of who delivers that wait for mail to be taken elsewhere, and strike then."""
AIM_WITHIN_S = 1.0
AIM_LOOK_S = 0.001
REST_WITHIN_S = 120.0
"""For everything to leave or come back, when nobody is killed any more."""
MAX_TOLD = 20


class NoProgress(Exception):
    """The service does not accept mail again after a kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPlan:
    """kill_count: 0 kills until `duration_s` has passed."""

    seed: int
    kill_count: int = 0
    duration_s: float = 30.0


@dataclass(slots=True)
class Report:
    kills: Counter[str] = field(default_factory=Counter)
    cut_count: int = 0
    promised_count: int = 0
    unanswered_count: int = 0
    refused_count: int = 0
    entry_count: int = 0
    removal_count: int = 0
    quit_count: int = 0
    unanswered_quit_count: int = 0
    relayed_count: int = 0
    returned_count: int = 0
    put_off_count: int = 0
    report_count: int = 0
    report_elsewhere_count: int = 0
    doubles: Doubles = field(default_factory=Doubles)
    longest_orphan_s: float = 0.0
    breaches: list[str] = field(default_factory=list)


def crash(plan: CrashPlan, folder: Path, *, on_kill: Callable[[], None]) -> Report:
    """
    folder: empty, on a local disk; left with the journals and the service's log.

    Raises:
        NoProgress, Orphans, Locked, NotALetter, Unreadable: see there.
    """
    names = (*SENDERS, *BOXES)
    report = Report()
    with running_elsewhere(folder, plan.seed) as elsewhere:
        house = build_house(
            folder / "house",
            names=names,
            ports=free_ports(),
            processes=PROCESSES,
            agents=PROCESSES,
            elsewhere=elsewhere,
        )
        over_pop3 = _live(plan, folder, house, report, on_kill)
    ledger = read_ledger([folder / "sent", folder / "collected"])
    relayed = read_relayed(folder / "elsewhere")
    stored = read_stored(house.store_folder, BOXES, SENDERS)
    if (stored.contents, stored.reports) != (over_pop3.contents, over_pop3.reports):
        report.breaches.append("the store and POP3 show different mailboxes")
    _judge(report, ledger, stored, relayed, folder)
    _count(report, ledger, stored, relayed)
    return report


def _live(
    plan: CrashPlan, folder: Path, house: House, report: Report, on_kill: Callable[[], None]
) -> Stored:
    """Load and kills; what the mailboxes show over POP3 after a clean start."""
    pop3_port = house.ports["pop3"]
    with closing(CrashedService(house)) as service:
        with _load(folder, house, plan.seed) as (sent, _):
            killer = Killer(service, folder, random.Random(plan.seed), report)
            killer.run(plan, on_kill)
            killer.wait_for_progress(since=_size(sent))
        _stop(service, report)
        service.start_again()
        wait_for_rest(house)
        contents = inspect_boxes(pop3_port, BOXES, PASSWORD, read_letter)
        reports = inspect_boxes(pop3_port, SENDERS, PASSWORD, read_report)
        _stop(service, report)
        report.longest_orphan_s = service.longest_orphan_s
    queued, owed, agents = count_unsettled(house.store_folder)
    if queued or owed or agents:
        report.breaches.append(
            f"at the end {queued} copies are queued, {owed} reports owed, {agents} agents there"
        )
    return Stored(contents=contents, reports=reports)


def _stop(service: CrashedService, report: Report) -> None:
    if service.stop() != 0:
        report.breaches.append("the service did not end cleanly on SIGTERM")


def wait_for_rest(house: House) -> None:
    """Until nothing waits and nothing is owed; what stays too long is told by `judge_rest`."""
    until_s = time.monotonic() + REST_WITHIN_S
    while any(count_unsettled(house.store_folder)[:2]) and time.monotonic() < until_s:
        time.sleep(10 * LOOK_S)


def _judge(report: Report, ledger: Ledger, stored: Stored, relayed: Relayed, folder: Path) -> None:
    view = final_view(ledger)
    doubles = judge_doubles(relayed, read_kills(folder / "killed"))
    report.doubles = doubles
    report.breaches += [
        *ledger.wrongs,
        *relayed.wrongs,
        *judge(ledger, view, stored.places()),
        *judge_transit(ledger, view, stored, relayed, until_s=float("inf")),
        *judge_rest(stored),
        *judge_wishes(ledger, relayed),
        *doubles.breaches,
    ]


class Killer:
    def __init__(
        self, service: CrashedService, folder: Path, chance: random.Random, report: Report
    ) -> None:
        self._service = service
        self._sent = folder / "sent"
        self._elsewhere = folder / "elsewhere"
        self._journal = Journal(folder / "killed")
        self._chance = chance
        self._report = report

    def run(self, plan: CrashPlan, on_kill: Callable[[], None]) -> None:
        until_s = time.monotonic() + plan.duration_s
        self.wait_for_progress(since=0)
        while self._is_wanted(plan, until_s):
            time.sleep(self._chance.uniform(0, LONGEST_PAUSE_S))
            member = self._choose(self._service.family())
            if member.role in DELIVERERS and self._chance.random() < AIMED:
                self._wait_for_taking()
            self._kill(member)
            size = _size(self._sent)
            on_kill()
            if self._chance.random() >= HASTE:
                self.wait_for_progress(since=size)

    def _kill(self, member: Member) -> None:
        ports = self._service.freeze(member)
        self._journal.note("killed", role=member.role.value, pid=member.pid, ports=ports)
        self._service.kill(member)
        self._report.kills[member.role.value] += 1
        self._report.cut_count += len(ports) if member.role is Role.AGENT else 0

    def wait_for_progress(self, *, since: int) -> None:
        """Until a letter that was begun behind this size of the journal is answered 250.

        Raises:
            NoProgress: not for a long time, or the supervisor ended by itself.
        """
        until_s = time.monotonic() + PROGRESS_WITHIN_S
        while not self._has_accepted(since):
            if time.monotonic() > until_s or not self._service.is_running():
                raise NoProgress(f"see the log: {self._service.log_file}")
            time.sleep(LOOK_S)

    def _wait_for_taking(self) -> None:
        """Until a server elsewhere writes that it has taken mail, or refused some."""
        until_s = time.monotonic() + AIM_WITHIN_S
        size = _size(self._elsewhere)
        while _size(self._elsewhere) == size and time.monotonic() < until_s:
            time.sleep(AIM_LOOK_S)

    def _is_wanted(self, plan: CrashPlan, until_s: float) -> bool:
        if plan.kill_count:
            return self._report.kills.total() < plan.kill_count
        return time.monotonic() < until_s

    def _choose(self, family: list[Member]) -> Member:
        """The first one is an agent, so that even a short run has one."""
        agents = [member for member in family if member.role is Role.AGENT]
        if agents and not self._report.kills[Role.AGENT.value]:
            return self._chance.choice(agents)
        weights = [WEIGHTS[member.role] / _like(member, family) for member in family]
        return self._chance.choices(family, weights)[0]

    def _has_accepted(self, since: int) -> bool:
        """Was a letter begun and answered 250 behind this size of the journal?"""
        if not self._sent.exists():
            return False
        with open(self._sent, "rb") as journal:
            journal.seek(since)
            lines = [json.loads(line) for line in journal if line.endswith(b"\n")]
        begun = {line["id"] for line in lines if line["e"] == "begun"}
        return any(line.get("code") == 250 and line["id"] in begun for line in lines)


def _like(member: Member, family: list[Member]) -> int:
    return sum(other.role is member.role for other in family)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def running_elsewhere(folder: Path, seed: int) -> Iterator[dict[str, int]]:
    """The servers elsewhere: domain -> port."""
    command = (sys.executable, "-m", "tests.crash.peer", str(folder / "elsewhere"), str(seed))
    with running(command, has_output=True) as peer:
        assert peer.stdout is not None, "it was asked for"
        yield json.loads(peer.stdout.readline())


@contextmanager
def _load(folder: Path, house: House, seed: int) -> Iterator[tuple[Path, Path]]:
    """Senders and collectors, until the block ends; their journals."""
    sending = SenderPlan(
        mx_port=house.ports["mx"],
        submission_port=house.ports["submission"],
        password=PASSWORD,
        names=SENDERS,
        boxes=BOXES,
        seed=seed,
        letter_count=0,
        large=0.05,
        trouble=0.15,
        pace_s=PACE_S,
        elsewhere=ELSEWHERE_PART,
    )
    collecting = CollectorPlan(
        pop3_port=house.ports["pop3"],
        password=PASSWORD,
        threads=COLLECTOR_THREADS,
        seed=seed,
        session_count=0,
        delete=0.5,
    )
    sent, collected = folder / "sent", folder / "collected"
    (folder / "sending.json").write_text(json.dumps(asdict(sending)), "utf-8")
    (folder / "collecting.json").write_text(json.dumps(asdict(collecting)), "utf-8")
    program = (sys.executable, "-m")
    with (
        running((*program, "tests.crash.sender", str(sent), str(folder / "sending.json"))),
        running(
            (*program, "tests.crash.collector", str(collected), str(folder / "collecting.json"))
        ),
    ):
        yield sent, collected


def _count(report: Report, ledger: Ledger, stored: Stored, relayed: Relayed) -> None:
    letters = ledger.letters.values()
    report.promised_count = sum(letter.answer is not None for letter in letters)
    report.refused_count = sum(letter.is_refused for letter in letters)
    report.unanswered_count = sum(
        letter.dotted_at_s is not None and letter.code is None for letter in letters
    )
    report.entry_count = sum(map(len, stored.contents.values()))
    states = Counter(copy.state for copy in stored.copies if is_elsewhere(copy.recipient))
    report.relayed_count = states[CopyState.RELAYED]
    report.returned_count = states[CopyState.RETURNED]
    report.put_off_count = relayed.put_off_count
    report.report_count = sum(map(len, stored.reports.values()))
    report.report_elsewhere_count = len({t.key for t in relayed.takings if t.reports})
    report.quit_count = len(ledger.quits)
    report.unanswered_quit_count = sum(asked.answer is None for asked in ledger.quits)
    report.removal_count = sum(len(asked.uidls) for asked in ledger.quits if asked.is_done)


def sentences(report: Report) -> Iterator[str]:
    """The report, for eyes."""
    kills = ", ".join(f"{count} {role}" for role, count in report.kills.most_common())
    yield f"{report.kills.total()} kills: {kills}"
    yield (
        f"{report.promised_count} messages answered 250, {report.refused_count} refused,"
        f" {report.unanswered_count} left without an answer"
    )
    yield (
        f"{report.quit_count} QUITs with deletions, {report.unanswered_quit_count} of them left"
        f" without an answer, {report.removal_count} entries removed, {report.entry_count} there"
    )
    yield (
        f"elsewhere: {report.relayed_count} copies relayed, {report.returned_count} returned,"
        f" {report.put_off_count} times put off by the servers there; agents that were killed had"
        f" {report.cut_count} connections open"
    )
    yield (
        f"{report.report_count} reports in senders' mailboxes,"
        f" {report.report_elsewhere_count} taken elsewhere"
    )
    yield from _sentences_of(report.doubles)
    yield f"after its supervisor, the last process lived {report.longest_orphan_s:.1f} s at most"
    yield f"{len(report.breaches)} broken promises"
    yield from report.breaches[:MAX_TOLD]


def _sentences_of(doubles: Doubles) -> Iterator[str]:
    causes = ", ".join(f"{count} {cause}" for cause, count in doubles.causes.most_common())
    yield f"{doubles.causes.total()} copies came elsewhere once more: {causes or 'none'}"
    yield (
        f"{doubles.early_count} of them had been taken before the kill,"
        f" {doubles.longest_s * 1000:.0f} ms before it at most"
    )
