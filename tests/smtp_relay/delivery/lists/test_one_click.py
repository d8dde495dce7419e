"""What leaves for members outside promises one click: a link for each, signed, over one body."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mailserver.dkim.signer import Signer
from mailserver.lists.leaving import find_link, leave_by_link
from mailserver.lists.one_click import Inside, OutsideReader, make_leave_token
from mailserver.store.open import open_store
from mailserver.store.ports.lists import ListRule, Posting
from mailserver.store.ports.people import PostDoc
from mailserver.store.ports.queue import Lease, Leased, LeasedCopy
from smtp_relay.delivery.lists.one_click import OneClick, open_one_click
from smtp_relay.delivery.lists.post import Sign, make_list_context, pieces_of
from tests.dkim.verifier import NOW_S as SIGNED_AT_S
from tests.dkim.verifier import make_signer, verdicts, zone_of
from tests.smtp_relay.delivery.agent.agency import Clock, open_agency, way_to
from tests.smtp_relay.delivery.lists.list_house import DOMAIN, LIST, POST, ListHouse, OpenHouse
from tests.smtp_relay.delivery.peers import Peer, Script, Wire, take_all
from tests.smtp_relay.inbound.house import make_settings
from tests.store.crowd import SCHOOL, made, school, teacher
from tests.store.letters import NOW_S

URL = "https://mail.ac-exemple.fr"
SIGNER = make_signer(DOMAIN)
ZONE = zone_of(SIGNER)
PAUL, ZOE = "paul@exemple.net", "zoe@exemple.net"
BY_MAIL = b"List-Unsubscribe: <mailto:animateurs-unsubscribe@ac-exemple.fr>\r\n"
PROMISE = re.compile(
    rb"List-Unsubscribe: <https://mail\.ac-exemple\.fr/leave/([a-z0-9-]+)>,\r\n"
    rb" <mailto:([a-z.]+)-unsubscribe@ac-exemple\.fr>\r\n"
    rb"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)


def sign(header_block: bytes, *, body_hash: bytes, now_s: float) -> bytes:
    """As our signer does, and earlier than the verifier's clock."""
    assert now_s >= NOW_S
    return SIGNER.sign(header_block, body_hash=body_hash, now_s=SIGNED_AT_S)


def one_click(house: ListHouse, sign: Sign = sign) -> OneClick:
    lists = house.store.lists
    return OneClick(base_url=URL, lists=lists, sign=sign, wall_s=lambda: NOW_S + 60)


def leaving(house: ListHouse, *, sign: Sign = sign) -> dict[str, bytes]:
    """What leaves now, by recipient, as the next hop gets it."""
    promises, found = one_click(house, sign), {}
    for copy in lease(house):
        message = house.store.queue.open_queued(copy.ref.message_id)
        assert message is not None
        if copy.sender is not None:
            message.head = promises.head_for(message, copy.sender)
        found[copy.recipient] = message.head + b"".join(pieces_of(message, 0))
        message.close()
    return found


def lease(house: ListHouse) -> list[LeasedCopy]:
    copies: list[LeasedCopy] = []
    for one in house.store.queue.due_destinations(now_s=house.now_s, limit=10):
        wanted = Lease(
            agent_id=house.agent_id,
            destination_id=one.destination_id,
            limit=10,
            now_s=house.now_s,
        )
        (leased,) = house.store.writes.apply([wanted])
        assert isinstance(leased, Leased)
        copies += leased.copies
    return copies


def token_of(octets: bytes) -> str:
    (found,) = PROMISE.findall(octets)
    return str(found[0], "ascii")


@pytest.fixture
def house(open_house: OpenHouse) -> ListHouse:
    """A list with an author here, and Paul and Zoé outside."""
    house = open_house(sign=sign, offers_one_click=True)
    house.member("jean.petit")
    house.outside(PAUL)
    house.outside(ZOE)
    return house


def post(house: ListHouse, body: bytes = POST) -> None:
    author = house.store.accounts.find_account("jean.petit")
    assert author is not None
    house.send(body, account_id=author.account_id)
    house.expand()


def test_each_member_outside_has_a_link_of_their_own_under_good_signatures(
    house: ListHouse,
) -> None:
    post(house)
    sent = leaving(house)
    links = {who: find_link(house.store.lists, token_of(sent[who])) for who in (PAUL, ZOE)}
    assert links == {who: (house.which, OutsideReader(who)) for who in (PAUL, ZOE)}
    for octets in sent.values():
        assert octets.count(b"\r\nDKIM-Signature: ") + octets.startswith(b"DKIM-Signature: ") == 2
        assert verdicts(octets, ZONE) == [True, True]
        assert verdicts(octets.replace(b"/leave/1-", b"/leave/2-"), ZONE) == [False, False]
        assert verdicts(octets.replace(b"=One-Click", b"=Two"), ZONE) == [False, False]
        for name in (b"List-Unsubscribe", b"List-Unsubscribe-Post"):
            added = name + b": <https://evil.example/>\r\n"
            assert verdicts(octets.replace(b"Received:", added + b"Received:", 1), ZONE) == [
                False,
                False,
            ]
        assert octets.endswith(b"\r\n\r\nBonjour.\r\n.. et un point\r\n")


def test_both_fields_are_named_by_each_signature(house: ListHouse) -> None:
    post(house)
    for octets in leaving(house).values():
        signed = re.findall(rb"\th=([^;]*);", octets)
        names = [re.sub(rb"\s", b"", one).split(b":") for one in signed]
        assert len(names) == 2
        for one in names:
            assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= set(one)


def test_a_member_with_a_mailbox_here_leaves_by_mail(house: ListHouse) -> None:
    post(house)
    (got,) = house.read("jean.petit")
    assert BY_MAIL in got
    assert b"One-Click" not in got
    assert verdicts(got[got.index(b"DKIM-Signature") :], ZONE) == [True, True]


def test_only_the_head_of_a_copy_is_its_own(house: ListHouse) -> None:
    """What the next hop gets is what is kept, but for the promise and the signatures."""
    post(house)
    (kept,) = house.read("jean.petit")
    for octets in leaving(house).values():
        plain = PROMISE.sub(BY_MAIL, octets)
        assert plain.partition(b"Received: by")[2] == kept.partition(b"Received: by")[2]


def test_who_forwards_outside_leaves_as_the_member_that_they_are(house: ListHouse) -> None:
    """One by hand and one by rule, who has no row of their own among the members."""
    by_hand = house.member("anne.durand")
    made(house.store, school())
    made(house.store, teacher("jmarot", posts=(PostDoc(SCHOOL, "enseignant"),)))
    house.store.lists.add_rule(house.which.list_id, ListRule(unit_code=SCHOOL))
    house.forward("anne.durand", "anne@maison.test", keeps_copy=False)
    house.forward("jmarot", "jean@maison.test", keeps_copy=True)
    post(house)
    sent = leaving(house)
    account = house.store.accounts.find_account("jmarot")
    assert account is not None
    for to, wanted in (("anne", by_hand), ("jean", account.account_id)):
        octets = sent[f"{to}@maison.test"]
        assert verdicts(octets, ZONE) == [True, True]
        found = find_link(house.store.lists, token_of(octets))
        assert found is not None
        assert found[1] == Inside(by_hand if to == "anne" else account.account_id)
        assert leave_by_link(house.store.lists, *found)
        readers = house.store.lists.readers_by_hand(house.which.list_id, after_id=0, limit=10)
        assert wanted not in {one.account_id for one in readers}
        assert wanted not in house.store.lists.accounts_by_rule(house.which)


@pytest.mark.parametrize("is_member", [False, True])
def test_an_archive_that_forwards_is_not_left_by_its_reader(
    house: ListHouse, *, is_member: bool
) -> None:
    """Be it a member as well, and had it links before: it goes on getting each post."""
    archive = house.member("archives") if is_member else house.person("archives")
    before = make_leave_token(house.which, Inside(archive))
    assert find_link(house.store.lists, before) is not None
    house.store.lists.change_list(replace(house.which, archive_account_id=archive))
    assert find_link(house.store.lists, before) is None
    house.forward("archives", "archives@maison.test", keeps_copy=True)
    post(house)
    octets = leaving(house)["archives@maison.test"]
    assert BY_MAIL in octets
    assert b"One-Click" not in octets


def test_whoever_has_left_may_click_again(house: ListHouse) -> None:
    post(house)
    lists, token = house.store.lists, token_of(leaving(house)[PAUL])
    found = find_link(lists, token)
    assert found is not None
    assert leave_by_link(lists, *found)
    assert PAUL not in {one.address for one in house.members()}
    assert find_link(lists, token) == found
    assert not leave_by_link(lists, *found)
    lists.delete_list(house.which.list_id, now_s=NOW_S, quarantine_s=0)
    assert find_link(lists, token) is None


def test_a_link_of_before_is_good_for_who_has_joined_again(house: ListHouse) -> None:
    post(house)
    lists, found = house.store.lists, find_link(house.store.lists, token_of(leaving(house)[PAUL]))
    assert found is not None
    for address in (PAUL, "PAUL@Exemple.NET"):
        assert leave_by_link(lists, *found)
        house.outside(address)
    assert leave_by_link(lists, *found)
    assert [one.address for one in house.members() if one.account_id is None] == [ZOE]


def test_who_leaves_while_a_copy_waits_gets_it_without_a_promise(house: ListHouse) -> None:
    post(house)
    house.store.lists.leave(house.which.list_id, "by link", address_key=PAUL)
    sent = leaving(house)
    assert BY_MAIL in sent[PAUL]
    assert b"One-Click" not in sent[PAUL]
    assert token_of(sent[ZOE])
    assert verdicts(sent[PAUL], ZONE) == [True, True]


def test_what_a_post_says_of_leaving_another_list_is_not_promised(house: ListHouse) -> None:
    other = (
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        b"list-unsubscribe:\r\n <https://other.example/x>,\r\n\t<mailto:x@other.example>\r\n"
    )
    post(house, other + POST)
    for octets in leaving(house).values():
        assert octets.lower().count(b"\nlist-unsubscribe") == 2
        assert b"other.example" not in octets
        assert verdicts(octets, ZONE) == [True, True]


_FAKE = b"\r\n\tbh=" + b"A" * 43 + b"=;\r\n"


@pytest.mark.parametrize(
    ("body", "is_promised"),
    [
        (b"From: a@ac-exemple.fr\r\n", True),
        (b"From: a@ac-exemple.fr\r\n\r\n", True),
        (b" no field\r\n" + POST, True),
        (b"X-Note: y;" + _FAKE + b"DKIM-Signature: v=1; d=ac-exemple.fr;" + _FAKE + POST, True),
        (b"References: <x>\r\n" * 91 + POST, True),
        (b"References: <x>\r\n" * 92 + POST, False),  # one more than are signed
    ],
    ids=["a header alone", "no text", "a fold first", "another hash", "full", "too full"],
)
def test_whatever_a_post_holds_what_leaves_is_signed_and_promised_or_neither(
    house: ListHouse, body: bytes, *, is_promised: bool
) -> None:
    post(house, body)
    for octets in leaving(house).values():
        assert (b"=One-Click" in octets) is is_promised
        assert verdicts(octets, ZONE) == [True, True]


def test_the_link_is_of_the_list_that_somebody_is_a_member_of(house: ListHouse) -> None:
    """Of the innermost one, whose address has dots; the outer one has links of its own."""
    inner = house.nest("profs.de.saintes", posting=Posting.INSIDE)
    marie = "marie@ailleurs.test"
    house.store.lists.add_member(inner.list_id, address=marie)
    author = house.store.accounts.find_account("jean.petit")
    assert author is not None
    house.store.lists.add_member(inner.list_id, account_id=author.account_id)
    post(house)
    house.expand()
    sent = leaving(house)
    found = find_link(house.store.lists, token_of(sent[marie]))
    assert found is not None
    assert found[0] == inner
    assert b"animateurs-unsubscribe" not in sent[marie]
    assert find_link(house.store.lists, token_of(sent[PAUL])) is not None
    assert token_of(sent[PAUL]).startswith(f"{house.which.list_id}-")
    for octets in sent.values():
        assert verdicts(octets, ZONE) == [True, True]


@pytest.mark.parametrize(
    ("to", "body", "is_signed"),
    [
        (LIST, POST, False),
        (LIST, POST.replace(b"From: Jean Petit", b"X-From: Jean"), True),
        (f"animateurs-owner@{DOMAIN}", POST, True),
    ],
    ids=["no keys", "a post without From is not signed", "mail to the owners"],
)
def test_where_nothing_can_be_promised_the_copy_leaves_as_it_is_kept(
    open_house: OpenHouse, to: str, body: bytes, is_signed: bool
) -> None:
    house = open_house(sign=sign if is_signed else None, offers_one_click=True)
    author = house.member("jean.petit")
    house.outside(PAUL)
    house.forward("chef", "chef@maison.test", keeps_copy=False)
    house.send(body, to=to, account_id=author)
    house.expand()
    (octets,) = leaving(house).values()
    assert b"One-Click" not in octets
    assert (BY_MAIL in octets) is (to == LIST)


def test_a_signature_that_fails_at_the_last_moment_promises_nothing(house: ListHouse) -> None:
    """The head as kept has good ones already."""

    def nothing(header_block: bytes, *, body_hash: bytes, now_s: float) -> bytes:
        assert BY_MAIL not in header_block
        return b""

    post(house)
    for octets in leaving(house, sign=nothing).values():
        assert BY_MAIL in octets
        assert b"One-Click" not in octets
        assert verdicts(octets, ZONE) == [True, True]


def test_without_a_web_door_members_by_rule_share_one_sender(open_house: OpenHouse) -> None:
    house = open_house(sign=sign)
    author = house.member("jean.petit")
    made(house.store, school())
    for who in ("jmarot", "adurand"):
        made(house.store, teacher(who, posts=(PostDoc(SCHOOL, "enseignant"),)))
        house.forward(who, f"{who}@maison.test", keeps_copy=False)
    house.store.lists.add_rule(house.which.list_id, ListRule(unit_code=SCHOOL))
    house.send(account_id=author)
    house.expand()
    assert [one.sender for one in lease(house)] == ["animateurs-bounces@ac-exemple.fr"] * 2


@pytest.mark.parametrize(
    ("url", "signer", "is_offered"), [(URL, SIGNER, True), (URL, None, False), ("", SIGNER, False)]
)
def test_one_click_wants_a_web_door_and_a_key(
    tmp_path: Path, url: str, signer: Signer | None, *, is_offered: bool
) -> None:
    settings = make_settings(tmp_path, {"web.url": url})
    store = open_store(settings)
    context = make_list_context(settings, open_spool=store.bodies.open_spool, signer=signer)
    head_for = open_one_click(settings, store.lists, signer, lambda: NOW_S)
    store.close()
    assert (context.offers_one_click, head_for is not None) == (is_offered, is_offered)


# --- on the wire --------------------------------------------------------------------------


BODY = b"D\xc3\xa9j\xc3\xa0 l\xc3\xa0.\r\n" + b"y  z" * 15 + b" \r\n"
LARGE = POST + BODY * 900  # in a file: more than one piece


@pytest.mark.parametrize("body", [POST + BODY, LARGE], ids=["small", "in a file"])
def test_a_copy_that_is_tried_again_leaves_with_the_same_link_and_the_size_it_says(
    house: ListHouse, tmp_path: Path, body: bytes
) -> None:
    post(house, body)
    promises = one_click(house)

    async def busy(wire: Wire) -> None:
        await wire.greet("8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES")
        await wire.take_all("451 4.3.0 later")

    async def tried(script: Script, at_s: float) -> list[bytes]:
        async with (
            Peer(script) as peer,
            open_agency(
                tmp_path,
                way_to("exemple.net", peer.port),
                head_for=promises.head_for,
                clock=Clock(now_s=at_s),
            ) as agency,
        ):
            await agency.until(lambda: len(peer.messages) == 2)
            await agency.until_settled()
        said = [int(one) for line in peer.heard for one in re.findall(r" SIZE=(\d+)", line)]
        sent = [one[:-3].replace(b"\r\n..", b"\r\n.") for one in peer.messages]
        assert sorted(said) == sorted(map(len, sent))
        assert [verdicts(octets, ZONE) for octets in sent] == [[True, True]] * 2
        return sent

    first = asyncio.run(tried(busy, house.now_s))
    again = asyncio.run(tried(take_all, house.now_s + 400))
    assert len(set(map(token_of, first))) == 2
    assert set(map(token_of, first)) == set(map(token_of, again))
    assert lease(house) == []


def test_a_peer_that_takes_no_8_bit_text_is_sent_none(house: ListHouse, tmp_path: Path) -> None:
    post(house, POST + BODY)

    async def narrow(wire: Wire) -> None:
        await wire.greet("PIPELINING")
        await wire.take_all()

    async def story() -> None:
        async with (
            Peer(narrow) as peer,
            open_agency(
                tmp_path,
                way_to("exemple.net", peer.port),
                head_for=one_click(house).head_for,
                clock=Clock(now_s=house.now_s),
            ) as agency,
        ):
            await agency.until_empty()
            assert peer.messages == []

    asyncio.run(story())
