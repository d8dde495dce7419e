"""What the commands about passwords share: the desk over the store, and how refusals are said."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Mistake
from mailserver.values.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from mailserver.recovery.passwords import PasswordDesk


@contextmanager
def opened_desk(config: Path | None) -> Iterator[PasswordDesk]:
    """
    Raises:
        Mistake: what the desk refused, in the service's language.
    """
    from mailserver.auth.backend import open_backend
    from mailserver.auth.numen_key import ensure_key
    from mailserver.dkim.signer import open_signer
    from mailserver.recovery.letters import Post
    from mailserver.recovery.passwords import House, PasswordDesk, Refused

    settings = read_settings(config)
    language = settings.service.language
    with opened_store(settings) as store:
        key = ensure_key(settings.auth.numen_key)
        house = House(
            store=store,
            backend=open_backend(store, settings),
            post=Post(store, settings, signer=open_signer(settings)),
            key=key,
            rules=settings.passwords,
            language=language,
            now_s=time.time,
        )
        try:
            yield PasswordDesk(house)
        except Refused as refused:
            raise Mistake(refused.text.in_language(language)) from None


def by_whom() -> str:
    """Who typed the command, for the account's history."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account of the machine without a name
        return "cli"


def read_secret(prompt: str) -> Secret[str]:
    """One line: from a terminal without showing it, else the next one of the pipe, as UTF-8."""
    if sys.stdin.isatty():
        return Secret(getpass.getpass(f"{prompt}: "))
    try:
        return Secret(sys.stdin.buffer.readline().rstrip(b"\r\n").decode("utf-8"))
    except UnicodeDecodeError:
        raise Mistake("standard input is not UTF-8") from None
