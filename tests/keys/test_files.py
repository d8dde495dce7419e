"""Keys come from memory where a parent filled it, and from files where none did."""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailserver.keys import files
from mailserver.keys.files import adopt, named, pack, read_key, stamp_of
from mailserver.setup.certificate import issue
from mailserver.supervisor.master.keyring import Keyring


@pytest.fixture(autouse=True)
def _nothing_handed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_handed", {})
    monkeypatch.setattr(files, "_PAUSE_S", 0.0)


@pytest.fixture
def keyring() -> Iterator[Keyring]:
    keyring = Keyring()
    yield keyring
    keyring.close()


def test_a_key_that_was_not_handed_down_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"octets")
    assert read_key(path) == b"octets"


def test_a_handed_key_is_read_though_its_file_is_gone(tmp_path: Path, keyring: Keyring) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"octets")
    adopt(keyring.fds_of([str(path)]))
    path.unlink()
    assert read_key(path) == b"octets"


def test_a_changed_file_has_another_stamp_and_its_new_octets(
    tmp_path: Path, keyring: Keyring
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    adopt(keyring.fds_of([str(path)]))
    before = stamp_of(path)
    assert keyring.refresh() == []
    path.write_bytes(b"new, and longer")
    assert keyring.refresh() == [str(path)]
    assert stamp_of(path) != before
    assert read_key(path) == b"new, and longer"


def test_why_a_file_could_not_be_read_is_told_as_if_we_had_tried(
    tmp_path: Path, keyring: Keyring
) -> None:
    path = tmp_path / "none"
    adopt(keyring.fds_of([str(path)]))
    with pytest.raises(FileNotFoundError) as caught:
        read_key(path)
    assert caught.value.filename == str(path)
    path.write_bytes(b"there")
    keyring.refresh()
    assert read_key(path) == b"there"


def test_what_is_half_written_is_no_key(tmp_path: Path) -> None:
    fd = os.memfd_create("key")
    os.write(fd, pack(b"a whole key")[:-1])
    path = tmp_path / "key"
    adopt([(str(path), fd)])
    with pytest.raises(OSError, match="spoilt"):
        read_key(path)
    os.close(fd)


def test_who_gets_a_key_cannot_write_it(tmp_path: Path, keyring: Keyring) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"octets")
    ((_, fd),) = keyring.fds_of([str(path)])
    with pytest.raises(OSError, match="descriptor") as caught:
        os.pwrite(fd, b"x", 0)
    assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize("is_handed", [False, True])
def test_a_library_that_wants_files_gets_names(
    tmp_path: Path, keyring: Keyring, *, is_handed: bool
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issue(["mail.a.test"]).write(certificate, key)
    if is_handed:
        adopt(keyring.fds_of([str(certificate), str(key)]))
        certificate.unlink()
        key.unlink()
    with named(certificate, key) as names:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*names)
    assert len(os.listdir("/proc/self/fd")) < 100
