"""Who may be sent away for somebody else, and what a session lets go of at its end."""

from __future__ import annotations

import os

import pytest

from pop3_store.session.session import BATCH_OCTETS
from pop3_store.session.states import Signal, State
from tests.pop3_store.fakes import PASSWORD, FakeCommitter, FakeGate, FakeStore, Shell, store_of

SIGN_IN = b"USER frot\r\nPASS " + PASSWORD + b"\r\n"


def _facts(shell: Shell) -> tuple[State, bool]:
    return shell.session.state, shell.session.is_a_strangers


def test_only_who_has_not_signed_in_and_waits_for_nothing_is_a_stranger() -> None:
    gate = FakeGate(holds_back=True)
    shell = Shell(store_of(b"x\r\n"), gate=gate)
    assert _facts(shell) == (State.AUTHORIZATION, True)
    shell.feed(SIGN_IN)
    assert _facts(shell) == (State.AUTHORIZATION, False)  # a password is being looked at
    gate.release()
    assert _facts(shell) == (State.TRANSACTION, False)
    shell.feed(b"QUIT\r\n")
    assert _facts(shell) == (State.ENDED, False)


def test_one_whose_deletions_are_being_written_is_no_stranger() -> None:
    store = store_of(b"x\r\n")
    shell = Shell(store, committer=FakeCommitter(store, holds_back=True))
    shell.feed(SIGN_IN, b"DELE 1\r\n", b"QUIT\r\n")
    assert _facts(shell) == (State.UPDATE, False)


def _half_retrieved() -> tuple[Shell, FakeStore]:
    store = store_of(b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * (4 * BATCH_OCTETS // 78),
                     filed=[1])  # fmt: skip
    shell = Shell(store)
    shell.feed(SIGN_IN)
    shell.session.receive(b"RETR 1\r\n")
    assert shell.session.advance() is Signal.FLUSH
    os.fstat(store.open_fds[0])
    return shell, store


@pytest.mark.parametrize("how", ["lost", "turned out"])
def test_a_file_that_is_going_out_is_closed_when_the_session_ends(how: str) -> None:
    shell, store = _half_retrieved()
    if how == "lost":
        shell.lose()
    else:
        shell.session.end(Signal.CLOSE)
    assert shell.session.state is State.ENDED
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(store.open_fds[0])
    assert shell.session.access.retrieved_count == 0
