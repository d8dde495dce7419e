"""Every stored moment, and how far away its own rule lets it be.

No moment may lie further ahead than its rule allows: one that does was written
by a clock that was ahead and has come back.  Two kinds of rows say so:

    stamped     the moment of writing stands in the row.  Where that lies ahead, it becomes now,
                and the row's other moments move with it, so each wait keeps its length
    counted     only the end stands there.  Further ahead than `longest_s`, it becomes that

The keeper looks at its start, when the clock has jumped back, and twice again
for what was on its way to the disk then.  While a clock is behind what is
believed, it may be the clock that is wrong, and what was written before right:
then waits for a next try are cut short, and nothing else is touched.  Where it
steps ahead (`Era`), what it stamped moves ahead by as much.  Messages and the
queue have their own statements (`mailserver.store.sql.moments`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailserver.queue.schedule import JITTER, Schedule
from mailserver.queue.turns import HORIZON_S
from mailserver.settings.model import DeliverySettings, DirectorySettings, PasswordsSettings

SKEW_S: Final = 2.0
"""A moment may lie so far ahead while processes write and we look."""
DAY_S: Final = 86_400.0
WISH_S: Final = 3 * DAY_S
"""Who is asked whether they want to join or leave a list has so long to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentRules:
    """The lengths that the settings choose.  grace_s: of first passwords.  left_s: of who left."""

    schedule: Schedule
    grace_s: float
    left_s: float

    def longest_wait_s(self, attempt_count: int) -> float:
        """Until the next try after so many."""
        return self.schedule.delay(attempt_count) * (1 + JITTER)

    @property
    def longest_turn_s(self) -> float:
        return HORIZON_S


def moment_rules(
    delivery: DeliverySettings, passwords: PasswordsSettings, directory: DirectorySettings
) -> MomentRules:
    return MomentRules(
        schedule=Schedule(
            retry_after_s=tuple(minutes * 60.0 for minutes in delivery.retry_minutes),
            expire_after_s=delivery.expire_hours * 3600.0,
            notice_after_s=(),
        ),
        grace_s=passwords.grace_days * DAY_S,
        left_s=directory.left_days * DAY_S,
    )


DEFAULT_RULES: Final = moment_rules(DeliverySettings(), PasswordsSettings(), DirectorySettings())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """stamp: the moment of writing.  others: moments of the row that are counted from it."""

    table: str
    key: str
    stamp: str
    others: tuple[str, ...] = ()
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    table: str
    key: str
    column: str
    longest_s: Callable[[MomentRules], float]
    rule: str
    what: str
    where: str = "1 = 1"
    is_wait: bool = False  # for a try, which may come too early without harm


STAMPED: Final = (
    Stamped(
        table="destination",
        key="destination_id",
        stamp="last_error_at_s",
        others=("not_before_s",),
        what="a next hop's last failure, and until when it rests",
    ),
    Stamped(
        table="destination",
        key="destination_id",
        stamp="suspended_at_s",
        others=("suspended_until_s",),
        what="a suspension, and its end",
    ),
    Stamped(
        table="owed_report",
        key="message_id, copy_no, kind",
        stamp="owed_at_s",
        what="since when a report is owed",
    ),
    Stamped(
        table="sts_policy", key="domain", stamp="fetched_at_s", what="an MTA-STS policy's fetching"
    ),
    Stamped(
        table="entry",
        key="mailbox_id, uid",
        stamp="removed_at_s",
        what="a message's removal from a mailbox",
    ),
    Stamped(
        table="recovery_code",
        key="code_id",
        stamp="made_at_s",
        others=("expires_at_s",),
        what="a recovery code's making, and its end",
    ),
    Stamped(
        table="given_name",
        key="name_key",
        stamp="released_at_s",
        others=("free_at_s",),
        what="a name's release, and the end of its quarantine",
    ),
    Stamped(
        table="list_member",
        key="member_id",
        stamp="bounced_at_s",
        others=("bounce_since_s",),
        what="a list member's last bounce, and the first one counted",
    ),
    Stamped(
        table="list_member",
        key="member_id",
        stamp="probed_at_s",
        what="a probe of whether a list's member can be reached",
    ),
    Stamped(
        table="list_seen",
        key="digest",
        stamp="at_s",
        what="when lists handed out a Message-ID last",
    ),
    Stamped(
        table="relation", key="relation_id", stamp="since_s", what="since when somebody holds a box"
    ),
)
COUNTED: Final = (
    Counted(
        table="destination",
        key="destination_id",
        column="not_before_s",
        longest_s=lambda rules: rules.longest_wait_s(len(rules.schedule.retry_after_s)),
        rule="the schedule's longest wait",
        what="until when a next hop rests",
        is_wait=True,
    ),
    Counted(
        table="account",
        key="account_id",
        column="must_change_by_s",
        longest_s=lambda rules: rules.grace_s,
        rule="`passwords.grace_days`",
        what="end of a first password's grace",
    ),
    Counted(
        table="account",
        key="account_id",
        column="life_until_s",
        longest_s=lambda rules: rules.left_s,
        rule="`directory.left_days`",
        what="when who has left is gone",
        where="life = 'left'",
    ),
    Counted(
        table="list_wish",
        key="token",
        column="expires_at_s",
        longest_s=lambda _rules: WISH_S,
        rule="3 days",
        what="end of a request to join or leave a list",
    ),
)

MAIL: Final = {
    "message.accepted_at_s": "now; what its copies' senders hear moves with it",
    "queue.due_at_s": "the schedule's wait after so many tries; a turn: an hour",
    "queue.tell_at_s": "`delivery.expire_hours`",
    "destination.next_due_at_s": "never later than what waits there",
}
"""Moments with statements of their own, and how far ahead each may lie."""

SCRATCH: Final = {
    "sign_in": ("used_at_s",),
    "seen": ("at_s",),
    "collected": ("at_s",),
    "failure": ("last_at_s",),
    "act": ("since_s",),
    "asked": ("since_s",),
    "known_block": ("at_s",),
    "faulty_body": ("at_s",),
    "log_in": ("at_s", "last_at_s"),
    "over_limit": ("at_s",),
    "repeat": ("at_s",),
    "report": ("at_s",),
    "turn": ("next_at_s",),
    "sent": ("slot",),
}
"""What may be lost: stamps that lie ahead become now, turns are over, counts ahead go."""

DATES: Final = {
    "relation.until_s": "a day that somebody named",
    "relation.cut_until_s": "a day that somebody named",
}
SHOWN: Final = frozenset(
    {
        "migration.applied_at_s",
        "account.created_at_s",
        "account.deleted_at_s",
        "account.life_since_s",
        "copy.settled_at_s",
        "attempt.at_s",
        "unit.closed_at_s",
        "post.since_s",
        "post.until_s",
        "given_name.given_at_s",
        "account_event.at_s",
        "import_run.at_s",
        "recovery_code.used_at_s",
        "recovery_address.proved_at_s",
        "list.created_at_s",
        "list_held.held_at_s",
    }
)
"""Said to people and compared with nothing; some only whether they are there."""
OWN: Final = frozenset({"agent.until_s"})
"""Not a moment for anybody: it changes with each renewal, and lateness is counted monotonically."""
