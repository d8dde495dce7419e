"""A file system that forgets what was not synced.

For each file the synced octets and the changes since; for each folder the
synced names and the changes since.  fsync of a file makes its octets durable
and not its name; fsync of a folder makes its names durable.  ext4 and XFS
promise more than this, POSIX does not.

A sync covers the changes that were complete when it began.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

SECTOR_OCTETS = 512

Change = TypeVar("Change")


@dataclass(frozen=True, slots=True)
class Written:
    offset: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Resized:
    size_octets: int


@dataclass(frozen=True, slots=True)
class Named:
    """A name of a folder was set to a node, or taken away."""

    name: str
    node: Node | None


FileChange = Written | Resized


@dataclass(slots=True, eq=False)
class File:
    synced: bytearray = field(default_factory=bytearray)
    pending: list[FileChange] = field(default_factory=list)
    size_octets: int = 0
    version: int = 0  # grows with each sync

    def change(self, change: FileChange) -> None:
        self.pending.append(change)
        match change:
            case Written():
                self.size_octets = max(self.size_octets, change.offset + len(change.octets))
            case Resized():
                self.size_octets = change.size_octets

    def settle(self, changes: Sequence[FileChange]) -> None:
        """Of two syncs at a time, the second to end finds done what both cover."""
        covered = {id(change) for change in changes}
        _apply(self.synced, [change for change in self.pending if id(change) in covered])
        self.pending = [change for change in self.pending if id(change) not in covered]
        self.version += 1


@dataclass(slots=True, eq=False)
class Folder:
    names: dict[str, Node] = field(default_factory=dict)  # as running programs see it
    synced: dict[str, Node] = field(default_factory=dict)
    pending: list[Named] = field(default_factory=list)

    def change(self, name: str, node: Node | None) -> None:
        self.pending.append(Named(name, node))
        if node is None:
            self.names.pop(name, None)
        else:
            self.names[name] = node

    def settle(self, changes: Sequence[Named]) -> None:
        covered = {id(change) for change in changes}
        _rename(self.synced, [change for change in self.pending if id(change) in covered])
        self.pending = [change for change in self.pending if id(change) not in covered]


Node = File | Folder


@dataclass(frozen=True, slots=True)
class BegunSync:
    """What one fsync covers."""

    node: Node
    changes: tuple[FileChange | Named, ...]


class Luck(Protocol):
    """Which unsynced changes reached the disk before the power went."""

    def of_file(self, changes: Sequence[FileChange]) -> list[FileChange]: ...

    def of_folder(self, changes: Sequence[Named]) -> list[Named]: ...


class NoLuck:
    """Nothing unsynced did."""

    def of_file(self, changes: Sequence[FileChange]) -> list[FileChange]:
        return []

    def of_folder(self, changes: Sequence[Named]) -> list[Named]:
        return []


class SomeLuck:
    """A prefix or a random part of them did, some torn at a sector."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def of_file(self, changes: Sequence[FileChange]) -> list[FileChange]:
        kept = self._some(changes)
        return [self._torn(change) if isinstance(change, Written) else change for change in kept]

    def of_folder(self, changes: Sequence[Named]) -> list[Named]:
        return self._some(changes)

    def _some(self, changes: Sequence[Change]) -> list[Change]:
        if self._chance.random() < 0.5:
            return list(changes[: self._chance.randint(0, len(changes))])
        part = self._chance.random()
        return [change for change in changes if self._chance.random() < part]

    def _torn(self, change: Written) -> Written:
        if self._chance.random() < 0.8:
            return change
        sectors = len(change.octets) // SECTOR_OCTETS
        kept = self._chance.randint(0, sectors) * SECTOR_OCTETS
        return Written(change.offset, change.octets[:kept])


class Disk:
    """The folder of one store.  Paths are relative to it, with `/`; `.` is the folder itself."""

    def __init__(self) -> None:
        self._root = Folder()

    @classmethod
    def of(cls, folder: Path) -> Disk:
        """A disk that holds what the folder holds now, all of it synced."""
        disk = cls()
        disk._root = _read_folder(folder)
        return disk

    def find(self, path: str) -> Node:
        """
        Raises:
            KeyError: there is nothing of that name.
        """
        node: Node = self._root
        for name in _parts(path):
            if not isinstance(node, Folder):
                raise KeyError(path)
            node = node.names[name]
        return node

    def exists(self, path: str) -> bool:
        try:
            self.find(path)
        except KeyError:
            return False
        return True

    def file(self, path: str) -> File:
        node = self.find(path)
        if not isinstance(node, File):
            raise KeyError(path)
        return node

    def create(self, path: str) -> None:
        folder, name = self._place(path)
        folder.change(name, File())

    def make_folder(self, path: str) -> None:
        folder, name = self._place(path)
        folder.change(name, Folder())

    def unlink(self, path: str) -> None:
        folder, name = self._place(path)
        folder.change(name, None)

    def link(self, old: str, new: str) -> None:
        folder, name = self._place(new)
        folder.change(name, self.find(old))

    def rename(self, old: str, new: str) -> None:
        """Two changes: the new name and the loss of the old one, each its folder's own."""
        self.link(old, new)
        self.unlink(old)

    def begin_sync(self, path: str) -> BegunSync:
        node = self.find(path)
        return BegunSync(node, tuple(node.pending))

    def end_sync(self, begun: BegunSync) -> None:
        match begun.node:
            case File():
                begun.node.settle([c for c in begun.changes if not isinstance(c, Named)])
            case Folder():
                begun.node.settle([c for c in begun.changes if isinstance(c, Named)])

    def survivors(self, luck: Luck) -> Iterator[tuple[str, Node, bytes | None]]:
        """After the power cut: (path, node, octets), folders before what is in them."""
        yield from _survivors("", self._root, luck)

    def _place(self, path: str) -> tuple[Folder, str]:
        *parents, name = _parts(path)
        folder = self.find("/".join(parents))
        if not isinstance(folder, Folder):
            raise KeyError(path)
        return folder, name


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _survivors(prefix: str, folder: Folder, luck: Luck) -> Iterator[tuple[str, Node, bytes | None]]:
    names = dict(folder.synced)
    _rename(names, luck.of_folder(folder.pending))
    for name, node in names.items():
        path = prefix + name
        match node:
            case File():
                kept = luck.of_file(node.pending)
                octets = bytearray(node.synced) if kept else node.synced
                _apply(octets, kept)
                yield path, node, bytes(octets)
            case Folder():
                yield path, node, None
                yield from _survivors(path + "/", node, luck)


def _apply(octets: bytearray, changes: Sequence[FileChange]) -> None:
    for change in changes:
        match change:
            case Written(offset, written):
                if offset > len(octets):
                    octets.extend(bytes(offset - len(octets)))
                octets[offset : offset + len(written)] = written
            case Resized(size):
                del octets[size:]
                octets.extend(bytes(size - len(octets)))


def _rename(names: dict[str, Node], changes: Sequence[Named]) -> None:
    for change in changes:
        if change.node is None:
            names.pop(change.name, None)
        else:
            names[change.name] = change.node


def _read_folder(folder: Path) -> Folder:
    found = Folder()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            node: Node = _read_folder(path)
        elif not path.is_file():
            continue  # the FIFO
        else:
            octets = bytearray(path.read_bytes())
            node = File(synced=octets, size_octets=len(octets))
        found.names[path.name] = found.synced[path.name] = node
    return found
