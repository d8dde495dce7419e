"""Journeys in words, for people, and as JSON, for programs.

What peers said is escaped for people and stands as it is in JSON, which
escapes it in its own way.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mailserver.cli.moments import clock, iso, until
from mailserver.values.text.escaping import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailserver.queue.copies import CopyState
    from mailserver.store.ports.history import CopyStep, Journey, PastAttempt, Waiting
    from mailserver.store.ports.mail import RemovedBy

COPIES_SHOWN = 50
"""Of one message, to people; programs get all."""

# --- for people ------------------------------------------------------------------


def journey_lines(journey: Journey) -> Iterator[str]:
    """One block: how it came, then each copy's story."""
    from mailserver.values.ids import accept_id_text

    yield f"{accept_id_text(journey.accept_id)}  {shown(journey.header_id)}".rstrip()
    yield f"  {clock(journey.accepted_at_s)}  {_origin(journey)}"
    yield f"{' ' * 24}{_way_in(journey)}, {journey.body_octets} octets"
    for copy in journey.copies[:COPIES_SHOWN]:
        yield f"  :{copy.copy_no} to {shown(copy.recipient)}"
        yield from copy_lines(copy)
    rest = journey.copies[COPIES_SHOWN:]
    if rest:
        states = Counter(copy.state.name.lower() for copy in rest)
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        yield f"  and {len(rest)} more ({told}); --json tells all"


def copy_lines(copy: CopyStep) -> Iterator[str]:
    """A line for each thing that happened, in the order of time, then why it waits."""
    events = [(one.attempt.at_s, attempt_words(one)) for one in copy.attempts]
    if copy.settled_at_s is not None and not _is_told(copy):
        events.append((copy.settled_at_s, _settled_words(copy)))
    for one in copy.collections:
        told = f"collected by {copy.owner} [{one.peer}] over {one.door}"
        events.append((one.at_s, told))
    if copy.removed_at_s is not None:
        events.append((copy.removed_at_s, _removed_words(copy.removed_by)))
    for at_s, told in sorted(events, key=lambda event: event[0]):
        yield f"    {clock(at_s)}  {told}"
    if copy.waiting is not None:
        yield f"    {waiting_words(copy.waiting)}"
    for kind in copy.owed:
        yield f"    the sender will be told: {kind.name.lower()}"


def _removed_words(by: RemovedBy | None) -> str:
    if by is None:
        return "removed from the mailbox"
    who = f" by {by.by_whom}" if by.by_whom else ""
    return f"removed from the mailbox{who} over {by.door} [{by.peer}]"


def attempt_words(past: PastAttempt) -> str:
    """`deferred by mx.example.org [192.0.2.9]:25, TLSv1.3: 450 4.2.0 greylisted`."""
    attempt = past.attempt
    if not attempt.status:
        return shown(attempt.words)  # what a person did, not a try
    word = _outcome_word(past.outcome)
    where = " ".join(part for part in (attempt.host, attempt.address) if part)
    by = f" by {where}" if where else ""
    over = f", {attempt.tls}" if attempt.tls else ""
    status = "" if attempt.status in attempt.words else f"{attempt.status} "
    return f"{word}{shown(by)}{shown(over)}: {shown(status)}{shown(attempt.words)}"


def waiting_words(waiting: Waiting) -> str:
    """Why a copy is still here, and what comes next."""
    from mailserver.store.ports.queue import Lane

    hop = shown(waiting.next_hop)
    if waiting.lane is Lane.HELD:
        return f"held: {shown(waiting.reason) or 'no reason given'}"
    if waiting.lane is Lane.LEASED:
        return f"on its way to {hop} at this moment"
    if waiting.suspended_until_s is not None:
        return f"waits for {hop}, which is suspended {until(waiting.suspended_until_s)}"
    is_first = waiting.lane is Lane.FIRST  # then it waits for its turn, and no time is set
    at_s = max(0 if is_first else waiting.due_at_s, waiting.hop_not_before_s)
    why = f"; {hop} fails: {shown(waiting.hop_error)}" if waiting.hop_not_before_s else ""
    return f"waits for {hop}, {f'next try {clock(at_s)}' if at_s else 'first try is next'}{why}"


def _origin(journey: Journey) -> str:
    sender = f"<{shown(journey.reverse_path)}>"
    if _is_made_here(journey):
        return f"made by this service, from {sender}"
    who = journey.submitter or "a stranger"
    by = f", signed in by {journey.holder}," if journey.holder else ""
    return f"accepted from {who}{by} {sender} [{shown(journey.peer)}]"


def _way_in(journey: Journey) -> str:
    if _is_made_here(journey):
        return f"by {journey.door}"
    return f"on {journey.door}, {journey.tls or 'no TLS'}"


def _is_made_here(journey: Journey) -> bool:
    """A report, a notice, a post to a list's members: nobody brought it."""
    return not journey.peer


def _is_told(copy: CopyStep) -> bool:
    """The last attempt led to this state, and its line says it better."""
    return bool(copy.attempts) and copy.attempts[-1].outcome is copy.state


def _settled_words(copy: CopyStep) -> str:
    word = _outcome_word(copy.state)
    if copy.mailbox_id is None:
        return word
    where = f"{copy.owner} {copy.mailbox}" if copy.owner else "a mailbox that is gone"
    return f"{word} in {where}, uid {copy.uid}"


def _outcome_word(state: CopyState) -> str:
    return "deferred" if state.name == "QUEUED" else state.name.lower()


# --- for programs ------------------------------------------------------------------


def journey_facts(journey: Journey) -> dict[str, Any]:
    from mailserver.values.ids import accept_id_text

    return {
        "id": accept_id_text(journey.accept_id),
        "message_id": journey.header_id,
        "accepted_at": iso(journey.accepted_at_s),
        "account": journey.submitter,
        "by": journey.holder,
        "sender": journey.reverse_path,
        "listener": journey.door,
        "peer": journey.peer,
        "tls": journey.tls,
        "octets": journey.body_octets,
        "copies": [_copy_facts(copy) for copy in journey.copies],
    }


def _copy_facts(copy: CopyStep) -> dict[str, Any]:
    return {
        "copy": copy.copy_no,
        "recipient": copy.recipient,
        "state": "held" if _is_held(copy) else copy.state.name.lower(),
        "settled_at": iso(copy.settled_at_s),
        "owner": copy.owner,
        "mailbox": copy.mailbox,
        "uid": copy.uid,
        "removed_at": iso(copy.removed_at_s),
        "removed_by": None
        if copy.removed_by is None
        else {
            "listener": copy.removed_by.door,
            "peer": copy.removed_by.peer,
            "by": copy.removed_by.by_whom or None,
        },
        "attempts": [_attempt_facts(one) for one in copy.attempts],
        "collected": [
            {"at": iso(one.at_s), "listener": one.door, "peer": one.peer}
            for one in copy.collections
        ],
        "waiting": None if copy.waiting is None else _waiting_facts(copy.waiting),
        "owed_reports": [kind.name.lower() for kind in copy.owed],
    }


def _is_held(copy: CopyStep) -> bool:
    return copy.waiting is not None and copy.waiting.lane.name == "HELD"


def _attempt_facts(past: PastAttempt) -> dict[str, Any]:
    attempt = past.attempt
    return {
        "at": iso(attempt.at_s),
        "led_to": past.outcome.name.lower(),
        "host": attempt.host,
        "address": attempt.address,
        "tls": attempt.tls,
        "status": attempt.status,
        "words": attempt.words,
    }


def _waiting_facts(waiting: Waiting) -> dict[str, Any]:
    return {
        "lane": waiting.lane.name.lower(),
        "destination": waiting.next_hop,
        "due_at": iso(waiting.due_at_s),
        "attempt_count": waiting.attempt_count,
        "reason": waiting.reason,
        "destination_not_before": iso(waiting.hop_not_before_s or None),
        "destination_error": waiting.hop_error,
        "suspended": waiting.suspended_until_s is not None,
        "suspended_until": iso(waiting.suspended_until_s),
    }
