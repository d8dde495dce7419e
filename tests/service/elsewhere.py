"""Another organisation's server, beside the service: takes all that comes, on a thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from tests.smtp_relay.delivery.peers import Peer, take_all

DOMAIN = "ailleurs.test"


class Elsewhere:
    """Running from the start.  port: where it listens."""

    def __init__(self, port: int = 0) -> None:
        self._loop = asyncio.new_event_loop()
        self._peer = Peer(take_all, port=port)
        self._end = asyncio.Event()
        opened: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(opened),)
        )
        self._thread.start()
        self.port = opened.result(timeout=10)

    async def _serve(self, opened: Future[int]) -> None:
        async with self._peer as peer:
            opened.set_result(peer.port)
            await self._end.wait()

    def got(self, recipient: str, mark: bytes) -> list[bytes]:
        """The messages with that mark that were for this address alone, as they were sent."""
        found = []
        for wire in self._peer.wires:
            paths = [line for line in wire.lines if line.startswith("RCPT TO:")]
            for path, octets in zip(paths, wire.messages, strict=False):
                if path.startswith(f"RCPT TO:<{recipient}>") and mark in octets:
                    found.append(octets.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."))
        return found

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()
