"""A service whose domain was changed in its settings; its people's addresses are at the old one.

Their mail is put off with 451 4.3.5, from strangers and from themselves, until
somebody mends the setting; nothing is refused for good, and nothing is relayed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailserver.store.outside import Outside
from mailserver.store.ports.people import Life
from mailserver.values.address import Address
from mailserver.values.message import Deposit, Relay
from tests.lists.fakes import mailing_list
from tests.smtp_relay.inbound.fakes import (
    DOMAIN,
    PIERRE_INBOX,
    SUBMISSION,
    WALL_S,
    FakeStore,
    Hall,
    Stage,
    make_settings,
    make_target,
)
from tests.smtp_relay.inbound.wire import AUTH, DATA, HELLO, MAIL, say

NEW = "nouveau.fr"
NOT_NOW = "451 4.3.5"
DENIED = "550 5.7.1"
SIGNED_IN = AUTH + f"MAIL FROM:<marie@{NEW}>\r\n".encode()


ALIAS = "alias.fr"
SERVED = frozenset({(DOMAIN, DOMAIN), (ALIAS, DOMAIN)})


def hall_of(
    loop: asyncio.AbstractEventLoop,
    *,
    outside: int = 3,
    routes: list[dict[str, Any]] | None = None,
    served: frozenset[tuple[str, str]] = frozenset(),
    **sections: Any,
) -> Hall:
    """Its people are at ac-exemple.fr, the service is nouveau.fr; Marie has an address there."""
    store = FakeStore()
    store.outside = Outside({DOMAIN: outside} if outside else {}, outside, 0, served)
    store.mailboxes[f"marie@{NEW}"] = store.mailboxes[f"marie@{DOMAIN}"]
    store.owners[f"marie@{NEW}"] = store.owners[f"marie@{DOMAIN}"]
    service = {"domain": NEW, "hostname": f"mail.{NEW}", "language": "en"}
    settings = make_settings(routes=routes, sections={"service": service, **sections})
    return Hall(loop, settings=settings, store=store)


@pytest.fixture
def hall(loop: asyncio.AbstractEventLoop) -> Hall:
    hall = hall_of(loop)
    listed = mailing_list(f"liste@{DOMAIN}")
    hall.store.lists.lists[listed.address] = listed
    hall.store.targets[listed.address] = make_target(None, list_id=listed.list_id)
    hall.store.targets[f"ce.0170705z@{DOMAIN}"] = make_target(8)
    return hall


def rcpt(address: str) -> bytes:
    return f"RCPT TO:<{address}>\r\n".encode()


HELD = pytest.mark.parametrize(
    "to",
    [
        f"marie.dupont@{DOMAIN}",
        f"marie@{DOMAIN}",
        f"Marie@{DOMAIN.upper()}.",
        f"marie+ski@{DOMAIN}",
        f"ce.0170705z@{DOMAIN}",
        f"liste@{DOMAIN}",
        f"postmaster@{DOMAIN}",
        f"abuse@{DOMAIN}",
        f"SRS0=AAAAAA=BB=example.org=a@{DOMAIN}",
    ],
)


@HELD
def test_mail_from_outside_is_put_off(hall: Hall, to: str) -> None:
    assert say(hall, HELLO + MAIL + rcpt(to))[-1] == NOT_NOW


@HELD
def test_so_is_mail_from_people_who_signed_in(hall: Hall, to: str) -> None:
    assert say(hall, HELLO + SIGNED_IN + rcpt(to), listener=SUBMISSION)[-1] == NOT_NOW


@pytest.mark.parametrize("to", [f"nobody@{DOMAIN}", f"mar@{DOMAIN}", "marie@elsewhere.test"])
def test_strangers_learn_nothing_else_and_relay_nothing(hall: Hall, to: str) -> None:
    assert say(hall, HELLO + MAIL + rcpt(to))[-1] == DENIED


def test_one_refusal_does_not_decide_for_the_next_recipient_of_that_domain(hall: Hall) -> None:
    said = say(hall, HELLO + MAIL + rcpt(f"nobody@{DOMAIN}") + rcpt(f"marie@{DOMAIN}"))
    assert said[-2:] == [DENIED, NOT_NOW]


def test_who_has_an_address_at_the_new_domain_gets_mail_there(hall: Hall) -> None:
    assert say(hall, HELLO + MAIL + rcpt(f"marie@{NEW}"))[-1] == "250 2.1.5"
    assert say(hall, HELLO + MAIL + rcpt(f"pierre@{NEW}"))[-1] == "550 5.1.1"


def test_ones_own_address_at_the_old_domain_is_put_off_as_a_sender(hall: Hall) -> None:
    for address in (f"marie@{DOMAIN}", f"marie+x@{DOMAIN}"):
        told = say(hall, HELLO + AUTH + f"MAIL FROM:<{address}>\r\n".encode(), listener=SUBMISSION)
        assert told[-1] == NOT_NOW
    of_pierre = HELLO + AUTH + f"MAIL FROM:<pierre@{DOMAIN}>\r\n".encode()
    assert say(hall, of_pierre, listener=SUBMISSION)[-1].startswith("5")


def test_so_it_is_in_from(hall: Hall) -> None:
    envelope = HELLO + SIGNED_IN + rcpt("a@example.org") + DATA
    text = f"From: Marie <marie@{DOMAIN}>\r\nSubject: x\r\n\r\nhello\r\n.\r\n".encode()
    assert say(hall, envelope + text, listener=SUBMISSION)[-1] == NOT_NOW
    other = text.replace(b"<marie@", b"<pierre@")
    assert say(hall, envelope + other, listener=SUBMISSION)[-1].startswith("5")


def test_a_catch_all_of_the_old_domain_takes_nothing_and_refuses_nothing(
    loop: asyncio.AbstractEventLoop,
) -> None:
    catch_all = [{"domain": DOMAIN, "address": f"pierre@{DOMAIN}"}]
    hall = hall_of(loop, outside=0, catch_all=catch_all)
    assert say(hall, HELLO + MAIL + rcpt(f"whoever@{DOMAIN}"))[-1] == NOT_NOW


def test_a_domain_that_a_rule_sends_elsewhere_is_where_its_rule_says(
    loop: asyncio.AbstractEventLoop,
) -> None:
    rule = {"name": "old", "recipient_domains": [DOMAIN], "via": "smarthost", "host": "old.test"}
    hall = hall_of(loop, routes=[rule])
    told = say(hall, HELLO + SIGNED_IN + rcpt(f"marie@{DOMAIN}"), listener=SUBMISSION)
    assert told[-1] == "250 2.1.5"
    assert say(hall, HELLO + MAIL + rcpt(f"marie@{DOMAIN}"))[-1] == DENIED


def test_what_is_forwarded_to_an_address_of_ours_at_the_old_domain_is_deposited(
    hall: Hall,
) -> None:
    to = f"marie@{NEW}"
    hall.store.targets[to] = make_target(7, forward_to=f"pierre@{DOMAIN}", keeps_copy=False)
    text = b"From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
    assert say(hall, HELLO + MAIL + rcpt(to) + DATA + text)[-1] == "250 2.0.0"
    routes = [copy.route for copy in hall.writer.writes[-1].copies]
    assert routes == [Deposit(mailbox_id=PIERRE_INBOX)]
    assert not any(isinstance(route, Relay) for route in routes)


def test_life_tells_nothing_at_the_old_domain(hall: Hall) -> None:
    hall.store.targets[f"left@{DOMAIN}"] = make_target(9, life=Life.LEFT)
    assert say(hall, HELLO + MAIL + rcpt(f"left@{DOMAIN}"))[-1] == NOT_NOW


def test_a_report_for_a_sender_at_the_old_domain_is_put_off(hall: Hall) -> None:
    kept = hall.service.srs.rewrite(Address("marie", DOMAIN), now_s=WALL_S)
    assert kept is not None
    told = say(hall, HELLO + b"MAIL FROM:<>\r\n" + rcpt(f"{kept.local}@{NEW}"))
    assert told[-1] == NOT_NOW


def test_without_a_changed_domain_nothing_is_looked_up_for_other_domains(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_of(loop, outside=0)
    hall.store.breaks_look_up = True
    assert say(hall, HELLO + MAIL + rcpt("marie@elsewhere.test"))[-1] == DENIED


# --- a further domain, where people answered by the principal one --------------------------------


def hall_without_alias(
    loop: asyncio.AbstractEventLoop, *, routes: list[dict[str, Any]] | None = None, **service: Any
) -> Hall:
    """Its people are at ac-exemple.fr, as ever; alias.fr was one of its domains."""
    store = FakeStore()
    store.outside = Outside({}, 0, 0, SERVED)
    told = {"domain": DOMAIN, "hostname": f"mail.{DOMAIN}", "language": "en", **service}
    return Hall(
        loop, settings=make_settings(routes=routes, sections={"service": told}), store=store
    )


BY_ALIAS = pytest.mark.parametrize(
    "to",
    [
        f"marie@{ALIAS}",
        f"Marie+ski@{ALIAS.upper()}.",
        f"postmaster@{ALIAS}",
        f"abuse@{ALIAS}",
    ],
)


@BY_ALIAS
def test_who_answered_by_a_domain_that_is_gone_is_put_off(
    loop: asyncio.AbstractEventLoop, to: str
) -> None:
    hall = hall_without_alias(loop)
    assert say(hall, HELLO + MAIL + rcpt(to))[-1] == NOT_NOW
    mine = AUTH + f"MAIL FROM:<marie@{DOMAIN}>\r\n".encode()
    assert say(hall, HELLO + mine + rcpt(to), listener=SUBMISSION)[-1] == NOT_NOW


@BY_ALIAS
def test_with_the_principal_domain_changed_too(loop: asyncio.AbstractEventLoop, to: str) -> None:
    assert say(hall_of(loop, served=SERVED), HELLO + MAIL + rcpt(to))[-1] == NOT_NOW


def test_a_further_domain_that_stayed_while_the_principal_one_changed(
    loop: asyncio.AbstractEventLoop,
) -> None:
    service = {
        "domain": NEW,
        "extra_domains": (ALIAS,),
        "hostname": f"mail.{NEW}",
        "language": "en",
    }
    catch_all = [{"domain": ALIAS, "address": f"pierre@{DOMAIN}"}]
    hall = hall_of(loop, served=SERVED, service=service, catch_all=catch_all)
    del hall.store.mailboxes[f"marie@{NEW}"]
    assert say(hall, HELLO + MAIL + rcpt(f"marie@{ALIAS}"))[-1] == NOT_NOW
    assert say(hall, HELLO + MAIL + rcpt(f"nobody@{ALIAS}"))[-1] == "250 2.1.5"  # catch-all


@pytest.mark.parametrize(
    "to", [f"nobody@{ALIAS}", f"marie@sub.{ALIAS}", f"marie@x{ALIAS}", "marie@elsewhere.test"]
)
def test_what_never_answered_there_is_refused_to_strangers(
    loop: asyncio.AbstractEventLoop, to: str
) -> None:
    assert say(hall_without_alias(loop), HELLO + MAIL + rcpt(to))[-1] == DENIED


def test_guessing_at_a_domain_that_was_ours_counts_as_at_ours(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_without_alias(loop)
    most = hall.service.settings.smtp.max_unknown_recipients
    guesses = b"".join(rcpt(f"guess{number}@{ALIAS}") for number in range(most))
    assert b"Too many unknown recipients" in Stage(hall).send(HELLO + MAIL + guesses)
    elsewhere = guesses.replace(ALIAS.encode(), b"never.test")
    assert b"Too many unknown recipients" not in Stage(hall).send(HELLO + MAIL + elsewhere)


@pytest.mark.parametrize("by", ["setting", "rule"])
def test_a_domain_that_is_given_up_is_refused_for_good(
    loop: asyncio.AbstractEventLoop, by: str
) -> None:
    rule = {"name": "gone", "recipient_domains": [ALIAS], "via": "mx"}
    hall = (
        hall_without_alias(loop, former_domains=(ALIAS,))
        if by == "setting"
        else hall_without_alias(loop, routes=[rule])
    )
    assert say(hall, HELLO + MAIL + rcpt(f"marie@{ALIAS}"))[-1] == DENIED
    mine = AUTH + f"MAIL FROM:<marie@{DOMAIN}>\r\n".encode()
    assert say(hall, HELLO + mine + rcpt(f"marie@{ALIAS}"), listener=SUBMISSION)[-1] == "250 2.1.5"


def test_an_old_principal_domain_that_is_given_up_is_refused_for_good(
    loop: asyncio.AbstractEventLoop,
) -> None:
    service = {
        "domain": NEW,
        "former_domains": (DOMAIN,),
        "hostname": f"mail.{NEW}",
        "language": "en",
    }
    hall = hall_of(loop, served=SERVED, service=service)
    assert say(hall, HELLO + MAIL + rcpt(f"marie@{DOMAIN}"))[-1] == DENIED


def test_ones_own_address_at_a_domain_that_is_gone_is_put_off_as_a_sender(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_without_alias(loop)
    for name, answer in (("marie", NOT_NOW), ("marie+x", NOT_NOW), ("pierre", "5")):
        talk = HELLO + AUTH + f"MAIL FROM:<{name}@{ALIAS}>\r\n".encode()
        assert say(hall, talk, listener=SUBMISSION)[-1].startswith(answer)
