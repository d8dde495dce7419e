"""The recovery address: set, proved by a code that was mailed there, removed.

It stands outside the service: one that is inside is closed to whoever lost the
password.  The old address is told when another one takes its place.
"""

from __future__ import annotations

from mailserver.recovery import words
from mailserver.recovery.context import RecoveryContext, RecoveryRefused
from mailserver.recovery.passwords import MINUTE_S
from mailserver.settings.names import check_address
from mailserver.store.ports.recovery import Purpose, RecoveryAddress
from mailserver.values.address import fold_domain


class AddressService:
    """For people who are signed in, and administrators.  One per process."""

    def __init__(self, context: RecoveryContext) -> None:
        self._context = context

    def show(self, user_name: str) -> RecoveryAddress | None:
        """
        Raises:
            Refused: there is no such account.
        """
        return self._context.store.recovery.read_recovery_address(
            self._context.known(user_name).account_id
        )

    def set_address(self, user_name: str, address: str, *, by_whom: str) -> str:
        """Mail a code there; the address counts once the code came back.  Its checked form.

        Raises:
            Refused: no such account, no address elsewhere, or too many tries.
        """
        context, subject = self._context, self._context.known(user_name)
        to = self._checked(address)
        context.limit(f"address:{subject.account_id}")
        code = context.give_code(
            subject.account_id,
            Purpose.PROVE_ADDRESS,
            given_by=by_whom,
            lifetime_s=context.rules.mailed_code_minutes * MINUTE_S,
            details=to,
        )
        context.mail_code(subject, to, code)
        context.note(subject, by_whom, "recovery address asked for", to)
        return to

    def prove(self, user_name: str, code: str, *, by_whom: str) -> str:
        """The address that counts from now on.

        Raises:
            Refused: the code does not fit.
        """
        context, subject = self._context, self._context.subject(user_name)
        fitting = context.try_code(subject, Purpose.PROVE_ADDRESS, code)
        if subject is None or fitting is None:
            raise RecoveryRefused(words.CODE_REFUSED)
        old = context.store.recovery.read_recovery_address(subject.account_id)
        proved = context.store.recovery.prove_address(
            subject.account_id, fitting, now_s=context.now_s()
        )
        if proved is None:
            raise RecoveryRefused(words.CODE_REFUSED)
        context.note(subject, by_whom, "recovery address proved", proved.address)
        if old is not None and old.address != proved.address:
            context.tell(subject, old.address, words.ADDRESS_SUBJECT, words.ADDRESS)
        return proved.address

    def remove(self, user_name: str, *, by_whom: str) -> RecoveryAddress | None:
        """What it was; None: there was none.

        Raises:
            Refused: there is no such account.
        """
        context, subject = self._context, self._context.known(user_name)
        old = context.store.recovery.remove_recovery_address(subject.account_id)
        if old is not None:
            context.note(subject, by_whom, "recovery address removed", old.address)
            context.tell(subject, old.address, words.ADDRESS_SUBJECT, words.ADDRESS)
        return old

    def _checked(self, text: str) -> str:
        try:
            address = check_address(text)
        except ValueError:
            raise RecoveryRefused(words.BAD_ADDRESS) from None
        if fold_domain(address.rpartition("@")[2]) in self._context.domains:
            raise RecoveryRefused(words.ADDRESS_INSIDE)
        return address
