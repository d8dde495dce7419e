"""A whole service on a disk that is full to the last block: people delete, and mail comes again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.collector import list_uidls, sign_in
from tests.crash.house import PASSWORD, House, build_house, free_ports
from tests.crash.letters import DOMAIN
from tests.crash.service import CrashedService
from tests.crash.wire import Hung, Wire
from tests.disks import SmallDisk, small_disk

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(240)]
BOX = "anne"
DISK_MIB = 80
PATIENCE_S = 90.0
STORE = "wal_limit_mib = 4\nkeep_removed_days = 30"


@dataclass
class Site:
    disk: SmallDisk
    house: House
    service: CrashedService

    def deliver(self, octets: int) -> int:
        """The last code that one message of this size got at MX."""
        with Wire(self.house.ports["mx"]) as wire:
            if wire.smtp_reply().code != 220:
                return 421
            wire.say(b"EHLO mx.test")
            for command in (
                b"MAIL FROM:<a@b.test> SIZE=%d" % octets,
                f"RCPT TO:<{BOX}@{DOMAIN}>".encode(),
                b"DATA",
            ):
                code = wire.say(command).code
                if code not in {250, 354}:
                    return code
            return wire.say(
                b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * (octets // 72) + b"."
            ).code

    def deliver_until_refused(self, octets: int) -> int:
        """How many were taken."""
        count = 0
        while (code := self.deliver(octets)) == 250:
            count += 1
        assert code in {451, 452}
        return count

    def delete_everything(self) -> int:
        """+OK to QUIT, or nothing counts."""
        with Wire(self.house.ports["pop3"]) as wire:
            sign_in(wire, BOX, PASSWORD)
            numbers = list_uidls(wire).values()
            for number in numbers:
                assert wire.ask(b"DELE %d" % number).is_ok
            reply = wire.ask(b"QUIT")
        assert reply.is_ok, reply.text
        return len(numbers)

    def until(self, is_so: Callable[[], bool]) -> None:
        ends_at_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                if is_so():
                    return
            except Hung:
                pass
            assert time.monotonic() < ends_at_s, self.service.log_file.read_text()[-3000:]
            time.sleep(0.1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with small_disk("ext4", tmp_path, mib=DISK_MIB) as disk:
        house = build_house(
            disk.folder / "house", names=[BOX], ports=free_ports(), store_keys=STORE, agents=1
        )
        service = CrashedService(house)
        site = Site(disk, house, service)
        try:
            site.until(lambda: site.deliver(1000) == 250)
            site.until((house.store_folder / "reserve").exists)
            yield site
        finally:
            service.close()


def test_people_delete_on_a_full_disk_and_mail_comes_again(site: Site) -> None:
    """Somebody else has filled it; the service starts on it; then mail has filled it."""
    for _ in range(20):
        assert site.deliver(100_000) == 250
    site.disk.fill()
    assert site.deliver(400_000) in {451, 452}  # a file of its own
    assert site.delete_everything() == 21
    site.disk.fill()  # whatever that freed
    assert site.delete_everything() == 0
    site.disk.empty()
    site.until(lambda: site.deliver(400_000) == 250)
    site.until(lambda: (site.house.store_folder / "reserve").stat().st_size > 0)

    assert site.service.stop() == 0
    site.disk.fill()
    site.service.start_again()
    site.until(lambda: site.delete_everything() == 1)
    site.disk.empty()

    site.until(lambda: site.deliver(250_000) == 250)
    small = 1 + site.deliver_until_refused(250_000)
    assert small > 50
    assert site.delete_everything() == small
    again = 0
    while again < small // 2:  # what was removed goes as new mail comes
        site.until(lambda: site.deliver(250_000) == 250)
        again += 1 + site.deliver_until_refused(250_000)
    assert site.delete_everything() == again
    assert site.service.stop() == 0
