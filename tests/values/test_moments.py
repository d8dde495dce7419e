"""Moments as people read them: in the service's time zone, summer and winter."""

from __future__ import annotations

import time

import pytest

from mailserver.quota.notice import NoticeReader, nearly_full
from mailserver.settings.model import ServiceSettings
from mailserver.values.ids import MailboxId, make_accept_id
from mailserver.values.message import InlineBody
from mailserver.values.moments import BadZone, day_words, local_time, mail_date, zone_named
from mailserver.values.organisation import Organisation

WINTER_S, SUMMER_S = 1_795_480_200.0, 1_782_900_000.0  # 24 November 2026, 1 July 2026


@pytest.mark.parametrize(
    ("zone", "at_s", "date"),
    [
        ("Europe/Paris", WINTER_S, "Tue, 24 Nov 2026 01:30:00 +0100"),
        ("Europe/Paris", SUMMER_S, "Wed, 01 Jul 2026 12:00:00 +0200"),
        ("Indian/Reunion", WINTER_S, "Tue, 24 Nov 2026 04:30:00 +0400"),
        ("America/Martinique", WINTER_S, "Mon, 23 Nov 2026 20:30:00 -0400"),
        ("UTC", WINTER_S, "Tue, 24 Nov 2026 00:30:00 +0000"),
    ],
)
def test_a_date_of_mail_is_said_where_its_reader_lives(zone: str, at_s: float, date: str) -> None:
    assert mail_date(at_s + 0.7, zone) == date
    assert local_time(at_s, zone).timestamp() == at_s


def test_a_day_is_the_one_of_the_calendar_on_the_wall() -> None:
    late_s = WINTER_S - 3600.0  # 23:30 UTC on the day before
    assert day_words(late_s, "Europe/Paris", is_french=True) == "24/11/2026"
    assert day_words(late_s, "UTC", is_french=False) == "2026-11-23"


def test_without_a_name_the_machine_says_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Indian/Reunion")
    time.tzset()
    try:
        assert zone_named("") is None
        assert mail_date(WINTER_S, "").endswith("+0400")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("zone", ["Paris", "Europe", "+01:00", "/etc/localtime", "../x", "CEST\0"])
def test_what_is_no_zone_says_what_to_write(zone: str) -> None:
    with pytest.raises(BadZone, match="write the IANA name of one, as Europe/Paris"):
        zone_named(zone)
    with pytest.raises(ValueError, match="as Europe/Paris"):
        ServiceSettings(domain="a.test", hostname="mail.a.test", time_zone=zone)


def test_a_notice_bears_local_time_and_its_trace_universal_time() -> None:
    letter = nearly_full(
        Organisation(hostname="mail.a.test", domain="a.test", time_zone="Europe/Paris"),
        NoticeReader(mailbox_id=MailboxId(1), address="a@a.test", language="fr"),
        percent=80,
        accept_id=make_accept_id(WINTER_S, bytes(9)),
        now_s=WINTER_S,
    )
    assert isinstance(letter.body, InlineBody)
    assert b"Date: Tue, 24 Nov 2026 01:30:00 +0100\r\n" in letter.body.octets
    assert b"; Tue, 24 Nov 2026 00:30:00 +0000\r\n" in letter.head
