"""A reload's first half: read the settings again, in a process of its own."""

from __future__ import annotations

import os
import subprocess

from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.memory_file import read_memory_file, write_memory_file
from mailserver.supervisor.plan import ServicePlan, plan_from_json


class BadSettings(Exception):
    """The new settings cannot be used.  The text says why, line by line."""


class Reading:
    """The planning process: `finish` when it has ended."""

    def __init__(self, plan: ServicePlan) -> None:
        self._out_fd = write_memory_file(b"")
        self._error_fd = write_memory_file(b"")
        self._process = subprocess.Popen(
            python_command(plan.planning, plan.config_file, *plan.only_doors),
            stdin=subprocess.DEVNULL,
            stdout=self._out_fd,
            stderr=self._error_fd,
            env=python_environment(),
        )

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def cancel(self) -> None:
        """The service stops; nobody waits for this any more."""
        self._process.kill()
        self._process.wait()
        self._close()

    def finish(self) -> ServicePlan:
        """
        Raises:
            BadSettings: the file, or what it names, is not good.
        """
        try:
            if self._process.returncode:
                said = read_memory_file(self._error_fd).decode("utf-8", "replace").strip()
                raise BadSettings(said or f"exit status {self._process.returncode}")
            return plan_from_json(read_memory_file(self._out_fd))
        finally:
            self._close()

    def _close(self) -> None:
        os.close(self._out_fd)
        os.close(self._error_fd)
