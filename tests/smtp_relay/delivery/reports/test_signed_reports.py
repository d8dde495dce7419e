"""Reports that leave are signed in the service's name, and an independent verifier agrees."""

from __future__ import annotations

import functools

import pytest

from tests.dkim.verifier import NOW_S, make_signer, verdicts, zone_of
from tests.smtp_relay.delivery.reports.report_house import Office
from tests.smtp_relay.inbound.fakes import DOMAIN, NowExecutor


@pytest.mark.parametrize("wants", ["FULL", "HDRS"])
def test_a_report_that_leaves_has_two_good_signatures(wants: str) -> None:
    signer = make_signer(DOMAIN)
    office = Office(NowExecutor(), sign=functools.partial(signer.sign_pieces, now_s=NOW_S))
    office.store.owe(sender="jean@example.org", wants=wants)
    office.reporter.notify()
    (report,) = office.committer.accepted
    message = report.head + office.octets(0)
    assert message.startswith(b"DKIM-Signature: ")
    assert verdicts(message, zone_of(signer)) == [True, True]
    assert verdicts(message.replace(b"Subject: ", b"Subject: x"),
                    zone_of(signer)) == [False, False]  # fmt: skip
