"""Logs: one event per line on standard error or output, JSON or for eyes.

`configure` is called once per process; after that every room gets its logger
from `get_log`.  Events are short phrases, facts are keyword arguments
(`session=`, `message=`, `peer=`).  Never a body, never a secret.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

# structlog takes in Twisted and rich wherever they are installed, for features of its own that
# nothing here uses: a third of the start of each process, and one loop's library beside the other.
_UNUSED = {"structlog.twisted", "rich"} - sys.modules.keys()
sys.modules.update(dict.fromkeys(_UNUSED))  # type: ignore[arg-type] # None: "is not there"
import structlog  # noqa: E402

for _name in _UNUSED:
    del sys.modules[_name]

Log = structlog.typing.FilteringBoundLogger
LogFormat = Literal["auto", "json", "console"]


def configure(
    *, level: str, log_format: LogFormat, stream: TextIO | None = None, **context: Any
) -> None:
    """Send events at `level` and above to `stream` (default: standard output).

    `auto` is for eyes on a terminal and JSON elsewhere.  `context` stands in
    every line (`process=`, `worker=`).
    """
    out = stream or sys.stdout
    for_eyes = log_format == "console" or (log_format == "auto" and out.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer(colors=out.isatty()) if for_eyes else _as_json
    structlog.configure(
        processors=[_completed(context), structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # One write per line, its end included: the lines of several processes never mix.
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )


@contextmanager
def log_of_a_command() -> Iterator[None]:
    """Warnings and errors only, to standard error: standard output is what a command answers."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def get_log(room: str) -> Log:
    """The logger of one room: `get_log("smtp")`."""
    log: Log = structlog.get_logger(room=room)
    return log


_LEVELS = {"warn": "warning", "exception": "error"}
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)
_QUOTED = json.encoder.encode_basestring  # in C, where there is one


def _completed(context: dict[str, Any]) -> structlog.typing.Processor:
    """In one step what every line has: the context, the level, the time.

    A line for each message was a tenth of what accepting it costs.
    """
    known = (0, "")  # a second and its text: one value, for threads share it

    def complete(
        _logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        nonlocal known
        now_s, now_us = divmod(time.time_ns() // 1000, 1_000_000)
        second, text = known
        if now_s != second:
            text = datetime.fromtimestamp(now_s, UTC).isoformat()[:-6]
            known = (now_s, text)
        for name, value in context.items():
            event.setdefault(name, value)
        event["level"] = _LEVELS.get(method, method)
        event["timestamp"] = f"{text}.{now_us:06}Z"
        return event

    return complete


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """Nearly all values are texts and whole numbers; the names are our own."""
    parts = []
    for name, value in event.items():
        kind = type(value)
        shown = (
            _QUOTED(value) if kind is str else str(value) if kind is int else _ENCODER.encode(value)
        )
        parts.append(f'"{name}": {shown}')
    return "{" + ", ".join(parts) + "}"
