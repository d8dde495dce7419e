"""A comment in a comment, an escaped quote, a separator in an encoded word: who shows what.

| written                   | Python email.utils | mailparse (Rust)     | MailTools (Perl) |
| ------------------------- | ------------------ | -------------------- | ---------------- |
| `me (boss@(c)ours)`       | `boss@cours`       | an author `me ours)` | `boss@ours`      |
| `me (boss@(o)urs)`        | `boss@ours`        | an author `me urs)`  | `boss@urs`       |
| `(boss@(c)ours) <me>`     | `boss@cours`       | `(boss@ours)`        | `boss@ours`      |
| `me ((c), ceo@elsewhere)` | `c, ceo@elsewhere` | two authors          |                  |

So what holds a parenthesis in a comment has no sign of an address in it.
"""

from __future__ import annotations

import re
from email.utils import parseaddr

import pytest
from fast_mail_parser import parse_email
from hypothesis import given
from hypothesis import strategies as st

from mailserver.values.address import Address, key_of
from smtp_relay.inbound.authors.fields import BadAddressList, names_another, read_strictly
from smtp_relay.inbound.authors.readings import decoded, every_reading, squeezed
from tests.smtp_relay.inbound.authors.test_authors import is_taken
from tests.smtp_relay.inbound.fakes import DOMAIN, Hall

ME, BOSS = f"marie@{DOMAIN}", f"boss@{DOMAIN}"
ELSEWHERE = "ceo@elsewhere.example"
ONE_LETTER_APART = f"boss@(a){DOMAIN[1:]}"


@pytest.mark.parametrize(
    "value",
    [
        f"{ME} (boss@(c){DOMAIN})",
        f"{ME} (boss@(){DOMAIN})",
        f"{ME} ({ONE_LETTER_APART})",
        f"{ME} (boss(@){DOMAIN})",
        f"{ME} (bo((x)y)ss@{DOMAIN})",
        f"{ME} (({BOSS}))",
        f"{ME} ((boss)@(ac-exemple).fr)",
        f"(boss@(c){DOMAIN}) <{ME}>",
        f"Marie (boss@(c){DOMAIN}) <{ME}>",
        f"<{ME}> (boss@(c){DOMAIN})",
        f"{ME} (boss@\\(c\\){DOMAIN})",
        f"{ME} (x\\), {ELSEWHERE} \\(y)",
        f"{ME} (x\\) {ELSEWHERE})",
        f"{ME} (x\\( {ELSEWHERE})",
        f"{ME} ((c), {ELSEWHERE})",
        f"{ME} ((c) <{ELSEWHERE}>)",
        f"(x, {ELSEWHERE}) <{ME}>",
        f"{ME} (x; {ELSEWHERE})",
        f"{ME} ((c) =?utf-8?q?=40ac-exemple.fr?=)",
        f'{ME} ((c)" boss)',
        # in a name
        f'"boss@(c){DOMAIN}" <{ME}>',
        f'"{ONE_LETTER_APART}" <{ME}>',
        f'"boss@(c (d)){DOMAIN}" <{ME}>',
        f'"boss(x)@{DOMAIN}" <{ME}>',
        f'"boss@[{DOMAIN}]" <{ME}>',
        f'"{DOMAIN}, boss@" <{ME}>',
        f"=?utf-8?q?boss=40=28c=29ac-exemple.fr?= <{ME}>",
        f"{ME} (=?utf-8?q?boss=40=28c=29ac-exemple.fr?=)",
        # what some leave out, mark, guess, or read to its end
        f"=?utf-8?q?boss=40ac-exemple.fr=FF?= <{ME}>",
        f"=?utf-8?q?boss=40ac-exem=FFple.fr?= <{ME}>",
        f"=?utf-8?q?bo=FFss=40ac-exemple.fr?= <{ME}>",
        f"=?x-none?q?boss=40ac-exemple.fr?= <{ME}>",
        f"=?utf-8?b?Ym9zc0BhYy1leGVtcGxlLmZyIQ?= <{ME}>",
        f"=?utf-8?b?Ym9zc0Bh*Yy1leGVtcGxlLmZy?= <{ME}>",
        f"=?utf-8?q?boss=EF?= =?utf-8?q?=BC=A0ac-exemple.fr?= <{ME}>",
        f"=?iso-8859-1?q?{'x' * 3000}_boss=40ac-exemple.fr?= <{ME}>",
        # one more author to whom a backslash says nothing, or who decodes before reading
        f'"x\\", {ELSEWHERE}, \\"y" <{ME}>',
        f"=?utf-8?q?x=2C_ceo=40elsewhere.example=2C?= <{ME}>",
        f"=?utf-8?b?eCwgY2VvQGVsc2V3aGVyZS5leGFtcGxlLA==?= <{ME}>",
        f"{ME} (=?utf-8?q?x=29=2C_ceo=40elsewhere.example?=)",
    ],
)
def test_what_some_program_shows_as_another_is_refused(hall: Hall, value: str) -> None:
    assert not is_taken(hall, f"From: {value}".encode())
    assert not is_taken(hall, f"From: {ME}\r\nSender: {value}".encode())
    assert hall.writer.writes == []


@pytest.mark.parametrize(
    "value",
    [
        f"{ME} (DSDEN (17))",
        f"(DSDEN (17)) Marie <{ME}>",
        f"{ME} (Marie \\(Mimi\\) Dupont)",
        f'"Marie (DSDEN 17)" <{ME}>',
        f'"Dupont, Marie (17)" <{ME}>',
        f'"Marie \\"Mimi\\" Dupont, 17" <{ME}>',
        f'"marie@home.example (old)" <{ME}>',
        f'"Dupont, marie@home.example" <{ME}>',
        f'"{ME} (17)" <{ME}>',
        f'"Marie {ME}" <{ME}>',
        f'"Voir p. {ME}" <{ME}>',
        f"{ME} (Marie {ME})",
        f'"Marie \\"Mimi\\" {ME}" <{ME}>',
        f"=?utf-8?q?Dupont=2C_Marie?= <{ME}>",
        f"=?utf-8?q?marie=40home.example?= <{ME}>",
    ],
)
def test_ones_own_name_with_signs_in_it_is_taken(hall: Hall, value: str) -> None:
    assert is_taken(hall, f"From: {value}".encode())


PIECES = st.sampled_from(
    ["(", ")", "(c)", "()", "\\(", "\\)", '\\"', "boss", "@", "a", DOMAIN, DOMAIN[1:], ",", " ",
     "=?utf-8?q?=28?=", "=?utf-8?q?=40?=", "[", "]", "x.fr"]
)  # fmt: skip


def mailtools_name(text: str) -> str:
    """As Mail::Address shows a name: without its least comments, quotes and backslashes."""
    text = re.sub(r"\(.*?\)", "", re.sub(r"^\((.*)\)$", r"\1", text))
    return text.replace("\\", "").replace('"', "")


@given(pieces=st.lists(PIECES, max_size=8), place=st.sampled_from(["after", "before", "quoted"]))
def test_no_name_that_is_taken_is_anothers_address_to_any_of_three_programs(
    pieces: list[str], place: str
) -> None:
    """Two that run here, and the rule of a third, show only one's own addresses of ours."""
    text = "".join(pieces)
    comment, quoted = f"({text})", f'"{text}"'
    value = {
        "after": f"{ME} {comment}",
        "before": f"{comment} <{ME}>",
        "quoted": f"{quoted} <{ME}>",
    }[place]

    def owns(address: Address) -> bool:
        return key_of(str(address)) == ME

    try:
        if not all(map(owns, read_strictly(value.encode()))):
            return
    except BadAddressList:
        return
    if names_another(value.encode(), owns_address=owns, own_domains={DOMAIN}):
        return
    rust = parse_email(f"To: {value}\r\n\r\nx").to
    # With the end of a comment in a comment, at worst.
    assert {key_of(one.address.split()[0]) for one in rust if "@" in one.address} <= {ME}
    shown = [parseaddr(value)[0], *(one.display_name or "" for one in rust)]
    shown += [mailtools_name(one) for one in decoded(comment if place != "quoted" else quoted)]
    for name in shown:
        assert not re.search(rf"{re.escape(BOSS)}(?![\w-]|\.\w)", name.replace(" ", "")), name


def test_a_text_has_the_readings_that_the_table_names() -> None:
    assert {"boss@a.fr", "boss@ca.fr"} <= every_reading("boss@(c)a.fr")
    assert "boss@a.fr" in every_reading("boss@(c (d))a.fr")
    assert "boss@a.fr" in every_reading('boss@"a.fr"')
    assert squeezed("boss@ a . fr") == ("boss@ a.fr", "boss@a.fr")
    assert "boss@ a.fr" in every_reading("a.fr, boss@")
    assert "boss@a.fr" in every_reading("=?utf-8?q?boss=40?= =?utf-8?q?=28c=29a.fr?=")
    assert "boss@a.fr" in every_reading("ｂoss＠a.fr")


def test_encoded_words_in_encoded_words_are_read_so_far() -> None:
    text = "x"
    for _ in range(12):
        text = f"=?utf-8?q?{''.join(f'={ord(sign):02X}' for sign in text)}?="
        if len(text) > 10_000:
            break
    assert 1 < len(decoded(text)) <= 9
    assert decoded("=?x?=") == ["=?x?="]
