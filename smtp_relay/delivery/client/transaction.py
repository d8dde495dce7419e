"""One transaction on the wire: each answer in turn, and what it means for each copy.

    WAITING -> [RSET] -> MAIL -> RCPT... -> [DATA] -> BODY -> DOT -> DONE
                                               +---> DISCARD ------> DONE

The stage names the answer that comes next; BODY waits for none.  Answers come
in the order of the commands whether they were pipelined or not, so that one
table serves both.  A copy gets its verdict from the first answer that decides
about it; every copy has one when the stage is DONE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, IntEnum, auto
from functools import lru_cache
from typing import ClassVar

from smtp_relay.delivery.client.mail_object import Envelope, write_envelope
from smtp_relay.delivery.client.offers import Offers
from smtp_relay.delivery.client.replies import CLOSING, Reply
from smtp_relay.delivery.plan import Protocol
from smtp_relay.delivery.verdicts import Kind, Phase, Scope, Transaction, Verdict

_RSET = b"RSET\r\n"
_DATA = b"DATA\r\n"
_ABOUT_SENDER = frozenset({"4.1.7", "4.1.8"})
"""To MAIL: the host does not like this sender, and serves all others (RFC 3463 §3.2)."""


class Stage(IntEnum):  # its members are keys of tables that each answer looks into
    WAITING = auto()
    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BODY = auto()
    DOT = auto()
    DISCARD = auto()  # an empty message to nobody, as RFC 2920 §3.1 asks
    DONE = auto()


class Next(Enum):
    """What is to be sent after an answer."""

    NOTHING = auto()  # answers to what was sent are still to come
    COMMAND = auto()
    CONTENT = auto()
    EMPTY_DOT = auto()
    DONE = auto()


class Senseless(Exception):
    """An answer that this command cannot have."""


_OUT_OF_STEP = frozenset({500, 502, 503})
"""To a command in its place: the peer has heard something else than we said."""
_ENVELOPE = frozenset({Stage.RSET, Stage.MAIL, Stage.RCPT, Stage.DATA})


PHASES = {
    Stage.WAITING: Phase.MAIL,
    Stage.RSET: Phase.MAIL,
    Stage.MAIL: Phase.MAIL,
    Stage.RCPT: Phase.RCPT,
    Stage.DATA: Phase.DATA,
    Stage.BODY: Phase.BODY,
    Stage.DOT: Phase.DOT,
    Stage.DISCARD: Phase.DOT,
    Stage.DONE: Phase.DOT,
}


class TransactionState:
    """
    needs_reset: the peer may still hold something of it when it is DONE.
    is_past_dot: it was begun behind the final dot of the one before, unanswered then.
    """

    __slots__ = (
        "_accepted",
        "_answered_count",
        "_commands",
        "_envelope",
        "_has_dsn",
        "_is_lmtp",
        "_is_mail_refused",
        "_is_pipelined",
        "has_answer",
        "has_chunking",
        "is_past_dot",
        "needs_reset",
        "stage",
        "transaction",
        "verdicts",
    )

    def __init__(self, transaction: Transaction, offers: Offers, protocol: Protocol) -> None:
        envelope = write_envelope(transaction, offers)
        self.transaction = transaction
        self.verdicts = envelope.verdicts
        self.has_chunking = envelope.has_chunking
        self.stage = Stage.WAITING if envelope.rcpts else Stage.DONE
        self.needs_reset = True
        self.has_answer = False
        self.is_past_dot = False
        self._envelope: Envelope = envelope
        self._has_dsn = offers.dsn
        self._is_lmtp = protocol is Protocol.LMTP
        self._is_pipelined = offers.pipelining
        self._is_mail_refused = False
        self._accepted: list[int] = []  # copy numbers, in the order of RCPT
        self._answered_count = 0  # of RCPT, then of the dot
        self._commands: list[bytes] = []

    @property
    def phase(self) -> Phase:
        return PHASES[self.stage]

    @property
    def is_behind_mail(self) -> bool:
        """Answers to an envelope that was pipelined are still to come."""
        return self._is_pipelined and self.stage in _ENVELOPE

    @property
    def is_unanswered_past_dot(self) -> bool:
        """The dot before it was answered, or it would not be the one on the wire."""
        return self.is_past_dot and not self.has_answer

    def is_unsent(self, asked_count: int) -> bool:
        """The final dot has not left: not said yet, or said since the octets came that we read.

        asked_count: answers to what was said since then.
        """
        return self.stage is Stage.BODY or (self.stage is Stage.DOT and asked_count > 0)

    def is_untouched(self, *, is_first: bool) -> bool:
        """It may go elsewhere at once: nothing of its content was sent.

        Also one after others that nobody answered: a server may close a connection
        that was idle just when we write.  The first one on a new connection counts as
        an attempt, or a server that always does this would be asked for ever.
        """
        return self.stage is Stage.WAITING or not (is_first or self.has_answer)

    def is_out_of_step(self, reply: Reply) -> bool:
        """The peer never heard a command of the envelope that we have sent."""
        if not self._is_pipelined or reply.code not in _OUT_OF_STEP:
            return False
        if self.stage is Stage.RCPT:
            return not self._is_mail_refused
        is_first = self.stage is Stage.MAIL and self.is_unanswered_past_dot
        return is_first or (self.stage is Stage.DATA and bool(self._accepted))

    @property
    def content_answer_count(self) -> int:
        """How many answers the final dot gets (RFC 2033 §4.2)."""
        return len(self._accepted) if self._is_lmtp else 1

    def begin(self, *, with_reset: bool) -> tuple[bytes, int]:
        """The first command, or all of them where they may be pipelined; how many they are."""
        commands = [self._envelope.mail, *self._envelope.rcpts]
        if with_reset:
            commands.insert(0, _RSET)
        if not self.has_chunking:
            commands.append(_DATA)
        self.stage = Stage.RSET if with_reset else Stage.MAIL
        if self._is_pipelined:
            return b"".join(commands), len(commands)
        commands.reverse()
        self._commands = commands
        return commands.pop(), 1

    def next_command(self) -> bytes:
        """Of those that must not be pipelined."""
        return self._commands.pop()

    def answer(self, reply: Reply) -> Next:
        """
        Raises:
            Senseless: such a command has no such answer.
        """
        self.has_answer = True
        return self._ANSWERS[self.stage](self, reply)

    def take_alike(self, replies: Sequence[Reply], start: int, most: int) -> int:
        """The same as `answer`, for a run of the same word that recipients are taken.

        The last recipient's is left: more follows from it.  Returns how many were taken.
        """
        if self.stage is not Stage.RCPT or not self._is_pipelined or self._is_mail_refused:
            return 0
        reply = replies[start]
        if not reply.is_positive:
            return 0
        copy_nos = self._envelope.copy_nos
        most = min(most, len(copy_nos) - self._answered_count - 1, len(replies) - start)
        count = 0
        while count < most and replies[start + count] is reply:
            count += 1
        end = self._answered_count + count
        self._accepted += copy_nos[self._answered_count : end]
        self._answered_count = end
        return count

    def content_sent(self) -> None:
        """The final dot, or the last octet of BDAT, is on its way."""
        self.stage = Stage.DOT
        self._answered_count = 0

    def refuse_early(self, reply: Reply) -> None:
        """An answer while the message is still being sent: it is meant for all of it."""
        self._decide_rest(_verdict(reply, Phase.BODY))

    def break_off(self, kind: Kind, status: str, words: str, scope: Scope) -> None:
        """The connection ends here: the verdict for every copy that has none."""
        verdict = Verdict(
            kind=kind,
            phase=self.phase,
            status=status,
            words=words,
            is_after_dot=self.stage is Stage.DOT and kind is Kind.BROKEN,
            scope=scope,
        )
        self._decide_rest(verdict)

    def final_verdicts(self) -> list[Verdict]:
        """One for each of `transaction.copies`, once the stage is DONE."""
        return [verdict for verdict in self.verdicts if verdict is not None]

    def _on_rset(self, _: Reply) -> Next:
        """Whatever it says: MAIL will show it."""
        self.stage = Stage.MAIL
        return self._go_on()

    def _on_mail(self, reply: Reply) -> Next:
        _expect(reply, intermediate=False)
        self.stage = Stage.RCPT
        if reply.is_positive:
            return self._go_on()
        self._is_mail_refused = True
        self._decide_rest(_verdict(reply, Phase.MAIL), is_done=False)
        return self._go_on() if self._is_pipelined else self._finish()

    def _on_rcpt(self, reply: Reply) -> Next:
        _expect(reply, intermediate=False)
        copy_no = self._envelope.copy_nos[self._answered_count]
        self._answered_count += 1
        if self._is_mail_refused:
            pass
        elif reply.is_positive:
            self._accepted.append(copy_no)
        else:
            self.verdicts[copy_no] = _rcpt_verdict(reply, is_first=not self._accepted)
        if self._answered_count < len(self._envelope.copy_nos):
            return self._go_on()
        return self._on_last_rcpt()

    def _on_last_rcpt(self) -> Next:
        if not self.has_chunking and (self._is_pipelined or self._accepted):
            self.stage = Stage.DATA
            return self._go_on()
        if not self._accepted:
            return self._finish()
        self.stage = Stage.BODY
        return Next.CONTENT

    def _on_data(self, reply: Reply) -> Next:
        if reply.is_intermediate:
            self.stage = Stage.BODY if self._accepted else Stage.DISCARD
            return Next.CONTENT if self._accepted else Next.EMPTY_DOT
        _expect(reply, positive=not self._accepted)
        if self._accepted:
            self._decide_rest(_verdict(reply, Phase.DATA), is_done=False)
        return self._finish()

    def _on_dot(self, reply: Reply) -> Next:
        _expect(reply, intermediate=False)
        verdict = _verdict(reply, Phase.DOT, self._has_dsn)
        if self._is_lmtp:
            self.verdicts[self._accepted[self._answered_count]] = verdict
            self._answered_count += 1
            if self._answered_count < len(self._accepted):
                return Next.NOTHING
        else:
            for copy_no in self._accepted:
                self.verdicts[copy_no] = verdict
        self.needs_reset = False
        return self._finish()

    def _on_discarded(self, _: Reply) -> Next:
        self.needs_reset = False
        return self._finish()

    def _go_on(self) -> Next:
        return Next.NOTHING if self._is_pipelined else Next.COMMAND

    def _finish(self) -> Next:
        self.stage = Stage.DONE
        return Next.DONE

    def _decide_rest(self, verdict: Verdict, *, is_done: bool = True) -> None:
        self.verdicts = [verdict if one is None else one for one in self.verdicts]
        if is_done:
            self.stage = Stage.DONE

    _ANSWERS: ClassVar[dict[Stage, Callable[[TransactionState, Reply], Next]]] = {
        Stage.RSET: _on_rset,
        Stage.MAIL: _on_mail,
        Stage.RCPT: _on_rcpt,
        Stage.DATA: _on_data,
        Stage.DOT: _on_dot,
        Stage.DISCARD: _on_discarded,
    }


def _expect(reply: Reply, *, positive: bool = True, intermediate: bool = True) -> None:
    if (reply.is_positive and not positive) or (reply.is_intermediate and not intermediate):
        raise Senseless(reply.words)


@lru_cache(maxsize=64)
def _verdict(reply: Reply, phase: Phase, has_dsn: bool = False) -> Verdict:  # noqa: FBT001, FBT002
    """2yz is only ever asked about at the dot.  Most peers say the same to each message."""
    if reply.is_positive:
        return Verdict(
            kind=Kind.TAKEN, phase=phase, status=reply.status, words=reply.words, has_dsn=has_dsn
        )
    kind = Kind.REFUSED if reply.is_permanent else Kind.LATER
    is_mail = phase is Phase.MAIL and reply.enhanced not in _ABOUT_SENDER
    scope = Scope.HOST if is_mail or reply.code == CLOSING else Scope.COPY
    return Verdict(kind=kind, phase=phase, status=reply.status, words=reply.words, scope=scope)


def _rcpt_verdict(reply: Reply, *, is_first: bool) -> Verdict:
    """Too many recipients is 452, from old servers 552 (RFC 5321 §4.5.3.1.10).

    Whatever the code, X.5.3 says so (RFC 3463 §3.6).  What 452 says of an address or of a
    mailbox (X.1.z, X.2.z) and 552 of anything else is true of this recipient alone.
    """
    if is_first or not _says_too_many(reply):
        return _verdict(reply, Phase.RCPT)
    return Verdict(
        kind=Kind.LATER,
        phase=Phase.RCPT,
        status="4.5.3",
        words=reply.words,
        is_over_limit=True,
    )


def _says_too_many(reply: Reply) -> bool:
    enhanced = reply.enhanced
    if enhanced[1:] == ".5.3":
        return True
    if reply.code == 452:
        return not enhanced.startswith(("4.1.", "4.2."))
    return reply.code == 552 and not enhanced
