"""Another process with the same store open: `python -m tests.store.child ENGINE LOCATION`.

Each line on its standard input is a command in JSON, each line it prints the
answer.  The store is opened by the first command, so that a test can let
several processes begin at the same moment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Accepted, Removed
from mailserver.values.ids import MailboxId
from tests.store.letters import letter_to, removal, uids_of
from tests.store.places import PLACES
from tests.store.queued import Agent

ROOT = Path(__file__).resolve().parents[2]


class OtherProcess:
    """The parent's end.  `ask` waits for the answer, `tell` and `answer` do it in two steps."""

    def __init__(self, engine: str, location: str) -> None:
        command = [sys.executable, "-m", "tests.store.child", engine, location]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = Popen(
            command, stdin=PIPE, stdout=PIPE, cwd=ROOT, env=environment, text=True
        )
        assert self.answer() == "ready"
        self._place = PLACES[engine](location)

    def tell(self, do: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ask(self, do: str, **arguments: Any) -> Any:
        self.tell(do, **arguments)
        return self.answer()

    def kill(self) -> None:
        """SIGKILL, then wait until the kernel has cleaned up after it."""
        self._process.kill()
        self.end()
        self._place.forget(self._process.pid)
        self._place.close()

    def end(self) -> None:
        """Let it come to its end.  May be called again."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


class _Commands:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._locks: list[object] = []

    def open(self) -> bool:
        return True

    def lock(self, mailbox_id: int) -> bool:
        lock = self._store.locks.lock_maildrop(MailboxId(mailbox_id))
        self._locks.append(lock)
        return lock is not None

    def accept(self, mailbox_ids: list[int], count: int = 1) -> int:
        wanted = [MailboxId(m) for m in mailbox_ids]
        outcomes = [self._store.writes.apply([letter_to(*wanted)])[0] for _ in range(count)]
        return sum(isinstance(outcome, Accepted) for outcome in outcomes)

    def remove(self, mailbox_id: int, uids: list[int]) -> int:
        (outcome,) = self._store.writes.apply([removal(MailboxId(mailbox_id), uids)])
        return outcome.count if isinstance(outcome, Removed) else -1

    def uids(self, mailbox_id: int) -> list[int]:
        return uids_of(self._store, MailboxId(mailbox_id))

    def reclaim(self, now_s: float) -> int:
        return self._store.upkeep.reclaim(now_s=now_s).entry_count

    def lease(self, hop: str) -> int:
        return len(Agent(self._store).lease(hop))

    def use_codes(self, code_ids: list[int], now_s: float) -> list[bool]:
        return [self._store.recovery.use_code(code_id, now_s=now_s) for code_id in code_ids]

    def take_slot(self) -> int:
        return self._store.locks.slots.take()

    def become_keeper(self) -> bool:
        return self._store.locks.become_keeper()


def main() -> None:
    engine, location = sys.argv[1:]
    print(json.dumps("ready"), flush=True)
    commands: _Commands | None = None
    for line in sys.stdin:
        command = json.loads(line)
        if commands is None:
            commands = _Commands(PLACES[engine](location).open())
        act: Callable[..., Any] = getattr(commands, command.pop("do"))
        print(json.dumps(act(**command)), flush=True)


if __name__ == "__main__":
    main()
