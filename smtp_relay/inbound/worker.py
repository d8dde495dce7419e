"""The worker process of this door: `prepare` before the fork, `serve` after it.

See `mailserver.supervisor.contract`.  `prepare` imports everything and loads
the certificates; `serve` opens the store, plays a stranger against itself
(`stranger`), listens and runs until:

    told by               what happens
    SIGTERM, SIGINT       no new connections; 421 at each one's next command border;
                          a message that is coming in is finished, for at most DRAIN_S
    `life_fd` at its end  the parent is gone: the same
    a broken disk         451 to who waits, then stop with status 75 (EX_TEMPFAIL)
    SIGHUP                certificates are read again (they are watched, too)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import uvloop

from mailserver.auth.gate import open_gate
from mailserver.dkim.signer import Signer, open_signer, signing_report
from mailserver.peers.board import PeersBoard
from mailserver.peers.descriptors import Spares
from mailserver.peers.liveness import keep_alive
from mailserver.routing.relaying import Role
from mailserver.routing.srs import Srs, open_srs_key
from mailserver.settings.gateway import default_gateways
from mailserver.settings.model import Settings
from mailserver.store.commit import Committer, deliver_by
from mailserver.store.open import open_store
from mailserver.supervisor import contract
from mailserver.supervisor.upkeep import Upkeep
from mailserver.telemetry.log import get_log
from mailserver.telemetry.peers import GATEWAY_WARNING, PeerWatch
from mailserver.telemetry.reports import CERTIFICATE_REFUSED, OPEN_RELAY
from mailserver.tls.contexts import DoorContexts, make_contexts, watch_certificate
from mailserver.tls.failures import ALERT
from mailserver.values.ip import is_loopback
from smtp_relay.inbound import replies
from smtp_relay.inbound.door import SmtpDoor
from smtp_relay.inbound.service import Listener, Service
from smtp_relay.inbound.stranger import find_leaks

SWEEP_S = 1.0
BEAT_S = 1.0
DAY_S = 86_400.0
REPORT_S = 5.0
CERTIFICATE_CHECK_S = 30.0
DRAIN_CHECK_S = 0.05  # polled: sessions end in many ways, and this happens once
BROKEN_GRACE_S = 0.2  # for the 451s to leave
BACKLOG = 1024
DISK_THREADS = 4
EX_TEMPFAIL = 75
MAX_LEAKS_LOGGED = 10
LEGACY = "legacy-submissions"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the parent made and all its workers share."""

    contexts: DoorContexts
    signer: Signer | None = None


def prepare(settings: Settings) -> Prepared:
    """
    Raises:
        OSError, ssl.SSLError: the certificate or its key cannot be used.
    """
    return Prepared(make_contexts(settings), open_signer(settings))


def serve(prepared: Prepared, context: contract.WorkerContext) -> None:
    """Run until told to stop.

    Raises:
        StoreError, OSError: the store cannot be opened.
    """
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(loop, prepared, context)
    try:
        loop.run_until_complete(worker.run())
    finally:
        worker.close()
        loop.close()


def sorry(settings: Settings, listener: str) -> bytes:
    """For a peer who comes while no worker can serve."""
    if listener in {LEGACY, "submissions"}:
        return ALERT
    return replies.CANNOT_SERVE.octets["en" if listener == "mx" else settings.service.language]


def make_listener(
    listener: contract.Listener, settings: Settings, contexts: DoorContexts
) -> Listener:
    """What a listener's name means."""
    is_mx = listener.name == "mx"
    is_legacy = listener.name == LEGACY
    is_tls = is_legacy or listener.name == "submissions"
    bound_to_loopback = is_loopback(listener.sock.getsockname()[0])
    return Listener(
        name=listener.name,
        role=Role.MX if is_mx else Role.SUBMISSION,
        language="en" if is_mx else settings.service.language,
        tls=contexts.legacy if is_legacy else contexts.modern,
        is_tls=is_tls,
        allows_plaintext=settings.auth.allow_plaintext_on_loopback and bound_to_loopback,
        networks=settings.legacy.networks if is_legacy else None,
    )


class Worker:
    """One process of this door, on its own loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, prepared: Prepared, context: contract.WorkerContext
    ) -> None:
        settings = context.settings
        self._loop = loop
        self._context = context
        self._contexts = prepared.contexts
        self._log = get_log("smtp")
        self._stopped = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._upkeep = Upkeep(loop.call_later, log=self._log, whose="the SMTP worker")
        self._store = open_store(settings)
        self._board = PeersBoard(settings.store.path / "locks" / "board-smtp", now_s=loop.time())
        peers, gateways = PeerWatch(), default_gateways()
        self._gate = open_gate(self._store, settings, context.auth_secret, gateways=gateways)
        self._committer = Committer(
            self._store.writes,
            deliver=deliver_by(loop.call_soon_threadsafe),
            on_broken=self._broken_from_thread,
        )
        self._pool = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="disk")
        self._watch = watch_certificate(self._contexts, settings)
        self._service = Service(
            loop=loop,
            settings=settings,
            store=self._store,
            gate=self._gate,
            writer=self._committer,
            pool=self._pool,
            wall_s=time.time,
            clock_s=loop.time,
            on_broken=self._broken,
            srs=Srs(
                open_srs_key(settings.store.path),
                domain=settings.service.domain,
                max_days=settings.forwarding.sender_days,
            ),
            signer=prepared.signer,
            peers=peers,
            gateways=gateways,
            spares=Spares(),
            board=self._board,
            ledger=self._store.counters,
            is_known_block=self._knows_block,
            listener_names=tuple(listener.name for listener in context.listeners),
        )
        self._is_open_relay = False
        self._signing = signing_report(prepared.signer)

    async def run(self) -> None:
        """Listen, and return when drained."""
        self._committer.start()
        self._service.refresh_postmaster()
        self._loop.add_reader(self._context.life_fd, self._life_ended)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._drain)
        self._loop.add_signal_handler(signal.SIGHUP, self._renew)
        self._renew()
        for listener, meaning in self._meanings():
            self._servers.append(await self._listen(listener, meaning))
        self._context.beat()
        self._report()
        self._upkeep.every(SWEEP_S, self._service.sweep)
        self._upkeep.every(BEAT_S, lambda: self._board.beat(now_s=self._loop.time()))
        self._upkeep.every(BEAT_S, self._context.beat)
        self._upkeep.every(REPORT_S, self._report)
        self._upkeep.every(CERTIFICATE_CHECK_S, self._renew)
        await self._stopped.wait()
        await self._wait_for_sessions()
        self._upkeep.stop()

    def close(self) -> None:
        """Commit what waits, then let go of everything."""
        self._committer.stop()
        self._service.last_words.close()
        self._pool.shutdown(wait=True)
        self._gate.close()
        self._store.close()
        self._board.close()

    # --- beginning ----------------------------------------------------------------

    def _meanings(self) -> list[tuple[contract.Listener, Listener]]:
        """What each listener means; MX and what leaks are shut, where a stranger can relay."""
        listeners = self._context.listeners
        settings = self._context.settings
        meanings = [make_listener(one, settings, self._contexts) for one in listeners]
        leaks = find_leaks(self._service, meanings)
        for leak in leaks[:MAX_LEAKS_LOGGED]:
            self._log.error(
                "a stranger could relay through this service, so MX is shut",
                listener=leak.listener,
                peer=leak.peer,
                sender=leak.sender,
                recipient=leak.recipient,
                answer=leak.answer,
            )
        self._is_open_relay = bool(leaks)
        leaking = {leak.listener for leak in leaks}
        shut = [
            replace(one, is_shut=bool(leaks) and (one.role is Role.MX or one.name in leaking))
            for one in meanings
        ]
        return list(zip(listeners, shut, strict=True))

    async def _listen(self, listener: contract.Listener, meaning: Listener) -> asyncio.Server:
        if listener.name == LEGACY:
            legacy = self._context.settings.legacy
            self._log.warning(
                "the legacy submissions listener accepts TLS that is no longer safe",
                minimum=legacy.minimum,
                networks=[str(network) for network in legacy.networks],
            )
        keep_alive(listener.sock, self._context.settings.connections)
        # In clear, TLS from the first octet too: a connection counts before its handshake.
        return await self._loop.create_server(
            partial(SmtpDoor, self._service, meaning), sock=listener.sock, backlog=BACKLOG
        )

    # --- upkeep -------------------------------------------------------------------

    def _knows_block(self, peer: str) -> bool:
        since_s = time.time() - self._context.settings.auth.known_days * DAY_S
        return self._store.counters.knows_block(peer, since_s=since_s)

    def _report(self) -> None:
        self._service.refresh_postmaster()
        peers = self._service.peers
        if peers.is_news():
            self._log.warning(GATEWAY_WARNING)
        counters = self._service.counters.values() | peers.counters()
        counters |= self._service.handshakes.counters() | self._service.refusals.counters()
        counters[CERTIFICATE_REFUSED] = float(bool(self._watch.refusal))
        if self._is_open_relay:
            counters[OPEN_RELAY] = 1.0
        counters |= self._signing
        self._context.tell(counters)
        self._pool.submit(self._report_counters, counters)

    def _report_counters(self, counters: dict[str, float]) -> None:
        try:
            self._store.counters.report(f"smtp.{self._context.index}", counters, now_s=time.time())
        except Exception as error:  # noqa: BLE001 - what may be lost stops nobody
            self._log.warning("counters not reported", error=str(error))

    def _renew(self) -> None:
        self._watch.renew(self._log)

    # --- ending -------------------------------------------------------------------

    def _drain(self) -> None:
        if self._service.is_draining:
            return
        for server in self._servers:
            server.close()
        self._service.drain()
        self._stopped.set()

    async def _wait_for_sessions(self) -> None:
        """Until all have gone, at most DRAIN_S; the rest is cut off."""
        deadline_s = self._loop.time() + contract.DRAIN_S
        while self._service.sessions and self._loop.time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_CHECK_S)
        for session in tuple(self._service.sessions):
            session.abort()

    def _life_ended(self) -> None:
        if not os.read(self._context.life_fd, 1):
            self._loop.remove_reader(self._context.life_fd)
            self._drain()

    def _broken_from_thread(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._broken)

    def _broken(self) -> None:
        self._log.error("the store's disk failed, this process ends")
        for server in self._servers:
            server.close()
        self._loop.call_later(BROKEN_GRACE_S, os._exit, EX_TEMPFAIL)
