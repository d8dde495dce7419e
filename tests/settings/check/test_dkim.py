"""Keys that cannot sign are worth a look, and never stop a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailserver.dkim.keys import Algorithm, make_key
from mailserver.settings.check.dkim import check_dkim
from mailserver.settings.check.finding import Level
from mailserver.settings.model import DkimSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With one good key, mo2."""
    path = tmp_path / "mo2.pem"
    path.write_bytes(make_key(Algorithm.ED25519))
    path.chmod(0o600)
    return tmp_path


def sentences(folder: Path) -> list[str]:
    findings = list(check_dkim(DkimSettings(folder=folder)))
    assert all(finding.level is Level.WARNING for finding in findings)
    assert all(finding.key == "dkim.folder" for finding in findings)
    return [finding.sentence for finding in findings]


def test_good_keys_have_no_finding(folder: Path) -> None:
    assert list(check_dkim(DkimSettings(folder=folder, selectors=("mo2",)))) == []


def test_a_missing_key_says_what_makes_it(folder: Path) -> None:
    (sentence,) = sentences(folder)
    assert "mo1.pem does not exist" in sentence
    assert "`mailserver dkim keys`" in sentence


def test_a_file_that_is_no_key_is_told(folder: Path) -> None:
    (folder / "mo1.pem").write_bytes(b"x")
    (folder / "mo1.pem").chmod(0o600)
    (sentence,) = sentences(folder)
    assert "is no RSA or Ed25519 key" in sentence


def test_a_key_that_others_can_read_is_told(folder: Path) -> None:
    (folder / "mo2.pem").chmod(0o644)
    assert any("chmod 600" in sentence for sentence in sentences(folder))


def test_where_signing_is_off_no_key_is_missed(folder: Path) -> None:
    assert list(check_dkim(DkimSettings(folder=folder, enabled=False))) == []
