"""A new service: its files, its postmaster, its records."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mailserver.cli.main import main
from mailserver.dkim.keys import Algorithm, load_key
from mailserver.settings.load import SettingsError, load_settings
from mailserver.settings.model import Settings
from mailserver.setup.service import (
    NewService,
    ServiceExists,
    dkim_records,
    dns_records,
    ensure_postmaster,
    make_certificate,
    make_dkim_keys,
    prepare_store,
    refuse_links,
    write_settings,
)
from mailserver.store.sqlite.store import SqliteStore

WANTED = NewService(domain="a.test", hostname="mail.a.test")


def settings_of(**service: object) -> Settings:
    return Settings.model_validate(
        {"service": {"domain": "a.test", "hostname": "mail.a.test", **service}}
    )


def test_what_was_asked_for_stands_in_the_file(tmp_path: Path) -> None:
    file = write_settings(
        tmp_path / "s",
        NewService(domain="a.test", hostname="mx.a.test", more={"smtp.processes": 3}),
    )
    settings = load_settings(file, {})
    assert settings.service.hostname == "mx.a.test"
    assert settings.smtp.processes == 3
    assert [path.name for path in file.parent.iterdir()] == ["mailserver.toml"]


def test_bad_values_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        write_settings(tmp_path, NewService(domain="a.test", hostname="mail.a.test", language="de"))
    assert list(tmp_path.iterdir()) == []


def test_a_service_is_never_written_over(tmp_path: Path) -> None:
    write_settings(tmp_path, WANTED)
    with pytest.raises(ServiceExists):
        write_settings(tmp_path, WANTED)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o277])
def test_files_have_their_modes_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        settings = load_settings(write_settings(tmp_path / "s", WANTED), {})
        make_certificate(settings)
        make_dkim_keys(settings)
        prepare_store(settings, now_s=0.0)
    finally:
        os.umask(before)
    for path in (tmp_path / "s").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.name in {"mailserver.toml", "certificate.pem"}:
            assert mode == 0o644, path
        else:
            assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("name", ["tls", "dkim", "store"])
def test_a_folder_that_somebody_led_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    settings = load_settings(write_settings(tmp_path / "s", WANTED), {})
    (tmp_path / "s" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="is a link"):
        refuse_links(settings)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_settings_are_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mailserver.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServiceExists):
        write_settings(tmp_path, WANTED)
    assert not (tmp_path / "elsewhere").exists()


def test_no_service_is_made_around_the_store_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In Docker: one whose settings and keys are still in the volume of its mail."""
    old = tmp_path / "new" / "mail"
    old.mkdir(parents=True)
    (old / "mailserver.toml").write_text("")
    monkeypatch.setenv("MAILSERVER_STORE__PATH", "mail/store")
    words = ["init", str(tmp_path / "new"), "--domain", "a.test", "--if-missing"]
    assert main(words) == 2
    assert "belongs to the service of" in capsys.readouterr().err
    assert [one.name for one in (tmp_path / "new").rglob("*")] == ["mail", "mailserver.toml"]


def test_a_certificate_that_is_there_stays(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, WANTED), {})
    assert make_certificate(settings)
    before = settings.tls.certificate.read_bytes()
    assert not make_certificate(settings)
    assert settings.tls.certificate.read_bytes() == before


def test_the_store_is_prepared_as_often_as_one_likes(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, WANTED), {})
    assert prepare_store(settings, now_s=1.0) == 1
    assert prepare_store(settings, now_s=2.0) == 1


def test_the_postmaster_gets_the_roles_of_a_domain_that_is_added(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    ensure_postmaster(store.accounts, settings_of(), now_s=1.0)
    ensure_postmaster(store.accounts, settings_of(extra_domains=("b.test",)), now_s=2.0)
    account = store.accounts.find_account("postmaster")
    assert account is not None
    assert account.addresses == (
        "postmaster@a.test",
        "abuse@a.test",
        "postmaster@b.test",
        "abuse@b.test",
    )
    store.close()


def test_a_role_that_another_account_has_stays_there(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store")
    other = store.accounts.add_account(
        identifier="securite", name="S", addresses=["abuse@a.test"], now_s=1.0
    )
    ensure_postmaster(store.accounts, settings_of(), now_s=1.0)
    assert store.accounts.find_mailbox("abuse@a.test") == other.inbox_id
    store.close()


def test_the_records_are_in_the_form_of_a_zone_file() -> None:
    assert dns_records(settings_of(extra_domains=("é.test",))) == [
        "a.test. IN MX 10 mail.a.test.",
        'a.test. IN TXT "v=spf1 mx -all"',
        "xn--9ca.test. IN MX 10 mail.a.test.",
        'xn--9ca.test. IN TXT "v=spf1 mx -all"',
    ]


def test_keys_are_made_where_they_are_missing(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, WANTED), {})
    first, second = make_dkim_keys(settings)
    assert first == tmp_path / "dkim/mo1.pem"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    before = first.read_bytes()
    second.unlink()
    assert make_dkim_keys(settings) == [second]
    assert first.read_bytes() == before
    folder = settings.dkim.folder
    assert load_key(folder, "mo1").algorithm is Algorithm.RSA
    assert load_key(folder, "mo2").algorithm is Algorithm.ED25519


def test_keys_can_be_made_ahead(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, WANTED), {})
    assert make_dkim_keys(settings, ["mo4"]) == [tmp_path / "dkim/mo4.pem"]
    assert [record.split()[0] for record in dkim_records(settings, ["mo4"])] == [
        "mo4._domainkey.a.test."
    ]
    with pytest.raises(ValueError, match="no selector"):
        make_dkim_keys(settings, ["../mo5"])


def test_the_record_of_each_key_is_published_for_each_domain(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, WANTED), {})
    assert len(dns_records(settings)) == 2
    make_dkim_keys(settings)
    records = dns_records(settings)
    assert [record.split(" IN ")[0] for record in records[2:]] == [
        "mo1._domainkey.a.test.",
        "mo2._domainkey.a.test.",
    ]
    strings = records[2].split('"')[1::2]
    assert len(strings[0]) == 255
    assert "".join(strings) == load_key(settings.dkim.folder, "mo1").record()
    assert dkim_records(settings) == records[2:]
