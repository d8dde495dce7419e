"""Keys that others can read or replace are found, each with its cure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mailserver.settings.check.finding import Level
from mailserver.settings.check.keys import check_keys
from mailserver.settings.model import Settings

US = os.geteuid()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    tree: dict[str, dict[str, Any]] = {
        "service": {"domain": "a.test", "hostname": "mail.a.test"},
        "store": {"path": tmp_path / "store"},
        "tls": {"certificate": tmp_path / "tls/certificate.pem", "key": tmp_path / "tls/key.pem"},
        "auth": {"numen_key": tmp_path / "numen.key"},
        "dkim": {"folder": tmp_path / "dkim", "selectors": ["mo1"]},
    }
    made = Settings.model_validate(tree)
    for path in (
        made.tls.key,
        made.auth.numen_key,
        made.dkim.folder / "mo1.pem",
        made.store.path / "srs.key",
    ):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(b"key")
        path.chmod(0o600)
    tmp_path.chmod(0o700)
    return made


def test_private_keys_in_private_folders_are_good(settings: Settings) -> None:
    assert list(check_keys(settings, started_by=US)) == []


@pytest.mark.parametrize("name", ["numen.key", "store/srs.key"])
@pytest.mark.parametrize(("mode", "level"), [(0o604, Level.ERROR), (0o640, Level.WARNING)])
def test_a_key_that_others_read_is_found(
    settings: Settings, tmp_path: Path, name: str, mode: int, level: Level
) -> None:
    (tmp_path / name).chmod(mode)
    (finding,) = check_keys(settings, started_by=US)
    assert finding.level is level
    assert str(tmp_path / name) in finding.sentence
    assert "chmod 600" in finding.sentence


@pytest.mark.parametrize("name", ["tls", "dkim", "."])
def test_a_folder_in_which_others_write_is_found(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).chmod(0o720)
    (finding,) = check_keys(settings, started_by=US)
    assert "put another key there" in finding.sentence


@pytest.mark.skipif(US != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["numen.key", "tls/key.pem", "dkim/mo1.pem"])
def test_a_key_of_somebody_else_is_found(settings: Settings, tmp_path: Path, name: str) -> None:
    os.chown(tmp_path / name, 4242, 4242)
    (finding,) = check_keys(settings, started_by=US)
    assert "belongs to user 4242" in finding.sentence
