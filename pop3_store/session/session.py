"""One POP3 session, without a socket: octets in, octets and decisions out.

The shell calls `receive` with what came, then `advance` until it returns None,
sends `take_output()`, and does what each returned action says.  Commands run
strictly in order, one at a time: nothing is read while a long reply is unsent
(the shell does not call `advance` then) or while an answer is awaited.  So a
connection that dies before its QUIT is reached deletes nothing.

Invariants: the maildrop lock is held in TRANSACTION and UPDATE and in no other
state; at most `MAX_PASSWORD_LINE_OCTETS` of an unfinished line are kept; a
fault of ours is `-ERR [SYS/TEMP]` and a log entry, never its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mailserver.auth.gate import (
    Denied,
    FirstPasswordEnded,
    Granted,
    Throttled,
    Unavailable,
    Verdict,
)
from mailserver.peers.foreign import begins_foreign, is_foreign
from mailserver.peers.patience import ERROR, Patience
from mailserver.store.ports.errors import StoreBroken, StoreError
from mailserver.store.ports.shared.locks import MaildropLock
from mailserver.store.ports.writes import Outcome, Removed
from pop3_store.session.access import Access, MaildropEntry
from pop3_store.session.lines import MAX_LINE_OCTETS, MAX_PASSWORD_LINE_OCTETS, Lines, Output
from pop3_store.session.listing import OpenMaildrop
from pop3_store.session.server import Circuit, Server
from pop3_store.session.states import Action, Signal, State, WaitForMaildrop
from pop3_store.session.texts import WHY, Say, counted_messages

BATCH_OCTETS = 64 * 1024
"""Replies to pipelined commands are sent together until they reach this."""


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command of the table that a session is given.

    handler: gets the arguments, as many as the row allows.
    """

    handler: Callable[[Session, list[bytes]], Action | None]
    states: tuple[State, ...]
    min_args: int
    max_args: int
    carries_password: bool = False  # only over TLS, or where the clear is allowed
    raw: bool = False
    max_line_octets: int = MAX_LINE_OCTETS
    is_last: bool = False  # it ends the session, and what was asked for is done


Commands = Mapping[bytes, CommandRow]
"""By their words in capitals."""


class Session:
    """See the module."""

    __slots__ = (
        "_commands",
        "_failures",
        "_lines",
        "_next",
        "_out",
        "_patience",
        "_waits",
        "access",
        "circuit",
        "is_draining",
        "removed_count",
        "server",
        "state",
        "tally",
        "user_name",
    )

    def __init__(self, server: Server, circuit: Circuit, commands: Commands) -> None:
        self.server = server
        self.circuit = circuit
        self.tally = server.tally
        self.state = State.AUTHORIZATION
        self.user_name = b""
        self.removed_count = 0
        self.is_draining = False  # close as soon as nothing received is left to do
        self._commands = commands
        self._lines = Lines()
        self._failures = 0
        self._patience = Patience(server.max_errors)
        self.access = Access(server, circuit, self._note_fault)
        self._waits = False  # for a verdict, an outcome or a handshake
        self._next: Action | None = None  # to be returned by the next `advance`
        self._out = Output()
        self.say(Say.GREETING)

    # --- for the shell --------------------------------------------------------

    @property
    def has_unread_octets(self) -> bool:
        return len(self._lines) > 0

    @property
    def is_a_strangers(self) -> bool:
        """Nobody has signed in, and nothing of ours is under way."""
        return self.state is State.AUTHORIZATION and not self._waits

    def turn_out(self) -> None:
        """Somebody else needs the place."""
        self.server.note(
            "pop3 session made room", session=self.circuit.session_id, peer=self.circuit.peer
        )
        self.say(Say.MAKE_ROOM)
        self._next = self.end(Signal.CLOSE)

    @property
    def held_octets(self) -> int:
        """Received and not yet used."""
        return len(self._lines)

    @property
    def line_count(self) -> int:
        """Complete lines read: the shell's idle timer watches it."""
        return self._lines.count

    @property
    def takes_passwords(self) -> bool:
        return self.circuit.is_tls or self.circuit.is_clear_allowed

    def receive(self, octets: bytes) -> None:
        """Keep what came.  Ignored once the session has ended."""
        if self.state is State.ENDED or self.state is State.UPDATE:
            return
        self._lines.receive(octets)

    def take_output(self) -> bytes:
        """All octets to send now; they are handed out once."""
        return self._out.take()

    def advance(self) -> Action | None:
        """Go on until an action is needed; None: wait for octets, or for an answer."""
        try:
            return self._run()
        except Exception as error:  # noqa: BLE001 - the top of a session
            # Only a stream gets here, and its first line has been said already.
            self._note_fault("long reply failed", error)
            return self.end(Signal.ABORT)

    def conclude_sign_in(self, verdict: Verdict) -> None:
        """The gate's answer to `Authenticate`."""
        self._waits = False
        if self.state is not State.AUTHORIZATION:
            return  # the peer has gone meanwhile
        if isinstance(verdict, Granted):
            self._guard(lambda: self._come_in(self.access.enter(verdict)))
        elif isinstance(verdict, Denied):
            ended = isinstance(verdict, FirstPasswordEnded)
            self._refuse(Say.FIRST_PASSWORD_ENDED if ended else Say.WRONG_PASSWORD)
        else:
            assert isinstance(verdict, Unavailable)
            if isinstance(verdict, Throttled):
                self._refuse(Say.SLOWED)
            else:
                self.say(Say.TRY_LATER)
                self.spend(ERROR)

    def conclude_waiting(self, lock: MaildropLock | StoreError | None) -> None:
        """The answer to `WaitForMaildrop`.  None: it is still in use."""
        self._waits = False
        is_gone = self.state is not State.AUTHORIZATION
        self._guard(lambda: self._come_in(self.access.enter_late(lock, is_gone=is_gone)))

    def conclude_removal(self, outcome: Outcome) -> None:
        """The committer's answer to `Remove`.  The lock is free before anything is said."""
        self._waits = False
        self.access.leave()
        if isinstance(outcome, Removed):
            self.removed_count = outcome.count
            self.tally.removed_count += outcome.count
            self.say(Say.GOODBYE)
        else:
            self._note_fault("removal failed", getattr(outcome, "error", None))
            self.say(Say.NOTHING_REMOVED)
        self.end(Signal.CLOSE)
        self._next = Signal.CLOSE

    def begin_tls(self) -> None:
        """The handshake begins: whatever was known or received before is forgotten."""
        self._waits = False
        self.circuit.is_tls = True
        self.user_name = b""
        self._lines.forget()
        self._lines.is_overlong = False

    def lose(self) -> None:
        """The connection is gone.  A removal already handed over keeps the lock until it ends."""
        self._out.end_stream()
        if self.state is State.UPDATE:
            return
        self.end(Signal.CLOSE)

    # --- for the commands -----------------------------------------------------

    def say(self, say: Say) -> None:
        self.send(self.server.replies[say])
        why = WHY.get(say)
        if why is not None:
            self.server.refusals.note(why, self.circuit.peer)

    def send(self, octets: bytes) -> None:
        self._out.send(octets)

    def stream(self, chunks: Iterator[bytes]) -> None:
        """Send these after what was said, as fast as the peer reads."""
        self._out.stream = chunks

    def wait_for(self, action: Action) -> Action:
        """No further command until the shell has answered `action`."""
        self._waits = True
        return action

    def maildrop(self) -> OpenMaildrop:
        """Only in TRANSACTION."""
        assert self.access.maildrop is not None
        return self.access.maildrop

    def end(self, signal: Signal) -> Signal:
        """Nothing more is read or said; the lock is free."""
        self.state = State.ENDED
        self._lines.forget()
        self._out.end_stream()
        self.access.leave()
        return signal

    # --- within -----------------------------------------------------------------

    def _run(self) -> Action | None:
        while True:
            if (due := self._next) is not None:
                self._next = None
                return due
            if self._out.stream is not None:
                self._out.pull()
            elif self._waits or self.state is State.ENDED:
                return None
            elif (line := self._next_line()) is not None:
                action = self._obey(line)
                if action is not None:
                    return action
            elif self._has_more():  # what makes no line has ended the session
                continue
            elif self.is_draining:
                return self.end(Signal.CLOSE)
            else:
                return None
            if self._out.octets >= BATCH_OCTETS:
                return Signal.FLUSH

    def _has_more(self) -> bool:
        return self._next is not None

    def _next_line(self) -> bytes | None:
        """The next line without its LF; None: there is no whole line."""
        lines = self._lines
        line = lines.next()
        if line is None:
            if not lines.is_overlong and begins_foreign(lines.first()):
                self._refuse_foreign()
            elif len(lines) >= MAX_PASSWORD_LINE_OCTETS:
                lines.skip()
        return line

    def _obey(self, line: bytes) -> Action | None:
        """Check, then proceed."""
        if self._lines.is_overlong:
            self._lines.is_overlong = False
            self.say(Say.TOO_LONG)
            self.spend(ERROR)
            return None
        # Scripts and `nc` end a command with LF alone.
        word, _, rest = line.removesuffix(b"\r").partition(b" ")
        row = self._commands.get(word.upper())
        if row is None and is_foreign(line):
            self._refuse_foreign()
            return None
        if len(line) >= (row.max_line_octets if row else MAX_LINE_OCTETS):
            self.say(Say.TOO_LONG)
        elif row is None:
            self.say(Say.UNKNOWN)
        elif self.state not in row.states:
            self.say(Say.WRONG_STATE)
        elif row.carries_password and not self.takes_passwords:
            self.say(Say.TLS_FIRST)
        else:
            args = ([rest] if rest else []) if row.raw else rest.split()
            if row.min_args <= len(args) <= row.max_args:
                return self._guard(lambda: self._carry_out(row, args))
            self.say(Say.SYNTAX)
        self.spend(ERROR)
        return None

    def _refuse_foreign(self) -> None:
        """Another protocol: what follows is not to be read."""
        self.server.note(
            "pop3 session spoke another protocol",
            session=self.circuit.session_id,
            peer=self.circuit.peer,
        )
        self.say(Say.NOT_POP3)
        self._next = self.end(Signal.CLOSE)

    def spend(self, cost: int) -> None:
        """A refusal, or a command that led nowhere: there is an end to it."""
        if self._patience.spend(cost) and self.state is not State.ENDED:
            self.server.note(
                "pop3 session ended for its errors",
                session=self.circuit.session_id,
                peer=self.circuit.peer,
                identifier=self.access.identifier,
            )
            self.say(Say.TOO_MANY_ERRORS)
            self._next = self.end(Signal.CLOSE)

    def renew_patience(self) -> None:
        """Something useful was done."""
        self._patience.renew()

    def _carry_out(self, row: CommandRow, args: list[bytes]) -> Action | None:
        """Unless what opened the maildrop holds no more."""
        if self.access.has_ended(is_last=row.is_last):
            self.say(Say.SIGNED_OUT)
            self._next = self.end(Signal.CLOSE)
            return None
        return row.handler(self, args)

    def _come_in(self, entry: MaildropEntry | WaitForMaildrop) -> None:
        """Say what a granted sign-in came to."""
        if isinstance(entry, WaitForMaildrop):
            self._waits, self._next = True, entry
        elif entry is MaildropEntry.IN_USE:
            self.tally.in_use_count += 1
            self.say(Say.MAILDROP_IN_USE)
            self.spend(ERROR)
        elif entry is MaildropEntry.OVER:
            self._refuse(Say.SIGNED_OUT)
        elif entry is MaildropEntry.OPEN:
            drop = self.maildrop()
            self.state = State.TRANSACTION
            self.renew_patience()
            self.tally.sign_in_count += 1
            self.send(b"+OK %s (%d octets)\r\n" % (counted_messages(drop.count), drop.octets))

    def _guard(self, act: Callable[[], Action | None]) -> Action | None:
        """Run one command's work; a fault of ours answers [SYS/TEMP] in its place."""
        said = self._out.mark()
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - the top of a session
            self._out.back_to(said)
            self._waits = False
            if self.state is State.UPDATE:
                self.state = State.TRANSACTION
            if self.state is State.AUTHORIZATION:
                self.access.leave()
            self._note_fault("command failed", error)
            self.say(Say.TRY_LATER)
            self.spend(ERROR)
            return None

    def _refuse(self, say: Say) -> None:
        self._failures += 1
        self.tally.refused_count += 1
        self.say(say)
        self.spend(ERROR)
        if self._failures >= self.server.max_failures and self.state is not State.ENDED:
            self._next = self.end(Signal.CLOSE)

    def _note_fault(self, event: str, error: BaseException | None) -> None:
        self.tally.fault_count += 1
        self.server.log.error(
            event,
            session=self.circuit.session_id,
            identifier=self.access.identifier,
            peer=self.circuit.peer,
            exc_info=error,
        )
        if isinstance(error, StoreBroken):
            self.server.on_broken()
