"""Become the supervisor: replace this process, which has read and checked the settings."""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

from mailserver.supervisor.first_signals import hand_over
from mailserver.supervisor.interpreter import python_command, python_environment
from mailserver.supervisor.limits import raise_descriptor_limit
from mailserver.supervisor.master.sockets import FIRST_INHERITED_FD
from mailserver.supervisor.memory_file import write_memory_file
from mailserver.supervisor.plan import ServicePlan
from mailserver.telemetry.log import get_log

SUPERVISOR_MODULE = "mailserver.supervisor"


def become_supervisor(plan: ServicePlan) -> NoReturn:
    """Never returns.  The process id stays, which service managers count on.

    The first fork server is forked from here: what it needs has been imported.
    """
    plan_fd = write_memory_file(plan.to_json().encode("utf-8"))
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become_fork_server(theirs, plan)
    theirs.close()
    for fd in (plan_fd, ours.fileno()):
        os.set_inheritable(fd, True)
    command = python_command(SUPERVISOR_MODULE, str(plan_fd), str(pid), str(ours.fileno()))
    hand_over()
    os.execve(command[0], command, python_environment())


def _become_fork_server(orders: socket.socket, plan: ServicePlan) -> NoReturn:
    from mailserver.supervisor.forking import fork_server

    status = 1
    try:
        os.setpgid(0, 0)
        os.dup2(orders.fileno(), 0)
        orders.close()
        # The plan, and what a service manager has opened, are the supervisor's.
        os.closerange(FIRST_INHERITED_FD, os.sysconf("SC_OPEN_MAX"))
        raise_descriptor_limit()
        status = fork_server.main(plan.common)
    except Exception:  # noqa: BLE001 - the top of a process; the supervisor starts another one
        get_log("supervisor").exception("fork server cannot be opened")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
