"""PostgreSQL as the engine: for tests only, slow and correct, until it gets hot paths of its own.

It runs the same statements as the embedded engine, so that each of them is held to both from the
day it is written.  No setting and no command leads here, and the service does not install its
driver.  In: statements of `mailserver.store.sql`.  Out: rows.  May not know SQLite, nor any door.
"""
