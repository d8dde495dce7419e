"""The DMARC policy of an author's domain: name servers on the loop, asked from a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import TimeoutError as LateError

from mailserver.lists import dmarc
from mailserver.lists.dmarc import names_to_ask
from smtp_relay.delivery.dns.answers import Found, RecordType, Resolver, Unanswered

TIMEOUT_S = 30.0
STRICT_AFTER_TRIES = 3
IsStrict = Callable[[str], bool | None]
"""Does this domain want strict alignment?  None: name servers did not answer."""


def wants_rewriting(is_strict: IsStrict, domains: Collection[str], tries: int) -> bool | None:
    """Does a domain of the authors want it?  Not ours: our own signature is the author's there."""
    answers = [is_strict(domain) for domain in sorted(domains)]
    if True in answers:
        return True
    if None in answers:
        return True if tries >= STRICT_AFTER_TRIES else None
    return False


async def find_policy(resolver: Resolver, domain: str) -> bool | None:
    """Does it want strict alignment?  None: name servers did not answer."""
    for number, name in enumerate(names_to_ask(domain)):
        answer = await resolver.ask(f"_dmarc.{name}", RecordType.TXT)
        if isinstance(answer, Unanswered):
            return None
        if not isinstance(answer, Found):
            continue
        texts = [b"".join(getattr(record, "strings", ())) for record in answer.records]
        strict = dmarc.is_strict(texts, is_own=number == 0)
        if strict is not None:
            return strict
    return False


class AuthorPolicies:
    """`is_strict` blocks: not on the loop's own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, resolver: Resolver) -> None:
        self._loop = loop
        self._resolver = resolver

    def is_strict(self, domain: str) -> bool | None:
        asked = asyncio.run_coroutine_threadsafe(find_policy(self._resolver, domain), self._loop)
        try:
            return asked.result(TIMEOUT_S)
        except LateError:
            asked.cancel()
            return None
