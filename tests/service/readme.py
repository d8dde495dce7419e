"""The commands of the README, pointed at a service on other ports."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from mailserver.demo.academy import DemoService
from mailserver.settings.listeners import wanted_listeners

README = Path(__file__).parents[2] / "README.md"
_DEMO_PORTS = {
    "2525": "mx",
    "2587": "submission",
    "2465": "submissions",
    "2110": "pop3",
    "2995": "pop3s",
}


def commands(program: str) -> list[list[str]]:
    """Every command of the README's code blocks that begins with `program`, taken apart."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.startswith(f"{program} ")]


def at(demo: DemoService, command: list[str]) -> list[str]:
    """The same command for the demo's own ports and certificate."""
    ports = {one.kind.name: str(one.bind.port) for one in wanted_listeners(demo.settings)}
    return [_moved(word, demo, ports) for word in command]


def _moved(word: str, demo: DemoService, ports: dict[str, str]) -> str:
    word = word.replace("var/demo/", f"{demo.folder}/")
    for port, listener in _DEMO_PORTS.items():
        word = re.sub(rf"(?<=localhost:){port}\b", ports[listener], word)
    return word
