"""The page behind a member's link: asks on GET, takes them off the list on POST.

    GET, HEAD   a page with a button; nothing changes, whoever looks (mail filters follow links)
    POST        `List-Unsubscribe=One-Click`, from a mail program (RFC 8058 §3.2) or from the
                button: the member leaves, at once; again: the same answer
    otherwise   405

No cookie, no redirect, no session: the link says who leaves.  A link that is none of ours, or
of a list that is gone, is answered as any other address that does not exist.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mailserver.lists.leaving import find_link, leave_by_link
from mailserver.lists.one_click import Leaver
from mailserver.store.ports.lists import Lists, MailingList
from mailserver.telemetry.log import get_log
from webmail.executor import BoundedExecutor
from webmail.guard import CLOSE, RequestTally
from webmail.pages import Pages
from webmail.speech import choose_language

FIELD: Final = "List-Unsubscribe"
ONE_CLICK: Final = "One-Click"
MAX_FIELDS: Final = 8


class Leaving:
    """Its `answer` is the endpoint."""

    def __init__(
        self,
        *,
        lists: Lists,
        executor: BoundedExecutor,
        pages: Pages,
        tally: RequestTally,
        timeout_s: float,
    ) -> None:
        """timeout_s: for a request to arrive."""
        self._lists = lists
        self._executor = executor
        self._pages = pages
        self._tally = tally
        self._timeout_s = timeout_s
        self._log = get_log("web")

    async def answer(self, request: Request) -> Response:
        """
        Raises:
            HTTPException, StoreError, TooBusy: the application has a page for each.
        """
        found = find_link(self._lists, request.path_params["token"])
        if found is None:
            raise HTTPException(404)
        which, who = found
        language = choose_language(request.headers.get("accept-language", ""), which.language)
        if request.method != "POST":
            return self._pages.leave(which, language)
        if not await self._is_asked(request):
            raise HTTPException(400)
        await self._leave(which, who)
        return self._pages.left(which, language)

    async def _is_asked(self, request: Request) -> bool:
        """Does the form say so?  As `urlencoded` or as `multipart/form-data`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
                    return form.get(FIELD) == ONE_CLICK
        except (TimeoutError, ClientDisconnect):
            raise HTTPException(408, headers=CLOSE) from None
        except UnicodeError:  # the form names a charset that refuses to read
            return False

    async def _leave(self, which: MailingList, who: Leaver) -> None:
        member_id = await self._executor.run(leave_by_link, self._lists, which, who)
        if member_id is not None:
            self._tally.left_lists += 1
            self._log.info("left a list by one click", list=which.address, member=member_id)
