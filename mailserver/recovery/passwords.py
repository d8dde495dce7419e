"""Changing a password, and getting back in without it: the functions of CLI and webmail.

    change         the old password
    request, reset a code mailed to the proved recovery address (30 minutes)
    hand, reset    a code that a correspondent or an administrator hands out (7 days),
                   together with the NUMEN where the account is a person's

Whoever asks hears the same words and causes the same work, whether the account
exists or not; a door answers `request_reset` before it is carried out.  Every
change ends all remembered log-ins (the credential's version), is noted in the
account's history, and is told to the recovery address and in the mailbox.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailserver.auth import numens
from mailserver.auth import passwords as hashes
from mailserver.auth.backend import CredentialBackend
from mailserver.auth.numen_key import NumenKey
from mailserver.auth.rules import NOBODY, check_password
from mailserver.recovery import words
from mailserver.recovery.codes import BadCode, make_code, parse_code
from mailserver.recovery.correspondents import Tree, may_hand_code
from mailserver.recovery.facts import owner_from
from mailserver.recovery.letters import Letter, Post
from mailserver.settings.model import PasswordsSettings
from mailserver.store.attempts import Attempts
from mailserver.store.people import Event
from mailserver.store.recovery import NewCode, Purpose, Recovery, Subject
from mailserver.telemetry.log import get_log
from mailserver.texts.catalogue import Language, Text
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret

HOUR_S = 3600.0
DAY_S = 86_400.0
MINUTE_S = 60.0
BLOCK_FACTOR = 10
"""Codes may be asked from one address for so many times as many accounts."""
NO_ACCOUNT = AccountId(0)


class Refused(Exception):
    """Not done; `text` is for whoever asked, and tells nothing about anybody else."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class RecoveryStore(Recovery, Attempts, Tree, Protocol):
    def note(self, account_id: AccountId, event: Event) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all calls share.  language: the service's."""

    store: RecoveryStore
    backend: CredentialBackend
    post: Post
    key: NumenKey
    rules: PasswordsSettings
    language: Language
    now_s: Callable[[], float]
    choose: Callable[[str], str] = secrets.choice


class PasswordDesk:
    """One per process."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._log = get_log("recovery")

    # --- with the old password ----------------------------------------------------

    def change(self, user_name: str, old: Secret[str], new: Secret[str]) -> None:
        """
        Raises:
            Refused: the old one is wrong, or too many were tried.
            BadPassword: the new one cannot be used.
        """
        house = self._house
        sign_in = house.backend.look_up(user_name)
        self._limit(f"change:{user_name.strip().lower()}")
        if not house.backend.verify(sign_in, Secret(old.reveal().encode("utf-8"))):
            raise Refused(words.WRONG_OLD)
        subject = None if sign_in is None else house.store.read_subject(sign_in.account_id)
        if subject is None:
            raise Refused(words.WRONG_OLD)
        self._set(subject, new, by_whom=subject.identifier, how=words.HOW_CHANGED)

    def set_first(self, user_name: str, new: Secret[str], *, by_whom: str) -> None:
        """An administrator's new first password, to be changed by its owner."""
        subject = self._subject(user_name)
        if subject is None:
            raise Refused(words.NOT_YOURS)
        self._set(subject, new, by_whom=by_whom, how=words.HOW_SET, must_change=True)

    # --- codes ----------------------------------------------------------------------

    def request_reset(self, user_name: str, *, peer: str = "") -> Text:
        """Mail a code to the proved recovery address, if there is one; always the same words.

        Raises:
            Refused: too many requests.
        """
        house = self._house
        self._limit(f"request:{user_name.strip().lower()}")
        if peer:
            self._limit(f"request-from:{peer}", factor=BLOCK_FACTOR)
        subject = self._subject(user_name)
        address = None if subject is None else house.store.read_recovery_address(subject.account_id)
        code = self._give(
            NO_ACCOUNT if subject is None or address is None else subject.account_id,
            Purpose.RESET,
            given_by="service",
            lifetime_s=house.rules.mailed_code_minutes * MINUTE_S,
        )
        if subject is not None and address is not None:
            self._mail_code(subject, address.address, code)
            self._note(subject, "service", "code sent", "to the recovery address")
        return words.REQUESTED

    def hand_code(
        self, for_identifier: str, *, by_account: AccountId | None, by_whom: str
    ) -> Secret[str]:
        """A code to hand to its owner.  by_account: None for an administrator of the service.

        Raises:
            Refused: no correspondent of that unit, or no such account: the same words.
        """
        house, subject = self._house, self._subject(for_identifier)
        is_allowed = by_account is None or may_hand_code(
            house.store, by_account, for_identifier, now_s=house.now_s()
        )
        if subject is None or not is_allowed:
            self._log.info("no code handed out", by_whom=by_whom)
            raise Refused(words.NOT_YOURS)
        code = self._give(
            subject.account_id,
            Purpose.HANDED,
            given_by=by_whom,
            lifetime_s=house.rules.handed_code_days * DAY_S,
        )
        self._note(subject, by_whom, "code handed out", "")
        return code

    def reset(
        self, user_name: str, code: str, new: Secret[str], *, numen: Secret[str] | None = None
    ) -> None:
        """With a mailed code, or with a handed one and the NUMEN.

        Raises:
            Refused: the code, the name or the NUMEN does not fit; one sentence for all.
            BadPassword: the new password cannot be used; the code stays good.
        """
        house, subject = self._house, self._subject(user_name)
        check_password(new, NOBODY, min_characters=house.rules.min_characters)
        account_id = NO_ACCOUNT if subject is None else subject.account_id
        purpose = Purpose.RESET
        found = self._try(account_id, Purpose.RESET, code)
        if found is None:
            purpose, found = Purpose.HANDED, self._try(account_id, Purpose.HANDED, code)
        is_numen_right = self._is_numen_right(subject, numen)
        if subject is None or found is None or not self._suffices(subject, purpose, is_numen_right):
            self._log.info("code refused", identifier=subject.identifier if subject else None)
            raise Refused(words.CODE_REFUSED)
        check_password(new, owner_from(subject), min_characters=house.rules.min_characters)
        if not house.store.use_code(found, now_s=house.now_s()):
            raise Refused(words.CODE_REFUSED)
        self._set(subject, new, by_whom=subject.identifier, how=words.HOW_RESET)

    # --- the recovery address ---------------------------------------------------------

    def set_address(self, user_name: str, address: str) -> None:
        """Mail a code there; the address counts once the code came back (`prove_address`)."""
        house, subject = self._house, self._subject(user_name)
        if subject is None:
            raise Refused(words.NOT_YOURS)
        self._limit(f"address:{subject.account_id}")
        code = self._give(
            subject.account_id,
            Purpose.PROVE_ADDRESS,
            given_by=subject.identifier,
            lifetime_s=house.rules.mailed_code_minutes * MINUTE_S,
            details=address,
        )
        self._mail_code(subject, address, code)

    def prove_address(self, user_name: str, code: str) -> None:
        """
        Raises:
            Refused: the code does not fit.
        """
        house, subject = self._house, self._subject(user_name)
        if subject is None:
            raise Refused(words.CODE_REFUSED)
        fitting = house.store.try_code(
            subject.account_id,
            Purpose.PROVE_ADDRESS,
            self._digest(code),
            now_s=house.now_s(),
            max_tries=house.rules.max_code_tries,
        )
        if fitting is None or not house.store.use_code(fitting.code_id, now_s=house.now_s()):
            raise Refused(words.CODE_REFUSED)
        old = house.store.read_recovery_address(subject.account_id)
        now_s = house.now_s()
        house.store.write_recovery_address(subject.account_id, fitting.details, now_s=now_s)
        self._note(subject, subject.identifier, "recovery address proved", fitting.details)
        if old is not None and old.address != fitting.details:
            self._mail(subject, old.address, words.ADDRESS_SUBJECT, words.ADDRESS)

    # --- parts --------------------------------------------------------------------------

    def _subject(self, user_name: str) -> Subject | None:
        sign_in = self._house.backend.look_up(user_name)
        if sign_in is None or sign_in.by_whom:
            return None
        return self._house.store.read_subject(sign_in.account_id)

    def _limit(self, key: str, *, factor: int = 1) -> None:
        house = self._house
        key = house.key.digest_code(key.encode("unicode_escape").decode("ascii")).hex()
        count = house.store.count_act(key, now_s=house.now_s(), window_s=HOUR_S)
        if count > house.rules.max_requests_per_hour * factor:
            raise Refused(words.SLOW_DOWN)

    def _give(
        self,
        account_id: AccountId,
        purpose: Purpose,
        *,
        given_by: str,
        lifetime_s: float,
        details: str = "",
    ) -> Secret[str]:
        house = self._house
        code, now_s = make_code(house.choose), house.now_s()
        house.store.add_code(
            NewCode(
                account_id=account_id,
                purpose=purpose,
                digest=house.key.digest_code(parse_code(code)),
                given_by=given_by,
                made_at_s=now_s,
                expires_at_s=now_s + lifetime_s,
                details=details,
            )
        )
        return Secret(code)

    def _digest(self, code: str) -> bytes:
        try:
            return self._house.key.digest_code(parse_code(code))
        except BadCode:
            return b""

    def _try(self, account_id: AccountId, purpose: Purpose, code: str) -> int | None:
        house = self._house
        fitting = house.store.try_code(
            account_id,
            purpose,
            self._digest(code),
            now_s=house.now_s(),
            max_tries=house.rules.max_code_tries,
        )
        return None if fitting is None else fitting.code_id

    def _is_numen_right(self, subject: Subject | None, numen: Secret[str] | None) -> bool:
        """One hash where a NUMEN was typed, whatever comes of it."""
        if numen is None:
            return False
        octets = numen.reveal().encode("utf-8")
        kept = None if subject is None else subject.numen
        if kept is None or not numens.is_numen_verifier(kept):
            hashes.verify_nobody(octets)
            return False
        return hashes.verify(octets, kept, self._house.key)[0]

    @staticmethod
    def _suffices(subject: Subject, purpose: Purpose, is_numen_right: bool) -> bool:  # noqa: FBT001
        """A handed code alone opens a mailbox that has no NUMEN: a school's, a function's."""
        return purpose is Purpose.RESET or is_numen_right or subject.kind != "person"

    def _set(
        self,
        subject: Subject,
        new: Secret[str],
        *,
        by_whom: str,
        how: Text,
        must_change: bool = False,
    ) -> None:
        house = self._house
        check_password(new, owner_from(subject), min_characters=house.rules.min_characters)
        house.backend.set_password(subject.account_id, new, must_change=must_change)
        self._note(subject, by_whom, "password changed", how.en)
        address = house.store.read_recovery_address(subject.account_id)
        places = {subject.address} | ({address.address} if address else set())
        for place in filter(None, places):
            how_text = how.in_language(self._language(subject))
            self._mail(subject, place, words.CHANGED_SUBJECT, words.CHANGED, how=how_text)

    def _note(self, subject: Subject, by_whom: str, what: str, details: str) -> None:
        house = self._house
        event = Event(at_s=house.now_s(), by_whom=by_whom, what=what, details=details)
        house.store.note(subject.account_id, event)
        self._log.info(what, identifier=subject.identifier, by_whom=by_whom)

    def _mail_code(self, subject: Subject, address: str, code: Secret[str]) -> None:
        minutes = round(self._house.rules.mailed_code_minutes)
        self._mail(
            subject,
            address,
            words.CODE_SUBJECT,
            words.CODE,
            code=code.reveal(),
            minutes=str(minutes),
        )

    def _mail(self, subject: Subject, to: str, title: Text, text: Text, **facts: str) -> None:
        house, language = self._house, self._language(subject)
        facts |= {
            "identifier": subject.identifier,
            "name": subject.name,
            "help": house.post.help_address,
        }
        letter = Letter(
            to=to,
            subject=title.in_language(language).format_map(facts),
            text=text.in_language(language).format_map(facts) + "\n",
        )
        house.post.send(letter, now_s=house.now_s())

    def _language(self, subject: Subject) -> Language:
        return language_of(subject, self._house.language)


def language_of(subject: Subject, default: Language) -> Language:
    """Theirs, where it is one of ours."""
    match subject.language:
        case "fr":
            return "fr"
        case "en":
            return "en"
        case _:
            return default
