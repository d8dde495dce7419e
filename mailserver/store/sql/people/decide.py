"""One change on a slice: made, with the lines of history that it is worth, or a conflict in words.

    kept == before, names free, units there   ->  made
    anything else                             ->  Conflict; nothing of the change is made

Who is gone counts as not there, but for the names, which are still theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Final, TypeVar

from mailserver.store.ports.people import (
    Change,
    Conflict,
    Doc,
    Kind,
    Life,
    PersonDoc,
    PostDoc,
    UnitDoc,
)
from mailserver.store.sql.people.documents import AccountDraft, Node
from mailserver.store.sql.people.names import keys_of_doc
from mailserver.store.sql.people.slice import Slice, display_name, subject_key

NO_SIGN_IN: Final = frozenset({Life.EXPECTED, Life.LEFT, Life.GONE})
"""What life forbids; a suspension by a person is another matter, and stays."""


_T = TypeVar("_T")


def decide(state: Slice, change: Change) -> Conflict | None:
    """Make the change on the slice.  None: it is made."""
    subject = change.after if change.after is not None else change.before
    if subject is None:
        return None
    if change.before is not None and _name(change.before) != _name(subject):
        return Conflict(f"{_name(change.before)} cannot become {_name(subject)}")
    if isinstance(subject, PersonDoc):
        problem = _change_person(state, change)
    else:
        problem = _change_unit(state, change, subject.code)
    if problem is not None:
        return Conflict(problem)
    state.homonyms += change.homonyms
    return None


def _name(doc: Doc) -> str:
    """Of the subject, which no change may change."""
    return f"person {doc.source_key}" if isinstance(doc, PersonDoc) else f"unit {doc.code}"


# --- people ---------------------------------------------------------------------


def _change_person(state: Slice, change: Change) -> str | None:
    before, after = _there(change.before), _there(change.after)
    member = _member_of(state, change)
    kept = None if member is None or member.is_gone else member.doc
    if kept != before:
        return _difference(before, kept)
    if after is None:
        if member is not None and not member.is_gone:
            retire(state, member)
        return None
    missing = state.missing_unit(
        [*(post.unit_code for post in after.posts), *after.correspondent_of]
    )
    if missing is not None:
        return f"{after.identifier}: there is no unit {missing}"
    problem = state.name_problem(0 if member is None else member.account_id, after)
    if problem is None:
        _put(state, member, Kind.PERSON, after, change.verifier)
    return problem


def _there(doc: Doc | None) -> PersonDoc | None:
    """A document of somebody who is gone says the same as none."""
    return doc if isinstance(doc, PersonDoc) and doc.life is not Life.GONE else None


def _member_of(state: Slice, change: Change) -> AccountDraft | None:
    """Whom the change means.  One made by hand who is gone never comes back as somebody new."""
    subject = change.before or change.after
    if not isinstance(subject, PersonDoc) or (change.before is None and not subject.source_key):
        return None
    return state.people.get(subject_key(subject))


def _put(
    state: Slice, member: AccountDraft | None, kind: Kind, doc: PersonDoc, verifier: str | None
) -> AccountDraft:
    """Make the account, bring it back, or change it."""
    if member is None:
        member = state.new_member(kind, doc)
        state.rename(member.account_id, {}, keys_of_doc(doc))
        state.note(member, "created", _names_words(doc))
    elif member.is_gone:
        state.rename(member.account_id, {}, keys_of_doc(doc))
        state.note(member, "came back", _names_words(doc))
    else:
        state.rename(member.account_id, keys_of_doc(member.doc), keys_of_doc(doc))
        _note_changes(state, member, doc)
    if not member.has_verifier:
        member.verifier = verifier or member.verifier
    _become(state, member, doc)
    return member


def retire(state: Slice, member: AccountDraft) -> None:
    """The account is gone: nothing of it is deleted, its names go into quarantine."""
    doc = replace(member.doc, life=Life.GONE, life_until_s=None, posts=(), correspondent_of=())
    state.rename(member.account_id, keys_of_doc(member.doc), {})
    until = state.moment.names_kept_until
    state.note(member, "gone", f"names kept until {until}: {_names_words(member.doc)}")
    _become(state, member, doc)


def _become(state: Slice, member: AccountDraft, doc: PersonDoc) -> None:
    if doc.life is not member.doc.life:
        member.life_since_s = state.moment.now_s
    member.doc = doc


# --- units ----------------------------------------------------------------------


def _change_unit(state: Slice, change: Change, code: str) -> str | None:
    node = state.units.get(code)
    kept = None if node is None or node.is_gone else node.doc
    if kept != change.before:
        return _difference(change.before, kept)
    if change.after is None:
        return None if node is None or node.is_gone else _drop_unit(state, node)
    after = change.after
    assert isinstance(after, UnitDoc), "before and after are of one kind"
    problem = _parent_problem(state, after, kept) or _account_problem(state, node, after)
    if problem is None:
        _put_unit(state, node, after, change.verifier)
    return problem


def _parent_problem(state: Slice, after: UnitDoc, kept: UnitDoc | None) -> str | None:
    if not after.parent_code:
        return None
    if state.missing_unit([after.parent_code]) is not None:
        return f"{after.code}: there is no unit {after.parent_code} to be below"
    if kept is not None and kept.parent_code == after.parent_code:
        return None
    if state.would_turn_in_circles(after.code, after.parent_code):
        return f"{after.code} cannot be below {after.parent_code}, which is below it"
    return None


def _account_problem(state: Slice, node: Node | None, after: UnitDoc) -> str | None:
    if not after.identifier:
        return f"{after.code}: addresses without an identifier" if after.addresses else None
    member = None if node is None else node.member
    return state.name_problem(0 if member is None else member.account_id, after)


def _put_unit(state: Slice, node: Node | None, after: UnitDoc, verifier: str | None) -> None:
    node = node or state.new_node(after)
    if after.identifier:
        doc = _account_doc(node.member, after)
        node.member = _put(state, node.member, Kind.ESTABLISHMENT, doc, verifier)
    elif node.member is not None and not node.member.is_gone:
        retire(state, node.member)
    if not after.is_closed:
        node.closed_at_s = None
    elif node.closed_at_s is None:
        node.closed_at_s = state.moment.now_s
    node.doc, node.is_gone = after, False
    state.moved(after.code, after.parent_code)


def _drop_unit(state: Slice, node: Node) -> str | None:
    dependent = state.dependents(node)
    if dependent is not None:
        return f"{node.doc.code} cannot go: {dependent}"
    if node.member is not None and not node.member.is_gone:
        retire(state, node.member)
    node.is_gone = True
    return None


def _account_doc(member: AccountDraft | None, unit: UnitDoc) -> PersonDoc:
    """The account of an establishment: its surname is the establishment's name."""
    kept = member.doc if member is not None else None
    base = kept or PersonDoc(source_key="", identifier="", given_name="", surname="", addresses=())
    return replace(
        base,
        identifier=unit.identifier,
        surname=unit.name,
        addresses=unit.addresses,
        is_hidden=unit.is_hidden,
        telephone=unit.telephone,
        life=Life.PRESENT,
        life_until_s=None,
    )


# --- words ----------------------------------------------------------------------


def _difference(before: Doc | None, kept: Doc | None) -> str:
    if kept is None:
        return f"{'nobody' if before is None else _known_as(before)} is not there"
    if before is None:
        return f"{_known_as(kept)} is there already"
    for field in fields(kept):
        was, now = getattr(before, field.name), getattr(kept, field.name)
        if was != now:
            words = f"{field.name} is {_shown(now)}, not {_shown(was)}"
            return f"{_known_as(kept)} was changed meanwhile: {words}"
    return f"{_known_as(kept)} was changed meanwhile"


def _known_as(doc: Doc) -> str:
    return doc.code if isinstance(doc, UnitDoc) else doc.identifier


def _shown(value: object) -> str:
    if isinstance(value, Life):
        return value.value
    if isinstance(value, PostDoc):
        return _post_words(value)
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "none"
    return str(value) or "empty"


def _names_words(doc: PersonDoc) -> str:
    return ", ".join((doc.identifier, *doc.addresses))


def _post_words(post: PostDoc) -> str:
    what = f"{post.function} ({post.subject})" if post.subject else post.function
    return f"{what} at {post.unit_code}"


def _note_changes(state: Slice, member: AccountDraft, new: PersonDoc) -> None:
    """What a person would say of the change, a line each."""
    old = member.doc
    _note_arrow(state, member, "renamed", display_name(old), display_name(new))
    _note_arrow(state, member, "identifier changed", old.identifier, new.identifier)
    _note_addresses(state, member, new)
    _note_posts(state, member, new)
    _note_units(state, member, new)
    _note_arrow(state, member, "life changed", _life_words(old, state), _life_words(new, state))
    _note_arrow(state, member, "class changed", old.class_name, new.class_name)
    if old.is_hidden != new.is_hidden:
        state.note(member, "hidden in the directory" if new.is_hidden else "shown in the directory")


def _note_arrow(state: Slice, member: AccountDraft, what: str, old: str, new: str) -> None:
    if old != new:
        state.note(member, what, f"{old or 'none'} -> {new or 'none'}")


def _note_addresses(state: Slice, member: AccountDraft, new: PersonDoc) -> None:
    old = member.doc
    until = state.moment.names_kept_until
    for address in _less(new.addresses, old.addresses):
        state.note(member, "address added", address)
    for address in _less(old.addresses, new.addresses):
        state.note(member, "address released", f"{address}, kept until {until}")
    if old.addresses[:1] != new.addresses[:1] and new.addresses:
        state.note(member, "first address", new.addresses[0])


def _note_posts(state: Slice, member: AccountDraft, new: PersonDoc) -> None:
    ended, begun = _less(member.doc.posts, new.posts), _less(new.posts, member.doc.posts)
    if not ended and not begun:
        return
    old_units = {post.unit_code for post in member.doc.posts}
    new_units = {post.unit_code for post in new.posts}
    what = "posts changed" if old_units == new_units else "moved"
    state.note(member, what, f"{_posts_words(ended)} -> {_posts_words(begun)}")


def _posts_words(posts: Iterable[PostDoc]) -> str:
    return ", ".join(map(_post_words, posts)) or "none"


def _note_units(state: Slice, member: AccountDraft, new: PersonDoc) -> None:
    for code in _less(new.correspondent_of, member.doc.correspondent_of):
        state.note(member, "correspondent", f"of {code}")
    for code in _less(member.doc.correspondent_of, new.correspondent_of):
        state.note(member, "correspondent", f"of {code} no longer")


def _life_words(doc: PersonDoc, state: Slice) -> str:
    calendar, until_s = state.moment.calendar, doc.life_until_s
    until = "" if until_s is None else f" until {calendar.last_day(until_s)}"
    words = {Life.LEFT: "left: may not sign in", Life.EXPECTED: "expected: may not sign in yet"}
    return words.get(doc.life, doc.life.value) + until


def _less(these: tuple[_T, ...], those: tuple[_T, ...]) -> list[_T]:
    return [one for one in these if one not in those]
