"""The real worker in a process of its own: real store, real gate, sockets on port 0.

Run as `python -m tests.smtp_relay.inbound.house FOLDER [key=value ...]`.  It makes the
accounts, a throw-away CA's certificate, prints one line of JSON (listener ->
port) and serves; its standard input is the life line.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import trustme

from mailserver.auth.accounts import set_numen
from mailserver.auth.backend import StoreBackend
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.store.ports.errors import NameTaken
from mailserver.store.ports.store import Store
from mailserver.supervisor.contract import Listener, WorkerContext
from mailserver.telemetry import log
from mailserver.values.secret import Secret
from smtp_relay.inbound import worker

DOMAIN = "ac-exemple.fr"
HOSTNAME = f"mail.{DOMAIN}"
NUMEN = "13E0245678ABC"
PEOPLE = {
    "postmaster": ("postmaster",),
    "mdupont": ("marie.dupont", "marie"),
    "pmartin": ("pierre.martin",),
}
LISTENERS = ("mx", "submission", "submissions")


def write_certificate(folder: Path) -> None:
    """CA in ca.pem, the server's in certificate.pem and key.pem."""
    ca = trustme.CA()
    issued = ca.issue_cert("localhost", "127.0.0.1", HOSTNAME)
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "certificate.pem").write_bytes(b"".join(p.bytes() for p in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))


def make_settings(folder: Path, overrides: dict[str, Any]) -> Settings:
    tree: dict[str, Any] = {
        "service": {"domain": DOMAIN, "hostname": HOSTNAME, "language": "en"},
        "store": {"path": str(folder / "store"), "min_free_mib": 0},
        "tls": {
            "certificate": str(folder / "certificate.pem"),
            "key": str(folder / "key.pem"),
        },
    }
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = value
    return Settings.model_validate(tree)


def add_people(store: Store) -> None:
    for identifier, locals_ in PEOPLE.items():
        addresses = [f"{local}@{DOMAIN}" for local in locals_]
        with suppress(NameTaken):
            account = store.accounts.add_account(
                identifier=identifier, name=identifier, addresses=addresses, now_s=0.0
            )
            set_numen(StoreBackend(store), account.account_id, NUMEN)


def bind(name: str) -> Listener:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    sock.setblocking(False)
    return Listener(name=name, sock=sock)


def main(folder: Path, overrides: dict[str, Any]) -> None:
    settings = make_settings(folder, overrides)
    log.configure(level=settings.log.level, log_format="json", stream=sys.stderr)
    write_certificate(folder)
    store = open_store(settings)
    add_people(store)
    store.close()
    prepared = worker.prepare(settings)
    listeners = tuple(bind(name) for name in LISTENERS)
    ports = {listener.name: listener.sock.getsockname()[1] for listener in listeners}
    print(json.dumps({**ports, "pid": os.getpid()}), flush=True)
    context = WorkerContext(
        settings=settings,
        door="smtp",
        index=0,
        listeners=listeners,
        life_fd=0,
        auth_secret=Secret(bytes(32)),
    )
    worker.serve(prepared, context)


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    main(Path(sys.argv[1]), {key: json.loads(value) for key, value in given.items()})
