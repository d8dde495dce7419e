"""Become the supervisor: replace this process, which has read and checked the settings."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.memory_file import write_memory_file
from mailserver.supervisor.plan import Plan

SUPERVISOR_MODULE = "mailserver.supervisor"


def become_supervisor(plan: Plan) -> NoReturn:
    """Never returns.  The process id stays, which service managers count on."""
    plan_fd = write_memory_file(plan.to_json().encode("utf-8"))
    os.set_inheritable(plan_fd, True)
    sys.stdout.flush()
    sys.stderr.flush()
    command = python_command(SUPERVISOR_MODULE, str(plan_fd))
    os.execve(command[0], command, python_environment())
