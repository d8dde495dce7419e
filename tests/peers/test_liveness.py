"""Who is taken for gone: nobody who answers, and nobody who was never asked."""

from __future__ import annotations

import socket

import pytest

from mailserver.peers.liveness import Vitals, has_vanished, is_suspect, keep_alive, read_vitals
from mailserver.settings.model import ConnectionsSettings

SETTINGS = ConnectionsSettings(keepalive_s=60, keepalive_probes=3, keepalive_probe_s=10)
GONE_S = 60 + 3 * 10


def vitals(
    *, acknowledged_s: float = 0.0, probes: int = 0, retransmits: int = 0, unacked: int = 0
) -> Vitals:
    return Vitals(
        acknowledged_s=acknowledged_s, probes=probes, retransmits=retransmits, unacked=unacked
    )


@pytest.mark.parametrize(
    ("acknowledged_s", "probes", "is_gone"),
    [
        (GONE_S, 3, True),
        (GONE_S + 1, 4, True),
        (GONE_S - 0.1, 3, False),  # it may still answer the last one
        (GONE_S, 2, False),
        (9 * GONE_S, 0, False),  # idle for long, and nobody has asked
        (0.0, 9, False),
    ],
)
def test_who_answers_none_of_the_probes_is_gone(
    acknowledged_s: float, probes: int, *, is_gone: bool
) -> None:
    assert has_vanished(vitals(acknowledged_s=acknowledged_s, probes=probes), SETTINGS) == is_gone


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (vitals(acknowledged_s=5.0, probes=1), True),
        (vitals(acknowledged_s=5.0, retransmits=1), True),
        (vitals(acknowledged_s=4.9, probes=1), False),
        (vitals(acknowledged_s=4.9, retransmits=9), False),
        (vitals(acknowledged_s=500.0), False),  # a program that only sits there
        (vitals(acknowledged_s=500.0, unacked=3), False),
    ],
)
def test_only_who_was_asked_and_is_silent_is_suspect(one: Vitals, *, wanted: bool) -> None:
    assert is_suspect(one, after_s=5.0) == wanted


def test_a_peer_on_this_machine_lives_and_a_socket_of_another_kind_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        keep_alive(listening, SETTINGS)
        with socket.create_connection(listening.getsockname()):
            taken, _ = listening.accept()
            with taken:
                found = read_vitals(taken)
                idle_s = taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert idle_s == 60
    assert found is not None
    assert not has_vanished(found, SETTINGS)
    assert not is_suspect(found, after_s=GONE_S)
    one, other = socket.socketpair()
    with one, other:
        assert read_vitals(one) is None
