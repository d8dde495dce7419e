"""All questions about one destination: one budget of time, one story, one time to live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, assert_never

from smtp_relay.delivery.dns.answers import (
    Answer,
    Found,
    Lapse,
    NoData,
    NoSuchName,
    RecordType,
    Resolver,
    Unanswered,
)

MAX_TTL_S: Final = 3600.0
GIVEN_UP_S: Final = 10.0
MAX_WORDS: Final = 1000  # of one answer in a step


class Inquiry:
    """Begin one in a running loop.  It is asked like a `Resolver`, and belongs to one search.

    steps: in the order of `say` and `tell`.
    ttl_s: how long what was learnt holds: the least of all answers.
    """

    def __init__(self, resolver: Resolver, *, lifetime_s: float) -> None:
        self._resolver = resolver
        self._lifetime_s = lifetime_s
        self._until_s = asyncio.get_running_loop().time() + lifetime_s
        self.steps: list[str] = []
        self.ttl_s = MAX_TTL_S

    async def ask(self, name: str, record_type: RecordType) -> Answer:
        try:
            async with asyncio.timeout_at(self._until_s):
                answer = await self._resolver.ask(name, record_type)
        except TimeoutError:
            why = f"all questions together took longer than {self._lifetime_s:g} s"
            answer = Unanswered(why=why, ttl_s=GIVEN_UP_S, lapse=Lapse.LATE)
        self.ttl_s = min(self.ttl_s, answer.ttl_s)
        return answer

    def say(self, step: str) -> None:
        self.steps.append(step)

    def tell(self, name: str, record_type: RecordType, answer: Answer) -> None:
        """One look-up and its answer, in words."""
        words = words_of(answer, name)
        cut = f"{words[:MAX_WORDS]}..." if len(words) > MAX_WORDS else words
        self.say(f"{record_type.value} of {name}: {cut}")


_SAID: Final = {
    Lapse.SILENT: "",  # "no answer from 192.0.2.53 port 53" says it
    Lapse.LATE: "no answer: ",
    Lapse.FAILED: "",
    Lapse.REFUSED: "",
    Lapse.MALFORMED: "",
    Lapse.BOGUS: "its DNSSEC signatures do not hold: ",
    Lapse.LAME: "none of its own name servers can be asked: ",
    Lapse.ASTRAY: "",
}


def lapse_words(answer: Unanswered) -> str:
    """Why there is no answer, each kind of trouble in its own words."""
    return f"{_SAID[answer.lapse]}{answer.why}"


def words_of(answer: Answer, name: str) -> str:
    match answer:
        case Found(records=records, canonical=canonical, is_authentic=is_authentic):
            alias = f" (alias of {canonical})" if canonical not in {"", name} else ""
            listed = _sorted_texts(record.to_text() for record in records)
            return f"{', '.join(listed)}{alias}{' (signed)' if is_authentic else ''}"
        case NoSuchName():
            return "no such name (NXDOMAIN)"
        case NoData():
            return "none"
        case Unanswered():
            return lapse_words(answer)
        case _:
            assert_never(answer)


def _sorted_texts(texts: Iterable[str]) -> list[str]:
    """`10 mx1.` before `20 mx2.`: answers come in any order."""
    return sorted(
        texts, key=lambda text: (int(first) if (first := text.split(" ")[0]).isdigit() else 0, text)
    )
