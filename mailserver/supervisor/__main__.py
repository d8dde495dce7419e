"""The supervisor's program: run the plan that stands in an inherited descriptor.

    python -m mailserver.supervisor PLAN_FD [HALL_PID ORDERS_FD]

The second and third: a fork server that waits for its orders (see `launch`).
"""

from __future__ import annotations

import os
import socket
import sys

from mailserver.supervisor.master.events import Events
from mailserver.supervisor.master.fork_servers import WaitingForkServer
from mailserver.supervisor.master.master import Master
from mailserver.supervisor.memory_file import read_memory_file
from mailserver.supervisor.plan import plan_from_json


def main() -> int:
    """The exit status of the service: 0 after a clean stop, 2 for a port in use."""
    plan_fd, *waiting = map(int, sys.argv[1:])
    plan = plan_from_json(read_memory_file(plan_fd))
    os.close(plan_fd)
    fork_server = None
    if waiting:
        pid, orders_fd = waiting
        os.set_inheritable(orders_fd, False)
        fork_server = WaitingForkServer(pid, socket.socket(fileno=orders_fd))
    return Master(plan, Events(level=plan.log_level, log_format=plan.log_format), fork_server).run()


if __name__ == "__main__":
    sys.exit(main())
