"""The commands: one table of words, what each needs, what forbids it, and who carries it out.

A session's state is a set of flags.  A command whose `needs` are not all there, or whose `bars`
are, is answered by the phrase of the first such flag; the check comes before its handler, so a
handler may rely on it.

A handler gets the session and the argument, or None, and replies.  Where it has to wait it
returns a coroutine: AUTH and STARTTLS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mailserver.peers.foreign import is_foreign
from mailserver.peers.patience import TRIFLE
from mailserver.peers.seats import Refusal, Seat
from mailserver.tls.failures import ALERT, Reason
from smtp_relay.inbound import replies
from smtp_relay.inbound.commands.message import data, mail, rcpt
from smtp_relay.inbound.commands.session import EXTENDED, HELLO, Session, State
from smtp_relay.inbound.commands.signing_in import auth
from smtp_relay.inbound.connection.connection import Connection
from smtp_relay.inbound.connection.handshake import shake_hands
from smtp_relay.inbound.connection.watch import Watch
from smtp_relay.inbound.grammar import sasl
from smtp_relay.inbound.replies import Phrase

Waiting = Coroutine[Any, Any, None]
Handler = Callable[[Session, str | None], Waiting | None]


def helo(session: Session, hostname: str | None) -> None:
    if not hostname:
        session.voice.say(replies.BAD_SYNTAX)
        return
    session.greet(hostname, HELLO)
    session.voice.fill(replies.HELLO, "hostname", session.service.hostname)
    session.voice.spend(TRIFLE)


def ehlo(session: Session, hostname: str | None) -> None:
    if not hostname:
        session.voice.say(replies.BAD_SYNTAX)
        return
    session.greet(hostname, EXTENDED)
    session.voice.out.append(_ehlo_reply((session.service.hostname, *_extensions(session))))
    session.voice.spend(TRIFLE)


def _extensions(session: Session) -> tuple[str, ...]:
    offered = ["PIPELINING", session.service.size_offer, "8BITMIME", "SMTPUTF8", "DSN"]
    if session.listener.tls is not None and not session.connection.is_over_tls:
        offered.append("STARTTLS")
    if session.may_sign_in() is None:
        offered.append("AUTH " + " ".join(sasl.MECHANISMS))
    offered.append("ENHANCEDSTATUSCODES")
    return tuple(offered)


@functools.lru_cache(maxsize=64)
def _ehlo_reply(lines: tuple[str, ...]) -> bytes:
    told = "".join(f"250-{line}\r\n" for line in lines[:-1])
    return f"{told}250 {lines[-1]}\r\n".encode("ascii")


def noop(session: Session, _arg: str | None) -> None:  # RFC 5321 §4.1.1.9: it may have one
    session.voice.say(replies.DONE)
    session.voice.spend(TRIFLE)


def rset(session: Session, arg: str | None) -> None:
    if arg:
        session.voice.say(replies.BAD_SYNTAX)
        return
    session.drop()
    session.voice.say(replies.DONE)
    session.voice.spend(TRIFLE)


def quit_(session: Session, _arg: str | None) -> None:  # going is always allowed
    session.connection.say_last(replies.GOODBYE)


def vrfy(session: Session, arg: str | None) -> None:
    session.voice.say(replies.CANNOT_VERIFY if arg else replies.BAD_SYNTAX)
    session.voice.spend(TRIFLE)


def expn(session: Session, _arg: str | None) -> None:
    session.voice.say(replies.NOT_IMPLEMENTED)


def help_(session: Session, _arg: str | None) -> None:
    words = " ".join(command.word for command in COMMANDS)
    session.voice.fill(replies.HELP, "words", words)
    session.voice.spend(TRIFLE)


async def starttls(session: Session, arg: str | None) -> None:
    connection, voice = session.connection, session.voice
    context = session.listener.tls
    if context is None:
        voice.say(replies.NO_TLS)
    elif arg:
        voice.say(replies.BAD_SYNTAX)
    elif connection.has_unread:  # what came in clear must not be carried out under TLS
        voice.note("octets behind STARTTLS", code=501)
        connection.say_last(replies.TALKED_BEFORE_TLS)
    else:
        voice.say(replies.TLS_READY)
        connection.flush()
        if await shake_hands(connection, context, is_first=False):
            session.restart()


@dataclass(frozen=True, slots=True)
class Command:
    """`needs` and `bars` as plain ints: they are tested for every command line."""

    word: str
    handler: Handler
    needs: int = 0
    bars: int = 0


COMMANDS: tuple[Command, ...] = (
    Command("EHLO", ehlo),
    Command("HELO", helo),
    Command("MAIL", mail, needs=int(State.HELLO | State.MAY_SEND), bars=int(State.MAIL)),
    Command("RCPT", rcpt, needs=int(State.HELLO | State.MAY_SEND | State.MAIL)),
    Command("DATA", data, needs=int(State.HELLO | State.MAY_SEND | State.MAIL | State.RECIPIENT)),
    Command("RSET", rset),
    Command("NOOP", noop),
    Command("QUIT", quit_),
    Command("VRFY", vrfy),
    Command("EXPN", expn),
    Command("HELP", help_),
    Command(
        "STARTTLS",
        starttls,
        needs=int(State.HELLO | State.EXTENDED),
        bars=int(State.TLS | State.MAIL),
    ),
    Command(
        "AUTH",
        auth,
        needs=int(State.HELLO | State.EXTENDED),
        bars=int(State.SIGNED_IN | State.MAIL),
    ),
)
_BY_WORD = {command.word.encode("ascii"): command for command in COMMANDS}
_UNMET: dict[State, Phrase] = {
    State.HELLO: replies.HELLO_FIRST,
    State.EXTENDED: replies.EHLO_FIRST,
    State.MAY_SEND: replies.SIGN_IN_FIRST,
    State.MAIL: replies.MAIL_FIRST,
    State.RECIPIENT: replies.RECIPIENT_FIRST,
}
_BARRED: dict[State, Phrase] = {
    State.TLS: replies.TLS_ALREADY,
    State.MAIL: replies.TRANSACTION_OPEN,
    State.SIGNED_IN: replies.SIGNED_IN_ALREADY,
}


def decide_order(command: Command, state: int) -> Phrase | None:
    """Is it this command's turn?  None: yes."""
    missing = command.needs & ~state
    if missing:
        return next(phrase for flag, phrase in _UNMET.items() if missing & flag)
    barred = command.bars & state
    if barred:
        return next(phrase for flag, phrase in _BARRED.items() if barred & flag)
    return None


class Commands:
    """What a connection has: it carries commands out, and owns the session that they change."""

    __slots__ = ("_connection", "_watch", "session")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watch = Watch(connection)
        self.session = Session(connection)

    @property
    def has_begun(self) -> bool:
        return self.session.host_name is not None

    @property
    def is_from_us(self) -> bool:
        return self.session.is_from_us

    def carry_out(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        command = _BY_WORD.get(word) or _BY_WORD.get(word.upper())
        session = self.session
        if command is None:
            if is_foreign(line):
                self._connection.refuse_foreign()
            else:
                session.voice.say(replies.UNKNOWN_COMMAND)
            return
        refusal = decide_order(command, session.state)
        if refusal is not None:
            session.voice.say(refusal)
            return
        argument = rest.decode("utf-8", "surrogateescape").strip(" \t") if rest else None
        coroutine = command.handler(session, argument or None)
        if coroutine is not None:
            self._connection.begin(coroutine)

    def turn_tls_away(self) -> None:
        """The banner has told the client already; whatever else it sends is no command."""
        connection, service = self._connection, self._connection.service
        service.handshakes.note(
            Reason.TLS_ON_PLAIN,
            peer=connection.peer,
            listener=connection.listener.name,
            now_s=service.clock_s(),
        )
        connection.refuse_foreign()

    def drop(self) -> None:
        self.session.drop()

    # --- coming and going -------------------------------------------------------

    def arrive(self) -> None:
        """The place is taken before the handshake: who says nothing is counted."""
        connection, service = self._connection, self._connection.service
        service.sessions.add(self._watch)
        service.counters.connections += 1
        service.counters.open_connections += 1
        refusal = self._take_seat()
        if not connection.is_over_tls or connection.listener.tls is None:
            self._greet(refusal)
        elif refusal is None:
            connection.begin(self._open_tls())
        else:  # before a handshake no reply can be read
            service.counters.refused_connections += 1
            connection.voice.note("connection refused", code=refusal.code)
            connection.transport.write(ALERT)
            connection.close()

    async def _open_tls(self) -> None:
        """The handshake where TLS comes first, and then the banner."""
        context = self._connection.listener.tls
        assert context is not None
        if await shake_hands(self._connection, context, is_first=True):
            self._greet()

    def _take_seat(self) -> Phrase | None:
        connection, service = self._connection, self._connection.service
        if service.spares.is_short:
            service.counters.refused_for_descriptors += 1
            return replies.TOO_MANY_CONNECTIONS
        seat = service.seats.admit(
            self._watch,
            listener=connection.listener.name,
            peer=connection.peer,
            now_s=service.clock_s(),
        )
        if seat is Refusal.FULL:
            if service.is_capped:
                service.counters.refused_for_descriptors += 1
            return replies.TOO_MANY_CONNECTIONS
        if seat is Refusal.TOO_MANY_FROM_THERE:
            return replies.TOO_MANY_FROM_THERE
        assert isinstance(seat, Seat)
        self.session.seat = seat
        return None

    def _greet(self, refusal: Phrase | None = None) -> None:
        connection, service = self._connection, self._connection.service
        if not connection.listener.admits(connection.peer):
            refusal = replies.NOT_FROM_THERE
        elif connection.listener.is_shut:
            refusal = replies.SHUT
        elif service.is_draining:
            refusal = replies.STOPPING
        if refusal is None:
            connection.voice.fill(replies.BANNER, "hostname", service.hostname)
            return
        service.counters.refused_connections += 1
        connection.voice.note("connection refused", code=refusal.code)
        connection.say_last(refusal)

    def end(self) -> None:
        service, session = self._connection.service, self.session
        service.sessions.discard(self._watch)
        if session.seat is not None:
            service.seats.leave(session.seat)
        service.counters.open_connections -= 1
        session.drop()
