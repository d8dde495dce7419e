"""What became of a copy that came for a list: its journey's words, and whether its sender hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mailserver.queue.copies import CopyState
from mailserver.queue.reports import ReportKind, is_owed
from mailserver.store.ports.lists import Progress
from mailserver.store.ports.queue import Attempt, CopyOutcome, LeasedCopy, QueuedMessage
from mailserver.telemetry.log import get_log
from mailserver.texts.plurals import counted, noun
from mailserver.values.ids import accept_id_text
from smtp_relay.delivery.lists.store import OpensQueued

DEFER_S: Final = 300.0


class Outcomes:
    """Used by the expander's thread."""

    def __init__(self, queue: OpensQueued, *, wall_s: Callable[[], float]) -> None:
        self._queue = queue
        self._wall_s = wall_s
        self._log = get_log("lists")

    def expanded(
        self,
        copy: LeasedCopy,
        message: QueuedMessage,
        progress: Progress,
        *,
        full_count: int,
    ) -> CopyOutcome:
        derived = self._queue.open_queued(progress.derived_id, without_body=True)
        name = ""
        if derived is not None:
            name = f" under {accept_id_text(derived.accept_id)}"
            derived.close()
        self._log.info(
            "post expanded",
            message_id=copy.ref.message_id,
            members=progress.reader_count,
            copies=progress.copy_count,
            full=full_count,
        )
        words = f"handed to {counted(progress.reader_count, 'member')}"
        if progress.copy_count != progress.reader_count:
            words += f" in {counted(progress.copy_count, 'copy', 'copies')}"
        words += name
        if full_count:
            words += f"; {full_count} {noun(full_count, 'mailbox was', 'mailboxes were')} full"
        return self.had(copy, message, words)

    def had(self, copy: LeasedCopy, message: QueuedMessage, words: str) -> CopyOutcome:
        """The list has it: now, or had it before."""
        owes = is_owed(ReportKind.EXPANDED, notify=copy.notify, reverse_path=message.reverse_path)
        kind = ReportKind.EXPANDED if owes else None
        return self.settled(copy, CopyState.EXPANDED, "2.0.0", words, owes=kind)

    def returned(
        self, copy: LeasedCopy, message: QueuedMessage, status: str, words: str
    ) -> CopyOutcome:
        owes = is_owed(ReportKind.FAILED, notify=copy.notify, reverse_path=message.reverse_path)
        kind = ReportKind.FAILED if owes else None
        return self.settled(copy, CopyState.RETURNED, status, words, owes=kind)

    def settled(
        self,
        copy: LeasedCopy,
        state: CopyState,
        status: str,
        words: str,
        *,
        owes: ReportKind | None = None,
    ) -> CopyOutcome:
        attempt = Attempt(at_s=self._wall_s(), status=status, words=words)
        return CopyOutcome(ref=copy.ref, state=state, attempt=attempt, owes=owes)

    def deferred(self, copy: LeasedCopy, status: str, words: str) -> CopyOutcome:
        now_s = self._wall_s()
        return CopyOutcome(
            ref=copy.ref,
            state=CopyState.QUEUED,
            attempt=Attempt(at_s=now_s, status=status, words=words),
            due_at_s=now_s + DEFER_S,
        )
