"""Messages that nobody here wrote go in by SMTP and come out by POP3, octet for octet."""

from __future__ import annotations

import re
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.demo.academy import DemoService
from mailserver.settings.listeners import wanted_listeners
from smtp_relay.inbound.message.body import FIELD_OF_SEPARATOR, read_opening

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

DATA = Path(__file__).parents[3] / "shared/data"
JUNK_SAMPLE = 10
"""Every tenth message of the large corpus."""
_TRACE = re.compile(
    rb"Return-Path: <[^\r]*>\r\nDelivered-To: [^\r]*\r\nReceived: (?:[^\r]*\r\n[ \t])*[^\r]*\r\n"
)


class Line:
    """One raw connection: commands out, answers in."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._socket.makefile("rb")
        self.answer()

    def answer(self) -> bytes:
        """The last line of one answer."""
        while (line := self._file.readline())[3:4] == b"-" and line[:1].isdigit():
            pass
        return line

    def say(self, octets: bytes) -> bytes:
        self._socket.sendall(octets)
        return self.answer()

    def multi_line(self) -> bytes:
        """The octets of a multi-line POP3 answer, unstuffed."""
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            assert line, "the connection ended in mid-answer"
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def end_of_our_block(octets: bytes) -> bytes:
    """What stands between our last line and a message that does not begin with a field."""
    opening = read_opening(octets, is_all=True, most_separators=1)
    assert opening is not None
    if not opening.has_header:
        return b"\r\n"
    return FIELD_OF_SEPARATOR if opening.separator_octets else b""


def corpus() -> Iterator[tuple[str, bytes]]:
    """(name, octets with CRLF line ends); a file that holds a bare CR has no such form."""
    for archive, step in (("messages.tar.gz", 1), ("junk.tar.gz", JUNK_SAMPLE)):
        with tarfile.open(DATA / archive) as tar:
            for member in [member for member in tar if member.isfile()][::step]:
                file = tar.extractfile(member)
                assert file is not None
                octets = file.read().replace(b"\r\n", b"\n")
                if b"\r" not in octets:
                    text = octets.replace(b"\n", b"\r\n")
                    yield member.name, text if text.endswith(b"\r\n") else text + b"\r\n"


@pytest.mark.skipif(not DATA.exists(), reason="no ../shared/data beside this checkout")
@pytest.mark.timeout(180)
def test_every_message_comes_out_with_the_octets_that_went_in(served: DemoService) -> None:
    ports = {one.kind.name: one.bind.port for one in wanted_listeners(served.settings)}
    sent = list(corpus())
    assert len(sent) > 500
    smtp = Line(ports["mx"])
    assert smtp.say(b"EHLO corpus.example\r\n").startswith(b"250 ")
    for name, octets in sent:
        assert smtp.say(b"MAIL FROM:<>\r\n").startswith(b"250"), name
        assert smtp.say(b"RCPT TO:<eloise.guerin@ac-exemple.fr>\r\n").startswith(b"250"), name
        assert smtp.say(b"DATA\r\n").startswith(b"354"), name
        stuffed = (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:]
        assert smtp.say(stuffed + b".\r\n").startswith(b"250"), name
    smtp.close()

    pop = Line(ports["pop3"])
    assert pop.say(b"USER eguerin\r\n").startswith(b"+OK")
    assert pop.say(b"PASS 17E0200005EFG\r\n").startswith(b"+OK")
    count = int(pop.say(b"STAT\r\n").split()[1])
    assert pop.say(b"LIST\r\n").startswith(b"+OK")
    sizes = [int(line.split()[1]) for line in pop.multi_line().splitlines()]
    for number, (name, octets) in enumerate(sent, count - len(sent) + 1):
        assert pop.say(b"RETR %d\r\n" % number).startswith(b"+OK"), name
        received = pop.multi_line()
        assert len(received) == sizes[number - 1], name
        trace = _TRACE.match(received)
        assert trace is not None, name
        assert received[trace.end() :] == end_of_our_block(octets) + octets, name
    pop.close()
