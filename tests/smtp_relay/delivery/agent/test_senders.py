"""A copy that leaves under a sender of its own: grouped by it, and told to the peer."""

from __future__ import annotations

from mailserver.values.ids import DestinationId
from smtp_relay.delivery.client.mail_object import write_envelope
from smtp_relay.delivery.client.offers import Offers
from smtp_relay.delivery.schedule.fleet import make_batches
from smtp_relay.delivery.verdicts import Transaction
from tests.smtp_relay.delivery.client.letters import make_copy, make_message


def test_the_envelope_names_the_copys_own_sender() -> None:
    copy = make_copy("home@b.example", sender="SRS0=a=b@ours.example")
    envelope = write_envelope(Transaction(message=make_message(), copies=(copy,)), Offers())
    assert envelope.mail.startswith(b"MAIL FROM:<SRS0=a=b@ours.example>")


def test_the_null_sender_may_be_its_own() -> None:
    copy = make_copy("home@b.example", sender="")
    envelope = write_envelope(Transaction(message=make_message(), copies=(copy,)), Offers())
    assert envelope.mail.startswith(b"MAIL FROM:<>")


def test_copies_of_two_senders_are_two_batches() -> None:
    copies = [
        make_copy("a@b.example", number=0),
        make_copy("b@b.example", number=1),
        make_copy("c@b.example", number=2, sender="SRS0=x@ours.example"),
    ]
    batches = list(make_batches(DestinationId(1), copies, 100))
    assert [len(batch.copies) for batch in batches] == [2, 1]
