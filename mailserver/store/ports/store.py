"""All of a store: what one process opens."""

from __future__ import annotations

from typing import Protocol

from mailserver.store.ports.accounts import Credentials, Directory
from mailserver.store.ports.backups import Backups
from mailserver.store.ports.bodies import Bodies
from mailserver.store.ports.history import Collections, Journeys
from mailserver.store.ports.imports import Imports
from mailserver.store.ports.lists import Lists
from mailserver.store.ports.mail import (
    MailboxContents,
    Mailboxes,
    RemovedMail,
)
from mailserver.store.ports.operators import Operators
from mailserver.store.ports.people import Kinds, People
from mailserver.store.ports.policies import Policies
from mailserver.store.ports.queue import (
    Queue,
)
from mailserver.store.ports.recovery import FirstPasswords, Recovery
from mailserver.store.ports.shared.attempts import Attempts, KnownBlocks
from mailserver.store.ports.shared.repeats import Remembers
from mailserver.store.ports.shared.scratch import Scratch
from mailserver.store.ports.shared.sending import SentLedger
from mailserver.store.ports.targets import Targets
from mailserver.store.ports.upkeep import Upkeep
from mailserver.store.ports.writes import Writes


class Store(
    Writes,
    Queue,
    Operators,
    Bodies,
    Mailboxes,
    MailboxContents,
    RemovedMail,
    Journeys,
    Directory,
    Credentials,
    Policies,
    Scratch,
    KnownBlocks,
    Attempts,
    Recovery,
    FirstPasswords,
    People,
    Imports,
    Targets,
    Kinds,
    Collections,
    Upkeep,
    Remembers,
    Protocol,
):
    """All of it.  Open one per process, after the fork; doors ask for less."""

    @property
    def sent(self) -> SentLedger: ...

    @property
    def lists(self) -> Lists: ...

    @property
    def backups(self) -> Backups: ...

    def close(self) -> None: ...
