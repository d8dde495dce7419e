"""What every mailbox holds, as its owner sees it over POP3."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.crash.collector import list_uidls, retrieve, sign_in
from tests.crash.wire import Hung, Wire

PATIENCE_S = 60.0
RETRY_S = 0.1


Mail = TypeVar("Mail")


class Locked(Exception):
    """A mailbox cannot be opened, long after everything that had it open has ended."""


def inspect_boxes(
    pop3_port: int, boxes: Sequence[str], password: str, read: Callable[[bytes], Mail]
) -> dict[str, dict[str, Mail]]:
    """box -> UIDL -> what `read` makes of the octets: a letter, or a report.

    Raises:
        Locked: see there.
        NotALetter, NotAReport: a mailbox holds something else.
    """
    return {box: _inspect_patiently(pop3_port, box, password, read) for box in boxes}


def _inspect_patiently(
    pop3_port: int, box: str, password: str, read: Callable[[bytes], Mail]
) -> dict[str, Mail]:
    """The service may still be starting."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _inspect(pop3_port, box, password, read)
        except Hung as error:
            if time.monotonic() > until_s:
                raise Locked(f"{box}: {error}") from error
            time.sleep(RETRY_S)


def _inspect(
    pop3_port: int, box: str, password: str, read: Callable[[bytes], Mail]
) -> dict[str, Mail]:
    with Wire(pop3_port) as wire:
        sign_in(wire, box, password)
        uidls = list_uidls(wire)
        found = {uidl: read(retrieve(wire, number)) for uidl, number in uidls.items()}
        wire.ask(b"QUIT")
        return found
