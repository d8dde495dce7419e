"""The counters that processes report through the store, and who reads them.

Each worker calls `Scratch.report(source_name(door, index), counters)` every few
seconds; `mailserver status` reads them.  They may be lost and cost no fsync.

    connections        open connections of the worker, now
    peers.recent       connections noted by the worker's `PeerWatch` in its window
    peers.distinct     different addresses among them
    peers.private      1 if all of them came from one private address that is not loopback
    dane.state         delivery only: a `mailserver.telemetry.dane.DaneState`
    dkim.keys          how many keys sign what leaves; dkim.key.SELECTOR: the fingerprint of each
    tls.refused_file   1 while the certificate's files cannot be used: an older one is served
    refused.no_room    messages put off because the disk is short
    refused.quota      messages put off because a disk quota is used up
    refused.file_size  messages put off because of a limit on the size of files
    refused.no_descriptors  connections turned away because descriptors ran out
    open_relay         1 if a stranger could relay through the worker, so that its MX is shut
    wal_octets         keeper only: the write-ahead log in use

Other names are the door's own and are shown as they are; `is_counter` says which those are.
"""

from __future__ import annotations

from typing import Final

CONNECTIONS: Final = "connections"
PEERS_RECENT: Final = "peers.recent"
PEERS_DISTINCT: Final = "peers.distinct"
PEERS_PRIVATE: Final = "peers.private"
DKIM_KEY_COUNT: Final = "dkim.keys"
DKIM_KEY: Final = "dkim.key."
"""Begins the name of each selector's fingerprint."""
DANE_STATE: Final = "dane.state"
OPEN_RELAY: Final = "open_relay"
WAL_OCTETS: Final = "wal_octets"
NO_ROOM: Final = "refused.no_room"
NO_QUOTA: Final = "refused.quota"
FILE_TOO_LARGE: Final = "refused.file_size"
NO_DESCRIPTORS: Final = "refused.no_descriptors"
CERTIFICATE_REFUSED: Final = "tls.refused_file"

OPEN_RELAY_WARNING: Final = (
    "this service would relay for strangers: MX is shut, the log says what was accepted."
    " Correct [relay] and [[routes]], then start again"
)

FRESH_S: Final = 30.0
"""They come every 5 or 10 s: an older one is of a process that is gone, or hangs."""


_STATES: Final = frozenset(
    {PEERS_RECENT, PEERS_DISTINCT, PEERS_PRIVATE, DANE_STATE, DKIM_KEY_COUNT, CERTIFICATE_REFUSED}
)


def is_counter(name: str) -> bool:
    """May it be added up over workers and shown?"""
    return name not in _STATES and not name.startswith(DKIM_KEY)


def source_name(door: str, index: int) -> str:
    """`smtp.0`: who reports."""
    return f"{door}.{index}"
