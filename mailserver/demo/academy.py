"""Making the demo service in a folder of its own; what is there already stays.

    DIR/tls/ca.pem               a throw-away authority: its key is never written
    DIR/tls/certificate.pem, key.pem
    DIR/mailserver.toml          high ports on loopback, else as `init` writes it
    DIR/store/                   accounts with their passwords, a welcome message each

Every step looks first whether it was done, so an interrupted creation goes on
where it stopped.  `tls/ca.pem` comes first, as a whole folder: settings without
it belong to a service that is not ours, and nobody gets public passwords there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mailserver.auth.accounts import set_numen, set_password
from mailserver.auth.backend import open_backend
from mailserver.auth.numen_key import ensure_key
from mailserver.demo.cast import Cast, CastMember, read_cast
from mailserver.demo.welcome import welcome
from mailserver.settings.load import FILE_NAME, load_settings
from mailserver.settings.model import Settings
from mailserver.settings.template import Value
from mailserver.setup.certificate import issue, make_authority
from mailserver.setup.service import NewService, ensure_postmaster, make_dkim_keys, write_settings
from mailserver.store.open import open_store
from mailserver.store.ports.accounts import Account, Accounts
from mailserver.store.ports.store import Store
from mailserver.store.ports.writes import Failed, Writes
from mailserver.values.ids import AccountId, make_accept_id
from mailserver.values.secret import Secret

AUTHORITY_NAME = "Mél ouvert, demo authority (key destroyed)"
TLS_FOLDER = "tls"
AUTHORITY_FILE = "ca.pem"

Progress = Callable[[int, int], None]
"""Called with (members that are ready, members in all)."""


class NotADemo(Exception):
    """The folder holds something else; nothing was touched.  The text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoService:
    """A demo that is ready to run.  `is_new`: its settings were written just now."""

    settings: Settings
    cast: Cast = field(repr=False)
    folder: Path
    is_new: bool

    @property
    def settings_file(self) -> Path:
        return self.folder / FILE_NAME

    @property
    def authority(self) -> Path:
        """The certificate to trust, PEM."""
        return self.folder / TLS_FOLDER / AUTHORITY_FILE


def create(
    folder: Path,
    *,
    progress: Progress = lambda _done, _total: None,
    more: dict[str, Value] | None = None,
    now_s: float | None = None,
) -> DemoService:
    """Make the demo where it is missing, complete it where it was interrupted.

    progress: password hashes take tens of milliseconds each; not called when all are there.
    more: further keys of a new settings file (dotted key -> value).

    Raises:
        NotADemo: the folder holds another service, or part of one.
        SettingsError: the settings, or a variable of the environment, are not good.
        StoreError, OSError: the folder cannot be written.
    """
    cast = read_cast()
    now_s = time.time() if now_s is None else now_s
    is_new = not (folder / FILE_NAME).exists()
    if is_new:
        _make_tls(folder / TLS_FOLDER, cast)
        write_settings(folder, _wanted(cast, more or {}))
    demo = read_demo(folder / FILE_NAME, is_new=is_new)
    make_dkim_keys(demo.settings)
    store = open_store(demo.settings)
    try:
        _populate(store, demo, progress=progress, now_s=now_s)
    finally:
        store.close()
    return demo


def read_demo(settings_file: Path, *, is_new: bool = False) -> DemoService:
    """The demo that this settings file belongs to.

    Raises:
        NotADemo: it is no demo's.
        SettingsError: see `load_settings`.
    """
    cast = read_cast()
    folder = settings_file.parent
    settings = load_settings(settings_file)
    demo = DemoService(settings=settings, cast=cast, folder=folder, is_new=is_new)
    if settings.service.domain != cast.domain or not demo.authority.is_file():
        raise NotADemo(
            f"{settings_file} belongs to a service that is no demo: name another folder,"
            " as `mailserver demo run var/demo`"
        )
    return demo


def _wanted(cast: Cast, more: dict[str, Value]) -> NewService:
    return NewService(
        domain=cast.domain,
        hostname=cast.hostname,
        language=cast.language,
        postmaster=cast.postmaster.identifier,
        high_ports=True,
        more={"delivery.dane": False} | more,  # no validating resolver is expected here
    )


def _make_tls(folder: Path, cast: Cast) -> None:
    """The three files appear together, as one rename; a complete folder stays.

    Raises:
        NotADemo: other files are there.
    """
    if (folder / AUTHORITY_FILE).is_file():
        return
    if folder.exists():
        raise NotADemo(f"{folder} exists and is not the demo's: name an empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        authority = make_authority(AUTHORITY_NAME)
        issued = issue(cast.certificate_names, authority=authority)
        issued.write(draft / "certificate.pem", draft / "key.pem")
        (draft / AUTHORITY_FILE).write_bytes(authority.pem)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _populate(store: Store, demo: DemoService, *, progress: Progress, now_s: float) -> None:
    """Accounts, passwords, welcome messages: what is missing of each."""
    cast = demo.cast
    postmaster = ensure_postmaster(store.accounts, demo.settings, now_s=now_s)
    accounts = {member: _account(store.accounts, member, now_s=now_s) for member in cast.members}
    _set_passwords(store, demo.settings, accounts, progress)
    unwelcomed = {
        member: account
        for member, account in accounts.items()
        # UIDs are never used again: 1 says that nothing was ever deposited.
        if store.mail.open_maildrop(account.inbox_id).next_uid == 1
    }
    if unwelcomed:
        _welcome(
            store.writes,
            cast,
            unwelcomed,
            author_id=postmaster.account_id,
            now_s=now_s,
            time_zone=demo.settings.service.time_zone,
        )


def _account(accounts: Accounts, member: CastMember, *, now_s: float) -> Account:
    found = accounts.find_account(member.identifier)
    if found is not None:
        return found
    return accounts.add_account(
        identifier=member.identifier, name=member.name, addresses=member.addresses, now_s=now_s
    )


def _set_passwords(
    store: Store, settings: Settings, accounts: dict[CastMember, Account], progress: Progress
) -> None:
    """Only where none was ever set: a password that its owner changed stays."""
    missing = [
        (member, account.account_id)
        for member, account in accounts.items()
        if _has_no_password(store.accounts, account.account_id)
    ]
    ensure_key(settings.auth.numen_key)
    backend = open_backend(store, settings)
    for done, (member, account_id) in enumerate(missing, start=1):
        if member.is_numen:
            set_numen(backend, account_id, member.password)
        else:
            set_password(backend, account_id, Secret(member.password))
        progress(done, len(missing))


def _has_no_password(accounts: Accounts, account_id: AccountId) -> bool:
    credential = accounts.read_credential(account_id)
    return credential is not None and credential.verifier is None


def _welcome(
    writes: Writes,
    cast: Cast,
    unwelcomed: dict[CastMember, Account],
    *,
    author_id: AccountId,
    now_s: float,
    time_zone: str,
) -> None:
    """One message each, all in one commit."""
    letters = [
        welcome(
            cast,
            member,
            mailbox_id=account.inbox_id,
            author_id=author_id,
            accept_id=make_accept_id(now_s, os.urandom(9)),
            now_s=now_s,
            time_zone=time_zone,
        )
        for member, account in unwelcomed.items()
    ]
    for outcome in writes.apply(letters):
        if isinstance(outcome, Failed):
            raise outcome.error
