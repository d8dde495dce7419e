"""A private Postfix of the system's package that keeps jean's mail for one domain; as root only."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.postfix import write_configuration
from bench.process import greets, run, wait_until

PATIENCE_S = 20.0

_MAIN_CF = """\
mydestination =
mynetworks =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ jean@{domain}=jean/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """One that every user may enter: Postfix runs as users of its own."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_postfix(
    folder: Path, *, port: int, hostname: str, domain: str, rules: str
) -> Iterator[Path]:
    """rules: more lines of main.cf.  Yields the folder where mail for jean lands."""
    mail = folder / "mail"
    mail.mkdir()
    shutil.chown(mail, "postfix", "postfix")
    owner = mail.stat()
    main = _MAIN_CF.format(folder=folder, domain=domain, uid=owner.st_uid, gid=owner.st_gid)
    write_configuration(folder, port=port, hostname=hostname, rules=main + rules)
    try:
        run(["postfix", "-c", str(folder), "start"])
        wait_until(lambda: greets(port, b"220 "), what="Postfix", timeout_s=PATIENCE_S)
        yield mail / "jean" / "new"
    finally:
        with suppress(OSError):
            run(["postfix", "-c", str(folder), "stop"])
