"""Is DANE on, and if not, why?  One number in the delivery agent's report, and its words.

| state                                    | `status`                    | mail    |
| ---------------------------------------- | --------------------------- | ------- |
| ON                                       | says so                     | flows   |
| OFF_IN_SETTINGS, DISTRUSTED              | says so: somebody wants it  | flows   |
| ELSEWHERE, NOT_VALIDATING, UNANSWERED    | warns, and says what to do  | flows   |
| UNTESTED                                 | says so: for a moment only  | flows   |
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class DaneState(IntEnum):
    """Of several workers the highest is told."""

    ON = 1
    OFF_IN_SETTINGS = 2
    DISTRUSTED = 3
    UNTESTED = 4
    UNANSWERED = 5
    ELSEWHERE = 6
    NOT_VALIDATING = 7


WHY_NOT: Final = {
    DaneState.OFF_IN_SETTINGS: "delivery.dane is false",
    DaneState.DISTRUSTED: "dns.validates is no",
    DaneState.UNTESTED: "the resolver has not been tested yet",
    DaneState.UNANSWERED: "the resolver could not be tested",
    DaneState.ELSEWHERE: "the resolver is not on this machine, and dns.validates is auto",
    DaneState.NOT_VALIDATING: "the resolver does not validate DNSSEC",
}
_UNWANTED: Final = {DaneState.UNANSWERED, DaneState.ELSEWHERE, DaneState.NOT_VALIDATING}
_WHAT_TO_DO: Final = (
    "Mail flows, over the TLS that it finds. Run a validating resolver on this machine and name it"
    " in dns.servers, or say that you want none: delivery.dane = false"
)


def dane_words(state: DaneState) -> str:
    """`on`, or `off: why`."""
    return "on" if state is DaneState.ON else f"off: {WHY_NOT[state]}"


def dane_warning(state: DaneState) -> str | None:
    """What the administrator should know and may mend."""
    return f"DANE is {dane_words(state)}. {_WHAT_TO_DO}" if state in _UNWANTED else None


def worst_state(reported: Iterable[float]) -> DaneState | None:
    """None: nobody has reported."""
    known = [DaneState(int(one)) for one in reported if int(one) in DaneState.__members__.values()]
    return max(known, default=None)
