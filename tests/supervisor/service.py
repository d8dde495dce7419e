"""A real supervisor with fake doors, and what tests ask of it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.memory_file import write_memory_file
from mailserver.supervisor.plan import DoorPlan, ListenerPlan, ServicePlan

PATIENCE_S = 30.0
ECHO = "tests.supervisor.echo_door"
DEAF = "tests.supervisor.deaf_door"
BROKEN = "tests.supervisor.broken_door"
SETTINGS: dict[str, Any] = {"service": {"domain": "a.test", "hostname": "mail.a.test"}}


def door(
    name: str = "echo",
    *,
    module: str = ECHO,
    workers: int = 2,
    port: int = 0,
    host: str = "127.0.0.1",
) -> DoorPlan:
    return DoorPlan(name, module, workers, (ListenerPlan(name, host, port),))


def plan(*doors: DoorPlan, **changes: Any) -> ServicePlan:
    values: dict[str, Any] = {"settings": SETTINGS, "log_format": "json", "drain_s": 5.0}
    return ServicePlan(doors=doors, **{**values, **changes})


class Service:
    """`python -m mailserver.supervisor` with a plan; its events, its processes."""

    def __init__(self, wanted: ServicePlan, **popen: Any) -> None:
        fd = write_memory_file(wanted.to_json().encode())
        self.process = subprocess.Popen(
            python_command("mailserver.supervisor", str(fd)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[fd],
            env=popen.pop("env", None) or python_environment(),
            start_new_session=True,
            **popen,
        )
        os.close(fd)
        self.seen: list[dict[str, Any]] = []
        self._buffer = b""

    def wait_for(self, event: str, **facts: Any) -> dict[str, Any]:
        """The next event of this name with these facts."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            line = self._line(deadline)
            if line is None:
                raise AssertionError(f"no {event!r}; seen: {self.seen}")
            if line.get("event") == event and facts.items() <= line.items():
                return line

    def _line(self, deadline: float) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        while b"\n" not in self._buffer:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([fd], [], [], left_s)[0]:
                return None
            octets = os.read(fd, 65536)
            if not octets:
                return None
            self._buffer += octets
        text, _, self._buffer = self._buffer.partition(b"\n")
        try:
            line: dict[str, Any] = json.loads(text)
        except ValueError:
            line = {"event": text.decode()}
        self.seen.append(line)
        return line

    def ready(self) -> dict[str, int]:
        """Wait until it serves; listener -> port."""
        return ports_of(self.wait_for("ready"))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)

    def members(self) -> set[int]:
        """Every live process of this service, the supervisor included."""
        return {pid for pid in _all_pids() if _session_of(pid) == self.process.pid}

    @property
    def fork_server(self) -> int:
        """The fork server, by the name that it gives itself."""
        names = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in self.members()}
        return names["fork server"]

    def wait_until_gone(self) -> None:
        wait_until(lambda: not self.members() - {self.process.pid})

    def stop(self) -> None:
        """End whatever is left of it."""
        for pid in self.members():
            kill(pid)
        self.process.kill()
        self.process.wait(PATIENCE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


def ports_of(event: dict[str, Any]) -> dict[str, int]:
    pairs = (listener.split(" ") for listener in event["listeners"])
    return {name: int(address.rpartition(":")[2]) for name, address in pairs}


class Visit:
    """One connection to the echo door."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection((host, port), PATIENCE_S)
        self._file = self.sock.makefile("rb")
        greeting = self._file.readline()
        if not greeting:
            self.close()
            raise ConnectionResetError("it ended before it answered")
        self.facts: dict[str, Any] = json.loads(greeting)

    def ask(self, command: str) -> bytes:
        """The answer; empty when the other side has gone."""
        try:
            self.sock.sendall(command.encode() + b"\n")
            return self._file.readline()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self._file.close()
        self.sock.close()


def visit(port: int) -> dict[str, Any]:
    """Come, read who serves, leave."""
    caller = Visit(port)
    caller.ask("quit")
    caller.close()
    return caller.facts


def visit_until(port: int, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Come again until the right one serves: the kernel chooses the worker, a dying one perhaps."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(ConnectionResetError):
            facts = visit(port)
            if wanted(facts):
                return facts
    raise AssertionError("nobody of that kind answered")


def visit_banner(port: int) -> bytes:
    """The first line that whoever listens there says."""
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock,
        sock.makefile("rb") as f,
    ):
        return f.readline()


def wait_until(holds: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> None:
    """Look again and again until it holds, and fail when it never does."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        select.select([], [], [], 0.01)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _session_of(pid: int) -> int | None:
    """Session from proc(5) stat; None for what has ended, zombies included."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] == "Z" else int(after_name[3])
