"""A new service in a folder of its own, and what must be there before it runs.

DIR/mailserver.toml          settings, commented
DIR/tls/certificate.pem      self-signed, until a real one takes its place
DIR/tls/key.pem              mode 600
DIR/dkim/<selector>.pem      mode 600, what signs the mail that leaves
DIR/store/                   mode 700, with the postmaster's account, which has no password yet
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from mailserver.dkim.keys import (
    Algorithm,
    BadKey,
    SigningKey,
    check_selector,
    key_file,
    load_key,
    make_key,
)
from mailserver.dkim.record import record_name, zone_text
from mailserver.keys.making import (
    PRIVATE_MODE,
    PUBLIC_MODE,
    draft_of,
    publish_new,
    sync_folder,
    write_new,
)
from mailserver.quota.classes import DEFAULT as DEFAULT_CLASS
from mailserver.settings.load import FILE_NAME, HALF_RESTORED, load_settings
from mailserver.settings.model import Settings
from mailserver.settings.service_user import service_user
from mailserver.settings.template import Value, fill_in, read_config
from mailserver.setup.certificate import BadServerKey, issue, read_server_key
from mailserver.setup.files import make_folder, refuse_link
from mailserver.store.open import open_store
from mailserver.store.ports.accounts import Account, Directory
from mailserver.store.ports.errors import NameTaken
from mailserver.values.address import Address, fold_domain

LOOPBACK = ("127.0.0.1", "[::1]")
HIGH_PORTS = {
    "smtp.mx": 2525,
    "smtp.submission": 2587,
    "smtp.submissions": 2465,
    "pop3.pop3": 2110,
    "pop3.pop3s": 2995,
}
QUOTA_MIB = 2048
"""Of every account of a new service: a mailbox without end is a disk that fills."""
ROLE_NAMES = ("postmaster", "abuse")  # RFC 5321 §4.5.1, RFC 2142 §4


class ServiceExists(Exception):
    """The folder already holds a service; nothing was touched."""


class ForeignStore(Exception):
    """The store that the settings name belongs to another service; nothing was touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewService:
    """What `init` was asked for.  `more`: further keys of the settings file."""

    domain: str
    hostname: str
    language: str = "fr"
    postmaster: str = "postmaster"
    high_ports: bool = False
    user: str = ""
    time_zone: str = ""
    more: dict[str, Value] = field(default_factory=dict)

    def values(self) -> dict[str, Value]:
        """Dotted key -> value, for the settings file."""
        values: dict[str, Value] = {
            "classes.name": DEFAULT_CLASS,
            "classes.quota_mib": QUOTA_MIB,
            "service.domain": self.domain,
            "service.hostname": self.hostname,
            "service.language": self.language,
            "service.postmaster": self.postmaster,
        }
        if self.user:
            values["service.user"] = self.user
        if self.time_zone:
            values["service.time_zone"] = self.time_zone
        if self.high_ports:
            values |= {
                key: [f"{host}:{port}" for host in LOOPBACK] for key, port in HIGH_PORTS.items()
            }
            values["auth.allow_plaintext_on_loopback"] = True
        return values | self.more


def write_settings(folder: Path, wanted: NewService) -> Path:
    """Make the folder and its settings file, which is good: it was read back.

    Raises as `draft_settings`.
    """
    return publish_settings(draft_settings(folder, wanted))


def publish_settings(draft: Path) -> Path:
    """From now on the folder holds a service, so what belongs to it must be there."""
    file = draft.rename(draft.with_name(FILE_NAME))
    sync_folder(file.parent)
    return file


def draft_settings(folder: Path, wanted: NewService) -> Path:
    """Make the folder and the draft of its settings file, which is good: it was read back.

    Raises:
        ServiceExists: there is one already.
        SettingsError: a value is not good; nothing was left behind.
        OSError: the folder cannot be written.
    """
    file = folder / FILE_NAME
    if os.path.lexists(file):
        raise ServiceExists(f"{file} exists: this folder already holds a service")
    if (folder / HALF_RESTORED).exists():
        told = f"{folder} holds half a restore, which was interrupted: empty it first"
        raise ServiceExists(told)
    folder.mkdir(parents=True, exist_ok=True)
    draft = draft_of(folder / FILE_NAME)
    draft.unlink(missing_ok=True)  # of an attempt that was interrupted; also a link
    text = fill_in(read_config(FILE_NAME), wanted.values())
    write_new(draft, text.encode("utf-8"), mode=PUBLIC_MODE)
    try:
        load_settings(draft, {})
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def refuse_foreign_store(settings: Settings) -> None:
    """No new service is made around the store of another one, such as one that was not moved.

    Raises:
        ForeignStore: beside the store lies the settings file of a service.
    """
    other = settings.store.path.parent / FILE_NAME
    ours = settings.source.parent if settings.source else None
    if settings.store.path.parent != ours and other.exists():
        told = f"{settings.store.path} belongs to the service of {other}, whose settings and keys"
        raise ForeignStore(f"{told} lie elsewhere than these: move them first (docs/operating.md)")


def refuse_links(settings: Settings) -> None:
    """Before anything is made: a new service is not led elsewhere by what lay in its folder.

    Raises:
        OSError: the folder of the store, the keys or the certificate is a link.
    """
    for folder in (settings.store.path, settings.dkim.folder, settings.tls.key.parent):
        refuse_link(folder)


def make_certificate(settings: Settings) -> bool:
    """A self-signed one where none is; False: the one that is there stays.

    A key alone, as an interrupted `init` leaves it, gets its certificate.

    Raises:
        BadServerKey: one of the two is there, and the other cannot be made for it.
    """
    certificate, key = settings.tls.certificate, settings.tls.key
    names = [settings.service.hostname, "localhost", "127.0.0.1", "::1"]
    if certificate.exists():
        if not key.exists():
            raise BadServerKey(
                f"{certificate} is there without its key {key}: put the key there, or remove the"
                " certificate, and both are made"
            )
        return False
    if key.exists():
        issue(names, key=read_server_key(key)).write_certificate(certificate)
    else:
        issue(names).write(certificate, key)
    return True


def sweep_drafts(settings: Settings) -> None:
    """What an interrupted `init` left beside files that are whole."""
    keys = [key_file(settings.dkim.folder, name) for name in settings.dkim.selectors]
    for path in (settings.tls.certificate, settings.tls.key, settings.auth.numen_key, *keys):
        draft_of(path).unlink(missing_ok=True)


def make_dkim_keys(settings: Settings, selectors: Sequence[str] = ()) -> list[Path]:
    """Make what is missing, RSA and Ed25519 in turn; returns the new files.

    selectors: other ones than those of the settings, for keys that will follow them.

    Raises:
        ValueError: a selector is none.
        OSError: the folder cannot be written.
    """
    folder = settings.dkim.folder
    names = [check_selector(name) for name in selectors or settings.dkim.selectors]
    made: list[Path] = []
    for name, algorithm in zip(names, cycle(Algorithm)):
        path = key_file(folder, name)
        if not os.path.lexists(path):
            make_folder(folder)
            publish_new(path, make_key(algorithm), mode=PRIVATE_MODE)
            made.append(path)
    return made


def prepare_store(settings: Settings, *, now_s: float) -> int:
    """Make or migrate the store and its postmaster; returns the number of accounts.

    Raises:
        StoreError, OSError: the store cannot be opened.
    """
    folder = settings.store.path
    if not folder.is_dir():
        make_folder(folder)
    if not any(folder.iterdir()) and (ids := service_user(settings)) is not None:
        os.chown(folder, *ids)
    store = open_store(settings)
    try:
        ensure_postmaster(store.accounts, settings, now_s=now_s)
        return store.accounts.count_accounts()
    finally:
        store.close()


def ensure_postmaster(directory: Directory, settings: Settings, *, now_s: float) -> Account:
    """The account that answers for the service, with postmaster@ and abuse@ of each domain.

    Names that another account already has stay with it: mail for them arrives.
    """
    identifier = settings.service.postmaster
    wanted = [f"{role}@{domain}" for domain in settings.service.domains for role in ROLE_NAMES]
    account = directory.find_account(identifier)
    if account is None:
        free = [text for text in wanted if directory.find_mailbox(key_of(text)) is None]
        return directory.add_account(
            identifier=identifier, name="Postmaster", addresses=free, now_s=now_s
        )
    for text in wanted:
        if directory.find_mailbox(key_of(text)) is None:
            try:
                directory.add_address(account.account_id, text, now_s=now_s)
            except NameTaken:  # by an identifier of that very form
                continue
    return account


def key_of(address: str) -> str:
    """The directory's key of an address written as `local@domain`."""
    local, _, domain = address.rpartition("@")
    return Address(local, domain).key


def dns_records(settings: Settings) -> list[str]:
    """What to publish, in zone file form (RFC 1035 §5), for each domain."""
    host = fold_domain(settings.service.hostname)
    keys = _readable_keys(settings, settings.dkim.selectors) if settings.dkim.enabled else []
    records = []
    for domain in map(fold_domain, settings.service.domains):
        records.append(f"{domain}. IN MX 10 {host}.")
        records.append(f'{domain}. IN TXT "v=spf1 mx -all"')
        records += _key_records(domain, keys)
    return records


def dkim_records(settings: Settings, selectors: Sequence[str] = ()) -> list[str]:
    """The records of these keys (none named: of those that sign), for each domain."""
    keys = _readable_keys(settings, selectors or settings.dkim.selectors)
    domains = map(fold_domain, settings.service.domains)
    return [record for domain in domains for record in _key_records(domain, keys)]


def _key_records(domain: str, keys: Iterable[SigningKey]) -> list[str]:
    return [
        f"{record_name(key.selector, domain)}. IN TXT {zone_text(key.record())}" for key in keys
    ]


def _readable_keys(settings: Settings, selectors: Iterable[str]) -> list[SigningKey]:
    """Without those that are missing or spoilt: `config check` names them."""
    keys: list[SigningKey] = []
    for selector in selectors:
        try:
            keys.append(load_key(settings.dkim.folder, selector))
        except (OSError, BadKey):
            continue
    return keys
