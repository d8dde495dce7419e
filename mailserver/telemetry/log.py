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
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

# structlog takes in Twisted and rich wherever they are installed, for features of its own that
# nothing here uses: a third of the start of each process, and one loop's library beside the other.
_UNUSED = {"structlog.twisted", "rich"} - sys.modules.keys()
sys.modules.update(dict.fromkeys(_UNUSED))  # type: ignore[arg-type] # None: "is not there"
import structlog  # noqa: E402

for _name in _UNUSED:
    del sys.modules[_name]

from mailserver.telemetry.stream import LogStream  # noqa: E402
from mailserver.values.text.escaping import shown  # noqa: E402

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
    structlog.configure(
        processors=_for_eyes(context, out) if for_eyes else [_as_json(context)],
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


_RAISED = "exception"
_DELETE = "\x7f"
_LEVELS = {"warn": "warning", "exception": "error"}
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)
_QUOTED = json.encoder.encode_basestring  # in C, where there is one


def _for_eyes(context: dict[str, Any], out: TextIO) -> list[structlog.typing.Processor]:
    """What every line has, the context, the level, the time; then colours, where they show."""
    now = _clock()

    def complete(
        _logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in context.items():
            event.setdefault(name, value)
        event["level"] = _LEVELS.get(method, method)
        event["timestamp"] = now()
        return event

    renderer: Any = structlog.dev.ConsoleRenderer(colors=out.isatty())
    return [complete, structlog.processors.format_exc_info, _escape_all, renderer]


def _escape_all(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Before colours are put in; what is no text is shown by `repr`, which escapes."""
    for name, value in list(event.items()):
        if isinstance(value, str):
            is_lines = name == _RAISED  # a traceback keeps them
            event[name] = "\n".join(map(shown, value.split("\n"))) if is_lines else shown(value)
    return event


def _as_json(context: dict[str, Any]) -> structlog.typing.Processor:
    """The same in one step: a line for each message was a tenth of what accepting it costs."""
    now = _clock()
    always = "".join(f', "{name}": {_json(value)}' for name, value in context.items())

    def render(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(_logger, method, event)
        raised = event.pop(_RAISED, None)
        also = always
        if not context.keys().isdisjoint(event):  # what the line says itself counts
            event, also = {**context, **event}, ""
        told = [
            f'"{name}": {_QUOTED(value) if type(value) is str else _json(value)}'
            for name, value in event.items()
        ]
        level = _LEVELS.get(method, method)
        last = "" if raised is None else f', "exception": {_json(raised)}'
        line = f'{{{", ".join(told)}{also}, "level": "{level}", "timestamp": "{now()}"{last}}}'
        return line if line.isascii() and _DELETE not in line else _without_hidden(line)

    return render


def _without_hidden(line: str) -> str:
    """JSON that a terminal may show as it is: C1, direction marks and their like are escaped."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else _escaped(one) for one in line)


def _escaped(character: str) -> str:
    if character == _DELETE:
        return "\\u007f"
    return json.dumps(character)[1:-1]


def _json(value: Any) -> str:
    return str(value) if type(value) is int else _ENCODER.encode(value)


def _clock() -> Callable[[], str]:
    """Says the time in UTC; all but the microseconds is written once a second."""
    known = (0, "")  # a second and its text: one value, for threads share it

    def now() -> str:
        nonlocal known
        now_s, now_us = divmod(time.time_ns() // 1000, 1_000_000)
        second, text = known
        if now_s != second:
            text = datetime.fromtimestamp(now_s, UTC).isoformat()[:-6]
            known = (now_s, text)
        return f"{text}.{now_us:06}Z"

    return now
