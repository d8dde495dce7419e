"""What the store holds against what was promised: pure, one sentence for each breach.

What became of copies for elsewhere, and of reports: `tests.crash.transit`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.crash.ledger import Ledger, Letter

Removal = tuple[str, str]  # (box, letter)
Contents = Mapping[str, Mapping[str, str]]
"""box -> uidl -> letter.  A copy for elsewhere counts as an entry of a box with its address."""


@dataclass(frozen=True, slots=True)
class View:
    """The promises as they stand at one instant.

    doubtful: dotted, not answered.  doubtful_removals: one set for each QUIT
    that was asked and not answered.
    """

    promised: frozenset[str]
    doubtful: frozenset[str]
    removed: frozenset[Removal]
    doubtful_removals: tuple[frozenset[Removal], ...]


def final_view(ledger: Ledger) -> View:
    """When all load has ended."""
    letters = ledger.letters.values()
    return View(
        promised=frozenset(letter.letter_id for letter in letters if letter.answer),
        doubtful=frozenset(
            letter.letter_id
            for letter in letters
            if letter.dotted_at_s is not None and letter.code is None
        ),
        removed=frozenset(r for q in ledger.quits if q.is_done for r in ledger.removals(q)),
        doubtful_removals=tuple(
            ledger.removals(q) for q in ledger.quits if not q.is_done and not q.is_void
        ),
    )


def judge(ledger: Ledger, view: View, contents: Contents) -> list[str]:
    """Every broken promise; none is the wanted answer."""
    present = frozenset(
        (box, letter_id) for box, entries in contents.items() for letter_id in entries.values()
    )
    return [
        *_doubled(contents),
        *_changed_uidls(ledger, contents),
        *_unasked(ledger, view, present),
        *_lost(ledger, view, present),
        *_returned(view, present),
        *_halved(ledger, view, present),
    ]


def _doubled(contents: Contents) -> Iterator[str]:
    for box, entries in contents.items():
        for letter_id, count in Counter(entries.values()).items():
            if count > 1:
                yield f"{letter_id} is {count} times in {box}"


def _changed_uidls(ledger: Ledger, contents: Contents) -> Iterator[str]:
    known = {(box, letter_id): uidl for (box, uidl), letter_id in ledger.seen.items()}
    for box, entries in contents.items():
        for uidl, letter_id in entries.items():
            before = known.get((box, letter_id), uidl)
            if before != uidl:
                yield f"{letter_id} in {box} had the UIDL {before} and has {uidl}"


def _unasked(ledger: Ledger, view: View, present: frozenset[Removal]) -> Iterator[str]:
    for box, letter_id in present:
        letter = ledger.letters.get(letter_id)
        if letter is None or box not in letter.places:
            yield f"{letter_id} is in {box} and was not sent there"
        elif letter_id not in view.promised and letter_id not in view.doubtful:
            yield f"{letter_id} is in {box} and was refused, or its dot was never sent"


def _lost(ledger: Ledger, view: View, present: frozenset[Removal]) -> Iterator[str]:
    excused = _excused(view)
    for letter_id in view.promised:
        for box in ledger.letters[letter_id].places:
            if (box, letter_id) not in present and (box, letter_id) not in excused:
                yield f"{letter_id} was answered 250 and is not in {box}"


def _returned(view: View, present: frozenset[Removal]) -> Iterator[str]:
    for box, letter_id in view.removed & present:
        yield f"{letter_id} was removed from {box} with +OK and is there again"


def _halved(ledger: Ledger, view: View, present: frozenset[Removal]) -> Iterator[str]:
    """What was in doubt must have happened whole or not at all."""
    excused = _excused(view)
    for letter_id in view.doubtful:
        letter: Letter = ledger.letters[letter_id]
        places = {(box, letter_id) for box in letter.places}
        if places & (present | view.removed) and not places <= present | excused:
            missing = sorted(box for box, _ in places - present - excused)
            yield f"{letter_id} had no answer and is only in some mailboxes, not in {missing}"
    for removals in view.doubtful_removals:
        if removals & present and not removals <= present:
            yield f"a QUIT without an answer removed {len(removals - present)} of {len(removals)}"


def _excused(view: View) -> frozenset[Removal]:
    """What may be absent because somebody asked for it."""
    return view.removed.union(*view.doubtful_removals)
