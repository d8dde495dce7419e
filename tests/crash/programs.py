"""Child processes that end when their standard input does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
RUN_TIMEOUT_S = 120.0
END_TIMEOUT_S = 15.0
Program = subprocess.Popen[bytes]


@contextmanager
def running(command: Sequence[str], *, has_output: bool = False) -> Iterator[Program]:
    """Ended with the block, by closing its input; killed if that does not help.

    Raises:
        RuntimeError: it ended with another status than 0.
    """
    program = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if has_output else None,
        cwd=CHECKOUT,
    )
    assert program.stdin is not None, "it was asked for"
    try:
        yield program
        program.stdin.close()
        if program.wait(RUN_TIMEOUT_S) != 0:
            raise RuntimeError(f"{command[-2:]} ended with {program.returncode}")
    finally:
        _end(program)


def _end(program: Program) -> None:
    """Closing its input first: a killed strace lets what it traced run on."""
    if program.stdin is not None:
        program.stdin.close()
    try:
        program.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
    if program.stdout is not None:
        program.stdout.close()
