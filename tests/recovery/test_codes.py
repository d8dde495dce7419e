"""Codes: their shape, how they end, and who may hand them out."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.recovery import words
from mailserver.recovery.codes import (
    LENGTH,
    NAME_LENGTH,
    SYMBOLS,
    BadCode,
    digest_of,
    make_code,
    parse_code,
)
from mailserver.recovery.passwords import PasswordService
from mailserver.store.ports.recovery import CODE_NAME_OCTETS
from mailserver.values.secret import Secret
from tests.recovery.conftest import KEY, NEW, NUMEN, Town, refused
from tests.store.crowd import COLLEGE, SCHOOL, put


def another(code: str, at: int) -> str:
    """The code with another symbol at that place (its dash counts as none)."""
    symbols = parse_code(code)
    other = SYMBOLS[(SYMBOLS.index(symbols[at]) + 1) % len(SYMBOLS)]
    return symbols[:at] + other + symbols[at + 1 :]


def reset(town: Town, code: str, name: str = "jmarot", *, peer: str = "") -> None:
    town.service.reset(name, code, Secret(NEW), numen=Secret(NUMEN), peer=peer)


def test_a_code_can_be_read_aloud_and_typed_in_any_form() -> None:
    code = make_code(secrets.choice)
    assert len(code) == LENGTH + 1
    assert not set(code) & set("01oilOIL")
    for typed in (code.upper(), f" {code} ", code.replace("-", "–"), " ".join(code)):
        assert digest_of(typed, KEY) == digest_of(code, KEY)


@given(typed=st.text(max_size=200))
def test_whatever_is_typed_is_a_code_or_is_refused(typed: str) -> None:
    try:
        parsed = parse_code(typed)
    except BadCode:
        return
    assert len(parsed) == LENGTH
    assert set(parsed) <= set(SYMBOLS)


def test_codes_of_one_name_share_only_the_digest_of_the_name() -> None:
    one, other = digest_of("abcd-efgh", KEY), digest_of("abcd-efgj", KEY)
    assert one[:CODE_NAME_OCTETS] == other[:CODE_NAME_OCTETS]
    assert one[CODE_NAME_OCTETS:] != other[CODE_NAME_OCTETS:]
    assert digest_of("bbcd-efgh", KEY)[:CODE_NAME_OCTETS] != one[:CODE_NAME_OCTETS]


def test_a_code_ends_after_a_few_tries_that_name_it(town: Town) -> None:
    code = town.handed_code()
    for at in range(NAME_LENGTH, NAME_LENGTH + town.context.rules.max_code_tries):
        assert refused(lambda a=at: reset(town, another(code, a))) == words.CODE_REFUSED.fr  # type: ignore[misc]
    assert refused(lambda: reset(town, code)) == words.CODE_REFUSED.fr


def test_a_stranger_who_guesses_ends_nobodys_code(town: Town) -> None:
    code = town.handed_code()
    for number in range(40):
        refused(lambda n=number: reset(town, another(code, n % NAME_LENGTH)))  # type: ignore[misc]
    for typed in ("", "\0", "é" * 9, "x" * 10_000, "1" * LENGTH):
        refused(lambda t=typed: reset(town, t))  # type: ignore[misc]
    reset(town, code)


def test_tries_from_one_block_are_limited(town: Town) -> None:
    most = town.context.rules.max_requests_per_hour * 10
    said = {refused(lambda: reset(town, "aaaa-aaaa", peer="192.0.2.7")) for _ in range(most)}
    assert said == {words.CODE_REFUSED.fr}
    assert refused(lambda: reset(town, "aaaa-aaaa", peer="192.0.2.8")) == words.SLOW_DOWN.fr
    assert refused(lambda: reset(town, "aaaa-aaaa", peer="192.0.3.8")) == words.CODE_REFUSED.fr
    town.clock.now_s += 3700
    assert refused(lambda: reset(town, "aaaa-aaaa", peer="192.0.2.8")) == words.CODE_REFUSED.fr


@pytest.mark.parametrize(("kind", "lifetime_s"), [("mailed", 30 * 60), ("handed", 7 * 86_400)])
def test_codes_are_short_lived(town: Town, kind: str, lifetime_s: float) -> None:
    town.prove()
    give = {"mailed": town.requested_code, "handed": town.handed_code}[kind]
    code = give()
    town.clock.now_s += lifetime_s
    assert refused(lambda: reset(town, code)) == words.CODE_REFUSED.fr
    code = give()
    town.clock.now_s += lifetime_s - 1
    reset(town, code)


def test_a_newer_code_ends_the_one_before(town: Town) -> None:
    town.prove()
    first, second = town.requested_code(), town.requested_code()
    assert refused(lambda: reset(town, first)) == words.CODE_REFUSED.fr
    reset(town, second)


def test_a_code_is_good_for_nobody_else_and_nothing_else(town: Town) -> None:
    code = town.handed_code()
    assert refused(lambda: reset(town, code, "pnoir")) == words.CODE_REFUSED.fr
    said = refused(lambda: town.addresses.prove("jmarot", code, by_whom="jmarot"))
    assert said == words.CODE_REFUSED.fr
    reset(town, code)


def test_codes_are_kept_as_digests_only(town: Town) -> None:
    code = parse_code(town.handed_code())
    rows = town.store._engine.read("SELECT * FROM recovery_code", ())
    assert len(rows) == 1
    assert code not in repr(rows)
    assert code.encode() not in rows[0][3]


def test_codes_that_are_long_over_are_forgotten(town: Town) -> None:
    town.handed_code()
    assert town.store.recovery.forget_codes(before_s=town.clock.now_s + 6 * 86_400) == 0
    assert town.store.recovery.forget_codes(before_s=town.clock.now_s + 8 * 86_400) == 1


# Who may hand them out


@pytest.mark.parametrize(
    ("of_units", "for_whom", "may"),
    [
        ((SCHOOL,), "jmarot", True),
        ((SCHOOL,), " JMarot@d.fr ", True),
        ((SCHOOL,), SCHOOL, True),
        ((SCHOOL,), f"ce.{SCHOOL}@d.fr", True),
        (("ac",), "jmarot", True),
        (("ac",), "zlamar", True),
        ((COLLEGE,), "jmarot", False),
        ((SCHOOL,), "zlamar", False),
        ((SCHOOL,), COLLEGE, False),
        ((SCHOOL,), "pnoir", False),  # oneself
        ((SCHOOL,), "inconnu", False),
        ((SCHOOL,), f"pnoir*{SCHOOL}", False),
    ],
)
def test_a_correspondent_hands_out_codes_for_their_own_units(
    town: Town, of_units: tuple[str, ...], for_whom: str, may: bool
) -> None:
    town.correspondent("pnoir", *of_units)
    if may:
        town.handed_code(for_whom, by="pnoir")
    else:
        assert refused(lambda: town.handed_code(for_whom, by="pnoir")) == words.NOT_YOURS.fr


def test_who_is_no_correspondent_or_no_longer_hands_out_none(town: Town) -> None:
    assert refused(lambda: town.handed_code(by="pnoir")) == words.NOT_YOURS.fr
    town.correspondent("pnoir")
    town.handed_code(by="pnoir")
    assert town.history()[0] == ("code handed out", "pnoir", "")
    (relation,) = town.store.people.relations_of(town.account("pnoir"))
    town.store.people.end_relation(relation.relation_id, at_s=town.clock.now_s)
    assert refused(lambda: town.handed_code(by="pnoir")) == words.NOT_YOURS.fr


def test_who_moved_away_is_no_longer_their_correspondents(town: Town) -> None:
    town.correspondent("pnoir")
    before = town.store.people.find_doc("jmarot")
    assert before is not None
    after = replace(before, posts=(replace(before.posts[0], unit_code=COLLEGE),))
    assert put(town.store, before, after) is None
    assert refused(lambda: town.handed_code(by="pnoir")) == words.NOT_YOURS.fr


def test_codes_for_one_account_are_limited(town: Town) -> None:
    for _ in range(town.context.rules.max_requests_per_hour):
        town.handed_code()
    assert refused(town.handed_code) == words.SLOW_DOWN.fr
    town.handed_code("pnoir")


def test_a_letter_that_is_never_printed_is_read_as_what_it_looks_like(town: Town) -> None:
    fixed = iter("8A5C2VXY")
    context = replace(town.context, choose=lambda _: next(fixed))
    code = PasswordService(context).hand_code("jmarot", by_account=None, by_whom="cli:root")
    assert code.reveal() == "8A5C-2VXY"
    reset(town, "basc zuxy")
