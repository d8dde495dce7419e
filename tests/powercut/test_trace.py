"""Reading strace's lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.powercut.disk import Disk, NoLuck
from tests.powercut.replay import Replay
from tests.powercut.trace import Call, NotUnderstood, read_trace


def hexed(text: str) -> str:
    return "".join(f"\\x{octet:02x}" for octet in text.encode())


PATH = hexed("/srv/store/mail.db")
SOCKET = "12<TCP:[127.0.0.1:25->127.0.0.1:4242]>"


def calls(*lines: str) -> list[Call]:
    return list(read_trace(lines))


def test_a_whole_line_is_entered_and_returns() -> None:
    entered, returned = calls(f'7 1.5 pwrite64(4<{PATH}>, "{hexed("abc")}", 3, 4096) = 3\n')
    assert (entered.name, entered.result) == ("pwrite64", None)
    assert (returned.result, returned.strings(), returned.last_number()) == (3, [b"abc"], 4096)
    assert returned.fd_path() == "/srv/store/mail.db"


def test_an_interrupted_line_returns_when_it_is_resumed() -> None:
    found = calls(
        f"7 1.5 fdatasync(4<{PATH}> <unfinished ...>\n",
        f'8 1.6 sendto({SOCKET}, "{hexed("250 ok")}", 6, 0, NULL, 0 <unfinished ...>\n',
        "7 1.7 <... fdatasync resumed>)         = 0\n",
        "8 1.8 <... sendto resumed>)            = 6\n",
    )
    assert [(call.thread, call.name, call.result) for call in found] == [
        ("7", "fdatasync", None),
        ("8", "sendto", None),
        ("7", "fdatasync", 0),
        ("8", "sendto", 6),
    ]
    assert found[1].socket() == ("127.0.0.1:25", "127.0.0.1:4242")
    assert found[3].strings() == [b"250 ok"]


def test_signals_and_exits_are_passed_over() -> None:
    assert (
        calls("7 1.5 --- SIGTERM {si_signo=SIGTERM} ---\n", "7 1.6 +++ exited with 0 +++\n") == []
    )


def test_a_gathered_write_has_its_pieces_in_order() -> None:
    pieces = ", ".join(f'{{iov_base="{hexed(t)}", iov_len=2}}' for t in ("ab", "cd"))
    _, returned = calls(f"7 1.5 writev({SOCKET}, [{pieces}], 2) = 4\n")
    assert b"".join(returned.strings()) == b"abcd"


def test_a_string_that_strace_cut_is_refused() -> None:
    entered, _ = calls(f'7 1.5 write(4<{PATH}>, "{hexed("abc")}"..., 9) = 9\n')
    with pytest.raises(NotUnderstood):
        entered.strings()


def test_a_line_that_is_no_call_is_refused() -> None:
    with pytest.raises(NotUnderstood):
        calls("strace: Process 7 attached\n")


def test_a_failed_call_changes_nothing() -> None:
    disk = Disk()
    replay = Replay(disk, Path("/srv/store"), lambda *_: None)
    name = hexed("/srv/store/f")
    line = f'7 1.5 openat(AT_FDCWD<{hexed("/")}>, "{name}", O_RDWR|O_CREAT, 0600) = {{}}\n'
    for call in calls(line.format("-1 EACCES (Permission denied)")):
        replay.take(call)
    assert not disk.exists("f")
    for call in calls(line.format(f"4<{name}>")):
        replay.take(call)
    assert disk.exists("f")


def test_a_promise_is_told_when_its_send_is_entered() -> None:
    told: list[tuple[str, int]] = []
    replay = Replay(Disk(), Path("/srv/store"), lambda _, name, end: told.append((name, end)))
    text = hexed("250 ok\r\n")
    for call in calls(
        f'7 1.5 sendto({SOCKET}, "{text}", 8, 0, NULL, 0) = 5\n',
        f'7 1.6 sendto({SOCKET}, "{text}", 8, 0, NULL, 0 <unfinished ...>\n',
    ):
        replay.take(call)
    assert told == [("25-4242", 8), ("25-4242", 13)]


def test_a_failed_sync_keeps_nothing() -> None:
    disk = Disk()
    disk.create("mail.db")
    replay = Replay(disk, Path("/srv/store"), lambda *_: None)
    for call in calls(f"7 1.5 fsync(4<{hexed('/srv/store')}>) = -1 EIO (Input/output error)\n"):
        replay.take(call)
    assert list(disk.survivors(NoLuck())) == []
