"""Name servers that loop, lie, are late or say no: the copy, its journey, and good mail beside it.

A real resolver asks a scripted name server over UDP; one run of
`misdeeds.live_through` for the whole table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind
from smtp_relay.delivery.plan import Resolution
from smtp_relay.delivery.resolve.hop_resolver import HopResolver, open_hop_resolver
from tests.smtp_relay.delivery.client.live import run
from tests.smtp_relay.delivery.dns import liar
from tests.smtp_relay.delivery.dns.table import settings_with
from tests.smtp_relay.delivery.misdeeds import Case, Story, live_through
from tests.smtp_relay.delivery.security.policies import KeptPolicies

RECORDS = {
    "loop.test CNAME": ["pool.test."],
    "pool.test CNAME": ["loop.test."],
    "hostloop.test MX": ["10 loop.test."],
    "servfail.test MX": ["10 mx.test."],
    "refused.test MX": ["10 mx.test."],
    "wrongid.test MX": ["10 mx.test."],
    "wrongquestion.test MX": ["10 mx.test."],
    "othername.test MX": ["10 mx.test."],
    "silent.test MX": ["10 mx.test."],
    "hostsilent.test MX": ["10 silent.test."],
    "late.test MX": ["0 ."],
    "null.test MX": ["0 ."],
    "text.test TXT": ['"no mail here"'],
    "ourselves.test MX": ["10 mail.home.test."],
    "nohost.test MX": ["10 nowhere.test."],
}
LIES = {
    "servfail.test": liar.servfail,
    "refused.test": liar.refused,
    "wrongid.test": liar.wrong_id,
    "wrongquestion.test": liar.wrong_question,
    "othername.test": liar.other_name,
    "silent.test": liar.silence,
    "late.test": liar.silence,
}
UNHEARD = {"wrongid", "wrongquestion", "silent", "hostsilent"}
"""For these a resolver with little patience; the others have all the time that they need."""
UNANSWERED = "4.4.3 name servers did not answer for"
KEPT = {
    "loop": f"{UNANSWERED} loop.test: ",
    "hostloop": f"{UNANSWERED} the mail hosts of hostloop.test",
    "servfail": f"{UNANSWERED} servfail.test: SERVFAIL from 127.0.0.1 port ",
    "refused": f"{UNANSWERED} refused.test: REFUSED from 127.0.0.1 port ",
    "wrongid": f"{UNANSWERED} wrongid.test: no answer from 127.0.0.1 port ",
    "wrongquestion": f"{UNANSWERED} wrongquestion.test: no answer from 127.0.0.1 port ",
    "othername": f"{UNANSWERED} othername.test: records of another name in the answer",
    "silent": f"{UNANSWERED} silent.test: no answer from 127.0.0.1 port ",
    "hostsilent": f"{UNANSWERED} ",
    "nohost": "4.4.4 no mail host of nohost.test has an address that we may use",
}
RETURNED = {
    "late": "5.1.10 ",  # heard although it came after good mail to elsewhere had left
    "null": "5.1.10 ",
    "nobody": "5.1.2 the domain nobody.test does not exist",
    "text": "5.1.2 text.test has neither MX nor address records",
    "ourselves": "5.4.6 mail for ourselves.test loops back to this server",
}


@dataclass(frozen=True, slots=True)
class TwoFinders:
    patient: HopResolver
    hasty: HopResolver

    async def find(self, next_hop: str) -> Resolution:
        is_unheard = next_hop.removesuffix(".test") in UNHEARD
        return await (self.hasty if is_unheard else self.patient).find(next_hop)

    def forget(self, next_hop: str) -> None:
        self.patient.forget(next_hop)
        self.hasty.forget(next_hop)


def finder(server: liar.Server, timeout_s: float) -> HopResolver:
    dns = {"servers": (str(server.bind),), "validates": "no", "timeout_s": timeout_s}
    return open_hop_resolver(settings_with(dns=dns), KeptPolicies())


async def ask_the_liar(folder: Path) -> dict[str, Story]:
    cases = [Case(name=name, deed=None) for name in (*KEPT, *RETURNED)]
    async with liar.lying(dict(RECORDS)) as server:
        server.changes.update(LIES)
        finders = TwoFinders(patient=finder(server, 10), hasty=finder(server, 0.05))
        try:
            return await live_through(
                folder,
                cases,
                others=lambda _ports: finders,
                meanwhile=lambda: server.send_late("late.test"),
            )
        finally:
            await finders.patient.close()
            await finders.hasty.close()


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    lived: dict[str, Story] = {}

    async def play() -> None:
        lived.update(await ask_the_liar(tmp_path_factory.mktemp("agency")))

    run(play())
    return lived


@pytest.mark.parametrize("name", KEPT)
def test_what_nobody_answers_is_tried_again(stories: dict[str, Story], name: str) -> None:
    (copy,) = stories[name].copies
    assert copy.state is CopyState.QUEUED
    assert f"deferred: {KEPT[name]}" in stories[name].told
    assert f"waits for {name}.test, next try " in stories[name].told
    assert copy.owed == ()


@pytest.mark.parametrize("name", RETURNED)
def test_what_the_name_servers_rule_out_is_returned(stories: dict[str, Story], name: str) -> None:
    (copy,) = stories[name].copies
    assert copy.state is CopyState.RETURNED
    assert f"returned: {RETURNED[name]}" in stories[name].told
    assert copy.owed == (ReportKind.FAILED,)
