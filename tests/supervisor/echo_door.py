"""A door for tests: tells every visitor who serves, and drains what has begun.

A visitor gets one line of JSON (pid, parent's pid, worker, listener, digest of
the secret, log level) and then sends commands, one per line: `stay` is answered `here`, `die`
ends the worker at once, `quit` closes.
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import signal
import socket
from contextlib import suppress

from mailserver.settings.model import Settings
from mailserver.supervisor.contract import WorkerContext
from mailserver.supervisor.wakeup import SignalPipe


def prepare(settings: Settings) -> Settings:
    return settings


def serve(prepared: Settings, context: WorkerContext) -> None:
    signals = SignalPipe([signal.SIGTERM])
    selector = selectors.DefaultSelector()
    selector.register(signals.fd, selectors.EVENT_READ, None)
    for listener in context.listeners:
        selector.register(listener.sock, selectors.EVENT_READ, listener.name)
    visitors: set[socket.socket] = set()
    draining = False
    while not draining or visitors:
        for key, _ in selector.select():
            if key.fd == signals.fd:
                signals.take()
                draining = True
                for listener in context.listeners:
                    selector.unregister(listener.sock)
                    listener.sock.close()
            elif isinstance(key.data, str):
                if draining:  # it was closed a moment ago, in this same round
                    continue
                with suppress(BlockingIOError, ConnectionError):
                    visitor, _ = key.fileobj.accept()  # type: ignore[union-attr]
                    visitors.add(visitor)
                    selector.register(visitor, selectors.EVENT_READ, visitor)
                    visitor.sendall(_greeting(prepared, context, key.data))
            elif not _obey(key.data):
                selector.unregister(key.data)
                visitors.discard(key.data)
                key.data.close()


def _greeting(settings: Settings, context: WorkerContext, listener: str) -> bytes:
    facts = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "worker": context.index,
        "listener": listener,
        "secret": hashlib.sha256(context.auth_secret.reveal()).hexdigest(),
        "level": settings.log.level,
    }
    return json.dumps(facts).encode() + b"\n"


def _obey(visitor: socket.socket) -> bool:
    try:
        octets = visitor.recv(4096)
        if b"die" in octets:
            os._exit(3)
        if b"stay" in octets:
            visitor.sendall(b"here\n")
    except ConnectionError:
        return False
    return bool(octets) and b"quit" not in octets
