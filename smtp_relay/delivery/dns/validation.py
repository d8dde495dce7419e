"""Whether the resolver's AD bit is believed, and so whether DANE is on.

The bit says "validated" only if the resolver does validate and nobody between
it and us can set it (RFC 7672 §2.1.1, RFC 4035 §4.9.3): a resolver on loopback
that marks the signed root as authentic, or an administrator's word for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Literal

from mailserver.settings.bind import Bind
from mailserver.telemetry.dane import WHY_NOT, DaneState
from mailserver.telemetry.log import Log, get_log
from smtp_relay.delivery.dns.answers import Found, RecordType, Resolver, Unanswered

RETRY_S: Final = 60.0  # after a test that nobody answered
AGAIN_S: Final = 3600.0  # resolvers get replaced

Validates = Literal["auto", "yes", "no"]
Clock = Callable[[], float]


class Validation:
    """One per process; `is_trusted` tests when it is first asked, and again now and then."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        servers: Sequence[Bind],
        validates: Validates,
        clock: Clock = time.monotonic,
        log: Log | None = None,
    ) -> None:
        self._resolver = resolver
        self._is_remote = not all(server.is_loopback for server in servers)
        self._validates = validates
        self._clock = clock
        self._log = log or get_log("delivery")
        self._state = DaneState.UNTESTED
        self._detail = ""
        self._again_at_s = -float("inf")
        self._settle_without_asking()

    @property
    def state(self) -> DaneState:
        """ON: the bit is believed.  Else why it is not."""
        return self._state

    @property
    def why_not(self) -> str | None:
        """None: the bit is believed.  Else why not, in words."""
        if self._state is DaneState.ON:
            return None
        return WHY_NOT[self._state] + (f": {self._detail}" if self._detail else "")

    async def is_trusted(self) -> bool:
        if self._clock() >= self._again_at_s:
            await self._test()
        return self._state is DaneState.ON

    def _settle_without_asking(self) -> None:
        match self._validates:
            case "yes":
                self._settle(DaneState.ON, again_s=float("inf"))
            case "no":
                self._settle(DaneState.DISTRUSTED, again_s=float("inf"))
            case "auto" if self._is_remote:
                self._settle(DaneState.ELSEWHERE, again_s=float("inf"))
            case "auto":
                pass  # it is tested when it is first asked

    async def _test(self) -> None:
        answer = await self._resolver.ask("", RecordType.NS)
        match answer:
            case Found(is_authentic=True):
                self._settle(DaneState.ON, again_s=AGAIN_S)
            case Unanswered(why=why):
                self._settle(DaneState.UNANSWERED, why, again_s=RETRY_S)
            case _:
                self._settle(DaneState.NOT_VALIDATING, again_s=AGAIN_S)

    def _settle(self, state: DaneState, detail: str = "", *, again_s: float) -> None:
        """Warn when it turns bad, say so when it turns good, and nothing while it stays."""
        was = self._state, self._detail
        self._state, self._detail = state, detail
        self._again_at_s = self._clock() + again_s
        if self._validates == "no" or (state, detail) == was:
            return
        if state is not DaneState.ON:
            self._log.warning("DANE is off", why=self.why_not)
        elif self._validates == "auto":
            self._log.info("DANE is on")
