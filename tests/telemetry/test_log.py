"""One event per line, peer text escaped, the process's name in each."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import structlog

from mailserver.telemetry.log import configure, get_log
from mailserver.telemetry.unraised import log_unraised

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_an_event_is_one_json_line_with_the_process() -> None:
    out = io.StringIO()
    configure(level="info", log_format="json", stream=out, process="smtp", worker=1)
    get_log("smtp").info("refused", peer="x\r\n250 forged")
    (line,) = out.getvalue().splitlines()
    told = json.loads(line)
    assert told["event"] == "refused"
    assert told["peer"] == "x\r\n250 forged"
    assert (told["process"], told["worker"], told["room"]) == ("smtp", 1, "smtp")


def test_a_fact_that_is_named_like_the_process_s_own_counts_once() -> None:
    out = io.StringIO()
    configure(level="info", log_format="json", stream=out, process="smtp", worker=1)
    get_log("smtp").info("ended", worker=2)
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["worker"] == 2
    assert line.count('"worker"') == 1


def test_what_was_raised_stands_at_the_end_of_its_line() -> None:
    out = io.StringIO()
    configure(level="info", log_format="json", stream=out)
    get_log("smtp").error("fault", exc_info=ValueError("two\nlines"), peer="192.0.2.7")
    get_log("smtp").error("no fault", exc_info=None)
    raised, nothing = (json.loads(line) for line in out.getvalue().splitlines())
    assert list(raised)[-1] == "exception"
    assert "two\nlines" in raised["exception"]
    assert "exception" not in nothing
    assert "exc_info" not in nothing


@pytest.mark.parametrize("log_format", ["auto", "json", "console"])
def test_what_a_peer_says_never_makes_a_line(
    log_format: Literal["auto", "json", "console"],
) -> None:
    out = io.StringIO()
    configure(level="info", log_format=log_format, stream=out)
    get_log("smtp").info("refused", peer="x\r\ny")
    assert len(out.getvalue().splitlines()) == 1


def test_events_below_the_level_are_left_out() -> None:
    out = io.StringIO()
    configure(level="warning", log_format="json", stream=out)
    get_log("smtp").info("quiet")
    assert out.getvalue() == ""


def test_the_log_brings_neither_twisted_nor_rich_into_a_process() -> None:
    told = "import sys, mailserver.telemetry.log; print(*{'twisted', 'rich'} & sys.modules.keys())"
    command = [sys.executable, "-c", told]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


class _Writes(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def write(self, text: str) -> int:
        self.told.append(text)
        return len(text)


def test_a_line_and_its_end_are_one_write_so_that_processes_never_mix() -> None:
    out = _Writes()
    configure(level="info", log_format="json", stream=out)
    get_log("smtp").info("one")
    (written,) = out.told
    assert written.endswith("}\n")


HOSTILE = "\x1b[2Jred\x1b]0;title\x07 \x9b31m \u202eevil\u2066 \u2028 \x7f \ufeff \ud800 \U000e0041"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_nothing_that_a_peer_says_reaches_the_terminal_as_it_is(
    log_format: Literal["json", "console"],
) -> None:
    out = io.StringIO()
    configure(level="info", log_format=log_format, stream=out, process="smtp")
    get_log("smtp").info("refused", peer=HOSTILE, named=[HOSTILE], why=ValueError(HOSTILE))
    get_log("smtp").error("fault " + HOSTILE, exc_info=ValueError(HOSTILE), é="vu")
    written = out.getvalue()
    written.encode("utf-8")
    assert "é" in written
    assert {one for one in written if not one.isprintable()} == {"\n"}
    if log_format == "json":
        told = json.loads(written.splitlines()[0])
        assert told["peer"] == HOSTILE


def test_what_cannot_be_raised_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    heard = io.StringIO()
    configure(level="info", log_format="json", stream=heard)
    try:
        log_unraised(get_log("smtp"))

        class Careless:
            def __del__(self) -> None:
                raise ValueError("never mind")

        for _ in range(50):
            Careless()
    finally:
        configure(level="info", log_format="auto")
    (line,) = map(json.loads, heard.getvalue().splitlines())
    assert (line["level"], line["error"]) == ("warning", "ValueError: never mind")
