"""Posts on their way, posts that wait for a moderator, wishes to be confirmed: their reads."""

from __future__ import annotations

from collections.abc import Callable

from mailserver.store.ports.lists import MAX_OPEN_WISHES, Cursor, Hold, Progress, Stage, Wish
from mailserver.store.ports.operators import Deed
from mailserver.store.ports.queue import CopyRef
from mailserver.store.sql.dialect import lower_ascii
from mailserver.store.sql.engine import Engine, Row, first
from mailserver.store.sql.queue.acts import act_on_copies
from mailserver.values.ids import ListId, MessageId

_PROGRESS = """
    SELECT derived_id, stage, after_id, copy_count, reader_count FROM list_post
    WHERE message_id = ? AND copy_no = ?"""
# A copy that an operator cancelled or returned waits for nobody, whatever was said of it.
_IS_QUEUED = """EXISTS (SELECT 1 FROM queue WHERE queue.message_id = list_held.message_id
        AND queue.copy_no = list_held.copy_no)"""
_HOLD = f"""
    SELECT message_id, copy_no, list_id, held_at_s, verdict, by_whom, {_IS_QUEUED} FROM list_held"""
_COUNT_WAITING = f"""
    SELECT count(*) FROM (SELECT 1 FROM list_held
        JOIN message ON message.message_id = list_held.message_id
        WHERE list_id = ? AND verdict = '' AND account_id IS NULL AND {_IS_QUEUED} LIMIT ?)
        AS waiting"""
_DECIDE = f"""
    UPDATE list_held SET verdict = ?, by_whom = ?
    WHERE message_id = ? AND copy_no = ? AND verdict = '' AND {_IS_QUEUED} RETURNING message_id"""
_KEEP_WISH = """
    INSERT INTO list_wish (token, list_id, address, joins, expires_at_s)
    SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM list_wish
            WHERE list_id = ? AND lower(address) = ? AND joins = ?)
    RETURNING 1"""
_DROP_OLDEST = """
    DELETE FROM list_wish WHERE list_id = ? AND joins = ? AND token NOT IN (
        SELECT token FROM list_wish WHERE list_id = ? AND joins = ?
        ORDER BY expires_at_s DESC, token LIMIT ?)"""
_TAKE_WISH = """
    DELETE FROM list_wish WHERE token = ? RETURNING list_id, address, joins, expires_at_s"""
_FORGET_WISHES = "DELETE FROM list_wish WHERE expires_at_s < ?"


class SqlListPosts:
    """A part of the `Lists` port."""

    _engine: Engine
    _wake: Callable[[], None]

    def post_progress(self, source: CopyRef) -> Progress | None:
        row = first(self._engine.read(_PROGRESS, (source.message_id, source.copy_no)))
        if row is None:
            return None
        derived_id, stage, after_id, copy_count, reader_count = row
        return Progress(
            derived_id=MessageId(derived_id),
            cursor=Cursor(Stage(stage), after_id),
            copy_count=copy_count,
            reader_count=reader_count,
        )

    def find_hold(self, source: CopyRef) -> Hold | None:
        which = f"{_HOLD} WHERE message_id = ? AND copy_no = ?"
        return _hold(first(self._engine.read(which, (source.message_id, source.copy_no))))

    def hold_of_token(self, token: str) -> Hold | None:
        return _hold(first(self._engine.read(f"{_HOLD} WHERE token = ?", (token,))))

    def waiting_posts(self, list_id: ListId) -> list[Hold]:
        which = f"""{_HOLD} WHERE list_id = ? AND verdict = '' AND {_IS_QUEUED}
            ORDER BY held_at_s, message_id"""
        found = map(_hold, self._engine.read(which, (list_id,)))
        return [one for one in found if one is not None]

    def count_waiting(self, list_id: ListId, *, most: int) -> int:
        row = first(self._engine.read(_COUNT_WAITING, (list_id, most)))
        return 0 if row is None else int(row[0])

    def has_seen(self, digest: bytes) -> bool:
        return bool(self._engine.read("SELECT 1 FROM list_seen WHERE digest = ?", (digest,)))

    def decide_hold(self, source: CopyRef, verdict: str, deed: Deed) -> bool:
        values = (verdict, deed.by, source.message_id, source.copy_no)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            if first(connection.execute(_DECIDE, values)) is None:
                return False
            act_on_copies(connection, [source], deed)
        self._wake()
        return True

    def keep_wish(self, token: str, wish: Wish, *, now_s: float, expires_at_s: float) -> bool:
        asked = (wish.list_id, wish.address, int(wish.joins))
        known = (wish.list_id, lower_ascii(wish.address), int(wish.joins))
        values = (token, *asked, expires_at_s, *known)
        with self._engine.write_turn(), self._engine.transaction() as connection:
            connection.execute(_FORGET_WISHES, (now_s,))
            is_kept = first(connection.execute(_KEEP_WISH, values)) is not None
            if is_kept:
                kind = (wish.list_id, int(wish.joins))
                connection.execute(_DROP_OLDEST, (*kind, *kind, MAX_OPEN_WISHES))
            return is_kept

    def take_wish(self, token: str, *, now_s: float) -> Wish | None:
        with self._engine.write_turn(), self._engine.transaction() as connection:
            row = first(connection.execute(_TAKE_WISH, (token,)))
            connection.execute(_FORGET_WISHES, (now_s,))
        if row is None or row[3] < now_s:
            return None
        return Wish(list_id=ListId(row[0]), address=row[1], joins=bool(row[2]))


def _hold(row: Row | None) -> Hold | None:
    if row is None:
        return None
    message_id, copy_no, list_id, held_at_s, verdict, by_whom, is_queued = row
    return Hold(
        ref=CopyRef(MessageId(message_id), copy_no),
        list_id=ListId(list_id),
        held_at_s=held_at_s,
        verdict=verdict,
        by_whom=by_whom,
        is_queued=bool(is_queued),
    )
