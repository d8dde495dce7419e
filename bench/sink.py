"""The next hop of the relay rows: Postfix's smtp-sink, one for each side.

It keeps nothing and answers at once, with PIPELINING, 8BITMIME and no TLS, so that what is
measured is the relay and not the hop behind it.
"""

from __future__ import annotations

import subprocess

from bench.process import end_process, find_free_ports, greets, wait_until

BACKLOG = 1000
_STOP_GRACE_S = 5.0


class Sink:
    """A running smtp-sink on a loopback port."""

    def __init__(self, *, data_delay_s: int = 0) -> None:
        """data_delay_s: it waits so long before each answer to DATA."""
        self.port = find_free_ports(1)[0]
        # As root it wants to be told which user to become.
        command = ["smtp-sink", "-u", "postfix"]
        command += ["-w", str(data_delay_s)] if data_delay_s else []
        command += [f"127.0.0.1:{self.port}", str(BACKLOG)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: greets(self.port, b"220 "), what="smtp-sink", timeout_s=10)

    def stop(self) -> None:
        end_process(self._process, grace_s=_STOP_GRACE_S)
