"""Who may post, what an address is for, what a policy and an answer say."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailserver.lists.addresses import (
    MAX_NAME_LENGTH,
    ListPurpose,
    address_for,
    addresses_of,
    bounces_address,
    list_of_hop,
    next_hop_of,
    purpose_of,
)
from mailserver.lists.author import find_author, find_authors, subject_of
from mailserver.lists.dmarc import is_strict, names_to_ask
from mailserver.lists.header import split_fields
from mailserver.lists.notices import is_of_address, read_failures
from mailserver.lists.posting import Permission, Sender, decide_post, is_asked_of_a_moderator
from mailserver.lists.tokens import (
    ByHand,
    ByRule,
    digest_of,
    make_token,
    sign_subscriber,
    verify_subscriber,
)
from mailserver.lists.verdict import read_verdict
from mailserver.store.ports.lists import ListRole, Posting, Standing
from mailserver.values.ids import AccountId, ListId
from tests.lists.fakes import mailing_list

YES, HELD, NO = Permission.YES, Permission.HELD, Permission.NO
_OWNER = frozenset({ListRole.OWNER})
_POSTER = frozenset({ListRole.POSTER})


def _sender(*, inside: bool, member: bool, roles: frozenset[ListRole] = frozenset()) -> Sender:
    return Sender(
        is_signed_in=inside, is_null=False, standing=Standing(is_member=member, roles=roles)
    )


OWNER = _sender(inside=True, member=False, roles=_OWNER)
POSTER = _sender(inside=True, member=False, roles=_POSTER)
MEMBER = _sender(inside=True, member=True)
MEMBER_OUTSIDE = _sender(inside=False, member=True)
INSIDE = _sender(inside=True, member=False)
STRANGER = _sender(inside=False, member=False)


@pytest.mark.parametrize(
    ("posting", "wanted"),
    [
        (Posting.MEMBERS, (YES, YES, YES, YES, NO, NO)),
        (Posting.INSIDE, (YES, YES, YES, YES, YES, NO)),
        (Posting.NAMED, (YES, YES, NO, NO, NO, NO)),
        (Posting.MODERATED, (YES, YES, HELD, HELD, HELD, HELD)),
        (Posting.ANNOUNCE, (YES, YES, NO, NO, NO, NO)),
    ],
)
def test_who_may_post(posting: Posting, wanted: tuple[Permission, ...]) -> None:
    which = mailing_list(posting=posting)
    senders = (OWNER, POSTER, MEMBER, MEMBER_OUTSIDE, INSIDE, STRANGER)
    assert tuple(decide_post(which, sender) for sender in senders) == wanted


@pytest.mark.parametrize("posting", Posting)
def test_the_null_sender_never_posts(posting: Posting) -> None:
    sender = Sender(is_signed_in=False, is_null=True, standing=MEMBER.standing)
    assert decide_post(mailing_list(posting=posting), sender) is NO


@pytest.mark.parametrize("posting", [Posting.MEMBERS, Posting.MODERATED])
def test_a_role_counts_only_for_who_signed_in(posting: Posting) -> None:
    forger = _sender(inside=False, member=False, roles=_OWNER)
    assert decide_post(mailing_list(posting=posting), forger) is not YES


def _asked(
    *,
    posting: Posting = Posting.MEMBERS,
    has_outside: bool = True,
    inside: bool = False,
    null: bool = False,
    ours: bool = False,
) -> bool:
    which = dataclasses.replace(mailing_list(posting=posting), has_outside=has_outside)
    sender = Sender(is_signed_in=inside, is_null=null, standing=STRANGER.standing)
    return is_asked_of_a_moderator(which, sender, is_ours=ours)


def test_a_strangers_post_waits_where_members_outside_may_post() -> None:
    """Or anybody could ask who is a member, by one reverse-path after the other."""
    assert _asked()
    assert _asked(posting=Posting.INSIDE)
    for posting in (Posting.NAMED, Posting.MODERATED, Posting.ANNOUNCE):
        assert not _asked(posting=posting)
    assert not _asked(has_outside=False)
    assert not _asked(inside=True)
    assert not _asked(null=True)
    assert not _asked(ours=True)


@pytest.mark.parametrize("purpose", ListPurpose)
def test_each_address_is_known_for_what_it_is_for(purpose: ListPurpose) -> None:
    which = mailing_list("Animateurs.TICE17@ac-exemple.fr")
    address = addresses_of(which.address)[list(ListPurpose).index(purpose)]
    assert purpose_of(which, address.upper()) == (purpose, "")
    local, _, domain = address.partition("@")
    assert purpose_of(which, f"{local}+abc@{domain}") == (purpose, "abc")


def test_a_bounce_names_its_member() -> None:
    which = mailing_list()
    purpose, detail = purpose_of(which, bounces_address(which, ByHand(17)))
    assert (purpose, verify_subscriber(which.secret, detail)) == (ListPurpose.BOUNCES, ByHand(17))


def test_the_next_hop_of_a_list_is_known_again_and_others_are_none() -> None:
    assert list_of_hop(next_hop_of(ListId(7))) == 7
    assert [list_of_hop(hop) for hop in ("exemple.net", "list:", "list:x", "route:list")] == [
        None
    ] * 4


def test_policies_are_looked_for_up_to_eight_times() -> None:
    assert list(names_to_ask("a.b.exemple.net")) == [
        "a.b.exemple.net",
        "b.exemple.net",
        "exemple.net",
    ]
    many = list(names_to_ask(".".join("abcdefghijkl") + ".net"))
    assert len(many) <= 8
    assert many[-1] == "l.net"


@pytest.mark.parametrize(
    ("texts", "is_own", "wanted"),
    [
        ([b"v=DMARC1; p=reject"], True, True),
        ([b"v=DMARC1;p=quarantine; sp=none"], True, True),
        ([b"v=DMARC1; p=quarantine; sp=none"], False, False),
        ([b"v=DMARC1; p=none; sp=reject"], False, True),
        ([b"v=DMARC1; p=none"], True, False),
        ([b"v=spf1 -all"], True, None),
        ([b"v=DMARC1; p=reject", b"v=DMARC1; p=none"], True, None),
        ([], True, None),
    ],
)
def test_which_policies_are_strict(texts: list[bytes], is_own: bool, wanted: bool | None) -> None:
    assert is_strict(texts, is_own=is_own) is wanted


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (b"Subject: approve\r\n\r\n", "approved"),
        (b"Subject: Re: x\r\n\r\nOui, merci\r\n> refuser\r\n", "approved"),
        (b"Subject: Re: x\r\n\r\n> approuver\r\nRefuser.\r\n", "rejected"),
        (
            b"Subject: Re: x\r\nContent-Transfer-Encoding: base64\r\n\r\nYXBwcm91dmVyCg==\r\n",
            "approved",
        ),
        (b"Subject: Re: x\r\n\r\nJe ne sais pas\r\n", ""),
        (b"", ""),
    ],
)
def test_what_a_moderator_answered(answer: bytes, wanted: str) -> None:
    assert read_verdict(answer) == wanted


@given(st.binary(max_size=400))
def test_no_answer_and_no_notice_makes_the_reader_fail(octets: bytes) -> None:
    assert read_verdict(octets) in {"", "approved", "rejected"}
    assert all(is_of_address(one) in {True, False} for one in read_failures(octets))
    fields, _ = split_fields(octets)
    find_author(fields)
    subject_of(fields)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("Zoé <zoe@b.fr>, jean@c.fr", ["zoe@b.fr", "jean@c.fr"]),
        ("g: a@b.fr, c@d.fr;", ["a@b.fr", "c@d.fr"]),
        ("=?utf-8?q?Zo=C3=A9?= <zoe@b.fr>", ["zoe@b.fr"]),
        ("a@b@c.fr", []),
        ("<@b.fr>", []),
        ("Zoé <zoe@>", []),
        ("zoe", []),
        ('"a b"@c.fr', []),
        ('"a\u200bb"@c.fr', []),  # takes no room on a screen, and may stand for another
        ("(x)" * 32 + "a@b.fr", ["a@b.fr"]),
        ("(x)" * 33 + "a@b.fr", []),
        ("(" * 5000 + "a@b.fr", []),
        ("a:" * 4000 + "a@b.fr", []),
        ("a@b.fr," * 1000, ["a@b.fr"] * 4),
        ('"a\\r\\nBcc: x"@b.fr', []),
    ],
)
def test_who_wrote_it_is_read_with_care(value: str, wanted: list[str]) -> None:
    fields, _ = split_fields(f"From: {value}\r\n".encode())
    assert [author.address for author in find_authors(fields)] == wanted


def test_a_name_is_one_line_of_what_can_be_printed() -> None:
    block = (
        b"From: =?utf-8?q?Z=1B=5B31mo=C3=A9=0D=0ABcc=3A=E2=80=AEx?= <z@b.fr>\r\n"
        b"Subject: =?utf-8?q?a=07b=0Ac?=\r\n"
    )
    fields, _ = split_fields(block)
    author = find_author(fields)
    assert author is not None
    assert (author.name, subject_of(fields)) == ("Z [31moé Bcc: x", "a b c")


def test_raw_latin_1_in_a_post_is_read_as_windows_1252() -> None:
    block = b"From: Fr\xe9d\xe9ric \x8c <f@b.fr>\r\nSubject: l\x92\xe9t\xe9\r\n\r\n"
    fields, _ = split_fields(block)
    author = find_author(fields)
    assert author is not None
    assert (author.name, subject_of(fields)) == ("Frédéric Œ", "l’été")


def test_a_bounces_address_names_its_member_and_cannot_be_made_up() -> None:
    text = sign_subscriber(b"secret", ByHand(17))
    assert verify_subscriber(b"secret", text.upper()) == ByHand(17)
    assert verify_subscriber(b"other", text) is None
    for made_up in ("18" + text[2:], "a" + text, "", "17", "17.", "é.x", "-1.x"):
        assert verify_subscriber(b"secret", made_up) is None


def test_a_bounces_address_of_one_by_rule_names_the_account() -> None:
    text = sign_subscriber(b"secret", ByRule(AccountId(17)))
    assert verify_subscriber(b"secret", text.upper()) == ByRule(AccountId(17))
    assert verify_subscriber(b"secret", text[1:]) is None


def test_the_longest_address_of_a_list_is_one_that_smtp_carries() -> None:
    which = mailing_list("a" * MAX_NAME_LENGTH + "@ac-exemple.fr")
    token = make_token(lambda count: b"x" * count)
    details = [
        address_for(which.address, one, token)
        for one in (ListPurpose.MODERATE, ListPurpose.CONFIRM)
    ]
    readers = (ByHand(99_999_999), ByRule(AccountId(9_999_999)))
    bounces = [bounces_address(which, who) for who in readers]
    longest = [*addresses_of(which.address), *details, *bounces]
    assert max(len(one.partition("@")[0]) for one in longest) <= 64


def test_a_token_is_kept_as_its_digest_and_case_does_not_matter() -> None:
    token = make_token(lambda count: b"\x07" * count)
    assert len(token) == 16
    assert digest_of(token.upper()) == digest_of(token)
    assert token not in digest_of(token)
