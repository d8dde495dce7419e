"""The answers to MAIL and to the final dot, fact by fact: which one comes first, and where."""

from __future__ import annotations

import pytest

from mailserver.routing.local import Elsewhere
from mailserver.routing.relaying import Asker, Role
from mailserver.values.address import Address
from smtp_relay.inbound import replies
from smtp_relay.inbound.authors.fields import MAX_AUTHORS_OCTETS, find_fields
from smtp_relay.inbound.grammar.parameters import MailParameters
from smtp_relay.inbound.grammar.paths import (
    NULL_PATH,
    Path,
    parse_forward_path,
    parse_reverse_path,
)
from smtp_relay.inbound.replies import Phrase
from smtp_relay.inbound.transaction.policy import (
    Onward,
    Sending,
    decide_authors,
    decide_body,
    decide_mail,
    decide_rcpt,
    may_sign_in,
)

MOST = 1000
ME, UTF8 = "<marie@ac-exemple.fr>", "<élodie@ac-exemple.fr>"


def is_marie(address: Address) -> bool:
    return str(address) == "marie@ac-exemple.fr"


def path_of(text: str) -> Path:
    return parse_reverse_path(text)[0]


def mail(
    path: Path,
    *,
    size_octets: int = 0,
    smtputf8: bool = False,
    has_room: bool = True,
    is_submission: bool = True,
) -> Phrase | None:
    return decide_mail(
        path,
        MailParameters(size_octets=size_octets, smtputf8=smtputf8),
        owns_address=is_marie if is_submission else None,
        max_octets=MOST,
        has_room=has_room,
    )


def test_one_writes_under_an_address_of_ones_own_or_under_none() -> None:
    other = path_of("<boss@ac-exemple.fr>")
    assert mail(path_of(ME)) is None
    assert mail(NULL_PATH) is None
    assert mail(other) is replies.NOT_YOUR_ADDRESS
    assert mail(other, is_submission=False) is None


@pytest.mark.parametrize(("size_octets", "fits"), [(0, True), (MOST, True), (MOST + 1, False)])
def test_what_has_exactly_the_size_that_was_told_is_taken(size_octets: int, fits: bool) -> None:
    """RFC 1870 §4: the largest message that is accepted."""
    answer = mail(path_of(ME), size_octets=size_octets)
    assert answer is (None if fits else replies.MESSAGE_TOO_LARGE)


def test_letters_beyond_ascii_need_smtputf8() -> None:
    assert mail(path_of(UTF8), is_submission=False) is replies.UTF8_NOT_ASKED
    assert mail(path_of(UTF8), is_submission=False, smtputf8=True) is None
    assert mail(NULL_PATH, smtputf8=True) is None


def test_what_is_for_good_is_said_before_what_is_for_now() -> None:
    assert mail(path_of(ME), has_room=False) is replies.DISK_FULL
    assert mail(path_of(ME), size_octets=MOST + 1, has_room=False) is replies.MESSAGE_TOO_LARGE


FACTS = ("is_too_large", "is_header_too_large", "has_bare_cr_or_lf", "has_bad_nul",
         "has_too_many_hops")  # fmt: skip
ANSWERS = (replies.MESSAGE_TOO_LARGE, replies.HEADERS_TOO_LARGE, replies.BARE_CR_OR_LF,
           replies.HOLDS_NUL, replies.TOO_MANY_HOPS)  # fmt: skip


@pytest.mark.parametrize("first", range(len(FACTS) + 1))
def test_each_thing_that_is_wrong_with_a_body_is_said_and_the_gravest_first(first: int) -> None:
    alone = {fact: number == first for number, fact in enumerate(FACTS)}
    all_behind = {fact: number >= first for number, fact in enumerate(FACTS)}
    answer = ANSWERS[first] if first < len(FACTS) else None
    assert decide_body(**alone) is answer
    assert decide_body(**all_behind) is answer


@pytest.mark.parametrize(
    ("block", "answer"),
    [
        (b"From: marie@ac-exemple.fr", None),
        (b"From: marie@ac-exemple.fr\r\nSender: marie@ac-exemple.fr", None),
        (b"Sender: marie@ac-exemple.fr", replies.NO_FROM),
        (b"From: \r\nFrom: marie@ac-exemple.fr", replies.TWO_FROMS),
        (b"From: marie@ac-exemple.fr\r\n" + b"Sender: marie@ac-exemple.fr\r\n" * 2,
         replies.TWO_FROMS),
        (b"From: marie@ac-exemple.fr\r\n" + b"Resent-From: marie@ac-exemple.fr\r\n" * 2, None),
        (b"From: marie@ac-exemple.fr, boss@ac-exemple.fr", replies.NOT_YOUR_FROM),
        (b"From: marie@ac-exemple.fr\r\nResent-Sender: boss@ac-exemple.fr",
         replies.NOT_YOUR_FROM),
        (b"From: boss@ac-exemple.fr\r\nno field", replies.NOT_YOUR_FROM),
        (b"From: marie@ac-exemple.fr\r\nno field", replies.BAD_HEADER_LINE),
    ],
)  # fmt: skip
def test_each_author_is_ones_own_and_each_line_a_field(block: bytes, answer: Phrase | None) -> None:
    fields = find_fields(block + b"\r\n\r\n")
    assert decide_authors(fields, is_marie, {"ac-exemple.fr"}) is answer


@pytest.mark.parametrize(("more", "answer"), [(0, None), (1, replies.UNREADABLE_FROM)])
def test_all_fields_of_authors_share_one_bound(more: int, answer: Phrase | None) -> None:
    author = b" marie@ac-exemple.fr"
    room = MAX_AUTHORS_OCTETS - 2 * len(author) - len(b" ()")
    block = b"From:%s\r\nSender:%s (%s)\r\n\r\n" % (author, author, b"x" * (room + more))
    assert decide_authors(find_fields(block), is_marie, {"ac-exemple.fr"}) is answer


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("has_tls", [False, True])
@pytest.mark.parametrize("plaintext_allowed", [False, True])
def test_a_password_travels_under_tls_or_where_it_is_allowed_and_never_to_mx(
    role: Role, has_tls: bool, plaintext_allowed: bool
) -> None:
    answer = may_sign_in(role=role, has_tls=has_tls, plaintext_allowed=plaintext_allowed)
    if role is Role.MX:
        assert answer is replies.NOT_IMPLEMENTED
    else:
        assert answer is (None if has_tls or plaintext_allowed else replies.TLS_FIRST)


@pytest.mark.parametrize("smtputf8", [False, True])
def test_a_recipient_beyond_ascii_needs_smtputf8_whoever_asks(smtputf8: bool) -> None:
    """RFC 6531 §3.4: where it goes would not know."""
    path = parse_forward_path("<zoé@elsewhere.example>")[0]
    assert path.address is not None
    sending = Sending(
        asker=Asker.ourselves(), rules=(), sender=None, identifier=None, smtputf8=smtputf8
    )
    answer = decide_rcpt(path, path.address, Elsewhere("elsewhere.example"), sending)
    assert isinstance(answer, Onward) if smtputf8 else answer is replies.UTF8_NOT_ASKED
