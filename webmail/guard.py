"""What stands before every page: whose name was asked for, how often, how much comes in.

Outermost of the application (ASGI): whatever is answered, a failure too, leaves with the
headers below.  Nothing here keeps or logs a path: the links in it are secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailserver.telemetry.peers import PeerWatch
from mailserver.texts.catalogue import Language
from mailserver.values.ip import parse_ip
from webmail.pages import POLICY, Pages
from webmail.rate_limiter import RateLimiter
from webmail.speech import choose_language

MAX_BODY_OCTETS: Final = 8 * 1024
"""A form of one field takes a hundred."""
CLOSE: Final = {"Connection": "close"}
"""For an answer before the end of the request: what still comes is not another one."""
PACE_WAIT_S: Final = 60
# RFC 9112 §3.2.2: absolute-form = absolute-URI
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
HEADERS: Final = [
    (name, value.encode("ascii"))
    for name, value in (
        (b"content-security-policy", POLICY),
        (b"referrer-policy", "no-referrer"),
        (b"x-content-type-options", "nosniff"),
        (b"x-robots-tag", "noindex, nofollow"),
        (b"cache-control", "no-store"),
    )
]


@dataclass(slots=True)
class RequestTally:
    """What is counted, for `mailserver status`."""

    requests: int = 0
    failed_requests: int = 0  # answered with 400 or more
    left_lists: int = 0
    turned_away: int = 0  # connections, because all places were taken
    timed_out: int = 0  # connections


class LoggedRequest:
    """Which requests are let in."""

    def __init__(
        self,
        *,
        names: Collection[str],
        rate_limiter: RateLimiter,
        peers: PeerWatch,
        clock_s: Callable[[], float],
        gateways: Collection[object] = (),
    ) -> None:
        """names: hosts that we are, folded; loopback is always ours.

        gateways: addresses behind which anybody may stand; a client cannot become one.
        """
        self._names = frozenset(names) | {"localhost", "127.0.0.1", "[::1]"}
        self._rate_limiter = rate_limiter
        self._peers = peers
        self._gateways = frozenset(gateways)
        self._clock_s = clock_s

    def refusal(
        self, *, client: str, host: str, content_length: str, transfer_encoding: str = ""
    ) -> int | None:
        """The status of a refusal; None: come in.  Header fields as they came, or empty."""
        self._peers.note(client)
        is_paced = self._rate_limiter.allows(client, now_s=self._clock_s())
        if not is_paced and parse_ip(client) not in self._gateways:
            return 429
        if host_name(host) not in self._names:
            return 421
        if content_length and transfer_encoding:
            return 400  # RFC 9112 §6.1: two lengths, of which a proxy may have believed the other
        length = content_length.strip()
        is_long = length.isdigit() and (len(length) > 9 or int(length) > MAX_BODY_OCTETS)
        return 413 if is_long else None


def host_name(host: str) -> str:
    """Of a Host field (RFC 9110 §7.2), folded, without its port."""
    name, colon, port = host.strip().lower().rpartition(":")
    has_port = bool(colon) and (not port or port.isdigit())
    return (name if has_port else host.strip().lower()).rstrip(".")


def split_target(target: str) -> tuple[str, str]:
    """(the host that an absolute target names, else nothing; the path)."""
    found = _ABSOLUTE.fullmatch(target)
    return ("", target) if found is None else (found[1], found[2] or "/")


class Guard:
    """The application, guarded."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        entry: LoggedRequest,
        pages: Pages,
        language: Language,
        tally: RequestTally,
    ) -> None:
        self._app = app
        self._entry = entry
        self._pages = pages
        self._language = language
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host, path = split_target(scope["path"])
        scope = {**scope, "path": path}
        status = self._entry.refusal(
            client=(scope.get("client") or ("",))[0],
            host=host or headers.get("host", ""),
            content_length=headers.get("content-length", ""),
            transfer_encoding=headers.get("transfer-encoding", ""),
        )
        app = self._app if status is None else self._refused(status, headers)
        self._tally.requests += 1
        await app(scope, _limited(receive), self._dressed(send))

    def _refused(self, status: int, headers: Headers) -> ASGIApp:
        language = choose_language(headers.get("accept-language", ""), self._language)
        more = {"Retry-After": str(PACE_WAIT_S)} if status == 429 else {}
        return self._pages.failure(status, language, CLOSE | more)

    def _dressed(self, send: Send) -> Send:
        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
                self._tally.failed_requests += message["status"] >= 400
            await send(message)

        return send_dressed


def _limited(receive: Receive) -> Receive:
    octets = 0

    async def receive_limited() -> Message:
        nonlocal octets
        message = await receive()
        octets += len(message.get("body", b""))
        if octets > MAX_BODY_OCTETS:
            raise HTTPException(413, headers=CLOSE)
        return message

    return receive_limited
