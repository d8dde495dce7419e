"""The part of the embedded store that knows people, units and the directory."""

from __future__ import annotations

from mailserver.store.sql.people.imports import SqlPeople
from mailserver.store.sql.people.kinds import SqlKinds
from mailserver.store.sql.people.names import SqlNames
from mailserver.store.sql.people.outside import SqlOutsiders
from mailserver.store.sql.people.relations import SqlRelations
from mailserver.store.sql.people.search import SqlPeopleSearch
from mailserver.store.sqlite.engine import SqliteEngine


class SqliteStoreOfPeople:
    """Hands out the parts of the `People` and `Kinds` ports as methods."""

    _engine: SqliteEngine

    def _bind_people(self) -> None:
        names = SqlNames(self._engine)
        self.who_had = names.who_had
        self.last_homonym = names.last_homonym
        self.given_to = names.given_to
        people = SqlPeople(self._engine)
        self.read_subjects = people.read_subjects
        self.read_person = people.read_person
        self.read_unit = people.read_unit
        self.find_doc = people.find_doc
        self.due_lives = people.due_lives
        self.begin_import = people.begin_import
        self.apply_changes = people.apply_changes
        self.end_import = people.end_import
        self.last_import = people.last_import
        self.list_imports = people.list_imports
        self.begin_undo = people.begin_undo
        self.read_changes = people.read_changes
        self.undo_changes = people.undo_changes
        self.put = people.put

    def _bind_directory(self) -> None:
        search = SqlPeopleSearch(self._engine)
        self.find_unit = search.find_unit
        self.child_units = search.child_units
        self.search_people = search.search_people
        self.search_units = search.search_units
        self.find_person = search.find_person
        relations = SqlRelations(self._engine)
        self.relate = relations.relate
        self.end_relation = relations.end_relation
        self.relations_of = relations.relations_of
        self.relations_over = relations.relations_over
        self.is_below = relations.is_below
        self.note = relations.note
        self.history = relations.history
        kinds = SqlKinds(self._engine)
        self.set_kind = kinds.set_kind
        self.name_over = kinds.name_over
        outsiders = SqlOutsiders(self._engine)
        self.find_outside = outsiders.find_outside
        self.note_served = outsiders.note_served
