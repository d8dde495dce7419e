"""The policy over HTTPS, from a real server with a certificate of a throw-away authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from smtp_relay.delivery.plan import DeliveryPlan, TlsLevel
from smtp_relay.delivery.resolve.hop_resolver import open_hop_resolver
from smtp_relay.delivery.security.sts_fetch import (
    MAX_BODY_OCTETS,
    CannotFetch,
    HttpsPolicies,
    Incomplete,
    parse_response,
)
from tests.smtp_relay.delivery.dns.liar import lying
from tests.smtp_relay.delivery.dns.table import TableResolver, found, settings_with
from tests.smtp_relay.delivery.security.policies import KeptPolicies

BODY = b"version: STSv1\r\nmode: none\r\nmax_age: 1\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
PLAIN = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nversi\r\n3\r\non:\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def serving(
    authority: trustme.CA, answer: bytes, *, name: str = "mta-sts.a.test", closes: bool = True
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """The port, and the requests that came."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    requests: list[bytes] = []
    ends = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        if not closes:
            await ends.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        ends.set()
        server.close()
        await server.wait_closed()


async def fetch(
    authority: trustme.CA, port: int, *, timeout_s: float = 5, addresses: str = "127.0.0.1"
) -> bytes:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    resolver = TableResolver({"A mta-sts.a.test": found("A", *addresses.split())})
    policies = HttpsPolicies(
        resolver=resolver,
        port=port,
        context=context,
        timeout_s=timeout_s,
        internal=(ip_network("127.0.0.0/8"),),
    )
    return await policies.fetch("a.test")


@pytest.mark.asyncio
@pytest.mark.parametrize("closes", [True, False])
async def test_a_policy_is_fetched(authority: trustme.CA, closes: bool) -> None:
    async with serving(authority, PLAIN, closes=closes) as (port, requests):
        assert await fetch(authority, port) == BODY
    assert requests[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert b"Host: mta-sts.a.test\r\n" in requests[0]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 301 Moved\r\nLocation: https://b.test/\r\n\r\n", "answered 301"),
        (b"HTTP/1.1 404 No\r\n\r\n", "answered 404"),
        (PLAIN.replace(b"text/plain", b"text/html"), "text/html"),
        (HEAD + b"Content-Length: 70000\r\n\r\n", "longer than 64 KiB"),
        (HEAD + b"\r\n" + b"x" * (MAX_BODY_OCTETS + 1), "longer than 64 KiB"),
        (PLAIN[:-3], "ended early"),
        (b"", "ended early"),
        (b"220 mail.a.test ESMTP\r\n\r\n", "no HTTP"),
        (HEAD + b"X-Long: " + b"x" * 200_000, "too long"),
    ],
)
async def test_what_is_no_policy_is_not_taken(
    authority: trustme.CA, answer: bytes, why: str
) -> None:
    async with serving(authority, answer) as (port, _):
        with pytest.raises(CannotFetch, match=why):
            await fetch(authority, port)


@pytest.mark.asyncio
async def test_a_certificate_of_another_name_is_not_good(authority: trustme.CA) -> None:
    async with serving(authority, PLAIN, name="a.test") as (port, requests):
        with pytest.raises(CannotFetch, match="certificate is not good"):
            await fetch(authority, port)
    assert not requests


@pytest.mark.asyncio
async def test_a_certificate_of_a_stranger_is_not_good(authority: trustme.CA) -> None:
    async with serving(trustme.CA(), PLAIN) as (port, _):
        with pytest.raises(CannotFetch, match="certificate is not good"):
            await fetch(authority, port)


@pytest.mark.asyncio
async def test_a_server_that_never_ends_is_left(authority: trustme.CA) -> None:
    async with serving(authority, HEAD, closes=False) as (port, _):
        with pytest.raises(CannotFetch, match=r"longer than 0\.2 s"):
            await fetch(authority, port, timeout_s=0.2)


@pytest.mark.asyncio
async def test_the_next_address_is_tried(authority: trustme.CA) -> None:
    async with serving(authority, PLAIN) as (port, _):
        assert await fetch(authority, port, addresses="127.0.0.2 127.0.0.1") == BODY


@pytest.mark.asyncio
async def test_a_host_without_address_has_no_policy() -> None:
    with pytest.raises(CannotFetch, match="has no address"):
        await HttpsPolicies(resolver=TableResolver({})).fetch("a.test")


@pytest.mark.asyncio
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
async def test_no_policy_is_asked_for_where_only_we_may_go(address: str) -> None:
    table = {"A mta-sts.a.test": found("A", address)}
    with pytest.raises(CannotFetch, match="no public address"):
        await HttpsPolicies(resolver=TableResolver(table)).fetch("a.test")


@pytest.mark.parametrize("whole", [PLAIN, CHUNKED])
def test_a_response_is_read_octet_by_octet_as_whole(whole: bytes) -> None:
    body = parse_response(whole, is_all=True)
    for end in range(len(whole)):
        try:
            early = parse_response(whole[:end], is_all=False)
        except Incomplete:
            continue
        assert early == body
    assert parse_response(whole, is_all=False) == body


@given(st.binary(max_size=200), st.booleans())
def test_whatever_the_octets_there_is_a_body_or_a_reason(junk: bytes, is_all: bool) -> None:
    for octets in (junk, HEAD + junk, HEAD + b"\r\n" + junk, PLAIN + junk, CHUNKED + junk):
        try:
            assert len(parse_response(octets, is_all=is_all)) <= MAX_BODY_OCTETS
        except CannotFetch:
            continue
        except Incomplete:
            assert not is_all


@pytest.mark.asyncio
async def test_a_policy_in_force_binds_the_hosts_of_its_domain_alone(
    authority: trustme.CA,
) -> None:
    """From the TXT record over HTTPS to the demand; the other domain shares the host."""
    body = b"version: STSv1\r\nmode: enforce\r\nmx: mx.a.test\r\nmax_age: 86400\r\n"
    records = {
        "a.test MX": ["10 mx.a.test."],
        "b.test MX": ["10 mx.a.test."],
        "mx.a.test A": ["192.0.2.1"],
        "mta-sts.a.test A": ["127.0.0.1"],
        "_mta-sts.a.test TXT": ['"v=STSv1; id=7"'],
    }
    context = ssl.create_default_context()
    authority.configure_trust(context)
    policies = KeptPolicies()
    async with (
        lying(records) as server,
        serving(authority, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) as (port, _),
    ):
        settings = settings_with(dns={"servers": (str(server.bind),), "validates": "no"})
        finder = open_hop_resolver(settings, policies, https_port=port, https_context=context)
        bound, free = await finder.find("a.test"), await finder.find("b.test")
        await finder.close()
    assert isinstance(bound, DeliveryPlan)
    assert isinstance(free, DeliveryPlan)
    assert [resolution.hops[0].tls.level for resolution in (bound, free)] == [
        TlsLevel.VERIFY,
        TlsLevel.OPPORTUNISTIC,
    ]
    assert bound.site != free.site
    assert policies.kept["a.test"].policy_id == "7"
