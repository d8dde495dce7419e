"""The friendlier address of an establishment, by rules that are data.

The rules stand in `config/establishments.toml`, and a service may have its
own file.  `e-nomecole-ville` for `École Jules Ferry` of Saintes is
`e-julesferry-saintes`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailserver.people.names import MAX_LOCAL_OCTETS
from mailserver.values.words import search_key, split_words

FILE_NAME = "establishments.toml"
_DIGITS_ROOM = 4


class BadRules(ValueError):
    """The file of rules cannot be used.  The text says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """A kind of establishment.  `words`: what imports call it, as search keys."""

    name: str
    words: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRules:
    natures: tuple[Nature, ...]
    dropped: frozenset[str]

    def find_nature(self, text: str) -> Nature | None:
        """By its own name, or by any of the words of an import, whatever their case."""
        key = search_key(text)
        for nature in self.natures:
            if key in {search_key(nature.name), *nature.words}:
                return nature
        return None

    def alias(self, *, nature: str, name: str, town: str) -> str | None:
        """The local part; None where the nature is unknown or the town is missing."""
        found = self.find_nature(nature)
        towns = split_words(town)
        if found is None or not towns:
            return None
        left = "".join(_without(split_words(name), {*self.dropped, *towns}))
        pattern = found.pattern if left else found.pattern.replace("{name}-", "")
        local = pattern.replace("{name}", left).replace("{town}", "".join(towns))
        return local[: MAX_LOCAL_OCTETS - _DIGITS_ROOM].rstrip("-.")


def parse_rules(text: str) -> AliasRules:
    """Read a file of rules.

    Raises:
        BadRules: not TOML, or a nature without words or pattern.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRules(f"not TOML: {error}") from error
    natures = tree.get("natures")
    if not isinstance(natures, dict) or not natures:
        raise BadRules("no nature of establishment: write [natures.ecole] and its lines")
    dropped = tree.get("dropped", [])
    return AliasRules(
        natures=tuple(_nature(name, entry) for name, entry in natures.items()),
        dropped=frozenset(word for text in dropped for word in split_words(str(text))),
    )


def _nature(name: str, entry: Mapping[str, Any]) -> Nature:
    words, pattern = entry.get("words"), entry.get("pattern")
    if not isinstance(words, list) or not isinstance(pattern, str) or "{town}" not in pattern:
        raise BadRules(
            f'[natures.{name}]: write words = [...] and pattern = "..." with {{town}} in it'
        )
    return Nature(name=name, words=tuple(search_key(str(word)) for word in words), pattern=pattern)


def _without(words: Sequence[str], taken: set[str]) -> list[str]:
    return [word for word in words if word not in taken]
