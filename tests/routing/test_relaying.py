"""The open-relay decision, every case of it, and what the settings' rules do to recipients."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.routing.relaying import (
    MAX_TEXT_LENGTH,
    Asker,
    Relaying,
    RelayPlace,
    Role,
    decide_relaying,
    held_for,
    is_reachable,
    make_schedule,
    reply_text,
)
from mailserver.routing.rules import match_own
from mailserver.settings.model import DeliverySettings, RouteSettings
from mailserver.values.address import Address

ACCEPT, UNKNOWN, DENIED = Relaying.ACCEPT, Relaying.UNKNOWN, Relaying.DENIED
OURS, NOBODY, ELSEWHERE, LITERAL = RelayPlace

# role, signed in, trusted, gateway: what is answered for OURS, NOBODY, ELSEWHERE, LITERAL.
TABLE = {
    (Role.MX, False, False, False): (ACCEPT, UNKNOWN, DENIED, DENIED),
    (Role.MX, False, False, True): (ACCEPT, UNKNOWN, DENIED, DENIED),
    (Role.MX, False, True, False): (ACCEPT, UNKNOWN, ACCEPT, DENIED),
    (Role.MX, False, True, True): (ACCEPT, UNKNOWN, DENIED, DENIED),
    (Role.MX, True, False, False): (ACCEPT, UNKNOWN, DENIED, DENIED),
    (Role.MX, True, False, True): (ACCEPT, UNKNOWN, DENIED, DENIED),
    (Role.MX, True, True, False): (ACCEPT, UNKNOWN, ACCEPT, DENIED),
    (Role.MX, True, True, True): (ACCEPT, UNKNOWN, DENIED, DENIED),
    (Role.SUBMISSION, False, False, False): (DENIED, DENIED, DENIED, DENIED),
    (Role.SUBMISSION, False, False, True): (DENIED, DENIED, DENIED, DENIED),
    (Role.SUBMISSION, False, True, False): (ACCEPT, UNKNOWN, ACCEPT, DENIED),
    (Role.SUBMISSION, False, True, True): (DENIED, DENIED, DENIED, DENIED),
    (Role.SUBMISSION, True, False, False): (ACCEPT, UNKNOWN, ACCEPT, ACCEPT),
    (Role.SUBMISSION, True, False, True): (ACCEPT, UNKNOWN, ACCEPT, ACCEPT),
    (Role.SUBMISSION, True, True, False): (ACCEPT, UNKNOWN, ACCEPT, ACCEPT),
    (Role.SUBMISSION, True, True, True): (ACCEPT, UNKNOWN, ACCEPT, ACCEPT),
}
CASES = [
    (Asker(role=role, is_signed_in=signed_in, is_trusted=trusted, is_gateway=gateway), place)
    for role, signed_in, trusted, gateway, place in product(
        Role, (False, True), (False, True), (False, True), RelayPlace
    )
]


def expected(asker: Asker, place: RelayPlace) -> Relaying:
    key = (asker.role, asker.is_signed_in, asker.is_trusted, asker.is_gateway)
    return TABLE[key][list(RelayPlace).index(place)]


@pytest.mark.parametrize(("asker", "place"), CASES)
def test_the_open_relay_decision(asker: Asker, place: RelayPlace) -> None:
    assert decide_relaying(asker, place) is expected(asker, place)


def test_nobody_relays_without_an_account_or_a_trusted_address_of_its_own() -> None:
    for asker, place in CASES:
        is_stranger = not (asker.role is Role.SUBMISSION and asker.is_signed_in) and not (
            asker.is_trusted and not asker.is_gateway
        )
        if is_stranger and place in {ELSEWHERE, LITERAL}:
            assert decide_relaying(asker, place) is DENIED


# --- rules ----------------------------------------------------------------------


def rule(**values: Any) -> RouteSettings:
    return RouteSettings.model_validate({"name": "r", **values})


@pytest.mark.parametrize(
    ("domain", "reachable"),
    [
        ("example.org", True),
        ("xn--acadmie-eya.fr", True),
        ("académie.fr", True),
        ("[192.0.2.1]", True),
        ("localhost", False),
        ("a.localhost", False),
        ("school", False),
        ("192.0.2.1", False),
        ("x.invalid", False),
        ("my_host.example", True),
        ("_spf_.a_.b.fr", True),
        ("a.b_c", False),
        ("a-_.-b.fr", False),
        (".".join(["abcdefgh"] * 30), False),
    ],
)
def test_a_domain_that_cannot_be_in_the_dns_is_known_at_once(domain: str, reachable: bool) -> None:
    assert is_reachable(Address("x", domain), None) is reachable
    assert is_reachable(Address("x", domain), rule(via="mx")) is reachable
    assert is_reachable(Address("x", domain), rule(via="smarthost", host="relay.example"))


SPLIT = (
    rule(name="all", via="smarthost", host="relay.example"),
    rule(name="no", via="refuse", recipient_domains=["ac-exemple.fr"]),
    rule(name="old", via="lmtp", host="old.ac-exemple.fr", recipient_domains=["ac-exemple.fr"]),
)


def own(local: str, domain: str = "ac-exemple.fr") -> str | None:
    found = match_own(SPLIT, recipient=Address(local, domain), sender=None, identifier=None)
    return None if found is None else found.name


def test_only_a_rule_that_names_our_domain_and_a_host_takes_what_nobody_here_has() -> None:
    assert own("old.colleague") == "old"
    assert own("old.colleague", "autre.fr") is None


@pytest.mark.parametrize("local", ["x%elsewhere.org", "elsewhere.org!x", "x@elsewhere.org"])
def test_a_local_part_that_holds_another_address_is_never_handed_on(local: str) -> None:
    assert own(local) is None


def test_a_rule_that_holds_says_why() -> None:
    assert held_for(rule(via="hold", text="spam wave")) == "spam wave"
    assert held_for(rule(via="hold")) == "the route r holds it"
    assert held_for(rule(via="mx")) == held_for(None) == ""


def test_the_text_of_a_rule_that_refuses_is_written_without_accents() -> None:
    text = "Écrivez à\r\nl'académie « demain »"
    assert reply_text(rule(via="refuse", text=text)) == "Ecrivez a l'academie ? demain ?"


@given(st.text(max_size=600))
def test_any_text_of_a_rule_fits_in_one_line_of_ascii(text: str) -> None:
    told = reply_text(rule(via="refuse", text=text))
    assert all(" " <= character <= "~" for character in told)
    assert len(told) <= MAX_TEXT_LENGTH


def test_the_schedule_is_what_the_settings_say() -> None:
    schedule = make_schedule(DeliverySettings(retry_minutes=(5, 10), delay_notice_hours=(24, 2)))
    assert list(schedule.retry_after_s) == [300, 600]
    assert schedule.expire_after_s == 5 * 86_400
    assert list(schedule.notice_after_s) == [7200, 86_400]
