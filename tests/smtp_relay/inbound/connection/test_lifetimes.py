"""What outlives what: the commit outlives the connection, nothing outlives its timeout."""

from __future__ import annotations

import pytest

from mailserver.store.ports.errors import StoreBroken
from smtp_relay.inbound.connection.connection import MAX_BUFFERED_OCTETS
from smtp_relay.inbound.connection.idleness import CLOSE_GRACE_S
from smtp_relay.inbound.message.upload import (
    MAX_INLINE_TOTAL_OCTETS,
    MAX_WAITING_OCTETS,
    Upload,
)
from tests.smtp_relay.inbound.fakes import SUBMISSION, Hall, LaterExecutor, Stage, make_settings
from tests.smtp_relay.inbound.wire import AUTH, ENVELOPE, HELLO, MAIL, RCPT, begin, codes

MESSAGE = b"Subject: x\r\n\r\nhello\r\n.\r\n"
LINE = b"0123456789abcdef" * 4 + b"\r\n"


# --- half-close and broken connections ------------------------------------------------


def test_a_half_close_after_the_dot_is_committed_and_answered(hall: Hall) -> None:
    hall.writer.answers = False
    stage = Stage(hall)
    begin(stage, ENVELOPE + MESSAGE)
    assert stage.end() == b""
    assert not stage.was_closed()
    hall.writer.answer()
    stage.turn()
    assert codes(stage.heard()) == ["250 2.0.0"]
    assert stage.was_closed()


def test_quit_and_a_half_close_behind_the_dot_are_answered_too(hall: Hall) -> None:
    hall.writer.answers = False
    stage = Stage(hall)
    begin(stage, ENVELOPE + MESSAGE + b"QUIT\r\n")
    stage.end()
    hall.writer.answer()
    stage.turn()
    assert codes(stage.heard()) == ["250 2.0.0", "221 2.0.0"]
    assert stage.was_closed()


def test_a_connection_lost_after_the_dot_changes_nothing_for_the_message(hall: Hall) -> None:
    hall.writer.answers = False
    stage = Stage(hall)
    begin(stage, ENVELOPE + MESSAGE)
    stage.drop()
    hall.writer.answer()
    stage.turn()
    assert hall.service.counters.accepted_messages == 1
    assert hall.service.spooling.memory.inline_octets == 0


def test_a_large_message_whose_peer_has_gone_after_the_dot_is_stored(hall: Hall) -> None:
    disk = LaterExecutor()
    hall = Hall(hall.loop, pool=disk)
    stage = Stage(hall)
    begin(stage, ENVELOPE + b"Subject: x\r\n\r\n" + LINE * 5000 + b".\r\n")
    stage.drop()
    for _ in range(5):
        disk.work()
        stage.turn()
    assert len(hall.body()) == 14 + len(LINE) * 5000
    assert hall.service.spooling.memory.waiting_octets == 0


@pytest.mark.parametrize("line_count", [1, 20_000], ids=["in memory", "spooled"])
def test_a_connection_lost_before_the_dot_leaves_nothing(hall: Hall, line_count: int) -> None:
    stage = Stage(hall)
    begin(stage, ENVELOPE + LINE * line_count)
    stage.drop()
    assert hall.writer.writes == []
    assert all(spool.state == "discarded" for spool in hall.store.spools)
    assert hall.service.spooling.memory.inline_octets == 0
    assert hall.service.spooling.memory.waiting_octets == 0
    assert hall.service.counters.open_connections == 0
    assert not hall.service.sessions


def test_an_end_of_file_before_the_dot_closes_and_stores_nothing(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, ENVELOPE + LINE)
    stage.end()
    assert stage.was_closed()
    assert hall.writer.writes == []


def test_an_end_of_file_in_the_middle_of_auth_closes(hall: Hall) -> None:
    stage = Stage(hall, SUBMISSION)
    begin(stage, HELLO + b"AUTH LOGIN\r\n")
    stage.end()
    assert stage.was_closed()
    assert not hall.service.sessions


def test_commands_behind_a_dot_wait_for_the_commit(hall: Hall) -> None:
    hall.writer.answers = False
    stage = Stage(hall)
    begin(stage, ENVELOPE)
    assert stage.send(MESSAGE + b"NOOP\r\n" + MAIL) == b""
    hall.writer.answer()
    stage.turn()
    assert codes(stage.heard()) == ["250 2.0.0", "250 2.0.0", "250 2.1.0"]


# --- back pressure -----------------------------------------------------------------------


def test_reading_pauses_when_commands_pile_up_behind_a_commit(hall: Hall) -> None:
    hall = Hall(hall.loop, settings=make_settings(max_errors=1_000_000))
    hall.writer.answers = False
    stage = Stage(hall)
    begin(stage, ENVELOPE + MESSAGE)
    stage.send(b"NOOP\r\n" * (MAX_BUFFERED_OCTETS // 6 + 1))
    assert not stage.reads()
    hall.writer.answer()
    for _ in range(200):
        stage.turn()
    assert stage.reads()
    heard = codes(stage.heard())
    assert heard == ["250 2.0.0"] * (MAX_BUFFERED_OCTETS // 6 + 2)


def test_reading_pauses_while_the_disk_is_behind(hall: Hall) -> None:
    disk = LaterExecutor()
    hall = Hall(hall.loop, pool=disk)
    stage = Stage(hall)
    begin(stage, ENVELOPE + b"Subject: x\r\n\r\n")
    body = LINE * (3 * MAX_WAITING_OCTETS // len(LINE))
    for start in range(0, len(body), 65_536):
        if not stage.reads():
            break
        stage.door.data_received(body[start : start + 65_536])
    assert not stage.reads()
    assert hall.service.spooling.memory.waiting_octets < MAX_WAITING_OCTETS + 2 * 65_536
    for _ in range(3):
        disk.work()
        stage.turn()
    assert stage.reads()


def test_a_client_that_does_not_read_gets_no_more_commands_carried_out(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, HELLO)
    stage.door.pause_writing()
    assert stage.send(b"NOOP\r\n") == b""
    stage.door.resume_writing()
    stage.turn()
    assert codes(stage.heard()) == ["250 2.0.0"]


def test_an_endless_command_line_takes_no_memory(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, HELLO)
    for _ in range(200):
        stage.door.data_received(b"x" * 65_536)
    assert len(stage.door.connection._lines.octets) < 300_000
    assert codes(stage.send(b"\r\nNOOP\r\n")) == ["500 5.5.2", "250 2.0.0"]


def test_an_endless_body_line_is_dropped_at_the_limit_and_closed_at_twice_that(
    hall: Hall,
) -> None:
    hall.service.max_octets = 100_000
    stage = Stage(hall)
    begin(stage, ENVELOPE)
    heard = b""
    for _ in range(100):
        heard += stage.send(b"x" * 50_000)
    assert codes(heard) == ["552 5.3.4"]
    assert stage.was_closed()
    assert hall.service.spooling.memory.inline_octets == 0


# --- silence -----------------------------------------------------------------------------


def test_a_silent_client_is_told_and_closed_after_the_command_timeout(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, HELLO)
    hall.clock.now_s += 299
    hall.service.sweep()
    stage.send(b"NOO")  # half a command is no progress
    hall.clock.now_s += 2
    hall.service.sweep()
    assert codes(stage.heard()) == ["421 4.4.2"]
    assert stage.was_closed()


def test_a_stalled_upload_is_told_and_closed_after_the_data_timeout(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, ENVELOPE)
    for _ in range(10):  # one octet a minute is progress
        hall.clock.now_s += 60
        stage.send(b"x")
        hall.service.sweep()
    assert not stage.was_closed()
    hall.clock.now_s += 181
    hall.service.sweep()
    assert codes(stage.heard()) == ["421 4.4.2"]
    assert stage.was_closed()


def test_a_commit_that_takes_long_times_nobody_out(hall: Hall) -> None:
    hall.writer.answers = False
    stage = Stage(hall)
    begin(stage, ENVELOPE + MESSAGE)
    hall.clock.now_s += 1000
    hall.service.sweep()
    assert not stage.was_closed()
    hall.writer.answer()
    stage.turn()
    hall.service.sweep()
    assert codes(stage.heard()) == ["250 2.0.0"]


def test_a_client_that_never_reads_is_aborted(hall: Hall) -> None:
    stage = Stage(hall)
    stage.transport.unread = 70_000
    hall.service.sweep()
    hall.clock.now_s += 100
    stage.transport.unread = 60_000  # it read something
    hall.service.sweep()
    hall.clock.now_s += 179
    hall.service.sweep()
    assert not stage.was_aborted()
    hall.clock.now_s += 2
    hall.service.sweep()
    assert stage.was_aborted()


def test_a_client_that_does_not_read_its_goodbye_is_aborted(hall: Hall) -> None:
    stage = Stage(hall)
    stage.door.connection.close()
    hall.clock.now_s += CLOSE_GRACE_S + 1
    hall.service.sweep()
    assert stage.was_aborted()


# --- the end of the process ---------------------------------------------------------------


def test_draining_closes_idle_sessions_at_once(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, HELLO + MAIL + RCPT)
    hall.service.drain()
    assert codes(stage.heard()) == ["421 4.3.2"]
    assert stage.was_closed()


def test_draining_closes_a_session_that_owes_a_response_to_a_challenge(hall: Hall) -> None:
    stage = Stage(hall, SUBMISSION)
    begin(stage, HELLO + b"AUTH PLAIN\r\n")
    hall.service.drain()
    stage.turn()
    assert codes(stage.heard()) == ["421 4.3.2"]
    assert stage.is_closed


def test_draining_finishes_the_message_that_is_coming_in(hall: Hall) -> None:
    stage = Stage(hall)
    begin(stage, ENVELOPE + b"Subject: x\r\n")
    hall.service.drain()
    assert not stage.was_closed()
    assert codes(stage.send(b"\r\nhello\r\n.\r\n" + MAIL)) == ["250 2.0.0", "421 4.3.2"]
    assert stage.was_closed()
    assert len(hall.writer.writes) == 1


def test_draining_refuses_new_connections(hall: Hall) -> None:
    hall.service.drain()
    assert codes(Stage(hall).heard()) == ["421 4.3.2"]


def test_a_broken_disk_ends_the_process_after_the_answer(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise StoreBroken("EIO")

    monkeypatch.setattr(hall.store.people, "find_target", fail)
    stage = Stage(hall)
    assert codes(stage.send(HELLO + MAIL + RCPT))[-1] == "451 4.3.0"
    assert hall.is_broken


def test_a_fault_in_the_middle_of_a_message_never_makes_commands_of_it(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(hall)
    begin(stage, ENVELOPE)

    def fail(_: bytes) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Upload, "add", lambda *_: fail(b""))
    assert codes(stage.send(b"hello\r\n" + MAIL + RCPT)) == ["451 4.3.0"]
    assert stage.was_closed()


def test_octets_behind_starttls_are_refused_and_the_connection_closed(hall: Hall) -> None:
    import ssl

    from smtp_relay.inbound.service import Listener

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listener = Listener(name="submission", role=SUBMISSION.role, language="en", tls=context)
    stage = Stage(hall, listener)
    assert b"250-STARTTLS\r\n" in stage.send(HELLO)
    assert codes(stage.send(b"STARTTLS\r\n" + AUTH)) == ["501 5.5.4"]
    assert stage.was_closed()
    assert hall.gate.asked == []


def test_a_process_without_memory_for_bodies_files_small_ones_too(hall: Hall) -> None:
    hall.service.spooling.memory.inline_octets = MAX_INLINE_TOTAL_OCTETS
    stage = Stage(hall)
    begin(stage, ENVELOPE)
    assert codes(stage.send(MESSAGE)) == ["250 2.0.0"]
    assert hall.store.files == {"file-0": b"Subject: x\r\n\r\nhello\r\n"}
    assert hall.service.spooling.memory.inline_octets == MAX_INLINE_TOTAL_OCTETS


def test_a_log_in_is_noted_once_a_minute(hall: Hall) -> None:
    for _ in range(3):
        begin(Stage(hall, SUBMISSION), HELLO + AUTH)
    assert len(hall.store.seen) == 1
    hall.clock.now_s += 61
    begin(Stage(hall, SUBMISSION), HELLO + AUTH)
    assert len(hall.store.seen) == 2
