"""All that `store.people` answers."""

from __future__ import annotations

from typing import Protocol

from mailserver.store.outside import NotesOwn
from mailserver.store.ports.imports import Imports
from mailserver.store.ports.people import Kinds, People
from mailserver.store.ports.targets import Targets


class PeopleAndUnits(People, Imports, Targets, Kinds, NotesOwn, Protocol):
    """Units, people, their imports, relations and history; where an address leads."""
