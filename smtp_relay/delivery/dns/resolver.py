"""The front on dnspython's resolver: single-flight, bounded cache, answers as values.

Twenty that ask the same at once cause one question.  What was found is kept
for its TTL within a floor and a ceiling; that there is nothing, for the
negative TTL (RFC 2308 §5); that nobody answered, for a few seconds (RFC 2308
§7), so that a dead server is not asked for every copy.  Lies (another
identifier, another question) are not heard, and records that belong to nothing
that was asked are no answer; what is cut is asked again over TCP.  Aliases are
followed within one answer, at most 16.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver

from mailserver.settings.bind import Bind
from mailserver.settings.model import DnsSettings
from mailserver.settings.name_servers import find_servers
from smtp_relay.delivery.dns.answers import (
    Answer,
    Found,
    Lapse,
    NoData,
    NoSuchName,
    RecordType,
    Unanswered,
)
from smtp_relay.delivery.dns.servers import Error, Server, lapse_of, words_of_errors

PAYLOAD_OCTETS: Final = 1232  # what passes every path unfragmented
FLOOR_S: Final = 30.0
CEILING_S: Final = 3600.0
NEGATIVE_CEILING_S: Final = 900.0
UNANSWERED_S: Final = 10.0
UNCHECKED_S: Final = 2.0
"""For the question whether signatures are to blame: only the words hang on it."""
MAX_CACHED: Final = 20_000
MAX_ASKED_AT_ONCE: Final = 200


Clock = Callable[[], float]
_Key = tuple[str, RecordType]


MARGIN_S: Final = 5.0


class CachingResolver:
    """Answers `Resolver`.  Belongs to one event loop; open it there."""

    def __init__(
        self,
        settings: DnsSettings,
        *,
        servers: Sequence[Bind] | None = None,
        clock: Clock = time.monotonic,
        max_cached: int = MAX_CACHED,
        tells_bogus: bool = False,
    ) -> None:
        """tells_bogus: after SERVFAIL, one more question shows whether signatures are to blame."""
        self.servers = tuple(servers or find_servers(settings))
        self._asker = _make_asker(settings, self.servers)
        self._clock = clock
        self._max_cached = max_cached
        self._tells_bogus = tells_bogus
        self._cache: OrderedDict[_Key, tuple[float, Answer]] = OrderedDict()
        self._asking: dict[_Key, asyncio.Task[Answer]] = {}
        self._slots = asyncio.Semaphore(MAX_ASKED_AT_ONCE)

    async def ask(self, name: str, record_type: RecordType) -> Answer:
        key = (name, record_type)
        known = self._known(key)
        if known is not None:
            return known
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask_and_keep(key))
            self._asking[key] = task
            task.add_done_callback(lambda _done: self._asking.pop(key, None))
        return await asyncio.shield(task)  # whoever gives up leaves the others their answer

    async def close(self) -> None:
        """Stop asking.  May be called again."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _known(self, key: _Key) -> Answer | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        left_s = entry[0] - self._clock()
        if left_s <= 0:
            del self._cache[key]
            return None
        return replace(entry[1], ttl_s=left_s)

    async def _ask_and_keep(self, key: _Key) -> Answer:
        async with self._slots:
            answer = await self._ask_servers(*key)
        self._cache[key] = (self._clock() + answer.ttl_s, answer)
        self._cache.move_to_end(key)
        if len(self._cache) > self._max_cached:
            self._cache.popitem(last=False)
        return answer

    async def _ask_servers(self, name: str, record_type: RecordType) -> Answer:
        try:
            question = dns.name.from_text(name)
            # dnspython counts by the machine's clock, which may jump meanwhile.
            async with asyncio.timeout(self._asker.lifetime + MARGIN_S):
                answer = await self._asker.resolve(
                    question, record_type.value, raise_on_no_answer=False, search=False
                )
        except dns.resolver.NXDOMAIN as error:
            return _no_such_name(error)
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            lapse = _lapse(error)
            if lapse is Lapse.FAILED and self._tells_bogus:
                is_bogus = await self._has_unchecked(question, record_type)
                lapse = Lapse.BOGUS if is_bogus else lapse
            return Unanswered(why=_why(error, record_type), ttl_s=UNANSWERED_S, lapse=lapse)
        return _read(answer)

    async def _has_unchecked(self, question: dns.name.Name, record_type: RecordType) -> bool:
        """Does a server that failed have an answer, if it need not check signatures?

        RFC 4035 §3.2.2: with CD, a resolver hands on what it would not vouch for.
        """
        query = dns.message.make_query(question, record_type.value, use_edns=0, want_dnssec=True)
        query.flags |= dns.flags.CD
        for server in self.servers:
            with suppress(dns.exception.DNSException, OSError):
                response = await dns.asyncquery.udp(
                    query,
                    server.host,
                    timeout=min(self._asker.timeout, UNCHECKED_S),
                    port=server.port,
                    ignore_unexpected=True,
                    ignore_errors=True,
                )
                return response.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
        return False


def _make_asker(settings: DnsSettings, servers: Sequence[Bind]) -> dns.asyncresolver.Resolver:
    asker = dns.asyncresolver.Resolver(configure=False)
    asker.nameservers = [Server(server.host, server.port) for server in servers]
    asker.timeout = settings.timeout_s
    # Every server twice, and never longer than a whole destination may take.
    asker.lifetime = min(settings.lifetime_s, 2 * settings.timeout_s * len(servers))
    asker.use_edns(0, dns.flags.DO, PAYLOAD_OCTETS)
    asker.flags = dns.flags.RD | dns.flags.AD
    return asker


def _read(answer: dns.resolver.Answer) -> Answer:
    is_authentic = _has_ad(answer.response)
    left_s = float(answer.chaining_result.minimum_ttl)
    if answer.rrset is None:
        if answer.response.answer and not answer.chaining_result.cnames:
            return Unanswered(
                why="records of another name in the answer",
                ttl_s=UNANSWERED_S,
                lapse=Lapse.ASTRAY,
            )
        return NoData(is_authentic=is_authentic, ttl_s=_bounded(left_s, NEGATIVE_CEILING_S))
    return Found(
        records=tuple(answer.rrset),
        canonical=answer.canonical_name.to_text(omit_final_dot=True).lower(),
        is_authentic=is_authentic,
        ttl_s=_bounded(left_s, CEILING_S),
    )


def _no_such_name(error: dns.resolver.NXDOMAIN) -> NoSuchName:
    responses: dict[dns.name.Name, dns.message.QueryMessage] = error.kwargs["responses"]
    response = next(iter(responses.values()))
    left_s = float(response.resolve_chaining().minimum_ttl)
    return NoSuchName(is_authentic=_has_ad(response), ttl_s=_bounded(left_s, NEGATIVE_CEILING_S))


def _has_ad(response: dns.message.Message) -> bool:
    return bool(response.flags & dns.flags.AD)


def _bounded(ttl_s: float, ceiling_s: float) -> float:
    return min(max(ttl_s, FLOOR_S), ceiling_s)


def _lapse(error: Exception) -> Lapse:
    errors = _errors_of(error)
    return Lapse.ASTRAY if errors is None else lapse_of(errors)


def _why(error: Exception, record_type: RecordType) -> str:
    errors = _errors_of(error)
    if errors is not None:
        return words_of_errors(errors, record_type)
    return " ".join(str(error).split()) or type(error).__name__


def _errors_of(error: Exception) -> Sequence[Error] | None:
    """What each server did; None: it is not about servers."""
    if isinstance(error, (dns.resolver.LifetimeTimeout, dns.resolver.NoNameservers)):
        errors: Sequence[Error] = error.kwargs["errors"]
        return errors
    return None
