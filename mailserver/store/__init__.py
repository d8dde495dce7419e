"""The store: what was promised, where it lies, and who may have it.

In: calls that block.  Out: values; what was answered is on the disk.  May not know a door.
`ports` is what the rest of the core and the doors see; `commit` is the writer
thread of a process; `sql` and `sqlite` implement the ports (`postgres` does for
tests), `files` keeps what lies beside the database.
"""
