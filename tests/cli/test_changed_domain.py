"""`service.domain` was changed: everything that tells an operator how things are says so."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from mailserver.keeper.keeper import tell_outside
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.supervisor.planning import errors_at_start
from mailserver.telemetry.log import get_log
from tests.cli.conftest import Run

WORDS = "the directory holds"


@pytest.fixture
def changed(service: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As a container's `MAIL_DOMAIN` sets it."""
    monkeypatch.setenv("MAILSERVER_SERVICE__DOMAIN", "nouveau.fr")
    return service


def test_status_counts_who_is_outside(changed: Path, run: Run) -> None:
    said = run("status", "--json", "--config", changed)
    (warning,) = (one for one in json.loads(said.out)["warnings"] if WORDS in one)
    assert "1 account has no other" in warning
    assert "a.test" in warning


def test_config_check_calls_it_an_error_and_the_service_starts(changed: Path, run: Run) -> None:
    said = run("config", "check", "--config", changed)
    assert said.status == 2
    assert "error: service.domain: the directory holds" in said.out
    assert errors_at_start(load_settings(changed))[0] == []


def test_route_says_what_the_door_says(changed: Path, run: Run) -> None:
    said = run("route", "postmaster@a.test", "--config", changed)
    assert "451 4.3.5" in said.out + said.err


def test_the_log_says_it_once_with_numbers(
    changed: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(changed)
    store = open_store(settings)
    with caplog.at_level(logging.ERROR):
        tell_outside(store.people, settings, get_log("test"))
    store.close()
    told = capsys.readouterr().out + caplog.text
    assert told.count(WORDS) == 1
    assert "accounts=1" in told


def test_the_old_domain_among_the_extra_ones_mends_it(
    changed: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILSERVER_SERVICE__EXTRA_DOMAINS", "a.test")
    assert WORDS not in run("status", "--config", changed).out
    assert WORDS not in run("config", "check", "--config", changed).out


GONE = "was ours, and is not among"


def test_an_extra_domain_that_is_gone_is_told_until_it_is_given_up(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILSERVER_SERVICE__EXTRA_DOMAINS", "alias.test")
    settings = load_settings(service)
    store = open_store(settings)
    tell_outside(store.people, settings, get_log("test"))
    store.close()
    assert GONE not in run("status", "--config", service).out
    monkeypatch.delenv("MAILSERVER_SERVICE__EXTRA_DOMAINS")
    assert f"alias.test {GONE}" in run("status", "--config", service).out
    assert f"alias.test {GONE}" in run("config", "check", "--config", service).out
    said = run("route", "postmaster@alias.test", "--config", service)
    assert "451 4.3.5" in said.out + said.err
    monkeypatch.setenv("MAILSERVER_SERVICE__FORMER_DOMAINS", "alias.test")
    assert GONE not in run("status", "--config", service).out


def test_a_former_domain_that_is_ours_is_a_contradiction(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILSERVER_SERVICE__FORMER_DOMAINS", "A.test")
    assert "error: service.former_domains" in run("config", "check", "--config", service).out


def test_config_check_warns_of_a_route_that_leads_back(
    service: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = 62525
    monkeypatch.setenv("MAILSERVER_SMTP__MX", f"127.0.0.1:{port}")
    rule = f"""
[[routes]]
name = "round"
via = "smarthost"
host = "localhost"
port = {port}
"""
    service.write_text(service.read_text("utf-8") + rule, encoding="utf-8")
    said = run("config", "check", "--config", service)
    assert "warning: routes.host: the route round leads back here: localhost" in said.out
