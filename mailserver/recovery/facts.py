"""What the rules for passwords must know of a person."""

from __future__ import annotations

from typing import Protocol

from mailserver.auth.rules import Owner
from mailserver.store.ports.recovery import Subject
from mailserver.values.ids import AccountId


class Subjects(Protocol):
    def read_subject(self, account_id: AccountId) -> Subject | None: ...


def owner_from(subject: Subject) -> Owner:
    """The words that make a bad password of theirs."""
    names = (subject.identifier, subject.name, subject.given_name, subject.surname)
    return Owner((*names, subject.address.partition("@")[0]))
