"""A rule whose host is this service: mail would go in circles, and `config check` says so."""

from __future__ import annotations

from typing import Any

import pytest

from mailserver.routing.ourselves import addresses_of_host, circles
from mailserver.settings.model import Settings

NAMES = {"us.test": ["198.51.100.1", "127.0.0.1"], "gate.test": ["203.0.113.9"], "nobody.test": []}


def settings_with(rule: dict[str, Any], **sections: Any) -> Settings:
    service = {"domain": "a.test", "hostname": "mail.a.test"}
    smtp = {"mx": ["127.0.0.1:2525"], "submission": ["[::1]:2587"], "submissions": []}
    routes = [{"name": "r", "via": "smarthost", **rule}]
    told = {"service": service, "smtp": smtp, "routes": routes, **sections}
    return Settings.model_validate(told)


def found(settings: Settings) -> list[str]:
    return list(
        circles(settings, lambda host: NAMES[host] if host in NAMES else addresses_of_host(host))
    )


@pytest.mark.parametrize(
    "rule",
    [
        {"host": "127.0.0.1", "port": 2525},
        {"host": "::ffff:127.0.0.1", "port": 2525},
        {"host": "::1", "port": 2587},
        {"host": "0.0.0.0", "port": 9},
        {"host": "us.test", "port": 2525},
        {"host": "US.test.", "port": 2525, "via": "lmtp"},
        {"host": "localhost", "port": 2525},
        {"host": "Mail.A.test", "port": 9},
    ],
    ids=str,
)
def test_a_host_that_is_this_service_under_any_name(rule: dict[str, Any]) -> None:
    (words,) = found(settings_with(rule))
    assert "the route r leads back here" in words


@pytest.mark.parametrize(
    "rule",
    [
        {"host": "127.0.0.1", "port": 10024},
        {"host": "127.0.0.2", "port": 2525},
        {"host": "gate.test", "port": 25},
        {"host": "nobody.test", "port": 2525},
        {"via": "mx", "host": "127.0.0.1", "port": 2525},
        {"host": ""},
    ],
    ids=str,
)
def test_another_program_on_this_machine_and_hosts_elsewhere_are_none(rule: dict[str, Any]) -> None:
    assert found(settings_with(rule)) == []


def test_what_a_gateway_translates_to_us() -> None:
    settings = settings_with(
        {"host": "gate.test", "port": 25}, delivery={"own_addresses": ["203.0.113.9"]}
    )
    assert len(found(settings)) == 1
