"""Logs: one event per line on standard error or output, JSON or for eyes.

`configure` is called once per process; after that every room gets its logger
from `get_log`.  Events are short phrases, facts are keyword arguments
(`session=`, `message=`, `peer=`).  Never a body, never a secret.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO, cast

# structlog takes in Twisted and rich wherever they are installed, for features of its own that
# nothing here uses: a third of the start of each process, and one loop's library beside the other.
_UNUSED = {"structlog.twisted", "rich"} - sys.modules.keys()
sys.modules.update(dict.fromkeys(_UNUSED))  # type: ignore[arg-type] # None: "is not there"
import structlog  # noqa: E402

for _name in _UNUSED:
    del sys.modules[_name]

from mailserver.telemetry.lines import LogFormat, Render, choose_render  # noqa: E402
from mailserver.telemetry.stream import LogStream  # noqa: E402

Log = structlog.typing.FilteringBoundLogger


def configure(
    *, level: str, log_format: LogFormat, stream: TextIO | None = None, **context: Any
) -> None:
    """Send events at `level` and above to `stream` (default: standard output).

    `auto` is for eyes on a terminal and JSON elsewhere.  `context` stands in
    every line (`process=`, `worker=`).
    """
    out = stream or sys.stdout
    # What a library thinks of the numbers in somebody's certificate is no line of ours.
    warnings.filterwarnings("ignore", message="Parsed a serial number")
    structlog.configure(
        processors=[_processor(choose_render(log_format, out, context))],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # One write per line, its end included: the lines of several processes never mix.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", LogStream(out))),
        cache_logger_on_first_use=True,
    )


@contextmanager
def log_of_a_command() -> Iterator[None]:
    """Warnings and errors only, to standard error: standard output is what a command answers."""
    before = structlog.get_config()
    structlog.configure(
        processors=[_processor(choose_render("console", sys.stderr, {}))],
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


def _processor(render: Render) -> structlog.typing.Processor:
    def process(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(_logger, method, event)
        return render(_LEVELS.get(method, method), event)

    return process
