"""What the servers elsewhere took and refused, and which mail they took twice.

Mail may come twice only where a connection broke before the client can have
written down that the first one was taken (RFC 1047): the client was killed, or
the server hung up without an answer.  So of all takings of one copy

    each but one was over a connection that broke, by a kill or by the server
    none began before that kill, or that end, of one before it
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.crash.family import Role
from tests.crash.journal import Line, read_journal
from tests.crash.reports import ReportLine

DELIVERERS = frozenset({Role.AGENT, Role.AGENT_PARENT, Role.SUPERVISOR})
SETTLED_WITHIN_S = 15.0
"""Between an answer of the peer and the commit, where others work too; and back: it reads late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """One copy in one transaction.

    key: the letter, or the Message-ID of a report.
    begun_at_s: when the server read MAIL.
    answers: False: it was taken, and the server hung up.
    """

    key: str
    recipient: str
    notify: str
    begun_at_s: float
    taken_at_s: float
    connection: str
    answers: bool
    reports: tuple[ReportLine, ...]


@dataclass(frozen=True, slots=True)
class End:
    """how: quit, broken (by the client) or hung up (by the server)."""

    at_s: float
    how: str


@dataclass(frozen=True, slots=True)
class Kill:
    at_s: float
    role: Role


@dataclass(slots=True)
class Relayed:
    """takings: in the order of time."""

    takings: list[Taking] = field(default_factory=list)
    refused_at_s: dict[str, float] = field(default_factory=dict)  # for good: recipient -> when
    put_off_count: int = 0
    ends: dict[str, End] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)

    def taken(self, *, until_s: float = float("inf")) -> dict[str, list[Taking]]:
        """recipient -> its takings until then."""
        found: dict[str, list[Taking]] = defaultdict(list)
        for taking in self.takings:
            if taking.taken_at_s <= until_s:
                found[taking.recipient].append(taking)
        return found


def read_relayed(path: Path) -> Relayed:
    relayed = Relayed()
    for line in read_journal(path):
        match line["e"]:
            case "taken":
                relayed.takings += _takings(line)
            case "refused" if line["code"] >= 500:
                for who in line["who"]:
                    relayed.refused_at_s.setdefault(who, line["t"])
            case "refused":
                relayed.put_off_count += 1
            case "ended":
                relayed.ends[line["connection"]] = End(line["t"], line["how"])
            case "wrong":
                relayed.wrongs.append(f"elsewhere: {line['what']}")
            case other:
                raise ValueError(f"journal line {other}")
    relayed.takings.sort(key=lambda taking: taking.taken_at_s)
    return relayed


def read_kills(path: Path) -> list[Kill]:
    return [Kill(line["t"], Role(line["role"])) for line in read_journal(path)]


def _takings(line: Line) -> Iterator[Taking]:
    reports = tuple(ReportLine(*words) for words in line["reports"])
    wishes: Mapping[str, str] = line["who"]
    for who, notify in wishes.items():
        yield Taking(
            key=line["key"],
            recipient=who,
            notify=notify,
            begun_at_s=line["begun"],
            taken_at_s=line["t"],
            connection=line["connection"],
            answers=line["answers"],
            reports=reports,
        )


# --- what came twice --------------------------------------------------------------


@dataclass(slots=True)
class Doubles:
    """causes: duplicates by what led to them: the role that was killed, or the server itself."""

    causes: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)


def judge_doubles(relayed: Relayed, kills: Iterable[Kill]) -> Doubles:
    doubles = Doubles()
    deaths = [kill for kill in kills if kill.role in DELIVERERS]
    groups: dict[tuple[str, str], list[Taking]] = defaultdict(list)
    for taking in relayed.takings:
        groups[taking.recipient, taking.key].append(taking)
    for same in groups.values():
        if len(same) > 1:
            in_turn = sorted(same, key=lambda taking: taking.begun_at_s)
            for taking, later in pairwise(in_turn):
                _judge_pair(Pair(taking, later), relayed.ends, deaths, doubles)
    return doubles


@dataclass(frozen=True, slots=True)
class Pair:
    """The same mail twice, in the order in which the transactions began."""

    taking: Taking
    later: Taking

    def __str__(self) -> str:
        return f"{self.taking.key} came to {self.taking.recipient} again"


def _judge_pair(
    pair: Pair, ends: Mapping[str, End], deaths: Sequence[Kill], doubles: Doubles
) -> None:
    end = ends.get(pair.taking.connection)
    if end is None or end.how == "quit":
        doubles.breaches.append(f"{pair}, though its connection did not break")
    elif end.how == "hung up" and not pair.taking.answers:
        doubles.causes["the server hung up"] += 1
        if pair.later.begun_at_s < pair.taking.taken_at_s:
            doubles.breaches.append(f"{pair}, before the server hung up on it")
    else:
        _judge_killed(pair, end, deaths, doubles)


def _judge_killed(pair: Pair, end: End, deaths: Sequence[Kill], doubles: Doubles) -> None:
    """An agent's death is what broke the connection: before its end, and before the next try."""
    since_s = pair.taking.begun_at_s - SETTLED_WITHIN_S
    latest_s = min(end.at_s, pair.later.begun_at_s)
    before = [kill for kill in deaths if since_s <= kill.at_s <= latest_s]
    if not before:
        doubles.breaches.append(f"{pair}, and nobody was killed between")
        return
    if before[-1].at_s > pair.taking.taken_at_s + SETTLED_WITHIN_S:
        doubles.breaches.append(f"{pair}, though there was time to write it down")
    doubles.causes[f"{before[-1].role.value} killed"] += 1
