"""All SQL of the store, in a subset that SQLite and PostgreSQL both speak.

`schema/` holds the numbered migrations, the modules hold the statements of one
ability each, over the small `Engine` port.  Engines differ in one place each
(`mailserver.store.sqlite.engine`).  No door imports anything from here.
"""
