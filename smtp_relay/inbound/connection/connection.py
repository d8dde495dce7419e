r"""One connection: octets in, command lines and message data out of them, replies back.

    data_received --> buffer --> lines --> conversation --> voice --> one write per batch
                             \-> incoming message, while there is one

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
from collections.abc import Callable, Coroutine
from typing import Any

from mailserver.peers.foreign import begins_foreign, is_foreign
from mailserver.store.ports.errors import StoreBroken
from mailserver.tls.failures import is_tls_record
from smtp_relay.inbound import replies
from smtp_relay.inbound.connection.eager import FINISHED, begin, proceed
from smtp_relay.inbound.connection.idleness import Activity
from smtp_relay.inbound.connection.lines import Lines
from smtp_relay.inbound.connection.ports import Conversation, Incoming
from smtp_relay.inbound.connection.voice import Voice
from smtp_relay.inbound.grammar.sasl import MAX_LINE_OCTETS as MAX_SASL_OCTETS
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.service import Listener, Service

MAX_COMMAND_OCTETS = 2048  # CRLF included
MAX_BUFFERED_OCTETS = 64 * 1024
MAX_TURN_COMMANDS = 100  # then the other connections have their turn


class Connection:
    """Owns the transport, the octets that wait for their turn, and whose turn it is."""

    __slots__ = ("__weakref__", "_conversation", "_has_eof", "_is_reading_paused", "_is_working",
                 "_is_write_blocked", "_line_waiter", "_lines", "_meet", "_task", "_turn_is_due",
                 "activity", "incoming", "is_closing", "is_over_tls", "is_shaking_hands",
                 "listener", "loop", "peer", "service", "transport", "voice")  # fmt: skip

    def __init__(
        self,
        service: Service,
        listener: Listener,
        meet: Callable[[Connection], Conversation],
        *,
        voice: type[Voice] = Voice,
    ) -> None:
        """meet: called once it is known who the peer is."""
        self.loop = service.loop
        self.service = service
        self.listener = listener
        self.transport: Any = None
        self.voice = voice(service, listener, lose_patience=self._lose_patience)
        self.peer = ""
        self.is_over_tls = listener.is_tls
        self.is_closing = False
        self._meet = meet
        self._conversation: Conversation  # from `made` to `lost`
        self.incoming: Incoming | None = None
        self._lines = Lines()
        self._is_working = False
        self.is_shaking_hands = False
        self._is_write_blocked = False
        self._is_reading_paused = False
        self._has_eof = False
        self._turn_is_due = False
        self._line_waiter: asyncio.Future[bytes | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.activity = Activity(heard_at_s=service.clock_s())

    # --- from the loop --------------------------------------------------------

    def made(self, transport: Any) -> None:
        service = self.service
        self.transport = transport
        peername = transport.get_extra_info("peername")
        self.peer = peername[0] if peername else ""
        self.voice.meet(self.peer, session=service.next_session_name())
        service.peers.note(self.peer)
        self._conversation = self._meet(self)
        self._conversation.arrive()
        self.flush()

    def received(self, data: bytes) -> None:
        try:
            if self.incoming is not None and not self._lines.octets:
                data = self._take_data(self.incoming, data)
                if not data:
                    self._settle()
                    return
            if self.is_closing:
                return
            if self._lines.octets or not self._is_one_line(data):
                if not self._conversation.has_begun and is_tls_record(data):
                    self._conversation.turn_tls_away()
                    return
                self._lines.octets += data
                self._run()
                return
            # Nearly always: one whole command and nothing else.
            self._take_line(data)
            self._settle()
        except Exception as error:  # noqa: BLE001 - the top of a session: answered as ours
            self._fault(error)

    def half_closed(self) -> bool:
        """What it sent before is still carried out and answered.  False: close."""
        self._has_eof = True
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - as above
            self._fault(error)
        return not self.is_over_tls and not self.is_closing

    def lost(self) -> None:
        if self.transport is None:
            return
        self.transport = None
        self.is_closing = True
        self._lines.octets.clear()
        if self._task is not None and not self.is_shaking_hands:
            self._task.cancel()  # a handshake that fails still says why
        self.voice.part()
        conversation = self._conversation
        del self._conversation  # which has this connection: they free each other at once
        conversation.end()

    def blocked(self) -> None:
        """The peer reads nothing."""
        self._is_write_blocked = True

    def unblocked(self) -> None:
        self._is_write_blocked = False
        self.take_turn()

    # --- the turn -------------------------------------------------------------

    def take_turn(self) -> None:
        """Go on, from a callback of the loop."""
        self._turn_is_due = False
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - as in `received`
            self._fault(error)

    def _take_turn_soon(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self.loop.call_soon(self.take_turn)

    def _run(self) -> None:
        """Carry out what the buffer holds, then write all replies at once."""
        left, lines = MAX_TURN_COMMANDS, self._lines
        while self._lines.octets and self._may_go_on():
            if self.incoming is not None:
                self._lines.octets += self._take_data(self.incoming, lines.take_all())
                continue
            if left == 0:
                self._take_turn_soon()
                break
            left -= 1
            line = lines.next()
            if line is None:
                self._look_at_beginning()
                break
            self._take_line(line)
        self._settle()

    def _may_go_on(self) -> bool:
        if self.is_closing or self._is_write_blocked:
            return False
        if self._is_working:
            return self._line_waiter is not None
        return not (self.service.is_draining and self.incoming is None)

    def _is_one_line(self, data: bytes) -> bool:
        """May `data` be carried out at once, and is it one line and no more?"""
        if self.incoming is not None or self._lines.is_skipping or not self._may_go_on():
            return False
        return data.find(b"\n") == len(data) - 1 and data != b""

    def _settle(self) -> None:
        """After a turn: say good-bye if it is time to, write, and read more or less."""
        if self.transport is None:
            return
        if self._has_eof or self.service.is_draining:
            self._part()
        self.flush()
        if self._lines.octets or self._is_reading_paused or self.incoming is not None:
            self.pace_reading()

    def _part(self) -> None:
        """The peer or the process ends: say good-bye, unless something is still under way."""
        is_draining = self.service.is_draining
        if not self._is_working and not self.is_closing:
            if is_draining and self.incoming is None:
                self.say_last(replies.STOPPING)
            elif self._has_eof and not self._turn_is_due and not self._is_write_blocked:
                self.close()
        elif self._line_waiter is not None and not self._turn_is_due:
            if is_draining:  # the peer may think about its password for ever
                self.say_last(replies.STOPPING)
            elif self._has_eof:
                self.close()

    def pace_reading(self) -> None:
        """Read on, or wait: for commands to be carried out, or for the disk."""
        incoming = self.incoming
        is_behind = incoming is not None and incoming.is_behind
        wanted = is_behind or len(self._lines.octets) > MAX_BUFFERED_OCTETS
        if wanted == self._is_reading_paused or self.is_closing:
            return
        self._is_reading_paused = wanted
        if wanted:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _take_data(self, incoming: Incoming, data: bytes) -> bytes:
        self.activity.heard_at_s = self.service.clock_s()
        return incoming.take(data)

    def _look_at_beginning(self) -> None:
        """Of a line whose end has not come: is it another protocol, or too long?"""
        lines = self._lines
        is_new = not lines.is_skipping and self._line_waiter is None
        is_long = lines.is_skipping or len(lines.octets) > self._line_limit()
        begun = lines.octets
        if is_new and (begins_foreign(begun) or (is_long and is_foreign(bytes(begun)))):
            self.refuse_foreign()
        elif is_long:
            lines.skip()

    def _line_limit(self) -> int:
        """AUTH and what answers its challenges may be longer (RFC 4954 §4)."""
        if self._line_waiter is not None or self._lines.octets[:5].upper() == b"AUTH ":
            return MAX_SASL_OCTETS
        return MAX_COMMAND_OCTETS

    def _take_line(self, line: bytes) -> None:
        self.activity.heard_at_s = self.service.clock_s()
        size = len(line)
        is_long = self._lines.is_skipping
        self._lines.is_skipping = False
        waiter = self._line_waiter
        if waiter is not None:
            self._line_waiter = None
            too_long = is_long or size > MAX_SASL_OCTETS
            waiter.set_result(None if too_long else line)
        elif is_long or (
            size > MAX_COMMAND_OCTETS and (line[:5].upper() != b"AUTH " or size > MAX_SASL_OCTETS)
        ):
            self._refuse_line(line, replies.LINE_TOO_LONG, is_whole=not is_long)
        elif line.find(b"\r") != size - 2 or size < 2:
            if b"\r" not in line and self._conversation.is_from_us:
                self._conversation.carry_out(line[:-1])
                return
            self._refuse_line(line, replies.BARE_LINE_BREAK, is_whole=True)
        else:
            self._conversation.carry_out(line[:-2])

    def _refuse_line(self, line: bytes, phrase: Phrase, *, is_whole: bool) -> None:
        if is_whole and is_foreign(line):
            self.refuse_foreign()
        else:
            self.voice.say(phrase)

    def refuse_foreign(self) -> None:
        """Another protocol: what follows is not to be read."""
        self._lines.clear()
        self.voice.note("another protocol", code=421)
        self.say_last(replies.NOT_SMTP)

    # --- for commands ---------------------------------------------------------

    @property
    def has_unread(self) -> bool:
        """Has the peer sent something behind the command that is carried out?"""
        return bool(self._lines.octets)

    def carry_out(self, line: bytes) -> None:
        """A command as if it had come; `line` without CRLF."""
        self._conversation.carry_out(line)

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
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
        self.take_turn()

    def _fault(self, error: BaseException) -> None:
        """A bug or a failure of ours: 451, the transaction is dropped, the log is loud."""
        self.service.counters.faults += 1
        self.voice.log.error("fault", exc_info=error)
        # What follows in the middle of a message must never be read as commands.
        is_out_of_step = self.incoming is not None
        if self.transport is not None:
            with contextlib.suppress(Exception):
                self._conversation.drop()
        self._is_working = False
        self._line_waiter = None
        if isinstance(error, StoreBroken):
            self.service.on_broken()
        if self.transport is None:
            return
        self.voice.say(replies.OUR_FAULT)
        if is_out_of_step:
            self.close()
        self.flush()
        self._take_turn_soon()

    async def read_line(self) -> bytes | None:
        """The next line, without its ending; None: it was too long.  For AUTH."""
        self._line_waiter = self.loop.create_future()
        self.flush()
        if self._lines.octets:
            self._take_turn_soon()
        line = await self._line_waiter
        return None if line is None else line.rstrip(b"\r\n")

    def receive(self, incoming: Incoming | None) -> None:
        """From now on octets are a message's; None: commands again."""
        self.incoming = incoming

    def hold(self) -> None:
        """Carry nothing out until `go_on`."""
        self._is_working = True

    def go_on(self) -> None:
        self._is_working = False
        self.hear()
        self.take_turn()

    def hear(self) -> None:
        """What happens now is no silence of the peer's."""
        self.activity.heard_at_s = self.service.clock_s()

    # --- TLS: `handshake` -----------------------------------------------------

    def begin_handshake(self) -> Any:
        """The transport in clear."""
        self.is_shaking_hands = True
        return self.transport

    def end_handshake(self, transport: Any) -> bool:
        """The transport under TLS, or None; is there still a connection?"""
        if transport is None or transport.is_closing() or self.transport is None:
            self._task = None
            self._is_working = False
            self.lost()
            return False
        self.transport = transport
        self.is_over_tls = True
        self.is_shaking_hands = False
        self._is_reading_paused = False
        return True

    # --- saying ---------------------------------------------------------------

    def flush(self) -> None:
        if self.voice.out and self.transport is not None:
            self.transport.write(self.voice.take())

    def say_last(self, phrase: Phrase) -> None:
        self.voice.say(phrase)
        self.close()

    def close(self) -> None:
        """Write what is said and close; the sweep aborts a peer that does not read it."""
        if self.transport is None or self.is_closing:
            return
        self.flush()
        self.is_closing = True
        self.activity.closing_at_s = self.service.clock_s()
        self.transport.close()

    def _lose_patience(self) -> None:
        if not self.is_closing:
            self.voice.note("too many errors", code=421)
            self.say_last(replies.TOO_MANY_ERRORS)

    # --- for `watch` ------------------------------------------------------------

    @property
    def is_at_work(self) -> bool:
        """Is the wait ours?"""
        return self._is_working and self._line_waiter is None

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
