"""A private Postfix: its own configuration, queue and data folders, one high loopback port.

The services are those of the package's master.cf; only the SMTP listener and the chroot column
differ (a chroot in a private queue folder would need copies of system files, and costs nothing
at run time).  main.cf holds what the package writes for a site that delivers to virtual mailboxes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.cpu import CpuMeter
from bench.process import greets, is_alive, run, wait_until
from bench.side import DOMAIN, BenchError

MASTER_CF = Path("/usr/share/postfix/master.cf.dist")

# service, type, private, unpriv; the fifth column is chroot
_CHROOT = re.compile(r"(?m)^(\S+\s+(?:inet|unix|unix-dgram|fifo|pass)(?:\s+\S+){2}\s+)y")

_ANY_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {hostname}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
"""
_MAIN_CF = """\
mydestination = localhost
mynetworks = 127.0.0.0/8
relayhost = {relay_host}
alias_database =
biff = no
append_dot_mydomain = no
mailbox_size_limit = 0
recipient_delimiter = +
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = {table}:{folder}/recipients
virtual_transport = lmtp:unix:private/dovecot-lmtp
"""


class Postfix:
    def __init__(self, folder: Path, *, port: int, meter: CpuMeter, sink_port: int) -> None:
        """`folder` must be on a path that every user may enter.

        sink_port: where everything goes that is not for a mailbox.
        """
        self._relay_host = f"[127.0.0.1]:{sink_port}"
        self._folder = folder
        self._queue = folder / "queue"
        self._port = port
        self._meter = meter
        self.lmtp_socket = self._queue / "private" / "dovecot-lmtp"

    def configure(self, names: Sequence[str]) -> None:
        """Write the configuration and the table of recipients."""
        table = run(["postconf", "-d", "-h", "default_database_type"]).strip()
        main = _MAIN_CF.format(
            folder=self._folder, domain=DOMAIN, table=table, relay_host=self._relay_host
        )
        write_configuration(self._folder, port=self._port, hostname=f"mail.{DOMAIN}", rules=main)
        recipients = self._folder / "recipients"
        recipients.write_text("".join(f"{name}@{DOMAIN} {name}\n" for name in names), "utf-8")
        run(["postmap", "-c", str(self._folder), f"{table}:{recipients}"])

    def make_folders(self) -> None:
        """Make the queue's folders, the one for Dovecot's socket among them."""
        run(["postfix", "-c", str(self._folder), "check"])

    def start(self) -> None:
        run(self._meter.wrap(["postfix", "-c", str(self._folder), "start"]))
        wait_until(lambda: greets(self._port, b"220 "), what="Postfix's SMTP port", timeout_s=20)
        self._meter.watch(self._read_pid())

    def stop(self) -> None:
        """Ends this instance only; its master process is gone when this returns."""
        if (pid := self._find_pid()) is None:
            return
        run(["postfix", "-c", str(self._folder), "stop"])
        wait_until(lambda: not is_alive(pid), what="Postfix to end", timeout_s=20)

    def queue_is_empty(self) -> bool:
        """Raises:
        BenchError: a message was deferred, so the measure is worth nothing.
        """
        if any(_has_file(self._queue / name) for name in ("maildrop", "incoming", "active")):
            return False
        if _has_file(self._queue / "deferred"):
            raise BenchError("Postfix has deferred messages: a limit of the peer was hit")
        return True

    def _read_pid(self) -> int:
        pid = self._find_pid()
        if pid is None:
            raise BenchError("Postfix runs but left no process id")
        return pid

    def _find_pid(self) -> int | None:
        """The master process, if it lives."""
        try:
            pid = int((self._queue / "pid" / "master.pid").read_text("ascii"))
        except (OSError, ValueError):
            return None
        return pid if is_alive(pid) else None


def write_configuration(folder: Path, *, port: int, hostname: str, rules: str) -> None:
    """Folders, main.cf and master.cf of an instance.  rules: the lines that are this one's own."""
    (folder / "queue").mkdir(parents=True)
    data = folder / "data"
    data.mkdir()
    shutil.chown(data, "postfix", "postfix")
    main = _ANY_CF.format(folder=folder, hostname=hostname) + rules
    (folder / "main.cf").write_text(main, "utf-8")
    master = adapt_master(MASTER_CF.read_text("utf-8"), port)
    (folder / "master.cf").write_text(master, "utf-8")


def adapt_master(text: str, port: int) -> str:
    """The package's master.cf with one SMTP listener on a loopback port and no chroot."""
    moved = re.sub(r"(?m)^smtp(\s+inet\s)", rf"127.0.0.1:{port}\1", text)
    return _CHROOT.sub(r"\1n", moved)


def _has_file(folder: Path) -> bool:
    """Is there a file in `folder` or, where the queue is hashed, in a folder of it?"""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False) or _has_file(Path(entry.path)):
                    return True
    except FileNotFoundError:
        return False
    return False
