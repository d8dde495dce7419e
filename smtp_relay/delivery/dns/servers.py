"""One name server over UDP and TCP, and what went wrong with it in words.

dnspython does not hear a malformed answer over UDP (anybody may have sent it),
and then calls the server silent.  Here it is not heard either, and waited on as
long; but when nothing better has come by then, it is what is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dns.exception
import dns.message
import dns.nameserver
import dns.rcode

from smtp_relay.delivery.dns.answers import Lapse, RecordType

Error = tuple[str, bool, int, Any, dns.message.Message | None]
"""As dnspython keeps them: (server, over TCP, port, what happened, the response)."""

_BOGUS: Final = frozenset({1, 2, 5, 6, 7, 8, 9, 10, 11, 12})  # RFC 8914 §4
_UNREACHABLE: Final = frozenset({22, 23})


class Server(dns.nameserver.Do53Nameserver):
    async def async_query(  # noqa: PLR0917 - dnspython's signature
        self,
        request: dns.message.QueryMessage,
        timeout: float,  # noqa: ASYNC109
        source: str | None,
        source_port: int,
        max_size: bool,  # noqa: FBT001
        backend: Any,
        one_rr_per_rrset: bool = False,  # noqa: FBT001, FBT002
        ignore_trailing: bool = False,  # noqa: FBT001, FBT002
    ) -> dns.message.Message:
        heard = _Heard(request.id)
        if not max_size:
            backend = _Listening(backend, heard)
        try:
            return await super().async_query(
                request,
                timeout,
                source,
                source_port,
                max_size,
                backend,
                one_rr_per_rrset,
                ignore_trailing,
            )
        except dns.exception.Timeout:
            heard.raise_if_malformed()
            raise


class _Heard:
    """The last answer under our identifier that could not be read."""

    def __init__(self, message_id: int) -> None:
        self._beginning = message_id.to_bytes(2, "big")
        self._error: dns.exception.FormError | None = None

    def take(self, wire: bytes) -> None:
        if not wire.startswith(self._beginning):
            return
        try:
            dns.message.from_wire(wire)
        except dns.exception.FormError as error:
            self._error = error
        except dns.exception.DNSException:
            return

    def raise_if_malformed(self) -> None:
        if self._error is not None:
            raise self._error


class _Listening:
    """dnspython's backend; what its sockets receive is looked at on its way."""

    def __init__(self, inner: Any, heard: _Heard) -> None:
        self._inner = inner
        self._heard = heard

    def name(self) -> Any:
        return self._inner.name()

    def datagram_connection_required(self) -> Any:
        return self._inner.datagram_connection_required()

    async def make_socket(self, *args: Any, **named: Any) -> Any:
        sock = await self._inner.make_socket(*args, **named)
        receive = sock.recvfrom

        async def recvfrom(size: int, timeout: float) -> Any:  # noqa: ASYNC109
            got = await receive(size, timeout)
            self._heard.take(got[0])
            return got

        sock.recvfrom = recvfrom
        return sock


def lapse_of(errors: Sequence[Error]) -> Lapse:
    """What the servers did, by what tells most."""
    lapses = {_lapse(error, response) for *_, error, response in errors}
    for lapse in (Lapse.BOGUS, Lapse.LAME, Lapse.MALFORMED, Lapse.FAILED, Lapse.REFUSED):
        if lapse in lapses:
            return lapse
    return Lapse.SILENT


def words_of_errors(errors: Sequence[Error], record_type: RecordType) -> str:
    """`SERVFAIL from 127.0.0.1 port 53`: what each server did, each said once."""
    said = [_words(one, record_type) for one in errors]
    return ", ".join(dict.fromkeys(said)) or "no answer in time"


def _lapse(error: object, response: dns.message.Message | None) -> Lapse:
    if response is not None and response.rcode() != dns.rcode.NOERROR:
        codes = {int(one.code) for one in response.extended_errors()}
        if codes & _BOGUS:
            return Lapse.BOGUS
        if codes & _UNREACHABLE:
            return Lapse.LAME
        is_servfail = response.rcode() == dns.rcode.SERVFAIL
        return Lapse.FAILED if is_servfail else Lapse.REFUSED
    if isinstance(error, dns.exception.Timeout):
        return Lapse.SILENT
    return Lapse.MALFORMED if response is None else Lapse.ASTRAY


def _words(one: Error, record_type: RecordType) -> str:
    server, _is_tcp, _port, error, response = one
    where = server.removeprefix("Do53:").replace("@", " port ")
    if response is not None and response.rcode() != dns.rcode.NOERROR:
        return f"{dns.rcode.to_text(response.rcode())} from {where}{_explained(response)}"
    if isinstance(error, dns.exception.Timeout):
        return f"no answer from {where}"
    words = " ".join(str(error).split()) or type(error).__name__
    if type(error) is dns.exception.FormError:  # its subclasses are about the whole message
        return f"malformed {record_type.value} record from {where} ({words})"
    if isinstance(error, dns.exception.FormError):
        return f"malformed answer from {where} ({words})"
    return f"no usable answer from {where} ({words})"


def _explained(response: dns.message.Message) -> str:
    """In the server's own words (RFC 8914), where it gave some."""
    texts = [" ".join(one.to_text().split()) for one in response.extended_errors()]
    return f" ({'; '.join(texts)})" if texts else ""
