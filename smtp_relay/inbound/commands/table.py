"""The commands: one table of words, what each needs and what forbids it.

A session's state is a set of flags.  A command whose `needs` are not all
there, or whose `bars` are, is answered by the phrase of the first such flag;
the check comes before its handler, so a handler may rely on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from smtp_relay.inbound import replies
from smtp_relay.inbound.replies import Phrase


class State(IntFlag):
    """What has happened on a connection."""

    HELLO = 1  # EHLO or HELO
    EXTENDED = 2  # it was EHLO
    TLS = 4
    SIGNED_IN = 8
    MAIL = 16  # a transaction is open
    RECIPIENT = 32  # at least one was accepted
    MAY_SEND = 64  # MX always; submission once signed in


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


@dataclass(frozen=True, slots=True)
class Command:
    """`needs` and `bars` as plain ints: they are tested for every command line."""

    word: str
    needs: int = 0
    bars: int = 0


COMMANDS: tuple[Command, ...] = (
    Command("EHLO"),
    Command("HELO"),
    Command("MAIL", needs=int(State.HELLO | State.MAY_SEND), bars=int(State.MAIL)),
    Command("RCPT", needs=int(State.HELLO | State.MAY_SEND | State.MAIL)),
    Command("DATA", needs=int(State.HELLO | State.MAY_SEND | State.MAIL | State.RECIPIENT)),
    Command("RSET"),
    Command("NOOP"),
    Command("QUIT"),
    Command("VRFY"),
    Command("EXPN"),
    Command("HELP"),
    Command("STARTTLS", needs=int(State.HELLO | State.EXTENDED), bars=int(State.TLS | State.MAIL)),
    Command(
        "AUTH",
        needs=int(State.HELLO | State.EXTENDED),
        bars=int(State.SIGNED_IN | State.MAIL),
    ),
)


def decide_order(command: Command, state: int) -> Phrase | None:
    """Is it this command's turn?  None: yes."""
    missing = command.needs & ~state
    if missing:
        return next(phrase for flag, phrase in _UNMET.items() if missing & flag)
    barred = command.bars & state
    if barred:
        return next(phrase for flag, phrase in _BARRED.items() if barred & flag)
    return None
