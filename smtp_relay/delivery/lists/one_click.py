"""A list's copy that leaves: a link of its reader's own, for one click (RFC 8058).

    head as it is kept                       head as it leaves
    DKIM-Signature, one for each key         others, over what stands below
    Received                                 Received
    List-Id, List-Post, List-Help            the same
    List-Unsubscribe: <mailto:...>           List-Unsubscribe: <https://.../leave/...>, <mailto:...>
                                             List-Unsubscribe-Post: List-Unsubscribe=One-Click
    List-Owner, Precedence                   the same

Whose copy it is stands in its sender, `NAME-bounces+NUMBER.SIGN@`, which makes it a
transaction of its own already.  The author's header block and the text are as they were;
the body's hash stands in the signature that goes, so that no body is read again.

RFC 8058 §4: a signature must cover both fields.  Where nothing was signed, nothing is
promised, and the head leaves as it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailserver.dkim.signature import read_body_hash
from mailserver.dkim.signer import Signer
from mailserver.lists.addresses import BOUNCES_MARK, ListPurpose, purpose_of
from mailserver.lists.header import unsubscribe_fields
from mailserver.lists.leaving import make_link
from mailserver.lists.tokens import verify_subscriber
from mailserver.settings.model import Settings
from mailserver.store.ports.errors import StoreError
from mailserver.store.ports.lists import Lists, MailingList
from mailserver.store.ports.queue import QueuedMessage
from mailserver.telemetry.log import get_log
from mailserver.values.address import Address, split_plus
from smtp_relay.delivery.lists.post import Sign, header_of

_SIGNATURES: Final = re.compile(rb"\A(?:DKIM-Signature:[^\r]*+\r\n(?:[ \t][^\r]*+\r\n)*)*")
"""Ours, above all else of a head."""
HeadFor = Callable[[QueuedMessage, str], bytes]
"""Of a message and the copy's own sender: the head under which it leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneClick:
    """Used on the agent's loop: three short reads and the signatures, for each copy.

    base_url: of the web door, under https.
    """

    base_url: str
    lists: Lists
    sign: Sign
    wall_s: Callable[[], float]

    def head_for(self, message: QueuedMessage, sender: str) -> bytes:
        """See `HeadFor`; of any copy that has a sender of its own."""
        if BOUNCES_MARK not in sender:
            return message.head
        try:
            return self._personal(message, sender) or message.head
        except (StoreError, OSError) as error:
            get_log("delivery").warning(
                "no link for one click", message_id=message.message_id, error=str(error)
            )
            return message.head

    def _personal(self, message: QueuedMessage, sender: str) -> bytes:
        """Empty: nothing can be promised."""
        body_hash = read_body_hash(message.head)
        which, url = self._link_of(sender)
        if body_hash is None or which is None or not url:
            return b""
        kept = _SIGNATURES.sub(b"", message.head, count=1)
        before, by_mail, after = kept.partition(unsubscribe_fields(which))
        if not by_mail:  # no post: mail to the owners has no such field
            return b""
        head = before + unsubscribe_fields(which, url) + after
        block = header_of(message)[len(message.head) :]
        signatures = self.sign(head + block, body_hash=body_hash, now_s=self.wall_s())
        return signatures and signatures + head

    def _link_of(self, sender: str) -> tuple[MailingList | None, str]:
        local, _, domain = sender.rpartition("@")
        which = self.lists.find_list(Address(split_plus(local)[0], domain).key)
        if which is None:
            return None, ""
        purpose, detail = purpose_of(which, sender)
        who = verify_subscriber(which.secret, detail)
        if purpose is not ListPurpose.BOUNCES or who is None:
            return None, ""
        return which, make_link(self.lists, self.base_url, which, who)


def open_one_click(
    settings: Settings, lists: Lists, signer: Signer | None, wall_s: Callable[[], float]
) -> HeadFor | None:
    """None: there is no web door to leave by, or no key to promise it with."""
    if not settings.web.url or signer is None:
        return None
    promises = OneClick(base_url=settings.web.url, lists=lists, sign=signer.sign, wall_s=wall_s)
    return promises.head_for
