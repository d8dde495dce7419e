r"""One connection: octets in, command lines and message data out of them, replies back.

    data_received --> buffer --> lines --> commands --> replies --> one write per batch
                             \-> message data (while `_receiving`)

No stream reader, no task per connection and no timer per command.  A command
that may wait is a coroutine that is run at once (`eager`); while one really
waits, or a message is being committed, `_is_working` holds everything behind it
back.
Memory is bounded: at most MAX_BUFFERED_OCTETS and one read wait in the buffer.

A peer that talks before the banner is tolerated: the banner is sent in the
moment of the connection, so there is no before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from aiosmtpd.smtp import Session

from mailserver.peers.foreign import begins_foreign, is_foreign
from mailserver.peers.patience import Patience
from mailserver.peers.seats import Seat
from mailserver.store.ports.errors import StoreBroken
from mailserver.tls.failures import is_tls_record
from smtp_relay.inbound import replies
from smtp_relay.inbound.connection.eager import FINISHED, begin, proceed
from smtp_relay.inbound.connection.idleness import Activity
from smtp_relay.inbound.connection.speaking import LOG
from smtp_relay.inbound.connection.watched import Watched
from smtp_relay.inbound.grammar import sasl
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.service import Listener, Service

MAX_COMMAND_OCTETS = 2048  # CRLF included
MAX_BUFFERED_OCTETS = 64 * 1024
MAX_TURN_COMMANDS = 100  # then the other connections have their turn


class Connection(Watched):
    """The transport's side of a session; `SmtpDoor` adds the commands.

    The base class's constructor is not called: it spends a third of a
    millisecond per connection on looking at its own methods.
    """

    __slots__ = (
        "_activity",
        "_buffer",
        "_has_eof",
        "_is_closing",
        "_is_reading_paused",
        "_is_receiving",
        "_is_shaking_hands",
        "_is_skipping",
        "_is_uploading_behind",
        "_is_working",
        "_is_write_blocked",
        "_language",
        "_line_waiter",
        "_log",
        "_out",
        "_patience",
        "_repeats",
        "_scanned",
        "_seat",
        "_task",
        "_turn_is_due",
        "envelope",
        "is_over_tls",
        "listener",
        "loop",
        "name",
        "peer",
        "service",
        "session",
        "transport",
    )  # fmt: skip

    def __init__(self, service: Service, listener: Listener) -> None:
        self.loop = service.loop
        self.service = service
        self.listener = listener
        self.transport: Any = None
        self.session: Any = None
        self.envelope: Any = None
        self.peer = ""
        self.name = ""
        self._log = LOG
        self.is_over_tls = False
        self._language = listener.language
        self._buffer = bytearray()
        self._scanned = 0  # of the buffer: no line feed before this
        self._is_skipping = False  # in a line that is too long
        self._out: list[bytes] = []
        self._is_working = False
        self._is_shaking_hands = False
        self._is_receiving = False  # the data of a message, not commands
        self._is_uploading_behind = False
        self._is_write_blocked = False
        self._is_reading_paused = False
        self._has_eof = False
        self._is_closing = False
        self._turn_is_due = False
        self._line_waiter: asyncio.Future[bytes | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._patience = Patience(service.settings.smtp.max_errors)
        self._repeats = None
        self._activity = Activity(heard_at_s=service.clock_s())
        self._seat: Seat | None = None

    # --- for the class that adds the commands ---------------------------------

    def _arrive(self) -> None:
        """A connection is here: a place for it, a handshake where there is one, a greeting."""
        raise NotImplementedError

    def _greet(self, refusal: Phrase | None = None) -> None:
        """The banner, or why not."""
        raise NotImplementedError

    def _turn_tls_away(self) -> None:
        """A ClientHello where text comes first."""
        raise NotImplementedError

    def _command(self, line: bytes) -> None:
        """Carry out the command in `line` (CRLF cut off), or begin to, if it has to wait."""
        raise NotImplementedError

    def _receive(self, data: bytes) -> bytes:
        """Take message data; return what followed its end."""
        raise NotImplementedError

    def _is_from_us(self) -> bool:
        """Our own people's programs, and machines of ours: some end a command with LF alone."""
        raise NotImplementedError

    def _lost(self) -> None:
        """The connection is gone."""
        raise NotImplementedError

    def _forget_transaction(self) -> None:
        raise NotImplementedError

    # --- asyncio.Protocol -----------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.session = Session(self.loop)
        peername = transport.get_extra_info("peername")
        self.session.peer = peername
        self.peer = peername[0] if peername else ""
        self.name = self.service.next_session_name()
        self._log = LOG.bind(session=self.name, peer=self.peer)
        self.service.sessions.add(self)
        self.service.peers.note(self.peer)
        self._arrive()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            if self._is_receiving and not self._buffer:
                self._activity.heard_at_s = self.service.clock_s()
                data = self._receive(data)
                if not data:
                    self._settle()
                    return
            if self._is_closing:
                return
            if self._buffer or not self._is_one_line(data):
                if self.session.host_name is None and is_tls_record(data):
                    self._turn_tls_away()
                    return
                self._buffer += data
                self._run()
                return
            # Nearly always: one whole command and nothing else.
            self._activity.heard_at_s = self.service.clock_s()
            self._take_line(data)
            self._settle()
        except Exception as error:  # noqa: BLE001 - the top of a session: answered as ours
            self._fault(error)

    def eof_received(self) -> bool:
        """A half-close: what it sent before is still carried out and answered."""
        self._has_eof = True
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - as above
            self._fault(error)
        return not self.is_over_tls and not self._is_closing

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        if self.transport is None:
            return
        self.transport = None
        self._is_closing = True
        self._buffer.clear()
        self._out.clear()
        self.service.sessions.discard(self)
        if self._seat is not None:
            self.service.seats.leave(self._seat)
        if self._task is not None and not self._is_shaking_hands:
            self._task.cancel()  # a handshake that fails still says why
        self._note_repeats()
        self._lost()

    def pause_writing(self) -> None:
        self._is_write_blocked = True

    def resume_writing(self) -> None:
        self._is_write_blocked = False
        self._take_turn()

    # --- the turn -------------------------------------------------------------

    def _take_turn(self) -> None:
        """Go on, from a callback of the loop."""
        self._turn_is_due = False
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - as in data_received
            self._fault(error)

    def _take_turn_soon(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self.loop.call_soon(self._take_turn)

    def _run(self) -> None:
        """Carry out what the buffer holds, then write all replies at once."""
        left = MAX_TURN_COMMANDS
        while self._buffer and self._may_go_on():
            if self._is_receiving:
                data = bytes(self._buffer)
                self._buffer.clear()
                self._activity.heard_at_s = self.service.clock_s()
                self._buffer += self._receive(data)
                continue
            if left == 0:
                self._take_turn_soon()
                break
            left -= 1
            line = self._next_line()
            if line is None:
                break
            self._activity.heard_at_s = self.service.clock_s()
            self._take_line(line)
        self._settle()

    def _may_go_on(self) -> bool:
        if self._is_closing or self._is_write_blocked:
            return False
        if self._is_working:
            return self._line_waiter is not None
        return not (self.service.is_draining and not self._is_receiving)

    def _is_one_line(self, data: bytes) -> bool:
        """May `data` be carried out at once, and is it one line and no more?"""
        if self._is_receiving or self._is_skipping or not self._may_go_on():
            return False
        return data.find(b"\n") == len(data) - 1 and data != b""

    def _settle(self) -> None:
        """After a turn: say good-bye if it is time to, write, and read more or less."""
        if self.transport is None:
            return
        if self._has_eof or self.service.is_draining:
            self._part()
        if self._out:
            self._flush()
        if self._buffer or self._is_uploading_behind or self._is_reading_paused:
            self._pace_reading()

    def _part(self) -> None:
        """The peer or the process ends: say good-bye, unless something is still under way."""
        if not self._is_working and not self._is_closing:
            if self.service.is_draining and not self._is_receiving:
                self._say(replies.STOPPING)
                self._close()
            elif self._has_eof and not self._turn_is_due and not self._is_write_blocked:
                self._close()
        elif self._line_waiter is not None and not self._turn_is_due:
            if self.service.is_draining:  # the peer may think about its password for ever
                self._say(replies.STOPPING)
                self._close()
            elif self._has_eof:
                self._close()

    def _pace_reading(self) -> None:
        wanted = len(self._buffer) > MAX_BUFFERED_OCTETS or self._is_uploading_behind
        if wanted == self._is_reading_paused or self._is_closing:
            return
        self._is_reading_paused = wanted
        if wanted:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _next_line(self) -> bytes | None:
        """The next line with its ending; None: not there yet.  Long ones are skipped."""
        buffer = self._buffer
        end = buffer.find(b"\n", self._scanned) + 1
        if end == 0:
            self._scanned = len(buffer)
            is_new = not self._is_skipping and self._line_waiter is None
            is_long = self._is_skipping or self._scanned > self._line_limit()
            if is_new and (begins_foreign(buffer) or (is_long and is_foreign(bytes(buffer)))):
                self._refuse_foreign()
            elif is_long:
                self._is_skipping = True
                buffer.clear()
                self._scanned = 0
            return None
        self._scanned = 0
        if end == len(buffer):
            line = bytes(buffer)
            buffer.clear()
        else:
            line = bytes(buffer[:end])
            del buffer[:end]
        return line

    def _line_limit(self) -> int:
        """AUTH and what answers its challenges may be longer (RFC 4954 §4)."""
        if self._line_waiter is not None or self._buffer[:5].upper() == b"AUTH ":
            return sasl.MAX_LINE_OCTETS
        return MAX_COMMAND_OCTETS

    def _take_line(self, line: bytes) -> None:
        size = len(line)
        is_long = self._is_skipping
        self._is_skipping = False
        waiter = self._line_waiter
        if waiter is not None:
            self._line_waiter = None
            too_long = is_long or size > sasl.MAX_LINE_OCTETS
            waiter.set_result(None if too_long else line)
        elif is_long or (
            size > MAX_COMMAND_OCTETS
            and (line[:5].upper() != b"AUTH " or size > sasl.MAX_LINE_OCTETS)
        ):
            self._refuse_line(line, replies.LINE_TOO_LONG, is_whole=not is_long)
        elif line.find(b"\r") != size - 2 or size < 2:
            if b"\r" not in line and self._is_from_us():
                self._command(line[:-1])
                return
            self._refuse_line(line, replies.BARE_LINE_BREAK, is_whole=True)
        else:
            self._command(line[:-2])

    def _refuse_line(self, line: bytes, phrase: Phrase, *, is_whole: bool) -> None:
        if is_whole and is_foreign(line):
            self._refuse_foreign()
        else:
            self._say(phrase)

    def _refuse_foreign(self) -> None:
        """Another protocol: what follows is not to be read."""
        self._buffer.clear()
        self._scanned = 0
        self._note("another protocol", code=421)
        self._say(replies.NOT_SMTP)
        self._close()

    # --- commands -------------------------------------------------------------

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Carry out a command that may wait; what follows it waits too, if it does."""
        awaited = begin(coroutine)
        if awaited is not FINISHED:
            self._is_working = True
            self._task = self.loop.create_task(self._finish_command(coroutine, awaited))

    async def _finish_command(self, coroutine: Any, awaited: Any) -> None:
        try:
            await proceed(coroutine, awaited)
        except asyncio.CancelledError:
            if self.transport is not None:
                raise
            return
        except Exception as error:  # noqa: BLE001 - the top of a task: answered as ours
            self._task = None
            self._fault(error)
            return
        self._task = None
        self._is_working = False
        self._take_turn()

    def _fault(self, error: BaseException) -> None:
        """A bug or a failure of ours: 451, the transaction is dropped, the log is loud."""
        self.service.counters.faults += 1
        self._log.error("fault", exc_info=error)
        # What follows in the middle of a message must never be read as commands.
        is_out_of_step = self._is_receiving
        with contextlib.suppress(Exception):
            self._forget_transaction()
        self._is_working = False
        self._line_waiter = None
        if isinstance(error, StoreBroken):
            self.service.on_broken()
        if self.transport is None:
            return
        self._say(replies.OUR_FAULT)
        if is_out_of_step:
            self._close()
        self._flush()
        self._take_turn_soon()

    async def _read_line(self) -> bytes | None:
        """The next line, without its ending; None: it was too long.  For AUTH."""
        self._line_waiter = self.loop.create_future()
        self._flush()
        if self._buffer:
            self._take_turn_soon()
        line = await self._line_waiter
        return None if line is None else line.rstrip(b"\r\n")

    # --- the end of the process ---------------------------------------------------------

    def drain(self) -> None:
        """The process is to end: close now if no command or message is under way."""
        self._take_turn()
