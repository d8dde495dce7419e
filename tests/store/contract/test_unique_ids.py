"""Unique-ids stay, and are never given twice, whatever becomes of the store (RFC 1939 §7)."""

from __future__ import annotations

from pathlib import Path

from mailserver.store.ports.store import Store
from tests.store.letters import accept, letter_to, people, remove, unique_ids_of
from tests.store.places import Place


def test_a_store_that_was_put_back_gives_no_unique_id_a_second_time(
    place: Place, store: Store, tmp_path: Path
) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    kept = unique_ids_of(store, box)
    copy = place.copy(str(tmp_path / "copy"))
    given = set(kept)
    for _ in range(3):
        place.put_back(copy)
        again = place.open()
        assert unique_ids_of(again, box) == kept  # what the copy had is as it was
        accept(again.writes, letter_to(box), letter_to(box))
        accept(again.writes, letter_to(box))
        new = unique_ids_of(again, box)[1:]
        assert len(new) == 3
        assert given.isdisjoint(new)
        given.update(new)


def test_copies_of_a_store_that_live_on_side_by_side_share_no_new_unique_id(
    place: Place, store: Store, tmp_path: Path
) -> None:
    (box,) = people(store, 1)
    accept(store.writes, letter_to(box))
    copies = [place.copy(str(tmp_path / f"copy{n}")) for n in range(4)]
    stores = [copy.open() for copy in copies]
    for _ in range(5):
        for one in stores:
            accept(one.writes, letter_to(box), letter_to(box))
    lists = [unique_ids_of(one, box) for one in stores]
    assert all(len(one) == 11 for one in lists)
    assert len({one for found in lists for one in found}) == 1 + 4 * 10
    for copy in copies:
        copy.close()


def test_unique_ids_stay_over_removals_restarts_and_other_writers(
    place: Place, store: Store
) -> None:
    (box,) = people(store, 1)
    other = place.open()
    for one in (store, other) * 3:
        accept(one.writes, letter_to(box))
    before = unique_ids_of(store, box)
    assert len(set(before)) == 6
    remove(other.writes, box, [2, 5])
    after = [one for n, one in enumerate(before, 1) if n not in {2, 5}]
    assert unique_ids_of(store, box) == after
    store.close()
    other.close()
    again = place.open()
    accept(again.writes, letter_to(box))
    assert unique_ids_of(again, box)[:-1] == after
    assert unique_ids_of(again, box)[-1] not in before
