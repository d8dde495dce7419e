"""How a fresh Python process of this service is started, from a checkout or a wheel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mailserver


def python_command(module: str, *arguments: str) -> list[str]:
    """`-P`: a file in the current folder must never be imported in place of ours."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment() -> dict[str, str]:
    """This process's environment, with the folder that holds our packages on the path."""
    home = str(Path(mailserver.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [home, *(entry for entry in inherited if entry and entry != home)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
