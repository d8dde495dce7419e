"""The store's folder as a power cut leaves it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.powercut.disk import Disk, File, Folder, Luck, Node

_KEPT = "bodies/"  # what opening the store does not change, and may stay between two cuts


class RebuiltFolder:
    """One folder, brought from cut to cut by what differs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there: dict[str, tuple[Node, int]] = {}

    @property
    def path(self) -> Path:
        return self._folder

    def bring(self, disk: Disk, luck: Luck) -> None:
        self._folder.mkdir(exist_ok=True)
        for found in self._folder.iterdir():
            if found.is_file():
                found.unlink()
        left = dict(self._there)
        self._there.clear()
        for path, node, octets in disk.survivors(luck):
            before = left.pop(path, None)
            match node:
                case Folder():
                    if before is None:
                        (self._folder / path).mkdir(exist_ok=True)
                    self._there[path] = (node, 0)
                case File():
                    self._bring_file(path, node, octets or b"", before)
        for path in sorted(left, reverse=True):
            self._remove(path)

    def _bring_file(
        self, path: str, file: File, octets: bytes, before: tuple[Node, int] | None
    ) -> None:
        is_settled = path.startswith(_KEPT) and not file.pending
        if not (is_settled and before == (file, file.version)):
            (self._folder / path).write_bytes(octets)
        if path.startswith(_KEPT):
            self._there[path] = (file, file.version if is_settled else -1)

    def _remove(self, path: str) -> None:
        gone = self._folder / path
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink(missing_ok=True)
