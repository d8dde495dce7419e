"""A worker with a profiler in it: `python -m tools.trail.worker FOLDER DOOR FLAG FOUND`.

FLAG: a file of one octet, the number of the window that is open; 0: none.
FOUND: where the windows' files are written as the worker ends, JSON: window -> names.
Its first line on standard output names its ports, JSON: listener -> port.  Ends when its
standard input does.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import sys
import threading
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from types import FrameType

from mailserver.settings.load import load_settings
from mailserver.supervisor.contract import Listener, WorkerContext
from mailserver.supervisor.doors import DOOR_MODULES
from mailserver.values.secret import Secret

LISTENERS = {"smtp": ("mx", "submission"), "delivery": ()}
_ROOT = Path(__file__).resolve().parent.parent.parent
_OURS = tuple(f"{_ROOT}/{package}/" for package in ("mailserver", "smtp_relay"))


class Profiler:
    """Which files of ours are called in each window, in every thread that starts after it."""

    def __init__(self, flag: Path) -> None:
        with flag.open("rb") as file:
            self._flag = mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)
        self._came_by: dict[int, set[str]] = defaultdict(set)

    def start(self) -> None:
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def found(self) -> dict[int, list[str]]:
        """Files by window, as paths below the repository."""
        return {
            window: sorted(name[len(f"{_ROOT}/") :] for name in names if name.startswith(_OURS))
            for window, names in self._came_by.items()
        }

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        window = self._flag[0]
        if window and event == "call" and frame.f_code.co_name != "<module>":
            self._came_by[window].add(frame.f_code.co_filename)


def main(folder: Path, door: str, flag: Path, found: Path) -> None:
    settings = load_settings(folder / "mailserver.toml", {})
    module = import_module(DOOR_MODULES[door])
    prepared = module.prepare(settings)
    listeners = tuple(_listen(name) for name in LISTENERS[door])
    ports = {listener.name: listener.sock.getsockname()[1] for listener in listeners}
    print(json.dumps(ports), flush=True)
    profiler = Profiler(flag)
    profiler.start()
    module.serve(
        prepared,
        WorkerContext(
            settings=settings,
            door=door,
            index=0,
            listeners=listeners,
            life_fd=0,
            auth_secret=Secret(os.urandom(32)),
        ),
    )
    sys.setprofile(None)
    found.write_text(json.dumps(profiler.found()), "utf-8")


def _listen(name: str) -> Listener:
    sock = socket.create_server(("127.0.0.1", 0), backlog=16)
    sock.setblocking(False)
    return Listener(name=name, sock=sock)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
