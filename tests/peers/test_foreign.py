"""What no mail program sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.peers.foreign import begins_foreign, is_foreign
from pop3_store.session.commands import COMMANDS as POP3_COMMANDS
from smtp_relay.inbound.commands.commands import COMMANDS as SMTP_COMMANDS

OURS = [one.word.encode() for one in SMTP_COMMANDS] + list(POP3_COMMANDS)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"get /\r\n",
        b"POST /x HTTP/1.0",
        b"CONNECT mx.example.org:25 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"BREW /pot HTTP/1.1",
        b"OPTIONS sip:nm SIP/2.0",
        b"DESCRIBE rtsp://x RTSP/1.0",
        b"Host: mail.example.org:25",
        b"user-agent: Mozilla/5.0",
        b"SSH-2.0-OpenSSH_9.2",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
        b"*1\r\n",
        b"{}\r\n",
        b"\0\r\n",
    ],
)
def test_another_protocol_is_known_by_its_first_line(line: bytes) -> None:
    assert is_foreign(line)


@pytest.mark.parametrize(
    "line",
    [b"", b"\r\n", b"XYZZY", b"MAILFROM:<a@b.fr>", b" EHLO x", b"EHL0 x", b"a1 LOGIN x y",
     b"LHLO host", b"BDAT 10 LAST", b"XCLIENT NAME=x", b"Subject: hello", "é".encode(),
     b"\xff\xfe\0garbage", b"APOP x y"],
)  # fmt: skip
def test_a_slip_is_only_a_mistake(line: bytes) -> None:
    assert not is_foreign(line)


@given(st.sampled_from(OURS), st.binary(max_size=80))
def test_whatever_follows_no_command_of_ours_begins_foreign(word: bytes, rest: bytes) -> None:
    assert not begins_foreign(word + b" " + rest)


@pytest.mark.parametrize("first", [*range(0x80, 0x100), *b"AZaz \t\r\n"])
def test_a_slip_of_a_keyboard_in_any_language_is_no_foreign_protocol(first: int) -> None:
    assert not begins_foreign(bytes([first]) + b"x")


@pytest.mark.parametrize("first", [0x00, 0x16, 0x1F, *b"!*+{[@0`~", 0x7F])
def test_no_command_begins_with_a_control_a_digit_or_a_sign(first: int) -> None:
    assert begins_foreign(bytes([first]) + b"x")
