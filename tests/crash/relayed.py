"""What the servers elsewhere took and refused, and which mail they took twice.

Mail may come twice only where we died before it can have been written down
that the first one was taken (RFC 1047), or where the server hung up without an
answer.  So of any two takings of one copy, in the order in which they began,

    the first one was without an answer, and the server hung up before the second began; or
    an agent was killed that held the connection of the first one, and the second began later:
        before the server had taken it, or so soon behind that it was not on disk yet;
        and nothing that the server took later over that connection was written down instead

The death of an agent's parent, or of the supervisor, is no excuse: the agent lives and writes
down what it knows.
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

SETTLED_WITHIN_S = 5.0
"""From an answer of the server to our commit, on a machine that has other work."""


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

    @property
    def port(self) -> int:
        """Our end of the connection."""
        return int(self.connection.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class End:
    """how: quit, broken (by the client) or hung up (by the server)."""

    at_s: float
    how: str


@dataclass(frozen=True, slots=True)
class Kill:
    """ports: our ends of the connections that it cut."""

    at_s: float
    role: Role
    ports: frozenset[int] = frozenset()

    def has_cut(self, taking: Taking) -> bool:
        """Did it end the agent that held this connection while the mail went over it?"""
        return taking.port in self.ports and taking.begun_at_s <= self.at_s


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
    return [
        Kill(line["t"], Role(line["role"]), frozenset(line["ports"])) for line in read_journal(path)
    ]


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
    """
    causes: duplicates by what led to them: an agent was killed, or the server itself.
    early_count: of those by a kill, how many the server had taken before it.
    longest_s: from the server's journal to that kill; an answer that we can have known.
    """

    causes: Counter[str] = field(default_factory=Counter)
    early_count: int = 0
    longest_s: float = 0.0
    breaches: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pair:
    """The same mail twice, in the order in which the transactions began."""

    taking: Taking
    later: Taking

    def __str__(self) -> str:
        return f"{self.taking.key} came to {self.taking.recipient} again"


def judge_doubles(relayed: Relayed, kills: Iterable[Kill]) -> Doubles:
    doubles = Doubles()
    deaths = [kill for kill in kills if kill.role is Role.AGENT]
    pairs = _pairs(relayed.takings)
    for pair in pairs:
        _judge_pair(pair, relayed.ends, deaths, doubles)
    doubles.breaches += _judge_order(relayed.takings, pairs)
    return doubles


def _pairs(takings: Iterable[Taking]) -> list[Pair]:
    groups: dict[tuple[str, str], list[Taking]] = defaultdict(list)
    for taking in sorted(takings, key=lambda taking: taking.begun_at_s):
        groups[taking.recipient, taking.key].append(taking)
    return [Pair(*both) for same in groups.values() for both in pairwise(same)]


def _judge_pair(
    pair: Pair, ends: Mapping[str, End], deaths: Sequence[Kill], doubles: Doubles
) -> None:
    end = ends.get(pair.taking.connection)
    if end is None:
        doubles.breaches.append(f"{pair}, though its connection did not end")
    elif end.how == "hung up" and not pair.taking.answers:
        doubles.causes["the server hung up"] += 1
        if pair.later.begun_at_s < pair.taking.taken_at_s:
            doubles.breaches.append(f"{pair}, before the server hung up on it")
    else:
        _judge_killed(pair, end, deaths, doubles)


def _judge_killed(pair: Pair, end: End, deaths: Sequence[Kill], doubles: Doubles) -> None:
    """A death before the next try, that can have kept us from writing it down."""
    taking, latest_s = pair.taking, pair.later.begun_at_s
    if end.how == "broken":
        suspects = [k for k in deaths if k.has_cut(taking) and k.at_s <= end.at_s]
    else:  # that connection ended before; who had held it is not known any more
        suspects = [k for k in deaths if k.at_s >= taking.taken_at_s]
    suspects = [kill for kill in suspects if kill.at_s <= latest_s]
    if not suspects:
        doubles.breaches.append(f"{pair}, and nobody was killed between")
        return
    death = suspects[0]
    known_s = death.at_s - taking.taken_at_s
    doubles.causes[f"{death.role.value} killed"] += 1
    doubles.early_count += known_s > 0
    doubles.longest_s = max(doubles.longest_s, known_s)
    if known_s > SETTLED_WITHIN_S:
        doubles.breaches.append(f"{pair}, though there was time to write it down")


def _judge_order(takings: Sequence[Taking], pairs: Iterable[Pair]) -> Iterator[str]:
    """An agent writes down what was answered in that order, so the end of it is lost, or nothing.

    takings: in the order of time.
    """
    again = {id(pair.taking): pair for pair in pairs}
    settled_at_s: dict[str, float] = {}  # connection -> the last taking that was written down
    for taking in takings:
        if id(taking) not in again:
            settled_at_s[taking.connection] = taking.taken_at_s
    for taking in takings:
        is_behind = taking.taken_at_s >= settled_at_s.get(taking.connection, 0.0)
        if taking.answers and id(taking) in again and not is_behind:
            yield f"{again[id(taking)]}, though what was taken after it was written down"
