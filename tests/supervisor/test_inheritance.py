"""A service started by a service manager that holds the socket (sd_listen_fds(3))."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.memory_file import write_memory_file
from tests.supervisor.service import door, plan, visit

pytestmark = pytest.mark.slow

# What a service manager does between fork and exec: sockets from descriptor 3 on, LISTEN_PID.
LAUNCH = """
import os, sys
listening, plan_fd, *command = sys.argv[1:]
os.dup2(int(plan_fd), 30)
os.dup2(int(listening), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(command[0], [*command, "30"])
"""


def test_an_inherited_socket_serves_all_workers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as manager:
        port = manager.getsockname()[1]
        plan_fd = write_memory_file(plan(door(workers=2, port=port)).to_json().encode())
        service = subprocess.Popen(
            [
                *(sys.executable, "-c", LAUNCH, str(manager.fileno()), str(plan_fd)),
                *python_command("mailserver.supervisor"),
            ],
            pass_fds=[manager.fileno(), plan_fd],
            stdout=subprocess.DEVNULL,
            env={**python_environment(), "LISTEN_FDS": "1"},
        )
        os.close(plan_fd)
        try:
            assert visit(port)["listener"] == "echo"
            service.send_signal(signal.SIGTERM)
            assert service.wait(30) == 0
        finally:
            service.kill()
            service.wait()
