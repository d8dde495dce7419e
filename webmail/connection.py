"""Connections: accepted by ourselves, spoken by uvicorn, bounded by the limit.

uvicorn's `H11Protocol` is a base class; its `Server` is not used: it has one TLS context for
all sockets, handlers of signals, and no bound for a peer that opens a connection and says
nothing.  Each connection is counted before its handshake, and has a deadline from its first
moment on (see `limit`).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import h11
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from mailserver.settings.model import Network
from mailserver.telemetry.log import get_log
from mailserver.tls.contexts import alert_of
from mailserver.tls.failures import FailedHandshakes, Reason, is_tls_record, reason_of
from mailserver.tls.parting import LastWords, is_silent, spare_socket
from mailserver.values.ip import is_in_networks, is_loopback
from webmail.connection_limit import ConnectionLimit
from webmail.guard import HEADERS

MAX_HEAD_OCTETS: Final = 16 * 1024
KEEP_ALIVE_S: Final = 5
REQUEST_GRACE_S: Final = 10.0
"""Beyond the time that a request may take to arrive: for the answer to be made and read."""
SHUTDOWN_TIMEOUT_S: Final = 5.0
ACCEPT_PAUSE_S: Final = 1.0
"""After a failure to accept (no descriptors left)."""
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
IN_CLEAR: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\nThis port speaks https: write https:// before the address.\r\n"
)
"""To who speaks http to https."""
UNAVAILABLE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Retry-After: 120\r\nConnection: close\r\n\r\n"
    b"Service momentan\xc3\xa9ment indisponible. The service cannot answer for now.\r\n"
)


def make_config(app: ASGIApp, *, proxies: tuple[Network, ...] | None) -> Config:
    """What uvicorn's protocol reads.

    proxies: who is believed about the client's address, besides this machine; None: nobody.
    """
    config = Config(
        app=app,
        interface="asgi3",
        http="h11",
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,  # paths are secrets
        server_header=False,
        proxy_headers=proxies is not None,
        forwarded_allow_ips=[*LOOPBACK, *map(str, proxies or ())],
        timeout_keep_alive=KEEP_ALIVE_S,
        h11_max_incomplete_event_size=MAX_HEAD_OCTETS,
    )
    config.load()
    return config


class HttpConnection(H11Protocol):
    """One connection, from accept to the end.  `opening`: accepted, not yet connected."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        limit: ConnectionLimit,
        *,
        not_http: Response,
        on_tls: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
    ) -> None:
        """not_http: the answer to what cannot be read.  on_tls: told of TLS inside of http."""
        super().__init__(config, state, {}, loop)
        self._on_tls = on_tls
        self._limit = limit
        self._not_http = not_http
        self._timeout_s = timeout_s
        self.is_open = False
        self.opening: asyncio.Task[None] | None = None
        self.deadline_at_s = loop.time() + timeout_s

    @property
    def is_working(self) -> bool:
        """A request that is still on its way keeps nobody else out."""
        cycle: RequestResponseCycle | Any = self.cycle  # None before the first request
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.is_open = True
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        cycle: RequestResponseCycle | Any = self.cycle  # None before the first request
        if cycle is None and is_tls_record(data) and not self.conn.trailing_data[0]:
            self._on_tls()
        super().data_received(data)

    def handle_events(self) -> None:
        """A head that is complete puts the deadline off; what follows it does not."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self.deadline_at_s = self.loop.time() + self._timeout_s + REQUEST_GRACE_S

    def send_400_response(self, _msg: str) -> None:
        """To what is no HTTP.  Behind an answer there is nothing more to say.

        Where it breaks off a form, whoever reads that form hears that the peer has gone.
        """
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        is_asked = self.conn.our_state is h11.SEND_RESPONSE
        if is_asked or self.conn.our_state is h11.IDLE:
            headers = [*self.server_state.default_headers, *self._not_http.raw_headers, *HEADERS]
            answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            is_head = is_asked and self.scope["method"] == "HEAD"
            body = h11.Data(data=b"" if is_head else bytes(self._not_http.body))
            for event in (answer, body, h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        self.deadline_at_s = self.loop.time() + self._timeout_s
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._limit.forget(self)
        super().connection_lost(exc)

    def retire(self) -> None:
        """Finish what is being answered, then go."""
        if self.is_open:
            self.shutdown()
        else:
            self.abort()

    def abort(self) -> None:
        if self.is_open:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()


class HttpReception:
    """Accepts on one listening socket."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        tls: ssl.SSLContext | None,
        config: Config,
        state: ServerState,
        limit: ConnectionLimit,
        not_http: Response,
        is_welcome: Callable[[str], bool],
        on_full: Callable[[], None],
        handshakes: FailedHandshakes,
        last_words: LastWords,
        listener: str,
        timeout_s: float,
        block_of: Callable[[str], str] = lambda _peer: "",
    ) -> None:
        """block_of: whose connections count together; empty: nobody's (a proxy's).

        sock: listening, not blocking.  is_welcome: of a peer's address.

        not_http: see `HttpConnection`.
        """
        self._sock = sock
        self._tls = tls
        self._config = config
        self._state = state
        self._limit = limit
        self._not_http = not_http
        self._is_welcome = is_welcome
        self._on_full = on_full
        self._handshakes = handshakes
        self._last_words = last_words
        self._listener = listener
        self._timeout_s = timeout_s
        self._block_of = block_of
        self._log = get_log("web")

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(self._sock)
            except OSError as error:
                self._log.error("cannot accept connections", error=str(error))
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            self._meet(loop, sock, str(peer[0]))

    def _meet(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: str) -> None:
        if not self._is_welcome(peer):
            sock.close()
            return
        connection = HttpConnection(
            self._config,
            self._state,
            self._limit,
            not_http=self._not_http,
            on_tls=lambda: self._note(Reason.TLS_ON_PLAIN, peer),
            loop=loop,
            timeout_s=self._timeout_s,
        )
        if not self._limit.admit(connection, block=self._block_of(peer)):
            self._on_full()
            sock.close()
            return
        connection.opening = loop.create_task(self._open(loop, sock, connection, peer))

    async def _open(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        connection: HttpConnection,
        peer: str,
    ) -> None:
        """The handshake, where there is one."""
        timing: dict[str, Any] = {}
        if self._tls is not None:
            timing = {
                "ssl_handshake_timeout": self._timeout_s,
                "ssl_shutdown_timeout": SHUTDOWN_TIMEOUT_S,
            }
        spare = spare_socket(sock.fileno()) if self._tls is not None else None
        try:
            await loop.connect_accepted_socket(lambda: connection, sock, ssl=self._tls, **timing)
        except OSError as error:  # no TLS, or no patience: the peer's affair
            if self._tls is not None:
                self._handshake_failed(error, spare, peer)
                spare = None
        finally:
            connection.opening = None
            if spare is not None:
                spare.close()
            if not connection.is_open:
                self._limit.forget(connection)

    def _handshake_failed(self, error: OSError, spare: socket.socket | None, peer: str) -> None:
        has_heard = spare is None or not is_silent(spare)
        reason = reason_of(error, has_heard=has_heard)
        self._note(reason, peer, detail=str(getattr(error, "reason", None) or ""))
        if spare is not None:
            words = IN_CLEAR if reason is Reason.NOT_TLS else alert_of(error)
            now_s = asyncio.get_running_loop().time()
            self._last_words.say(spare, words, now_s=now_s)

    def _note(self, reason: Reason, peer: str, *, detail: str = "") -> None:
        self._handshakes.note(
            reason,
            peer=peer,
            listener=self._listener,
            now_s=asyncio.get_running_loop().time(),
            detail=detail,
        )


def is_proxy(peer: str, proxies: tuple[Network, ...]) -> bool:
    """May this address speak http without TLS?  This machine, and the proxies that are named."""
    return is_loopback(peer) or is_in_networks(peer, proxies)


def hush_libraries() -> None:
    """Their warnings are about what peers do; errors are our bugs, and come to our log."""
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.handlers = [_ToOurLog()]


class _ToOurLog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        get_log("web").error("a request failed", reason=record.getMessage(), exc_info=error)
