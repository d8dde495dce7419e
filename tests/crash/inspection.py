"""What every mailbox holds, as its owner sees it over POP3."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.crash.collector import list_uidls, retrieve, sign_in
from tests.crash.letters import read_letter
from tests.crash.wire import Hung, Wire

PATIENCE_S = 60.0
RETRY_S = 0.1


class Locked(Exception):
    """A mailbox cannot be opened, long after everything that had it open has ended."""


def inspect_boxes(pop3_port: int, boxes: Sequence[str], password: str) -> dict[str, dict[str, str]]:
    """box -> UIDL -> letter, every octet checked.

    Raises:
        Locked: see there.
        NotALetter: a mailbox holds something else.
    """
    return {box: _inspect_patiently(pop3_port, box, password) for box in boxes}


def _inspect_patiently(pop3_port: int, box: str, password: str) -> dict[str, str]:
    """The service may still be starting."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _inspect(pop3_port, box, password)
        except Hung as error:
            if time.monotonic() > until_s:
                raise Locked(f"{box}: {error}") from error
            time.sleep(RETRY_S)


def _inspect(pop3_port: int, box: str, password: str) -> dict[str, str]:
    with Wire(pop3_port) as wire:
        sign_in(wire, box, password)
        uidls = list_uidls(wire)
        found = {uidl: read_letter(retrieve(wire, number)) for uidl, number in uidls.items()}
        wire.ask(b"QUIT")
        return found
