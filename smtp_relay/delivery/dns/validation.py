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
        self._why_not: str | None = None
        self._again_at_s = -float("inf")
        self._settle_without_asking()

    @property
    def why_not(self) -> str | None:
        """None: the bit is believed.  Else why not, in words for `status`."""
        return self._why_not

    async def is_trusted(self) -> bool:
        if self._clock() >= self._again_at_s:
            await self._test()
        return self._why_not is None

    def _settle_without_asking(self) -> None:
        match self._validates:
            case "yes":
                self._settle(None, again_s=float("inf"))
            case "no":
                self._settle("dns.validates is no", again_s=float("inf"))
            case "auto" if self._is_remote:
                why = "the resolver is not on this machine, and dns.validates is auto"
                self._settle(why, again_s=float("inf"))
            case "auto":
                self._why_not = "the resolver has not been tested yet"

    async def _test(self) -> None:
        answer = await self._resolver.ask("", RecordType.NS)
        match answer:
            case Found(is_authentic=True):
                self._settle(None, again_s=AGAIN_S)
            case Unanswered(why=why):
                self._settle(f"the resolver could not be tested: {why}", again_s=RETRY_S)
            case _:
                self._settle("the resolver does not validate DNSSEC", again_s=AGAIN_S)

    def _settle(self, why_not: str | None, *, again_s: float) -> None:
        """Warn when it turns bad, say so when it turns good, and nothing while it stays."""
        was = self._why_not
        self._why_not = why_not
        self._again_at_s = self._clock() + again_s
        if self._validates == "no" or why_not == was:
            return
        if why_not is not None:
            self._log.warning("DANE is off", why=why_not)
        elif was is not None:
            self._log.info("DANE is on")
