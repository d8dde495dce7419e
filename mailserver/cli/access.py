"""From `--config` to settings and an open store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mailserver.cli.mistake import Mistake

if TYPE_CHECKING:
    from mailserver.settings.model import Settings
    from mailserver.store.ports.accounts import Account, Directory
    from mailserver.store.ports.store import Store
    from mailserver.store.ports.upkeep import Clock


def read_settings(config: Path | None) -> Settings:
    """
    Raises:
        SettingsError: no file, or a bad one.
    """
    from mailserver.settings.load import find_settings_file, load_settings

    return load_settings(find_settings_file(config))


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The service's store, closed afterwards.

    Raises:
        Mistake: there is none.
    """
    from mailserver.store.open import open_store
    from mailserver.telemetry.log import log_of_a_command

    if not settings.store.path.is_dir():
        raise Mistake(f"no store at {settings.store.path}: `mailserver init` makes one")
    with log_of_a_command(), closing(open_store(settings)) as store:
        yield store


def moment_for(clock: Clock) -> float:
    """Now, for what is decided by dates; said aloud where the machine's clock is not believed."""
    from mailserver.cli.moments import gap_warning
    from mailserver.store.clock import ServiceClock

    belief = ServiceClock(clock).belief()
    if (warning := gap_warning(belief)) is not None:
        print(f"warning: {warning}", file=sys.stderr)
    return belief.ends_s


def account_named(directory: Directory, identifier: str) -> Account:
    """
    Raises:
        Mistake: nobody has this identifier.
    """
    account = directory.find_account(identifier)
    if account is None:
        raise Mistake(f"no account {identifier!r}: `mailserver account list` shows all of them")
    return account
