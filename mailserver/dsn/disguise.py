"""A report about a copy that its holder has sent on elsewhere: where to stays the holder's own.

A stranger wrote to an address of ours, and knows no other.  So the report names
that one, and of the server that the copy goes on to only the code of its answer: its
name, its words and ours give the target away, whole or in part.  The holder may let it be
shown (`account forward --show-target`); then the copy has no other name, and nothing changes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from mailserver.queue.reports import BY_OPERATOR
from mailserver.store.ports.queue import Attempt, OwedCopy, OwedReport

_IN_TROUBLE: Final = "no mail is taken there for now"
_CODES: Final = re.compile(r"[2-5][0-9]{2}(?: [245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.]))?")


def disguised(owed: OwedReport) -> OwedReport:
    """The same report, as its reader may see it."""
    if not any(copy.told_as for copy in owed.copies):
        return owed
    return replace(owed, copies=tuple(map(_disguised, owed.copies)))


def _disguised(copy: OwedCopy) -> OwedCopy:
    if not copy.told_as:
        return copy
    return replace(
        copy,
        recipient=copy.told_as,
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
