"""Which limit is passed, and what the person reads of it."""

from __future__ import annotations

import pytest

from mailserver.quota.classes import ClassLimits
from mailserver.quota.notice import NoticeReader, sending_held
from mailserver.quota.sending import Passed, decide_held, why_held
from mailserver.store.ports.shared.sending import Sent
from mailserver.values.ids import AcceptId, MailboxId
from mailserver.values.message import InlineBody
from mailserver.values.organisation import Organisation

LIMITS = ClassLimits(
    name="t",
    recipients_per_minute=20,
    recipients_per_10_minutes=30,
    recipients_per_hour=40,
    recipients_per_10_hours=50,
    sends_per_hour=2,
    sends_per_day=4,
    recipients_per_day=8,
    new_recipients_per_day=6,
)


def passed(sent: Sent, limits: ClassLimits = LIMITS) -> Passed:
    found = decide_held(limits, sent)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (Sent(hour_messages=3, day_messages=9), "3 messages in an hour, 2 allowed"),
        (Sent(hour_messages=2, day_messages=5), "5 messages in a day, 4 allowed"),
        (Sent(minute_recipients=21), "21 recipients in a minute, 20 allowed"),
        (Sent(ten_minutes_recipients=31), "31 recipients in ten minutes, 30 allowed"),
        (Sent(hour_recipients=41), "41 recipients in an hour, 40 allowed"),
        (Sent(ten_hours_recipients=51), "51 recipients in ten hours, 50 allowed"),
        (Sent(day_recipients=9), "9 recipients in a day, 8 allowed"),
        (Sent(day_new_recipients=7), "7 new recipients in a day, 6 allowed"),
    ],
)
def test_the_first_limit_that_is_passed_is_named(sent: Sent, words: str) -> None:
    assert why_held(passed(sent), identifier="jean") == f"sending limit of jean: {words}"


@pytest.mark.parametrize(
    "limits",
    [LIMITS, ClassLimits(name="none"), ClassLimits(name="bulk", sends_per_hour=1, is_bulk=True)],
)
def test_up_to_a_limit_without_one_and_in_bulk_nothing_is_held(limits: ClassLimits) -> None:
    at_limit = Sent(
        minute_recipients=20,
        ten_minutes_recipients=30,
        hour_recipients=40,
        ten_hours_recipients=50,
        hour_messages=2,
        day_messages=4,
        day_recipients=8,
        day_new_recipients=6,
    )
    assert decide_held(limits, at_limit) is None


def test_the_letter_is_in_one_language() -> None:
    reader = NoticeReader(mailbox_id=MailboxId(1), address="jean@a.test", language="fr")
    letter = sending_held(
        Organisation(hostname="mail.a.test", domain="a.test"),
        reader,
        identifier="jean",
        passed=passed(Sent(hour_messages=3)),
        accept_id=AcceptId(bytes(15)),
        now_s=0.0,
    )
    assert isinstance(letter.body, InlineBody)
    assert b"(3 messages en une heure, 2 permis)" in letter.body.octets
    assert b"allowed" not in letter.body.octets
