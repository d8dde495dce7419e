"""A school with its people over a real store, letters that are kept, hashes that are counted."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog

from mailserver.auth import passwords
from mailserver.auth.backend import StoreBackend
from mailserver.auth.numen_key import NumenKey
from mailserver.auth.numens import numen_verifier
from mailserver.auth.rules import BadPassword
from mailserver.auth.throttle import Throttle, limits_of
from mailserver.recovery.addresses import AddressService
from mailserver.recovery.context import RecoveryContext, RecoveryRefused
from mailserver.recovery.letters import Post, RecoveryLetter
from mailserver.recovery.passwords import PasswordService
from mailserver.settings.model import Settings
from mailserver.store.ports.people import PostDoc, RelationKind
from mailserver.store.ports.recovery import Subject
from mailserver.store.sqlite.store import SqliteStore
from mailserver.telemetry.log import configure
from mailserver.values.ids import AccountId, MailboxId
from mailserver.values.secret import Secret
from tests.auth.conftest import Clock, Work
from tests.store.crowd import COLLEGE, SCHOOL, made, school, teacher, unit

NUMEN = "17E0200001ABC"
OLD, NEW, NEWER = "tournesol jaune vif", "coquelicot rouge sang", "bleuet des champs"
OUTSIDE = "jeanne@ailleurs.example"
KEY = NumenKey(Secret(b"k" * 32))
CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}")


class KeptPost(Post):
    """Accepts letters as ever, and keeps a copy of each."""

    def __init__(self, store: SqliteStore, settings: Settings) -> None:
        super().__init__(store, settings)
        self.sent: list[RecoveryLetter] = []

    def send(
        self, letter: RecoveryLetter, *, now_s: float, mailbox_id: MailboxId | None = None
    ) -> bool:
        self.sent.append(letter)
        return super().send(letter, now_s=now_s, mailbox_id=mailbox_id)


@dataclass
class Town:
    """`jmarot` (a teacher, NUMEN and OLD) and `pnoir` at a school; `zlamar` at another one."""

    store: SqliteStore
    context: RecoveryContext
    post: KeptPost
    clock: Clock
    work: Work
    log: io.StringIO
    secrets: list[str] = field(default_factory=list)

    @property
    def service(self) -> PasswordService:
        return PasswordService(self.context)

    @property
    def addresses(self) -> AddressService:
        return AddressService(self.context)

    def account(self, identifier: str) -> AccountId:
        found = self.store.accounts.find_account(identifier)
        assert found is not None
        return found.account_id

    def subject(self, identifier: str) -> Subject:
        found = self.store.recovery.read_subject(self.account(identifier))
        assert found is not None
        return found

    def opens(self, identifier: str, password: str) -> bool:
        backend = self.context.backend
        return backend.verify(backend.look_up(identifier), Secret(password.encode()))

    def give(self, identifier: str, password: str) -> None:
        self.context.backend.set_password(
            self.account(identifier), Secret(password), must_change=False
        )

    def prove(self, identifier: str = "jmarot", address: str = OUTSIDE) -> None:
        self.addresses.set_address(identifier, address, by_whom=identifier)
        self.addresses.prove(identifier, self.mailed_code(), by_whom=identifier)

    def mailed_code(self) -> str:
        """The one of the last letter that holds one."""
        found = next(filter(None, (CODE.search(one.text) for one in reversed(self.post.sent))))
        self.secrets.append(found[0])
        return found[0]

    def requested_code(self, identifier: str = "jmarot") -> str:
        self.service.request_reset(identifier).carry_out()
        return self.mailed_code()

    def handed_code(self, identifier: str = "jmarot", *, by: str | None = None) -> str:
        by_account = None if by is None else self.account(by)
        code = self.service.hand_code(identifier, by_account=by_account, by_whom=by or "cli:root")
        self.secrets.append(code.reveal())
        return code.reveal()

    def correspondent(self, identifier: str, *codes: str) -> None:
        for code in codes or (SCHOOL,):
            found = self.store.people.find_unit(code)
            assert found is not None
            self.store.people.relate(
                RelationKind.CORRESPONDENT,
                self.account(identifier),
                of_unit=found.unit_id,
                since_s=self.clock.now_s - 1,
            )

    def history(self, identifier: str = "jmarot") -> list[tuple[str, str, str]]:
        """The latest first: what, by whom, details."""
        events = self.store.people.history(self.account(identifier), limit=20)
        return [(one.what, one.by_whom, one.details) for one in events]


@pytest.fixture(scope="session")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with everybody, closed: to be copied, which takes a tenth of the time."""
    folder = tmp_path_factory.mktemp("peopled") / "store"
    store = SqliteStore(folder)
    at_school, at_college = PostDoc(SCHOOL, "enseignant"), PostDoc(COLLEGE, "enseignant")
    made(store, unit("ac"), school(parent="ac"), school(COLLEGE, parent="ac", town="Royan"))
    made(
        store,
        replace(teacher(posts=[at_school]), given_name="Jeanne"),
        teacher("pnoir", given_name="Paul", surname="Noir", posts=[at_school]),
        teacher("zlamar", given_name="Zoé", surname="Lamar", posts=[at_college]),
    )
    store.close()
    return folder


@pytest.fixture
def town(tmp_path: Path, peopled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """No secret of the tests may be in the log."""
    work, clock, log = Work(), Clock(), io.StringIO()
    monkeypatch.setattr(passwords, "CONTEXT", work)
    monkeypatch.setattr(passwords, "_NOBODY", passwords.stand_in(work.context))
    configure(level="debug", log_format="json", stream=log)
    store = SqliteStore(shutil.copytree(peopled, tmp_path / "store"))
    town = _town_over(store, clock, work, log)
    yield town
    store.close()
    structlog.reset_defaults()
    for secret in (*town.secrets, OLD, NEW, NEWER, NUMEN):
        assert secret not in log.getvalue()


def _town_over(store: SqliteStore, clock: Clock, work: Work, log: io.StringIO) -> Town:
    settings = Settings.model_validate({"service": {"domain": "d.fr", "hostname": "mail.d.fr"}})
    post = KeptPost(store, settings)
    context = RecoveryContext(
        store=store,
        backend=StoreBackend(store, numen_key=KEY, domains=["d.fr"], now_s=clock),
        post=post,
        key=KEY,
        throttle=Throttle(store.counters, limits_of(settings.auth)),
        rules=settings.passwords,
        language="fr",
        domains=("d.fr",),
        now_s=clock,
    )
    town = Town(store=store, context=context, post=post, clock=clock, work=work, log=log)
    verifier = numen_verifier(NUMEN, KEY)
    store.accounts.write_credential(town.account("jmarot"), verifier=verifier, must_change=True)
    town.give("jmarot", OLD)
    return town


def refused(act: Callable[[], object]) -> str:
    """The French sentence with which it was refused."""
    with pytest.raises((RecoveryRefused, BadPassword)) as caught:
        act()
    assert isinstance(caught.value, RecoveryRefused | BadPassword)
    return caught.value.text.fr
