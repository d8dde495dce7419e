"""What was sent, promised and removed, from the journals of the load.

| letter                     | then it is                                       |
| -------------------------- | ------------------------------------------------ |
| answered 250               | in each of its places, once, until removed       |
| dotted, no answer seen     | in all of its places or in none (RFC 1047)       |
| answered otherwise         | nowhere                                          |
| begun, never dotted        | nowhere                                          |

| deletions of one QUIT      | then they are                                    |
| -------------------------- | ------------------------------------------------ |
| answered +OK               | gone for good                                    |
| asked, no answer seen      | all gone or all there: the next listing decides  |
| never asked (dropped)      | all there                                        |

A place is a mailbox here, or a copy on its way to an address elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.journal import Line, read_journal
from tests.crash.letters import is_elsewhere


@dataclass(frozen=True, slots=True)
class Answer:
    """A promise on the wire: which octet of which connection carried it."""

    connection: str
    offset: int


@dataclass(slots=True)
class Letter:
    """wishes: each recipient as RCPT named it, and its NOTIFY as typed, or nothing."""

    letter_id: str
    boxes: frozenset[str]
    sender: str = ""
    wishes: Mapping[str, str] = field(default_factory=dict)
    dotted_at_s: float | None = None
    code: int | None = None
    answer: Answer | None = None  # to the final dot, when it was 250

    @property
    def elsewhere(self) -> frozenset[str]:
        return frozenset(who for who in self.wishes if is_elsewhere(who))

    @property
    def places(self) -> frozenset[str]:
        return self.boxes | self.elsewhere

    @property
    def is_refused(self) -> bool:
        return self.code is not None and self.code != 250


@dataclass(slots=True)
class Quit:
    box: str
    uidls: frozenset[str]
    asked_at_s: float
    answer: Answer | None = None
    is_void: bool = False  # a later listing has shown that nothing was removed
    is_done: bool = False  # answered, or shown by a later listing


@dataclass(slots=True)
class Ledger:
    letters: dict[str, Letter] = field(default_factory=dict)
    quits: list[Quit] = field(default_factory=list)
    seen: dict[tuple[str, str], str] = field(default_factory=dict)  # (box, uidl) -> letter
    wrongs: list[str] = field(default_factory=list)

    def removals(self, asked: Quit) -> frozenset[tuple[str, str]]:
        """(box, letter) that this QUIT takes away."""
        return frozenset((asked.box, self.seen[asked.box, uidl]) for uidl in asked.uidls)


def read_ledger(journals: Iterable[Path]) -> Ledger:
    ledger = Ledger()
    for path in journals:
        waiting: dict[str, Quit] = {}
        for line in read_journal(path):
            _read_line(ledger, waiting, line)
    return ledger


def _read_line(ledger: Ledger, waiting: dict[str, Quit], line: Line) -> None:
    match line["e"]:
        case "begun":
            letter_id = line["id"]
            sender, wishes = line.get("from", ""), line.get("wishes", {})
            boxes = frozenset(line["boxes"])
            ledger.letters[letter_id] = Letter(letter_id, boxes, sender, wishes)
        case "dotted":
            ledger.letters[line["id"]].dotted_at_s = line["t"]
        case "answered":
            _note_answer(ledger.letters[line["id"]], line)
        case "seen":
            _note_seen(ledger, line["box"], line["uidl"], line["id"])
        case "listed":
            _settle(ledger, waiting.pop(line["box"], None), frozenset(line["uidls"]))
        case "asked":
            asked = Quit(line["box"], frozenset(line["uidls"]), line["t"])
            waiting[asked.box] = asked
            ledger.quits.append(asked)
        case "removed":
            asked = waiting.pop(line["box"])
            asked.is_done = True
            asked.answer = Answer(line["connection"], line["offset"])
        case "wrong":
            ledger.wrongs.append(line["what"])
        case other:
            raise ValueError(f"journal line {other}")


def _note_answer(letter: Letter, line: Line) -> None:
    letter.code = line["code"]
    if letter.code == 250:
        letter.answer = Answer(line["connection"], line["offset"])


def _note_seen(ledger: Ledger, box: str, uidl: str, letter_id: str) -> None:
    known = ledger.seen.setdefault((box, uidl), letter_id)
    if known != letter_id:
        ledger.wrongs.append(f"{box} {uidl} was {known} and is {letter_id}")


def _settle(ledger: Ledger, asked: Quit | None, listed: frozenset[str]) -> None:
    """A QUIT without an answer: the next listing says what became of it."""
    if asked is None:
        return
    left = asked.uidls & listed
    asked.is_done = not left
    asked.is_void = left == asked.uidls
    if left and not asked.is_void:
        ledger.wrongs.append(
            f"a QUIT in {asked.box} removed {len(asked.uidls - left)} of {len(asked.uidls)}"
        )
