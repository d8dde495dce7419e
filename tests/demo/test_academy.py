"""Making the demo: complete, once, and never in somebody else's folder."""

from __future__ import annotations

import ssl
from pathlib import Path
from queue import SimpleQueue

import pytest

from mailserver.auth.gate import Denied, Gate, Granted, Verdict, open_gate
from mailserver.demo.academy import DemoService, NotADemo, create, read_demo
from mailserver.demo.cast import CastMember
from mailserver.settings.check.check import check_settings
from mailserver.settings.load import load_settings
from mailserver.setup.service import NewService, write_settings
from mailserver.store.open import open_store
from mailserver.store.ports.accounts import Account, Credential
from mailserver.store.ports.mail import Maildrop
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Removal
from mailserver.values.ids import Uid
from mailserver.values.secret import Secret
from tests.demo.conftest import free_ports

pytestmark = pytest.mark.slow


def test_the_settings_are_good_and_nothing_would_fail_at_start(demo: DemoService) -> None:
    assert check_settings(demo.settings) == []
    assert demo.settings.auth.allow_plaintext_on_loopback


def test_the_ports_are_the_high_ones_on_loopback_only(tmp_path: Path) -> None:
    write_settings(tmp_path, NewService(domain="a.test", hostname="m.a.test", high_ports=True))
    made = create(tmp_path / "demo").settings
    wanted = load_settings(tmp_path / "mailserver.toml")
    auth = made.auth.model_copy(update={"numen_key": wanted.auth.numen_key})  # each its folder's
    assert (made.smtp, made.pop3, auth) == (wanted.smtp, wanted.pop3, wanted.auth)
    assert made.smtp.mx == ("127.0.0.1:2525", "[::1]:2525")


def test_everybody_is_there_under_every_address(demo: DemoService, store: Store) -> None:
    assert store.accounts.count_accounts() == len(demo.cast.members)
    for member in demo.cast.members:
        account = store.accounts.find_account(member.identifier)
        assert account is not None
        assert (account.name, account.addresses) == (member.name, member.addresses)


def test_everybody_signs_in_by_identifier_and_by_address(demo: DemoService, store: Store) -> None:
    gate = open_gate(store, demo.settings, Secret(b"k" * 32))
    try:
        for member in demo.cast.members:
            for name in (member.identifier, member.addresses[-1].upper()):
                verdict = _ask(gate, name, member.password)
                assert isinstance(verdict, Granted), name
                assert verdict.identifier == member.identifier
                assert not verdict.must_change  # nowhere could they change it yet
        assert isinstance(_ask(gate, "jmartin", "17E0200009ABC"), Denied)
    finally:
        gate.close()


def _ask(gate: Gate, name: str, password: str) -> Verdict:
    answers: SimpleQueue[Verdict] = SimpleQueue()
    secret = Secret(password.encode())
    verdict = gate.authenticate(
        name.encode(), secret, peer="127.0.0.1", door="pop3", on_done=answers.put
    )
    return answers.get(timeout=30) if verdict is None else verdict


def test_making_it_again_changes_nothing(demo: DemoService, store: Store) -> None:
    files = {path: path.read_bytes() for path in _kept(demo)}
    before = {member: _state(store, member) for member in demo.cast.members}
    again = create(demo.folder, progress=_never)
    assert not again.is_new
    assert again.settings == demo.settings
    assert {path: path.read_bytes() for path in _kept(demo)} == files
    assert {member: _state(store, member) for member in demo.cast.members} == before


def _never(done: int, total: int) -> None:
    raise AssertionError(f"{done} of {total} passwords were set again")


def _kept(demo: DemoService) -> list[Path]:
    return [demo.settings_file, *sorted((demo.folder / "tls").iterdir())]


def _state(store: Store, member: CastMember) -> tuple[Account, Credential | None, Maildrop]:
    account = store.accounts.find_account(member.identifier)
    assert account is not None
    return (
        account,
        store.accounts.read_credential(account.account_id),
        store.mail.open_maildrop(account.inbox_id),
    )


def test_an_interrupted_creation_is_completed(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "demo", more=free_ports(), progress=interrupt)
    told: list[tuple[int, int]] = []
    demo = create(tmp_path / "demo", progress=lambda done, total: told.append((done, total)))
    count = len(demo.cast.members)
    assert told == [(done, count - 3) for done in range(1, count - 2)]
    store = open_store(demo.settings)
    try:
        for member in demo.cast.members:
            _, credential, maildrop = _state(store, member)
            assert credential is not None
            assert credential.verifier is not None
            assert maildrop.count == 1
    finally:
        store.close()


def test_a_welcome_that_was_removed_does_not_come_back(tmp_path: Path) -> None:
    demo = create(tmp_path / "demo", more=free_ports())
    store = open_store(demo.settings)
    try:
        account = store.accounts.find_account("jmartin")
        assert account is not None
        store.writes.apply([Removal(mailbox_id=account.inbox_id, uids=(Uid(1),), removed_at_s=1.0)])
        create(tmp_path / "demo")
        assert store.mail.open_maildrop(account.inbox_id).count == 0
    finally:
        store.close()


def test_another_service_gets_no_demo_accounts(tmp_path: Path) -> None:
    wanted = NewService(domain="ac-exemple.fr", hostname="mail.ac-exemple.fr")
    write_settings(tmp_path, wanted)
    with pytest.raises(NotADemo, match="no demo"):
        create(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mailserver.toml"]


def test_a_tls_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    with pytest.raises(NotADemo, match="name an empty folder"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tls"]


def test_the_certificate_stands_for_every_name_under_the_authority(demo: DemoService) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(demo.settings.tls.certificate, demo.settings.tls.key)
    for name in ("mail.ac-exemple.fr", "localhost", "127.0.0.1", "::1"):
        client = ssl.create_default_context(cafile=str(demo.authority))
        client.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
        _shake_hands(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(ssl.create_default_context(cafile=str(demo.authority)), server, "other.test")


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """In memory, without a socket."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(back, there, server_hostname=name)
    other = server.wrap_bio(there, back, server_side=True)
    waiting = [one, other]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue


def test_the_authoritys_key_is_nowhere(demo: DemoService) -> None:
    names = sorted(path.name for path in (demo.folder / "tls").iterdir())
    assert names == ["ca.pem", "certificate.pem", "key.pem"]
    assert b"PRIVATE" not in demo.authority.read_bytes()
    assert demo.settings.tls.key.stat().st_mode & 0o777 == 0o600


def test_a_demo_is_found_again_by_its_settings_file(demo: DemoService) -> None:
    found = read_demo(demo.settings_file)
    assert (found.settings, found.folder) == (demo.settings, demo.folder)
