"""`mailserver backup` and `mailserver restore`, as they are typed."""

from __future__ import annotations

import errno
import io
import json
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailserver.backup import making, tree
from mailserver.backup.manifest import MANIFEST, SUMS
from mailserver.settings.load import load_settings
from mailserver.store.open import open_store
from mailserver.store.ports.errors import StoreUnavailable
from mailserver.store.ports.store import Store
from mailserver.values.ids import MailboxId
from tests.backup.conftest import LARGE, filed
from tests.cli.conftest import Run, Said
from tests.store.letters import accept, fetch, letter_to, uids_of

pytestmark = pytest.mark.slow


def files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def one_line(said: Said, status: int = 2) -> str:
    assert said.status == status, said
    assert said.err.count("\n") == 1, said.err
    assert said.out == ""
    return said.err


def box_of(store: Store) -> MailboxId:
    account = store.accounts.find_account("jmartin")
    assert account is not None
    return account.inbox_id


# --- what is in it --------------------------------------------------------------------


def test_a_backup_holds_all_that_the_service_needs(full: Path, saved: Path) -> None:
    held = files(saved)
    assert {
        MANIFEST,
        SUMS,
        "mailserver.toml",
        "aliases.toml",
        "provider-password.txt",
        "tls/certificate.pem",
        "tls/key.pem",
        "dkim/mo1.pem",
        "dkim/mo2.pem",
        "store/mail.db",
        "store/srs.key",
    } < held
    (body,) = (saved / "store/bodies").glob("*/*")
    assert body.read_bytes() == LARGE


def test_what_may_be_lost_is_not_in_it(saved: Path) -> None:
    assert not [name for name in files(saved) if name.endswith(("-wal", "-shm", ".lock"))]
    assert {
        name for name in files(saved) if name.startswith("store/") and "bodies" not in name
    } == {
        "store/mail.db",
        "store/srs.key",
    }


def test_the_key_of_the_numens_is_nowhere_in_it(full: Path, saved: Path) -> None:
    key = (full.parent / "numen.key").read_bytes().strip()
    for name in files(saved):
        assert key not in (saved / name).read_bytes()
    apart = saved.parent / "key" / "numen.key"
    assert apart.read_bytes().strip() == key
    assert stat.S_IMODE(apart.stat().st_mode) == 0o600
    assert stat.S_IMODE(apart.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_files_are_their_owners_alone_whatever_the_umask(
    full: Path, run: Run, tmp_path: Path, mask: int
) -> None:
    before = os.umask(mask)
    try:
        assert run("backup", tmp_path / "b", "--config", full).status == 0
        to = ("--to", tmp_path / "r", "--without-numen-key")
        assert run("restore", tmp_path / "b", *to).status == 0
    finally:
        os.umask(before)
    for folder in (tmp_path / "b", tmp_path / "r"):
        for one in (folder, *folder.rglob("*")):
            wanted = 0o700 if one.is_dir() else 0o600
            assert stat.S_IMODE(one.stat().st_mode) == wanted, one


def test_a_known_program_can_check_it(saved: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--quiet", "--strict", SUMS], cwd=saved)
    assert done.returncode == 0


def test_keys_that_follow_those_in_use_are_in_it(full: Path, run: Run, tmp_path: Path) -> None:
    (full.parent / "dkim" / "mo3.pem").write_text("next year's")
    assert run("backup", tmp_path / "b", "--config", full).status == 0
    assert (tmp_path / "b/dkim/mo3.pem").read_text() == "next year's"


def test_what_settings_name_elsewhere_is_in_it_too(full: Path, run: Run, tmp_path: Path) -> None:
    """Links as certbot makes them are followed."""
    authority = tmp_path / "authority"
    authority.mkdir()
    for name in ("certificate", "key"):
        (full.parent / f"tls/{name}.pem").rename(authority / f"{name}1.pem")
        (authority / f"{name}.pem").symlink_to(f"{name}1.pem")
    text = full.read_text("utf-8")
    full.write_text(text.replace('"tls/', f'"{authority}/'), "utf-8")
    assert run("backup", tmp_path / "b", "--config", full).status == 0
    assert (tmp_path / "b/tls/key.pem").read_bytes() == (authority / "key1.pem").read_bytes()
    assert not (tmp_path / "b/tls/key.pem").is_symlink()


# --- where it may not go -------------------------------------------------------------------


def test_a_folder_that_is_not_empty_is_refused(full: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/mine").write_text("mine")
    said = run("backup", tmp_path / "b", "--config", full)
    assert "is not empty" in one_line(said)
    assert files(tmp_path / "b") == {"mine"}


def test_a_file_is_refused(full: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    assert "not a folder" in one_line(run("backup", tmp_path / "b", "--config", full))


@pytest.mark.parametrize("inside", ["", "b", "bodies/new/b"])
@pytest.mark.parametrize("of", ["store", "dkim"])
def test_a_folder_within_what_is_saved_is_refused_also_through_a_link(
    full: Path, run: Run, tmp_path: Path, of: str, inside: str
) -> None:
    before = files(full.parent)
    (tmp_path / "link").symlink_to(full.parent / of)
    for folder in (full.parent / of / inside, tmp_path / "link" / inside):
        assert "of which it would be a backup" in one_line(run("backup", folder, "--config", full))
    new = {name for name in files(full.parent) - before if not name.startswith("store/")}
    assert new == set()


@pytest.mark.parametrize("where", ["b", "b/key", "b/../b/deep/key"])
def test_the_key_never_goes_where_the_backup_goes(
    full: Path, run: Run, tmp_path: Path, where: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "b")
    for key in (tmp_path / where, tmp_path / where.replace("b", "link", 1)):
        said = run("backup", tmp_path / "b", "--numen-key", key, "--config", full)
        assert "must not have both" in one_line(said)
        assert not (tmp_path / "b").exists()


def test_another_key_is_never_written_over(full: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    (tmp_path / "key/numen.key").write_text("00" * 32)
    said = run("backup", tmp_path / "b", "--numen-key", tmp_path / "key", "--config", full)
    assert "is another key" in one_line(said)
    assert (tmp_path / "key/numen.key").read_text() == "00" * 32
    assert not (tmp_path / "b").exists()


def test_the_same_key_may_be_there_from_the_last_backup(
    full: Path, saved: Path, run: Run, tmp_path: Path
) -> None:
    again = run("backup", tmp_path / "b", "--numen-key", tmp_path / "key", "--config", full)
    assert again.status == 0


def test_a_lost_key_is_said_when_it_was_to_be_saved(full: Path, run: Run, tmp_path: Path) -> None:
    (full.parent / "numen.key").unlink()
    said = run("backup", tmp_path / "b", "--numen-key", tmp_path / "key", "--config", full)
    assert "numen.key" in one_line(said, 1)
    assert not (tmp_path / "b").exists()


def test_settings_that_lead_to_the_key_under_another_name_are_refused(
    full: Path, run: Run, tmp_path: Path
) -> None:
    os.link(full.parent / "numen.key", full.parent / "dkim" / "mo9.pem")
    said = run("backup", tmp_path / "b", "--config", full)
    assert "no backup may hold" in one_line(said)
    assert not (tmp_path / "b").exists()


def test_what_fails_leaves_nothing_behind(
    full: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise StoreUnavailable("database or disk is full")

    monkeypatch.setattr(making._Making, "_keep_bodies", full_disk)
    (tmp_path / "b").mkdir()
    assert "disk is full" in one_line(run("backup", tmp_path / "b", "--config", full), 1)
    assert files(tmp_path / "b") == set()


def test_too_little_room_is_said_before_anything_is_written(
    full: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 4096})
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    assert "MiB of room" in one_line(run("backup", tmp_path / "b", "--config", full))


def test_a_body_that_is_lost_already_is_told_and_keeps_nobody_from_saving_the_rest(
    full: Path, run: Run, tmp_path: Path
) -> None:
    (body,) = (full.parent / "store/bodies").glob("*/*")
    body.unlink()
    said = run("backup", tmp_path / "b", "--config", full)
    assert said.status == 0
    assert str(body) in said.err
    assert any(
        str(body) in line
        for line in json.loads((tmp_path / "b" / MANIFEST).read_bytes())["missing"]
    )


def test_a_body_that_its_disk_refuses_is_told_and_noted_and_the_rest_is_saved(
    full: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (body,) = (full.parent / "store/bodies").glob("*/*")

    def refused(reader: io.FileIO) -> Iterator[bytes]:
        if Path(f"/proc/self/fd/{reader.fileno()}").resolve() == body:
            yield b"x" * 10
            raise tree.SourceUnreadable(OSError(errno.EIO, "Input/output error"), 10)
        yield from pieces(reader)

    pieces = tree._pieces
    monkeypatch.setattr(tree, "_pieces", refused)
    said = run("backup", tmp_path / "b", "--config", full)
    assert said.status == 0
    assert f"{body} cannot be read: [Errno 5] Input/output error" in said.err
    assert list((tmp_path / "b").rglob(body.name)) == []
    assert "body unreadable: a message that was accepted cannot be read" in said.err


# --- restored --------------------------------------------------------------------------------


def test_a_restored_service_has_the_mail_octet_for_octet(
    full: Path, saved: Path, run: Run, tmp_path: Path
) -> None:
    said = run("restore", saved, "--to", tmp_path / "r", "--numen-key", tmp_path / "key")
    assert said.status == 0, said.err
    with (
        closing(open_store(load_settings(full))) as before,
        closing(open_store(load_settings(tmp_path / "r/mailserver.toml"))) as after,
    ):
        box = box_of(before)
        assert uids_of(after, box) == uids_of(before, box) == [1, 2]
        for uid in (1, 2):
            assert fetch(after, box, uid) == fetch(before, box, uid)
        accept(after.writes, letter_to(box, body=filed(after, LARGE)))
    assert run("config", "check", "--config", tmp_path / "r/mailserver.toml").status == 0
    numen = tmp_path / "r/numen.key"
    assert numen.read_bytes() == (full.parent / "numen.key").read_bytes()


def test_a_restore_says_what_waits_and_what_to_type_next(
    saved: Path, run: Run, tmp_path: Path
) -> None:
    said = run("restore", saved, "--to", tmp_path / "r", "--numen-key", tmp_path / "key")
    assert "1 copy waits for other servers" in said.out
    assert f"mailserver run --config {tmp_path / 'r/mailserver.toml'}" in said.out


def test_without_the_key_it_says_what_fails_and_does_nothing(
    saved: Path, run: Run, tmp_path: Path
) -> None:
    said = run("restore", saved, "--to", tmp_path / "r")
    line = one_line(said)
    assert "--numen-key" in line
    assert "1 account that never chose a password cannot sign in" in line
    assert not (tmp_path / "r").exists()
    without = run("restore", saved, "--to", tmp_path / "r", "--without-numen-key")
    assert without.status == 0
    assert "cannot sign in" in without.err


def test_another_key_is_refused(saved: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.key").write_text("ab" * 32)
    said = run("restore", saved, "--to", tmp_path / "r", "--numen-key", tmp_path / "other.key")
    assert "is another key" in one_line(said)
    assert not (tmp_path / "r").exists()


def restore(run: Run, saved: Path, to: Path) -> Said:
    return run("restore", saved, "--to", to, "--without-numen-key")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("mine", "is not empty"),
        ("mailserver.toml", "holds a service already"),
        ("half-restored", "half a restore"),
    ],
)
def test_a_folder_that_is_not_empty_is_not_restored_into(
    saved: Path, run: Run, tmp_path: Path, content: str, word: str
) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / content).write_text("mine")
    assert word in one_line(restore(run, saved, tmp_path / "r"))
    assert files(tmp_path / "r") == {content}


def test_a_service_that_runs_is_named_as_such(full: Path, saved: Path, run: Run) -> None:
    with closing(open_store(load_settings(full))) as store:
        assert store.locks.become_keeper()
        assert "a service that runs" in one_line(restore(run, saved, full.parent))


def test_the_backup_itself_is_not_restored_into(saved: Path, run: Run) -> None:
    assert "in the backup" in one_line(restore(run, saved, saved / "r"))


def spoil_manifest(manifest: Path, how: str) -> None:
    tree = json.loads(manifest.read_bytes())
    match how:
        case "no manifest":
            manifest.unlink()
        case "half a manifest":
            manifest.write_bytes(manifest.read_bytes()[:100])
        case "a list for a manifest":
            manifest.write_text("[]")
        case "a newer format":
            manifest.write_text(json.dumps(tree | {"format": 99}))
        case "a place elsewhere":
            tree["places"]["auth.numen_key"] = "../../numen.key"
            manifest.write_text(json.dumps(tree))
        case "no places":
            manifest.write_text(json.dumps(tree | {"places": {}}))
        case "a word for a number":
            manifest.write_text(json.dumps(tree | {"octets": "many"}))
        case "a newer store":
            manifest.write_text(json.dumps(tree | {"schema": 9999, "program": "9.9"}))


def spoil(saved: Path, how: str) -> None:
    (body,) = (saved / "store/bodies").glob("*/*")
    match how:
        case "no body":
            body.unlink()
        case "a body that is cut":
            os.truncate(body, 1000)
        case "a body of other octets":
            body.write_bytes(LARGE.replace(b"gros", b"mini"))
        case "a link for a body":
            body.rename(saved / "elsewhere")
            body.symlink_to(saved / "elsewhere")
        case "no sums":
            (saved / SUMS).unlink()
        case "other sums":
            (saved / SUMS).write_bytes((saved / SUMS).read_bytes().replace(b"store", b"../.."))
        case "nothing at all":
            for name in ("manifest.json", "SHA256SUMS", "mailserver.toml"):
                (saved / name).unlink()
            (saved / "store").rename(saved / "magasin")
        case _:
            spoil_manifest(saved / MANIFEST, how)


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("no manifest", "half a backup"),
        ("half a manifest", "spoilt"),
        ("a list for a manifest", "not of a backup"),
        ("a place elsewhere", "spoilt"),
        ("no places", "spoilt"),
        ("a word for a number", "spoilt"),
        ("no body", "is missing"),
        ("a body that is cut", "cut or changed"),
        ("a body of other octets", "was changed since"),
        ("a link for a body", "is missing"),
        ("no sums", "missing or was changed"),
        ("other sums", "missing or was changed"),
        ("a newer format", "newer version"),
        ("a newer store", "newer version (9.9)"),
        ("nothing at all", "holds no backup"),
    ],
)
def test_what_is_not_a_whole_backup_is_refused_in_one_line_and_leaves_nothing(
    saved: Path, run: Run, tmp_path: Path, how: str, word: str
) -> None:
    spoil(saved, how)
    assert word in one_line(restore(run, saved, tmp_path / "r"))
    assert not (tmp_path / "r").exists()


def test_paths_elsewhere_come_into_the_restored_folder(
    full: Path, run: Run, tmp_path: Path
) -> None:
    """A restored service never touches the files of the one that was saved."""
    home = full.parent
    (home / "store").rename(tmp_path / "big")
    (home / "tls").rename(tmp_path / "tls")
    text = full.read_text("utf-8").replace('"tls/', f'"{tmp_path}/tls/')
    text = text.replace('path = "store"', f'path = "{tmp_path}/big"')
    full.write_text(text.replace('"provider-password.txt"', '"../apart.txt"'), "utf-8")
    (home / "provider-password.txt").rename(tmp_path / "apart.txt")
    assert run("backup", tmp_path / "b", "--config", full).status == 0
    said = restore(run, tmp_path / "b", tmp_path / "r")
    assert said.status == 0, said.err
    assert f"store.path was {tmp_path}/big: it is store now" in said.out
    settings = load_settings(tmp_path / "r/mailserver.toml")
    for path in (
        settings.store.path / "mail.db",
        settings.tls.certificate,
        settings.tls.key,
        settings.routes[0].password_file,
    ):
        assert path is not None
        assert path.is_relative_to(tmp_path / "r")
        assert path.is_file()
    assert run("config", "check", "--config", tmp_path / "r/mailserver.toml").status == 0


def test_what_the_environment_said_is_told_and_its_files_are_kept(
    full: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (full.parent / "tls").rename(tmp_path / "mounted")
    for name in ("certificate", "key"):
        monkeypatch.setenv(f"MAILSERVER_TLS__{name.upper()}", f"{tmp_path}/mounted/{name}.pem")
    assert run("backup", tmp_path / "b", "--config", full).status == 0
    monkeypatch.undo()
    said = restore(run, tmp_path / "b", tmp_path / "r")
    assert "MAILSERVER_TLS__KEY" in said.out
    assert load_settings(tmp_path / "r/mailserver.toml").tls.key.is_file()


CONTAINER = {
    "MAILSERVER_STORE__PATH": "mail/store",
    "MAILSERVER_AUTH__NUMEN_KEY": "numen/numen.key",
    "MAILSERVER_TLS__KEY": "/etc/elsewhere/key.pem",
}
MOUNTED = ("mail", "numen", "dkim")


def test_a_restore_puts_each_key_where_the_environment_says_that_it_is_looked_for(
    saved: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, where each kind is a mount: an empty folder.  What is outside stays."""
    for name in MOUNTED:
        (tmp_path / "r" / name).mkdir(parents=True)
    for name, value in CONTAINER.items():
        monkeypatch.setenv(name, value)
    key = ("--numen-key", saved.parent / "key")
    said = run("restore", saved, "--to", tmp_path / "r", *key)
    assert said.status == 0, said.err
    assert "auth.numen_key" not in said.out
    assert {"mail/store/mail.db", "numen/numen.key", "dkim/mo1.pem", "tls/key.pem"} < files(
        tmp_path / "r"
    )
    assert not (tmp_path / "r/store").exists()
    monkeypatch.delenv("MAILSERVER_TLS__KEY")
    assert run("config", "check", "--config", tmp_path / "r/mailserver.toml").status == 0


def test_a_restore_that_fails_leaves_the_mounted_folders_as_they_were(
    saved: Path, run: Run, tmp_path: Path
) -> None:
    for name in MOUNTED:
        (tmp_path / "r" / name).mkdir(parents=True)
    with (saved / "store/mail.db").open("r+b") as database:
        database.write(b"x")
    assert restore(run, saved, tmp_path / "r").status == 2
    assert {one.name for one in (tmp_path / "r").rglob("*")} == set(MOUNTED)


def test_a_restore_that_is_interrupted_is_no_service(
    saved: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill leaves it: nothing is taken away."""
    from mailserver.backup import restoring
    from mailserver.backup.tree import PrivateTree

    def stop(*_: object) -> None:
        raise OSError(5, "killed")

    monkeypatch.setattr(PrivateTree, "discard", lambda _self: None)
    monkeypatch.setattr(restoring, "_finish", stop)
    assert restore(run, saved, tmp_path / "r").status == 1
    monkeypatch.undo()
    assert not (tmp_path / "r/mailserver.toml").exists()
    assert not (tmp_path / "r/store/mail.db").exists()
    started = run("run", "--config", tmp_path / "r/mailserver.toml")
    assert started.status == 2
    begun = run("init", tmp_path / "r", "--domain", "a.test")
    assert "half a restore" in one_line(begun)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a service for another user")
def test_root_gives_the_restored_store_to_the_services_user_and_keeps_the_keys(
    full: Path, run: Run, tmp_path: Path
) -> None:
    text = full.read_text("utf-8").replace(
        'domain = "a.test"', 'domain = "a.test"\nuser = "nobody"'
    )
    full.write_text(text, "utf-8")
    assert run("backup", tmp_path / "b", "--config", full).status == 0
    said = restore(run, tmp_path / "b", tmp_path / "r")
    assert said.status == 0, said.err
    nobody = pwd.getpwnam("nobody").pw_uid
    for one in (tmp_path / "r/store", *(tmp_path / "r/store").rglob("*")):
        assert one.stat().st_uid == nobody
    for name in ("tls/key.pem", "dkim/mo1.pem", "mailserver.toml"):
        found = (tmp_path / "r" / name).stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)
    assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == 0o711
