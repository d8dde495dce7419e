"""Does the author's domain want mail that is not aligned to be refused? (RFC 9989)

The record stands at `_dmarc.` and the domain, or one of the domains above it
(the tree walk of RFC 9989 §4.10, at most 8 questions).  Of one above, `sp=`
counts before `p=`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_STRICT = frozenset({"quarantine", "reject"})
MAX_QUESTIONS = 8


def names_to_ask(domain: str) -> Iterator[str]:
    """Where a record may stand, the domain's own first."""
    labels = domain.lower().strip(".").split(".")
    yield ".".join(labels)
    if len(labels) > MAX_QUESTIONS:
        labels = labels[-(MAX_QUESTIONS - 1) - 1 :]
    for begin in range(1, min(len(labels) - 1, MAX_QUESTIONS)):
        yield ".".join(labels[begin:])


def is_strict(texts: Iterable[bytes], *, is_own: bool) -> bool | None:
    """None: no record there.  is_own: it stands at the author's very domain."""
    records = [tags for text in texts if (tags := _parse(text)) is not None]
    if len(records) != 1:  # several count as none (RFC 9989 §4.10)
        return None
    tags = records[0]
    policy = tags.get("p", "none")
    if not is_own:
        policy = tags.get("sp", policy)
    return policy in _STRICT


def _parse(text: bytes) -> dict[str, str] | None:
    parts = text.decode("ascii", "replace").split(";")
    pairs = [part.partition("=") for part in parts]
    tags = {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
    first = parts[0].replace(" ", "")
    return tags if first == "v=DMARC1" else None
