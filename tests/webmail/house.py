"""A store with one list, and the application over it: no process, no socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Scope

from mailserver.lists.addresses import addresses_of
from mailserver.lists.one_click import Leaver, OutsideReader, make_leave_token
from mailserver.settings.model import Settings
from mailserver.store.ports.lists import Joining, Lists, MailingList, Posting
from mailserver.store.ports.store import Store
from mailserver.telemetry.peers import PeerWatch
from mailserver.values.ids import AccountId, ListId
from webmail.application import make_application
from webmail.executor import BoundedExecutor
from webmail.guard import RequestTally
from webmail.pages import Pages

DOMAIN = "ac-exemple.fr"
HOST = f"mel.{DOMAIN}"
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}
PEER = "192.0.2.7"
PAGES = Pages()


def settings_with(**web: Any) -> Settings:
    service = {"domain": DOMAIN, "hostname": f"mail.{DOMAIN}"}
    return Settings.model_validate({"service": service, "web": {"url": f"https://{HOST}", **web}})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


def make_list(store: Store, owner: AccountId, name: str = "animateurs") -> MailingList:
    address = f"{name}@{DOMAIN}"
    which = MailingList(
        list_id=ListId(0),
        address=address,
        prefix=name,
        description="Animateurs <TICE>",
        language="fr",
        posting=Posting.MEMBERS,
        joining=Joining.INSIDE,
        is_hidden=False,
        archive_account_id=None,
        secret=b"secret",
        created_at_s=0.0,
    )
    return store.lists.add_list(which, addresses=addresses_of(address), owner=owner)


class House:
    """The application, asked as uvicorn asks it."""

    def __init__(
        self, store: Store, *, lists: Lists | None = None, settings: Settings | None = None
    ) -> None:
        """lists: in the place of the store's."""
        self.store = store
        self.owner = store.accounts.add_account(
            identifier="chef", name="Chef", addresses=[], now_s=0.0
        )
        self.which = make_list(store, self.owner.account_id)
        self.now_s = 0.0
        self.tally = RequestTally()
        self.peers = PeerWatch()
        self.broken: list[bool] = []
        self._loop = asyncio.new_event_loop()
        self._executor = BoundedExecutor(self._loop)
        self.app = make_application(
            settings or settings_with(),
            lists=lists or store.lists,
            executor=self._executor,
            pages=PAGES,
            tally=self.tally,
            peers=self.peers,
            clock_s=lambda: self.now_s,
            on_broken=lambda: self.broken.append(True),
        )

    def close(self) -> None:
        self._executor.close()
        self._loop.close()

    def path(self, who: Leaver) -> str:
        return f"/leave/{make_leave_token(self.which, who)}"

    def member(self, address: str = "paul@exemple.net") -> OutsideReader:
        """One more, outside."""
        self.store.lists.add_member(self.which.list_id, address=address)
        return OutsideReader(address)

    def readers(self) -> list[str]:
        """Members by hand who get mail."""
        found = self.store.lists.members(self.which.list_id, after_id=0, limit=100)
        return [one.address for one in found if one.gets_mail]

    def get(self, path: str, **options: Any) -> Answer:
        return self.ask("GET", path, **options)

    def post(
        self, path: str, *pieces: bytes, headers: Mapping[str, str] = FORM, **options: Any
    ) -> Answer:
        return self.ask("POST", path, body=pieces or [ONE_CLICK], headers=headers, **options)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Iterable[bytes] = (),
        ends: bool = True,
        headers: Mapping[str, str] | None = None,
        client: str = PEER,
    ) -> Answer:
        """body: in pieces.  ends: if not, the peer goes away after the last piece."""
        sent = {"host": HOST} | dict(headers or {})
        scope: Scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": (client, 50_000),
            "server": ("127.0.0.1", 443),
            "state": {},
        }
        return self._loop.run_until_complete(self._ask(scope, _messages(list(body), ends=ends)))

    async def _ask(self, scope: Scope, coming: list[Message]) -> Answer:
        said: list[Message] = []

        async def receive() -> Message:
            if not coming:
                await asyncio.get_running_loop().create_future()  # nothing more comes
            return coming.pop(0)

        async def send(message: Message) -> None:
            said.append(message)

        with suppress(KeyError):  # a bug that a test makes: uvicorn logs it, after the answer
            await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in said[1:])
        return Answer(said[0]["status"], headers, body)


def _messages(pieces: list[bytes], *, ends: bool) -> list[Message]:
    last = len(pieces) - 1
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": not ends or place < last}
        for place, piece in enumerate(pieces)
    ]
    if not pieces and ends:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]
    return messages if ends else [*messages, {"type": "http.disconnect"}]
