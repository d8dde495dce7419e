"""The embedded engine: SQLite through apsw, files beside it, locks by flock.

In: statements of `mailserver.store.sql`.  Out: rows, after an fsync.  May not know what they mean.
`mailserver.store.open` is the way in.  Nothing else in the project imports apsw:
two SQLite libraries on one file would drop each other's locks.
"""
