"""Dialogues, as C: and S: lines.  Run against the core and against the live door.

The maildrop holds three messages (see `BODIES`).  A server line that ends with
`...` is compared up to there.
"""

from __future__ import annotations

BODIES = (
    b"Subject: one\r\n\r\nHello\r\n",
    b"Subject: two\r\n\r\n.dot\r\n..two\r\n.\r\nend",
    b"\r\nno header\r\n",
)
SIGN_IN = """
S: +OK mail.ac-exemple.fr ready...
C: USER frot
S: +OK Now send the password with PASS
C: PASS 13E0245678ABC
S: +OK 3 messages (140 octets)
"""

TRANSCRIPTS = {
    "sign in, look, leave": SIGN_IN
    + """
C: STAT
S: +OK 3 140
C: LIST
S: +OK 3 messages (140 octets)
S: 1 46
S: 2 58
S: 3 36
S: .
C: LIST 2
S: +OK 2 58
C: UIDL
S: +OK 3 messages
S: 1 e5.11
S: 2 e5.12
S: 3 e5.13
S: .
C: UIDL 3
S: +OK 3 e5.13
C: NOOP
S: +OK Nothing to do
C: QUIT
S: +OK Goodbye
""",
    "retrieve, stuffed, without and with a final CRLF": SIGN_IN
    + """
C: RETR 1
S: +OK 46 octets
S: Return-Path: <a@b.fr>
S: Subject: one
S:
S: Hello
S: .
C: RETR 2
S: +OK 58 octets
S: Return-Path: <a@b.fr>
S: Subject: two
S:
S: ..dot
S: ...two
S: ..
S: end
S: .
C: RETR 3
S: +OK 36 octets
S: Return-Path: <a@b.fr>
S:
S: no header
S: .
C: QUIT
S: +OK Goodbye
""",
    "top": SIGN_IN
    + """
C: TOP 1 0
S: +OK The top of the message follows
S: Return-Path: <a@b.fr>
S: Subject: one
S:
S: .
C: TOP 2 2
S: +OK The top of the message follows
S: Return-Path: <a@b.fr>
S: Subject: two
S:
S: ..dot
S: ...two
S: .
C: TOP 2 99
S: +OK The top of the message follows
S: Return-Path: <a@b.fr>
S: Subject: two
S:
S: ..dot
S: ...two
S: ..
S: end
S: .
C: TOP 3 1
S: +OK The top of the message follows
S: Return-Path: <a@b.fr>
S:
S: no header
S: .
C: TOP 1
S: -ERR Syntax error...
C: TOP 1 -1
S: -ERR Syntax error...
C: TOP 4 1
S: -ERR no such message
C: TOP 1 x
S: -ERR Syntax error...
""",
    "deleted messages vanish and numbers stay": SIGN_IN
    + """
C: DELE 2
S: +OK Message marked, it goes at QUIT
C: DELE 2
S: -ERR no such message
C: STAT
S: +OK 2 82
C: LIST
S: +OK 2 messages (82 octets)
S: 1 46
S: 3 36
S: .
C: UIDL
S: +OK 2 messages
S: 1 e5.11
S: 3 e5.13
S: .
C: LIST 2
S: -ERR no such message
C: RETR 2
S: -ERR no such message
C: RSET
S: +OK No message is marked any more
C: STAT
S: +OK 3 140
C: LIST 2
S: +OK 2 58
""",
    "numbers that are none": SIGN_IN
    + """
C: RETR 0
S: -ERR no such message
C: RETR -1
S: -ERR Syntax error...
C: RETR 4
S: -ERR no such message
C: RETR 99999999999999999999999999
S: -ERR no such message
C: RETR one
S: -ERR Syntax error...
C: RETR
S: -ERR Syntax error...
C: RETR 1 2
S: -ERR Syntax error...
C: DELE 0
S: -ERR no such message
C: DELE +1
S: -ERR Syntax error...
C: LIST 0
S: -ERR no such message
C: UIDL 4
S: -ERR no such message
C: STAT 1
S: -ERR Syntax error...
C: stat
S: +OK 3 140
C: LIST  1
S: +OK 1 46
""",
    "commands out of place": """
S: +OK mail.ac-exemple.fr ready...
C: STAT
S: -ERR Command not permitted at this point
C: NOOP
S: -ERR Command not permitted at this point
C: PASS x
S: -ERR Send USER first
C: USER
S: -ERR Syntax error...
C: USER %20
S: -ERR Syntax error...
C: XYZZY
S: -ERR Unknown command
C:
S: -ERR Unknown command
C: AUTH PLAIN
S: -ERR Unknown command
C: STLS
S: -ERR Command not permitted when TLS active
C: USER frot
S: +OK Now send the password with PASS
C: PASS 13E0245678ABC
S: +OK 3 messages (140 octets)
C: USER frot
S: -ERR Command not permitted at this point
C: PASS x
S: -ERR Command not permitted at this point
C: STLS
S: -ERR Command not permitted when TLS active
C: QUIT now
S: -ERR Syntax error...
C: QUIT
S: +OK Goodbye
""",
    "refused three times and closed": """
S: +OK mail.ac-exemple.fr ready...
C: USER frot
S: +OK Now send the password with PASS
C: PASS wrong
S: -ERR [AUTH] User name or password refused, check both
C: PASS wrong
S: -ERR Send USER first
C: USER nobody
S: +OK Now send the password with PASS
C: PASS 13E0245678ABC
S: -ERR [AUTH] User name or password refused, check both
C: USER frot
S: +OK Now send the password with PASS
C: PASS%20
S: -ERR Syntax error...
C: PASS 13E0245678ABC%20
S: -ERR [AUTH] User name or password refused, check both
C: USER frot
C: PASS 13E0245678ABC
""",
    "capabilities over TLS": """
S: +OK mail.ac-exemple.fr ready...
C: CAPA
S: +OK Here is what I can do
S: TOP
S: UIDL
S: PIPELINING
S: RESP-CODES
S: AUTH-RESP-CODE
S: EXPIRE NEVER
S: IMPLEMENTATION Mel-ouvert
S: USER
S: .
""",
    "lines that are none": """
S: +OK mail.ac-exemple.fr ready...
C: %FF%FE%00garbage%80
S: -ERR Unknown command
C: CAPA%00
S: -ERR Unknown command
C: USER frot
S: +OK Now send the password with PASS
C: PASS 13E0245678ABC
S: +OK 3 messages (140 octets)
C: RETR %FF
S: -ERR Syntax error...
C: RETR %D9%A1
S: -ERR Syntax error...
C: STAT
S: +OK 3 140
""",
    "the user name is trimmed, in any case": """
S: +OK mail.ac-exemple.fr ready...
C: USER   FRot%20%20
S: +OK Now send the password with PASS
C: PASS 13E0245678ABC
S: +OK 3 messages (140 octets)
""",
    "nothing is done after QUIT": SIGN_IN
    + """
C: QUIT
S: +OK Goodbye
C: DELE 1
C: STAT
""",
}

GO_ON_AFTER_THE_END = {"nothing is done after QUIT", "refused three times and closed"}
"""On a socket, only fed whole: what comes after the close may meet a reset."""


def split(transcript: str) -> tuple[list[bytes], list[str]]:
    """The client's lines as octets with CRLF, the server's as text."""
    said_by_client, said_by_server = [], []
    for line in filter(None, transcript.splitlines()):
        side, text = line[:2], line[3:]
        if side == "C:":
            said_by_client.append(unquote(text) + b"\r\n")
        else:
            assert side == "S:", line
            said_by_server.append(text)
    return said_by_client, said_by_server


def unquote(text: str) -> bytes:
    """`%20` for an octet that would not show."""
    first, *others = text.encode("ascii").split(b"%")
    return first + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in others)


def assert_said(octets: bytes, expected: list[str]) -> None:
    assert octets.endswith(b"\r\n")
    lines = octets[:-2].decode("latin-1").split("\r\n")
    for line, wanted in zip(lines, expected, strict=False):
        if wanted.endswith("...") and not wanted.startswith("..."):
            assert line.startswith(wanted[:-3]), (line, wanted)
        else:
            assert line == wanted
    assert len(lines) == len(expected), lines[len(expected) :] or expected[len(lines) :]
