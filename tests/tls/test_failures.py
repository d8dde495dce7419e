"""Reasons of failed handshakes: from the words of two libraries, counted, told within bounds."""

from __future__ import annotations

import io
import json
import ssl

import pytest

from mailserver.telemetry.hush import MOST_OF_ALL, MOST_OF_ONE, WINDOW_S, Hush
from mailserver.telemetry.log import configure, get_log
from mailserver.tls.failures import (
    WORDS,
    FailedHandshakes,
    Reason,
    classify,
    is_tls_record,
    reason_of,
)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("UNSUPPORTED_PROTOCOL", Reason.OLD_VERSION),
        ("unsupported protocol", Reason.OLD_VERSION),
        ("VERSION_TOO_LOW", Reason.OLD_VERSION),
        ("tlsv1 alert protocol version", Reason.OLD_VERSION),
        ("NO_SHARED_CIPHER", Reason.NO_COMMON),
        ("no suitable signature algorithm", Reason.NO_COMMON),
        ("NO_SUITABLE_KEY_SHARE", Reason.NO_COMMON),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", Reason.NO_COMMON),
        ("TLSV1_ALERT_UNKNOWN_CA", Reason.DISTRUST),
        ("ssl/tls alert bad certificate", Reason.DISTRUST),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", Reason.DISTRUST),
        ("tlsv1 alert internal error", Reason.REFUSED),
        ("TLSV1_ALERT_USER_CANCELLED", Reason.REFUSED),
        ("WRONG_VERSION_NUMBER", Reason.NOT_TLS),
        ("http request", Reason.NOT_TLS),
        ("UNEXPECTED_EOF_WHILE_READING", Reason.CLOSED),
        ("bad extension", Reason.MALFORMED),
        ("", Reason.MALFORMED),
    ],
)
def test_the_words_of_both_libraries_are_folded_into_one_set(words: str, reason: Reason) -> None:
    assert classify(words) is reason


@pytest.mark.parametrize(
    ("error", "has_heard", "reason"),
    [
        (ConnectionAbortedError("SSL handshake is taking longer"), True, Reason.TOO_SLOW),
        (ConnectionAbortedError("SSL handshake is taking longer"), False, Reason.SILENT),
        (ConnectionResetError(), True, Reason.CLOSED),
        (ConnectionResetError(), False, Reason.LOOKED_IN),
        (ssl.SSLError(1, "[SSL: NO_SHARED_CIPHER] no shared cipher"), True, Reason.NO_COMMON),
    ],
)
def test_what_a_loop_raises_has_a_reason(
    error: OSError, reason: Reason, *, has_heard: bool
) -> None:
    assert reason_of(error, has_heard=has_heard) is reason


def test_every_reason_has_words_of_its_own() -> None:
    assert len(set(WORDS.values())) == len(Reason) == len(WORDS)


def test_a_client_hello_begins_with_a_record() -> None:
    assert is_tls_record(b"\x16\x03\x01\x02\x00")
    assert not is_tls_record(b"\x16")
    assert not is_tls_record(b"EHLO x\r\n")


def test_many_failures_are_counted_and_few_are_told() -> None:
    heard = io.StringIO()
    configure(level="info", log_format="json", stream=heard)
    try:
        book = FailedHandshakes(get_log("smtp"))
        for _ in range(500):
            book.note(Reason.NOT_TLS, peer="192.0.2.1", listener="mx", now_s=1.0)
        book.note(Reason.LOOKED_IN, peer="192.0.2.1", listener="mx", now_s=1.0)
        book.note(Reason.NOT_TLS, peer="192.0.2.1", listener="mx", now_s=1.0 + WINDOW_S)
    finally:
        configure(level="info", log_format="auto")
    lines = [json.loads(line) for line in heard.getvalue().splitlines()]
    assert len(lines) == MOST_OF_ONE + 1
    assert lines[-1]["also"] == f"{500 - MOST_OF_ONE} like it were not logged"
    assert lines[0]["reason"] == WORDS[Reason.NOT_TLS]
    assert book.counters() == {"tls.failed.not_tls": 501.0, "tls.failed.looked_in": 1.0}


def test_many_peers_are_told_no_more_than_a_budget_allows() -> None:
    hush = Hush()
    told = [hush.ask(peer, now_s=5.0) for peer in range(10_000)]
    assert sum(one is not None for one in told) == MOST_OF_ALL
    assert hush.ask("another", now_s=5.0 + WINDOW_S) == 0


def test_a_clock_that_stands_still_never_ends_a_window() -> None:
    hush = Hush(most_of_one=1, most_of_all=1)
    assert hush.ask("a", now_s=0.0) == 0
    assert hush.ask("a", now_s=0.0) is None
