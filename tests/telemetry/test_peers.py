"""One private address in place of every client is noticed; anything else is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailserver.telemetry.peers import (
    ENOUGH_COUNT,
    WINDOW_COUNT,
    PeerWatch,
    reports_show_a_gateway,
)


def watch(*peers: str) -> PeerWatch:
    watched = PeerWatch()
    for peer in peers:
        watched.note(peer)
    return watched


def test_one_private_address_again_and_again_is_a_gateway() -> None:
    assert watch(*["172.18.0.1"] * ENOUGH_COUNT).looks_like_a_gateway()
    assert watch(*["::ffff:172.18.0.1"] * ENOUGH_COUNT).looks_like_a_gateway()


def test_a_few_connections_prove_nothing() -> None:
    assert not watch(*["172.18.0.1"] * (ENOUGH_COUNT - 1)).looks_like_a_gateway()


def test_two_addresses_are_no_gateway() -> None:
    assert not watch("172.18.0.2", *["172.18.0.1"] * ENOUGH_COUNT).looks_like_a_gateway()


def test_one_public_address_may_be_a_whole_school() -> None:
    assert not watch(*["8.8.8.8"] * ENOUGH_COUNT).looks_like_a_gateway()


def test_loopback_is_left_out() -> None:
    watched = watch(*["127.0.0.1", "::1"] * ENOUGH_COUNT, *["172.18.0.1"] * ENOUGH_COUNT)
    assert watched.looks_like_a_gateway()


def test_old_connections_leave_the_window() -> None:
    assert watch("8.8.8.8", *["172.18.0.1"] * WINDOW_COUNT).looks_like_a_gateway()


def test_the_workers_are_judged_together() -> None:
    half = watch(*["172.18.0.1"] * (ENOUGH_COUNT // 2)).counters()
    other = watch("172.18.0.1", "172.18.0.9").counters()
    assert reports_show_a_gateway([half, half, {"connections": 1.0}])
    assert not reports_show_a_gateway([half])
    assert not reports_show_a_gateway([half, half, other])
    assert not reports_show_a_gateway([])


@given(st.lists(st.text(max_size=20), max_size=50))
def test_whatever_a_peer_is_called_it_is_counted(peers: list[str]) -> None:
    watched = watch(*peers)
    watched.looks_like_a_gateway()
    assert watched.counters()["peers.recent"] <= len(peers)


def test_a_gateway_is_news_once() -> None:
    watched = watch(*["172.18.0.1"] * ENOUGH_COUNT)
    assert [watched.is_news(), watched.is_news()] == [True, False]
