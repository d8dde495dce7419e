"""Run a coroutine at once, and give it a task only if it really waits.

A task costs more than most SMTP commands.  `begin` takes the first step on the
caller's stack; only a coroutine that stops at a future is finished by a task,
through `proceed`, which hands that first future to the task.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any, Final, final


@final
class Finished:
    """What `begin` returns for a coroutine that never waited."""


FINISHED: Final = Finished()


def begin(coroutine: Coroutine[Any, Any, None]) -> Any:
    """Take the first step; return FINISHED, or the future it waits for.

    Raises: whatever the coroutine raises in its first step.
    """
    try:
        return coroutine.send(None)
    except StopIteration:
        return FINISHED


@types.coroutine
def proceed(coroutine: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that `begin` left at the future `awaited`; await this in a task."""
    thrown: BaseException | None
    while True:
        try:
            sent = yield awaited
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001 - a cancellation belongs to the coroutine
            thrown, sent = error, None
        else:
            thrown = None
        try:
            awaited = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
        except StopIteration:
            return
