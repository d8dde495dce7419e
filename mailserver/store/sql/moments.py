"""Bringing stored moments back to where their rules allow, a slice a turn of the write lock.

What they are, and their rules: `mailserver.store.moments`.  Each step of what
`bound` and `lift` return is one turn; nothing is half done after any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mailserver.store.moments import COUNTED, SKEW_S, STAMPED, Counted, MomentRules, Stamped
from mailserver.store.ports.queue import Lane
from mailserver.store.sql.bulk import insert, select
from mailserver.store.sql.engine import Engine, Row
from mailserver.store.sql.queue import destinations
from mailserver.store.sql.queue.acts import RELEASED_FOR_S
from mailserver.values.clock import Era

SLICE: Final = 500

# Asked first, without the turn: some of these tables have no index of their moments.
_AHEAD = "> CAST(?1 AS double precision) + ?2"
_IS_AHEAD = f"SELECT 1 FROM {{table}} WHERE {{column}} {_AHEAD} AND {{where}} LIMIT 1"
_STAMPED = f"""
    UPDATE {{table}} SET {{others}}{{stamp}} = ?1
    WHERE ({{key}}) IN (SELECT {{key}} FROM {{table}} WHERE {{stamp}} {_AHEAD} LIMIT ?3)
    RETURNING 1"""
_COUNTED = f"""
    UPDATE {{table}} SET {{column}} = ?1
    WHERE ({{key}}) IN
        (SELECT {{key}} FROM {{table}} WHERE {{column}} {_AHEAD} AND {{where}} LIMIT ?3)
    RETURNING 1"""
_LIFT_STAMPED = """
    UPDATE {table} SET {others}{stamp} = {stamp} + ?3
    WHERE {stamp} BETWEEN ?1 AND ?2 RETURNING 1"""
_LIFT_COUNTED = """
    UPDATE {table} SET {column} = {column} + ?3
    WHERE {column} BETWEEN ?1 AND ?2 AND {where} RETURNING 1"""

# The newest come last, and it is they that a clock which was ahead has stamped.
_NEWEST = """
    SELECT message_id, accepted_at_s FROM message WHERE message_id < ?
    ORDER BY message_id DESC LIMIT ?"""
_NEXT = """
    SELECT message_id, accepted_at_s FROM message WHERE message_id > ?
    ORDER BY message_id LIMIT ?"""
_MOVE_MESSAGE = """
    WITH moved (message_id, by_s) AS ({rows:integer real})
    UPDATE message SET accepted_at_s = accepted_at_s + moved.by_s
    FROM moved WHERE message.message_id = moved.message_id"""
_MOVE_QUEUED = """
    WITH moved (message_id, by_s) AS ({rows:integer real})
    UPDATE queue SET tell_at_s = tell_at_s + moved.by_s, due_at_s = due_at_s + moved.by_s
    FROM moved WHERE queue.message_id = moved.message_id RETURNING destination_id"""
_QUEUED = """
    SELECT message_id, copy_no, destination_id, lane, due_at_s, tell_at_s, attempt_count
    FROM queue WHERE (message_id, copy_no) > (?, ?) ORDER BY message_id, copy_no LIMIT ?"""
_PLACE = """
    WITH moved (message_id, copy_no, due_at_s, tell_at_s) AS ({rows:integer integer real real})
    UPDATE queue SET
        due_at_s = CASE WHEN moved.due_at_s < queue.due_at_s
            THEN moved.due_at_s ELSE queue.due_at_s END,
        tell_at_s = CASE WHEN moved.tell_at_s < queue.tell_at_s
            THEN moved.tell_at_s ELSE queue.tell_at_s END
    FROM moved WHERE queue.message_id = moved.message_id AND queue.copy_no = moved.copy_no"""

_LAST: Final = 1 << 62
_SCANNED: Final = 5_000


class SqlMoments:
    """rules: the lengths that the settings choose.  wake: something may be due."""

    def __init__(self, engine: Engine, rules: MomentRules, *, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._rules = rules
        self._wake = wake

    def bound_moments(
        self, clock: Callable[[], float], *, only_waits: bool = False
    ) -> Iterator[int]:
        if not only_waits:
            yield from self._bound_messages(clock)
        yield from self._bound_queue(clock, only_waits=only_waits)
        for stamped in () if only_waits else STAMPED:
            statement = _filled(_STAMPED, stamped, "{column} - ({stamp} - ?1)")
            probe = _IS_AHEAD.format(table=stamped.table, column=stamped.stamp, where="1 = 1")
            yield from self._repeat(probe, statement, 0.0, clock)
        for counted in COUNTED:
            if counted.is_wait or not only_waits:
                probe, statement = _counted(_IS_AHEAD, counted), _counted(_COUNTED, counted)
                yield from self._repeat(probe, statement, counted.longest_s(self._rules), clock)
        self._wake()

    def lift_moments(self, era: Era) -> Iterator[int]:
        """What was stamped in it moves ahead, by as much as the clock did."""
        yield from self._lift_messages(era)
        for stamped in STAMPED:
            yield self._lift(_filled(_LIFT_STAMPED, stamped, "{column} + ?3"), era, 0.0)
        for counted in (one for one in COUNTED if not one.is_wait):
            statement = _counted(_LIFT_COUNTED, counted)
            yield self._lift(statement, era, counted.longest_s(self._rules))

    def _repeat(
        self, probe: str, statement: str, longest_s: float, clock: Callable[[], float]
    ) -> Iterator[int]:
        """A statement of slices, until nothing is left to change."""
        while self._engine.read(probe, (clock() + longest_s, SKEW_S)):
            with self._engine.write_turn(), self._engine.transaction() as connection:
                values = (clock() + longest_s, SKEW_S, SLICE)
                yield len(list(connection.execute(statement, values)))

    def _lift(self, statement: str, era: Era, longest_s: float) -> int:
        """At one go: a row that has moved might be met again."""
        span = (era.from_s + longest_s, era.to_s + longest_s, era.by_s)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            return len(list(connection.execute(statement, span)))

    # --- messages --------------------------------------------------------------------

    def _bound_messages(self, clock: Callable[[], float]) -> Iterator[int]:
        before = _LAST
        while rows := self._engine.read(_NEWEST, (before, SLICE)):
            before, now_s = rows[-1][0], clock()
            ahead = [(key, now_s - at_s) for key, at_s in rows if at_s > now_s + SKEW_S]
            if not ahead:
                return
            yield self._move(ahead, now_s)

    def _lift_messages(self, era: Era) -> Iterator[int]:
        after = era.after_id
        while rows := self._engine.read(_NEXT, (after, SLICE)):
            after = rows[-1][0]
            young = [(key, era.by_s) for key, at_s in rows if era.from_s <= at_s <= era.to_s]
            yield self._move(young, era.to_s + era.by_s)

    def _move(self, moved: list[tuple[int, float]], now_s: float) -> int:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            insert(connection, _MOVE_MESSAGE, moved)
            hops = {row[0] for row in select(connection, _MOVE_QUEUED, moved)}
            destinations.lower(connection, dict.fromkeys(hops, now_s))
        return len(moved)

    # --- the queue -------------------------------------------------------------------

    def _bound_queue(self, clock: Callable[[], float], *, only_waits: bool) -> Iterator[int]:
        after = (-1, -1)
        while rows := self._engine.read(_QUEUED, (*after, _SCANNED)):
            after, now_s = rows[-1][:2], clock()
            moved = [
                one
                for one in (self._placed(row, now_s, only_waits=only_waits) for row in rows)
                if one is not None
            ]
            for start in range(0, len(moved), SLICE):
                yield self._place(moved[start : start + SLICE], now_s)

    def _placed(
        self, row: Row, now_s: float, *, only_waits: bool
    ) -> tuple[int, int, int, float, float] | None:
        """(message, copy, destination, due, tell), where one of the two lies too far ahead."""
        message_id, copy_no, hop, lane, due_at_s, tell_at_s, attempt_count = row
        rules = self._rules
        is_turn = attempt_count == 0 or lane == Lane.FIRST.value
        wait_s = rules.longest_turn_s if is_turn else rules.longest_wait_s(attempt_count)
        tell_s = max(rules.schedule.expire_after_s, RELEASED_FOR_S)
        due = min(due_at_s, now_s + wait_s + SKEW_S)
        tell = tell_at_s if only_waits else min(tell_at_s, now_s + tell_s + SKEW_S)
        if (due, tell) == (due_at_s, tell_at_s):
            return None
        return message_id, copy_no, hop, due, tell

    def _place(self, moved: Sequence[tuple[int, int, int, float, float]], now_s: float) -> int:
        """Their hops are looked at now: when the next one is due shows then."""
        with self._engine.write_turn(), self._engine.transaction() as connection:
            insert(connection, _PLACE, [(m, c, due, tell) for m, c, _, due, tell in moved])
            destinations.lower(connection, dict.fromkeys({row[2] for row in moved}, now_s))
        return len(moved)


def _filled(template: str, one: Stamped, moved: str) -> str:
    others = "".join(
        f"{column} = {moved.format(column=column, stamp=one.stamp)}, " for column in one.others
    )
    return template.format(table=one.table, key=one.key, stamp=one.stamp, others=others)


def _counted(template: str, one: Counted) -> str:
    return template.format(table=one.table, key=one.key, column=one.column, where=one.where)
