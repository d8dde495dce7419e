"""From the peer's greeting to a connection that takes mail.

    GREETING -> HELLO -> [STARTTLS -> HANDSHAKE -> HELLO] -> [PLAIN | USER -> PASSWORD] -> OPEN

HELLO is EHLO (LHLO for LMTP); HELO follows where EHLO is refused and nothing
that only EHLO could offer is demanded (RFC 5321 §3.2).  What was said before a
handshake is forgotten (RFC 3207 §4.2).  Every answer that leads no further is
a `ConnectionFailure`: permanent only where the host said 5yz to the greeting or to
every hello.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import ClassVar

from smtp_relay.delivery.client.failures import handshake_failure
from smtp_relay.delivery.client.offers import NO_OFFERS, parse_offers
from smtp_relay.delivery.client.replies import Reply
from smtp_relay.delivery.plan import Login, Protocol, TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import ConnectionFailure, Phase


class Step(Enum):
    """The answer that is waited for; its value is the phase in which that happens."""

    GREETING = "greeting"
    HELLO = "hello"
    HELO = "helo"
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"  # nothing may come: the shell does it
    PLAIN = "plain"
    USER = "user"
    PASSWORD = "password"  # noqa: S105 - a step, not one
    OPEN = "open"


_PHASES = {
    Step.GREETING: Phase.GREETING,
    Step.HELLO: Phase.HELLO,
    Step.HELO: Phase.HELLO,
    Step.STARTTLS: Phase.TLS,
    Step.HANDSHAKE: Phase.TLS,
    Step.PLAIN: Phase.AUTH,
    Step.USER: Phase.AUTH,
    Step.PASSWORD: Phase.AUTH,
    Step.OPEN: Phase.MAIL,
}


class Opening:
    """Answers in, commands out.

    may_log_in_clear: the peer is this machine, so a password crosses no wire.
    may_pipeline: False: one command at a time, whatever it offers.
    may_be_ourselves: False: a peer that answers hello with our own name is us, behind a gateway.
    clear_note: why the connection is in clear, for the journey.
    """

    def __init__(
        self,
        *,
        hostname: str,
        protocol: Protocol,
        demand: TlsDemand,
        login: Login | None,
        may_log_in_clear: bool,
        may_pipeline: bool = True,
        may_be_ourselves: bool = True,
    ) -> None:
        self._hostname = hostname.encode("ascii")
        self._protocol = protocol
        self._demand = demand
        self._login = login
        self._may_log_in_clear = may_log_in_clear
        self._may_pipeline = may_pipeline
        self._may_be_ourselves = may_be_ourselves
        self._is_encrypted = demand.is_implicit
        self.step = Step.GREETING
        self.offers = NO_OFFERS
        self.clear_note = f"STARTTLS not tried: {demand.source}"

    @property
    def phase(self) -> Phase:
        return _PHASES[self.step]

    def answer(self, reply: Reply) -> bytes:
        """What to say next; nothing in the steps HANDSHAKE and OPEN.

        Raises:
            ConnectionFailure: it leads no further.
        """
        return self._ANSWERS[self.step](self, reply)

    def be_encrypted(self) -> bytes:
        """The handshake is done: begin anew."""
        self._is_encrypted = True
        self.offers = NO_OFFERS
        return self._say_hello()

    def handshake_failed(self, words: str) -> ConnectionFailure:
        """Before it began: as it would be a moment later, so that no race decides what is done."""
        return handshake_failure(self._demand, EOFError(words))

    def _on_greeting(self, reply: Reply) -> bytes:
        if reply.code != 220:
            raise self._failure(reply)
        return self._say_hello()

    def _say_hello(self) -> bytes:
        self.step = Step.HELLO
        word = b"LHLO " if self._protocol is Protocol.LMTP else b"EHLO "
        return word + self._hostname + b"\r\n"

    def _on_hello(self, reply: Reply) -> bytes:
        if reply.is_permanent and self._protocol is Protocol.SMTP:
            self.step = Step.HELO
            return b"HELO " + self._hostname + b"\r\n"
        if reply.code != 250:
            raise self._failure(reply)
        self._look_for_ourselves(reply)
        offers = parse_offers(reply)
        self.offers = replace(offers, pipelining=offers.pipelining and self._may_pipeline)
        return self._secure()

    def _on_helo(self, reply: Reply) -> bytes:
        if reply.code != 250:
            raise self._failure(reply)
        self._look_for_ourselves(reply)
        return self._secure()

    def _look_for_ourselves(self, reply: Reply) -> None:
        """RFC 5321 §5.1: mail that came back would go in circles."""
        name = reply.lines[0].split(b" ", 1)[0].rstrip(b".").lower()
        if not self._may_be_ourselves and name == self._hostname.lower():
            words = f"it answers with our own name, {name.decode('ascii')}: it is this server"
            raise ConnectionFailure(phase=Phase.HELLO, status="4.4.6", words=words)

    def _secure(self) -> bytes:
        """STARTTLS where it is wished for or demanded, else on."""
        if self._is_encrypted or self._demand.level is TlsLevel.NONE:
            return self._log_in()
        if not self.offers.starttls:
            return self._go_on_in_clear("no STARTTLS offered")
        self.step = Step.STARTTLS
        return b"STARTTLS\r\n"

    def _on_starttls(self, reply: Reply) -> bytes:
        if reply.code == 220:
            self.step = Step.HANDSHAKE
            return b""
        if reply.is_positive or reply.is_intermediate:
            raise self._failure(reply)
        return self._go_on_in_clear(f"STARTTLS refused: {reply.words[:200]}")

    def _go_on_in_clear(self, why: str) -> bytes:
        if self._demand.level > TlsLevel.OPPORTUNISTIC:
            raise ConnectionFailure(
                phase=Phase.TLS,
                status="4.7.4",
                words=f"{self._demand.source} demands TLS: {why}",
                is_policy=True,
            )
        self.clear_note = why
        return self._log_in()

    def _log_in(self) -> bytes:
        if self._login is None:
            self.step = Step.OPEN
            return b""
        if not self._is_encrypted and not self._may_log_in_clear:
            words = f"no password is sent in clear ({self.clear_note})"
            raise ConnectionFailure(phase=Phase.AUTH, status="4.7.4", words=words, is_policy=True)
        return self._begin_auth(self._login)

    def _begin_auth(self, login: Login) -> bytes:
        """PLAIN (RFC 4616) first; LOGIN for the servers that know no better."""
        if "PLAIN" in self.offers.mechanisms:
            self.step = Step.PLAIN
            secret = f"\0{login.user_name}\0{login.password.reveal()}"
            return b"AUTH PLAIN " + _encoded(secret)
        if "LOGIN" in self.offers.mechanisms:
            self.step = Step.USER
            return b"AUTH LOGIN\r\n"
        words = "it offers neither AUTH PLAIN nor AUTH LOGIN, and this route has a password"
        raise ConnectionFailure(phase=Phase.AUTH, status="4.7.4", words=words)

    def _on_challenge(self, reply: Reply) -> bytes:
        """LOGIN asks for two things in words that nobody checks: the name, then the password."""
        if reply.code != 334 or self._login is None:
            return self._on_auth(reply)
        if self.step is Step.USER:
            self.step = Step.PASSWORD
            return _encoded(self._login.user_name)
        self.step = Step.PLAIN
        return _encoded(self._login.password.reveal())

    def _on_auth(self, reply: Reply) -> bytes:
        """Never permanent: a wrong password is ours to mend, and no fault of the mail."""
        if reply.code == 235:
            self.step = Step.OPEN
            return b""
        if reply.code not in {535, 534, 538}:
            raise self._failure(reply, is_final=False)
        words = f"the user name or the password of this route is refused: {reply.words}"
        raise ConnectionFailure(phase=Phase.AUTH, status="4.7.8", words=words[:1000])

    def _on_nothing(self, reply: Reply) -> bytes:
        raise ConnectionFailure(
            phase=self.phase, status="4.5.0", words=f"an answer to nothing: {reply.words}"[:1000]
        )

    def _failure(self, reply: Reply, *, is_final: bool = True) -> ConnectionFailure:
        """A refusal in the peer's words; 2yz and 3yz where they make no sense are temporary."""
        if reply.code < 400:
            words = f"an answer that makes no sense here: {reply.words}"[:1000]
            return ConnectionFailure(phase=self.phase, status="4.5.0", words=words)
        is_permanent = reply.is_permanent and is_final
        status = reply.status if is_permanent else f"4{reply.status[1:]}"
        return ConnectionFailure(
            phase=self.phase, status=status, words=reply.words, is_permanent=is_permanent
        )

    _ANSWERS: ClassVar[dict[Step, Callable[[Opening, Reply], bytes]]] = {
        Step.GREETING: _on_greeting,
        Step.HELLO: _on_hello,
        Step.HELO: _on_helo,
        Step.STARTTLS: _on_starttls,
        Step.HANDSHAKE: _on_nothing,
        Step.PLAIN: _on_auth,
        Step.USER: _on_challenge,
        Step.PASSWORD: _on_challenge,
        Step.OPEN: _on_nothing,
    }


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode("utf-8")) + b"\r\n"
