"""Which destination is served, by how many connections, and what each verdict means for a copy.

In: facts as calls, with the clock as a value.  Out: orders, and what is to be settled.
May not know sockets, loops, the store or the clock: a test plays it through in memory.
"""
