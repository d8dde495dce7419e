"""One connection without its socket: octets in, octets out, verdicts.

    opening -> open <-> one transaction on the wire, one behind it -> QUIT -> over

With PIPELINING (RFC 2920 §3.1) the envelope of the next transaction travels behind
the final dot of the one before, so that a message costs one write and one
read; without it, one command at a time.  At most two transactions are here, so a
lost connection loses little.

A peer must read on behind a dot (RFC 2920 §3.2).  Where the dot is answered and
what followed it is not, or out of step, the peer or a proxy before it has lost
it: that transaction is untouched, and the failure says why (`lost_past_dot`).  The
same holds where it answers MAIL and not all of what was sent with it, or none of
it (`lost_behind_mail`): whoever opens the next connection asks for no pipelining.

Whatever the peer says, nothing here raises: nonsense ends the conversation in
words, each transaction gets its verdicts exactly once or is handed back untouched,
and memory is bounded by `ReplyReader` and by one chunk of content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mailserver.values.dots import FINAL_DOT
from smtp_relay.delivery.client.mail_object import (
    ContentLost,
    ending,
    raw_chunks,
    small_content,
    stuffed_chunks,
)
from smtp_relay.delivery.client.opening import Opening, Step
from smtp_relay.delivery.client.replies import CLOSING, Reply, ReplyReader, readable
from smtp_relay.delivery.client.transaction import Next, Senseless, Stage, TransactionState
from smtp_relay.delivery.plan import Protocol
from smtp_relay.delivery.verdicts import ConnectionFailure, Kind, Phase, Scope, Transaction, Verdict

_QUIT: Final = b"QUIT\r\n"


class Conversation:
    """
    is_still_ours: asked right before content and before its end; False ends the
        conversation, and the peer never sees the final dot.
    finished: transactions with their verdicts, for the shell to take away.
    is_over, failure, untouched: how it ended.  failure is None at a clean end.
    progress_count: changes whenever the peer has moved on; the time-outs rest on it.
    """

    def __init__(
        self, opening: Opening, protocol: Protocol, *, is_still_ours: Callable[[], bool]
    ) -> None:
        self._opening = opening
        self._protocol = protocol
        self._is_still_ours = is_still_ours
        self._reader = ReplyReader()
        self._awaited_count = 1  # answers to what the peer has surely got: first its greeting
        self._asked_count = 0  # and to what is said since the last octets came
        self._output: list[bytes] = []
        self._now: TransactionState | None = None
        self._next: TransactionState | None = None
        self._content: Iterator[bytes] | None = None
        self._held = b""  # a chunk of BDAT, until it is known whether another one follows
        self._needs_reset = False
        self._begun_count = 0
        self._is_closing = False
        self._has_said_quit = False
        self.finished: list[tuple[Transaction, list[Verdict]]] = []
        self.is_over = False
        self.failure: ConnectionFailure | None = None
        self.untouched: list[Transaction] = []
        self.progress_count = 0

    # --- what the shell asks ---------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._opening.step is Step.OPEN and not self.is_over

    @property
    def wants_handshake(self) -> bool:
        return self._opening.step is Step.HANDSHAKE and not self.is_over

    @property
    def clear_note(self) -> str:
        return self._opening.clear_note

    @property
    def is_idle(self) -> bool:
        return self._now is None

    @property
    def is_leaving(self) -> bool:
        return self._has_said_quit and not self.is_over

    @property
    def has_room(self) -> bool:
        if self._next is not None or self._is_closing or not self.is_open:
            return False
        return self._may_begin()

    @property
    def phase(self) -> Phase | None:
        """In which the peer is to do something; None: it is our turn."""
        if self._now is not None:
            return self._now.phase
        if self._has_said_quit:
            return Phase.MAIL
        return None if self._opening.step is Step.OPEN else self._opening.phase

    def take_output(self) -> bytes:
        output = self._output
        if not output:
            return b""
        self._output = []
        return output[0] if len(output) == 1 else b"".join(output)

    # --- what happens -----------------------------------------------------------------

    def receive(self, octets: bytes) -> None:
        """Octets from the peer, cut anywhere."""
        self._awaited_count += self._asked_count
        self._asked_count = 0
        replies = self._reader.feed(octets)
        heard_count = 0
        while heard_count < len(replies):
            if self.is_over:
                return
            heard_count += self._hear_run(replies, heard_count)
        if self._reader.fault:
            self.lose("4.5.0", self._reader.fault)
        elif self.wants_handshake and not self._reader.is_empty:
            self._fail_before_handshake()

    def be_encrypted(self) -> None:
        """The handshake is done and what it proved is enough."""
        self._say(self._opening.be_encrypted(), 1)

    def refuse(self, failure: ConnectionFailure) -> None:
        """The handshake proved too little."""
        self._end(failure)

    def offer(self, transaction: Transaction) -> None:
        """Take one more transaction; only while `has_room`."""
        state = TransactionState(transaction, self._opening.offers, self._protocol)
        if state.stage is Stage.DONE:
            self.finished.append((transaction, state.final_verdicts()))
            return
        self._begun_count += 1
        self.progress_count += 1
        if self._now is None:
            self._now = state
            self._begin(state)
            return
        self._next = state
        if self._now.stage is Stage.DOT and self._opening.offers.pipelining:
            self._begin(state)

    def next_chunk(self) -> bytes | None:
        """More content of a large message; None: there is none to send now."""
        if self._content is None or self._now is None or self.is_over:
            return None
        self.progress_count += 1
        try:
            chunk = next(self._content, None)
        except ContentLost as error:
            self._break_off(Kind.LATER, "4.3.0", str(error), Scope.OURS)
            return None
        if chunk is None:
            self._content = None
            self._end_content(self._now)
            return self.take_output() or None
        if self._now.has_chunking:  # its last octet ends it, as a dot would
            chunk, self._held = self._held, chunk
        return chunk

    def close(self) -> None:
        """QUIT once what is here is done; what waits behind the wire goes out too."""
        self._is_closing = True
        if self._now is None and self.is_open and not self._has_said_quit:
            self._has_said_quit = True
            self._say(_QUIT, 1)

    def lose(self, status: str, words: str, scope: Scope = Scope.HOST) -> None:
        """The connection is gone, or must go: nothing more will be said or heard."""
        if not self.is_over:
            self._break_off(Kind.BROKEN, status, words, scope)

    def end_of_stream(self) -> None:
        """The peer closed: after QUIT or between messages that is its right."""
        if self.is_over:
            return
        if self._now is None and self._opening.step is Step.OPEN:
            self._end(None)
        else:
            self._fail("4.4.2", f"it closed the connection while we waited for {self._awaited()}")

    def time_out(self, waited_s: float) -> None:
        if not self.is_over:
            self._fail("4.4.2", f"no answer in {waited_s:.0f} s: we waited for {self._awaited()}")

    # --- answers -----------------------------------------------------------------------

    def _hear_run(self, replies: Sequence[Reply], start: int) -> int:
        """One reply, or many alike: a hundred recipients get a hundred times the same."""
        count, end = 0, start + 1
        if end < len(replies) and replies[end] is replies[start] and self._now is not None:
            count = self._now.take_alike(replies, start, self._awaited_count)
            self._awaited_count -= count
        if not count:
            self._hear(replies[start])
            count = 1
        self.progress_count += count
        return count

    def _hear(self, reply: Reply) -> None:
        if self._awaited_count == 0:
            self._hear_unasked(reply)
            return
        self._awaited_count -= 1
        if self._now is not None:
            self._hear_about(self._now, reply)
        elif self._has_said_quit:
            self._end(None)
        else:
            self._hear_opening(reply)

    def _hear_opening(self, reply: Reply) -> None:
        try:
            command = self._opening.answer(reply)
        except ConnectionFailure as failure:
            self._end(failure)
            return
        if command:
            self._say(command, 1)

    def _hear_about(self, state: TransactionState, reply: Reply) -> None:
        if reply.code == CLOSING:
            self._break_off(Kind.LATER, reply.status, reply.words)
            return
        if state.is_out_of_step(reply):
            what = "a final dot" if state.is_unanswered_past_dot else "MAIL in one packet"
            self._fail("4.5.0", f"it lost what followed {what}: {reply.words}")
            return
        try:
            wanted = state.answer(reply)
        except Senseless:
            self._fail("4.5.0", f"an answer that makes no sense here: {reply.words}")
            return
        if wanted is Next.CONTENT:
            self._send_content(state)
        elif wanted is Next.DONE:
            self._finish(state)
        elif wanted is Next.COMMAND:
            self._say(state.next_command(), 1)
        elif wanted is Next.EMPTY_DOT:
            self._send_nothing()

    def _hear_unasked(self, reply: Reply) -> None:
        """421 may come at any time; a refusal may come before the message has ended."""
        now = self._now
        if self._opening.step is Step.HANDSHAKE:
            self._fail_before_handshake()
        elif now is None and reply.code == CLOSING and self._opening.step is Step.OPEN:
            self._end(None)
        elif now is not None and reply.code == CLOSING and now.is_unsent(self._asked_count):
            self._break_off(Kind.LATER, reply.status, reply.words)
        elif now is None or now.stage is not Stage.BODY or reply.code < 400:
            self._fail("4.5.0", f"an answer to nothing: {reply.words}")
        else:
            now.refuse_early(reply)
            self._fail(reply.status, f"it stopped the message: {reply.words}")

    def _fail_before_handshake(self) -> None:
        """What comes here in clear would pose as an answer over TLS (command injection)."""
        self._fail("4.7.0", "it sent more than its answer to STARTTLS before it")

    # --- transactions -------------------------------------------------------------------------

    def _begin(self, state: TransactionState) -> None:
        state.is_past_dot = state is self._next
        octets, count = state.begin(with_reset=self._needs_reset)
        self._needs_reset = False
        self._say(octets, count)

    def _send_content(self, state: TransactionState) -> None:
        message = state.transaction.message
        if not self._is_still_ours():
            self._fail_lease()
            return
        if state.has_chunking:
            self._output.append(b"BDAT %d LAST\r\n" % message.size_octets)
            self._held = b""
            self._content = raw_chunks(message)
            return
        content = small_content(message)
        if content is None:
            self._content = stuffed_chunks(message)
            return
        self._output.append(content)
        self._say(ending(message), state.content_answer_count)
        self._content_sent(state)

    def _end_content(self, state: TransactionState) -> None:
        if not self._is_still_ours():
            self._fail_lease()
            return
        octets = self._held if state.has_chunking else ending(state.transaction.message)
        self._say(octets, state.content_answer_count)
        self._content_sent(state)

    def _content_sent(self, state: TransactionState) -> None:
        state.content_sent()
        if self._next is not None and self._opening.offers.pipelining:
            self._begin(self._next)

    def _send_nothing(self) -> None:
        """354 although every recipient was refused: one dot, and what it gets is no matter.

        An LMTP server answers once per recipient, so here it never would.
        """
        if self._protocol is Protocol.LMTP:
            self._fail("4.5.0", "it wants a message for which it refused every recipient")
        else:
            self._say(FINAL_DOT, 1)

    def _finish(self, state: TransactionState) -> None:
        self.finished.append((state.transaction, state.final_verdicts()))
        self._needs_reset = state.needs_reset
        self._now, self._next = self._next, None
        if self._now is not None and self._now.stage is Stage.WAITING:
            self._begin(self._now)
        elif self._now is None and (self._is_closing or not self._may_begin()):
            self.close()

    def _may_begin(self) -> bool:
        limit = self._opening.offers.max_messages
        return limit is None or self._begun_count < limit

    # --- ends ------------------------------------------------------------------------------

    def _fail(self, status: str, words: str) -> None:
        self._break_off(Kind.BROKEN, status, words)

    def _fail_lease(self) -> None:
        words = "this copy was no longer ours to send, so the message was not ended"
        self._break_off(Kind.BROKEN, "4.3.0", words, Scope.OURS)

    def _break_off(self, kind: Kind, status: str, words: str, scope: Scope = Scope.HOST) -> None:
        """The failure of a connection is temporary, whatever the peer called it."""
        now, phase = self._now, self.phase or Phase.MAIL
        words = readable(words.encode("utf-8"))
        if self.wants_handshake:
            self._end(self._opening.handshake_failed(words))
            return
        is_past_dot = is_behind_mail = False
        if now is not None and kind is Kind.BROKEN:
            is_past_dot = now.is_unanswered_past_dot
            is_behind_mail = scope is Scope.HOST and not is_past_dot and now.is_behind_mail
        is_first = self._begun_count <= 1 + (self._next is not None)
        if now is not None and not (is_behind_mail or now.is_untouched(is_first=is_first)):
            now.break_off(kind, status, words, scope)
            self._needs_reset = True
            self.finished.append((now.transaction, now.final_verdicts()))
            self._now = None
        self._end(
            ConnectionFailure(
                phase=phase,
                status=f"4{status[1:]}",
                words=words,
                lost_past_dot=is_past_dot,
                lost_behind_mail=is_behind_mail,
            )
        )

    def _end(self, failure: ConnectionFailure | None) -> None:
        waiting = (self._now, self._next)
        self.untouched = [one.transaction for one in waiting if one is not None]
        self._now = self._next = self._content = None
        self._held = b""
        self._output = []
        self._reader.stop()
        self.failure = failure
        self.is_over = True

    def _say(self, octets: bytes, answer_count: int) -> None:
        self._output.append(octets)
        self._asked_count += answer_count

    def _awaited(self) -> str:
        phase = self.phase
        return "nothing" if phase is None else phase.awaited
