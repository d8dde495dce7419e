"""A door that ignores SIGTERM: for the limits of patience."""

from __future__ import annotations

import signal
import time

from mailserver.settings.model import Settings
from mailserver.supervisor.contract import WorkerContext
from tests.supervisor import echo_door


def prepare(settings: Settings) -> Settings:
    return settings


def serve(prepared: Settings, context: WorkerContext) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    visitor = context.listeners[0].sock
    visitor.setblocking(True)
    peer, _ = visitor.accept()
    peer.sendall(echo_door._greeting(prepared, context, "deaf"))
    while True:
        time.sleep(3600)
