"""Whether the resolver's AD bit is believed."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from mailserver.settings.bind import Bind
from mailserver.telemetry.dane import DaneState
from smtp_relay.delivery.dns.answers import Answer
from smtp_relay.delivery.dns.validation import RETRY_S, Validation
from tests.smtp_relay.delivery.dns.table import TableResolver, found, servfail

pytestmark = pytest.mark.asyncio

HERE = (Bind("127.0.0.1", 53),)
SIGNED_ROOT = found("NS", "a.root-servers.test.", signed=True)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def validation(
    answer: Answer, *, servers: tuple[Bind, ...] = HERE, validates: Any = "auto", **more: Any
) -> tuple[Validation, TableResolver]:
    resolver = TableResolver({"NS ": answer})
    return Validation(resolver, servers=servers, validates=validates, **more), resolver


async def test_a_local_resolver_that_marks_the_root_is_believed() -> None:
    one, _ = validation(SIGNED_ROOT)
    assert one.why_not == "the resolver has not been tested yet"
    assert await one.is_trusted()
    assert one.state is DaneState.ON


async def test_a_local_resolver_that_does_not_is_not_and_the_log_says_it_once() -> None:
    with capture_logs() as logs:
        one, resolver = validation(found("NS", "a.root-servers.test."))
        assert not await one.is_trusted()
        assert not await one.is_trusted()
    assert one.why_not == "the resolver does not validate DNSSEC"
    assert one.state is DaneState.NOT_VALIDATING
    assert len(resolver.asked) == 1
    assert [log["event"] for log in logs] == ["DANE is off"]


@pytest.mark.parametrize("servers", [(Bind("192.0.2.1", 53),), (*HERE, Bind("::2", 53))])
async def test_a_resolver_elsewhere_is_not_even_asked(servers: tuple[Bind, ...]) -> None:
    one, resolver = validation(SIGNED_ROOT, servers=servers)
    assert not await one.is_trusted()
    assert not resolver.asked


async def test_the_administrators_word_counts() -> None:
    elsewhere = (Bind("192.0.2.1", 53),)
    yes, _ = validation(servfail(), servers=elsewhere, validates="yes")
    no, _ = validation(SIGNED_ROOT, validates="no")
    assert await yes.is_trusted()
    assert not await no.is_trusted()
    assert no.why_not == "dns.validates is no"


async def test_a_resolver_that_did_not_answer_is_tested_again() -> None:
    clock = Clock()
    one, resolver = validation(servfail(), clock=clock)
    assert not await one.is_trusted()
    assert one.why_not == "the resolver could not be tested: SERVFAIL from 127.0.0.1 port 53"
    resolver.table["NS "] = SIGNED_ROOT
    assert not await one.is_trusted()
    clock.now_s += RETRY_S
    with capture_logs() as logs:
        assert await one.is_trusted()
    assert [log["event"] for log in logs] == ["DANE is on"]
