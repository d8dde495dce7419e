"""A fake store that is one object: it answers for each of its parts itself."""

from __future__ import annotations

from typing import Self


class OneObject:
    """Name a part (`store.accounts`) and get the object back."""

    @property
    def accounts(self) -> Self:
        return self

    @property
    def bodies(self) -> Self:
        return self

    @property
    def clock(self) -> Self:
        return self

    @property
    def counters(self) -> Self:
        return self

    @property
    def locks(self) -> Self:
        return self

    @property
    def mail(self) -> Self:
        return self

    @property
    def people(self) -> Self:
        return self

    @property
    def queue(self) -> Self:
        return self

    @property
    def recovery(self) -> Self:
        return self

    @property
    def upkeep(self) -> Self:
        return self

    @property
    def writes(self) -> Self:
        return self
