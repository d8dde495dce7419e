"""The embedded engine: SQLite through apsw, files beside it, locks by flock.

`mailserver.store.open` is the way in.  Nothing else in the project imports apsw:
two SQLite libraries on one file would drop each other's locks.
"""
