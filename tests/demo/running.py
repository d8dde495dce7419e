"""A demo that runs, as `make run` starts it."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

from mailserver.supervisor.interpreter import python_command, python_environment


class Running:
    """`mailserver demo run DIR`, up to its screen.

    log: what the service wrote after its screen; complete only after `stop`.
    """

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            python_command("mailserver.cli.main", "demo", "run", str(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=python_environment(),
        )
        self.screen = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.screen += line.decode()
            if b"Names and passwords" in line:
                break
        self.log: list[bytes] = []
        # A full pipe would stop the service.
        self._drain = threading.Thread(target=self.log.extend, args=(self.process.stdout,))
        self._drain.start()

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=30)
        self._drain.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status
