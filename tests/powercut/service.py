"""The program under the tracer: doors and the keeper, without a supervisor.

    python -m tests.powercut.service SETTINGS.toml MUTANT DOOR...

Prints one JSON line with the ports once they listen, and ends with its standard
input.  A mutant breaks the promise on purpose; the test must notice.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from mailserver.settings.load import load_settings
from mailserver.settings.model import KIB, Settings
from mailserver.store import commit
from mailserver.store.files import bodies as files
from mailserver.store.ports.queue import Settled, Settlement
from mailserver.store.ports.writes import Accepted, Outcome, Removal, Removed, Write
from mailserver.store.sql.bulk import insert
from mailserver.store.sql.engine import Connection
from mailserver.store.sql.queue import lease as queue_lease
from mailserver.store.sql.queue import settle as queue_settle
from mailserver.store.sql.queue.accept import INSERT_OWED
from mailserver.store.sqlite import engine, store
from mailserver.supervisor.contract import Door, Listener, WorkerContext
from mailserver.telemetry import log
from mailserver.values.ids import MessageId
from mailserver.values.message import Acceptance
from mailserver.values.secret import Secret

KEEPER_STEP_S = 0.02
LOG_LIMIT_OCTETS = 256 * KIB


def _sync_nothing() -> None:
    engine.SYNCHRONOUS = "OFF"


def _sync_no_folder() -> None:
    def sync_folder(folder: str) -> None:
        """A mutant."""

    for module in (files, store):
        setattr(module, "sync_folder", sync_folder)  # noqa: B010 - imported there by name


def _answer_early() -> None:
    submit = commit.Committer.submit

    def answer_and_submit(self: commit.Committer, write: Write, done: commit.Done) -> None:
        if not isinstance(write, Removal | Acceptance):
            return submit(self, write, done)
        early: Outcome = (
            Removed(len(write.uids)) if isinstance(write, Removal) else Accepted(MessageId(1))
        )
        self._deliver([(done, early)])
        return submit(self, write, lambda outcome: None)

    commit.Committer.submit = answer_and_submit  # type: ignore[method-assign]


def _owe_later() -> None:
    """What a settlement owes is written by the transaction of the next one."""
    settle = queue_settle.settle
    late: list[Sequence[Any]] = []

    def settle_and_owe_later(
        connection: Connection, settlements: Sequence[Settlement]
    ) -> list[Settled]:
        insert(connection, INSERT_OWED, late)
        late.clear()
        for settlement in settlements:
            late.extend(
                (o.ref.message_id, o.ref.copy_no, o.owes, settlement.at_s)
                for o in settlement.outcomes
                if o.owes is not None
            )
        return settle(connection, [_without_reports(settlement) for settlement in settlements])

    queue_settle.settle = settle_and_owe_later


def _without_reports(settlement: Settlement) -> Settlement:
    return replace(
        settlement, outcomes=tuple(replace(outcome, owes=None) for outcome in settlement.outcomes)
    )


def _lose_leases() -> None:
    """Whoever takes over from a dead agent does not find what it held."""
    recorded = "agent_id = taken.agent_id"
    assert recorded in queue_lease._TAKE
    queue_lease._TAKE = queue_lease._TAKE.replace(recorded, "agent_id = -taken.agent_id")


MUTANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "synchronous=OFF": _sync_nothing,
    "no folder sync": _sync_no_folder,
    "reply before commit": _answer_early,
    "settlement without its report": _owe_later,
    "a lease is lost": _lose_leases,
}
IN_DELIVERY = frozenset({"settlement without its report", "a lease is lost"})
"""They break what an agent does; the others, what is answered."""


LISTENERS = {"smtp": ("mx", "submission"), "pop3": ("pop3",), "delivery": ()}
_MODULES = {
    "smtp": "smtp_relay.inbound.worker",
    "pop3": "pop3_store.worker",
    "delivery": "smtp_relay.delivery.worker",
}


def _fork(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        run()
        status = 0
    finally:
        os._exit(status)


def _keep_house(settings: Settings, life_fd: int) -> None:
    """Checkpoint and reclaim all the time, so that cuts fall into both."""
    kept = store.SqliteStore(
        settings.store.path, wal_limit_octets=LOG_LIMIT_OCTETS, keep_removed_s=0.0
    )
    os.set_blocking(life_fd, False)
    while not _has_ended(life_fd):
        kept.upkeep.checkpoint()
        kept.upkeep.reclaim(now_s=time.time())
        time.sleep(KEEPER_STEP_S)
    while kept.upkeep.reclaim(now_s=time.time()).entry_count:  # what sessions had locked until now
        continue
    kept.close()


def _has_ended(life_fd: int) -> bool:
    try:
        return os.read(life_fd, 1) == b""
    except BlockingIOError:
        return False


def main(arguments: list[str]) -> None:
    settings = load_settings(Path(arguments[0]), {})
    MUTANTS[arguments[1]]()
    log.configure(level="warning", log_format="json", stream=sys.stderr)
    # Imported before the fork, as the supervisor does.
    doors: dict[str, Door] = {name: import_module(_MODULES[name]) for name in arguments[2:]}
    prepared: dict[str, Any] = {name: door.prepare(settings) for name, door in doors.items()}
    socks = {listener: _listen() for name in doors for listener in LISTENERS[name]}
    life_fd, our_end = os.pipe()

    def serve(name: str) -> None:
        os.close(our_end)
        context = WorkerContext(
            settings=settings,
            door=name,
            index=0,
            listeners=tuple(Listener(name=n, sock=socks[n]) for n in LISTENERS[name]),
            life_fd=life_fd,
            auth_secret=Secret(b"s" * 32),
        )
        doors[name].serve(prepared[name], context)

    def keep() -> None:
        os.close(our_end)
        _keep_house(settings, life_fd)

    children = [_fork(lambda name=name: serve(name)) for name in doors]  # type: ignore[misc]
    keeper = _fork(keep)
    print(json.dumps({name: sock.getsockname()[1] for name, sock in socks.items()}), flush=True)
    sys.stdin.buffer.read()
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    for pid in children:
        os.waitpid(pid, 0)
    os.close(our_end)
    os.waitpid(keeper, 0)


def _listen() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0), backlog=128)
    sock.setblocking(False)
    return sock


if __name__ == "__main__":
    main(sys.argv[1:])
