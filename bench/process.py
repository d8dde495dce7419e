"""Starting and ending processes that the bench owns, and finding ports for them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.side import BenchError

_POLL_S = 0.02


def run(command: Sequence[str], *, timeout_s: float = 120.0, stdin: str | None = None) -> str:
    """Run to the end and return its stdout.

    Raises:
        BenchError: it failed; the text holds the last line that it said.
    """
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "said nothing").splitlines()[-1]
        raise BenchError(f"{' '.join(command[:4])}: exit status {done.returncode}: {said}")
    return done.stdout


def find_free_ports(count: int) -> list[int]:
    """Loopback ports that are free now, all different."""
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(sock.getsockname()[1]) for sock in socks]
    finally:
        for sock in socks:
            sock.close()


def wait_until(
    is_true: Callable[[], bool], *, what: str, timeout_s: float, poll_s: float = _POLL_S
) -> None:
    """Raises:
    BenchError: `what` did not come true in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline_s:
            raise BenchError(f"gave up after {timeout_s:g} s waiting for {what}")
        time.sleep(poll_s)


def greets(port: int, greeting: bytes) -> bool:
    """Does a server on this loopback port open with `greeting`?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            return sock.recv(512).startswith(greeting)
    except OSError:
        return False


def end_process(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """SIGTERM, and SIGKILL to that one process if it does not end in time."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def last_line(path: Path) -> str:
    """What a log says last, for a one-line error."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return "it left no log"
    return lines[-1] if lines else "its log is empty"
