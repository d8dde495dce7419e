"""AUTH: whose password is it?  RFC 4954, RFC 4616."""

from __future__ import annotations

import asyncio

from mailserver.auth.backend import text_of_name
from mailserver.auth.gate import FirstPasswordEnded, Granted, Throttled, Unavailable, Verdict
from mailserver.values.secret import Secret
from smtp_relay.inbound import replies
from smtp_relay.inbound.commands.session import Session
from smtp_relay.inbound.grammar import sasl


async def auth(session: Session, arg: str | None) -> None:
    voice = session.voice
    refusal = session.may_sign_in()
    if refusal is not None:
        voice.say(refusal)
        return
    words = (arg or "").split()
    if not 1 <= len(words) <= 2:
        voice.say(replies.BAD_SYNTAX)
        return
    mechanism = words[0].upper()
    initial = words[1] if len(words) == 2 else None
    if mechanism not in sasl.MECHANISMS:
        voice.say(replies.UNKNOWN_MECHANISM)
        return
    ask = _plain if mechanism == "PLAIN" else _login
    try:
        given = await ask(session, initial)
    except sasl.BadResponse:
        voice.say(replies.BAD_BASE64)
    except sasl.Cancelled:
        voice.say(replies.SASL_CANCELLED)
    else:
        if given is None:
            voice.say(replies.AUTH_LINE_TOO_LONG)
        else:
            _conclude(session, given.user_name, await _verify(session, given))


async def _plain(session: Session, initial: str | None) -> sasl.NamedPassword | None:
    response = initial if initial is not None else await _ask(session, "")
    return None if response is None else sasl.parse_plain(sasl.decode_response(response))


async def _login(session: Session, initial: str | None) -> sasl.NamedPassword | None:
    user_name = initial
    if user_name is None:
        user_name = await _ask(session, sasl.USER_NAME_CHALLENGE)
    if user_name is None:
        return None
    name = sasl.decode_response(user_name)
    password = await _ask(session, sasl.PASSWORD_CHALLENGE)
    if password is None:
        return None
    return sasl.NamedPassword(name, Secret(sasl.decode_response(password)))


async def _ask(session: Session, challenge: str) -> str | None:
    """Send a challenge, already base64; the response's line, None if it was too long."""
    session.voice.out.append(b"334 " + challenge.encode("ascii") + b"\r\n")
    line = await session.connection.read_line()
    return None if line is None else line.decode("ascii", "replace").strip()


async def _verify(session: Session, given: sasl.NamedPassword) -> Verdict:
    answered: asyncio.Future[Verdict] = session.loop.create_future()

    def answer(verdict: Verdict) -> None:
        if not answered.done():
            answered.set_result(verdict)

    def hop(verdict: Verdict) -> None:
        session.loop.call_soon_threadsafe(answer, verdict)

    verdict = session.service.gate.authenticate(
        given.user_name,
        given.password,
        peer=session.connection.peer,
        door=session.listener.name,
        on_done=hop,
    )
    return verdict if verdict is not None else await answered


def _conclude(session: Session, user_name: bytes, verdict: Verdict) -> None:
    if isinstance(verdict, Granted):
        _welcome(session, verdict)
        return
    connection, voice, service = session.connection, session.voice, session.service
    is_slowed = isinstance(verdict, Throttled)  # one more try of this session all the same
    session.failed_sign_ins += not isinstance(verdict, Unavailable) or is_slowed
    if isinstance(verdict, Unavailable):
        voice.say(replies.SIGN_IN_SLOWED if is_slowed else replies.SIGN_IN_LATER)
    else:
        service.counters.failed_sign_ins += 1
        shown = text_of_name(user_name)[:100]
        voice.note("sign-in denied", code=535, user_name=shown)
        ended = isinstance(verdict, FirstPasswordEnded)
        voice.say(replies.FIRST_PASSWORD_ENDED if ended else replies.WRONG_PASSWORD)
    most = service.settings.auth.max_failures_per_session
    if session.failed_sign_ins >= most and not connection.is_closing:
        connection.say_last(replies.TOO_MANY_FAILURES)


def _welcome(session: Session, account: Granted) -> None:
    service = session.service
    service.counters.sign_ins += 1
    session.sign_in(account)
    if session.seat is not None:
        service.seats.sign_in(session.seat, account.by_account or account.account_id)
    service.note_seen(account, door=session.listener.name, peer=session.connection.peer)
    session.voice.log.info("signed in", account=account.identifier, by_whom=account.by_whom)
    session.voice.say(replies.SIGNED_IN)
