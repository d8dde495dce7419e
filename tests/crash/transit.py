"""What became of each copy, and of each report that it owed: pure, one sentence for each breach.

| a copy for elsewhere is | then                                                        |
| ----------------------- | ----------------------------------------------------------- |
| queued                  | no dead agent holds it, and its destination is due in time  |
| relayed                 | the server elsewhere has it, octet for octet                |
| returned                | the server elsewhere refused it for good, and never took it |

| what a final copy owes  | to whom                                                     |
| ----------------------- | ----------------------------------------------------------- |
| failed: returned        | a sender, unless NOTIFY=NEVER or without FAILURE            |
| relayed                 | a sender who wants to hear of success, where no DSN goes on |
| delivered: deposited    | a sender who wants to hear of success                       |

Whatever is owed is owed still, or was told exactly once; nothing else is told.
A report to elsewhere tells nobody before it arrives: until it is relayed, or
when nobody is there who takes it, its sender need not have heard.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailserver.queue.copies import CopyState
from tests.crash.ledger import Ledger
from tests.crash.letters import DOMAIN, ELSEWHERE_WITH_DSN, is_elsewhere
from tests.crash.relayed import Relayed, Taking
from tests.crash.reports import ReportLine, ReportRead
from tests.crash.verdict import Contents, View

Takings = Mapping[str, Sequence[Taking]]
_ACTIONS = {
    CopyState.RETURNED: ("failed", "FAILURE"),
    CopyState.RELAYED: ("relayed", "SUCCESS"),
    CopyState.DEPOSITED: ("delivered", "SUCCESS"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCopy:
    """
    letter_id: of the message's ENVID; of a report, empty.
    can_go_on: it is in the queue, nobody holds it, and agents will look for it when it is due.
    owes: actions that are owed still.
    """

    letter_id: str
    recipient: str
    state: CopyState
    can_go_on: bool
    owes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a store knows, read by the store itself.

    reports: name of a sender -> UIDL -> the report in its mailbox.
    """

    contents: Contents
    reports: Mapping[str, Mapping[str, ReportRead]] = field(default_factory=dict)
    copies: Sequence[StoredCopy] = ()

    def places(self) -> Contents:
        """Mailboxes, and each recipient elsewhere as a mailbox with the copies for it."""
        travelling: dict[str, dict[str, str]] = defaultdict(dict)
        for number, copy in enumerate(self.copies):
            if copy.letter_id and is_elsewhere(copy.recipient):
                travelling[copy.recipient][f"copy {number}"] = copy.letter_id
        return {**self.contents, **travelling}


def judge_transit(
    ledger: Ledger, view: View, stored: Stored, relayed: Relayed, *, until_s: float
) -> list[str]:
    """until_s: the moment that is asked about; what servers elsewhere did later is left out."""
    taken = relayed.taken(until_s=until_s)
    travelling = [copy for copy in stored.copies if is_elsewhere(copy.recipient)]
    known = {copy.recipient for copy in stored.copies}
    return [
        *_strayed(ledger, view, taken),
        *(f"{who} was sent to and is not known here" for who in taken if who not in known),
        *_unwritten(ledger, view, stored),
        *(breach for copy in travelling for breach in _judge_state(copy, taken, relayed, until_s)),
        *_swallowed(stored, taken),
        *_judge_reports(ledger, stored, relayed, until_s),
    ]


def again_count(stored: Stored, relayed: Relayed, *, until_s: float) -> int:
    """Copies that a server elsewhere has and that wait here still: they will be sent again."""
    taken = relayed.taken(until_s=until_s)
    return sum(copy.can_go_on and copy.recipient in taken for copy in stored.copies)


def judge_rest(stored: Stored) -> Iterator[str]:
    """When everything had its time: nothing waits, nothing is owed."""
    for copy in stored.copies:
        if not copy.state.is_final:
            yield f"the copy of {copy.letter_id or 'a report'} for {copy.recipient} waits still"
        for action in copy.owes:
            yield f"that {copy.letter_id} was {action} for {copy.recipient} is owed still"


def _strayed(ledger: Ledger, view: View, taken: Takings) -> Iterator[str]:
    """Mail that left and was not accepted here, or not for that recipient."""
    accepted = view.promised | view.doubtful
    for who, takings in taken.items():
        for taking in takings:
            about = {line.letter_id for line in taking.reports} or {taking.key}
            letters = [ledger.letters[one] for one in about & accepted]
            wanted = {letter.sender for letter in letters} if taking.reports else set()
            if not taking.reports and letters:
                wanted = set(letters[0].wishes)
            if len(letters) < len(about) or who not in wanted:
                yield f"{taking.key} went to {who} and was never accepted for it"


def _unwritten(ledger: Ledger, view: View, stored: Stored) -> Iterator[str]:
    """Here too each recipient has a copy, which says what is owed."""
    written = {(copy.letter_id, copy.recipient) for copy in stored.copies}
    for letter_id in view.promised:
        for who in ledger.letters[letter_id].wishes:
            if (letter_id, who) not in written:
                yield f"{letter_id} was answered 250 and has no copy for {who}"


def _judge_state(
    copy: StoredCopy, taken: Takings, relayed: Relayed, until_s: float
) -> Iterator[str]:
    what = f"the copy of {copy.letter_id or 'a report'} for {copy.recipient}"
    refused_at_s = relayed.refused_at_s.get(copy.recipient)
    match copy.state:
        case CopyState.QUEUED:
            if not copy.can_go_on:
                yield f"{what} is queued and nobody will ever lease it"
        case CopyState.RELAYED:
            if not any(_is_of(taking, copy) for taking in taken.get(copy.recipient, ())):
                yield f"{what} is relayed and no server has it"
        case CopyState.RETURNED:
            if refused_at_s is None or refused_at_s > until_s:
                yield f"{what} is returned and no server refused it"
            if copy.recipient in taken:
                yield f"{what} is returned and a server has it"
        case other:
            yield f"{what} is {other.name}"


def _is_of(taking: Taking, copy: StoredCopy) -> bool:
    """A report in the store does not say here which it is."""
    return taking.key == copy.letter_id if copy.letter_id else bool(taking.reports)


def _swallowed(stored: Stored, taken: Takings) -> Iterator[str]:
    """Of several reports to one sender, each that is relayed has arrived."""
    relayed = Counter(
        copy.recipient
        for copy in stored.copies
        if not copy.letter_id and copy.state is CopyState.RELAYED
    )
    for who, count in relayed.items():
        arrived = {taking.key for taking in taken.get(who, ()) if taking.reports}
        if is_elsewhere(who) and len(arrived) < count:
            yield f"{count} reports to {who} are relayed, and {len(arrived)} arrived"


# --- reports ------------------------------------------------------------------------


def _judge_reports(
    ledger: Ledger, stored: Stored, relayed: Relayed, until_s: float
) -> Iterator[str]:
    told = Counter(_told(stored, relayed, until_s))
    owed = Counter(
        ReportLine(copy.letter_id, copy.recipient, action)
        for copy in stored.copies
        for action in copy.owes
    )
    wanted = dict(_wanted(ledger, stored))
    unheard = {
        copy.recipient
        for copy in stored.copies
        if not copy.letter_id and copy.state is not CopyState.RELAYED
    }
    for line, sender in wanted.items():
        count = told[line] + owed[line]
        if count > 1:
            yield f"told {told[line]} times and owed {owed[line]} times: {line}"
        elif not count and not (is_elsewhere(sender) and sender in unheard):
            yield f"neither told nor owed: {line}"
    for line in (told + owed).keys() - wanted.keys():
        yield f"told or owed, and nobody asked for it: {line}"
    yield from _judge_readers(ledger, stored)


def _judge_readers(ledger: Ledger, stored: Stored) -> Iterator[str]:
    """Each report is in the mailbox of the sender of what it is about."""
    for name, entries in stored.reports.items():
        for report in entries.values():
            for line in report.lines:
                letter = ledger.letters.get(line.letter_id)
                if letter is None or letter.sender != f"{name}@{DOMAIN}":
                    yield f"{name} was told what is not theirs: {line}"


def _told(stored: Stored, relayed: Relayed, until_s: float) -> Iterator[ReportLine]:
    """Here, and elsewhere: there each report once, however often it came."""
    for entries in stored.reports.values():
        for report in entries.values():
            yield from report.lines
    elsewhere = {
        (taking.recipient, taking.key): taking.reports
        for takings in relayed.taken(until_s=until_s).values()
        for taking in takings
    }
    for lines in elsewhere.values():
        yield from lines


def _wanted(ledger: Ledger, stored: Stored) -> Iterator[tuple[ReportLine, str]]:
    """What senders must hear, and who they are."""
    for copy in stored.copies:
        letter = ledger.letters.get(copy.letter_id)
        if letter is None or copy.state not in _ACTIONS or not letter.sender:
            continue
        action, wish = _ACTIONS[copy.state]
        notify = letter.wishes.get(copy.recipient, "") or "FAILURE,DELAY"
        goes_on = action == "relayed" and copy.recipient.endswith(f"@{ELSEWHERE_WITH_DSN}")
        if wish in notify.split(",") and not goes_on:
            yield ReportLine(copy.letter_id, copy.recipient, action), letter.sender


def judge_wishes(ledger: Ledger, relayed: Relayed) -> Iterator[str]:
    """A server with DSN hears what the sender wants to be told (RFC 3461 §5.2.1)."""
    for taking in relayed.takings:
        letter = ledger.letters.get(taking.key)
        if letter is None or not taking.recipient.endswith(f"@{ELSEWHERE_WITH_DSN}"):
            continue
        wished = letter.wishes.get(taking.recipient, "")
        if set(taking.notify.split(",")) != set(wished.split(",")):
            yield f"{taking.recipient} was handed on with NOTIFY={taking.notify}, not {wished}"
