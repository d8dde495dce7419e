"""The worker process of this door: `prepare` before the fork, `serve` after it.

See `mailserver.supervisor.contract`.  `prepare` imports everything but the
reactor (which owns descriptors) and loads the certificates.  `serve` opens the
store, adopts the sockets and runs until it is told to stop:

    told by                 what happens
    SIGTERM, SIGINT         no new sessions; each one ends at its next command
                            border; after DRAIN_S the rest is cut off
    `life_fd` at its end    the parent is gone: the same
    StoreBroken             stop at once, exit status 1
    SIGHUP                  certificates are read again (they are watched, too)
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from twisted.internet.main import CONNECTION_DONE
from twisted.logger import globalLogBeginner

from mailserver.auth.gate import open_gate
from mailserver.peers.board import PeersBoard
from mailserver.peers.descriptors import Spares, descriptors_now
from mailserver.peers.liveness import keep_alive
from mailserver.peers.notices import Notices
from mailserver.peers.seats import Seats, says_who
from mailserver.settings.check.limits import connections_for
from mailserver.settings.gateway import default_gateways
from mailserver.settings.model import Settings
from mailserver.store.commit import Committer, deliver_by
from mailserver.store.open import open_store
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.store import Store
from mailserver.supervisor.contract import DRAIN_S, Listener, WorkerContext
from mailserver.supervisor.upkeep import Upkeep
from mailserver.telemetry.log import Log, get_log
from mailserver.telemetry.peers import GATEWAY_WARNING, PeerWatch
from mailserver.telemetry.reports import CERTIFICATE_REFUSED, NO_DESCRIPTORS
from mailserver.tls.failures import ALERT
from mailserver.values.ids import MailboxId
from pop3_store.connection import reactor as reactor_of_ours
from pop3_store.connection.connections import SWEEP_S, Connections
from pop3_store.connection.factory import ConnectionFactory
from pop3_store.connection.notes import NoteThread
from pop3_store.connection.tls import ServerTls, TlsFactory, watch_certificate
from pop3_store.connection.transport import EagerServer
from pop3_store.connection.waiting import LOOK_S, MaildropQueue
from pop3_store.session.server import Server, Tally
from pop3_store.session.texts import Say, speak

BEAT_S = 1.0
DAY_S = 86_400.0
REPORT_S = 5.0
CERTIFICATE_CHECK_S = 30.0
DRAIN_CHECK_S = 0.05
LEGACY = "legacy-pop3s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the parent made and all its workers share."""

    tls: ServerTls
    legacy_tls: ServerTls | None


def prepare(settings: Settings) -> Prepared:
    """
    Raises:
        CertificateUnusable: the service cannot start.
    """
    where = settings.tls
    tls = ServerTls(certificate=where.certificate, key=where.key, minimum=where.minimum)
    if not settings.legacy.enabled:
        return Prepared(tls=tls, legacy_tls=None)
    legacy = ServerTls(
        certificate=where.certificate,
        key=where.key,
        minimum=settings.legacy.minimum,
        is_legacy=True,
    )
    return Prepared(tls=tls, legacy_tls=legacy)


def sorry(settings: Settings, listener: str) -> bytes:
    """For a peer who comes while no worker can serve."""
    if listener != "pop3":
        return ALERT
    service = settings.service
    return speak(service.language, hostname=service.hostname)[Say.CANNOT_SERVE]


def serve(prepared: Prepared, context: WorkerContext) -> None:
    """Runs until it is told to stop; ends the process with status 1 when the disk failed."""
    reactor_of_ours.install()
    from twisted.internet import reactor  # only now: importing it opens descriptors

    worker = Worker(reactor, prepared, context)
    worker.run()
    if worker.is_broken:
        sys.exit(1)


class LifeLine:
    """Reads the supervisor's pipe, which never carries anything: end-of-file is the message."""

    def __init__(self, fd: int, on_end: Callable[[], None]) -> None:
        self._fd = fd
        self._on_end = on_end

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "life line"

    def doRead(self) -> Exception | None:
        """The reactor lets go of a descriptor that says it is at its end."""
        return None if os.read(self._fd, 1) else CONNECTION_DONE

    def connectionLost(self, _reason: object) -> None:
        self._on_end()


class Worker:
    """One process of this door, on its own loop."""

    def __init__(self, reactor: Any, prepared: Prepared, context: WorkerContext) -> None:
        settings = context.settings
        self.is_broken = False
        self._is_stopping = False
        self._reactor = reactor
        self._prepared = prepared
        served = (prepared.tls, prepared.legacy_tls)
        self._watch = watch_certificate(*(tls for tls in served if tls is not None))
        self._context = context
        self._log: Log = get_log("pop3")
        self._store: Store = open_store(settings)
        self._committer = Committer(
            self._store.writes,
            deliver=deliver_by(reactor.callFromThread),
            on_broken=self._broken_from_thread,
        )
        self._notes = NoteThread(self._store.history, log=self._log)
        peers = PeerWatch()
        self._board = PeersBoard(
            settings.store.path / "locks" / "board-pop3", now_s=time.monotonic()
        )
        queue = MaildropQueue(
            self._store.locks,
            self._board,
            clock_s=time.monotonic,
            wait_s=settings.pop3.lock_wait_s,
            yield_s=settings.pop3.yield_s,
        )
        self._connections = Connections(
            server=self._make_server(settings, queue),
            queue=queue,
            seats=self._make_seats(settings),
            bounds=settings.connections,
            gate=open_gate(
                self._store,
                settings,
                context.auth_secret,
                gateways=default_gateways(),
            ),
            peers=peers,
            committer=self._committer,
            notebook=self._notes,
            loop=reactor,
            max_connections=settings.pop3.max_connections,
            idle_timeout_s=settings.pop3.idle_timeout_s,
            worker_name=f"pop3.{context.index}",
            spares=Spares(),
        )
        self._ports = [self._listen(listener) for listener in context.listeners]

    def run(self) -> None:
        observe: Any = self._observe
        globalLogBeginner.beginLoggingTo([observe], redirectStandardIO=False)
        self._committer.start()
        self._reactor.addReader(LifeLine(self._context.life_fd, self._life_ended))
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: self._reactor.callFromThread(self._drain))
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._renew))
        self._renew()
        self._context.beat()
        self._report()
        upkeep = Upkeep(self._reactor.callLater, log=self._log, whose="the POP3 worker")
        upkeep.every(SWEEP_S, self._sweep)
        upkeep.every(BEAT_S, lambda: self._board.beat(now_s=time.monotonic()))
        upkeep.every(LOOK_S, self._connections.look_at_holders)
        upkeep.every(BEAT_S, self._context.beat)
        upkeep.every(BEAT_S, self._connections.look_at_descriptors)
        upkeep.every(REPORT_S, self._report)
        upkeep.every(CERTIFICATE_CHECK_S, self._renew)
        try:
            self._reactor.run(installSignalHandlers=False)
        finally:
            self._committer.stop()
            self._notes.stop()
            self._store.close()
            self._board.close()

    # --- making ------------------------------------------------------------------

    def _make_server(self, settings: Settings, queue: MaildropQueue) -> Server:
        service = settings.service
        return Server(
            store=self._store,
            replies=speak(service.language, hostname=service.hostname),
            max_failures=settings.auth.max_failures_per_session,
            clock=time.time,
            on_broken=self._broken,
            log=self._log,
            tally=Tally(),
            max_errors=settings.pop3.max_errors,
            lock_wait_s=settings.pop3.lock_wait_s,
            is_waited_for=queue.is_waited_for,
            on_unlock=self._unlocked,
            on_in_use=queue.note_refused,
            notices=Notices(self._log, clock_s=time.monotonic),
        )

    def _make_seats(self, settings: Settings) -> Seats:
        uncounted = (*settings.auth.trusted_networks, *settings.relay.trusted_networks)
        known_s = settings.auth.known_days * DAY_S
        return Seats(
            settings.connections,
            most=min(settings.pop3.max_connections, connections_for(descriptors_now())),
            listeners=[listener.name for listener in self._context.listeners],
            board=self._board,
            says_who=says_who(uncounted, {*default_gateways(), *settings.connections.gateways}),
            is_known=lambda peer: self._store.counters.knows_block(
                peer, since_s=time.time() - known_s
            ),
        )

    def _unlocked(self, mailbox_id: MailboxId) -> None:
        self._connections.unlocked(mailbox_id)

    def _listen(self, listener: Listener) -> Any:
        sock = listener.sock
        keep_alive(sock, self._context.settings.connections)
        # Accepted sockets inherit it: our writes are whole replies.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        factory = self._make_factory(listener)
        port = self._reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
        port.transport = EagerServer
        sock.close()
        return port

    def _make_factory(self, listener: Listener) -> Any:
        settings, is_legacy = self._context.settings, listener.name == LEGACY
        tls = self._prepared.tls
        if is_legacy:
            tls = self._legacy_tls()
        factory: Any = ConnectionFactory(
            self._connections,
            door=listener.name,
            bound_host=listener.sock.getsockname()[0],
            tls=tls,
            is_implicit_tls=listener.name != "pop3",
            allow_clear_on_loopback=settings.auth.allow_plaintext_on_loopback,
            networks=settings.legacy.networks if is_legacy else None,
        )
        if listener.name == "pop3":
            return factory
        in_clear = self._connections.server.replies[Say.TLS_FROM_THE_START]
        return TlsFactory(tls, factory, self._reactor, in_clear=in_clear)

    def _legacy_tls(self) -> ServerTls:
        legacy = self._context.settings.legacy
        self._log.warning(
            "the legacy POP3S listener accepts TLS that is no longer safe",
            minimum=legacy.minimum,
            networks=[str(network) for network in legacy.networks],
        )
        if self._prepared.legacy_tls is None:
            raise ValueError(f"a listener {LEGACY} although legacy.enabled is false")
        return self._prepared.legacy_tls

    # --- running -----------------------------------------------------------------

    def _sweep(self) -> None:
        self._connections.sweep(now_s=time.monotonic())
        if self._connections.server.notices is not None:
            self._connections.server.notices.sweep()

    def _report(self) -> None:
        counters: dict[str, float] = {
            name: float(value) for name, value in asdict(self._connections.server.tally).items()
        }
        counters["open_connections"] = float(len(self._connections.open))
        counters |= self._connections.peers.counters() | self._connections.handshakes.counters()
        counters |= self._connections.server.refusals.counters()
        counters[NO_DESCRIPTORS] = float(self._connections.refused_for_descriptors)
        counters[CERTIFICATE_REFUSED] = float(bool(self._watch.refusal))
        if self._connections.peers.is_news():
            self._log.warning(GATEWAY_WARNING)
        self._context.tell(counters)
        try:
            self._store.counters.report(f"pop3.{self._context.index}", counters, now_s=time.time())
        except StoreError as error:
            self._log.warning("counters not reported", error=str(error))

    def _renew(self) -> None:
        self._watch.renew(self._log)

    def _observe(self, event: dict[str, Any]) -> None:
        """Twisted's own log: only what nobody caught.  The connection it concerns is closed."""
        failure = event.get("log_failure")
        if failure is not None:
            self._log.error("unexpected failure in the POP3 door", exc_info=failure.value)

    # --- ending ------------------------------------------------------------------

    def _drain(self) -> None:
        if self._connections.is_draining:
            return
        for port in self._ports:
            port.stopListening()
        self._connections.drain()
        self._reactor.callLater(DRAIN_S, self._stop)
        self._stop_when_empty()

    def _life_ended(self) -> None:
        """Also told when the reactor stops, which lets go of everything."""
        if not self._is_stopping:
            self._drain()

    def _stop_when_empty(self) -> None:
        if self._connections.is_empty:
            self._stop()
        else:
            self._reactor.callLater(DRAIN_CHECK_S, self._stop_when_empty)

    def _stop(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._reactor.stop()

    def _broken(self) -> None:
        self.is_broken = True
        self._log.error("the store's disk failed, this process ends")
        # Later: the session that met it still answers [SYS/TEMP].
        self._reactor.callLater(0, self._stop)

    def _broken_from_thread(self) -> None:
        self._reactor.callFromThread(self._broken)
