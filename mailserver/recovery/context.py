"""What the desks share: the store, the rules, letters, limits, and lines of history."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mailserver.auth.backend import CredentialBackend, open_backend, user_name_key
from mailserver.auth.numen_key import NumenKey, open_key
from mailserver.auth.throttle import Throttle
from mailserver.recovery import words
from mailserver.recovery.codes import BadCode, digest_of, make_code, readings
from mailserver.recovery.correspondents import Tree
from mailserver.recovery.letters import Post, RecoveryLetter, SignsLetters
from mailserver.settings.model import PasswordsSettings, Settings
from mailserver.store.ports.accounts import SignIn
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.people import Event
from mailserver.store.ports.recovery import FittingCode, NewCode, Purpose, Recovery, Subject
from mailserver.store.ports.shared.attempts import Attempts
from mailserver.store.ports.store import Store
from mailserver.telemetry.log import Log, get_log
from mailserver.texts.catalogue import Language, Text
from mailserver.values.address import fold_domain
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret

HOUR_S = 3600.0
BLOCK_FACTOR = 10
"""Acts may be asked from one block of addresses for so many times as many names."""
NO_ACCOUNT = AccountId(0)


class RecoveryRefused(Exception):
    """Not done; `text` is for whoever asked, and tells nothing about anybody else."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class TreeAndEvents(Tree, Protocol):
    def note(self, account_id: AccountId, event: Event) -> None: ...


class RecoveryStore(Protocol):
    @property
    def recovery(self) -> Recovery: ...

    @property
    def counters(self) -> Attempts: ...

    @property
    def people(self) -> TreeAndEvents: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryContext:
    """One per process.  language: the service's.  domains: ours, folded."""

    store: RecoveryStore
    backend: CredentialBackend
    post: Post
    key: NumenKey
    throttle: Throttle
    rules: PasswordsSettings
    language: Language
    domains: Sequence[str]
    now_s: Callable[[], float]
    choose: Callable[[str], str] = secrets.choice
    log: Log = field(default_factory=lambda: get_log("recovery"))

    # --- who -----------------------------------------------------------------------

    def own_sign_in(self, user_name: str) -> SignIn | None:
        """None also for a holder's: what they sign in to is not theirs to change."""
        sign_in = self.backend.look_up(user_name)
        return None if sign_in is None or sign_in.by_whom else sign_in

    def subject(self, user_name: str) -> Subject | None:
        sign_in = self.own_sign_in(user_name)
        return None if sign_in is None else self.store.recovery.read_subject(sign_in.account_id)

    def known(self, user_name: str) -> Subject:
        """
        Raises:
            Refused: there is no such account.  Only for commands: it tells.
        """
        subject = self.subject(user_name)
        if subject is None:
            raise RecoveryRefused(words.NO_ACCOUNT)
        return subject

    def name_digest(self, user_name: str) -> str:
        """Of all spellings of one name; tells nothing without the key."""
        key = user_name_key(user_name).encode("unicode_escape").decode("ascii")
        return self.key.digest_code(key).hex()

    # --- how often -------------------------------------------------------------------

    def is_over(self, act: str, *, factor: int = 1) -> bool:
        """Count one more; was that too many for an hour?"""
        count = self.store.counters.count_act(act, now_s=self.now_s(), window_s=HOUR_S)
        return count > self.rules.max_requests_per_hour * factor

    def limit(self, act: str, *, factor: int = 1) -> None:
        """
        Raises:
            Refused: that was one too many.
        """
        if self.is_over(act, factor=factor):
            raise RecoveryRefused(words.SLOW_DOWN)

    def limit_block(self, act: str, peer: str) -> None:
        """Nothing is counted where the address does not say who asks.

        Raises:
            Refused: too many came from there.
        """
        block = self.throttle.block(peer)
        if block:
            self.limit(f"{act}-from:{block}", factor=BLOCK_FACTOR)

    # --- codes -------------------------------------------------------------------------

    def give_code(
        self,
        account_id: AccountId,
        purpose: Purpose,
        *,
        given_by: str,
        lifetime_s: float,
        details: str = "",
    ) -> Secret[str]:
        code, now_s = make_code(self.choose), self.now_s()
        self.store.recovery.add_code(
            NewCode(
                account_id=account_id,
                purpose=purpose,
                digest=digest_of(code, self.key),
                given_by=given_by,
                made_at_s=now_s,
                expires_at_s=now_s + lifetime_s,
                details=details,
            )
        )
        return Secret(code)

    def try_code(self, subject: Subject | None, purpose: Purpose, code: str) -> FittingCode | None:
        """For a name that nobody has, the same reads."""
        account_id = NO_ACCOUNT if subject is None else subject.account_id
        tried = (self._try(account_id, purpose, reading) for reading in readings(code))
        return next(filter(None, tried), None)

    def _try(self, account_id: AccountId, purpose: Purpose, code: str) -> FittingCode | None:
        try:
            digest = digest_of(code, self.key)
        except BadCode:
            digest = b""
        return self.store.recovery.try_code(
            account_id,
            purpose,
            digest,
            now_s=self.now_s(),
            max_tries=self.rules.max_code_tries,
        )

    # --- what is told --------------------------------------------------------------------

    def note(self, subject: Subject, by_whom: str, what: str, details: str = "") -> None:
        event = Event(at_s=self.now_s(), by_whom=by_whom, what=what, details=details)
        self.store.people.note(subject.account_id, event)
        self.log.info(what, identifier=subject.identifier, by_whom=by_whom)

    def mail(self, subject: Subject, to: str, title: Text, text: Text, **facts: str) -> None:
        """
        Raises:
            StoreUnavailable: it is not accepted.
        """
        language = self.language_of(subject)
        facts |= {
            "identifier": subject.identifier,
            "name": subject.name,
            "help": self.post.help_address,
        }
        letter = RecoveryLetter(
            to=to,
            subject=title.in_language(language).format_map(facts),
            text=text.in_language(language).format_map(facts) + "\n",
        )
        if not self.post.send(letter, now_s=self.now_s()):
            self.log.warning("nobody to write to", identifier=subject.identifier)

    def mail_code(self, subject: Subject, to: str, code: Secret[str]) -> None:
        count = round(self.rules.mailed_code_minutes)
        minutes = words.MINUTES.in_language(count, self.language_of(subject))
        self.mail(subject, to, words.CODE_SUBJECT, words.CODE, code=code.reveal(), minutes=minutes)

    def tell(self, subject: Subject, to: str, title: Text, text: Text, **facts: str) -> None:
        """As `mail`, of what is done already: a store that does not answer is loud in the log."""
        try:
            self.mail(subject, to, title, text, **facts)
        except StoreError:
            self.log.exception("a change was not told", identifier=subject.identifier)

    def language_of(self, subject: Subject) -> Language:
        return language_of(subject, self.language)


def open_house(
    store: Store, settings: Settings, *, signer: SignsLetters | None = None, throttle: Throttle
) -> RecoveryContext:
    """The context of a service.  throttle: the gate's, where there is one.

    Raises:
        NumenKeyMissing: the key file is lost, or is no key.
    """
    return RecoveryContext(
        store=store,
        backend=open_backend(store, settings),
        post=Post(store, settings, signer=signer),
        key=open_key(settings.auth.numen_key, store.recovery),
        throttle=throttle,
        rules=settings.passwords,
        language=settings.service.language,
        domains=tuple(map(fold_domain, settings.service.domains)),
        now_s=time.time,
    )


def language_of(subject: Subject, default: Language) -> Language:
    """Theirs, where it is one of ours."""
    match subject.language:
        case "fr":
            return "fr"
        case "en":
            return "en"
        case _:
            return default
