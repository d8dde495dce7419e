"""The store as the rest of the core and the doors see it: small abilities.

In: values.  Out: values.  Each module holds one port, and the values that go with it.  Every call
blocks, and returns values or octets, never a cursor: no statement, transaction or file handle of
the database stays open when a call has returned.  Reads are short and may run on a loop's own
thread.  What is durable: when `Writes.apply`, or any change in another port, has returned, its
result survives a power cut; what is in `shared` promises nothing.

Errors, for every call:
    StoreUnavailable: our fault, temporary (451, [SYS/TEMP]); try again later.
    StoreBroken: an I/O or fsync error; the process answers as ours and exits.

`lists` has over 400 lines: a port is read together with its values.

May not import `mailserver.store.sql`, an engine, or the files of one.
"""
