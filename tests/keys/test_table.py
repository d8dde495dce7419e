"""Each door gets its own keys and no others, and the page about security says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailserver.keys.table import NEEDED, KeyKind, files_of, is_needed_by, keys_of
from mailserver.settings.model import Settings
from mailserver.supervisor.doors import DOOR_MODULES

SETTINGS = Settings.model_validate(
    {
        "service": {"domain": "a.test", "hostname": "mail.a.test"},
        "routes": [
            {
                "name": "provider",
                "via": "smarthost",
                "host": "relay.example.net",
                "user_name": "us",
                "password_file": "provider.txt",
            }
        ],
    }
)


def test_every_door_stands_in_the_table() -> None:
    assert set(NEEDED) == set(DOOR_MODULES)


def test_only_delivery_has_the_passwords_of_smarthosts() -> None:
    password = Path("provider.txt")
    assert [door for door in NEEDED if password in keys_of(door, SETTINGS)] == ["delivery"]


def test_the_certificates_key_is_not_for_who_speaks_no_tls() -> None:
    has_it = {door for door in NEEDED if SETTINGS.tls.key in keys_of(door, SETTINGS)}
    assert has_it == {"smtp", "pop3", "web"}


def test_a_door_that_nobody_knows_gets_nothing() -> None:
    assert keys_of("attic", SETTINGS) == ()


def test_without_signing_there_is_no_signing_key() -> None:
    off = SETTINGS.model_copy(update={"dkim": SETTINGS.dkim.model_copy(update={"enabled": False})})
    assert files_of(KeyKind.DKIM, off) == ()
    assert len(files_of(KeyKind.DKIM, SETTINGS)) == 2


@pytest.mark.parametrize(
    ("doors", "settings"),
    [
        (["delivery"], {"dkim.folder", "routes.password_file"}),
        (["keeper"], {"auth.numen_key"}),
        (["keeper", "web"], {"auth.numen_key", "tls.certificate", "tls.key"}),
        ([], set()),
    ],
)
def test_a_setting_that_names_a_key_is_of_those_who_get_it(
    doors: list[str], settings: set[str]
) -> None:
    of_keys = {"dkim.folder", "routes.password_file", "auth.numen_key"}
    of_keys |= {"tls.certificate", "tls.key"}
    assert {name for name in of_keys if is_needed_by(doors, name)} == settings
    assert is_needed_by(doors, "store.path")
