"""The keeper's slow work, in threads of their own.

Argon2id over imported NUMENs takes tens of milliseconds each.  One thread at
the lowest priority computes it, on what the doors leave of the processor; it
holds no lock and writes nothing.  The thread of the chores writes, a slice at
a time: at the lowest priority it could hold the write turn while the doors keep
the processors busy.  After a minute of hashing the other chores have their
turn.  A kill at any moment loses at most one slice, which is done again.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from mailserver.auth import passwords
from mailserver.quota.classes import Classes
from mailserver.quota.warnings import QuotaWarner
from mailserver.recovery.chores import NumenHasher, Warner
from mailserver.recovery.letters import Post
from mailserver.settings.model import Settings
from mailserver.store.clock import ServiceClock
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.store import Store
from mailserver.telemetry.log import get_log
from mailserver.values.organisation import Organisation

LOWEST_PRIORITY = 19
ROUND_S = 60.0
CODES_KEPT_S = 30 * 86_400.0
"""A code that was used or expired is kept so long, for who asks what happened."""


class ChoreThread:
    """Start it once this process is the keeper."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._clock = ServiceClock(store.clock)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)
        self._hashing = ThreadPoolExecutor(1, "numens", initializer=_take_lowest_priority)
        self._hasher = NumenHasher(store.recovery, is_wanted=lambda: not self._ended.is_set())
        self._quota_warner = _quota_warner(store, settings)
        self._log = get_log("keeper")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the hash that is being made, tens of milliseconds."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._hashing.shutdown()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._ended.wait(wait_s):
            wait_s = ROUND_S
            try:
                if self.hash_numens(until_s=time.monotonic() + ROUND_S):
                    wait_s = 0.0
                self._tell_and_tidy()
            except StoreError as error:
                self._log.warning("chores: next round later", error=str(error))
            except Exception as error:  # noqa: BLE001 - the top of a thread
                self._log.error("chores failed: next round later", exc_info=error)

    def hash_numens(self, *, until_s: float) -> bool:
        """Slice by slice; True: some may be left.  until_s: of the monotonic clock."""
        before = self._hasher.hashed_count
        while is_more := self._hasher.step(self._slow):
            if self._ended.is_set() or time.monotonic() >= until_s:
                break
        if count := self._hasher.hashed_count - before:
            self._log.info("NUMENs hashed", count=count)
        return is_more

    def _slow(self, digits: str, key_name: str) -> str:
        return self._hashing.submit(passwords.slow_numen, digits, key_name).result()

    def _tell_and_tidy(self) -> None:
        settings, now_s = self._settings, self._clock.ends_s()
        post = Post(self._store, settings)
        service = settings.service
        warner = Warner(self._store, post, settings.passwords, service.language, service.time_zone)
        if settings.passwords.change_first and (warned := warner.step(now_s=now_s)):
            self._log.info("warned of the end of first passwords", count=warned)
        if full_count := self._quota_warner.step(now_s=now_s, clock_s=time.monotonic()):
            self._log.info("warned of mailboxes that are nearly full", count=full_count)
        self._store.recovery.forget_codes(before_s=now_s - CODES_KEPT_S)


def _take_lowest_priority() -> None:
    """Of this thread alone: on Linux, threads have priorities of their own."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def _quota_warner(store: Store, settings: Settings) -> QuotaWarner:
    service = settings.service
    return QuotaWarner(
        store,
        Classes(settings.classes, grace_percent=settings.quota.grace_percent),
        Organisation(hostname=service.hostname, domain=service.domain, time_zone=service.time_zone),
        service.language,
        draw=os.urandom,
    )
