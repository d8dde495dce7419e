"""`status` on what mail to others needs: a name server that answers, keys that sign."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from mailserver.cli.status import outward
from mailserver.cli.status.facts import DoorFacts, Facts
from mailserver.cli.status.outward import check_dns, check_signing
from mailserver.dkim.keys import Algorithm, load_key, make_key
from mailserver.dkim.signer import Signer, signing_report
from mailserver.telemetry.reports import is_counter
from tests.findings.test_judging import NOW_S, settings


def facts_of(tmp_path: Path, report: dict[str, float], **sections: dict[str, object]) -> Facts:
    door = DoorFacts(
        name="delivery",
        answers=[],
        reports={"delivery.0": report} if report else {},
        processes=[],
        is_elsewhere=False,
        is_off=False,
    )
    return Facts(
        settings=settings(tmp_path, **sections),
        now_s=NOW_S,
        reports=door.reports,
        supervisors=[],
        doors=[door],
    )


@contextmanager
def name_server(rcode: dns.rcode.Rcode | None) -> Iterator[str]:
    """On loopback; None: it hears and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                wire, peer = sock.recvfrom(4096)
                if wire == b"end":
                    return
                if rcode is None:
                    continue
                answer = dns.message.make_response(dns.message.from_wire(wire))
                answer.set_rcode(rcode)
                sock.sendto(answer.to_wire(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}"
        finally:
            sock.sendto(b"end", sock.getsockname())
            thread.join()


@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
def test_a_name_server_that_answers_is_no_finding(tmp_path: Path, rcode: dns.rcode.Rcode) -> None:
    with name_server(rcode) as server:
        assert not list(
            check_dns(facts_of(tmp_path, {"open_connections": 0.0}, dns={"servers": [server]}))
        )


@pytest.mark.parametrize(
    ("rcode", "why"),
    [
        (None, "no answer in 0 s"),
        (dns.rcode.REFUSED, "it answers REFUSED"),
        (dns.rcode.SERVFAIL, "it answers SERVFAIL"),
    ],
)
def test_a_name_server_that_is_of_no_use_is_a_warning_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rcode: dns.rcode.Rcode | None, why: str
) -> None:
    monkeypatch.setattr(outward, "ASKED_S", 0.1 if rcode is None else 5.0)
    with name_server(rcode) as server:
        found = list(
            check_dns(facts_of(tmp_path, {"open_connections": 0.0}, dns={"servers": [server]}))
        )
    (finding,) = found
    assert finding.level.value == "warning"
    assert finding.sentence.startswith(f"no name server answers ({server}: {why})")
    assert "mail to other domains waits" in finding.sentence


def test_one_of_two_that_answers_is_a_note(tmp_path: Path) -> None:
    with name_server(dns.rcode.NOERROR) as good, name_server(dns.rcode.REFUSED) as bad:
        facts = facts_of(tmp_path, {"open_connections": 0.0}, dns={"servers": [bad, good]})
        (finding,) = check_dns(facts)
    assert finding.level.value == "note"
    assert bad in finding.sentence
    assert good not in finding.sentence


def test_where_no_agent_runs_nobody_is_asked(tmp_path: Path) -> None:
    assert not list(check_dns(facts_of(tmp_path, {}, dns={"servers": ["127.0.0.1:1"]})))


# --- what signs ------------------------------------------------------------------------


def put_key(tmp_path: Path, selector: str) -> None:
    folder = tmp_path / "dkim"
    folder.mkdir(exist_ok=True)
    path = folder / f"{selector}.pem"
    path.write_bytes(make_key(Algorithm.ED25519))
    path.chmod(0o600)


def signing_with(tmp_path: Path, *selectors: str) -> dict[str, float]:
    """The report of a worker that has read these keys."""
    keys = tuple(load_key(tmp_path / "dkim", selector) for selector in selectors)
    return signing_report(Signer(keys=keys, domains=frozenset({"a.test"}), domain="a.test"))


def told(tmp_path: Path, report: dict[str, float]) -> list[str]:
    dkim = {"folder": tmp_path / "dkim", "selectors": ["x1", "x2"]}
    return [one.sentence for one in check_signing(facts_of(tmp_path, report, dkim=dkim))]


def test_keys_that_are_there_and_sign_are_no_finding(tmp_path: Path) -> None:
    put_key(tmp_path, "x1")
    put_key(tmp_path, "x2")
    report = signing_with(tmp_path, "x1", "x2")
    assert told(tmp_path, report) == []
    assert not any(map(is_counter, report))


def test_a_key_that_is_missing_or_none_says_what_to_do(tmp_path: Path) -> None:
    put_key(tmp_path, "x1")
    report = signing_with(tmp_path, "x1")
    (sentence,) = told(tmp_path, report)
    assert "x2.pem does not exist" in sentence
    assert "`mailserver dkim keys` makes it" in sentence
    (tmp_path / "dkim/x2.pem").write_bytes(b"no key")
    (tmp_path / "dkim/x2.pem").chmod(0o600)
    (sentence,) = told(tmp_path, report)
    assert "x2.pem is no RSA or Ed25519 key" in sentence


def test_a_key_that_came_later_or_was_replaced_is_not_what_signs(tmp_path: Path) -> None:
    put_key(tmp_path, "x1")
    report = signing_with(tmp_path, "x1")
    put_key(tmp_path, "x2")
    (sentence,) = told(tmp_path, report)
    assert sentence.startswith("delivery does not sign with the key of selector x2")
    put_key(tmp_path, "x1")
    replaced, _ = told(tmp_path, report)
    assert replaced.startswith("delivery signs with another key under selector x1")
    assert "SIGHUP" in replaced


def test_a_worker_that_signs_nothing_is_said(tmp_path: Path) -> None:
    put_key(tmp_path, "x1")
    put_key(tmp_path, "x2")
    assert len(told(tmp_path, signing_report(None))) == 2
