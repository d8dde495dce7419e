"""How long imported NUMENs take: the import's own verifier, then argon2id by the keeper.

    python -m bench.numens [COUNT]      COUNT accounts are hashed, 200 unless told

Twice through the keeper's own thread, over a store on disk at the settings that a service has:
alone, and while every core verifies passwords, one process each, which say what the keeper cost
them.  What 50,000 take is extrapolated.  On a machine that others use as well, the time of a
processor is what it takes alone.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

from mailserver.auth.numen_key import ensure_key
from mailserver.auth.numens import numen_verifier
from mailserver.auth.passwords import hash_password, verify
from mailserver.keeper.chores import ChoreThread
from mailserver.settings.model import Settings
from mailserver.store.open import open_store
from mailserver.values.secret import Secret

EVERYBODY = 50_000
_PASSWORD = "tournesol jaune vif"


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder)
        settings = Settings.model_validate(
            {
                "service": {"domain": "a.test", "hostname": "mail.a.test"},
                "store": {"path": str(path / "store")},
                "auth": {"numen_key": str(path / "numen.key")},
            }
        )
        _say_import(path / "numen.key", count)
        alone_s, cpu_s = _hash(settings, count, "alone")
        print(f"alone: {alone_s * 1000:.1f} ms each, {_whole(alone_s)}")
        print(f"of one core: {cpu_s * 1000:.1f} ms each, {_whole(cpu_s)}", flush=True)
        with _busy_cores() as durations:
            time.sleep(5)
            quiet = _drain(durations)
            busy_s, _ = _hash(settings, count, "busy")
            loaded = _drain(durations)
        print(f"every core busy: {busy_s * 1000:.1f} ms each, {_whole(busy_s)}")
        print(f"a log-in's hash: {quiet:.1f} ms without the keeper's work, {loaded:.1f} ms with it")


def _whole(each_s: float) -> str:
    return f"{EVERYBODY} in {each_s * EVERYBODY / 60:.0f} min (extrapolated)"


def _say_import(key_path: Path, count: int) -> None:
    key = ensure_key(key_path)
    began_s = time.perf_counter()
    for number in range(count * 10):
        numen_verifier(f"17E02{number:05}ABC", key)
    each_s = (time.perf_counter() - began_s) / (count * 10)
    print(f"import: {each_s * 1e6:.1f} us each, {EVERYBODY} in {each_s * EVERYBODY:.2f} s")


def _hash(settings: Settings, count: int, prefix: str) -> tuple[float, float]:
    """Seconds for each of them: of the clock, and of a processor."""
    key = ensure_key(settings.auth.numen_key)
    store = open_store(settings)
    for number in range(count):
        name = f"{prefix}{number}"
        account = store.accounts.add_account(
            identifier=name, name=name, addresses=[f"{name}@a.test"], now_s=time.time()
        )
        verifier = numen_verifier(f"17E02{number:05}ABC", key)
        store.accounts.write_credential(account.account_id, verifier=verifier, must_change=True)
    chores = ChoreThread(store, settings)
    began_s, cpu_began_s = time.perf_counter(), time.process_time()
    chores.hash_numens(until_s=time.monotonic() + 3600)
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_began_s
    chores.stop()
    store.close()
    return took_s / count, cpu_s / count


@contextmanager
def _busy_cores() -> Iterator[multiprocessing.Queue[float]]:
    """As many processes as cores verify one password after the other; milliseconds of each."""
    durations: multiprocessing.Queue[float] = multiprocessing.Queue()
    ended = multiprocessing.Event()
    verifier = hash_password(Secret(_PASSWORD))
    busy = [
        multiprocessing.Process(target=_verify, args=(verifier, durations, ended))
        for _ in range(os.cpu_count() or 1)
    ]
    for process in busy:
        process.start()
    try:
        yield durations
    finally:
        ended.set()
        _drain(durations)
        for process in busy:
            process.join()


def _verify(verifier: str, durations: multiprocessing.Queue[float], ended: Event) -> None:
    durations.cancel_join_thread()
    while not ended.is_set():
        began_s = time.perf_counter()
        verify(_PASSWORD.encode(), verifier)
        durations.put((time.perf_counter() - began_s) * 1000)


def _drain(durations: multiprocessing.Queue[float]) -> float:
    """The median of what came since the last time."""
    found = [0.0]
    while not durations.empty():
        found.append(durations.get())
    return statistics.median(found)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
