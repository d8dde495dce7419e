"""A private Dovecot: LMTP on Postfix's socket, POP3 on a high loopback port, Maildir.

Debian's packaged defaults with the mail location and the accounts set.  What it forces a site to
raise, and what is set in its favour, stands in NOTES and in the printed table.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.cpu import CpuMeter
from bench.process import end_process, greets, last_line, run, wait_until
from bench.side import PASSWORD, BenchError

NOTES = (
    "Dovecot verifies a {PLAIN} password from a passwd-file: the cheapest check it has",
    "Dovecot mail_max_userip_connections = 100 (default 10): all load comes from one address",
    "Dovecot ssl = no, and Postfix without a certificate: no TLS in any row, on either side",
)

_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
listen = 127.0.0.1
protocols = pop3 lmtp
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_privileged_group = mail
mail_max_userip_connections = 100
first_valid_uid = {uid}
auth_username_format = %Ln
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  unix_listener {lmtp_socket} {{
    mode = 0600
    user = postfix
    group = postfix
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""


class Dovecot:
    def __init__(self, folder: Path, *, port: int, lmtp_socket: Path, meter: CpuMeter) -> None:
        self._folder = folder
        self._port = port
        self._lmtp_socket = lmtp_socket
        self._meter = meter
        self._mail = folder / "mail"
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, names: Sequence[str]) -> None:
        """Write the configuration and the accounts.  Mail belongs to the user `nobody`.

        Raises:
            BenchError: a Dovecot whose configuration language is another one.
        """
        version = run(["dovecot", "--version"]).strip()
        if not version.startswith("2.3."):
            raise BenchError(f"Dovecot 2.3 is needed for the comparison, this is {version}")
        owner = pwd.getpwnam("nobody")
        for name in ("run", "state", "mail"):
            (self._folder / name).mkdir(parents=True)
        os.chown(self._mail, owner.pw_uid, owner.pw_gid)
        users = "".join(
            f"{name}:{PASSWORD}:{owner.pw_uid}:{owner.pw_gid}::{self._mail / name}::\n"
            for name in names
        )
        (self._folder / "users").write_text(users, "utf-8")
        (self._folder / "users").chmod(0o644)
        (self._folder / "dovecot.conf").write_text(
            _CONFIG.format(
                folder=self._folder,
                port=self._port,
                lmtp_socket=self._lmtp_socket,
                uid=owner.pw_uid,
            ),
            "utf-8",
        )

    def start(self) -> None:
        command = ["dovecot", "-F", "-c", str(self._folder / "dovecot.conf")]
        with (self._folder / "stderr.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._meter.wrap(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._meter.watch(self._process.pid)
        try:
            wait_until(lambda: greets(self._port, b"+OK"), what="Dovecot's POP3", timeout_s=20)
        except BenchError as error:
            said = last_line(self._folder / "stderr.log")
            raise BenchError(f"{error} (Dovecot said: {said})") from error

    def stop(self) -> None:
        if self._process is not None:
            end_process(self._process, grace_s=20)
            self._process = None

    def count(self, names: Iterable[str]) -> int:
        """Messages in the maildirs, seen or not."""
        return sum(_count_maildir(self._mail / name / "Maildir") for name in names)


def _count_maildir(maildir: Path) -> int:
    count = 0
    for part in ("new", "cur"):
        try:
            count += len(os.listdir(maildir / part))
        except FileNotFoundError:
            continue
    return count
