"""Changing a password, and getting back in without it: the functions of CLI and webmail.

    change         the old password
    request, reset a code mailed to the proved recovery address (30 minutes)
    hand, reset    a code that a correspondent or an administrator hands out (7 days),
                   together with the NUMEN where the account is a person's

Whoever asks hears the same words after the same work, whether the account
exists or not.  Every change ends all sessions and remembered log-ins (the
credential's version) and all codes, is noted in the account's history, and is
told to the recovery address and in the mailbox.

A code is used before the password is written: two that come at once with one
code make one change.  A crash between the two costs the code, never a password.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from mailserver.auth import numens
from mailserver.auth import passwords as hashes
from mailserver.auth.accounts import set_numen
from mailserver.auth.rules import NOBODY, SAME, BadPassword, check_password
from mailserver.auth.throttle import caller_of
from mailserver.recovery import words
from mailserver.recovery.context import RecoveryContext, RecoveryRefused
from mailserver.recovery.correspondents import may_hand_code
from mailserver.recovery.facts import owner_from
from mailserver.store.ports.recovery import FittingCode, Purpose, Subject
from mailserver.texts.catalogue import Text
from mailserver.values.ids import AccountId
from mailserver.values.secret import Secret

DAY_S = 86_400.0
MINUTE_S = 60.0
ACCOUNT_FACTOR = 4
"""One account gets codes for so many places that ask for them as often as they may."""
DOOR = "password change"
"""In the account's list of log-ins: where a wrong old password was given."""


@dataclass(frozen=True, slots=True)
class Requested:
    """text: to say at once.  carry_out: what then makes the difference between names."""

    text: Text
    carry_out: Callable[[], None]


class PasswordService:
    """One per process."""

    def __init__(self, context: RecoveryContext) -> None:
        self._context = context

    # --- with the old password ----------------------------------------------------

    def change(self, user_name: str, old: Secret[str], new: Secret[str], *, peer: str = "") -> None:
        """
        Raises:
            Refused: the old one is wrong, or too many different ones were tried.
            BadPassword: the new one cannot be used.
        """
        context, now_s = self._context, self._context.now_s()
        sign_in = context.own_sign_in(user_name)
        who = f"change:{context.name_digest(user_name)}"
        caller = caller_of(sign_in, who=who, peer=peer, door=DOOR)
        if context.throttle.must_wait(caller, now_s=now_s):
            raise RecoveryRefused(words.WAIT)
        octets = old.reveal().encode("utf-8", "surrogatepass")
        is_right = context.backend.verify(sign_in, Secret(octets))
        subject = (
            None if sign_in is None else context.store.recovery.read_subject(sign_in.account_id)
        )
        if not is_right or subject is None:
            digest = context.key.digest_code(octets.hex()).hex()[:16]
            context.throttle.failed(caller, digest=digest, now_s=now_s)
            raise RecoveryRefused(words.WRONG_OLD)
        if _same(old, new):
            raise BadPassword(SAME)
        context.throttle.succeeded(caller)
        self._set(subject, new, by_whom=subject.identifier, how=words.HOW_CHANGED)

    # --- by an administrator --------------------------------------------------------

    def set_by_admin(
        self, user_name: str, new: Secret[str], *, by_whom: str, must_change: bool
    ) -> None:
        """must_change: it is a first password, for its owner to change.

        Raises:
            Refused: there is no such account.
            BadPassword: it cannot be used.
        """
        subject = self._context.known(user_name)
        self._set(subject, new, by_whom=by_whom, how=words.HOW_SET, must_change=must_change)

    def set_numen(self, user_name: str, numen: str, *, by_whom: str) -> None:
        """
        Raises:
            Refused: there is no such account.
            BadNumen: it is not one.
        """
        subject = self._context.known(user_name)
        set_numen(self._context.backend, subject.account_id, numen)
        self._after_change(subject, by_whom=by_whom, how=words.HOW_SET)

    # --- codes ----------------------------------------------------------------------

    def request_reset(self, user_name: str, *, peer: str = "") -> Requested:
        """Mail a code to the proved recovery address, if there is one; always the same words.

        Whoever asks is answered before the name is looked up: say `text`, then carry out.

        Raises:
            Refused: too many requests for this name, or from there.
        """
        context = self._context
        context.limit_block("request", peer)
        context.limit(f"request:{context.throttle.block(peer)}:{context.name_digest(user_name)}")
        return Requested(words.REQUESTED, lambda: self._send_code(user_name))

    def hand_code(
        self, user_name: str, *, by_account: AccountId | None, by_whom: str
    ) -> Secret[str]:
        """A code to hand to its owner.  by_account: None for an administrator of the service.

        Raises:
            Refused: no correspondent of that unit, or no such account: the same words;
                or too many codes.
        """
        context, subject = self._context, self._context.subject(user_name)
        if subject is None or not self._may_hand(by_account, subject):
            self._context.log.info("no code handed out", by_whom=by_whom)
            raise RecoveryRefused(words.NOT_YOURS)
        context.limit(f"hand:{subject.account_id}")
        code = context.give_code(
            subject.account_id,
            Purpose.HANDED,
            given_by=by_whom,
            lifetime_s=context.rules.handed_code_days * DAY_S,
        )
        context.note(subject, by_whom, "code handed out")
        return code

    def reset(
        self,
        user_name: str,
        code: str,
        new: Secret[str],
        *,
        numen: Secret[str] | None = None,
        peer: str = "",
    ) -> None:
        """With a mailed code, or with a handed one and the NUMEN.

        Raises:
            Refused: the code, the name or the NUMEN does not fit, one sentence for all;
                or too many tries from there.
            BadPassword: the new password cannot be used; the code stays good.
        """
        context, least = self._context, self._context.rules.min_characters
        context.limit_block("reset", peer)
        check_password(new, NOBODY, min_characters=least)
        subject = context.subject(user_name)
        is_numen_right = self._is_numen_right(subject, numen)
        mailed = context.try_code(subject, Purpose.RESET, code)
        handed = context.try_code(subject, Purpose.HANDED, code)
        if handed is not None and numen is not None and not is_numen_right:
            context.store.recovery.count_try(handed.code_id)
        is_enough = is_numen_right or (subject is not None and subject.kind != "person")
        found = mailed or (handed if is_enough else None)
        if subject is None or found is None:
            self._context.log.info(
                "code refused", identifier=subject.identifier if subject else None
            )
            raise RecoveryRefused(words.CODE_REFUSED)
        check_password(new, owner_from(subject), min_characters=least)
        if not context.store.recovery.use_code(found.code_id, now_s=context.now_s()):
            raise RecoveryRefused(words.CODE_REFUSED)
        self._set(subject, new, by_whom=subject.identifier, how=words.HOW_RESET, code=found)

    # --- parts --------------------------------------------------------------------------

    def _send_code(self, user_name: str) -> None:
        context, subject = self._context, self._context.subject(user_name)
        address = (
            None
            if subject is None
            else context.store.recovery.read_recovery_address(subject.account_id)
        )
        if subject is None or address is None:
            self._context.log.info(
                "no code sent", identifier=subject.identifier if subject else None
            )
            return
        if context.is_over(f"codes:{subject.account_id}", factor=ACCOUNT_FACTOR):
            self._context.log.warning("too many codes asked for", identifier=subject.identifier)
            return
        code = context.give_code(
            subject.account_id,
            Purpose.RESET,
            given_by="service",
            lifetime_s=context.rules.mailed_code_minutes * MINUTE_S,
        )
        context.mail_code(subject, address.address, code)
        context.note(subject, "service", "code sent", "to the recovery address")

    def _may_hand(self, by_account: AccountId | None, subject: Subject) -> bool:
        context = self._context
        return by_account is None or may_hand_code(
            context.store.people, by_account, subject.identifier, now_s=context.now_s()
        )

    def _is_numen_right(self, subject: Subject | None, numen: Secret[str] | None) -> bool:
        """One hash where a NUMEN was typed, whatever comes of it."""
        if numen is None:
            return False
        octets = numen.reveal().encode("utf-8", "surrogatepass")
        kept = None if subject is None else subject.numen
        if kept is None or not numens.is_numen_verifier(kept):
            hashes.verify_nobody(octets)
            return False
        return hashes.verify(octets, kept, self._context.key)[0]

    def _set(
        self,
        subject: Subject,
        new: Secret[str],
        *,
        by_whom: str,
        how: Text,
        must_change: bool = False,
        code: FittingCode | None = None,
    ) -> None:
        context = self._context
        check_password(new, owner_from(subject), min_characters=context.rules.min_characters)
        context.backend.set_password(subject.account_id, new, must_change=must_change)
        given_by = f", given by {code.given_by}" if code else ""
        self._after_change(subject, by_whom=by_whom, how=how, details=given_by)

    def _after_change(
        self, subject: Subject, *, by_whom: str, how: Text, details: str = ""
    ) -> None:
        context = self._context
        context.store.recovery.end_codes(subject.account_id)
        context.note(subject, by_whom, "password changed", how.en + details)
        address = context.store.recovery.read_recovery_address(subject.account_id)
        places = {subject.address} | ({address.address} if address else set())
        title, text = words.CHANGED_SUBJECT, words.CHANGED
        if how is words.HOW_SET:  # its owner did not do it, and there is nothing to fear
            title, text = words.SET_SUBJECT, words.SET
        how_text = how.in_language(context.language_of(subject))
        for place in filter(None, places):
            context.tell(subject, place, title, text, how=how_text)


def _same(one: Secret[str], other: Secret[str]) -> bool:
    """In Unicode form C, as they are hashed."""
    texts = (unicodedata.normalize("NFC", secret.reveal()) for secret in (one, other))
    return len(set(texts)) == 1
