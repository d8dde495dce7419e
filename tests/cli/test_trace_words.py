"""Journeys in words: one line per event, in the order of time, and nothing that moves a cursor."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.cli.moments import clock, iso, parse_duration, span, until
from mailserver.cli.queue.trace_words import (
    COPIES_SHOWN,
    copy_lines,
    journey_facts,
    journey_lines,
)
from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from mailserver.store.ports.history import Collection, CopyStep, Journey, PastAttempt, Waiting
from mailserver.store.ports.queue import Attempt, Lane
from mailserver.values.ids import AcceptId, MailboxId, MessageId, Uid, accept_id_text
from mailserver.values.text.escaping import shown

AT_S = 1_795_494_011.0  # 2026-11-24 04:20:11Z
HEAD = (
    b"Received: from pc ([192.0.2.1])\r\n\tby mail.a.test with ESMTPSA id x\r\n"
    b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits))\r\n\tfor <a@b>; date\r\n"
)
DEPOSITED = CopyStep(
    copy_no=0,
    recipient="ce.0170705z@a.test",
    state=CopyState.DEPOSITED,
    mailbox_id=MailboxId(7),
    uid=Uid(12),
    settled_at_s=AT_S,
    owner="0170705z",
    mailbox="INBOX",
    removed_at_s=AT_S + 120,
    collections=(Collection(at_s=AT_S + 60, door="pop3s", peer="192.0.2.9"),),
)
AWAY = replace(
    DEPOSITED,
    copy_no=1,
    recipient="loin@example.net",
    state=CopyState.QUEUED,
    mailbox_id=None,
    uid=None,
    settled_at_s=None,
    owner=None,
    mailbox=None,
    removed_at_s=None,
    collections=(),
)
TRIED = Attempt(
    at_s=AT_S + 2,
    host="mx.example.net",
    address="[192.0.2.25]:25",
    tls="TLSv1.3, MTA-STS enforce",
    status="4.2.0",
    words="450 4.2.0 Greylisted, come back later",
)
WAITING = Waiting(
    lane=Lane.WAITING,
    next_hop="example.net",
    due_at_s=AT_S + 300,
    attempt_count=1,
    reason="",
    hop_not_before_s=0.0,
    hop_error="",
    suspended_until_s=None,
)
JOURNEY = Journey(
    message_id=MessageId(3),
    accept_id=AcceptId(b"0" * 15),
    accepted_at_s=AT_S,
    submitter="jmartin",
    reverse_path="jeanne.martin@a.test",
    door="submission",
    peer="192.0.2.1",
    head=HEAD,
    body_octets=4096,
    header_id="1@pc",
    copies=(DEPOSITED, AWAY),
)


def test_a_journey_says_who_brought_it_over_what_and_where_each_copy_went() -> None:
    assert list(journey_lines(JOURNEY)) == [
        f"{accept_id_text(JOURNEY.accept_id)}  1@pc",
        "  2026-11-24 04:20:11Z  accepted from jmartin <jeanne.martin@a.test> [192.0.2.1]",
        f"                        on submission, {JOURNEY.tls}, 4096 octets",
        "  :0 to ce.0170705z@a.test",
        "    2026-11-24 04:20:11Z  deposited in 0170705z INBOX, uid 12",
        "    2026-11-24 04:21:11Z  collected by 0170705z [192.0.2.9] over pop3s",
        "    2026-11-24 04:22:11Z  removed from the mailbox",
        "  :1 to loin@example.net",
    ]


def test_a_holder_who_wrote_for_a_school_is_named() -> None:
    held = replace(
        JOURNEY, submitter="0170705z", holder="jmartin", reverse_path="ce.0170705z@a.test"
    )
    by = "accepted from 0170705z, signed in by jmartin, <ce.0170705z@a.test> [192.0.2.1]"
    assert list(journey_lines(held))[1] == f"  2026-11-24 04:20:11Z  {by}"
    assert (journey_facts(held)["account"], journey_facts(held)["by"]) == ("0170705z", "jmartin")
    assert journey_facts(JOURNEY)["by"] is None


def test_what_nobody_brought_was_made_here() -> None:
    report = replace(JOURNEY, submitter=None, reverse_path="", door="reports", peer="", head=b"")
    assert list(journey_lines(report))[1:3] == [
        "  2026-11-24 04:20:11Z  made by this service, from <>",
        "                        by reports, 4096 octets",
    ]


def test_each_attempt_is_a_line_with_the_remotes_exact_words() -> None:
    deferred = PastAttempt(attempt=TRIED, outcome=CopyState.QUEUED)
    by = "deferred by mx.example.net [192.0.2.25]:25"
    assert list(copy_lines(replace(AWAY, attempts=(deferred,), waiting=WAITING))) == [
        f"    2026-11-24 04:20:13Z  {by}, {TRIED.tls}: {TRIED.words}",
        "    waits for example.net, next try 2026-11-24 04:25:11Z",
    ]


def test_an_attempt_that_reached_nobody_shows_its_status_before_our_words() -> None:
    nobody = TRIED._replace(host="", address="", tls="", status="4.4.1", words="no host answers")
    past = PastAttempt(attempt=nobody, outcome=CopyState.RETURNED)
    copy = replace(AWAY, state=CopyState.RETURNED, settled_at_s=AT_S + 2, attempts=(past,))
    assert list(copy_lines(replace(copy, owed=(ReportKind.FAILED,)))) == [
        "    2026-11-24 04:20:13Z  returned: 4.4.1 no host answers",
        "    the sender will be told: failed",
    ]


def test_what_a_person_did_stands_in_their_words() -> None:
    note = Attempt(at_s=AT_S, status="", words="hold by marie: look first")
    copy = replace(AWAY, attempts=(PastAttempt(attempt=note, outcome=CopyState.HELD),))
    assert list(copy_lines(copy)) == ["    2026-11-24 04:20:11Z  hold by marie: look first"]


def test_a_final_state_without_an_attempt_has_its_own_line() -> None:
    copy = replace(AWAY, state=CopyState.CANCELLED, settled_at_s=AT_S)
    assert list(copy_lines(copy)) == ["    2026-11-24 04:20:11Z  cancelled"]
    gone = replace(DEPOSITED, owner=None, mailbox=None, collections=(), removed_at_s=None)
    assert list(copy_lines(gone)) == [
        "    2026-11-24 04:20:11Z  deposited in a mailbox that is gone, uid 12"
    ]


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        (replace(WAITING, lane=Lane.FIRST), "waits for example.net, first try is next"),
        (
            replace(WAITING, lane=Lane.FIRST, hop_not_before_s=AT_S, hop_error="no route"),
            "waits for example.net, next try 2026-11-24 04:20:11Z; example.net fails: no route",
        ),
        (replace(WAITING, lane=Lane.LEASED), "on its way to example.net at this moment"),
        (replace(WAITING, lane=Lane.HELD, reason="virus?"), "held: virus?"),
        (replace(WAITING, lane=Lane.HELD), "held: no reason given"),
        (
            replace(WAITING, suspended_until_s=AT_S),
            "waits for example.net, which is suspended until 2026-11-24 04:20:11Z",
        ),
        (
            replace(WAITING, suspended_until_s=1e300),
            "waits for example.net, which is suspended until it is resumed",
        ),
    ],
)
def test_a_waiting_copy_says_why_and_what_comes_next(waiting: Waiting, told: str) -> None:
    assert list(copy_lines(replace(AWAY, waiting=waiting))) == [f"    {told}"]


def test_a_message_to_thousands_shows_some_and_counts_the_rest() -> None:
    copies = tuple(replace(AWAY, copy_no=n) for n in range(COPIES_SHOWN + 30))
    lines = list(journey_lines(replace(JOURNEY, copies=copies)))
    assert lines[-1] == "  and 30 more (30 queued); --json tells all"


def test_the_same_for_programs() -> None:
    past = PastAttempt(attempt=TRIED, outcome=CopyState.QUEUED)
    away = replace(AWAY, attempts=(past,), waiting=replace(WAITING, lane=Lane.HELD))
    facts = json.loads(json.dumps(journey_facts(replace(JOURNEY, copies=(DEPOSITED, away)))))
    assert facts["accepted_at"] == "2026-11-24T04:20:11Z"
    assert facts["account"] == "jmartin"
    assert facts["copies"][0]["collected"] == [
        {"at": "2026-11-24T04:21:11Z", "listener": "pop3s", "peer": "192.0.2.9"}
    ]
    assert facts["copies"][1]["state"] == "held"
    assert facts["copies"][1]["attempts"][0]["words"] == TRIED.words
    assert facts["copies"][1]["waiting"]["destination"] == "example.net"


def test_what_a_peer_said_moves_no_cursor() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\r\n250 fine \u202e\x9b31m"
    spoken = TRIED._replace(words=evil, host=evil, tls=evil, address=evil, status=evil)
    copy = replace(
        AWAY,
        recipient=evil,
        attempts=(PastAttempt(attempt=spoken, outcome=CopyState.QUEUED),),
        waiting=replace(WAITING, next_hop=evil, hop_error=evil, hop_not_before_s=AT_S),
    )
    journey = replace(
        JOURNEY, header_id=evil, reverse_path=evil, peer=evil, head=b"", copies=(copy,)
    )
    assert all(line.isprintable() for line in journey_lines(journey))


@given(st.text())
def test_whatever_text_is_shown_it_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert shown(text) == text or not text.isprintable()


@pytest.mark.parametrize(
    ("typed", "seconds"), [("30m", 1800), ("2h", 7200), ("1d", 86_400), (" 45S ", 45)]
)
def test_durations_are_typed_as_people_say_them(typed: str, seconds: float) -> None:
    assert parse_duration(typed) == seconds


@pytest.mark.parametrize("typed", ["", "2", "h", "0h", "-1h", "1.5h", "2 h", "2w", "1h30m", "٢h"])
def test_what_is_no_duration_says_how_to_write_one(typed: str) -> None:
    with pytest.raises(ValueError, match="write one, as 30m, 2h or 1d"):
        parse_duration(typed)


def test_moments_are_utc_and_an_endless_one_is_not_a_date() -> None:
    assert (clock(AT_S), iso(AT_S)) == ("2026-11-24 04:20:11Z", "2026-11-24T04:20:11Z")
    assert (iso(None), iso(1e300)) == (None, None)
    assert until(1e300) == "until it is resumed"
    assert [span(s) for s in (-1, 0.2, 59, 60, 5400, 7200, 129_600)] == [
        *("0 s", "1 s", "59 s", "1 min", "1.5 h", "2 h", "1.5 d"),
    ]
