"""The session's own commands: EHLO, STARTTLS, AUTH, and those that change nothing.

What is learnt here (`_state`, `_account`, `_arrival`) lives from EHLO to QUIT;
STARTTLS drops all of it, and every octet that came before the handshake.
RFC 5321 §4.1.1, RFC 3207, RFC 4954.
"""

# ruff: noqa: N802 - smtp_WORD is the base class's naming

from __future__ import annotations

import asyncio
import functools
import ipaddress
from typing import Any

from aiosmtpd.smtp import Session

from mailserver.auth.backend import text_of_name
from mailserver.auth.gate import (
    FirstPasswordEnded,
    Granted,
    Throttled,
    Unavailable,
    Verdict,
    is_over,
)
from mailserver.peers.patience import TRIFLE
from mailserver.routing.relaying import Asker, Role
from mailserver.values.secret import Secret
from smtp_relay.inbound import replies
from smtp_relay.inbound.commands.table import COMMANDS, State
from smtp_relay.inbound.connection.encryption import EncryptedConnection
from smtp_relay.inbound.grammar import sasl
from smtp_relay.inbound.message.trace import Arrival
from smtp_relay.inbound.service import Listener, Service
from smtp_relay.inbound.transaction.policy import may_sign_in
from smtp_relay.inbound.transaction.recipients import Recipients

_HELLO = int(State.HELLO)
_EXTENDED = int(State.HELLO | State.EXTENDED)
_TLS = int(State.TLS)
_SIGNED_IN = int(State.SIGNED_IN | State.MAY_SEND)
_MAY_SEND = int(State.MAY_SEND)


class SessionCommands(EncryptedConnection):
    """What a connection may do before it sends a message."""

    __slots__ = ("_account", "_arrival", "_beginnings", "_failure_count", "_recipients", "_state")

    def __init__(self, service: Service, listener: Listener) -> None:
        super().__init__(service, listener)
        self._account: Granted | None = None
        self._arrival: Arrival | None = None
        self._recipients: Recipients | None = None
        self._beginnings: dict[bool, bytes] = {}  # of trace headers, by SMTPUTF8
        self._failure_count = 0
        self.is_over_tls = listener.is_tls
        self._state = self._first_state()

    def _first_state(self) -> int:
        state = _TLS if self.is_over_tls else 0
        may_send = self.listener.role is Role.MX or self.service.may_relay_unsigned(self.peer)
        return state | _MAY_SEND if may_send else state

    # --- session ----------------------------------------------------------------

    async def smtp_HELO(self, hostname: str | None) -> None:
        if self._hello(hostname, state=_HELLO):
            self._fill(replies.HELLO, "hostname", self.service.hostname)
            self._spend(TRIFLE)

    async def smtp_EHLO(self, hostname: str | None) -> None:
        if not self._hello(hostname, state=_EXTENDED):
            return
        self._out.append(_ehlo_reply((self.service.hostname, *self._extensions())))
        self._spend(TRIFLE)

    def _hello(self, hostname: str | None, *, state: int) -> bool:
        if not hostname:
            self._say(replies.BAD_SYNTAX)
            return False
        self._forget_transaction()
        self._state = (self._state & ~_EXTENDED) | state
        self.session.host_name = hostname
        self.session.extended_smtp = state == _EXTENDED
        self._forget_arrival()
        return True

    def _extensions(self) -> tuple[str, ...]:
        offered = ["PIPELINING", self.service.size_offer, "8BITMIME", "SMTPUTF8", "DSN"]
        if self.listener.tls is not None and not self.is_over_tls:
            offered.append("STARTTLS")
        if self._may_sign_in() is None:
            offered.append("AUTH " + " ".join(sasl.MECHANISMS))
        offered.append("ENHANCEDSTATUSCODES")
        return tuple(offered)

    async def smtp_NOOP(self, arg: str | None) -> None:  # noqa: ARG002 - RFC 5321 §4.1.1.9
        self._say(replies.DONE)
        self._spend(TRIFLE)

    async def smtp_RSET(self, arg: str | None) -> None:
        if arg:
            self._say(replies.BAD_SYNTAX)
            return
        self._forget_transaction()
        self._say(replies.DONE)
        self._spend(TRIFLE)

    async def smtp_QUIT(self, arg: str | None) -> None:  # noqa: ARG002 - going is always allowed
        self._say(replies.GOODBYE)
        self._close()

    async def smtp_VRFY(self, arg: str | None) -> None:
        self._say(replies.CANNOT_VERIFY if arg else replies.BAD_SYNTAX)
        self._spend(TRIFLE)

    async def smtp_EXPN(self, arg: str | None) -> None:  # noqa: ARG002 - aiosmtpd's contract
        self._say(replies.NOT_IMPLEMENTED)

    async def smtp_HELP(self, arg: str | None) -> None:  # noqa: ARG002 - aiosmtpd's contract
        words = " ".join(command.word for command in COMMANDS)
        self._fill(replies.HELP, "words", words)
        self._spend(TRIFLE)

    # --- TLS --------------------------------------------------------------------

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self.listener.tls is None:
            self._say(replies.NO_TLS)
        elif arg:
            self._say(replies.BAD_SYNTAX)
        elif self._buffer:  # what came in clear must not be carried out under TLS
            self._note("octets behind STARTTLS", code=501)
            self._say(replies.TALKED_BEFORE_TLS)
            self._close()
        else:
            self._say(replies.TLS_READY)
            self._flush()
            if await self._shake_hands(self.listener.tls, is_first=False):
                self.is_over_tls = True
                self._forget_session()

    def _forget_session(self) -> None:
        """RFC 3207 §4.2: nothing learnt in clear counts after the handshake."""
        self._forget_transaction()
        peer = self.session.peer
        self.session = Session(self.loop)
        self.session.peer = peer
        self._account = None
        self._state = self._first_state()
        self._forget_arrival()

    # --- AUTH -------------------------------------------------------------------

    def _may_sign_in(self) -> replies.Phrase | None:
        return may_sign_in(
            role=self.listener.role,
            has_tls=self.is_over_tls,
            plaintext_allowed=self.listener.allows_plaintext and self._is_peer_loopback(),
        )

    def _is_peer_loopback(self) -> bool:
        return bool(self.peer) and ipaddress.ip_address(self.peer.partition("%")[0]).is_loopback

    async def smtp_AUTH(self, arg: str | None) -> None:
        refusal = self._may_sign_in()
        if refusal is not None:
            self._say(refusal)
            return
        words = (arg or "").split()
        if not 1 <= len(words) <= 2:
            self._say(replies.BAD_SYNTAX)
            return
        mechanism = words[0].upper()
        initial = words[1] if len(words) == 2 else None
        if mechanism not in sasl.MECHANISMS:
            self._say(replies.UNKNOWN_MECHANISM)
            return
        try:
            given = await (self._plain(initial) if mechanism == "PLAIN" else self._login(initial))
        except sasl.BadResponse:
            self._say(replies.BAD_BASE64)
        except sasl.Cancelled:
            self._say(replies.SASL_CANCELLED)
        else:
            if given is None:
                self._say(replies.AUTH_LINE_TOO_LONG)
            else:
                self._conclude(given.user_name, await self._verify(given))

    async def _plain(self, initial: str | None) -> sasl.NamedPassword | None:
        response = initial if initial is not None else await self._ask("")
        return None if response is None else sasl.parse_plain(sasl.decode_response(response))

    async def _login(self, initial: str | None) -> sasl.NamedPassword | None:
        user_name = initial if initial is not None else await self._ask(sasl.USER_NAME_CHALLENGE)
        if user_name is None:
            return None
        name = sasl.decode_response(user_name)
        password = await self._ask(sasl.PASSWORD_CHALLENGE)
        if password is None:
            return None
        return sasl.NamedPassword(name, Secret(sasl.decode_response(password)))

    async def _ask(self, challenge: str) -> str | None:
        """Send a challenge, already base64; the response's line, None if it was too long."""
        self._out.append(b"334 " + challenge.encode("ascii") + b"\r\n")
        line = await self._read_line()
        return None if line is None else line.decode("ascii", "replace").strip()

    async def _verify(self, given: sasl.NamedPassword) -> Verdict:
        answered: asyncio.Future[Verdict] = self.loop.create_future()

        def answer(verdict: Verdict) -> None:
            if not answered.done():
                answered.set_result(verdict)

        def hop(verdict: Verdict) -> None:
            self.loop.call_soon_threadsafe(answer, verdict)

        verdict = self.service.gate.authenticate(
            given.user_name, given.password, peer=self.peer, door=self.listener.name, on_done=hop
        )
        return verdict if verdict is not None else await answered

    def _conclude(self, user_name: bytes, verdict: Verdict) -> None:
        counters = self.service.counters
        if isinstance(verdict, Granted):
            counters.sign_ins += 1
            self._account = verdict
            self._state |= _SIGNED_IN
            if self._seat is not None:
                self.service.seats.sign_in(self._seat, verdict.by_account or verdict.account_id)
            self.session.authenticated = True
            self._forget_arrival()
            self.service.note_seen(verdict, door=self.listener.name, peer=self.peer)
            self._log.info("signed in", account=verdict.identifier, by_whom=verdict.by_whom)
            self._say(replies.SIGNED_IN)
            return
        self._failure_count += not isinstance(verdict, Unavailable) or _is_slowed(verdict)
        if isinstance(verdict, Unavailable):
            slowed = _is_slowed(verdict)
            self._say(replies.SIGN_IN_SLOWED if slowed else replies.SIGN_IN_LATER)
        else:
            counters.failed_sign_ins += 1
            shown = text_of_name(user_name)[:100]
            self._note("sign-in denied", code=535, user_name=shown)
            ended = isinstance(verdict, FirstPasswordEnded)
            self._say(replies.FIRST_PASSWORD_ENDED if ended else replies.WRONG_PASSWORD)
        most = self.service.settings.auth.max_failures_per_session
        if self._failure_count >= most and not self._is_closing:
            self._say(replies.TOO_MANY_FAILURES)
            self._close()

    def _has_sign_in_ended(self) -> bool:
        """Suspended, deleted or given another password since: one indexed read per message."""
        account = self._account
        if account is None:
            return False
        return is_over(self.service.store.accounts, account, now_s=self.service.wall_s())

    def _fix_arrival(self) -> Arrival:
        self._arrival = Arrival(
            hello=self.session.host_name,
            peer=self.peer,
            hostname=self.service.hostname,
            is_extended=self.session.extended_smtp,
            is_signed_in=self._account is not None,
            tls=_tls_text(self.transport) if self.is_over_tls else "",
        )
        return self._arrival

    def _fix_recipients(self) -> Recipients:
        service, account = self.service, self._account
        asker = Asker(
            role=self.listener.role,
            is_signed_in=account is not None,
            is_trusted=service.is_trusted(self.peer),
            is_gateway=service.is_gateway(self.peer),
        )
        peer = "" if asker.is_known or not service.may_guess(self.peer) else self.peer
        self._recipients = Recipients(service, asker, account, peer=peer)
        return self._recipients

    def _is_from_us(self) -> bool:
        """Has somebody of ours signed in, or does it come from a trusted network?"""
        return (self._recipients or self._fix_recipients()).is_known

    def _forget_arrival(self) -> None:
        self._arrival = None
        self._recipients = None
        self._beginnings.clear()


def _is_slowed(verdict: Verdict) -> bool:
    """Asked to wait: one more try of this session all the same."""
    return isinstance(verdict, Throttled)


@functools.lru_cache(maxsize=64)
def _ehlo_reply(lines: tuple[str, ...]) -> bytes:
    told = "".join(f"250-{line}\r\n" for line in lines[:-1])
    return f"{told}250 {lines[-1]}\r\n".encode("ascii")


def _tls_text(transport: Any) -> str:
    cipher = transport.get_extra_info("cipher") if transport is not None else None
    if not cipher:
        return "TLS"
    name, version, bits = cipher
    ssl_object = transport.get_extra_info("ssl_object")
    return f"{ssl_object.version() if ssl_object else version} with cipher {name} ({bits} bits)"
