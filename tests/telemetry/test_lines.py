"""One form of log lines, whoever writes them."""

from __future__ import annotations

import io
import json
from typing import get_args

import pytest
import structlog

from mailserver.supervisor.master.events import Events
from mailserver.telemetry.lines import LogFormat, lines_for_eyes
from mailserver.telemetry.log import configure, get_log

FACTS = {"status": -9, "door": "smtp", "why": "a b", "at": "\x1b[2J\u202e", "none": None}


def heard(form: LogFormat, *, by_supervisor: bool) -> str:
    out = io.StringIO()
    if by_supervisor:
        Events(level="info", log_format=form, stream=out).warning("a thing", **FACTS)
    else:
        configure(level="info", log_format=form, stream=out)
        get_log("supervisor").warning("a thing", **FACTS)
        structlog.reset_defaults()
    return out.getvalue()


@pytest.mark.parametrize("form", get_args(LogFormat))
def test_the_supervisor_and_the_workers_write_the_same_line(form: LogFormat) -> None:
    lines = [heard(form, by_supervisor=by_supervisor) for by_supervisor in (True, False)]
    if form == "console":
        told = [sorted(line.partition("]")[2].split(" ")) for line in lines]
    else:
        told = [sorted(json.loads(line).items() - {"timestamp"}, key=str) for line in lines]
        told = [[one for one in facts if one[0] != "timestamp"] for facts in told]
    assert told[0] == told[1]
    assert all(line.isprintable() for text in lines for line in text.splitlines())


class _Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_a_log_that_is_gone_stops_no_supervisor() -> None:
    Events(level="info", log_format="json", stream=_Gone()).error("fork server died")


def test_a_traceback_for_eyes_stands_below_its_line() -> None:
    render = lines_for_eyes({"process": "smtp"}, has_colours=False)
    first, *rest = render("error", {"event": "fault", "exception": "Traceback\n  a\x1b[2J"}).split(
        "\n"
    )
    assert "[error  ] fault" in first
    assert first.endswith("process=smtp")
    assert rest == ["Traceback", "  a\\x1b[2J"]


def test_colours_are_ours_alone() -> None:
    line = lines_for_eyes({}, has_colours=True)("error", {"event": "\x1b[2J", "a": "\x1b[3J"})
    assert line.count("\x1b[") == 4
    assert "\x1b[2J" not in line
    assert "\x1b[3J" not in line
