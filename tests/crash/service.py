"""A whole service, started by `mailserver run`, and started again on the same ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.crash.family import Member, Role, living_in, open_ports, read_family
from tests.crash.house import House

GONE_WITHIN_S = 20.0
"""Behind the drain time of 10 s, on a machine that has other work."""
STOP_WITHIN_S = 60.0
LOOK_S = 0.02


class Orphans(Exception):
    """Processes of the service outlive their supervisor."""


class CrashedService:
    def __init__(self, house: House) -> None:
        self._house = house
        self._log = open(house.folder / "log", "ab")  # noqa: SIM115 - closed in `close`
        self._program = self._start()
        self.longest_orphan_s = 0.0

    @property
    def log_file(self) -> Path:
        return self._house.folder / "log"

    def family(self) -> list[Member]:
        return read_family(self._program.pid)

    def freeze(self, member: Member) -> list[int]:
        """SIGSTOP, before a kill; our ends of the connections that it then has."""
        try:
            os.kill(member.pid, signal.SIGSTOP)
        except ProcessLookupError:
            return []
        return open_ports(member.pid)

    def kill(self, member: Member) -> None:
        """SIGKILL; a killed supervisor is started again when all its family is gone.

        Raises:
            Orphans: somebody stays.
        """
        if member.role is Role.SUPERVISOR:
            self._program.kill()
            self._program.wait()
            self._wait_until_gone()
            self._program = self._start()
            return
        try:
            os.kill(member.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # it ended by itself meanwhile

    def is_running(self) -> bool:
        return self._program.poll() is None

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self._program.terminate()
        status = self._program.wait(STOP_WITHIN_S)
        self._wait_until_gone()
        return status

    def start_again(self) -> None:
        self._program = self._start()

    def close(self) -> None:
        """Leave nobody behind, whatever happened."""
        if self._program.poll() is None:
            self._program.kill()
            self._program.wait()
        for pid in living_in(self._house.folder):
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(pid, signal.SIGKILL)
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-P", "-m", "mailserver.cli.main", "run", "--config")
        return subprocess.Popen(
            (*command, str(self._house.settings_file)),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self._house.folder,
        )

    def _wait_until_gone(self) -> None:
        began_s = time.monotonic()
        while left := living_in(self._house.folder):
            waited_s = time.monotonic() - began_s
            if waited_s > GONE_WITHIN_S:
                raise Orphans(f"{len(left)} processes outlive the supervisor by {waited_s:.0f} s")
            time.sleep(LOOK_S)
        self.longest_orphan_s = max(self.longest_orphan_s, time.monotonic() - began_s)
