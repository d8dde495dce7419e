"""Lines of the log, from an event and its facts: JSON, or for eyes.  Every process writes these.

The supervisor stays small, so nothing is imported here but what it may have: no library.
One line for one event, whatever a peer said; only a traceback for eyes has lines of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

from mailserver.values.text.escaping import shown

LogFormat = Literal["auto", "json", "console"]
Render = Callable[[str, MutableMapping[str, Any]], str]
"""(level, facts, `event` among them) -> a line without its end; it may empty the facts."""

RAISED: Final = "exception"
"""The fact that holds a traceback."""
_DELETE: Final = "\x7f"
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=repr)
_QUOTED: Final = json.encoder.encode_basestring  # in C, where there is one
_EVENT_WIDTH: Final = 30
_COLOURS: Final = {"error": "\x1b[31m", "warning": "\x1b[33m", "info": "\x1b[32m"}
_BOLD: Final = "\x1b[1m"
_PLAIN: Final = "\x1b[0m"


def choose_render(log_format: LogFormat, out: TextIO, context: Mapping[str, Any]) -> Render:
    """`auto` is for eyes on a terminal and JSON elsewhere; `context` stands in every line."""
    if log_format == "console" or (log_format == "auto" and out.isatty()):
        return lines_for_eyes(context, has_colours=out.isatty())
    return json_lines(context)


def json_lines(context: Mapping[str, Any]) -> Render:
    """In one step: a line for each message was a tenth of what accepting it costs."""
    now = _clock()
    always = "".join(f', "{name}": {_json(value)}' for name, value in context.items())

    def render(level: str, event: MutableMapping[str, Any]) -> str:
        raised = event.pop(RAISED, None)
        also = always
        if not context.keys().isdisjoint(event):  # what the line says itself counts
            event, also = {**context, **event}, ""
        told = [
            f'"{name}": {_QUOTED(value) if type(value) is str else _json(value)}'
            for name, value in event.items()
        ]
        last = "" if raised is None else f', "exception": {_json(raised)}'
        line = f'{{{", ".join(told)}{also}, "level": "{level}", "timestamp": "{now()}"{last}}}'
        return line if line.isascii() and _DELETE not in line else _without_hidden(line)

    return render


def lines_for_eyes(context: Mapping[str, Any], *, has_colours: bool) -> Render:
    """Time, level, event, then `name=value`; a traceback below it."""
    now = _clock()

    def render(level: str, event: MutableMapping[str, Any]) -> str:
        facts = {**context, **event}
        raised, what = facts.pop(RAISED, None), shown(str(facts.pop("event", "")))
        told = " ".join(f"{shown(name)}={_seen(value)}" for name, value in facts.items())
        mark, word = f"{level:<7}", f"{what:<{_EVENT_WIDTH}}"
        if has_colours:
            mark = f"{_COLOURS.get(level, '')}{mark}{_PLAIN}"
            word = f"{_BOLD}{word}{_PLAIN}"
        line = f"{now()} [{mark}] {word} {told}".rstrip()
        if raised is None:
            return line
        return "\n".join([line, *map(shown, str(raised).split("\n"))])

    return render


def _seen(value: Any) -> str:
    is_plain = isinstance(value, str) and value.isprintable() and value and " " not in value
    return value if is_plain else shown(repr(value))


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
