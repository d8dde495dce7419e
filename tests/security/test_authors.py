"""Random submissions of one account: no other program finds an author that is not that account.

Two parsers of other families read what was accepted: Python's email package (both its
readers of addresses) and mailparse, in Rust.  `make test` runs the short form.
"""

from __future__ import annotations

import asyncio
import email.policy
import random
import re
import unicodedata
from collections.abc import Iterator
from email import message_from_bytes
from email.utils import getaddresses

import pytest
from fast_mail_parser import PyAddress, parse_email

from mailserver.values.address import key_of
from tests.smtp_relay.inbound.fakes import DOMAIN, SUBMISSION, Hall, Stage
from tests.smtp_relay.inbound.wire import SUBMIT_ENVELOPE, codes

OWN = {f"marie@{DOMAIN}", f"marie.dupont@{DOMAIN}"}
BOSS = f"boss@{DOMAIN}"
ADDRESSES = [*OWN, *OWN, *OWN, f"<marie@{DOMAIN}>", f"<marie@{DOMAIN}>", BOSS, f"<{BOSS}>"]
FOREIGN = ["ceo@elsewhere.example", "<ceo@elsewhere.example>", f"pierre@{DOMAIN}"]
WORDS = [
    "Marie", "Dupont", "Boss", '"Boss"', f'"{BOSS}"', "=?utf-8?q?boss=40ac-exemple.fr?=",
    "=?utf-8?b?Ym9zc0BhYy1leGVtcGxlLmZy?=", "=?utf-8?q?Boss_=3Cboss=40ac-exemple.fr=3E?=",
    "boss", "@", DOMAIN, "=?utf-8?q?boss?=", "=?utf-8?q?=40ac-exemple.fr?=", "boss@", f"@{DOMAIN}",
    "(x)", f"({BOSS})", "\\@", "Élodie", "\u200b", "\u202e", "＠",
]  # fmt: skip
SIGNS = [
    ",",
    ";",
    ":",
    "<",
    ">",
    "(",
    ")",
    '"',
    "\\",
    "@",
    ".",
    "[",
    "]",
    "\x0b",
    "\x01",
    "\t",
    "\x7f",
]
FOLDS = [" ", " ", " ", "", "\r\n ", "\r\n\t", "\r\n \r\n "]
NAMES = ["From", "From", "From", "FROM", "from", "Sender", "Resent-From", "Reply-To", "Subject"]
SPOILT = [" ", "\t", "\x0b", "\x00", "\xa0", "\x08", "\r\n "]


TRANSACTION = SUBMIT_ENVELOPE[SUBMIT_ENVELOPE.index(b"MAIL FROM") :]


def value(chance: random.Random) -> str:
    """Mostly well formed, so that much is accepted."""
    if chance.random() < 0.45:
        name = chance.choice(["", "Marie ", '"Dupont, Marie" ', "=?utf-8?q?Fr=C3=A9d?= ", "Boss "])
        return f"{name}<{chance.choice([*OWN])}>{chance.choice(['', '', ' (school)'])}"
    pieces = []
    for _ in range(chance.randint(1, 5)):
        kind = chance.random()
        source = ADDRESSES if kind < 0.4 else WORDS if kind < 0.75 else SIGNS
        pieces.append(chance.choice(FOREIGN if kind > 0.97 else source))
        pieces.append(chance.choice(FOLDS))
    return "".join(pieces)


def header(chance: random.Random) -> str:
    lines = [f"From: {value(chance)}"]
    while chance.random() < 0.4:
        name = chance.choice(NAMES)
        if chance.random() < 0.15:
            at = chance.randint(0, len(name))
            name = name[:at] + chance.choice(SPOILT) + name[at:]
        lines.append(f"{name}:{chance.choice(['', ' ', chr(9)])}{value(chance)}")
    chance.shuffle(lines)
    return chance.choice(["\r\n", "\r\n", "\r\n", "\n"]).join(lines)


def submissions(chance: random.Random, count: int) -> Iterator[bytes]:
    for _ in range(count):
        text = header(chance).replace("\n.", "\n..")
        yield text.encode(chance.choice(["utf-8", "utf-8", "latin-1"]), "replace")


def authors_of(message: bytes) -> Iterator[str]:
    """Every address that any of the parsers finds, in any field that names an author."""
    fields = ("from", "sender", "resent-from", "resent-sender")
    modern = message_from_bytes(message, policy=email.policy.default)
    old = message_from_bytes(message)
    for name in fields:
        for one in modern.get_all(name, []):
            yield from (address.addr_spec for address in one.addresses)
        raw = [str(one) for one in old.get_all(name, [])]
        yield from (address for _, address in getaddresses(raw))
    yield from (one.address for one in rust_authors(message))


def rust_authors(message: bytes) -> list[PyAddress]:
    """It tells the first author only, but all of To: so the fields are called that."""
    first = parse_email(message).from_
    renamed = re.sub(rb"(?im)^(?:Resent-)?(?:From|Sender):", b"To:", message)
    return [*parse_email(renamed).to, *([] if first is None else [first])]


def check(message: bytes) -> None:
    for address in filter(None, authors_of(message)):
        assert key_of(address) in OWN, message
    modern = message_from_bytes(message, policy=email.policy.default)
    names = [one.display_name for field in modern.get_all("from", []) for one in field.addresses]
    names += [one.display_name for one in rust_authors(message)]
    for name in names:
        found = re.findall(r"[^\s@]+@[^\s@]+", unicodedata.normalize("NFKC", name or ""))
        ours = [one.strip('"()<>') for one in found if DOMAIN in one]
        assert all(key_of(one) in OWN for one in ours), message


def submit_all(seed: int, count: int) -> int:
    """How many were accepted; each of those is read again."""
    loop = asyncio.new_event_loop()
    try:
        hall = Hall(loop)
        stage, accepted = Stage(hall, SUBMISSION), 0
        for number, block in enumerate(submissions(random.Random(seed), count)):
            if number % 10 == 0:  # a session that only errs is ended
                stage.drop()
                stage = Stage(hall, SUBMISSION)
            stage.send(SUBMIT_ENVELOPE if number % 10 == 0 else TRANSACTION)
            stage.heard()
            (heard,) = codes(stage.send(block + b"\r\n\r\nhello\r\n.\r\n"))
            if heard != "250 2.0.0":
                assert heard.startswith("550"), (block, heard)
                continue
            accepted += 1
            check(hall.writer.writes[-1].head + hall.body())
            hall.writer.writes.clear()
        return accepted
    finally:
        loop.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_random_submissions_have_no_other_author(seed: int) -> None:
    assert 60 < submit_all(seed, 250) < 220


@pytest.mark.e2e
@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10, 20))
def test_ten_thousand_random_submissions_have_no_other_author(seed: int) -> None:
    assert submit_all(seed, 1000) > 200
