"""The MTA-STS policy of a domain over HTTPS (RFC 8461 §3.3).

    GET https://mta-sts.<domain>/.well-known/mta-sts.txt

The certificate must be good for `mta-sts.<domain>`; no redirect is followed, no
cache is asked, the body is text/plain and at most 64 KiB, and all of it takes
at most a minute.  Name servers are asked through our own resolver.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from mailserver.routing.mx import order_addresses
from mailserver.routing.reach import Network, Reach, reach_of
from smtp_relay.delivery.dns.answers import Answer, Found, RecordType, Resolver

HTTPS_PORT: Final = 443
MAX_BODY_OCTETS: Final = 64 * 1024  # §3.3
MAX_RESPONSE_OCTETS: Final = MAX_BODY_OCTETS + 32 * 1024  # status line and fields too
TIMEOUT_S: Final = 60.0  # §3.3
_PATH: Final = "/.well-known/mta-sts.txt"


class CannotFetch(Exception):
    """No policy could be had; the text says why."""


class Incomplete(Exception):
    """More octets must come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsPolicies:
    """Fetches policies.  context: None: the system's authorities.

    internal: networks of ours where a policy may be; elsewhere, only at public addresses, since
        the DNS of strangers says where to ask.
    """

    resolver: Resolver
    port: int = HTTPS_PORT
    context: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S
    internal: tuple[Network, ...] = ()

    async def fetch(self, domain: str) -> bytes:
        """The body of the policy.

        Raises:
            CannotFetch: whatever went wrong.
        """
        host = f"mta-sts.{domain}"
        try:
            async with asyncio.timeout(self.timeout_s):
                addresses = await self._addresses(host)
                return await self._fetch_from(addresses, host)
        except TimeoutError:
            raise CannotFetch(f"it took longer than {self.timeout_s:g} s") from None

    async def _addresses(self, host: str) -> tuple[str, ...]:
        ipv6, ipv4 = await asyncio.gather(
            self.resolver.ask(host, RecordType.AAAA), self.resolver.ask(host, RecordType.A)
        )
        found = order_addresses(_texts(ipv4), _texts(ipv6), choice="both")
        if not found:
            raise CannotFetch(f"{host} has no address")
        public = tuple(
            one for one in found if reach_of(one, internal=self.internal) is Reach.PUBLIC
        )
        if not public:
            raise CannotFetch(f"{host} has no public address")
        return public

    async def _fetch_from(self, addresses: Sequence[str], host: str) -> bytes:
        context = self.context or system_context()
        for address in addresses:
            try:
                reader, writer = await asyncio.open_connection(
                    address, self.port, ssl=context, server_hostname=host
                )
            except ssl.SSLCertVerificationError as error:
                raise CannotFetch(f"its certificate is not good: {error.verify_message}") from error
            except OSError:
                continue  # no IPv6 here, or nobody there
            return await _exchange(reader, writer, host)
        raise CannotFetch(f"no address of {host} answers")


@cache
def system_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.hostname_checks_common_name = False  # RFC 8461 §3.3: only subjectAltName counts
    return context


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> bytes:
    writer.write(
        f"GET {_PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\n"
        "User-Agent: melouvert\r\nConnection: close\r\n\r\n".encode("ascii")
    )
    octets = b""
    try:
        while len(octets) < MAX_RESPONSE_OCTETS:
            more = await reader.read(MAX_RESPONSE_OCTETS)
            octets += more
            with suppress(Incomplete):
                return parse_response(octets, is_all=not more)
    except OSError as error:
        raise CannotFetch(f"the connection broke: {error}") from error
    finally:
        writer.transport.abort()
    raise CannotFetch("its answer is too long")


def parse_response(octets: bytes, *, is_all: bool) -> bytes:
    """The body of an HTTP response that may still be arriving.

    is_all: the peer closed.

    Raises:
        CannotFetch: not 200, not text/plain, too long, no HTTP.
        Incomplete: ask again with more octets.
    """
    if b"\r\n\r\n" not in octets:
        if is_all:
            raise CannotFetch("its answer ended early")
        raise Incomplete
    response = http.client.HTTPResponse(cast("Any", _Octets(octets)))
    try:
        response.begin()
        _check_head(response)
        wanted_octets = response.length
        body = response.read(MAX_BODY_OCTETS + 1)
    except http.client.IncompleteRead:
        if is_all:
            raise CannotFetch("its answer ended early") from None
        raise Incomplete from None
    except (http.client.HTTPException, ValueError) as error:
        raise CannotFetch("its answer is no HTTP") from error
    if len(body) > MAX_BODY_OCTETS:
        raise CannotFetch(f"it is longer than {MAX_BODY_OCTETS // 1024} KiB")
    if is_all and len(body) < (wanted_octets or 0):
        raise CannotFetch("its answer ended early")
    if not is_all and not response.chunked and len(body) != wanted_octets:
        raise Incomplete  # without a length, the end of the connection is the end
    return body


def _check_head(response: http.client.HTTPResponse) -> None:
    if response.status != http.client.OK:
        raise CannotFetch(f"the server answered {response.status}")
    if response.headers.get_content_type() != "text/plain":
        raise CannotFetch(f"it is {response.headers.get_content_type()[:60]!r}, not text/plain")
    if (response.length or 0) > MAX_BODY_OCTETS:
        raise CannotFetch(f"it is longer than {MAX_BODY_OCTETS // 1024} KiB")


class _Octets:
    """What `HTTPResponse` wants of a socket."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._octets)


def _texts(answer: Answer) -> list[str]:
    return [one.to_text() for one in answer.records] if isinstance(answer, Found) else []
