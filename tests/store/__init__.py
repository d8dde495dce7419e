"""The store: the contract suite that every engine passes, and tests of SQLite alone."""
