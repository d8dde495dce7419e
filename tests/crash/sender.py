"""SMTP load: threads that send letters, and write down what was answered.

    python -m tests.crash.sender JOURNAL PLAN.json

Runs until its letters are sent or its standard input ends.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.journal import Journal
from tests.crash.letters import (
    DOMAIN,
    ELSEWHERE,
    ELSEWHERE_WITH_DSN,
    letter_octets,
    make_address,
    make_id,
    stuffed,
)
from tests.crash.wire import Hung, Wire

RETRY_S = 0.05
SMALL_OCTETS = (400, 4_000, 20_000)
LARGE_OCTETS = (300_000, 700_000)  # filed: over 256 KiB
NOTIFY = ("", "", "SUCCESS,FAILURE", "SUCCESS,FAILURE", "SUCCESS", "NEVER")
KINDS = ("ok",) * 6 + ("no",)
SPAM = 0.08  # part of the letters that the server elsewhere refuses at the dot
NULL_SENDER = 0.1
NOBODY = f"nobody.at.all@{DOMAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPlan:
    """
    boxes: names of the mailboxes; each has the addresses name@ and alias.name@.
    submission_port: 0 sends everything to the MX listener.
    letter_count: of each thread; 0: without end.
    trouble: part of the letters that must be refused or are abandoned.
    pace_s: wait between two letters of a thread.
    sizes_octets: of the letters that are not large.
    elsewhere: part of the letters with recipients elsewhere, or, on MX, with a
        sender there who wants to hear of success.
    """

    mx_port: int
    submission_port: int
    password: str
    names: tuple[str, ...]
    boxes: tuple[str, ...]
    seed: int
    letter_count: int
    large: float
    trouble: float
    pace_s: float = 0.0
    sizes_octets: tuple[int, ...] = SMALL_OCTETS
    elsewhere: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """wishes: each recipient and its NOTIFY, or nothing."""

    letter_id: str
    sender: str
    boxes: tuple[str, ...]
    wishes: Mapping[str, str]


class Sender:
    """One thread: its connection, its letters."""

    def __init__(self, name: str, plan: SenderPlan, journal: Journal, end: threading.Event) -> None:
        self._name = name
        self._plan = plan
        self._journal = journal
        self._end = end
        self._random = random.Random(f"{plan.seed}/{name}")
        self._number = 0

    def run(self) -> None:
        while not self._is_done():
            try:
                self._hold_session()
            except (Hung, ValueError):
                self._end.wait(RETRY_S)

    def _is_done(self) -> bool:
        count = self._plan.letter_count
        return self._end.is_set() or (count > 0 and self._number >= count)

    def _hold_session(self) -> None:
        submits = self._plan.submission_port > 0 and self._random.random() < 0.5
        port = self._plan.submission_port if submits else self._plan.mx_port
        with Wire(port) as wire:
            if wire.smtp_reply().code != 220 or wire.say(b"EHLO load.test").code != 250:
                raise Hung("not greeted")
            if submits:
                self._sign_in(wire)
            for _ in range(self._random.randint(1, 12)):
                if self._is_done():
                    break
                self._send_letter(wire, submits=submits)
                self._end.wait(self._plan.pace_s)
            wire.say(b"QUIT")

    def _sign_in(self, wire: Wire) -> None:
        plain = f"\0{self._name}\0{self._plan.password}".encode()
        if wire.say(b"AUTH PLAIN " + base64.b64encode(plain)).code != 235:
            raise Hung("not signed in")

    def _send_letter(self, wire: Wire, *, submits: bool) -> None:
        chance = self._random.random()
        is_large = self._random.random() < self._plan.large
        sizes = LARGE_OCTETS if is_large else self._plan.sizes_octets
        letter_id = make_id(self._name, self._number, self._random.choice(sizes))
        self._number += 1
        envelope = self._address(letter_id, submits=submits)
        if wire.say(_mail_command(envelope)).code != 250:
            raise Hung("MAIL refused")
        if chance < self._plan.trouble / 4:  # a stranger beside them: refused alone
            wire.say(f"RCPT TO:<{NOBODY}>".encode())
        self._name_recipients(wire, envelope)
        self._journal.note(
            "begun",
            id=letter_id,
            boxes=envelope.boxes,
            **{"from": envelope.sender, "wishes": envelope.wishes},
        )
        if wire.say(b"DATA").code != 354:
            raise Hung("DATA refused")
        octets = stuffed(letter_octets(letter_id))
        if chance > 1 - self._plan.trouble / 4:
            self._abandon(wire, octets)
        if chance > 1 - self._plan.trouble / 2:  # RFC 5321 §2.3.8: refused after the dot
            octets = octets.replace(b"\r\n", b"\n", 1)
        wire.send(octets)
        self._journal.note("dotted", id=letter_id)
        wire.send(b".\r\n")
        reply = wire.smtp_reply()
        self._journal.note(
            "answered",
            id=letter_id,
            code=reply.code,
            connection=wire.connection,
            offset=reply.offset,
        )

    def _address(self, letter_id: str, *, submits: bool) -> Envelope:
        leaves = self._random.random() < self._plan.elsewhere
        boxes = self._random.sample(self._plan.boxes, self._random.randint(1, 5))
        sender = f"{self._name}@{DOMAIN}"
        recipients: list[str] = []
        if leaves and submits:
            boxes = boxes[self._random.randint(0, len(boxes)) :]
            recipients = self._recipients_elsewhere(letter_id)
            sender = "" if self._random.random() < NULL_SENDER else sender
        elif leaves:
            kind = self._random.choice(("ok", "no"))
            sender = make_address(kind, letter_id, "from", ELSEWHERE)
        for box in boxes:
            twice = self._random.random() < 0.1  # two addresses of one mailbox: one entry
            names = (box, f"alias.{box}")[: 2 if twice else 1]
            recipients += [f"{name}@{DOMAIN}" for name in names]
        self._random.shuffle(recipients)
        wishes = {who: self._random.choice(NOTIFY) if leaves else "" for who in recipients}
        return Envelope(letter_id=letter_id, sender=sender, boxes=tuple(boxes), wishes=wishes)

    def _recipients_elsewhere(self, letter_id: str) -> list[str]:
        is_spam = self._random.random() < SPAM
        domains = (ELSEWHERE, ELSEWHERE_WITH_DSN)
        return [
            make_address(
                "spam" if is_spam else self._random.choice(KINDS),
                letter_id,
                number,
                self._random.choice(domains),
            )
            for number in range(self._random.choice((1, 1, 2, 6)))
        ]

    def _name_recipients(self, wire: Wire, envelope: Envelope) -> None:
        for who, notify in envelope.wishes.items():
            wish = f" NOTIFY={notify}" if notify else ""
            if wire.say(f"RCPT TO:<{who}>{wish}".encode()).code != 250:
                raise Hung("RCPT refused")

    def _abandon(self, wire: Wire, octets: bytes) -> None:
        """Hang up before the final dot: the letter must be nowhere."""
        wire.send(octets[: len(octets) // 2])
        raise Hung("abandoned")


def _mail_command(envelope: Envelope) -> bytes:
    """With the letter's id as its ENVID, by which reports are known (RFC 3461 §4.4)."""
    return f"MAIL FROM:<{envelope.sender}> ENVID={envelope.letter_id}".encode()


def end_with_input(end: threading.Event) -> None:
    """Set the event when standard input ends."""

    def wait() -> None:
        while os.read(0, 1):  # not sys.stdin: its lock outlives a daemon thread badly
            continue
        end.set()

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: list[str]) -> None:
    journal = Journal(Path(arguments[0]))
    facts: dict[str, Any] = json.loads(Path(arguments[1]).read_text("utf-8"))
    facts.update({key: tuple(facts[key]) for key in ("names", "boxes", "sizes_octets")})
    plan = SenderPlan(**facts)
    end = threading.Event()
    end_with_input(end)
    threads = [threading.Thread(target=Sender(name, plan, journal, end).run) for name in plan.names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
