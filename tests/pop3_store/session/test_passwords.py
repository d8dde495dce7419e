"""Passwords at the live door, over the real gate: wrong ones, a NUMEN, a holder, a change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailserver.auth.backend import StoreBackend
from mailserver.auth.numen_key import NumenKey, ensure_key
from mailserver.auth.numens import numen_verifier
from mailserver.auth.passwords import hash_password
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.store.ports.people import RelationKind
from mailserver.store.ports.store import Store
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret
from tests.pop3_store.conftest import Credentials, make_tree
from tests.pop3_store.door import Client, RunningDoor, running_door

pytestmark = [pytest.mark.slow]
PEOPLE = ("jmarot", "pnoir", "zlamar", "0170705z")
ACCENTED, WRONG, NUMEN = "Forêt enneigée", "mauvaise herbe", "17E0200001ABC"
NO, LATER, OPEN = b"-ERR [AUTH]", b"-ERR [SYS/TEMP]", b"+OK 0 messages"


class Town:
    """A live door, and the store behind it."""

    def __init__(
        self, door: RunningDoor, store: Store, ids: dict[str, AccountId], key: NumenKey
    ) -> None:
        self.door = door
        self.store = store
        self.ids = ids
        self.key = key

    def enter(self, client: Client, name: str, password: str | bytes) -> bytes:
        octets = password if isinstance(password, bytes) else password.encode()
        assert client.line().startswith(b"+OK ")
        assert client.ask(b"USER " + name.encode()).startswith(b"+OK ")
        return client.ask(b"PASS " + octets)

    def poll(self, name: str, password: str | bytes) -> bytes:
        with self.door.connect("pop3") as client:
            said = self.enter(client, name, password)
            client.ask(b"QUIT")
        return said

    def give(self, name: str, password: str) -> None:
        StoreBackend(self.store).set_password(self.ids[name], Secret(password), must_change=False)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Everybody's password is ACCENTED; a block is slowed when 3 different names fail."""
    folder = tmp_path_factory.mktemp("door")
    credentials = Credentials(folder)
    tree = make_tree(folder, credentials)
    tree["auth"] |= {"block_accounts": 3, "numen_key": str(folder / "numen.key")}
    key = ensure_key(folder / "numen.key")
    store = open_store(Settings.model_validate(tree))
    verifier = hash_password(Secret(ACCENTED))
    ids = {}
    for name in PEOPLE:
        address = f"ce.{name}@ac-exemple.fr" if name[0].isdigit() else f"{name}@ac-exemple.fr"
        account = store.accounts.add_account(
            identifier=name, name=name, addresses=[address], now_s=1.0
        )
        store.accounts.write_credential(account.account_id, verifier=verifier, must_change=False)
        ids[name] = account.account_id
    with running_door(folder, credentials.authority, settings=tree) as door:
        yield Town(door, store, ids, key)
    store.close()


def test_one_wrong_saved_password_that_polls_blocks_neither_its_neighbours_nor_itself(
    town: Town,
) -> None:
    for number in range(12):
        assert town.poll("jmarot", WRONG).startswith(NO)
        assert town.poll(("pnoir", "zlamar")[number % 2], ACCENTED).startswith(OPEN)
    assert town.poll("jmarot", ACCENTED).startswith(OPEN)


def test_accents_are_the_same_in_every_form(town: Town) -> None:
    decomposed = "Fore\u0302t enneige\u0301e".encode()
    for octets in (ACCENTED.encode(), ACCENTED.encode("latin-1"), decomposed):
        assert town.poll("JMAROT@ac-exemple.fr", octets).startswith(OPEN)


def test_a_numen_opens_as_it_is_typed_from_paper(town: Town) -> None:
    town.store.accounts.write_credential(
        town.ids["zlamar"], verifier=numen_verifier(NUMEN, town.key), must_change=True
    )
    for typed in ("17e 02 00001 abc", NUMEN, NUMEN.lower()):
        assert town.poll("zlamar", typed).startswith(OPEN)
    credential = town.store.accounts.read_credential(town.ids["zlamar"])
    assert credential is not None
    assert credential.verifier is not None
    assert credential.verifier.startswith("$numen-argon2$")
    assert credential.must_change_by_s is None, "unless it is to be changed, it is good for ever"


def test_a_holder_opens_a_schools_mailbox_as_themselves(town: Town) -> None:
    assert town.poll("pnoir*ce.0170705z", ACCENTED).startswith(NO)
    town.store.people.relate(
        RelationKind.HOLDER, town.ids["pnoir"], of_account=town.ids["0170705z"], since_s=1.0
    )
    assert town.poll("pnoir*ce.0170705z", ACCENTED).startswith(OPEN)
    (log_in,) = [one for one in town.store.counters.log_ins(town.ids["0170705z"]) if one.is_success]
    assert (log_in.by_whom, log_in.peer) == ("pnoir", "127.0.0.1")


def test_another_password_ends_the_session_that_is_open(town: Town) -> None:
    with town.door.connect("pop3") as client:
        assert town.enter(client, "pnoir", ACCENTED).startswith(OPEN)
        assert client.ask(b"STAT") == b"+OK 0 0\r\n"
        town.give("pnoir", "coquelicot rouge")
        client.send(b"QUIT\r\n")
        assert client.rest().startswith(NO)
    assert town.poll("pnoir", ACCENTED).startswith(NO)  # also what was remembered
    assert town.poll("pnoir", "coquelicot rouge").startswith(OPEN)


def test_who_tries_different_passwords_must_wait_and_is_told_that_it_is_for_a_time(
    town: Town,
) -> None:
    said = [town.poll("inconnu", f"essai numero {number}") for number in range(8)]
    assert all(one.startswith(NO) for one in said[:5])
    assert any(one.startswith(LATER) for one in said[5:])
    assert town.poll("jmarot", ACCENTED).startswith(OPEN)
