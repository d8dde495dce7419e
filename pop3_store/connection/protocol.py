"""The thin shell of a session on Twisted: socket, TLS, back-pressure.

Output: the session is asked for more only while the transport has room; a
blocked transport stops the commands, not only the octets.  Input: reading
stops when more than one read's worth waits for a blocked session.
"""

# ruff: noqa: N802 - Twisted chose these names

from __future__ import annotations

from time import monotonic
from typing import Any

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IPushProducer,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]

from mailserver.auth.gate import Unavailable, Verdict
from mailserver.peers.liveness import Vitals, is_suspect, read_vitals
from mailserver.peers.seats import Seat
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.store.ports.writes import Failed, Outcome
from mailserver.tls.failures import TLS_RECORD, Reason
from mailserver.values.ids import MailboxId
from pop3_store.connection.connections import Connections, Mark
from pop3_store.connection.tls import ServerTls, TlsFirst, reason_of, words_of
from pop3_store.connection.transport import Outlet, socket_of
from pop3_store.session.commands import COMMANDS
from pop3_store.session.server import Circuit
from pop3_store.session.session import Session
from pop3_store.session.states import Authenticate, Remove, Signal, WaitForMaildrop

MAX_WAITING_OCTETS = 64 * 1024
"""Received while the session is busy; beyond it we stop reading."""

TURN_OCTETS = 1024 * 1024
"""Sent in one turn of the loop; after that the other sessions have theirs."""


@implementer(IPushProducer, IHalfCloseableProtocol, IHandshakeListener)
class Pop3Protocol(Protocol):
    """One connection.  See the module; the rules are in `pop3_store.session.session`."""

    def __init__(self, connections: Connections, circuit: Circuit, tls: ServerTls) -> None:
        self.mark: Mark | None = None
        self.is_closing = False
        self.seat: Seat | None = None
        self._connections = connections
        self._circuit = circuit
        self._tls = tls
        self._session = Session(connections.server, circuit, COMMANDS)
        self._is_blocked = False  # the transport has no room
        self._is_resting = False  # had its turn
        self._is_reading = True
        self._is_lost = False
        self._handshake_count = 0
        self._tls_expected = int(circuit.is_tls)

    # --- Twisted calls these ------------------------------------------------------

    def connectionMade(self) -> None:
        self._connections.open.add(self)
        self._connections.server.tally.session_count += 1
        self._out().registerProducer(self, True)
        self._pump()

    def dataReceived(self, data: bytes) -> None:
        session = self._session
        if data[:2] == TLS_RECORD and not (self._circuit.is_tls or session.line_count):
            self._note_handshake(Reason.TLS_ON_PLAIN)
            self._out().abortConnection()
            return
        session.receive(data)
        self._pump()
        if session.held_octets > MAX_WAITING_OCTETS and self._is_reading:
            self._is_reading = False
            self._out().pauseProducing()

    def readConnectionLost(self) -> None:
        """The peer will send no more; what it sent still counts."""
        self._session.is_draining = True
        self._pump()

    def writeConnectionLost(self) -> None:
        """Never: we do not half-close.  The interface wants it."""

    def handshakeCompleted(self) -> None:
        self._handshake_count += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.is_shaking_hands and not self._is_lost:
            self._note_handshake(
                reason_of(reason.value, has_heard=self._has_heard()), words_of(reason.value)
            )
        self._is_lost = True
        self._connections.open.discard(self)
        self._connections.forget_waiting(self)
        self._connections.leave(self.seat)
        self._session.lose()
        self._note_end()

    def pauseProducing(self) -> None:
        self._is_blocked = True

    def resumeProducing(self) -> None:
        self._is_blocked = False
        self._pump()

    def stopProducing(self) -> None:
        """The connection is being lost; `connectionLost` follows."""
        self._is_blocked = True

    # --- `Connections` calls these ------------------------------------------------

    def progress(self) -> tuple[int, int, int]:
        unsent: int = getattr(self.transport, "unsent_octets", 0)
        return self._session.line_count, unsent, self._handshake_count

    @property
    def is_shaking_hands(self) -> bool:
        return self._handshake_count < self._tls_expected

    @property
    def maildrop_id(self) -> MailboxId | None:
        return self._session.access.mailbox_id

    def vitals(self) -> Vitals | None:
        return read_vitals(socket_of(self.transport))

    def is_suspect(self, *, after_s: float) -> bool:
        vitals = self.vitals()
        return vitals is not None and is_suspect(vitals, after_s=after_s)

    def conclude_waiting(self, lock: MaildropLock | StoreError | None) -> None:
        """The answer of `Connections` to a session that waits for its maildrop."""
        self._session.conclude_waiting(lock)
        self._note_sign_in()
        self._pump()

    def idle_s(self, now_s: float) -> float | None:
        """For who needs its place: since when it waits for its peer; None: it is at work."""
        if not self._session.is_a_strangers or self.is_closing:
            return None
        return 0.0 if self.mark is None else now_s - self.mark.at_s

    def make_room(self) -> None:
        """Somebody else needs its place."""
        if self.is_shaking_hands:
            self.abort("made room")
            return
        self._session.turn_out()
        self._pump()

    def _note_sign_in(self) -> None:
        account_id = self._session.access.account_id
        if self.seat is not None and account_id is not None and self._connections.seats is not None:
            self._connections.seats.sign_in(self.seat, account_id)

    def drain(self) -> None:
        self._session.is_draining = True
        self._pump()

    def give_up_handshake(self) -> None:
        """Who sent nothing at all waits for a banner: it hears in clear what the port speaks."""
        transport: Any = self.transport
        is_silent = isinstance(transport, TlsFirst) and not transport.has_heard
        self._note_handshake(Reason.SILENT if is_silent else Reason.TOO_SLOW)
        self._is_lost = True
        self._session.lose()
        if is_silent:
            transport.say_in_clear()
            transport.transport.loseConnection()
        else:
            transport.abortConnection()

    def abort(self, reason: str) -> None:
        self._connections.server.log.info(
            "pop3 connection aborted",
            session=self._circuit.session_id,
            peer=self._circuit.peer,
            identifier=self._session.access.identifier,
            reason=reason,
        )
        self._session.lose()
        self._out().abortConnection()

    # --- within -------------------------------------------------------------------

    def _pump(self) -> None:
        """Let the session go on for as long as it can."""
        session, sent_octets = self._session, 0
        while not (self._is_blocked or self._is_resting or self._is_lost):
            action = session.advance()
            if action is None:
                break
            if action is Signal.FLUSH:
                sent_octets += self._flush()
                if sent_octets >= TURN_OCTETS:
                    self._rest()
            elif isinstance(action, Authenticate):
                self._authenticate(action)
            elif isinstance(action, Remove):
                self._remove(action)
            elif isinstance(action, WaitForMaildrop):
                self._connections.wait_for(self, action.mailbox_id)
            elif self._end_or_shake_hands(action):
                return
        self._flush()
        if not self._is_reading and session.held_octets <= MAX_WAITING_OCTETS and not self._is_lost:
            self._is_reading = True
            self._out().resumeProducing()

    def _flush(self) -> int:
        octets = self._session.take_output()
        if octets and not self._is_lost:
            self._out().write(octets)
        return len(octets)

    def _rest(self) -> None:
        self._is_resting = True
        self._connections.loop.callLater(0, self._wake)

    def _wake(self) -> None:
        self._is_resting = False
        self._pump()

    def _authenticate(self, wanted: Authenticate) -> None:
        try:
            verdict = self._connections.gate.authenticate(
                wanted.user_name,
                wanted.password,
                peer=self._circuit.peer,
                door=self._circuit.door,
                on_done=self._verdict_from_thread,
            )
        except Exception as error:  # noqa: BLE001 - the top of a task
            self._note_fault("gate failed", error)
            verdict = Unavailable()
        if verdict is not None:
            self._session.conclude_sign_in(verdict)
            self._note_sign_in()

    def _verdict_from_thread(self, verdict: Verdict) -> None:
        self._connections.loop.callFromThread(self._verdict, verdict)

    def _verdict(self, verdict: Verdict) -> None:
        self._session.conclude_sign_in(verdict)
        self._note_sign_in()
        self._pump()

    def _remove(self, wanted: Remove) -> None:
        self._flush()
        self._connections.pending_removals += 1
        try:
            self._connections.committer.submit(wanted.removal, self._removal_done)
        except Exception as error:  # noqa: BLE001 - the top of a task
            self._removal_done(Failed(error))

    def _removal_done(self, outcome: Outcome) -> None:
        """On the loop.  Also for a connection that is gone: the lock waits for this."""
        self._connections.pending_removals -= 1
        self._session.conclude_removal(outcome)
        self._pump()

    def _end_or_shake_hands(self, signal: Signal) -> bool:
        """True when the connection ends."""
        if signal is Signal.ABORT:
            self._out().abortConnection()
            return True
        self._flush()
        if signal is Signal.START_TLS:
            self._tls_expected += 1
            self._out().startTLS(self._tls)
            self._is_blocked = False  # the new layer tells us afresh
            self._session.begin_tls()
            return False
        self.is_closing = True
        self._out().unregisterProducer()
        self._out().loseConnection()
        return True

    def _out(self) -> Outlet:
        transport: Outlet = self.transport  # type: ignore[assignment]
        return transport

    def _has_heard(self) -> bool:
        return not isinstance(self.transport, TlsFirst) or self.transport.has_heard

    def _note_handshake(self, reason: Reason, detail: str = "") -> None:
        self._connections.handshakes.note(
            reason,
            peer=self._circuit.peer,
            listener=self._circuit.door,
            now_s=monotonic(),
            detail=detail,
        )

    def _note_fault(self, event: str, error: BaseException) -> None:
        self._connections.server.tally.fault_count += 1
        self._connections.server.log.error(event, session=self._circuit.session_id, exc_info=error)

    def _note_end(self) -> None:
        circuit, log = self._circuit, self._connections.server.log
        retrieved_count = self._session.access.retrieved_count
        collected = self._session.access.take_collected()
        if collected is not None:
            self._connections.notebook.note(collected)
        # A health check looks in every few seconds: nobody signed in, nothing to tell.
        note = log.info if self._session.access.identifier else log.debug
        note(
            "pop3 session ended",
            session=circuit.session_id,
            door=circuit.door,
            peer=circuit.peer,
            tls=circuit.is_tls,
            identifier=self._session.access.identifier,
            commands=self._session.line_count,
            retrieved=retrieved_count,
            removed=self._session.removed_count,
        )
