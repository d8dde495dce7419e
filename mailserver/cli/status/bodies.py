"""Bodies of messages that are not in the store any more, for `status` and `config check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mailserver.store.ports.bodies import FaultyBody
    from mailserver.store.ports.upkeep import Backups

SAMPLE: Final = 200
"""Files that are looked at besides those of which a reader has complained: few, as each may be a
seek, and health checks must be quick."""
SHOWN: Final = 5


def body_warnings(backups: Backups) -> list[str]:
    """None where every body is in its file, as far as is known."""
    count, shown = backups.faulty_bodies(sample=SAMPLE, shown=SHOWN)
    if not count:
        return []
    one_or_more = "1 message" if count == 1 else f"{count} messages"
    told = "; ".join(map(_told, shown))
    more = f"; and {count - len(shown)} more" if count > len(shown) else ""
    words = (
        f"{one_or_more} cannot be read, because the file of the body is lost or closed to the"
        f" service: {told}{more}. Put the files back from a backup (docs/backup.md), each under its"
        " own name"
    )
    return [words]


def _told(one: FaultyBody) -> str:
    from mailserver.values.ids import accept_id_text

    whose = [f"mailbox {', '.join(one.mailboxes)}"] if one.mailboxes else []
    if one.queued_count:
        whose.append(f"{one.queued_count} copies that wait")
    of_whom = f" ({'; '.join(whose)})" if whose else ""
    return f"{accept_id_text(one.accept_id)}{of_whom}: {one.fault}"
