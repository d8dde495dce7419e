"""All of a store: what one process opens, by what each part is about.

| part       | for                                                              |
| ---------- | ---------------------------------------------------------------- |
| `writes`   | what must survive: accepts, removals, leases, settlements         |
| `bodies`   | large bodies on their way in, and the room on the disk            |
| `mail`     | what stands in mailboxes, and what was removed and is not gone    |
| `queue`    | what waits: for agents, reporters and operators                   |
| `accounts` | who signs in, with what; whose an address is                      |
| `people`   | units, people, imports, relations, history; where an address leads |
| `recovery` | first passwords, codes, recovery addresses                        |
| `lists`    | lists, their members, posts on their way                          |
| `history`  | what became of a message                                          |
| `policies` | what other domains ask of who sends to them                       |
| `clock`    | what is believed of the machine's clock, and stored moments       |
| `upkeep`   | what only the keeper asks                                         |
| `backups`  | one moment of the database, bodies that stay                      |
| `locks`    | what one process holds and drops when it dies                     |
| `counters` | what all processes share and may lose                             |

A door takes the narrow port that it needs (`Directory`, `Operators`), not all of it.
"""

from __future__ import annotations

from typing import Protocol

from mailserver.store.outside import NotesOwn
from mailserver.store.ports.accounts import Accounts
from mailserver.store.ports.bodies import Bodies
from mailserver.store.ports.history import History
from mailserver.store.ports.imports import Imports
from mailserver.store.ports.lists import Lists
from mailserver.store.ports.mail import Mail
from mailserver.store.ports.operators import QueueAndOperators
from mailserver.store.ports.people import Kinds, People
from mailserver.store.ports.policies import Policies
from mailserver.store.ports.recovery import RecoveryAndFirstPasswords
from mailserver.store.ports.shared.counters import Counters
from mailserver.store.ports.shared.locks import Locks
from mailserver.store.ports.targets import Targets
from mailserver.store.ports.upkeep import Backups, Clock, Upkeep
from mailserver.store.ports.writes import Writes


class PeopleAndUnits(People, Imports, Targets, Kinds, NotesOwn, Protocol):
    """Units, people, their imports, relations and history; where an address leads."""


class Store(Protocol):
    """Open one per process, after the fork (`mailserver.store.open`)."""

    @property
    def writes(self) -> Writes: ...

    @property
    def bodies(self) -> Bodies: ...

    @property
    def mail(self) -> Mail: ...

    @property
    def queue(self) -> QueueAndOperators: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def people(self) -> PeopleAndUnits: ...

    @property
    def recovery(self) -> RecoveryAndFirstPasswords: ...

    @property
    def lists(self) -> Lists: ...

    @property
    def history(self) -> History: ...

    @property
    def policies(self) -> Policies: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def upkeep(self) -> Upkeep: ...

    @property
    def backups(self) -> Backups: ...

    @property
    def locks(self) -> Locks: ...

    @property
    def counters(self) -> Counters: ...

    def close(self) -> None: ...
