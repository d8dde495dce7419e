"""The bench: this service against Postfix and Dovecot, in one run, on one machine.

Owns: the measuring (load, counting, tables).  Called by: people and `make bench`, as
`python -m bench`.  Imports no door; of the core only the store's port, to fill mailboxes and make
accounts in bulk, each in a process of its own.  Nothing imports this room.

Over 16 modules: each drives or measures one thing, which `table` and `report` name.
"""
