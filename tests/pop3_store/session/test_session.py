"""The core of door 2: transcripts, and what no transcript can show."""

from __future__ import annotations

import pytest

from mailserver.auth.gate import FirstPasswordEnded, Unavailable
from mailserver.store.ports.bodies import BodyError, BodyFault, BodyLost, BodyUnreadable
from mailserver.store.ports.errors import StoreBroken, StoreUnavailable
from mailserver.store.ports.mail import RemovedBy
from mailserver.store.ports.writes import Removal
from mailserver.values.ids import MessageId, Uid
from pop3_store.session.access import CHECK_AGAIN_S
from pop3_store.session.commands import COMMANDS
from pop3_store.session.lines import MAX_PASSWORD_LINE_OCTETS
from pop3_store.session.session import BATCH_OCTETS
from pop3_store.session.states import State
from pop3_store.session.stuffing import CHUNK_OCTETS
from tests.pop3_store.fakes import (
    INBOX,
    PASSWORD,
    FakeCommitter,
    FakeGate,
    FakeStore,
    Shell,
    make_circuit,
    make_server,
    store_of,
)
from tests.pop3_store.transcripts import BODIES, TRANSCRIPTS, assert_said, split

SIGN_IN = b"USER frot\r\nPASS " + PASSWORD + b"\r\n"


def signed_in(store: FakeStore, *, committer: FakeCommitter | None = None) -> Shell:
    shell = Shell(store, committer=committer)
    shell.feed(SIGN_IN)
    assert shell.session.state is State.TRANSACTION
    shell.said = b""
    return shell


def octets_of(text: bytes) -> list[bytes]:
    return [text[place : place + 1] for place in range(len(text))]


@pytest.mark.parametrize("name", TRANSCRIPTS)
@pytest.mark.parametrize("how", ["whole", "lines", "octets"])
def test_transcript(name: str, how: str) -> None:
    client, server = split(TRANSCRIPTS[name])
    shell = Shell(store_of(*BODIES))
    text = b"".join(client)
    shell.feed(*{"whole": [text], "lines": client, "octets": octets_of(text)}[how])
    assert_said(shell.said, server)


def test_pass_fixes_the_maildrop_and_a_later_removal_elsewhere_keeps_its_number() -> None:
    store = store_of(*BODIES)
    shell = signed_in(store)
    shell.feed(b"UIDL 2\r\n")
    del store.entries[1]
    shell.feed(b"STAT\r\nRETR 2\r\nLIST 2\r\nRETR 3\r\n")
    assert shell.said.startswith(
        b"+OK 2 e5.12\r\n+OK 3 140\r\n"
        b"-ERR This message was just removed elsewhere\r\n+OK 2 58\r\n+OK 36 octets\r\n"
    )


def test_the_listing_is_read_once_and_only_when_needed() -> None:
    store = store_of(*BODIES)
    shell = signed_in(store)
    shell.feed(b"STAT\r\nNOOP\r\n")
    assert store.listed_count == 0
    shell.feed(b"LIST\r\nUIDL\r\nRETR 1\r\n")
    assert store.listed_count == 1


def test_quit_without_deletions_commits_nothing() -> None:
    store = store_of(*BODIES)
    shell = signed_in(store)
    shell.feed(b"DELE 1\r\nRSET\r\nQUIT\r\n")
    assert shell.committer.written == []
    assert shell.is_closed
    assert store.held == set()


def test_quit_says_ok_only_after_the_commit_and_the_unlock() -> None:
    store = store_of(*BODIES)
    committer = FakeCommitter(store, holds_back=True)
    shell = signed_in(store, committer=committer)
    shell.feed(b"DELE 1\r\nDELE 3\r\n")
    shell.said = b""
    shell.feed(b"QUIT\r\nSTAT\r\n")
    assert shell.said == b""
    assert store.held == {INBOX}
    committer.release()
    assert committer.written == [
        Removal(
            mailbox_id=INBOX,
            uids=(Uid(11), Uid(13)),
            removed_at_s=1000.0,
            by=RemovedBy("pop3s", "192.0.2.1"),
        )
    ]
    assert shell.said == b"+OK Goodbye\r\n"
    assert store.held == set()
    assert shell.is_closed


def test_a_failed_removal_is_sys_temp_and_deletes_nothing() -> None:
    store = store_of(*BODIES)
    shell = signed_in(store, committer=FakeCommitter(store, fails=True))
    shell.feed(b"DELE 1\r\nQUIT\r\n")
    assert shell.said.endswith(b"-ERR [SYS/TEMP] No message was removed, try again later\r\n")
    assert len(store.entries) == 3
    assert store.held == set()
    assert shell.is_closed


def test_a_connection_lost_during_the_commit_keeps_the_lock_until_its_end() -> None:
    store = store_of(*BODIES)
    committer = FakeCommitter(store, holds_back=True)
    shell = signed_in(store, committer=committer)
    shell.feed(b"DELE 1\r\nQUIT\r\n")
    shell.lose()
    assert store.held == {INBOX}
    committer.release()
    assert store.held == set()


@pytest.mark.parametrize("end", [b"", b"QUI", b"QUIT", b"QUIT\r", b"QUIT x\r\n"])
def test_a_session_that_dies_before_a_complete_quit_deletes_nothing(end: bytes) -> None:
    store = store_of(*BODIES)
    shell = signed_in(store)
    shell.feed(b"DELE 1\r\n" + end)
    shell.lose()
    assert shell.committer.written == []
    assert store.held == set()


def test_a_second_log_in_is_in_use_and_works_once_the_first_has_left() -> None:
    store = store_of(*BODIES)
    first, second = signed_in(store), Shell(store)
    second.feed(SIGN_IN)
    assert b"-ERR [IN-USE] " in second.said
    first.lose()
    second.feed(SIGN_IN)
    assert second.said.endswith(b"+OK 3 messages (140 octets)\r\n")


def test_a_gate_that_cannot_tell_is_sys_temp_and_no_failure() -> None:
    shell = Shell(store_of(), gate=FakeGate(fixed=Unavailable()))
    shell.feed(SIGN_IN * 10)
    assert shell.said.count(b"-ERR [SYS/TEMP] Service unavailable, try again later\r\n") == 10
    assert not shell.is_closed


def test_a_first_password_whose_grace_is_over_says_where_to_go() -> None:
    shell = Shell(store_of(*BODIES), gate=FakeGate(fixed=FirstPasswordEnded()))
    shell.said = b""
    shell.feed(SIGN_IN)
    assert shell.said.endswith(
        b"-ERR [AUTH] Your first password has ended, ask your correspondent for another one\r\n"
    )


@pytest.mark.parametrize("command", [b"RETR 1\r\n", b"NOOP\r\n", b"QUIT\r\n"])
def test_another_password_ends_the_open_session_and_deletes_nothing(command: bytes) -> None:
    store, now_s = store_of(*BODIES), [1000.0]
    shell = Shell(store, server=make_server(store, clock=lambda: now_s[0]))
    shell.feed(SIGN_IN + b"DELE 1\r\n")
    store.version += 1
    now_s[0] += CHECK_AGAIN_S if command != b"QUIT\r\n" else 0.0
    shell.said = b""
    shell.feed(command + b"RETR 2\r\n")
    assert shell.said == (
        b"-ERR [AUTH] Your account or its password has changed, connect again with the new one\r\n"
    )
    assert shell.is_closed
    assert len(store.entries) == len(BODIES)
    assert not store.held


def test_commands_wait_for_the_verdict() -> None:
    gate = FakeGate(holds_back=True)
    shell = Shell(store_of(*BODIES), gate=gate)
    shell.said = b""
    shell.feed(SIGN_IN + b"STAT\r\n")
    assert shell.said == b"+OK Now send the password with PASS\r\n"
    gate.release()
    assert shell.said.endswith(b"+OK 3 messages (140 octets)\r\n+OK 3 140\r\n")


def test_a_verdict_for_a_peer_that_has_gone_locks_nothing() -> None:
    store, gate = store_of(*BODIES), FakeGate(holds_back=True)
    shell = Shell(store, gate=gate)
    shell.feed(SIGN_IN)
    shell.lose()
    gate.release()
    assert store.held == set()


@pytest.mark.parametrize(
    "password", [b"two words", b" ", b"\xe9t\xe9", "été".encode(), b"a\x00b\t"]
)
def test_a_password_may_hold_any_octets(password: bytes) -> None:
    gate = FakeGate()
    Shell(store_of(), gate=gate).feed(b"USER frot\r\nPASS " + password + b"\r\n")
    assert gate.asked == [(b"frot", password)]


def test_no_password_without_tls() -> None:
    gate = FakeGate()
    shell = Shell(store_of(), gate=gate, circuit=make_circuit(is_tls=False, can_start_tls=True))
    shell.feed(b"CAPA\r\n" + SIGN_IN)
    assert b"\r\nSTLS\r\n" in shell.said
    assert b"\r\nUSER\r\n" not in shell.said
    assert shell.said.endswith(b"-ERR No password in the clear, send STLS first\r\n" * 2)
    assert gate.asked == []


def test_a_password_in_the_clear_where_it_is_allowed() -> None:
    shell = Shell(store_of(), circuit=make_circuit(is_tls=False, can_start_tls=True, clear=True))
    shell.feed(b"CAPA\r\n" + SIGN_IN)
    assert b"\r\nSTLS\r\n" in shell.said
    assert b"\r\nUSER\r\n" in shell.said
    assert shell.session.state is State.TRANSACTION


def test_stls_forgets_the_user_and_is_offered_once() -> None:
    circuit = make_circuit(is_tls=False, can_start_tls=True, clear=True)
    shell = Shell(store_of(), circuit=circuit)
    shell.feed(b"USER frot\r\nSTLS\r\n")
    assert shell.said.endswith(b"+OK Begin TLS negotiation\r\n")
    shell.said = b""
    shell.feed(b"PASS " + PASSWORD + b"\r\nCAPA\r\nSTLS\r\n")
    assert shell.said.startswith(b"-ERR Send USER first\r\n")
    assert b"STLS" not in shell.said
    assert shell.said.endswith(b"-ERR Command not permitted when TLS active\r\n")


def test_octets_after_stls_close_the_session() -> None:
    circuit = make_circuit(is_tls=False, can_start_tls=True, clear=True)
    shell = Shell(store_of(), circuit=circuit)
    shell.feed(b"STLS\r\nU")
    assert shell.said.endswith(b"-ERR Nothing may follow STLS, connect again\r\n")
    assert shell.is_closed
    assert not circuit.is_tls


def test_stls_after_log_in_is_refused() -> None:
    circuit = make_circuit(is_tls=False, can_start_tls=True, clear=True)
    shell = Shell(store_of(), circuit=circuit)
    shell.feed(SIGN_IN + b"STLS\r\n")
    assert shell.said.endswith(b"-ERR Command not permitted at this point\r\n")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"STAT\n", b"+OK 3 140\r\n"),
        (b"NOOP\n", b"+OK Nothing to do\r\n"),
        (b"\n", b"-ERR Unknown command\r\n"),
        (b"STAT\r\r\n", b"-ERR Unknown command\r\n"),
        (b"NOOP" + b" " * 249 + b"\r\n", b"+OK Nothing to do\r\n"),
        (b"NOOP" + b" " * 250 + b"\r\n", b"-ERR Line too long, shorten it\r\n"),
        (b"x" * 5000 + b"\r\n", b"-ERR Line too long, shorten it\r\n"),
        (b"x" * 5000 + b"\n", b"-ERR Line too long, shorten it\r\n"),
        (b"\r\n", b"-ERR Unknown command\r\n"),
        (b" STAT\r\n", b"-ERR Unknown command\r\n"),
    ],
)
@pytest.mark.parametrize("how", ["whole", "octets"])
def test_a_bad_line_is_answered_once_and_the_next_is_in_step(
    line: bytes, reply: bytes, how: str
) -> None:
    shell = signed_in(store_of(*BODIES))
    text = line + b"STAT\r\n"
    shell.feed(*([text] if how == "whole" else octets_of(text)))
    assert shell.said == reply + b"+OK 3 140\r\n"


def test_a_password_line_may_have_1024_octets_and_no_more() -> None:
    gate = FakeGate()
    shell = Shell(store_of(), gate=gate)
    longest = b"p" * (MAX_PASSWORD_LINE_OCTETS - len(b"PASS \r\n"))
    for pieces in ([b"PASS " + longest + b"\r\n"], octets_of(b"PASS " + longest + b"\r\n")):
        shell.feed(b"USER frot\r\n", *pieces)
    shell.feed(b"USER frot\r\n", b"PASS p" + longest + b"\r\n")
    assert [len(password) for _, password in gate.asked] == [len(longest)] * 2
    assert shell.said.endswith(b"-ERR Line too long, shorten it\r\n")


def test_an_endless_line_holds_no_memory() -> None:
    shell = signed_in(store_of(*BODIES))
    for _ in range(200):
        shell.feed(b"x" * 10_000)
        assert shell.session.held_octets <= MAX_PASSWORD_LINE_OCTETS
    shell.feed(b"\r\nNOOP\r\n")
    assert shell.said == b"-ERR Line too long, shorten it\r\n+OK Nothing to do\r\n"


@pytest.mark.parametrize(
    ("call", "command"),
    [
        ("list_maildrop", b"LIST"),
        ("list_maildrop", b"DELE 1"),
        ("fetch", b"RETR 1"),
        ("fetch", b"TOP 1 1"),
    ],
)
def test_a_fault_of_ours_is_sys_temp_and_the_session_goes_on(call: str, command: bytes) -> None:
    store = store_of(*BODIES)
    shell = signed_in(store)
    store.broken[call] = RuntimeError("secret inner text")
    shell.feed(command + b"\r\nSTAT\r\n")
    assert shell.said == b"-ERR [SYS/TEMP] Service unavailable, try again later\r\n+OK 3 140\r\n"
    assert shell.session.tally.fault_count == 1


@pytest.mark.parametrize("call", ["lock_maildrop", "open_maildrop"])
def test_a_fault_at_log_in_leaves_no_lock(call: str) -> None:
    store = store_of(*BODIES)
    store.broken[call] = StoreUnavailable("busy")
    shell = Shell(store)
    shell.feed(SIGN_IN)
    assert shell.said.endswith(b"-ERR [SYS/TEMP] Service unavailable, try again later\r\n")
    assert store.held == set()
    store.broken.clear()
    shell.feed(SIGN_IN)
    assert shell.session.state is State.TRANSACTION


def test_a_last_log_in_that_cannot_be_noted_keeps_nobody_out() -> None:
    store = store_of(*BODIES)
    store.broken["note_seen"] = StoreUnavailable("busy")
    signed_in(store)


def test_a_log_in_is_noted() -> None:
    store = store_of()
    signed_in(store)
    assert [(seen.door, seen.peer) for seen in store.seen] == [("pop3s", "192.0.2.1")]


def test_a_broken_store_is_told_to_the_process() -> None:
    store, told = store_of(*BODIES), []
    shell = Shell(store, server=make_server(store, on_broken=lambda: told.append("broken")))
    shell.feed(SIGN_IN)
    store.broken["fetch"] = StoreBroken("I/O error")
    shell.feed(b"RETR 1\r\n")
    assert shell.said.endswith(b"-ERR [SYS/TEMP] Service unavailable, try again later\r\n")
    assert told == ["broken"]


def test_a_body_file_that_is_too_short_cuts_the_connection() -> None:
    store = store_of(b"Subject: x\r\n\r\n" + b"a" * 1000, filed=[1])
    shell = signed_in(store)
    message = store._message

    def longer(entry: object) -> object:
        stored = message(store.entries[0])
        stored.body_octets += 10
        return stored

    store._message = longer  # type: ignore[method-assign, assignment]
    shell.feed(b"RETR 1\r\nQUIT\r\n")
    assert shell.is_aborted
    assert not shell.said.endswith(b".\r\n")
    assert store.held == set()


@pytest.mark.parametrize("size", [1, CHUNK_OCTETS - 1, CHUNK_OCTETS, CHUNK_OCTETS * 2 + 5])
def test_a_filed_body_comes_out_whole_and_its_file_is_closed(size: int) -> None:
    body = (b"Subject: x\r\n\r\n" + b".line of text\r\n" * (size // 15 + 1))[:size]
    store = store_of(body, filed=[1])
    shell = signed_in(store)
    shell.feed(b"RETR 1\r\nNOOP\r\n")
    head, _, rest = shell.said.partition(b"\r\n")
    assert head == b"+OK %d octets" % (23 + size)
    text = rest[: -len(b"+OK Nothing to do\r\n")]
    assert text.endswith(b"\r\n.\r\n")
    assert (b"\r\n" + text[:-3]).replace(b"\r\n.", b"\r\n")[25:].removesuffix(b"\r\n") == (
        body.removesuffix(b"\r\n")
    )
    assert shell.largest_output <= BATCH_OCTETS + 2 * CHUNK_OCTETS
    assert_closed(store)


def test_a_connection_lost_in_mid_retr_closes_the_file() -> None:
    store = store_of(b"x" * (CHUNK_OCTETS * 3), filed=[1])
    shell = signed_in(store)
    shell.session.receive(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
    shell.session.advance()
    shell.lose()
    assert_closed(store)
    assert shell.committer.written == []


def assert_closed(store: FakeStore) -> None:
    import os

    for fd in store.open_fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_a_long_listing_goes_out_in_slices() -> None:
    store = store_of(*([b""] * 20_000))
    shell = signed_in(store)
    shell.feed(b"DELE 2\r\n")
    shell.said = b""
    shell.feed(b"LIST\r\nUIDL\r\n")
    sizes, unique_ids = shell.said.split(b"\r\n.\r\n")[:2]
    assert len(sizes.split(b"\r\n")) == len(unique_ids.split(b"\r\n")) == 20_000
    assert sizes.endswith(b"20000 23")
    assert unique_ids.endswith(b"20000 e5.20010")
    assert shell.largest_output < BATCH_OCTETS * 2


def test_a_draining_session_finishes_what_was_received_and_closes() -> None:
    shell = signed_in(store_of(*BODIES))
    shell.session.receive(b"STAT\r\nNOO")
    shell.session.is_draining = True
    shell.run()
    assert shell.said == b"+OK 3 140\r\n"
    assert shell.is_closed


def test_every_command_of_the_table_is_known_in_both_cases() -> None:
    for word in COMMANDS:
        shell = Shell(store_of())
        shell.said = b""
        shell.feed(word.lower() + b" 1 2 3\r\n")
        assert b"Unknown command" not in shell.said


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (BodyLost, b"-ERR [SYS/PERM] The content of this message is missing on the server"),
        (BodyUnreadable, b"-ERR [SYS/TEMP] The server cannot read this message at this moment"),
    ],
)
@pytest.mark.parametrize("command", [b"RETR 2\r\n", b"TOP 2 0\r\n"])
def test_a_body_that_the_store_does_not_give_is_said_and_the_session_goes_on(
    command: bytes, kind: type[BodyError], said: bytes
) -> None:
    store = store_of(*BODIES)
    shell = signed_in(store)
    fault = BodyFault(message_id=MessageId(1), name="ab", why="is not there", is_lost=True)
    store.broken["fetch"] = kind(fault)
    shell.feed(command)
    assert shell.said.startswith(said)
    assert shell.said.count(b"\r\n") == 1
    del store.broken["fetch"]
    shell.feed(b"STAT\r\nRETR 1\r\n")
    assert b"+OK 3 140\r\n+OK " in shell.said


def test_refusals_are_counted_by_reason_and_block() -> None:
    shell = Shell(store_of(b"a\r\n"), gate=FakeGate())
    shell.feed(b"XYZZY\r\nUSER frot\r\nPASS wrong\r\n")
    counters = shell.session.server.refusals.counters()
    assert counters["refused.because.command"] == 1.0
    assert counters["refused.because.password"] == 1.0
    assert len([name for name in counters if ".password.from." in name]) == 1
