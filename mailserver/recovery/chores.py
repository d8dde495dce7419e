"""What the keeper does for passwords: hash imported NUMENs slowly, warn before a grace ends.

Each step is one slice and may be killed at any moment: what it did stands, the
rest is found again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mailserver.auth import passwords
from mailserver.auth.numens import QUICK
from mailserver.recovery import words
from mailserver.recovery.context import language_of
from mailserver.recovery.letters import LetterStore, Post, RecoveryLetter
from mailserver.recovery.passwords import DAY_S
from mailserver.settings.model import PasswordsSettings
from mailserver.store.ports.recovery import (
    DueWarning,
    FirstPasswords,
    RecoveryAndFirstPasswords,
    Subject,
)
from mailserver.texts.catalogue import Language
from mailserver.values.ids import AcceptId, AccountId, make_accept_id
from mailserver.values.moments import day_words

SLICE_COUNT = 16
WARNINGS_AT_ONCE = 50


class ChoreStore(LetterStore, Protocol):
    """What both ask of the store."""

    @property
    def recovery(self) -> RecoveryAndFirstPasswords: ...


@dataclass(slots=True)
class NumenHasher:
    """Replaces quick verifiers by slow ones; needs no key: their digits are what is hashed."""

    store: FirstPasswords
    is_wanted: Callable[[], bool] = lambda: True
    hashed_count: int = 0
    _after: AccountId = field(default=AccountId(0))

    def step(self, slow: Callable[[str, str], str] = passwords.slow_numen) -> bool:
        """One slice; False: nothing is left, until the next import.

        slow: makes the verifier of (digits, key's name), tens of milliseconds.
        """
        found = self.store.read_quick_numens(after=self._after, limit=SLICE_COUNT)
        if not found:
            self._after = AccountId(0)
            return False
        done: list[tuple[AccountId, str, str]] = []
        for account_id, verifier in found:
            if not self.is_wanted():
                break
            name, _, digits = verifier.removeprefix(QUICK).partition("$")
            done.append((account_id, verifier, slow(digits, name)))
        self.store.replace_numens(done)
        self.hashed_count += len(done)
        if done:
            self._after = done[-1][0]
        return bool(done)


@dataclass(slots=True)
class Warner:
    """One message before the grace of a first password ends, at each of the settings' days."""

    store: ChoreStore
    post: Post
    rules: PasswordsSettings
    language: Language
    time_zone: str = ""

    def step(self, *, now_s: float) -> int:
        """One slice; returns how many were warned."""
        count = 0
        days_of = dict(enumerate(sorted(self.rules.warning_days, reverse=True), start=1))
        for number, days in reversed(days_of.items()):  # the most urgent one stands for all
            until_s = now_s + days * DAY_S
            for due in self.store.recovery.due_warnings(
                until_s=until_s, told_count=number, limit=WARNINGS_AT_ONCE
            ):
                count += self._warn(due, number, now_s)
        return count

    def _warn(self, due: DueWarning, number: int, now_s: float) -> int:
        """The message's id follows from who and which: a crash between the two sends no second."""
        subject = self.store.recovery.read_subject(due.account_id)
        is_late = now_s >= due.must_change_by_s
        if subject is not None and not is_late:
            letter = self._letter(subject, due)
            self.post.send_once(
                letter, warning_id(due, number), now_s=now_s, mailbox_id=subject.inbox_id
            )
        self.store.recovery.mark_warned(due.account_id, version=due.version, told_count=number)
        return int(subject is not None and not is_late)

    def _letter(self, subject: Subject, due: DueWarning) -> RecoveryLetter:
        language = language_of(subject, self.language)
        facts = {
            "name": subject.name,
            "date": day_words(due.must_change_by_s, self.time_zone, is_french=language == "fr"),
            "help": self.post.help_address,
        }
        return RecoveryLetter(
            to=subject.address or self.post.help_address,
            subject=words.WARNING_SUBJECT.in_language(language).format_map(facts),
            text=words.WARNING.in_language(language).format_map(facts) + "\n",
        )


def warning_id(due: DueWarning, number: int) -> AcceptId:
    seed = f"warning:{due.account_id}:{due.version}:{number}".encode("ascii")
    return make_accept_id(due.must_change_by_s, hashlib.sha256(seed).digest()[:9])
