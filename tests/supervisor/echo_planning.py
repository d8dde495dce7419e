"""Plans a reload like the real one, with the echo door in place of the POP3 door."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from mailserver.settings.load import load_settings
from mailserver.supervisor.planning import make_plan
from tests.supervisor.service import ECHO

if __name__ == "__main__":
    wanted = make_plan(load_settings(Path(sys.argv[1])), only_doors=["pop3"])
    doors = tuple(replace(door, module=ECHO, name="pop3") for door in wanted.doors)
    listeners = tuple(replace(listener, name="pop3") for listener in doors[0].listeners)
    sys.stdout.write(replace(wanted, doors=(replace(doors[0], listeners=listeners),)).to_json())
