"""A throw-away service: its folder, its settings, its certificate, its people.

Every mailbox `name` has the addresses name@ and alias.name@, and one password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme

from mailserver.auth.passwords import hash_password
from mailserver.settings.load import load_settings
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.values.secret import Secret
from tests.crash.letters import DOMAIN
from tests.ports import find_ports

PASSWORD = "mot de passe d'essai"
LISTENERS = ("mx", "submission", "pop3")

_SETTINGS = """
[service]
domain = "{domain}"
hostname = "mail.{domain}"
postmaster = "postmaster"
[store]
path = "store"
min_free_mib = 0
{store}
[smtp]
mx = ["127.0.0.1:{mx}"]
submission = ["127.0.0.1:{submission}"]
submissions = []
processes = {processes}
[pop3]
pop3 = ["127.0.0.1:{pop3}"]
pop3s = []
processes = {processes}
[auth]
allow_plaintext_on_loopback = true
[dkim]
enabled = false
[delivery]
processes = {agents}
retry_minutes = [0.01, 0.02, 0.05]
idle_s = 1
dane = false
mta_sts = false
[log]
level = "warning"
format = "json"
"""
_ROUTE = """
[[routes]]
name = "{name}"
recipient_domains = ["{domain}"]
via = "smarthost"
host = "127.0.0.1"
port = {port}
tls = "none"
"""


@dataclass(frozen=True, slots=True)
class House:
    folder: Path
    settings_file: Path
    ports: Mapping[str, int]

    @property
    def store_folder(self) -> Path:
        return self.folder / "store"

    @property
    def settings(self) -> Settings:
        return load_settings(self.settings_file, {})


def build_house(
    folder: Path,
    *,
    names: Sequence[str],
    ports: Mapping[str, int],
    processes: int = 1,
    store_keys: str = "",
    agents: int = 0,
    elsewhere: Mapping[str, int] | None = None,
) -> House:
    """
    ports: of each of LISTENERS; 0 lets the system choose.
    store_keys: further lines of the section [store].
    agents: how many processes deliver to other servers.
    elsewhere: domain -> port of the server on this machine that takes its mail.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings_file = folder / "mailserver.toml"
    text = _SETTINGS.format(
        domain=DOMAIN, processes=processes, store=store_keys, agents=agents, **ports
    )
    for domain, port in (elsewhere or {}).items():
        text += _ROUTE.format(name=domain.partition(".")[0], domain=domain, port=port)
    settings_file.write_text(text, "utf-8")
    _make_certificate(folder / "tls")
    house = House(folder, settings_file, dict(ports))
    _make_people(house.settings, ("postmaster", *names))
    return house


def free_ports() -> dict[str, int]:
    """One free port for each listener, so that a service may be started again on the same."""
    return dict(zip(LISTENERS, find_ports(len(LISTENERS)), strict=True))


def _make_certificate(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "key.pem").chmod(0o600)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    (folder / "certificate.pem").write_bytes(chain)


def _make_people(settings: Settings, names: Sequence[str]) -> None:
    verifier = hash_password(Secret(PASSWORD))
    store = open_store(settings)
    try:
        for name in names:
            addresses = (f"{name}@{DOMAIN}", f"alias.{name}@{DOMAIN}")
            account = store.accounts.add_account(
                identifier=name, name=name.title(), addresses=addresses, now_s=0.0
            )
            store.accounts.write_credential(
                account.account_id, verifier=verifier, must_change=False
            )
    finally:
        store.close()
