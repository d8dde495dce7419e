"""An `init` that was killed is made whole by the next one, or it says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailserver.settings.load import load_settings
from mailserver.setup.service import NewService, make_certificate, write_settings
from tests.cli.conftest import Run, new_service, run, service

__all__ = ["new_service", "run", "service"]

ROOT = Path(__file__).parents[2]
WORDS = ("--domain", "a.test", "--high-ports")


@pytest.mark.slow
@pytest.mark.parametrize("step", [11, pytest.param(1, marks=[pytest.mark.heavy])])
def test_init_killed_before_any_change_to_the_disk_is_made_whole_by_the_next(
    tmp_path: Path, step: int
) -> None:
    words = [sys.executable, "-m", "tests.setup.killed", str(tmp_path), str(step)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lines) >= 50 // step
    assert [line for line in lines if not line.endswith(" ok")] == []


def half_made(service: Path, *names: str) -> Path:
    """As before the settings got their name."""
    service.rename(service.with_name("mailserver.toml.new"))
    for name in names:
        (service.parent / name).unlink()
    return service.parent


def test_a_certificate_without_its_key_is_said_in_one_sentence(service: Path, run: Run) -> None:
    folder = half_made(service, "tls/key.pem")
    said = run("init", folder, *WORDS)
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert f"is there without its key {folder / 'tls/key.pem'}" in said.err
    assert not (folder / "mailserver.toml").exists()


def test_a_key_that_is_spoilt_is_said_in_one_sentence(service: Path, run: Run) -> None:
    folder = half_made(service, "tls/certificate.pem")
    (folder / "tls/key.pem").write_text("")
    said = run("init", folder, *WORDS)
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert "remove it, or put both there" in said.err


def test_a_key_of_a_kind_that_mail_programs_do_not_know_gets_no_certificate(
    service: Path, run: Run
) -> None:
    folder = half_made(service, "tls/certificate.pem")
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tls/key.pem").write_bytes(pem)
    assert run("init", folder, *WORDS).status == 2


def test_a_key_alone_stays_and_gets_its_certificate(tmp_path: Path) -> None:
    wanted = NewService(domain="a.test", hostname="mail.a.test")
    settings = load_settings(write_settings(tmp_path, wanted), {})
    assert make_certificate(settings)
    key = settings.tls.key.read_bytes()
    settings.tls.certificate.unlink()
    assert make_certificate(settings)
    assert settings.tls.key.read_bytes() == key
    assert not make_certificate(settings)


def test_drafts_of_others_are_not_swept_away(service: Path, run: Run) -> None:
    folder = half_made(service)
    for name in ("numen.key.bak", "numen.key.new"):
        (folder / name).write_text("x")
    assert run("init", folder, *WORDS).status == 0
    assert (folder / "numen.key.bak").exists()
    assert not (folder / "numen.key.new").exists()
