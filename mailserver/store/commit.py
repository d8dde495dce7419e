"""PLACEHOLDER: the contract of the group commit; the implementation follows."""

from __future__ import annotations

from collections.abc import Callable

from mailserver.store.ports import Outcome, Write, Writes

Done = Callable[[Outcome], None]
RunBatch = Callable[[list[tuple[Done, Outcome]]], None]


class Committer:
    """The one writer thread of a process."""

    def __init__(self, writes: Writes, *, deliver: RunBatch, on_broken: Callable[[], None]) -> None:
        """`deliver` gets one list per batch, in the writer's thread; it hops to the loop and there calls each `done(outcome)`."""

    def start(self) -> None: ...

    def submit(self, write: Write, done: Done) -> None:
        """Hand over one write; `done` gets its outcome on the loop (through `deliver`)."""

    def stop(self) -> None:
        """Commit what waits, then end the thread."""
