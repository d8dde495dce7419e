"""The servers elsewhere: take mail, sometimes badly, and write down what they took.

    python -m tests.crash.peer JOURNAL SEED

Prints one JSON line, domain -> port, and ends with its standard input.  What is
taken is on disk in the journal before the answer to the final dot leaves.
One of the two domains offers DSN (RFC 3461).

| recipient           | is answered                                           |
| ------------------- | ----------------------------------------------------- |
| no.*                | 550 to RCPT                                           |
| spam.*              | 554 to the dot                                        |
| any, now and then   | 451 to RCPT, 451 to the dot, late, or by hanging up   |
|                     | after the dot: with the mail taken, or not            |
"""

from __future__ import annotations

import json
import random
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.journal import Journal
from tests.crash.letters import (
    ELSEWHERE,
    ELSEWHERE_WITH_DSN,
    NotALetter,
    read_letter,
    unstuffed,
)
from tests.crash.reports import NotAReport, read_report
from tests.crash.sender import end_with_input

PUT_OFF = 0.05  # of the recipients
PUT_OFF_AT_DOT = 0.04
HANG_UP = 0.04  # half of them with the mail taken
SLOW = 0.1
SLOWEST_S = 0.6
CHUNK = 262_144
_PATH = re.compile(rb"(?:MAIL FROM|RCPT TO):<([^>]*)>(.*)", re.IGNORECASE)
_NOTIFY = re.compile(r"\bNOTIFY=(\S+)", re.IGNORECASE)
_OFFERS = (b"PIPELINING", b"8BITMIME", b"SIZE 50000000")


class Gone(Exception):
    """The client closed, or its machine did."""


class HungUp(Exception):
    """We close without an answer."""


@dataclass(slots=True)
class Transaction:
    sender: str = ""
    wishes: dict[str, str] = field(default_factory=dict)  # of those that were accepted
    begun_at_s: float = 0.0


class Session:
    """One connection."""

    def __init__(
        self, sock: socket.socket, name: str, domain: str, journal: Journal, chance: random.Random
    ) -> None:
        self._sock = sock
        self._name = name
        self._domain = domain
        self._journal = journal
        self._chance = chance
        self._held = b""
        self._transaction = Transaction()

    def run(self) -> None:
        how = "broken"
        try:
            self._say(f"220 {self._domain} ESMTP")
            while self._obey(self._read_until(b"\r\n")[:-2]):
                continue
            how = "quit"
        except HungUp:
            how = "hung up"
        except (Gone, OSError):
            pass
        finally:
            self._journal.note("ended", connection=self._name, how=how)
            self._sock.close()

    def _obey(self, line: bytes) -> bool:
        """False: that was QUIT."""
        match line.upper()[:4]:
            case b"EHLO":
                self._greet()
            case b"MAIL":
                self._begin(line)
            case b"RCPT":
                self._name_recipient(line)
            case b"DATA":
                self._take_data()
            case b"RSET" | b"NOOP":
                self._transaction = Transaction()
                self._say("250 2.0.0 OK")
            case b"QUIT":
                self._say("221 2.0.0 Bye")
                return False
            case _:
                self._journal.note("wrong", what=f"a client said {line[:80]!r}")
                self._say("500 5.5.1 What?")
        return True

    def _greet(self) -> None:
        offers = [*_OFFERS, b"DSN"] if self._domain == ELSEWHERE_WITH_DSN else [*_OFFERS]
        lines = [self._domain.encode("ascii"), *offers, b"ENHANCEDSTATUSCODES"]
        last = len(lines) - 1
        marks = (b" " if number == last else b"-" for number in range(len(lines)))
        self._send(b"".join(b"250%s%s\r\n" % pair for pair in zip(marks, lines, strict=True)))

    def _begin(self, line: bytes) -> None:
        sender, _ = _read_path(line)
        self._transaction = Transaction(sender, begun_at_s=time.time())
        self._say("250 2.1.0 OK")

    def _name_recipient(self, line: bytes) -> None:
        who, parameters = _read_path(line)
        if who.startswith("no."):
            self._refuse([who], "550 5.1.1 nobody has that name here")
        elif self._chance.random() < PUT_OFF:
            self._refuse([who], "451 4.2.0 come back in a moment")
        else:
            notify = _NOTIFY.search(parameters)
            self._transaction.wishes[who] = notify.group(1) if notify else ""
            self._say("250 2.1.5 OK")

    def _take_data(self) -> None:
        done, self._transaction = self._transaction, Transaction()
        if not done.wishes:
            self._say("554 5.5.1 no valid recipients")
            return
        self._say("354 go ahead")
        octets = unstuffed(self._read_body())
        who = list(done.wishes)
        if self._chance.random() < SLOW:
            time.sleep(self._chance.uniform(0, SLOWEST_S))
        if any(one.startswith("spam.") for one in who):
            self._refuse(who, "554 5.7.1 nobody wants that here")
        elif self._chance.random() < PUT_OFF_AT_DOT:
            self._refuse(who, "451 4.3.0 come back with it in a moment")
        elif self._chance.random() < HANG_UP:
            if self._chance.random() < 0.5:
                self._note_taken(done, octets, answers=False)
            raise HungUp
        else:
            self._note_taken(done, octets, answers=True)
            self._say("250 2.0.0 taken")

    def _note_taken(self, done: Transaction, octets: bytes, *, answers: bool) -> None:
        key, reports = self._identify(done, octets)
        self._journal.note_for_good(
            "taken",
            connection=self._name,
            key=key,
            who=done.wishes,
            reports=reports,
            begun=done.begun_at_s,
            answers=answers,
        )

    def _identify(self, done: Transaction, octets: bytes) -> tuple[str, list[list[str]]]:
        """A letter's id and nothing, or a report's Message-ID and what it says."""
        try:
            if done.sender:
                return read_letter(octets), []
            if b"multipart/report" not in octets:
                return read_letter(octets), []
            report = read_report(octets)
        except (NotALetter, NotAReport) as error:
            self._journal.note("wrong", what=f"{list(done.wishes)}: {error}")
            return "harmed", []
        lines = [[line.letter_id, line.recipient, line.action] for line in report.lines]
        return report.message_id, lines

    def _refuse(self, who: list[str], reply: str) -> None:
        self._journal.note("refused", connection=self._name, who=who, code=int(reply[:3]))
        self._say(reply)

    def _read_body(self) -> bytes:
        """Still dot-stuffed, without the final dot; never empty here."""
        return self._read_until(b"\r\n.\r\n")[:-3]

    def _read_until(self, mark: bytes) -> bytes:
        start = 0
        while (at := self._held.find(mark, start)) < 0:
            start = max(0, len(self._held) - len(mark))
            octets = self._sock.recv(CHUNK)
            if not octets:
                raise Gone
            self._held += octets
        end = at + len(mark)
        taken, self._held = self._held[:end], self._held[end:]
        return taken

    def _say(self, reply: str) -> None:
        self._send(reply.encode("ascii") + b"\r\n")

    def _send(self, octets: bytes) -> None:
        self._sock.sendall(octets)


def _read_path(line: bytes) -> tuple[str, str]:
    """The address and the parameters of MAIL or RCPT."""
    found = _PATH.match(line)
    if found is None:
        raise Gone
    return found.group(1).decode("ascii"), found.group(2).decode("ascii")


class Peer:
    """Both servers: a thread for each listener, and one for each connection."""

    def __init__(self, journal: Journal, seed: str) -> None:
        self._journal = journal
        self._seed = seed
        self._socks = {
            domain: socket.create_server(("127.0.0.1", 0), backlog=128)
            for domain in (ELSEWHERE, ELSEWHERE_WITH_DSN)
        }

    @property
    def ports(self) -> dict[str, int]:
        return {domain: sock.getsockname()[1] for domain, sock in self._socks.items()}

    def start(self) -> None:
        for domain in self._socks:
            threading.Thread(target=self._listen, args=(domain,), daemon=True).start()

    def _listen(self, domain: str) -> None:
        sock = self._socks[domain]
        number = 0
        while True:
            accepted, address = sock.accept()
            number += 1
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = f"{domain}-{number}-{address[1]}"
            chance = random.Random(f"{self._seed}/{domain}/{number}")
            session = Session(accepted, name, domain, self._journal, chance)
            threading.Thread(target=session.run, daemon=True).start()


def main(arguments: list[str]) -> None:
    peer = Peer(Journal(Path(arguments[0])), arguments[1])
    end = threading.Event()
    end_with_input(end)
    peer.start()
    with suppress(BrokenPipeError):
        print(json.dumps(peer.ports), flush=True)
    end.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
