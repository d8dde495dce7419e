"""Commands about the maildrop: STAT to QUIT (RFC 1939 §5, §6, §7)."""

from __future__ import annotations

from collections.abc import Iterator

from mailserver.peers.patience import ERROR, TRIFLE
from mailserver.store.ports.bodies import BodyError, BodyLost
from mailserver.store.ports.mail import StoredMessage
from mailserver.values.ids import Uid
from pop3_store.session.listing import OpenMaildrop
from pop3_store.session.session import Session
from pop3_store.session.states import Action, Remove, Signal, State
from pop3_store.session.stuffing import small_reply, top_lines, whole_lines
from pop3_store.session.texts import Say, counted_messages


def parse_number(word: bytes) -> int | None:
    """A message number or a count of lines: decimal digits; None for anything else."""
    return int(word) if word.isdigit() else None


def tell_state(session: Session, _args: list[bytes]) -> Action | None:
    drop = session.maildrop()
    session.send(b"+OK %d %d\r\n" % (drop.count, drop.octets))
    return None


def list_sizes(session: Session, args: list[bytes]) -> Action | None:
    drop = session.maildrop()
    if not args:
        session.send(b"+OK %s (%d octets)\r\n" % (counted_messages(drop.count), drop.octets))
        session.stream(drop.size_lines())
    elif (number := _find(session, drop, args[0])) is not None:
        session.send(b"+OK %d %d\r\n" % (number, drop.size_octets(number)))
    return None


def list_unique_ids(session: Session, args: list[bytes]) -> Action | None:
    drop = session.maildrop()
    if not args:
        session.send(b"+OK %s\r\n" % counted_messages(drop.count))
        session.stream(drop.unique_id_lines())
    elif (number := _find(session, drop, args[0])) is not None:
        session.send(b"+OK %d %s\r\n" % (number, drop.unique_id(number)))
    return None


def retrieve(session: Session, args: list[bytes]) -> Action | None:
    """The size in the reply is that of LIST; see `stuffing.whole_lines`."""
    found = _fetch(session, args[0])
    if found is None:
        return None
    uid, message = found
    session.renew_patience()
    session.tally.retrieved_count += 1
    session.tally.retrieved_octets += message.size_octets
    session.send(b"+OK %d octets\r\n" % message.size_octets)
    octets = small_reply(message)
    if octets is not None:
        session.send(octets)
        session.access.note_retrieved(uid)
    else:
        session.stream(_noted(session, uid, whole_lines(message)))
    return None


def _noted(session: Session, uid: Uid, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks; the last one makes it a retrieval."""
    yield from chunks
    session.access.note_retrieved(uid)


def retrieve_top(session: Session, args: list[bytes]) -> Action | None:
    line_count = parse_number(args[1])
    if line_count is None:
        session.say(Say.SYNTAX)
        session.spend(ERROR)
        return None
    found = _fetch(session, args[0])
    if found is not None:
        session.renew_patience()
        session.tally.top_count += 1
        session.say(Say.LINES_FOLLOW)
        session.stream(top_lines(found[1], line_count))
    return None


def delete(session: Session, args: list[bytes]) -> Action | None:
    drop = session.maildrop()
    number = _find(session, drop, args[0])
    if number is not None:
        session.renew_patience()
        drop.mark(number)
        session.say(Say.DELETED)
    return None


def reset(session: Session, _args: list[bytes]) -> Action | None:
    session.maildrop().unmark_all()
    session.say(Say.RESET)
    return None


def do_nothing(session: Session, _args: list[bytes]) -> Action | None:
    session.say(Say.NOTHING_DONE)
    return None


def quit_session(session: Session, _args: list[bytes]) -> Action | None:
    """Deletions are on disk and the lock is free before `+OK` is said (RFC 1939 §6)."""
    if session.state is State.TRANSACTION:
        now_s = session.server.clock()
        removal = session.maildrop().removal(now_s=now_s, by=session.access.as_remover())
        if removal is not None:
            session.state = State.UPDATE
            return session.wait_for(Remove(removal))
        session.access.leave()
    session.say(Say.GOODBYE)
    return session.end(Signal.CLOSE)


def _find(session: Session, drop: OpenMaildrop, word: bytes) -> int | None:
    """The number of a message that is there; else says why not."""
    number = parse_number(word)
    if number is None:
        session.say(Say.SYNTAX)
        session.spend(ERROR)
    elif not drop.holds(number):
        session.say(Say.NO_SUCH_MESSAGE)
        session.spend(TRIFLE)  # programs that count on their own list ask for many in a row
    else:
        return number
    return None


def _fetch(session: Session, word: bytes) -> tuple[Uid, StoredMessage] | None:
    drop = session.maildrop()
    number = _find(session, drop, word)
    if number is None:
        return None
    uid = drop.uid(number)
    try:
        message = session.server.store.mail.fetch(drop.maildrop.mailbox_id, uid)
    except BodyError as error:  # the store has said so in the log
        session.tally.fault_count += 1
        session.say(Say.BODY_LOST if isinstance(error, BodyLost) else Say.BODY_UNREADABLE)
        return None
    if message is None:
        session.say(Say.MESSAGE_GONE)
        return None
    return uid, message
