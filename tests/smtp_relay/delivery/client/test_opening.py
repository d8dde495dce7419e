"""From the greeting to an open connection: transcripts, and every way in which it ends."""

from __future__ import annotations

import base64
from itertools import product

import pytest

from mailserver.values.secret import Secret
from smtp_relay.delivery.plan import Login, Protocol, TlsDemand, TlsLevel
from smtp_relay.delivery.verdicts import ConnectionFailure, Phase
from tests.smtp_relay.delivery.client.letters import Side

LOGIN = Login(user_name="us", password=Secret("p\u00e9"))
WISHED = TlsDemand(level=TlsLevel.OPPORTUNISTIC, source="default")
DEMANDED = TlsDemand(level=TlsLevel.ENCRYPT, source="route north")


def failure_of(side: Side) -> ConnectionFailure:
    assert side.talk.is_over
    assert side.talk.failure is not None
    return side.talk.failure


def test_the_plain_way_in() -> None:
    side = Side()
    assert side.said() == b""
    assert side.hear("220-long", "220 banner") == b"EHLO us.test\r\n"
    assert side.hear("250-peer.test", "250 PIPELINING") == b""
    assert side.talk.is_open
    assert side.talk.clear_note == "STARTTLS not tried: test"


@pytest.mark.parametrize("hello", ["250", "502"])
@pytest.mark.parametrize("name", ["us.test", "US.Test.", "us.test at your service"])
def test_who_answers_with_our_own_name_is_ourselves(hello: str, name: str) -> None:
    side = Side(may_be_ourselves=False)
    side.hear("220 peer.test")
    if hello == "502":
        side.hear("502 no EHLO here")
    side.hear(f"250 {name}")
    assert failure_of(side).status == "4.4.6"
    assert "our own name" in failure_of(side).words


def test_who_greets_us_by_our_name_behind_its_own_is_another() -> None:
    side = Side(may_be_ourselves=False)
    side.hear("220 peer.test")
    side.hear("250 peer.test Hello us.test")
    assert side.talk.is_open


def test_a_host_of_our_own_rules_may_bear_our_name() -> None:
    side = Side()
    side.hear("220 us.test")
    side.hear("250 us.test")
    assert side.talk.is_open


def test_lmtp_says_lhlo_and_never_helo() -> None:
    side = Side(protocol=Protocol.LMTP)
    assert side.hear("220 peer") == b"LHLO us.test\r\n"
    side.hear("500 what?")
    assert failure_of(side).is_permanent


def test_a_server_that_knows_only_helo() -> None:
    side = Side()
    side.hear("220 peer")
    assert side.hear("502 5.5.1 no EHLO here") == b"HELO us.test\r\n"
    side.hear("250 peer")
    assert side.talk.is_open


@pytest.mark.parametrize(
    ("line", "is_permanent", "status"),
    [
        ("554 5.7.1 go away", True, "5.7.1"),
        ("421 4.3.2 busy", False, "4.3.2"),
        ("450 later", False, "4.0.0"),
        ("250 senseless", False, "4.5.0"),
        ("354 senseless", False, "4.5.0"),
    ],
)
def test_a_greeting_that_is_none(line: str, status: str, *, is_permanent: bool) -> None:
    side = Side()
    side.hear(line)
    failure = failure_of(side)
    assert (failure.phase, failure.is_permanent) == (Phase.GREETING, is_permanent)
    assert failure.status == status
    assert line in failure.words


def test_a_refused_helo_is_for_good_and_a_deferred_ehlo_is_not() -> None:
    side = Side()
    side.hear("220 peer")
    side.hear("450 4.7.1 grey")
    assert not failure_of(side).is_permanent
    side = Side()
    side.hear("220 peer")
    side.hear("550 no")
    side.hear("550 5.7.1 no")
    assert failure_of(side).is_permanent


def test_whoever_answers_ehlo_before_it_was_said_is_not_believed() -> None:
    side = Side()
    side.hear("220 peer", "250 PIPELINING")
    assert "an answer to nothing: 250 PIPELINING" in failure_of(side).words


def test_a_421_behind_the_greeting_is_a_failure_too() -> None:
    side = Side()
    side.hear("220 peer", "421 bye")
    assert "421 bye" in failure_of(side).words


def test_starttls_begins_anew_and_forgets_what_was_offered_in_clear() -> None:
    side = Side(demand=WISHED)
    side.hear("220 peer")
    assert side.hear("250-peer", "250-SIZE 5", "250 STARTTLS") == b"STARTTLS\r\n"
    assert side.hear("220 go") == b""
    assert side.talk.wants_handshake
    side.talk.be_encrypted()
    assert side.said() == b"EHLO us.test\r\n"
    assert side.hear("250-peer", "250 PIPELINING") == b""
    assert side.talk.is_open


@pytest.mark.parametrize("junk", ["250 PIPELINING", "250-half", "2", ""])
def test_what_comes_behind_the_answer_to_starttls_ends_the_session(junk: str) -> None:
    for at_once, demand in product((True, False), (WISHED, DEMANDED)):
        side = Side(demand=demand)
        side.hear("220 peer")
        side.hear("250-peer", "250 STARTTLS")
        if at_once:
            side.hear("220 go", junk)
        else:
            side.hear("220 go")
            side.hear(junk)
        failure = failure_of(side)
        assert failure.phase is Phase.TLS
        assert failure.may_try_in_clear is (demand is WISHED)
        assert failure.is_policy is (demand is DEMANDED)


@pytest.mark.parametrize("answer", ["454 4.7.0 no entropy", "502 no", None])
def test_without_starttls_it_goes_on_in_clear_only_if_nobody_demands_it(answer: str | None) -> None:
    for demand in (WISHED, DEMANDED):
        side = Side(demand=demand)
        side.hear("220 peer")
        if answer is None:
            side.hear("250 peer")
        else:
            side.hear("250-peer", "250 STARTTLS")
            side.hear(answer)
        if demand is WISHED:
            assert side.talk.is_open
            assert (answer or "no STARTTLS offered") in side.talk.clear_note
        else:
            failure = failure_of(side)
            assert failure.is_policy
            assert not failure.is_permanent
            assert failure.status == "4.7.4"
            assert "route north demands TLS" in failure.words


def test_a_starttls_answer_that_makes_no_sense_is_no_way_into_the_clear() -> None:
    side = Side(demand=WISHED)
    side.hear("220 peer")
    side.hear("250-peer", "250 STARTTLS")
    side.hear("354 go on")
    assert failure_of(side).phase is Phase.TLS


def test_auth_plain_is_one_line() -> None:
    side = Side(login=LOGIN)
    side.hear("220 peer")
    said = side.hear("250-peer", "250 AUTH LOGIN PLAIN")
    assert said == b"AUTH PLAIN " + base64.b64encode("\0us\0p\u00e9".encode()) + b"\r\n"
    side.hear("235 welcome")
    assert side.talk.is_open


def test_auth_login_is_three() -> None:
    side = Side(login=LOGIN)
    side.hear("220 peer")
    assert side.hear("250-peer", "250 AUTH LOGIN") == b"AUTH LOGIN\r\n"
    assert side.hear("334 VXNlcm5hbWU6") == base64.b64encode(b"us") + b"\r\n"
    assert side.hear("334 whatever") == base64.b64encode("p\u00e9".encode()) + b"\r\n"
    side.hear("235 welcome")
    assert side.talk.is_open


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ("535 5.7.8 bad", "4.7.8", "the user name or the password of this route is refused"),
        ("454 4.7.0 later", "4.7.0", "454 4.7.0 later"),
        ("504 5.5.4 unknown", "4.5.4", "504 5.5.4 unknown"),
        ("334 more", "4.5.0", "makes no sense"),
    ],
)
def test_a_refused_password_is_never_the_mails_fault(answer: str, status: str, words: str) -> None:
    side = Side(login=LOGIN)
    side.hear("220 peer")
    side.hear("250-peer", "250 AUTH PLAIN")
    side.hear(answer)
    failure = failure_of(side)
    assert (failure.phase, failure.status, failure.is_permanent) == (Phase.AUTH, status, False)
    assert words in failure.words
    assert "p\u00e9" not in failure.words


def test_no_password_is_said_in_clear_to_another_machine() -> None:
    side = Side(login=LOGIN, may_log_in_clear=False, demand=WISHED)
    side.hear("220 peer")
    side.hear("250-peer", "250 AUTH PLAIN")
    failure = failure_of(side)
    assert failure.is_policy
    assert "no password is sent in clear (no STARTTLS offered)" in failure.words


def test_a_server_without_a_mechanism_that_we_know() -> None:
    side = Side(login=LOGIN)
    side.hear("220 peer")
    side.hear("250-peer", "250 AUTH GSSAPI")
    assert "neither AUTH PLAIN nor AUTH LOGIN" in failure_of(side).words


@pytest.mark.parametrize(
    ("lines", "awaited"),
    [
        ((), "its greeting"),
        (("220 peer",), "its answer to EHLO"),
        (("220 peer", "250-peer\r\n250 STARTTLS"), "its answer to STARTTLS"),
    ],
)
def test_a_peer_that_closes_or_stalls_in_each_phase(lines: tuple[str, ...], awaited: str) -> None:
    for is_late in (True, False):
        side = Side(demand=WISHED)
        for line in lines:
            side.hear(line)
        if is_late:
            side.talk.time_out(300)
        else:
            side.talk.end_of_stream()
        failure = failure_of(side)
        assert failure.status == "4.4.2"
        assert awaited in failure.words
