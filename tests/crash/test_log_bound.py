"""The write-ahead log stays bounded while clients stop reading under load.

A core call returns octets or an opened file, so a client that stops reading
holds no snapshot of the database, and the log can always start over.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import apsw
import pytest

from mailserver.settings.model import MIB
from mailserver.store.commit import BATCH_OCTETS
from mailserver.store.open import open_store
from mailserver.store.sqlite.engine import LOG_GUARD_FACTOR
from tests.crash.collector import sign_in
from tests.crash.house import PASSWORD, House, build_house, free_ports
from tests.crash.inspection import inspect_boxes
from tests.crash.journal import read_journal
from tests.crash.letters import letter_octets, make_id, read_letter
from tests.crash.programs import RUN_TIMEOUT_S, running
from tests.crash.sender import SenderPlan
from tests.crash.service import CrashedService
from tests.crash.wire import Wire

LIMIT_MIB = 4
MARGIN_OCTETS = 2 * BATCH_OCTETS
"""One batch of bodies, and as much again for rows, indexes and the room left in pages."""
BOUND_OCTETS = int(LIMIT_MIB * MIB * LOG_GUARD_FACTOR) + MARGIN_OCTETS
LISTED_COUNT = 250_000  # its LIST is larger than what sockets hold
LARGE_OCTETS = 12_000_000
SENDERS = tuple(f"s{n}" for n in range(6))
SINKS = tuple(f"b{n}" for n in range(6))
LETTER_OCTETS = 200_000
LETTERS_EACH = 50
SMALL_BUFFER = 4096
_MANY = """
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {count})
    INSERT INTO {into} FROM n"""
_MESSAGES = """message (message_id, accept_id, accepted_at_s, reverse_path, door, peer, flags,
        envelope_id, return_content, header_octets, longest_line_octets, dotted_line_count,
        body_octets, return_path, head, body)
    SELECT -i, x'00', 0, '', 'mx', '', 1, '', '', 2, 0, 0, 2, x'', x'', x'0d0a'"""
_ENTRIES = "entry (mailbox_id, uid, message_id, octets, prefix) SELECT {box}, i, -i, 2, x''"
_TOTALS = "UPDATE mailbox SET next_uid = ?, entry_count = ?, octets = ? WHERE mailbox_id = ?"


class Gauge:
    """The largest size of the log, looked at all the time."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.largest_octets = 0
        self.look_count = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.002):
            size = self._log.stat().st_size if self._log.exists() else 0
            self.largest_octets = max(self.largest_octets, size)
            self.look_count += 1


def fill(house: House, name: str) -> None:
    """Give a mailbox very many empty messages, by SQL: nothing else is as fast."""
    store = open_store(house.settings)
    account = store.accounts.find_account(name)
    store.close()
    assert account is not None
    database = apsw.Connection(str(house.store_folder / "mail.db"))
    with closing(database), database:
        database.execute(_MANY.format(count=LISTED_COUNT, into=_MESSAGES))
        entries = _ENTRIES.format(box=int(account.inbox_id))
        database.execute(_MANY.format(count=LISTED_COUNT, into=entries))
        totals = (LISTED_COUNT + 1, LISTED_COUNT, 2 * LISTED_COUNT, account.inbox_id)
        database.execute(_TOTALS, totals)


def send_large(house: House, box: str) -> None:
    with Wire(house.ports["mx"]) as wire:
        assert wire.smtp_reply().code == 220
        for command in (b"EHLO load.test", b"MAIL FROM:<>", f"RCPT TO:<{box}@ac-exemple.fr>"):
            octets = command if isinstance(command, bytes) else command.encode()
            assert wire.say(octets).code == 250
        assert wire.say(b"DATA").code == 354
        letter = letter_octets(make_id("s0", 99_999, LARGE_OCTETS)).replace(b"\r\n.", b"\r\n..")
        wire.send(letter + b".\r\n")
        assert wire.smtp_reply().code == 250


def stall(stack: ExitStack, house: House, box: str, command: bytes) -> Wire:
    """A client that reads the first line of a long answer and then nothing."""
    wire = stack.enter_context(Wire(house.ports["pop3"], receive_buffer_octets=SMALL_BUFFER))
    sign_in(wire, box, PASSWORD)
    assert wire.ask(command).is_ok
    return wire


def queued_octets(wire: Wire) -> int:
    """What the two kernels' queues hold of the server's answer: the rest is still in its hands."""
    server, client = (int(port) for port in wire.connection.split("-"))
    total = 0
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        ports = {int(fields[n].rpartition(":")[2], 16) for n in (1, 2)}
        if ports == {server, client}:
            total += sum(int(queue, 16) for queue in fields[4].split(":"))
    return total


def load(house: House, folder: Path) -> int:
    """Send everything; the octets that were accepted."""
    plan = SenderPlan(
        mx_port=house.ports["mx"],
        submission_port=0,
        password=PASSWORD,
        names=SENDERS,
        boxes=SINKS,
        seed=1,
        letter_count=LETTERS_EACH,
        large=0.0,
        trouble=0.0,
        sizes_octets=(LETTER_OCTETS,),
    )
    plan_file, journal = folder / "sending.json", folder / "sent"
    plan_file.write_text(json.dumps(asdict(plan)), "utf-8")
    command = (sys.executable, "-m", "tests.crash.sender", str(journal), str(plan_file))
    with running(command) as sender:
        sender.wait(RUN_TIMEOUT_S)
    lines = read_journal(journal)
    count: int = sum(line["e"] == "answered" and line["code"] == 250 for line in lines)
    return LETTER_OCTETS * count


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(240)
def test_the_log_is_bounded_while_clients_stop_in_mid_list_and_mid_retr(tmp_path: Path) -> None:
    house = build_house(
        tmp_path / "house",
        names=(*SENDERS, *SINKS, "many", "large"),
        ports=free_ports(),
        store_keys=f"wal_limit_mib = {LIMIT_MIB}",
    )
    fill(house, "many")
    gauge = Gauge(house.store_folder / "mail.db-wal")
    with closing(CrashedService(house)) as service, ExitStack() as stack:
        inspect_boxes(house.ports["pop3"], SINKS, PASSWORD, read_letter)  # waits until it is up
        send_large(house, "large")
        listing = stall(stack, house, "many", b"LIST")
        retrieving = stall(stack, house, "large", b"RETR 1")
        with gauge.reading():
            accepted_octets = load(house, tmp_path)
        assert queued_octets(listing) < 10 * LISTED_COUNT, "the client stopped after the listing"
        assert queued_octets(retrieving) < LARGE_OCTETS, "the client stopped after the message"
        assert listing.pop3_lines().count(b"\r\n") == LISTED_COUNT
        assert len(retrieving.pop3_lines()) > LARGE_OCTETS
        assert service.is_running()
    print(f"log {gauge.largest_octets} octets at most, {accepted_octets} octets accepted")
    assert gauge.look_count > 0
    assert accepted_octets > 3 * BOUND_OCTETS, "the log had no need to start over"
    assert gauge.largest_octets <= BOUND_OCTETS
