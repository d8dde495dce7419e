"""`python -m mailserver.supervisor FD`: run the plan that stands in this inherited descriptor."""

from __future__ import annotations

import os
import sys

from mailserver.supervisor.events import Events
from mailserver.supervisor.master import Master
from mailserver.supervisor.memory_file import read_memory_file
from mailserver.supervisor.plan import plan_from_json


def main() -> int:
    """The exit status of the service: 0 after a clean stop, 2 for a port in use."""
    plan_fd = int(sys.argv[1])
    plan = plan_from_json(read_memory_file(plan_fd))
    os.close(plan_fd)
    return Master(plan, Events(level=plan.log_level, log_format=plan.log_format)).run()


if __name__ == "__main__":
    sys.exit(main())
