"""The service finds out by itself that it would relay for strangers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mailserver.values.message import Deposit
from smtp_relay.inbound.service import Counters
from smtp_relay.inbound.stranger import Leak, find_leaks, recipients, stranger_addresses
from smtp_relay.inbound.transaction.recipients import Recipients
from tests.smtp_relay.inbound.fakes import (
    CLEAR_SUBMISSION,
    DOMAIN,
    MARIE_INBOX,
    MX,
    SUBMISSION,
    Hall,
    Stage,
    make_settings,
)
from tests.smtp_relay.inbound.wire import codes

LISTENERS = (MX, SUBMISSION, CLEAR_SUBMISSION)


def hall_with(loop: asyncio.AbstractEventLoop, *trusted: str, **settings: Any) -> Hall:
    return Hall(loop, settings=make_settings(relay={"trusted_networks": trusted}, **settings))


def leaks(hall: Hall) -> list[Leak]:
    return find_leaks(hall.service, LISTENERS)


def test_a_stranger_gets_nowhere_and_leaves_no_trace(
    hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leaks(hall) == []
    assert hall.service.counters == Counters()
    assert hall.service.sessions == set()
    assert hall.service.peers.counters()["peers.recent"] == 0
    assert hall.writer.writes == []
    assert capsys.readouterr().out == ""


def test_a_service_that_trusts_everybody_leaks_on_every_listener(
    loop: asyncio.AbstractEventLoop,
) -> None:
    found = leaks(hall_with(loop, "0.0.0.0/0", "::/0"))
    assert {leak.listener for leak in found} == {"mx", "submission", "submissions"}
    assert found[0].answer.startswith("250 2.1.5")


def test_the_stranger_comes_from_an_address_that_is_not_trusted(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_with(loop, "192.0.2.0/24", "198.51.100.1/32")
    assert stranger_addresses(hall.service) == ["203.0.113.1"]
    assert leaks(hall) == []


def test_the_gateway_is_played_too_and_does_not_relay(loop: asyncio.AbstractEventLoop) -> None:
    hall = hall_with(loop, "172.18.0.0/16")
    hall.service.gateways = frozenset({ip_address("172.18.0.1")})
    assert "172.18.0.1" in stranger_addresses(hall.service)
    assert leaks(hall) == []


def test_a_gateway_in_the_strangers_place_does_not_hide_a_leak(
    loop: asyncio.AbstractEventLoop,
) -> None:
    hall = hall_with(loop, "0.0.0.0/0", "::/0")
    hall.service.gateways = frozenset({ip_address("192.0.2.1")})
    assert stranger_addresses(hall.service) == ["198.51.100.1", "192.0.2.1"]
    assert {leak.peer for leak in leaks(hall)} == {"198.51.100.1"}


def test_a_split_domain_is_no_way_round(loop: asyncio.AbstractEventLoop) -> None:
    rule = {"name": "r", "recipient_domains": [DOMAIN], "via": "smarthost", "host": "x"}
    assert leaks(hall_with(loop, routes=[rule])) == []


def test_a_router_that_takes_everything_is_found(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def takes_all(_self: object, *_: object) -> Deposit:
        return Deposit(mailbox_id=MARIE_INBOX)

    monkeypatch.setattr(Recipients, "decide", takes_all)
    found = leaks(hall)
    assert {leak.listener for leak in found} == {"mx"}
    tried = {leak.recipient for leak in found}
    assert f"<@{DOMAIN}:relay-test@elsewhere.example>" in tried
    assert tried <= set(recipients(DOMAIN))


def test_a_catch_all_takes_no_address_that_hides_another_one(
    loop: asyncio.AbstractEventLoop,
) -> None:
    section = {"catch_all": [{"domain": DOMAIN, "address": f"marie@{DOMAIN}"}]}
    hall = Hall(loop, settings=make_settings(sections=section))
    assert leaks(hall) == []
    asked = f"EHLO x.example\r\nMAIL FROM:<>\r\nRCPT TO:<anyone@{DOMAIN}>\r\n"
    assert codes(Stage(hall).send(asked.encode()))[-1] == "250 2.1.5"


def test_a_listener_that_is_shut_says_421_to_everybody(hall: Hall) -> None:
    stage = Stage(hall, replace(MX, is_shut=True))
    assert codes(stage.heard()) == ["421 4.3.2"]
    assert stage.is_closed
