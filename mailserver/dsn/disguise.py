"""A report about a copy that its holder has sent on elsewhere: where to stays the holder's own.

A stranger wrote to an address of ours, and knows no other.  So the report names
that one, and of the server that the copy goes on to only the code of its answer: its
name, its words and ours give the target away, whole or in part.  The holder may let it be
shown (`account forward --show-target`); then the copy has no other name, and nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from mailserver.queue.reports import BY_OPERATOR, REPORT_COPIES
from mailserver.store.ports.queue import Attempt, OwedCopy, OwedReport
from mailserver.values.message import BETWEEN_NAMES

_IN_TROUBLE: Final = "no mail is taken there for now"
_CODES: Final = re.compile(r"[2-5][0-9]{2}(?: [245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.]))?")


def disguised(owed: OwedReport) -> OwedReport:
    """The same report, as its reader may see it."""
    if not any(copy.told_as for copy in owed.copies):
        return owed
    lines = (line for copy in owed.copies for line in _disguised(copy))
    return replace(owed, copies=tuple(islice(lines, REPORT_COPIES)))


def _disguised(copy: OwedCopy) -> Iterator[OwedCopy]:
    """One line for each address that it was sent to; ORCPT is the first one's."""
    if not copy.told_as:
        yield copy
        return
    first, *others = copy.told_as.split(BETWEEN_NAMES)
    yield _named(copy, first)
    for name in others:
        yield replace(_named(copy, name), original_recipient="")


def _named(copy: OwedCopy, name: str) -> OwedCopy:
    return replace(
        copy,
        recipient=name,
        told_as=name,
        attempt=_bare(copy.attempt),
        before=_bare(copy.before),
        hop_error=_IN_TROUBLE if copy.hop_error else "",
    )


def _bare(attempt: Attempt | None) -> Attempt | None:
    """When, how it ended, and the bare codes; whose words they are, and what they say, is gone.

    What a person of ours decided and gave as the reason is meant for the sender, and stays.
    """
    if attempt is None or attempt.phase == BY_OPERATOR:
        return attempt
    found = _CODES.match(attempt.words)
    words = "" if found is None else found[0]
    return Attempt(at_s=attempt.at_s, status=attempt.status, words=words, phase=attempt.phase)
