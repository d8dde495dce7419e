"""The application: which address leads to which page, and what each failure looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mailserver.lists.one_click import LEAVE_PATH
from mailserver.settings.gateway import default_gateways
from mailserver.settings.model import Settings
from mailserver.store.ports.errors import StoreBroken, StoreError
from mailserver.store.ports.lists import Lists
from mailserver.telemetry.log import get_log
from mailserver.telemetry.peers import PeerWatch
from webmail.executor import BoundedExecutor, TooBusy
from webmail.guard import Guard, LoggedRequest, RequestTally
from webmail.leaving import Leaving
from webmail.pages import Pages
from webmail.rate_limiter import RateLimiter
from webmail.speech import choose_language

RETRY_AFTER: Final = {"Retry-After": "60"}


def make_application(
    settings: Settings,
    *,
    lists: Lists,
    executor: BoundedExecutor,
    pages: Pages,
    tally: RequestTally,
    peers: PeerWatch,
    clock_s: Callable[[], float],
    on_broken: Callable[[], None],
) -> ASGIApp:
    """on_broken: called on the loop's thread when the disk has failed, before the answer leaves."""
    leaving = Leaving(
        lists=lists, executor=executor, pages=pages, tally=tally, timeout_s=settings.web.timeout_s
    )
    failing = _Failing(settings, pages, on_broken)
    app = Starlette(
        routes=[
            Route("/robots.txt", _robots),
            Route(f"/{LEAVE_PATH}/{{token}}", leaving.answer, methods=["GET", "POST"]),
        ],
        exception_handlers={
            HTTPException: failing.refused,
            StoreError: failing.unavailable,
            TooBusy: failing.unavailable,
            Exception: failing.unavailable,
        },
    )
    app.router.redirect_slashes = False  # RFC 8058 §3.1: a program that posts follows nothing
    web = settings.web
    names = {settings.service.hostname, urlsplit(web.url).hostname or ""} - {""}
    return Guard(
        app,
        entry=LoggedRequest(
            names=names,
            rate_limiter=RateLimiter(web.requests_per_minute),
            peers=peers,
            clock_s=clock_s,
            gateways=[*default_gateways(), *settings.connections.gateways],
        ),
        pages=pages,
        language=settings.service.language,
        tally=tally,
    )


async def _robots(_request: Request) -> Response:
    """Nothing here is for search engines; also what a health check asks for."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


class _Failing:
    """Handlers of exceptions.  The peer never reads our exception's text."""

    def __init__(self, settings: Settings, pages: Pages, on_broken: Callable[[], None]) -> None:
        self._language = settings.service.language
        self._pages = pages
        self._on_broken = on_broken
        self._log = get_log("web")

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._page(request, error.status_code, dict(error.headers or {}))

    async def unavailable(self, request: Request, error: Exception) -> Response:
        """What is no StoreError is a bug: uvicorn gets it, too, and logs it whole."""
        if isinstance(error, StoreError):
            self._log.error("a page failed for want of the store", exc_info=error)
        if isinstance(error, StoreBroken):
            self._on_broken()
        return self._page(request, 503, RETRY_AFTER)

    def _page(self, request: Request, status: int, headers: dict[str, str]) -> Response:
        language = choose_language(request.headers.get("accept-language", ""), self._language)
        return self._pages.failure(status, language, headers)
