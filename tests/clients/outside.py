"""The rest of the world, on a thread: its names, a server that knows nobody, one that is down."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from mailserver.settings.template import Value
from tests.smtp_relay.delivery.dns.liar import lying
from tests.smtp_relay.delivery.peers import Peer, Wire

UNKNOWN = "paul@example.net"
"""Nobody's address."""
UNREACHABLE = ("anna@example.org", "anna@example.com")
"""Nothing listens at her servers.  One for each test: a destination that failed rests."""
ANSWER = f"550 5.1.1 <{UNKNOWN}>: Recipient address rejected: User unknown"
_NAMES = {
    "example.net MX": ["10 mx.example.net."],
    "mx.example.net A": ["127.0.0.1"],
    "example.org MX": ["10 mx.example.org."],
    "mx.example.org A": ["127.0.0.2"],
    "example.com MX": ["10 mx.example.com."],
    "mx.example.com A": ["127.0.0.3"],
}


class Outside:
    """Running from the start.  settings: how a service finds it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        opened: Future[dict[str, Value]] = Future()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(opened),)
        )
        self._thread.start()
        self.settings = opened.result(timeout=10)

    async def _serve(self, opened: Future[dict[str, Value]]) -> None:
        async with lying(_NAMES) as names, Peer(_know_nobody) as peer:
            opened.set_result(
                {
                    "dns.servers": [f"127.0.0.1:{names.bind.port}"],
                    "dns.validates": "no",
                    "delivery.mta_sts": False,
                    "delivery.port": peer.port,
                    "delivery.internal_networks": ["127.0.0.0/8"],
                }
            )
            await self._end.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()


async def _know_nobody(wire: Wire) -> None:
    await wire.greet("ENHANCEDSTATUSCODES", "8BITMIME")
    while (line := await wire.line()) != "QUIT":
        await wire.say(ANSWER if line.startswith("RCPT ") else "250 2.1.0 ok")
    await wire.say("221 2.0.0 bye")
