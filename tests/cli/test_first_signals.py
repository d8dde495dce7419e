"""Signals to process 1, as a container's engine sends them, at each step of a start."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailserver.supervisor.interpreter import python_command, python_environment
from tests.cli.test_run import PORTS, Running
from tests.supervisor.service import wait_until

ENTRY = ("env", "--block-signal=TERM,INT,HUP")
NEW_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")


def can_be_first() -> bool:
    try:
        done = subprocess.run([*NEW_NAMESPACE, *ENTRY, "true"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_be_first(), reason="no namespace of process ids may be made here"),
]


class First:
    """A command of `mailserver` as process 1 of a namespace; `pid` is what we call it."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [*NEW_NAMESPACE, *ENTRY, *python_command("mailserver.cli.main", *words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**python_environment(), **PORTS},
        )
        self.pid = 0
        wait_until(self._is_there)

    def _is_there(self) -> bool:
        """Past the moment in which it is still `unshare`, or the engine."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if children and self.exe(int(children[0])) not in {"", "unshare"}:
            self.pid = int(children[0])
        return bool(self.pid)

    def exe(self, pid: int) -> str:
        try:
            return Path(os.readlink(f"/proc/{pid}/exe")).name
        except OSError:
            return ""

    def blocks(self, number: int) -> bool:
        """Does it wait?  Before `env` has said so, for about a millisecond, the kernel drops it."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            return False
        masks = [line.split()[1] for line in lines if line.startswith("SigBlk:")]
        return bool(masks) and bool(int(masks[0], 16) >> (number - 1) & 1)

    def said(self, word: str) -> bool:
        try:
            return word.encode() in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False

    def maps(self, word: str) -> bool:
        """Has it loaded a library of this name?"""
        try:
            return word in Path(f"/proc/{self.pid}/maps").read_text()
        except OSError:
            return False

    def end(self) -> int:
        """The exit status, once it has ended by itself."""
        return self.process.wait(timeout=10)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def begin(service: Path) -> Iterator[Callable[..., First]]:
    begun: list[First] = []

    def first(*words: str) -> First:
        begun.append(First(service.parent, *words))
        return begun[-1]

    yield first
    for one in begun:
        one.close()


Step = Callable[[First], bool]
STEPS: dict[str, Step] = {
    "at once": lambda first: first.blocks(signal.SIGTERM) or first.exe(first.pid) != "env",
    "in Python": lambda first: first.exe(first.pid).startswith("python"),
    "while modules are imported": lambda first: first.maps("pydantic_core"),
    "while the supervisor replaces it": lambda first: first.said("mailserver.supervisor"),
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", STEPS)
def test_a_stop_is_heard_at_each_step_of_a_start(
    begin: Callable[..., First], step: str, number: signal.Signals
) -> None:
    first = begin("run", "--door", "keeper")
    wait_until(lambda: STEPS[step](first))
    os.kill(first.pid, number)
    # 130: what Ctrl-C says of itself.
    assert first.end() in {0, 128 + number, 130}


@pytest.mark.parametrize("step", ["in Python", "while the supervisor replaces it"])
def test_a_reload_that_is_asked_for_during_a_start_ends_nothing(
    begin: Callable[..., First], step: str
) -> None:
    first = begin("run", "--door", "keeper")
    wait_until(lambda: STEPS[step](first))
    os.kill(first.pid, signal.SIGHUP)
    out = first.process.stdout
    assert out is not None
    assert any(b'"ready"' in line for line in out)
    os.kill(first.pid, signal.SIGTERM)
    assert first.end() == 0


@pytest.mark.parametrize(
    "words",
    [("run", "--door", "keeper"), ("init", "new", "--domain", "b.test"), ("demo", "run", "d")],
)
def test_other_services_of_the_image_hear_it_too(
    begin: Callable[..., First], words: tuple[str, ...]
) -> None:
    first = begin(*words)
    wait_until(lambda: STEPS["at once"](first))
    os.kill(first.pid, signal.SIGTERM)
    assert first.end() in {0, 128 + signal.SIGTERM}


def test_an_init_that_is_interrupted_is_no_service_and_begins_anew(service: Path) -> None:
    """Whatever it had made, the settings file comes last."""
    folder = service.parent / "new"
    words = python_command("mailserver.cli.main", "init", str(folder), "--domain", "b.test")
    words.append("--if-missing")
    process = subprocess.Popen(words, env=python_environment(), stdout=subprocess.DEVNULL)
    wait_until((folder / "tls/key.pem").exists)
    process.kill()
    process.wait()
    assert not (folder / "mailserver.toml").exists() or (folder / "store/mail.db").exists()
    again = subprocess.run(words, env=python_environment(), capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    assert (folder / "mailserver.toml").exists()
    assert (folder / "store/mail.db").exists()


def test_a_reload_that_is_asked_for_before_there_is_a_supervisor_is_done_by_it(
    service: Path,
) -> None:
    running = Running(service, "--door", "keeper")
    try:
        cmdline = Path(f"/proc/{running.process.pid}/maps")
        wait_until(lambda: "pydantic_core" in cmdline.read_text())
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("reloading")
    finally:
        running.stop()
