"""`init` killed before each change that it makes to the disk, then begun again.

A program of its own, because each death wants a process:

    python -m tests.setup.killed FOLDER [STEP]     dies before each STEPth change

It prints one line for each death: its number, what was about to happen, and what the next `init`
and the folder say (`ok`, or what is wrong).
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Final

from mailserver.auth.numen_key import load_key
from mailserver.cli.main import main
from mailserver.dkim import keys
from mailserver.settings.check.check import check_settings
from mailserver.settings.check.finding import Level
from mailserver.settings.check.ports import Ports
from mailserver.settings.load import load_settings
from mailserver.setup import service
from mailserver.store.open import open_store

KILLED: Final = 9
WORDS: Final = ("--domain", "a.test", "--high-ports")
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES: Final = {
    "os.mkdir", "os.chmod", "os.chown", "os.link", "os.rename", "os.remove", "os.truncate",
    "os.symlink", "os.rmdir",
}  # fmt: skip
MOST: Final = 500


def in_a_child(act: Callable[[], int]) -> int:
    """Its exit status."""
    pid = os.fork()
    if pid == 0:
        os._exit(act())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def init_until(folder: Path, number: int, told: Path) -> int:
    """Dies before the change of this number; 0: `init` came to its end before it."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if event in CHANGES or is_write:
            if str(folder) not in str(arguments[0]) and event != "os.chmod":
                return
            seen += 1
            if seen == number:
                os.write(2, f"{event} {Path(str(arguments[0])).name}".encode())
                os._exit(KILLED)

    fd = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(fd, 2)
    sys.addaudithook(watch)
    return init(folder)


def init(folder: Path) -> int:
    with redirect_stdout(StringIO()):
        return main(["init", str(folder), *WORDS])


def begin_again(folder: Path) -> int:
    """0: the next `init` makes a whole service of what is there."""
    if (folder / "mailserver.toml").exists():
        again = main(["init", str(folder), *WORDS, "--if-missing"])
    else:
        again = init(folder)
    return again or check(folder)


def check(folder: Path) -> int:
    """0: every key fits, nothing lies about, and the postmaster is there."""
    settings = load_settings(folder / "mailserver.toml", {})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.tls.certificate, settings.tls.key)
    load_key(settings.auth.numen_key)
    for selector in settings.dkim.selectors:
        keys.load_key(settings.dkim.folder, selector)
    with closing(open_store(settings)) as store:
        assert store.accounts.find_account("postmaster") is not None
    left = [one.name for one in folder.rglob("*") if one.name.endswith(".new")]
    left += [one.name for one in folder.glob("numen.key?*")]
    assert not left, left
    errors = [
        finding
        for finding in check_settings(settings, ports=Ports.NOT_LOOKED_AT)
        if finding.level is Level.ERROR
    ]
    assert not errors, errors
    return 0


def quick_key(_algorithm: keys.Algorithm) -> bytes:
    """Drawing an RSA key would take most of the time."""
    return keys.make_key(keys.Algorithm.ED25519)


def run(folder: Path, step: int) -> int:
    worst, told = 0, folder / "told"
    vars(service)["make_key"] = quick_key
    for number in range(1, MOST, step):
        place = folder / f"{number:03}"
        died = in_a_child(partial(init_until, place, number, told))
        if died != KILLED:
            return worst or died
        again = in_a_child(partial(begin_again, place))
        worst = worst or again
        print(number, told.read_text(), "ok" if again == 0 else f"status {again}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), int([*sys.argv, "1"][2])))
