"""A provider of other people's making: Postfix that takes mail for one domain from anybody, and for
another one only from who signs in (Dovecot checks the password), over TLS.

    signed.test     its own, for jean alone
    elsewhere.test  relayed, for who has signed in
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

from bench.postfix import MASTER_CF, adapt_master
from bench.process import end_process, find_free_ports, greets, run, wait_until

USER, PASSWORD = "melouvert", "mot-de-passe-du-relais"
PATIENCE_S = 20.0

_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = provider.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
alias_maps =
virtual_mailbox_domains = signed.test
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ jean@signed.test=jean/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
transport_maps = inline:{{ elsewhere.test=discard: }}
smtpd_relay_restrictions = permit_sasl_authenticated reject_unauth_destination
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth_port}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {folder}/chain.pem
"""
_DOVECOT_CONF = """\
base_dir = {folder}/dovecot
state_dir = {folder}/dovecot
log_path = {folder}/dovecot.log
protocols =
ssl = no
auth_mechanisms = plain login
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {auth_port}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Provider:
    """authority: a file of the root certificate that signed its own."""

    port: int
    authority: Path
    certificate: trustme.LeafCert
    mailbox: Path


@contextmanager
def running(*names: str) -> Iterator[Provider]:
    """names: what its certificate is for."""
    port, auth_port = find_free_ports(2)
    folder = Path(tempfile.mkdtemp(prefix="provider-"))
    folder.chmod(0o755)  # Postfix runs as users of its own
    try:
        authority = trustme.CA()
        certificate = authority.issue_cert(*names)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "chain.pem"))
        _configure(folder, port=port, auth_port=auth_port)
        with _dovecot(folder, auth_port), _postfix(folder, port):
            mailbox = folder / "mail" / "jean" / "new"
            yield Provider(port, folder / "ca.pem", certificate, mailbox)
    finally:
        shutil.rmtree(folder)


def _configure(folder: Path, *, port: int, auth_port: int) -> None:
    for name in ("queue", "data", "mail", "dovecot"):
        (folder / name).mkdir()
    for name in ("data", "mail"):
        shutil.chown(folder / name, "postfix", "postfix")
    owner = (folder / "mail").stat()
    main = _MAIN_CF.format(folder=folder, uid=owner.st_uid, gid=owner.st_gid, auth_port=auth_port)
    (folder / "main.cf").write_text(main, "utf-8")
    (folder / "master.cf").write_text(adapt_master(MASTER_CF.read_text("utf-8"), port))
    (folder / "users").write_text(f"{USER}:{PASSWORD}\n", "utf-8")
    (folder / "users").chmod(0o644)
    conf = _DOVECOT_CONF.format(folder=folder, auth_port=auth_port)
    (folder / "dovecot.conf").write_text(conf, "utf-8")


@contextmanager
def _dovecot(folder: Path, auth_port: int) -> Iterator[None]:
    with (folder / "stderr.log").open("wb") as log:
        process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(folder / "dovecot.conf")], stdout=log, stderr=log
        )
    try:
        wait_until(
            lambda: greets(auth_port, b"VERSION\t"), what="dovecot-auth", timeout_s=PATIENCE_S
        )
        yield
    finally:
        end_process(process, grace_s=PATIENCE_S)


@contextmanager
def _postfix(folder: Path, port: int) -> Iterator[None]:
    try:
        run(["postfix", "-c", str(folder), "start"])
        wait_until(lambda: greets(port, b"220 "), what="Postfix", timeout_s=PATIENCE_S)
        yield
    finally:
        with suppress(OSError):
            run(["postfix", "-c", str(folder), "stop"])
