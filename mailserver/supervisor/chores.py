"""The keeper's slow work, in a thread of its own at the lowest priority.

Argon2id over imported NUMENs takes tens of milliseconds each: done here, on
what the doors leave of the processor, it delays no step of the keeper.  A kill
at any moment loses at most one slice, which is done again.
"""

from __future__ import annotations

import os
import threading
import time

from mailserver.quota.classes import Classes
from mailserver.quota.notice import House
from mailserver.quota.warnings import QuotaWarner
from mailserver.settings.model import Settings
from mailserver.store.ports import Store, StoreError
from mailserver.telemetry.log import get_log

LOWEST_PRIORITY = 19
ROUND_S = 60.0
CODES_KEPT_S = 30 * 86_400.0
"""A code that was used or expired is kept so long, for who asks what happened."""


class ChoreThread:
    """Start it once this process is the keeper."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)
        self._quota_warner = _quota_warner(store, settings)
        self._log = get_log("keeper")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the hash that is being made, tens of milliseconds."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        # Of this thread alone: on Linux, threads have priorities of their own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        while not self._ended.is_set():
            try:
                self._round()
            except StoreError as error:
                self._log.warning("chores: next round later", error=str(error))
            except Exception as error:  # noqa: BLE001 - the top of a thread
                self._log.error("chores failed: next round later", exc_info=error)
            self._ended.wait(ROUND_S)

    def _round(self) -> None:
        from mailserver.recovery.chores import NumenHasher, Warner
        from mailserver.recovery.letters import Post

        hasher = NumenHasher(self._store, is_wanted=lambda: not self._ended.is_set())
        while hasher.step() and not self._ended.is_set():
            continue
        if hasher.hashed_count:
            self._log.info("NUMENs hashed", count=hasher.hashed_count)
        settings, now_s = self._settings, time.time()
        post = Post(self._store, settings)
        warner = Warner(self._store, post, settings.passwords, settings.service.language)
        if warned := warner.step(now_s=now_s):
            self._log.info("warned of the end of first passwords", count=warned)
        if full_count := self._quota_warner.step(now_s=now_s):
            self._log.info("warned of mailboxes that are nearly full", count=full_count)
        self._store.forget_codes(before_s=now_s - CODES_KEPT_S)


def _quota_warner(store: Store, settings: Settings) -> QuotaWarner:
    service = settings.service
    return QuotaWarner(
        store,
        Classes(settings.classes, grace_percent=settings.quota.grace_percent),
        House(hostname=service.hostname, domain=service.domain),
        service.language,
        draw=os.urandom,
    )
