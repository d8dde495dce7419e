"""Letters of the service: one form, read by any program."""

from __future__ import annotations

import email
import email.policy

import pytest

from mailserver.recovery.letters import Post, RecoveryLetter
from mailserver.settings.model import Settings
from mailserver.values.ids import Uid
from tests.recovery.conftest import Town
from tests.store.letters import uids_of


@pytest.fixture
def post(town: Town) -> Post:
    settings = {"service": {"domain": "d.fr", "hostname": "mail.d.fr"}}
    return Post(town.store, Settings.model_validate(settings))


def test_an_address_with_accents_is_written_without_them(town: Town, post: Post) -> None:
    account = town.store.accounts.add_account(
        identifier="fmarot", name="F", addresses=["Frédéric.Marot@d.fr"], now_s=1.0
    )
    letter = RecoveryLetter(to="Frédéric.Marot@d.fr", subject="Été", text="Où est-ce ?\n.\n")
    assert post.send(letter, now_s=town.clock.now_s)
    (uid,) = uids_of(town.store, account.inbox_id)
    kept = town.store.mail.fetch(account.inbox_id, Uid(uid))
    assert kept is not None
    assert kept.octets is not None
    assert b"\nTo: frederic.marot@d.fr\r\n" in kept.octets
    message = email.message_from_bytes(kept.octets, policy=email.policy.default)
    assert message["Subject"] == "Été"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().replace("\r\n", "\n") == letter.text


def test_a_letter_to_nobody_here_is_not_accepted(town: Town, post: Post) -> None:
    assert not post.send(RecoveryLetter(to="personne@d.fr", subject="x", text="x\n"), now_s=1.0)
