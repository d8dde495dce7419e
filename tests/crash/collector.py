"""POP3 load: threads that collect mailboxes, delete some, and leave in every way.

    python -m tests.crash.collector JOURNAL PLAN.json

Each mailbox belongs to one thread, so that its lines in the journal are its history.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.journal import Journal
from tests.crash.letters import NotALetter, read_letter, unstuffed
from tests.crash.sender import RETRY_S, end_with_input
from tests.crash.wire import Hung, Wire

BETWEEN_S = 0.02
MAX_RETR = 60  # of one session, so that sessions stay short


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorPlan:
    """
    threads: the mailboxes of each thread.
    session_count: of each thread; 0: without end.
    """

    pop3_port: int
    password: str
    threads: tuple[tuple[str, ...], ...]
    seed: int
    session_count: int
    delete: float


class Collector:
    def __init__(
        self, boxes: tuple[str, ...], plan: CollectorPlan, journal: Journal, end: threading.Event
    ) -> None:
        self._boxes = boxes
        self._plan = plan
        self._journal = journal
        self._end = end
        self._random = random.Random(f"{plan.seed}/{boxes[0]}")
        self._ids: dict[tuple[str, str], str] = {}  # (box, uidl) -> letter
        self._session_count = 0

    def run(self) -> None:
        while not self._is_done():
            self._session_count += 1
            try:
                self._hold_session(self._random.choice(self._boxes))
                self._end.wait(BETWEEN_S)
            except Hung:
                self._end.wait(RETRY_S)

    def _is_done(self) -> bool:
        count = self._plan.session_count
        return self._end.is_set() or (count > 0 and self._session_count >= count)

    def _hold_session(self, box: str) -> None:
        with Wire(self._plan.pop3_port) as wire:
            sign_in(wire, box, self._plan.password)
            uidls = list_uidls(wire)
            self._journal.note("listed", box=box, uidls=list(uidls))
            self._retrieve_new(wire, box, uidls)
            wanted = [
                uidl
                for uidl in uidls
                if (box, uidl) in self._ids and self._random.random() < self._plan.delete
            ]
            for uidl in wanted:
                if not wire.ask(b"DELE %d" % uidls[uidl]).is_ok:
                    self._journal.note("wrong", what=f"DELE of {uidl} in {box} was refused")
            self._leave(wire, box, wanted)

    def _retrieve_new(self, wire: Wire, box: str, uidls: dict[str, int]) -> None:
        new = [uidl for uidl in uidls if (box, uidl) not in self._ids]
        for uidl in new[:MAX_RETR]:
            octets = retrieve(wire, uidls[uidl])
            try:
                letter_id = read_letter(octets)
            except NotALetter as error:
                self._journal.note("wrong", what=f"{box} {uidl}: {error}")
                continue
            self._ids[box, uidl] = letter_id
            self._journal.note("seen", box=box, uidl=uidl, id=letter_id)

    def _leave(self, wire: Wire, box: str, wanted: list[str]) -> None:
        chance = self._random.random()
        if chance < 0.15:
            return  # the connection drops: nothing may be deleted
        if chance < 0.30 and wire.ask(b"RSET").is_ok:
            wanted = []
        if wanted:
            self._journal.note("asked", box=box, uidls=wanted)
        reply = wire.ask(b"QUIT")
        if wanted and reply.is_ok:
            self._journal.note("removed", box=box, connection=wire.connection, offset=reply.offset)


def sign_in(wire: Wire, box: str, password: str) -> None:
    """
    Raises:
        Hung: not now; a locked maildrop is one reason.
    """
    if not wire.pop3_reply().is_ok or not wire.ask(b"USER " + box.encode()).is_ok:
        raise Hung("not greeted")
    reply = wire.ask(b"PASS " + password.encode())
    if not reply.is_ok:
        raise Hung(reply.text.decode("ascii", "replace"))


def list_uidls(wire: Wire) -> dict[str, int]:
    """UIDL -> message number, in order."""
    if not wire.ask(b"UIDL").is_ok:
        raise Hung("UIDL refused")
    lines = [line.split() for line in wire.pop3_lines().splitlines()]
    return {uidl.decode("ascii"): int(number) for number, uidl in lines}


def retrieve(wire: Wire, number: int) -> bytes:
    if not wire.ask(b"RETR %d" % number).is_ok:
        raise Hung("RETR refused")
    return unstuffed(wire.pop3_lines())


def main(arguments: list[str]) -> None:
    journal = Journal(Path(arguments[0]))
    facts: dict[str, Any] = json.loads(Path(arguments[1]).read_text("utf-8"))
    facts["threads"] = tuple(tuple(boxes) for boxes in facts["threads"])
    plan = CollectorPlan(**facts)
    end = threading.Event()
    end_with_input(end)
    threads = [
        threading.Thread(target=Collector(boxes, plan, journal, end).run) for boxes in plan.threads
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
