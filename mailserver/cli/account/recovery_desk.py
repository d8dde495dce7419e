"""What the commands about passwords share: the context, and how refusals are said."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailserver.cli.access import opened_store, read_settings
from mailserver.cli.mistake import Mistake
from mailserver.values.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from mailserver.recovery.context import RecoveryContext
    from mailserver.settings.model import Settings
    from mailserver.store.ports.store import Store

MAX_LINE_OCTETS = 4096


@contextmanager
def opened_house(config: Path | None) -> Iterator[RecoveryContext]:
    """
    Raises:
        Mistake: what a service refused, in the service's language.
    """
    settings = read_settings(config)
    with opened_store(settings) as store, refusals_said(settings):
        yield house_over(store, settings)


@contextmanager
def refusals_said(settings: Settings) -> Iterator[None]:
    """
    Raises:
        Mistake: what a service refused, in the service's language.
    """
    from mailserver.auth.rules import BadPassword
    from mailserver.recovery.context import RecoveryRefused

    try:
        yield
    except (BadPassword, RecoveryRefused) as refused:
        raise Mistake(refused.text.in_language(settings.service.language)) from None


def house_over(store: Store, settings: Settings) -> RecoveryContext:
    """Nobody's address says who types a command: only names and accounts are counted."""
    from mailserver.auth.throttle import Throttle, limits_of
    from mailserver.dkim.signer import open_signer
    from mailserver.recovery.context import open_house

    throttle = Throttle(store.counters, limits_of(settings.auth))
    return open_house(store, settings, signer=open_signer(settings), throttle=throttle)


def read_secret(prompt: str) -> Secret[str]:
    """One line: from a terminal without showing it, else the next one of the pipe, as UTF-8.

    Raises:
        Mistake: the pipe has ended, its line is too long, or it is not UTF-8.
    """
    if sys.stdin.isatty():
        return Secret(getpass.getpass(f"{prompt}: "))
    line = sys.stdin.buffer.readline(MAX_LINE_OCTETS)
    if not line:
        raise Mistake(f"{prompt}: nothing came: write it as a line of standard input")
    if len(line) == MAX_LINE_OCTETS and not line.endswith(b"\n"):
        raise Mistake(f"{prompt}: the line is too long")
    try:
        return Secret(line.rstrip(b"\r\n").decode("utf-8"))
    except UnicodeDecodeError:
        raise Mistake("standard input is not UTF-8") from None


def read_new_secret(prompt: str) -> Secret[str]:
    """As `read_secret`; from a terminal twice, because what is typed is not seen.

    Raises:
        Mistake: the two are not the same.
    """
    secret = read_secret(prompt)
    if sys.stdin.isatty() and getpass.getpass(f"{prompt}, again: ") != secret.reveal():
        raise Mistake("the two were not the same: nothing was changed")
    return secret
