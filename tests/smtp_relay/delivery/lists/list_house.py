"""A store with one list, and an expander over it: no process, no network.

`python -m tests.smtp_relay.delivery.lists.list_house FOLDER` expands what is due, to be killed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from email import message_from_bytes
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any

from mailserver.lists.addresses import addresses_of, next_hop_of
from mailserver.queue.copies import CopyState
from mailserver.quota.classes import Classes
from mailserver.routing.local import OurDomains
from mailserver.settings.model import ClassSettings
from mailserver.store.commit import Done
from mailserver.store.ports.lists import AddCopies, Joining, MailingList, Member, Posting
from mailserver.store.ports.operators import QueueFilter
from mailserver.store.ports.queue import CopyRef, Lane
from mailserver.store.ports.writes import Accepted, Write
from mailserver.store.sqlite.store import SqliteStore
from mailserver.texts.catalogue import Language
from mailserver.values.ids import (
    AcceptId,
    AccountId,
    AgentId,
    ListId,
    MailboxId,
    MessageId,
    make_accept_id,
)
from mailserver.values.message import Acceptance, BodyFacts, FiledBody, InlineBody, NewCopy, Relay
from smtp_relay.delivery.lists.dmarc import IsStrict
from smtp_relay.delivery.lists.expander import Expander
from smtp_relay.delivery.lists.post import ListContext, Sign
from tests.store.letters import NOW_S, fetch, new_accept_id, uids_of
from tests.store.template import put_new_store

DOMAIN = "ac-exemple.fr"
LIST = f"animateurs@{DOMAIN}"
POST = (
    b"From: Jean Petit <jean.petit@ac-exemple.fr>\r\n"
    b"To: animateurs@ac-exemple.fr\r\n"
    b"Subject: =?utf-8?q?R=C3=A9union?=\r\n"
    b"\r\n"
    b"Bonjour.\r\n.. et un point\r\n"
)
EXPIRE_S = 432_000.0


OpenHouse = Callable[..., "ListHouse"]


class Inline(Executor):
    """Runs what is submitted at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class ListHouse:
    """One service with the list `animateurs`, whose owner is the account `chef`."""

    def __init__(
        self,
        folder: Path,
        *,
        posting: Posting = Posting.MEMBERS,
        joining: Joining = Joining.INSIDE,
        is_strict: IsStrict = lambda _domain: False,
        sign: Sign | None = None,
        inline_limit_octets: int = 16 * 1024,
        forwards: bool = True,
        quotas: Sequence[ClassSettings] = (),
        offers_one_click: bool = False,
        language: Language = "fr",
        ours: OurDomains | None = None,
    ) -> None:
        self._language = language
        self.store = SqliteStore(put_new_store(folder))
        self.now_s = NOW_S
        self._numbers = count(1)
        self._before_write: Callable[[Write], None] = lambda _write: None
        if self.store.accounts.find_account("chef") is None:
            self._found(posting, joining)
        found = self.store.lists.find_list(LIST)
        assert found is not None
        self.which = found
        self.context = ListContext(
            hostname=f"mail.{DOMAIN}",
            ours=ours or OurDomains(frozenset({DOMAIN}), DOMAIN),
            rules=(),
            inline_limit_octets=inline_limit_octets,
            max_hops=30,
            open_spool=self.store.bodies.open_spool,
            sign=sign,
            expires_at=lambda at_s: at_s + EXPIRE_S,
            forwards=forwards,
            classes=Classes(quotas, grace_percent=110),
            offers_one_click=offers_one_click,
        )
        self.agent_id: AgentId = self.store.queue.register_agent(
            now_s=self.now_s, until_s=self.now_s + 60
        )
        self.expander = Expander(
            store=self.store,
            submit=self._submit,
            agent_id=self.agent_id,
            pool=Inline(),
            context=self.context,
            is_strict=is_strict,
            make_id=self._make_id,
            wall_s=lambda: self.now_s,
            ends_s=lambda: self.now_s,
            on_broken=lambda: None,
        )

    def _found(self, posting: Posting, joining: Joining) -> None:
        self.add_list(LIST, self.person("chef"), posting=posting, joining=joining)

    def add_list(
        self,
        address: str,
        owner: AccountId,
        *,
        posting: Posting = Posting.MEMBERS,
        joining: Joining = Joining.CLOSED,
    ) -> MailingList:
        which = MailingList(
            list_id=ListId(0),
            address=address,
            prefix=address.partition("@")[0],
            description="Les animateurs",
            language=self._language,
            posting=posting,
            joining=joining,
            is_hidden=False,
            archive_account_id=None,
            secret=b"secret",
            created_at_s=NOW_S,
        )
        return self.store.lists.add_list(which, addresses=addresses_of(address), owner=owner)

    def nest(self, name: str, **settings: Any) -> MailingList:
        """Another list, which is a member of ours."""
        chef = self.store.accounts.find_account("chef")
        assert chef is not None
        inner = self.add_list(f"{name}@{DOMAIN}", chef.account_id, **settings)
        self.outside(inner.address)
        return inner

    def forward(self, identifier: str, to: str, *, keeps_copy: bool) -> None:
        account = self.store.accounts.find_account(identifier)
        assert account is not None
        self.store.people.set_forward(
            account.account_id, to, keeps_copy=keeps_copy, by_whom="test", now_s=self.now_s
        )

    def person(self, identifier: str) -> AccountId:
        address = f"{identifier}@{DOMAIN}"
        account = self.store.accounts.add_account(
            identifier=identifier, name=identifier.title(), addresses=[address], now_s=NOW_S
        )
        return account.account_id

    def member(self, identifier: str) -> AccountId:
        account_id = self.person(identifier)
        assert self.store.lists.add_member(self.which.list_id, account_id=account_id)
        return account_id

    def outside(self, address: str) -> None:
        assert self.store.lists.add_member(self.which.list_id, address=address)

    def inbox(self, identifier: str) -> MailboxId:
        account = self.store.accounts.find_account(identifier)
        assert account is not None
        return account.inbox_id

    def read(self, identifier: str) -> list[bytes]:
        """All that this person would collect."""
        inbox = self.inbox(identifier)
        octets = (fetch(self.store, inbox, uid) for uid in uids_of(self.store, inbox))
        return [one for one in octets if one is not None]

    def send(
        self,
        body: bytes = POST,
        *,
        to: str = LIST,
        account_id: AccountId | None = None,
        reverse_path: str = "jean.petit@ac-exemple.fr",
        door: str = "submission",
        filed: FiledBody | None = None,
        is_unvouched: bool = False,
        is_signed_by_us: bool = False,
        peer: str = "192.0.2.1",
    ) -> MessageId:
        """Accept a message for one of the list's addresses, as RCPT routes it."""
        header, _, _ = body.partition(b"\r\n\r\n")
        route = Relay(
            next_hop=next_hop_of(self.which.list_id),
            turn_at_s=self.now_s,
            tell_at_s=self.now_s + EXPIRE_S,
        )
        acceptance = Acceptance(
            accept_id=new_accept_id(),
            accepted_at_s=self.now_s,
            return_path=f"Return-Path: <{reverse_path}>\r\n".encode(),
            head=b"Received: from poste by mail.ac-exemple.fr; Mon, 1 Jan 2029 00:00:00 +0000\r\n",
            body=filed or InlineBody(body),
            facts=BodyFacts(
                header_octets=len(header) + 4,
                ends_with_crlf=True,
                is_8bit=not body.isascii(),
                has_nul=b"\0" in body,
                longest_line_octets=0,
                dotted_line_count=body.count(b"\r\n."),
                is_unvouched=is_unvouched,
                is_signed_by_us=is_signed_by_us,
            ),
            reverse_path=reverse_path,
            account_id=account_id,
            peer=peer,
            door=door,
            smtputf8=False,
            copies=(NewCopy(recipient=to, route=route),),
        )
        (outcome,) = self.store.writes.apply([acceptance])
        assert isinstance(outcome, Accepted)
        return outcome.message_id

    def expand(self) -> None:
        """What the agent does with a list's destination."""
        due = self.store.queue.due_destinations(now_s=self.now_s, limit=10)
        self.expander.due([one for one in due if one.next_hop.startswith("list:")])

    def state_of(self, message_id: MessageId) -> tuple[CopyState, str]:
        """(the state of the copy that came for the list, the words of its last attempt)."""
        message = self.store.queue.open_queued(message_id, without_body=True)
        assert message is not None
        message.close()
        journey = self.store.history.journey(message.accept_id)
        assert journey is not None
        (copy,) = journey.copies
        words = copy.attempts[-1].attempt.words if copy.attempts else ""
        return copy.state, words

    def held(self) -> list[str]:
        """Why copies are held."""
        which = QueueFilter(lane=Lane.HELD)
        return [one.reason for one in self.store.queue.list_queue(which, after=None, limit=100)]

    def members(self) -> list[Member]:
        return self.store.lists.members(self.which.list_id, after_id=0, limit=100)

    def queued(self) -> Iterator[tuple[str, str]]:
        """(recipient, next hop) of what waits."""
        for one in self.store.queue.list_queue(QueueFilter(), after=None, limit=100):
            yield one.recipient, one.next_hop

    def written_to(self, recipient: str) -> list[tuple[str, str]]:
        """(reverse-path, subject) of each message that waits for this address."""
        found = []
        for one in self.store.queue.list_queue(QueueFilter(), after=None, limit=100):
            if one.recipient == recipient:
                message = self.store.queue.open_queued(one.ref.message_id)
                assert message is not None
                assert message.octets is not None
                subject = message_from_bytes(message.octets, policy=default)["subject"]
                found.append((message.reverse_path, str(subject)))
                message.close()
        return found

    def ref(self, message_id: MessageId) -> CopyRef:
        return CopyRef(message_id, 0)

    def before_write(self, act: Callable[[Write], None]) -> None:
        self._before_write = act

    def _submit(self, write: Write, done: Done) -> None:
        self._before_write(write)
        done(self.store.writes.apply([write])[0])

    def _make_id(self) -> AcceptId:
        return make_accept_id(self.now_s, (next(self._numbers) << 32).to_bytes(9, "big"))

    def close(self) -> None:
        self.store.close()


def main() -> None:
    """Expand, saying each slice before it is written, so that a test can kill us there."""
    house = ListHouse(Path(sys.argv[1]))

    def say(write: Write) -> None:
        print(type(write).__name__, flush=True)
        if isinstance(write, AddCopies):
            sys.stdin.readline()  # the test lets us go on, or kills us

    house.before_write(say)
    house.expand()
    print("done", flush=True)


if __name__ == "__main__":
    main()
