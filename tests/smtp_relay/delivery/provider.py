"""A provider of other people's making: Postfix that takes mail for one domain from anybody, and for
another one only from who signs in (Dovecot checks the password), over TLS.

    signed.test     its own, for jean alone
    elsewhere.test  relayed, for who has signed in
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from bench.process import end_process, find_free_ports, greets, wait_until
from tests.smtp_relay.delivery.private_postfix import PATIENCE_S, open_folder, running_postfix

USER, PASSWORD = "melouvert", "mot-de-passe-du-relais"

_RULES = """\
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
    with open_folder("provider-") as folder:
        authority = trustme.CA()
        certificate = authority.issue_cert(*names)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "chain.pem"))
        rules = _RULES.format(folder=folder, auth_port=auth_port)
        postfix = running_postfix(
            folder, port=port, hostname="provider.test", domain="signed.test", rules=rules
        )
        with _dovecot(folder, auth_port), postfix as mailbox:
            yield Provider(port, folder / "ca.pem", certificate, mailbox)


@contextmanager
def _dovecot(folder: Path, auth_port: int) -> Iterator[None]:
    (folder / "dovecot").mkdir()
    (folder / "users").write_text(f"{USER}:{PASSWORD}\n", "utf-8")
    (folder / "users").chmod(0o644)
    conf = _DOVECOT_CONF.format(folder=folder, auth_port=auth_port)
    (folder / "dovecot.conf").write_text(conf, "utf-8")
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
