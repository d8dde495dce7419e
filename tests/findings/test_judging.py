"""What `status` finds in facts that are made up: a sentence for each, its level, what to do."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailserver.cli.probe import Answer
from mailserver.cli.status.facts import DoorFacts, Facts
from mailserver.cli.status.findings import all_findings, check_served
from mailserver.cli.status.store import check_queue
from mailserver.settings.bind import Bind
from mailserver.settings.listeners import KINDS, WantedListener
from mailserver.settings.model import Settings
from mailserver.setup.certificate import issue
from mailserver.store.ports.operators import DestinationState
from mailserver.supervisor.board import Waits

NOW_S = 1_800_000_000.0
SMTP = WantedListener(KINDS[0], Bind("127.0.0.1", 25))


def settings(tmp_path: Path, **sections: dict[str, Any]) -> Settings:
    (tmp_path / "store").mkdir(mode=0o700, exist_ok=True)
    tree: dict[str, Any] = {
        "service": {"domain": "a.test", "hostname": "mail.a.test"},
        "store": {"path": tmp_path / "store", "min_free_mib": 0},
        "tls": {"certificate": tmp_path / "c.pem", "key": tmp_path / "k.pem"},
        "classes": [{"name": "default", "quota_mib": 100}],
        **sections,
    }
    return Settings.model_validate(tree)


def slot(**changes: Any) -> dict[str, Any]:
    well = {
        "name": "smtp.0",
        "pid": 7,
        "lived_s": 500.0,
        "silent_s": 0.5,
        "death_count": 0,
        "replaced_count": 0,
        "last_status": 0,
        "waits": 0,
    }
    return well | changes


def told(
    tmp_path: Path,
    *,
    counters: dict[str, float] | None = None,
    processes: list[dict[str, Any]] | None = None,
    answers: list[Answer] | None = None,
    **sections: dict[str, Any],
) -> str:
    reports = {"smtp.0": counters or {}}
    door = DoorFacts(
        name="smtp",
        answers=answers or [],
        reports=reports,
        processes=processes or [],
        is_elsewhere=False,
        is_off=False,
    )
    facts = Facts(
        settings=settings(tmp_path, **sections),
        now_s=NOW_S,
        reports=reports,
        supervisors=[],
        doors=[door],
    )
    return "\n".join(
        f"{one.level.value}: {one.sentence}"
        for one in all_findings(facts)
        if "in memory" not in one.sentence and one.key != "memory"
    )


def test_a_service_that_is_well_has_no_finding(tmp_path: Path) -> None:
    counters = {"accepted_messages": 1e6, "refused_messages": 10.0, "tls.failed.looked_in": 1e6}
    counters |= {"refused.because.password": 199.0}
    assert told(tmp_path, counters=counters, processes=[slot()]) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"pid": 0, "silent_s": None, "death_count": 4, "last_status": 75},
            "error: smtp.0 is down: it died 4 times, the last time with status 75",
        ),
        ({"death_count": 5, "lived_s": 3.0}, "error: smtp.0 dies again and again (5 times"),
        ({"silent_s": 14.0}, "error: smtp.0 has not answered for 14 s: it is replaced after 30 s"),
        ({"silent_s": 60.0, "waits": Waits.DISK}, "it waits for the disk"),
        ({"silent_s": 60.0, "waits": Waits.PROCESSOR}, "it gets no processor time"),
        ({"silent_s": None, "lived_s": 300.0}, "warning: smtp.0 has been starting for 300 s"),
        ({"replaced_count": 2, "death_count": 2}, "warning: smtp.0 was replaced 2 times"),
    ],
)
def test_what_is_wrong_with_a_process(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in told(tmp_path, processes=[slot(**changes)])


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        ({"tls.failed.old_version": 80.0, "tls.failed.not_tls": 30.0}, "110 handshakes failed"),
        ({"refused_messages": 300.0}, "note: 300 messages refused after their last dot"),
        (
            {
                "refused.because.unknown_recipient": 900.0,
                "refused.because.unknown_recipient.from.203.0.113.0/24": 850.0,
            },
            "since the workers started, 850 of them for 203.0.113.0/24: few networks: somebody",
        ),
        (
            {"refused.because.domain_not_set": 200.0},
            "warning: 200 addresses put off, which the directory has at a domain that is not ours",
        ),
        (
            {"refused.because.password": 150.0, "refused.because.command": 60.0},
            "note: 210 refusals since the workers started, few of each kind (150 sign-ins refused",
        ),
        ({"failed_messages": 1.0}, "warning: 1 messages not stored, by our fault"),
        ({"refused.no_room": 3.0}, "warning: 3 messages were put off because the disk was short"),
        ({"refused.quota": 2.0}, "2 messages were put off (452 4.3.1) since the workers started"),
        ({"refused.quota": 2.0}, "because the disk quota of the service's user is used up"),
        ({"refused.file_size": 2.0}, "lift the limit (`ulimit -f unlimited`"),
        ({"refused.no_descriptors": 9.0}, "9 connections were turned away because descriptors"),
        ({"tls.refused_file": 1.0}, "error: smtp: the new certificate cannot be used"),
        ({"wal_octets": 1e9}, "warning: the write-ahead log is 954 MiB long"),
        ({"open_relay": 1.0}, "error: this service would relay for strangers"),
    ],
)
def test_what_is_wrong_with_counters(
    tmp_path: Path, counters: dict[str, float], words: str
) -> None:
    assert words in told(tmp_path, counters=counters)


def test_a_supervisor_that_is_stopped_is_a_warning_that_says_what_to_do(tmp_path: Path) -> None:
    facts = Facts(
        settings=settings(tmp_path),
        now_s=NOW_S,
        reports={},
        supervisors=[],
        silent_supervisors=[4711],
    )
    (finding,) = [one for one in all_findings(facts) if one.key == "service"]
    assert finding.level.value == "warning"
    assert finding.sentence.startswith("the supervisor (process 4711) does not answer")
    assert "`kill -CONT 4711`" in finding.sentence


def test_limits_that_are_off_are_a_note(tmp_path: Path) -> None:
    assert "note: nobody's mailbox" in told(tmp_path, classes=[])  # type: ignore[arg-type]


def test_a_listener_that_is_down_is_an_error_that_names_it(tmp_path: Path) -> None:
    said = told(tmp_path, answers=[Answer(SMTP, "Connection refused")])
    assert "error: smtp is down (mx 127.0.0.1:25: Connection refused)" in said


def served(tmp_path: Path, certificate: bytes, *, changed_ago_s: float = 3600.0) -> list[str]:
    issue(["mail.a.test"]).write(tmp_path / "c.pem", tmp_path / "k.pem")
    facts = Facts(
        settings=settings(tmp_path),
        now_s=time.time() + changed_ago_s,
        reports={},
        supervisors=[],
        doors=[
            DoorFacts(
                name="smtp",
                answers=[Answer(SMTP, "", certificate)],
                reports={},
                processes=[],
                is_elsewhere=False,
                is_off=False,
            )
        ],
    )
    return [one.sentence for one in check_served(facts)]


def test_a_certificate_that_is_not_that_of_the_file_is_named_by_listener(tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    other = x509.load_pem_x509_certificate(issue(["mail.a.test"]).certificate_pem)
    (sentence,) = served(tmp_path, other.public_bytes(Encoding.DER))
    assert sentence.startswith("mx 127.0.0.1:25 serves another certificate, which expires on ")
    (tmp_path / "k.pem").unlink()
    assert not served(tmp_path, other.public_bytes(Encoding.DER), changed_ago_s=5.0)


HOP = DestinationState(
    next_hop="example.org",
    first_count=0,
    waiting_count=3,
    leased_count=0,
    held_count=0,
    next_due_at_s=NOW_S + 60,
    not_before_s=0.0,
    failure_count=1,
    last_error="",
    last_error_at_s=None,
    suspended_until_s=None,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"not_before_s": NOW_S + 10 * 86_400}, "rests for longer than the schedule lets it"),
        ({"not_before_s": NOW_S + 3600}, None),
        ({"next_due_at_s": NOW_S - 3600}, "3 copies for example.org have been due for 60 minutes"),
        ({"next_due_at_s": NOW_S - 3600, "leased_count": 1}, None),
        ({"suspended_until_s": float("inf")}, "example.org is suspended, and 3 copies wait"),
        ({"suspended_until_s": float("inf"), "waiting_count": 0}, None),
        ({"held_count": 2}, "2 copies are held"),
        ({"waiting_count": 20_000}, "20,000 copies wait for other servers"),
    ],
)
def test_what_is_wrong_with_the_queue(
    tmp_path: Path, changes: dict[str, Any], words: str | None
) -> None:
    found = list(check_queue(settings(tmp_path), [replace(HOP, **changes)], now_s=NOW_S))
    if words is None:
        assert found == []
    else:
        (finding,) = found
        assert words in finding.sentence


def test_copies_that_wait_while_delivery_is_off_are_a_warning(tmp_path: Path) -> None:
    (finding,) = check_queue(settings(tmp_path, delivery={"processes": 0}), [HOP], now_s=NOW_S)
    assert "nothing leaves this machine, and 3 copies wait" in finding.sentence
