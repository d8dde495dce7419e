"""Does the kernel allow what the settings allow: descriptors?"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Final

from mailserver.settings.check.finding import Finding, warning
from mailserver.settings.model import Settings

OWN_DESCRIPTORS: Final = 64
"""Of a worker itself: database, listeners, pipes, and a few to spare."""
_WAYS_OUT: Final = "allow more (LimitNOFILE= of systemd, `ulimit -Hn`, --ulimit nofile= of Docker)"


def connections_for(descriptor_count: int) -> int:
    """How many connections a worker may have: each may need a file for its message too."""
    return max(1, (descriptor_count - OWN_DESCRIPTORS) // 2)


def descriptors_allowed() -> int | None:
    """Of one process, as much as it can ask for; None: no limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def check_descriptors(settings: Settings) -> Iterator[Finding]:
    """What of `max_connections` can never be reached."""
    allowed = descriptors_allowed()
    if allowed is None:
        return
    possible = connections_for(allowed)
    for key, wanted in (
        ("smtp.max_connections", settings.smtp.max_connections),
        ("pop3.max_connections", settings.pop3.max_connections),
    ):
        if wanted > possible:
            yield warning(
                key,
                f"{wanted} connections of a process need more than the {allowed} descriptors that"
                f" it may have: more than {possible} are turned away; {_WAYS_OUT}, or write"
                f" {possible}",
            )
