"""Lists as RCPT and reports look them up, as dictionaries."""

from __future__ import annotations

from mailserver.store.ports.lists import Joining, ListRole, MailingList, Posting, Standing
from mailserver.values.ids import AccountId, ListId


def mailing_list(
    address: str = "animateurs@ac-exemple.fr",
    *,
    prefix: str = "animateurs",
    posting: Posting = Posting.MEMBERS,
    description: str = "",
) -> MailingList:
    return MailingList(
        list_id=ListId(1),
        address=address,
        prefix=prefix,
        description=description,
        language="fr",
        posting=posting,
        joining=Joining.INSIDE,
        is_hidden=False,
        archive_account_id=None,
        secret=b"secret",
        created_at_s=0.0,
    )


class FakeLists:
    def __init__(self) -> None:
        self.lists: dict[str, MailingList] = {}  # by the key of each address
        self.members: set[str | AccountId] = set()
        self.waiting_count = 0
        self.roles: dict[AccountId, frozenset[ListRole]] = {}

    def find_list(self, address_key: str) -> MailingList | None:
        return self.lists.get(address_key)

    def read_list(self, list_id: ListId) -> MailingList | None:
        return next((one for one in self.lists.values() if one.list_id == list_id), None)

    def count_waiting(self, list_id: ListId, *, most: int) -> int:
        return min(self.waiting_count, most)

    def standing(
        self, list_id: ListId, *, account_id: AccountId | None, address_key: str
    ) -> Standing:
        if account_id is None:
            return Standing(is_member=address_key in self.members, roles=frozenset())
        roles = self.roles.get(account_id, frozenset())
        return Standing(is_member=account_id in self.members, roles=roles)
