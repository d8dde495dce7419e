"""The socket around a conversation, on asyncio.

One timer for each connection, and it only looks now and then whether the peer has
moved; no task, no future and no timer for a message.  What a listener offers
while it is being told of a transaction goes out in the same write as what that
answer called for.

A connection that was opened tells its listener once that it is lost, also after
`close` and `abort`; verdicts come before that.  Messages are not closed here.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol, cast

from mailserver.values.ip import is_loopback
from smtp_relay.delivery.client.conversation import Conversation
from smtp_relay.delivery.client.failures import (
    chain_of,
    handshake_failure,
    reason_of,
    trust_failure,
)
from smtp_relay.delivery.client.opening import Opening
from smtp_relay.delivery.client.options import ConnectionOptions
from smtp_relay.delivery.client.trust import Untrusted, check_chain
from smtp_relay.delivery.plan import Hop, Login
from smtp_relay.delivery.plan import Protocol as MailProtocol
from smtp_relay.delivery.verdicts import (
    ConnectionFacts,
    ConnectionFailure,
    Phase,
    Scope,
    Transaction,
    Verdict,
)

_HANDSHAKE_ERRORS = (OSError, ValueError, EOFError)  # ssl.SSLError is an OSError
_SHUTDOWN_S = 2.0


class ConnectionListener(Protocol):
    """Called on the loop; may offer, close or abort from within."""

    def transaction_done(
        self, connection: Connection, transaction: Transaction, verdicts: list[Verdict]
    ) -> None:
        """verdicts: in the order of `transaction.copies`."""
        ...

    def connection_ended(
        self,
        connection: Connection,
        failure: ConnectionFailure | None,
        untouched: list[Transaction],
    ) -> None:
        """failure: None where nothing went wrong.  untouched: may go elsewhere at once."""
        ...


class _Stop(Enum):
    """Why the opening pauses."""

    HANDSHAKE = "handshake"
    OPEN = "open"


class Connection(asyncio.Protocol):
    """Made by `open_connection` only."""

    def __init__(
        self,
        hop: Hop,
        address: str,
        conversation: Conversation,
        *,
        options: ConnectionOptions,
        loop: asyncio.AbstractEventLoop,
        listener: ConnectionListener,
    ) -> None:
        self._hop = hop
        self._address = f"[{address}]:{hop.port}"
        self._conversation = conversation
        self._options = options
        self._loop = loop
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._stop: asyncio.Future[_Stop] | None = loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._quit_timer: asyncio.TimerHandle | None = None
        self._seen_count = -1
        self._seen_at_s = 0.0
        self._is_paused = False
        self._is_settling = False
        self._is_ended = False
        self._facts = ConnectionFacts(hop=hop, address=self._address, tls="")

    # --- what the agent uses -----------------------------------------------------------

    @property
    def facts(self) -> ConnectionFacts:
        return self._facts

    @property
    def has_room(self) -> bool:
        """One more transaction may be offered: at most one on the wire and one behind it."""
        return self._conversation.has_room

    @property
    def is_idle(self) -> bool:
        return self._conversation.is_idle

    def offer(self, transaction: Transaction) -> None:
        """Only while `has_room`.  Its verdicts never come before this returns."""
        assert self.has_room
        self._conversation.offer(transaction)
        if self._conversation.finished:
            self._loop.call_soon(self._settle)
        else:
            self._settle()

    def close(self) -> None:
        """QUIT once what was offered is done.  Returns at once."""
        self._conversation.close()
        self._settle()

    def abort(self) -> None:
        """End now: what is on the wire is BROKEN."""
        self._conversation.lose("4.4.2", "we ended the connection", Scope.OURS)
        self._settle()

    # --- what the loop calls -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._hop.tls.is_implicit and (failure := self._check_certificate()) is not None:
            self._conversation.refuse(failure)
        self._tick()
        self._settle()

    def data_received(self, data: bytes) -> None:
        self._conversation.receive(data)
        self._settle()

    def eof_received(self) -> bool:
        self._conversation.end_of_stream()
        self._settle()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._conversation.end_of_stream()
        else:
            self._conversation.lose("4.4.2", f"the connection broke: {reason_of(exc)}")
        self._settle()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._settle()

    # --- the opening ------------------------------------------------------------------------

    async def pause_of_opening(self) -> _Stop:
        """Until the opening has ended or needs a handshake.

        Raises:
            ConnectionFailure: it went no further.
        """
        assert self._stop is not None
        stop = await self._stop
        self._stop = self._loop.create_future() if stop is _Stop.HANDSHAKE else None
        return stop

    async def encrypt(self) -> None:
        """
        Raises:
            ConnectionFailure: the handshake failed, or the certificate proves too little.
        """
        assert self._transport is not None
        tls = self._hop.tls
        self._raise_if_over()
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._options.contexts.of(tls.level),
                server_hostname=self._hop.host,
                ssl_handshake_timeout=self._options.times.handshake_s,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except _HANDSHAKE_ERRORS as error:
            raise handshake_failure(tls, error) from error
        self._raise_if_over()
        if transport is None:
            raise handshake_failure(tls, EOFError())
        self._transport = transport
        if (failure := self._check_certificate()) is not None:
            raise failure
        self._conversation.be_encrypted()
        self._settle()

    def _raise_if_over(self) -> None:
        if self._conversation.is_over:
            raise _failure_of(self._conversation)

    def _check_certificate(self) -> ConnectionFailure | None:
        """Before anything is said; None: it proves enough."""
        assert self._transport is not None
        session = self._transport.get_extra_info("ssl_object")
        try:
            proof = check_chain(chain_of(session), self._hop.tls, datetime.now(UTC))
        except Untrusted as error:
            return trust_failure(self._hop.tls, str(error))
        name, version, _ = session.cipher()
        version = session.version() or version
        self._facts = ConnectionFacts(
            hop=self._hop, address=self._address, tls=f"{version} {name}, {proof}"
        )
        return None

    def _note_opening(self) -> None:
        if self._stop is None or self._stop.done():
            return
        if self._conversation.wants_handshake:
            self._stop.set_result(_Stop.HANDSHAKE)
        elif self._conversation.is_open:
            if not self._facts.tls:
                note = f"in clear ({self._conversation.clear_note})"
                self._facts = ConnectionFacts(hop=self._hop, address=self._address, tls=note)
            self._stop.set_result(_Stop.OPEN)

    # --- the work ------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Tell what is done, send what is due, notice the end.  A listener may call back in."""
        if self._is_settling or self._is_ended:
            return
        self._is_settling = True
        try:
            self._tell_and_send()
        finally:
            self._is_settling = False
        if self._conversation.is_over:
            self._end()
        elif self._stop is not None:
            self._note_opening()
        elif self._conversation.is_leaving and self._quit_timer is None:
            self._quit_timer = self._loop.call_later(self._options.times.quit_s, self._leave)

    def _tell_and_send(self) -> None:
        conversation = self._conversation
        while True:
            while conversation.finished:
                transaction, verdicts = conversation.finished.pop(0)
                self._listener.transaction_done(self, transaction, verdicts)
            if conversation.is_over:
                return
            self._send()
            if not conversation.finished:
                return

    def _send(self) -> None:
        transport = self._transport
        if transport is None:
            return
        if output := self._conversation.take_output():
            transport.write(output)
        while not self._is_paused:
            chunk = self._conversation.next_chunk()
            if chunk is None:
                return
            transport.write(chunk)

    def _tick(self) -> None:
        """RFC 5321 §4.5.3.2, to within a tick: has the peer moved since the last look?"""
        conversation, now_s = self._conversation, self._loop.time()
        if conversation.is_over:
            return
        phase = conversation.phase
        if conversation.progress_count != self._seen_count or phase is None:
            self._seen_count, self._seen_at_s = conversation.progress_count, now_s
        elif now_s - self._seen_at_s >= self._options.times.of(phase):
            conversation.time_out(self._options.times.of(phase))
            self._settle()
            return
        self._timer = self._loop.call_later(self._options.times.tick_s, self._tick)

    def _leave(self) -> None:
        """QUIT was said, and that is enough."""
        self._conversation.end_of_stream()
        self._settle()

    def _end(self) -> None:
        self._is_ended = True
        for timer in (self._timer, self._quit_timer):
            if timer is not None:
                timer.cancel()
        conversation = self._conversation
        if self._transport is not None:
            if conversation.failure is None:
                self._transport.close()
            else:
                self._transport.abort()
        if self._stop is None:
            self._listener.connection_ended(self, conversation.failure, conversation.untouched)
        elif not self._stop.done():
            self._stop.set_exception(_failure_of(conversation))
            self._stop.exception()  # looked at, should nobody else


async def open_connection(
    hop: Hop,
    address: str,
    *,
    protocol: MailProtocol,
    login: Login | None,
    options: ConnectionOptions,
    loop: asyncio.AbstractEventLoop,
    listener: ConnectionListener,
    may_pipeline: bool = True,
    may_be_ourselves: bool = True,
) -> Connection:
    """A connection that takes mail: greeted, secured as `hop.tls` demands, logged in.

    address: one of `hop.addresses`.
    may_pipeline: False for a host that has lost what was pipelined.
    may_be_ourselves: False where others say where to go; see `opening`.

    Raises:
        ConnectionFailure: there is none; nothing else is raised, and nothing stays open.
    """
    opening = Opening(
        hostname=options.hostname,
        protocol=protocol,
        demand=hop.tls,
        login=login,
        may_log_in_clear=is_loopback(address),
        may_pipeline=may_pipeline,
        may_be_ourselves=may_be_ourselves,
    )
    conversation = Conversation(opening, protocol, is_still_ours=options.is_still_ours)
    connection = Connection(
        hop, address, conversation, options=options, loop=loop, listener=listener
    )
    try:
        await _connect(connection, hop, address, options, loop)
        if await connection.pause_of_opening() is _Stop.HANDSHAKE:
            await connection.encrypt()
            await connection.pause_of_opening()
    except BaseException:
        connection.abort()
        raise
    return connection


async def _connect(
    connection: Connection,
    hop: Hop,
    address: str,
    options: ConnectionOptions,
    loop: asyncio.AbstractEventLoop,
) -> None:
    tls: dict[str, Any] = {}
    if hop.tls.is_implicit:
        tls = {
            "ssl": options.contexts.of(hop.tls.level),
            "server_hostname": hop.host,
            "ssl_handshake_timeout": options.times.handshake_s,
            "ssl_shutdown_timeout": _SHUTDOWN_S,
        }
    limit_s = options.times.connect_s + (options.times.handshake_s if tls else 0)
    source = options.source_for(address)
    try:
        async with asyncio.timeout(limit_s):
            await loop.create_connection(
                lambda: connection, address, hop.port, local_addr=source, **tls
            )
    except TimeoutError:
        raise ConnectionFailure(
            phase=Phase.CONNECT, status="4.4.1", words=f"no connection within {limit_s:.0f} s"
        ) from None
    except (ssl.SSLError, ConnectionAbortedError, ValueError) as error:
        raise handshake_failure(hop.tls, error) from error
    except OSError as error:
        words = f"no connection: {reason_of(error)}"
        raise ConnectionFailure(phase=Phase.CONNECT, status="4.4.1", words=words) from error


def _failure_of(conversation: Conversation) -> ConnectionFailure:
    if conversation.failure is not None:
        return conversation.failure
    return ConnectionFailure(phase=Phase.GREETING, status="4.4.2", words="the connection was ended")
