"""Running the load generators, the same programs with the same arguments against both sides."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from bench.pop3_load import Tally
from bench.process import run
from bench.side import DOMAIN, PASSWORD, Ports

SENDER = "eleve@ailleurs.example"
_TIMEOUT_S = 300.0


def smtp_command(
    port: int,
    *,
    base: str,
    domain: str = DOMAIN,
    sender: str | None = None,
    message_count: int,
    size_octets: int,
    sessions: int = 20,
    keep_open: bool = True,
    recipients: int = 1,
    spread: bool = False,
) -> list[str]:
    """A command line of Postfix's smtp-source.

    sender: the reverse-path and From; by default a stranger's.
    recipients: over 1, each message goes to `base`, `2base`, `3base` ...
    spread: each message goes to the next of `1base`, `2base` ...
    """
    command = ["smtp-source", "-s", str(min(sessions, message_count)), "-m", str(message_count)]
    command += ["-l", str(size_octets), "-f", sender or SENDER]
    command += ["-t", f"{base}@{domain}"]
    command += ["-d"] if keep_open else []
    command += ["-r", str(recipients)] if recipients > 1 else []
    command += ["-N"] if spread else []
    return [*command, f"127.0.0.1:{port}"]


def send(command: Sequence[str]) -> None:
    """Every message was answered 250.

    Raises:
        BenchError: smtp-source stopped at a refusal.
    """
    run(command, timeout_s=_TIMEOUT_S)


def collect(
    ports: Ports,
    program: str,
    names: Sequence[str],
    *,
    session_count: int | None = None,
    concurrency: int = 20,
) -> Tally:
    """Run one of pop3_load's programs over `names`; by default one session each.

    Raises:
        BenchError: a session was refused or stalled.
    """
    command = [sys.executable, "-m", "bench.pop3_load", "--port", str(ports.pop3)]
    command += ["--program", program, "--password", PASSWORD, "--concurrency", str(concurrency)]
    if session_count is not None:
        command += ["--sessions", str(session_count)]
    return Tally(**json.loads(run(command, timeout_s=_TIMEOUT_S, stdin="\n".join(names))))
