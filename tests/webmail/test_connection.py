"""Who is let in at the socket: peers without TLS, and peers when all places are taken."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from starlette.responses import Response
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from mailserver.telemetry.log import get_log
from mailserver.tls.failures import FailedHandshakes
from mailserver.tls.parting import LastWords
from webmail.connection import HttpReception, hush_libraries, is_proxy, make_config
from webmail.connection_limit import ConnectionLimit

PROXIES = (ip_network("10.0.0.2/32"), ip_network("2001:db8::/64"))


@pytest.mark.parametrize(
    ("peer", "is_let_in"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.2", True),
        ("::ffff:10.0.0.2", True),
        ("2001:db8::7", True),
        ("10.0.0.3", False),
        ("192.0.2.7", False),
        ("2001:db8:1::7", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
    ],
)
def test_without_tls_this_machine_and_the_named_proxies_are_answered(
    peer: str, is_let_in: bool
) -> None:
    assert is_proxy(peer, PROXIES) == is_let_in


async def visit(limit: ConnectionLimit, *, is_welcome: bool) -> tuple[bytes, int]:
    """(what a peer of such a reception hears, how often it was full)."""
    turned_away = []
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        reception = HttpReception(
            listening,
            tls=None,
            config=make_config(nobody, proxies=()),
            state=ServerState(),
            limit=limit,
            not_http=Response(status_code=400),
            is_welcome=lambda _peer: is_welcome,
            on_full=lambda: turned_away.append(True),
            handshakes=FailedHandshakes(get_log("web")),
            last_words=LastWords(),
            listener="http",
            timeout_s=10.0,
        )
        accepting = loop.create_task(reception.run())
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
    return said, len(turned_away)


async def nobody(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("nobody was to be answered")


def test_who_is_not_welcome_hears_nothing_and_takes_no_place() -> None:
    limit = ConnectionLimit(1)
    assert asyncio.run(visit(limit, is_welcome=False)) == (b"", 0)
    assert len(limit) == 0


class Busy:
    deadline_at_s = 1e9
    is_working = True

    def abort(self) -> None:
        raise AssertionError("a request that is answered is never cut off for another")


def test_where_every_place_is_a_request_the_next_one_is_turned_away() -> None:
    limit = ConnectionLimit(1)
    assert limit.admit(Busy())
    assert asyncio.run(visit(limit, is_welcome=True)) == (b"", 1)
    assert len(limit) == 1


@pytest.fixture
def uvicorns_log() -> Iterator[logging.Logger]:
    log = logging.getLogger("uvicorn.error")
    before = log.level, log.propagate, log.handlers
    hush_libraries()
    yield log
    log.level, log.propagate, log.handlers = before


def test_what_peers_do_is_no_line_of_the_log_and_what_we_do_is(
    uvicorns_log: logging.Logger,
) -> None:
    with capture_logs() as events:
        uvicorns_log.warning("Invalid HTTP request received.")
        uvicorns_log.error("Exception in ASGI application\n", exc_info=KeyError("a bug"))
    (event,) = events
    assert (event["log_level"], str(event["exc_info"])) == ("error", "'a bug'")
