"""A service whose store is put back from a copy: nothing that it gives out comes a second time."""

from __future__ import annotations

import base64
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.crash.collector import list_uidls, retrieve, sign_in
from tests.crash.house import PASSWORD, House, build_house, free_ports
from tests.crash.letters import DOMAIN
from tests.crash.service import CrashedService
from tests.crash.wire import Hung, Wire

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(240)]
BOX = "anne"
ADDRESS = f"{BOX}@{DOMAIN}".encode()
CREDENTIALS = base64.b64encode(f"\0{BOX}\0{PASSWORD}".encode())
PATIENCE_S = 60.0
NO_FIFO = shutil.ignore_patterns("wakeup")  # which `cp -a` copies and this cannot
_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)\r$", re.MULTILINE)
_T = TypeVar("_T")


def patiently(act: Callable[[], _T]) -> _T:
    """Until the service answers."""
    ends_at_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except Hung:
            assert time.monotonic() < ends_at_s
            time.sleep(0.05)


@dataclass
class Program:
    """A mail program that leaves on the server what it has collected, and knows it by unique-id."""

    house: House
    known: dict[str, bytes] = field(default_factory=dict)

    def collect(self) -> list[bytes]:
        """Texts of what it had not seen before."""
        return patiently(self._collect)

    def _collect(self) -> list[bytes]:
        with Wire(self.house.ports["pop3"]) as wire:
            sign_in(wire, BOX, PASSWORD)
            new = {u: n for u, n in list_uidls(wire).items() if u not in self.known}
            found = {uidl: retrieve(wire, number) for uidl, number in new.items()}
            assert wire.ask(b"QUIT").is_ok
        self.known |= found
        return [octets.rpartition(b"\r\n\r\n")[2].strip() for octets in found.values()]


@dataclass
class Site:
    house: House
    service: CrashedService
    told_ids: list[bytes] = field(default_factory=list)  # of the replies to the dot

    def deliver(self, text: bytes) -> None:
        """By submission, without a Message-ID, so that the service makes one."""
        patiently(lambda: self._deliver(text))

    def _deliver(self, text: bytes) -> None:
        with Wire(self.house.ports["submission"]) as wire:
            assert wire.smtp_reply().code == 220
            assert wire.say(b"EHLO a.test").code == 250
            assert wire.say(b"AUTH PLAIN " + CREDENTIALS).code == 235
            assert wire.say(b"MAIL FROM:<%s>" % ADDRESS).code == 250
            assert wire.say(b"RCPT TO:<%s>" % ADDRESS).code == 250
            assert wire.say(b"DATA").code == 354
            reply = wire.say(b"From: %s\r\n\r\n%s\r\n." % (ADDRESS, text))
            assert reply.code == 250
        self.told_ids.append(reply.text.split()[-1])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    house = build_house(tmp_path, names=[BOX], ports=free_ports(), processes=2)
    site = Site(house, CrashedService(house))
    try:
        yield site
    finally:
        site.service.close()


def test_a_program_that_leaves_mail_on_the_server_misses_nothing_after_a_restore(
    site: Site,
) -> None:
    """Stop; copy; start; deliver; stop; put the copy back; start; deliver another: RFC 1939 §7."""
    program, store = Program(site.house), site.house.store_folder
    site.deliver(b"before")
    assert program.collect() == [b"before"]
    assert site.service.stop() == 0
    copy = shutil.copytree(store, site.house.folder / "copy", ignore=NO_FIFO)
    for text in (b"lost", b"other"):
        site.service.start_again()
        for number in range(3):  # two workers take turns
            site.deliver(b"%s %d" % (text, number))
        assert program.collect() == [b"%s %d" % (text, number) for number in range(3)]
        assert program.collect() == []  # and nothing twice
        assert site.service.stop() == 0
        shutil.rmtree(store)
        shutil.copytree(copy, store)
    assert len(program.known) == 1 + 2 * 3
    assert len(set(site.told_ids)) == 1 + 2 * 3
    message_ids = {found for one in program.known.values() for found in _MESSAGE_ID.findall(one)}
    assert len(message_ids) == 1 + 2 * 3
