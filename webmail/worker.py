"""The worker process of this door: `prepare` before the fork, `serve` after it.

See `mailserver.supervisor.contract`.  `prepare` imports everything, compiles
the pages and loads the certificate; `serve` opens the store, listens and runs
until:

    told by               what happens
    SIGTERM, SIGINT,      no new connections; what is being answered is finished, for at
    `life_fd` at its end  most DRAIN_S
    a broken disk         503 to who waits, then stop with status 75 (EX_TEMPFAIL)
    SIGHUP                the certificate is read again (it is watched, too)
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import asdict, dataclass
from email.utils import formatdate
from typing import Any, Final

import uvloop
from uvicorn.server import ServerState

from mailserver.peers.blocks import block_of
from mailserver.peers.liveness import keep_alive
from mailserver.peers.seats import says_who
from mailserver.settings.gateway import default_gateways
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.store.ports.errors import StoreError
from mailserver.supervisor import contract
from mailserver.supervisor.upkeep import Upkeep
from mailserver.telemetry.log import get_log
from mailserver.telemetry.peers import GATEWAY_WARNING, PeerWatch
from mailserver.telemetry.reports import CERTIFICATE_REFUSED, CONNECTIONS, source_name
from mailserver.tls.contexts import DoorContexts, make_contexts, watch_certificate
from mailserver.tls.failures import ALERT, FailedHandshakes
from mailserver.tls.parting import LastWords
from webmail.application import make_application
from webmail.connection import (
    UNAVAILABLE,
    HttpConnection,
    HttpReception,
    hush_libraries,
    is_proxy,
    make_config,
)
from webmail.connection_limit import ConnectionLimit
from webmail.executor import BoundedExecutor
from webmail.guard import CLOSE, RequestTally
from webmail.pages import Pages

SWEEP_S: Final = 1.0
BEAT_S: Final = 1.0
REPORT_S: Final = 5.0
CERTIFICATE_CHECK_S: Final = 30.0
DRAIN_CHECK_S: Final = 0.05  # polled: connections end in many ways, and this happens once
BROKEN_GRACE_S: Final = 0.2  # for the 503s to leave
EX_TEMPFAIL: Final = 75
HTTPS: Final = "https"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the parent made and all its workers share."""

    contexts: DoorContexts
    pages: Pages


def prepare(settings: Settings) -> Prepared:
    """
    Raises:
        OSError, ssl.SSLError: the certificate or its key cannot be used.
    """
    contexts = make_contexts(settings, with_legacy=False, protocols=["http/1.1"])
    return Prepared(contexts, Pages())


def sorry(_settings: Settings, listener: str) -> bytes:
    """For a peer who comes while no worker can serve."""
    return ALERT if listener == HTTPS else UNAVAILABLE


def serve(prepared: Prepared, context: contract.WorkerContext) -> None:
    """Run until told to stop.

    Raises:
        StoreError, OSError: the store cannot be opened.
    """
    hush_libraries()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop, prepared, context)
    try:
        loop.run_until_complete(worker.run())
    finally:
        worker.close()
        loop.close()


class Worker:
    """One process of this door, on its own loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, prepared: Prepared, context: contract.WorkerContext
    ) -> None:
        settings = context.settings
        self._loop = loop
        self._context = context
        self._contexts = prepared.contexts
        self._log = get_log("web")
        self._stopped = asyncio.Event()
        self._upkeep = Upkeep(loop.call_later, log=self._log, whose="the web worker")
        self._receptions: list[asyncio.Task[None]] = []
        self._store = open_store(settings)
        self._executor = BoundedExecutor(loop)
        connections = settings.connections
        self._limit = ConnectionLimit(settings.web.max_connections, per_block=connections.per_block)
        self._says_who = says_who(
            settings.auth.trusted_networks, {*default_gateways(), *connections.gateways}
        )
        self._tally = RequestTally()
        self._peers = PeerWatch()
        self._state = ServerState()
        self._watch = watch_certificate(self._contexts, settings)
        self._handshakes = FailedHandshakes(self._log)
        self._last_words = LastWords()
        self._not_http = prepared.pages.failure(400, settings.service.language, CLOSE)
        self._app = make_application(
            settings,
            lists=self._store.lists,
            executor=self._executor,
            pages=prepared.pages,
            tally=self._tally,
            peers=self._peers,
            clock_s=loop.time,
            on_broken=self._broken,
        )

    async def run(self) -> None:
        """Listen, and return when drained."""
        self._loop.set_exception_handler(self._caught)
        self._loop.add_reader(self._context.life_fd, self._life_ended)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stopped.set)
        self._loop.add_signal_handler(signal.SIGHUP, self._renew)
        self._sweep()
        self._renew()
        self._receptions = [
            self._loop.create_task(self._reception(listener).run())
            for listener in self._context.listeners
        ]
        self._context.beat()
        self._report()
        self._upkeep.every(SWEEP_S, self._sweep)
        self._upkeep.every(BEAT_S, self._context.beat)
        self._upkeep.every(REPORT_S, self._report)
        self._upkeep.every(CERTIFICATE_CHECK_S, self._renew)
        await self._stopped.wait()
        await self._drain()
        self._upkeep.stop()

    def close(self) -> None:
        """Finish what was begun, then let go of everything."""
        self._executor.close()
        self._last_words.close()
        self._store.close()

    def _reception(self, listener: contract.Listener) -> HttpReception:
        """A listener's name says whether it speaks TLS, and so to whom it speaks."""
        web, is_tls = self._context.settings.web, listener.name == HTTPS
        keep_alive(listener.sock, self._context.settings.connections)
        return HttpReception(
            listener.sock,
            tls=self._contexts.modern if is_tls else None,
            config=make_config(self._app, proxies=None if is_tls else web.proxies),
            state=self._state,
            limit=self._limit,
            not_http=self._not_http,
            is_welcome=lambda peer: is_tls or is_proxy(peer, web.proxies),
            on_full=self._turned_away,
            handshakes=self._handshakes,
            last_words=self._last_words,
            listener=listener.name,
            timeout_s=web.timeout_s,
            block_of=self._block_of if is_tls else lambda _peer: "",
        )

    def _block_of(self, peer: str) -> str:
        limits = self._context.settings.connections
        says_who = self._says_who(peer)
        return block_of(peer, limits.ipv4_bits, limits.ipv6_bits) if says_who else ""

    # --- upkeep -------------------------------------------------------------------

    def _sweep(self) -> None:
        date = formatdate(time.time(), usegmt=True)
        self._state.default_headers = [(b"date", date.encode("ascii"))]
        self._tally.timed_out += self._limit.sweep(now_s=self._loop.time())
        self._last_words.sweep(now_s=self._loop.time())

    def _report(self) -> None:
        if self._peers.is_news():
            self._log.warning(GATEWAY_WARNING)
        counters = {name: float(value) for name, value in asdict(self._tally).items()}
        counters[CONNECTIONS] = float(len(self._limit))
        counters |= self._peers.counters() | self._handshakes.counters()
        counters[CERTIFICATE_REFUSED] = float(bool(self._watch.refusal))
        self._context.tell(counters)
        self._executor.begin(lambda: self._report_counters(counters))

    def _report_counters(self, counters: dict[str, float]) -> None:
        try:
            source = source_name(self._context.door, self._context.index)
            self._store.counters.report(source, counters, now_s=time.time())
        except StoreError as error:
            self._log.warning("counters not reported", error=str(error))

    def _renew(self) -> None:
        self._watch.renew(self._log)

    def _turned_away(self) -> None:
        self._tally.turned_away += 1

    def _caught(self, _loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        """What a callback raised: its connection is closed by the loop."""
        self._log.error(
            "unexpected failure in the web door",
            reason=about.get("message", ""),
            exc_info=about.get("exception"),
        )

    # --- ending -------------------------------------------------------------------

    async def _drain(self) -> None:
        """Until all have gone, at most DRAIN_S; the rest is cut off."""
        for task in self._receptions:
            task.cancel()
        await asyncio.gather(*self._receptions, return_exceptions=True)
        for listener in self._context.listeners:
            listener.sock.close()
        for connection in self._limit.connections():
            assert isinstance(connection, HttpConnection)
            connection.retire()
        deadline_s = self._loop.time() + contract.DRAIN_S
        while len(self._limit) and self._loop.time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_CHECK_S)
        self._limit.clear()

    def _life_ended(self) -> None:
        if not os.read(self._context.life_fd, 1):
            self._loop.remove_reader(self._context.life_fd)
            self._stopped.set()

    def _broken(self) -> None:
        self._log.error("the store's disk failed, this process ends")
        self._loop.call_later(BROKEN_GRACE_S, os._exit, EX_TEMPFAIL)
