"""Figures of ours alone: memory at rest and at its peak, and a mailbox of 100,000 messages."""

from __future__ import annotations

import socket
import statistics
import time
from contextlib import suppress

from bench.load import send, smtp_command
from bench.memory import read_peak_mib, read_pss_mib, read_resident_mib, reset_peak
from bench.ours import Ours
from bench.report import Figure
from bench.rows import settle
from bench.side import PASSWORD, BenchError

UPLOADS = 8
UPLOAD_OCTETS = 25 * 1_000_000
MAX_PEAK_MIB = 40.0
MAX_REST_MIB = 250.0
MAX_STAT_MS = 30.0

_TRIES = 15


def measure_rest(ours: Ours) -> Figure:
    """PSS of all processes of a service that has just started and does nothing."""
    settle(ours)
    pss_mib = read_pss_mib(ours.find_processes())
    return Figure(
        key="rest",
        title="whole service at rest, every door, PSS of all processes",
        value=pss_mib,
        unit="MiB",
        limit=f"at most {MAX_REST_MIB:g} MiB",
        passed=pss_mib <= MAX_REST_MIB,
    )


def measure_uploads(ours: Ours) -> Figure:
    """The greatest rise of any process above rest, while UPLOADS clients send at once.

    `ours` has one process for each door, so that all of them meet in one.
    """
    pids = ours.find_processes()
    settle(ours)
    rest_mib = {pid: read_resident_mib(pid) for pid in pids}
    for pid in pids:
        reset_peak(pid)
    send(
        smtp_command(
            ours.ports.smtp,
            base="boite",
            message_count=UPLOADS,
            size_octets=UPLOAD_OCTETS,
            sessions=UPLOADS,
        )
    )
    rise_mib = 0.0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            rise_mib = max(rise_mib, read_peak_mib(pid) - rest_mib[pid])
    return Figure(
        key="memory",
        title=f"SMTP process: peak above rest, {UPLOADS} clients sending 25 MB each at once",
        value=rise_mib,
        unit="MiB",
        limit=f"at most {MAX_PEAK_MIB:g} MiB",
        passed=rise_mib <= MAX_PEAK_MIB,
    )


def measure_big_mailbox(ours: Ours, name: str, count: int) -> Figure:
    """From sending PASS to having STAT's answer, for a log-in that is remembered; a median."""
    time_sign_in(ours.ports.pop3, name, count)
    elapsed_ms = statistics.median(
        time_sign_in(ours.ports.pop3, name, count) for _ in range(_TRIES)
    )
    return Figure(
        key="big-mailbox",
        title=f"mailbox of {count:,} messages: PASS to the answer to STAT",
        value=elapsed_ms,
        unit="ms",
        limit=f"under {MAX_STAT_MS:g} ms",
        passed=elapsed_ms < MAX_STAT_MS,
    )


def time_sign_in(port: int, name: str, count: int) -> float:
    """Milliseconds; STAT must tell `count` messages."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        answers = sock.makefile("rb")
        _expect_ok(answers.readline())
        sock.sendall(b"USER %b\r\n" % name.encode())
        _expect_ok(answers.readline())
        began_s = time.perf_counter()
        sock.sendall(b"PASS %b\r\n" % PASSWORD.encode())
        _expect_ok(answers.readline())
        sock.sendall(b"STAT\r\n")
        answer = answers.readline()
        elapsed_ms = (time.perf_counter() - began_s) * 1000
        _expect_ok(answer)
        sock.sendall(b"QUIT\r\n")
        _expect_ok(answers.readline())
    if int(answer.split()[1]) != count:
        raise BenchError(f"{name}: STAT tells {answer!r}, {count} messages were put there")
    return elapsed_ms


def _expect_ok(answer: bytes) -> None:
    if not answer.startswith(b"+OK"):
        raise BenchError(f"POP3 answered {answer.decode('ascii', 'replace').strip()}")
