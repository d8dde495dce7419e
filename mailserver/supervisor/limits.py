"""What the kernel allows a process."""

from __future__ import annotations

import resource

MOST_DESCRIPTORS = 1_048_576


def raise_descriptor_limit() -> None:
    """As many open files as we are allowed: one is needed for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
